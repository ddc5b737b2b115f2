//! How near the ways to count tokens come to o200k, over texts of many kinds; the README says it.

use aiapiproxy::translate::tokens::{chars_text, count_text, estimate_text};
use std::fs;
use std::path::Path;

/// A kind of text, its files in `tests/fixtures/tokens`, and how far the estimate and `chars` may be off, in
/// per cent.
const KINDS: [(&str, &[&str], f64, f64); 6] = [
    ("English prose", &["prose", "system_prompt"], 15.0, 40.0),
    ("code", &["code_rust", "code_python", "code_typescript"], 15.0, 40.0),
    ("JSON schemas of tools", &["tool_schemas"], 15.0, 40.0),
    ("JSON data", &["json_data"], 15.0, 40.0),
    ("Chinese, Japanese, Korean", &["chinese", "japanese", "korean"], 15.0, 40.0),
    ("other European languages", &["european"], 25.0, 150.0),
];

/// A number against the one that is right, in per cent.
fn error(counted: u64, right: u64) -> f64 {
    (f64::from(u32::try_from(counted).unwrap()) / f64::from(u32::try_from(right).unwrap()) - 1.0) * 100.0
}

/// The tokens of a text by the tables themselves, without this program's handling.
fn o200k(text: &str) -> u64 {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len() as u64
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/tokens/{name}.txt"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_errors_are_within_their_bounds_and_those_of_the_readme() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let mut missing = Vec::new();
    for (kind, files, estimate_bound, chars_bound) in KINDS {
        let (mut right, mut counted, mut estimated, mut by_chars) = (0, 0, 0, 0);
        for file in files {
            let text = text(file);
            let of_file = [o200k(&text), count_text(&text), estimate_text(&text), chars_text(&text)];
            println!("{file}: {of_file:?}, estimate {:+.1} %", error(of_file[2], of_file[0]));
            assert!(error(of_file[2], of_file[0]).abs() <= estimate_bound, "{file}: {of_file:?}");
            assert!(error(of_file[3], of_file[0]).abs() <= chars_bound, "{file}: {of_file:?}");
            right += of_file[0];
            counted += of_file[1];
            estimated += of_file[2];
            by_chars += of_file[3];
        }
        let errors = [counted, estimated, by_chars].map(|it| format!("{:+.1} %", error(it, right)));
        let row = format!("| {kind} | {right} | {} |", errors.join(" | "));
        println!("{row}");
        if !readme.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "README.md lacks:\n{}", missing.join("\n"));
}

#[test]
fn long_texts_are_counted_in_pieces_at_next_to_no_error() {
    let all: String = KINDS.iter().flat_map(|(_, files, ..)| *files).map(|file| text(file)).collect();
    let long = all.repeat(10);
    let (counted, right) = (count_text(&long), o200k(&long));
    assert!(long.len() > 4 * (64 << 10) && error(counted, right).abs() < 0.1, "{counted} {right}");
}
