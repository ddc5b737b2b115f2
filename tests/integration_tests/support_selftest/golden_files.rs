//! Golden comparison: differences, missing and orphaned files are told, `UPDATE` mends them.

use crate::support::golden::{Case, compare};
use std::fs;

fn shout(case: &Case) -> Vec<u8> {
    let mut text = case.input.to_ascii_uppercase();
    text.extend(case.companion("more.txt").unwrap_or_default());
    text
}

#[test]
fn cases_are_compared_and_updated() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let check = |update| compare(folder.path(), "txt", update, shout);

    assert_eq!(check(false).unwrap_err(), "no cases");
    write("one.txt", "a\nb\n");
    write("one.more.txt", "c");
    assert!(check(false).unwrap_err().contains("--- one\nline 1\n  expected: \n  produced: A"));
    check(true).unwrap();
    check(false).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("one.expected.txt")).unwrap(), "A\nB\nc");

    write("one.txt", "a\nd\n");
    assert!(check(false).unwrap_err().contains("--- one\nline 2\n  expected: B\n  produced: D"));
    write("one.txt", "a\nb\n");
    write("two.expected.txt", "");
    assert!(check(false).unwrap_err().contains("--- two\nan expected file without a case"));
}
