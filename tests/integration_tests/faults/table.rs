//! Does every row have a test?

use std::fs;
use std::path::Path;

/// What can go wrong; a row's number is its place, from 1.
const FAULTS: [&str; 50] = [
    "the client closes in the middle of a stream",
    "the client closes before the first token",
    "the client closes a request for a whole answer",
    "the client closes its half of the connection",
    "the upstream stalls before its head",
    "the upstream stalls in the middle of a stream",
    "the upstream resets the connection in the middle of a stream",
    "the upstream closes the connection in the middle of a stream",
    "the last event lacks its blank line",
    "the upstream is gone without a word",
    "the client does not read",
    "an event of megabytes",
    "a line without end",
    "bytes that are no UTF-8",
    "letters and lines that are cut anywhere",
    "half a surrogate pair",
    "byte order mark, comments, every kind of line end",
    "compressed answers that nobody asked for",
    "decompression bombs",
    "long prompts",
    "bodies beyond the limit",
    "deep nesting",
    "members that stand twice",
    "numbers beyond all types",
    "floods of headers, and requests that two readers would read differently",
    "slow heads and slow bodies",
    "more connections than allowed",
    "more requests than allowed",
    "more requests of one client than allowed",
    "SIGTERM",
    "SIGHUP",
    "a kept connection dies when it is used",
    "the upstream refuses for the moment",
    "any fault after the first byte",
    "several upstreams, one of them bad",
    "hedging",
    "the name does not resolve",
    "TLS fails",
    "the port is taken",
    "nobody takes the log",
    "no descriptors are left",
    "a handler panics",
    "the clock jumps",
    "memory runs short",
    "an answer that is none, or of another kind",
    "HTTP/2 upstreams",
    "the upstream ignores `stream`",
    "the shared limiter is down",
    "unusual ways to write a request",
    "a configuration with unknown keys",
];

/// Rows that are not promised yet.
const LATER: [(usize, &str); 2] = [
    (35, "there is one upstream so far"),
    (48, "limits are kept in this process, there is no shared limiter"),
];

#[test]
fn fault_table() {
    let mut tests = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration_tests"), &mut tests);
    let untested: Vec<String> = (1..)
        .zip(FAULTS)
        .filter(|(row, _)| !LATER.iter().any(|(later, _)| later == row))
        .filter(|(row, _)| !tests.iter().any(|test| test.starts_with(&format!("f{row:02}_"))))
        .map(|(row, fault)| format!("F{row}: {fault}"))
        .collect();
    assert!(untested.is_empty(), "rows without a test: {untested:#?}");
}

/// The names of all tests.
fn collect(folder: &Path, tests: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let attributed = text.split("#[test]\n").skip(1);
        let names = attributed.filter_map(|after| after.trim_start().strip_prefix("fn ")?.split('(').next());
        tests.extend(names.map(str::to_owned));
    }
}
