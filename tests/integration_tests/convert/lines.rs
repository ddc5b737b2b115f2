//! `--jsonl`: one document a line in, one a line out.

use super::{LOSSY, REQUEST, good, piped};
use crate::support::bodies;
use serde_json::{Value, json};
use std::fs;

#[test]
fn lines_are_converted_one_by_one_and_a_bad_one_is_left_out() {
    let completion = bodies::completion("Hello");
    let input = format!("{REQUEST}\n\n{{\"messages\":7}}\n{completion}\r\nnonsense\n{LOSSY}");
    let output = piped(&["--jsonl", "--report"], input);
    assert_eq!(output.code, Some(65));
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["model"], "claude-sonnet-5");
    assert_eq!(lines[1]["type"], "message");
    assert_eq!(lines[2]["model"], "m");
    let told: Vec<&str> = output.stderr.lines().collect();
    assert!(told[0].starts_with("error: line 3: "), "{told:?}");
    assert!(told[1].starts_with("error: line 5 is neither JSON"), "{told:?}");
    assert!(told[2].starts_with(r#"{"line":6,"pointer":"/top_k""#), "{told:?}");
    assert_eq!(told[3], "error: 2 of 6 lines could not be converted");

    let strict = piped(&["--jsonl", "--strict"], format!("{LOSSY}\n{REQUEST}\n"));
    assert_eq!((strict.code, strict.stdout.lines().count()), (Some(65), 1));
}

#[test]
fn line_ends_within_opaque_parts_do_not_break_lines() {
    let mut completion = bodies::completion("");
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\n \"a\":\r\n 1e2}"}});
    completion["choices"][0]["message"]["tool_calls"] = json!([call]);
    let output = piped(&["--jsonl"], completion.to_string());
    assert_eq!(good(&output).lines().count(), 1);
    assert!(output.stdout.contains("1e2"), "{}", output.stdout);
}

#[test]
fn a_report_without_losses_is_empty_and_one_of_lines_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("losses.jsonl");
    let report = format!("--report={}", path.display());
    good(&piped(&[&report], REQUEST));
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    let output = folder.path().join("out.jsonl");
    let arguments = ["--jsonl", &report, "-o", output.to_str().unwrap()];
    assert_eq!(good(&piped(&arguments, format!("{REQUEST}\n{LOSSY}\n"))), "");
    let losses = fs::read_to_string(&path).unwrap();
    assert!(losses.starts_with(r#"{"line":2,"pointer":"/top_k","kind":"dropped","#), "{losses}");
    assert_eq!((losses.lines().count(), fs::read_to_string(output).unwrap().lines().count()), (1, 2));
    assert_eq!(good(&piped(&["--jsonl"], "")), "");
}
