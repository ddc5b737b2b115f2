//! `convert` through the built binary: kinds, streams as they arrive, files, losses, failures.

use crate::support::bodies;
use crate::support::program::{Output, Program};
use crate::support::sse_rules::check_stream;
use serde_json::{Value, json};
use std::fs;

const REQUEST: &str = r#"{"model":"claude-sonnet-5[1m]","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object","z":1e2,"a":12345678901234567890123,"properties":{}}}]}"#;
/// The same with a loss.
const LOSSY: &str = r#"{"model":"m","max_tokens":9,"top_k":5,"messages":[{"role":"user","content":"hi"}]}"#;

fn convert(arguments: &[&str]) -> Program {
    Program::aiapiproxy().arg("convert").args(arguments)
}

fn piped(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    convert(arguments).stdin(input).run()
}

fn good(output: &Output) -> &str {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    &output.stdout
}

fn bad(output: &Output, code: i32, reason: &str) {
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains(reason), "{}", output.stderr);
    assert!(output.stderr.lines().count() <= 3, "{}", output.stderr);
}

fn events(text: &str) -> Vec<crate::support::sse::Event> {
    crate::support::sse::parse(text)
}

fn stream() -> String {
    bodies::chunks(&["Hel", "lo"]).concat()
}

#[test]
fn a_request_goes_to_chat_with_numbers_and_order_as_they_were() {
    let expected = r#"{"model":"claude-sonnet-5","messages":[{"role":"user","content":"hi"}],"max_tokens":9,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","z":1e2,"a":12345678901234567890123,"properties":{}}}}]}"#;
    assert_eq!(good(&piped(&[], REQUEST)), format!("{expected}\n"));
    let pretty = piped(&["--pretty"], REQUEST);
    assert!(pretty.stdout.contains("\n          \"z\": 1e2,\n"), "{}", pretty.stdout);
    let squeezed: String = good(&pretty).chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(squeezed, expected);
}

#[test]
fn nothing_is_taken_from_the_environment_or_a_file_unless_asked_for() {
    let config = "[models]\nsonnet = \"from-the-file\"\n";
    let surrounded = |program: Program| {
        program
            .env("OPENAI_BASE_URL", "https://api.mistral.ai/v1")
            .env("CLAUDE_SONNET_MODEL", "from-the-environment")
            .file("config.toml", config)
            .env("AIAPIPROXY_CONFIG", "config.toml")
            .file(".env", "SERVER_PORT=nonsense")
            .stdin(REQUEST)
    };
    let plain = piped(&[], REQUEST);
    assert_eq!(surrounded(convert(&[])).run(), plain);
    assert!(surrounded(convert(&["--config", "config.toml"])).run().stdout.contains("from-the-environment"));
    let by_file = convert(&["--config", "config.toml"]).file("config.toml", config).stdin(REQUEST).run();
    assert!(by_file.stdout.contains(r#""model":"from-the-file""#), "{by_file:?}");
    let by_flag = piped(&["--model", "m", "--preset", "openai"], REQUEST);
    assert!(
        by_flag.stdout.starts_with(r#"{"model":"m""#) && by_flag.stdout.contains("max_completion_tokens")
    );
}

#[test]
fn a_response_becomes_a_message_with_an_id_that_follows_from_the_input() {
    let input = bodies::completion("Hello").to_string();
    let first = piped(&[], &input);
    let message: Value = serde_json::from_str(good(&first)).unwrap();
    assert_eq!(message["content"], json!([{"type": "text", "text": "Hello"}]));
    assert_eq!(message["model"], "test-model");
    assert_eq!(message["id"].as_str().unwrap().len(), "msg_".len() + 24);
    assert_eq!(piped(&[], &input), first);
    let named: Value = serde_json::from_str(&piped(&["--model", "m"], &input).stdout).unwrap();
    assert_eq!(named["model"], "m");
}

#[test]
fn a_stream_is_converted_as_it_arrives() {
    let chunks = bodies::chunks(&["Hel", "lo"]);
    let mut running = convert(&[]).start();
    running.write(chunks[..2].concat());
    let so_far = running.wait_for_stdout("Hel");
    assert!(!so_far.contains("lo\""), "{so_far}");
    running.write(chunks[2..].concat());
    let output = running.wait();
    let message = check_stream(&events(good(&output)));
    assert_eq!(message.text(), "Hello");
    assert_eq!(output, piped(&[], stream()), "the same input gives the same bytes, however it arrives");
}

#[test]
fn a_long_stream_takes_no_more_memory_than_a_short_one() {
    let mut running = convert(&[]).start();
    let piece = bodies::chunk(json!({"content": "x".repeat(8 << 10)}), None);
    running.write(piece.repeat(100));
    running.wait_for_stdout("xxx");
    let before = running.resident_kib();
    for _ in 0..20 {
        running.write(piece.repeat(100));
    }
    let after = running.resident_kib();
    if let (Some(before), Some(after)) = (before, after) {
        // 16 MiB went through in the meantime.
        assert!(after < before + 4 * 1024, "{before} KiB, then {after} KiB");
    }
    running.write(bodies::chunk(json!({}), Some("stop")) + bodies::DONE);
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn a_stream_that_breaks_off_ends_with_its_error_event_and_65() {
    let chunks = bodies::chunks(&["Hel", "lo"]);
    let output = piped(&[], chunks[..2].concat());
    bad(&output, 65, "closed the stream early");
    assert!(output.stdout.contains("Hel"), "{}", output.stdout);
    assert_eq!(events(&output.stdout).last().unwrap().name.as_deref(), Some("error"));

    let refused = piped(&[], "data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n");
    bad(&refused, 65, "no");
    assert_eq!(events(&refused.stdout).last().unwrap().name.as_deref(), Some("error"));

    let aggregated = piped(&["--aggregate"], chunks[..2].concat());
    bad(&aggregated, 65, "closed the stream early");
    assert_eq!(aggregated.stdout, "");
}

#[test]
fn a_stream_folds_into_a_message_and_a_message_explodes_into_a_stream() {
    let folded = piped(&["--aggregate"], stream());
    let message: Value = serde_json::from_str(good(&folded)).unwrap();
    assert_eq!(message["content"][0]["text"], "Hello");

    let exploded = piped(&["--explode"], &folded.stdout);
    assert_eq!(check_stream(&events(good(&exploded))).text(), "Hello");
    assert_eq!(piped(&["--aggregate"], &exploded.stdout), folded);
    assert_eq!(piped(&["--aggregate", "--from", "messages"], &exploded.stdout), folded);

    let completion = bodies::completion("Hello").to_string();
    assert_eq!(check_stream(&events(good(&piped(&["--explode"], completion)))).text(), "Hello");
    assert!(piped(&["--aggregate", "--pretty"], stream()).stdout.starts_with("{\n  \"id\""));
}

#[test]
fn a_stream_of_messages_keeps_nothing_unknown_and_refuses_what_breaks_it() {
    let exploded = piped(&["--explode"], bodies::completion("Hello").to_string()).stdout;
    let unknown =
        exploded.replacen("event: ping", "event: news\ndata: {\"type\":\"news\"}\n\nevent: ping", 1);
    let output = piped(&["--aggregate", "--report"], unknown);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains(r#""kind":"dropped""#), "{}", output.stderr);

    let broken = exploded.replacen(r#""index":0"#, r#""index":7"#, 1);
    bad(&piped(&["--aggregate"], broken), 65, "");
}

#[test]
fn plain_json_for_a_stream_and_a_stream_for_a_response_are_understood() {
    let completion = bodies::completion("Hello").to_string();
    let output = piped(&["--kind", "stream"], completion);
    assert_eq!(check_stream(&events(good(&output))).text(), "Hello");
    let output = piped(&["--kind", "response"], stream());
    let message: Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!(message["content"][0]["text"], "Hello");
}

#[test]
fn an_error_gets_its_status_from_the_flag_or_the_body() {
    let kind = |arguments: &[&str], input: &str| {
        let output = piped(arguments, input);
        let error: Value = serde_json::from_str(good(&output)).unwrap();
        assert_eq!(error["type"], "error");
        error["error"]["type"].as_str().unwrap().to_owned()
    };
    assert_eq!(kind(&[], r#"{"error":{"message":"slow down","code":429}}"#), "rate_limit_error");
    assert_eq!(kind(&["--status", "429"], r#"{"error":{"message":"slow down"}}"#), "rate_limit_error");
    assert_eq!(kind(&[], r#"{"error":{"message":"broken"}}"#), "api_error");
    assert_eq!(kind(&["--kind", "error", "--status", "529"], "<html>busy</html>"), "overloaded_error");
}

#[test]
fn keys_that_an_upstream_echoes_are_masked() {
    let output = piped(&[], r#"{"error":{"message":"bad key: sk-canary0123456789abcdefghij","code":400}}"#);
    assert!(!good(&output).contains("canary"), "{}", output.stdout);
}

#[test]
fn the_original_request_gives_the_model_and_the_names() {
    let name = "n".repeat(80);
    let request = json!({
        "model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": name, "input_schema": {"type": "object"}}],
    });
    let sent = piped(&[], request.to_string());
    let sent: Value = serde_json::from_str(good(&sent)).unwrap();
    let short = sent["tools"][0]["function"]["name"].as_str().unwrap();
    assert_ne!(short, name, "chat completions take 64 characters");

    let call = json!({"id": "c1", "type": "function", "function": {"name": short, "arguments": "{}"}});
    let mut completion = bodies::completion("");
    completion["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    completion["choices"][0]["finish_reason"] = json!("tool_calls");
    let program = convert(&["--request", "request.json"]).file("request.json", request.to_string());
    let output = program.stdin(completion.to_string()).run();
    let message: Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!(message["model"], "claude-opus-5-5");
    assert_eq!(message["content"][0]["name"], name);

    bad(&piped(&["--request", "missing.json"], ""), 66, "missing.json");
    bad(&convert(&["--request", "r"]).file("r", "{}").stdin("{}").run(), 65, "r: missing field");
}

#[test]
fn losses_are_listed_on_stderr_or_in_a_file() {
    let line = r#"{"pointer":"/top_k","kind":"dropped","reason":"#;
    let output = piped(&["--report"], LOSSY);
    assert_eq!((output.code, output.stdout.is_empty()), (Some(0), false));
    assert!(output.stderr.starts_with(line), "{}", output.stderr);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("losses.jsonl");
    let to_file = piped(&[&format!("--report={}", path.display())], LOSSY);
    assert_eq!(good(&to_file), output.stdout);
    assert_eq!(fs::read_to_string(path).unwrap(), output.stderr);

    bad(&piped(&["--report=missing/losses.jsonl"], LOSSY), 73, "missing/losses.jsonl");
}

#[test]
fn strict_writes_nothing_rather_than_losing_something() {
    let output = piped(&["--strict"], LOSSY);
    bad(&output, 65, "/top_k");
    assert_eq!(output.stdout, "");
    good(&piped(&["--strict"], REQUEST));
}

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
fn a_file_is_read_and_a_file_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in.json", "out.json"].map(|name| folder.path().join(name));
    let [from, to] = [&input, &output].map(|path| path.to_str().unwrap());
    fs::write(&input, REQUEST).unwrap();
    fs::write(&output, "old").unwrap();
    assert_eq!(good(&convert(&[from, "-o", to]).run()), "");
    let written = fs::read_to_string(&output).unwrap();
    assert_eq!(written, piped(&[], REQUEST).stdout);

    // What fails leaves the old file, and nothing beside it.
    fs::write(&input, "nonsense").unwrap();
    bad(&convert(&[from, "-o", to]).run(), 65, "in.json");
    assert_eq!(fs::read_to_string(&output).unwrap(), written);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);

    // In place.
    fs::write(&input, REQUEST).unwrap();
    good(&convert(&[from, "-o", from]).run());
    assert_eq!(fs::read_to_string(&input).unwrap(), written);
}

#[test]
fn a_stream_does_not_empty_its_own_input() {
    let output = convert(&["s.sse", "-o", "s.sse"]).file("s.sse", stream()).run();
    bad(&output, 2, "both input and output");
    bad(&convert(&["a", "-o", "missing/b"]).file("a", stream()).run(), 73, "missing/b");
}

#[test]
fn failures_have_their_codes() {
    bad(&piped(&["missing.json"], ""), 66, "missing.json");
    bad(&piped(&["."], ""), 66, ".");
    bad(&piped(&[], ""), 65, "stdin is empty");
    bad(&piped(&[], "<html>"), 65, "neither JSON nor a stream");
    bad(&piped(&[], "{\"a\":1}"), 65, "no request, response or error");
    bad(&piped(&[], r#"{"model":"m","messages":[],"max_tokens":1.5}"#), 65, "max_tokens");
    bad(&piped(&["-o", "missing/out.json"], REQUEST), 73, "missing/out.json");
    bad(&piped(&["--from", "responses"], REQUEST), 2, "not supported yet");
    bad(&piped(&["--kind", "request", "--from", "chat"], REQUEST), 2, "from chat to chat");
    bad(&piped(&["--aggregate"], REQUEST), 2, "--aggregate is for streams");
    bad(&piped(&["--pretty"], stream()), 2, "--pretty");
    let message = piped(&[], bodies::completion("x").to_string()).stdout;
    bad(&piped(&[], message), 2, "--explode");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_74() {
    bad(&piped(&["-o", "/dev/full"], REQUEST), 74, "cannot write to /dev/full");
    bad(&piped(&["-o", "/dev/full"], stream()), 74, "cannot write to /dev/full");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for input in [REQUEST.to_owned(), stream()] {
        let output = convert(&[]).stdin(&input).stdout_closed().run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    }
    let output = convert(&["--jsonl"]).stdin(format!("{REQUEST}\n").repeat(2_000)).stdout_closed().run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}
