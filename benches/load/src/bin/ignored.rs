//! What `convert` is measured against: reads each line of a file as JSON into nothing.
//!
//!   ignored FILE
//!
//! Of a line that begins with `data: ` the rest is read; empty lines and `[DONE]` are passed over.
use serde::de::IgnoredAny;
use std::{
    fs::File,
    io::{BufRead, BufReader},
};

fn main() {
    let path = std::env::args().nth(1).expect("usage: ignored FILE");
    let mut reader = BufReader::with_capacity(64 << 10, File::open(path).expect("the file opens"));
    let (mut line, mut count) = (Vec::new(), 0_u64);
    while reader.read_until(b'\n', &mut line).expect("the file is readable") > 0 {
        let json = line.strip_prefix(b"data: ").unwrap_or(&line).trim_ascii();
        if !json.is_empty() && json != b"[DONE]" {
            serde_json::from_slice::<IgnoredAny>(json).expect("JSON");
            count += 1;
        }
        line.clear();
    }
    println!("{count} documents");
}
