//! `convert` of documents through the built binary: every option, kinds, files, losses, failures. Streams have
//! `convert_stream.rs`.

use crate::support::bodies;
use crate::support::program::{Output, Program};
use serde_json::{Value, json};
use std::fs;

mod lines;
mod responses;

const REQUEST: &str = r#"{"model":"claude-sonnet-5[1m]","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object","z":1e2,"a":12345678901234567890123,"properties":{}}}]}"#;
/// The same with a loss.
const LOSSY: &str = r#"{"model":"m","max_tokens":9,"top_k":5,"messages":[{"role":"user","content":"hi"}]}"#;

pub(crate) fn convert(arguments: &[&str]) -> Program {
    Program::aiapiproxy().arg("convert").args(arguments)
}

pub(crate) fn piped(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    convert(arguments).stdin(input).run()
}

pub(crate) fn good(output: &Output) -> &str {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    &output.stdout
}

pub(crate) fn bad(output: &Output, code: i32, reason: &str) {
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains(reason), "{}", output.stderr);
    assert!(output.stderr.lines().count() <= 3, "{}", output.stderr);
}

pub(crate) fn stream() -> String {
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
fn failures_have_their_codes() {
    bad(&piped(&["missing.json"], ""), 66, "missing.json");
    bad(&piped(&["."], ""), 66, ".");
    bad(&piped(&[], ""), 65, "stdin is empty");
    bad(&piped(&[], "<html>"), 65, "neither JSON nor a stream");
    bad(&piped(&[], "{\"a\":1}"), 65, "no request, response or error");
    bad(&piped(&[], r#"{"model":"m","messages":[],"max_tokens":1.5}"#), 65, "max_tokens");
    bad(&piped(&["-o", "missing/out.json"], REQUEST), 73, "missing/out.json");
    bad(&piped(&["--from", "responses"], REQUEST), 2, "from responses to chat");
    bad(&piped(&[], r#"{"model":"m","input":"hi"}"#), 2, "a request from responses");
    bad(&piped(&["--from", "responses"], bodies::completion("x").to_string()), 65, "no output");
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

/// What `auto` makes of an input, told by a member that only this kind of output has.
#[test]
fn every_kind_is_recognised_from_stdin_and_from_a_file() {
    let exploded = piped(&["--explode"], bodies::completion("x").to_string()).stdout;
    let inputs = [
        (&[][..], REQUEST.to_owned(), r#"{"model":"claude-sonnet-5","messages":"#),
        (&[], bodies::completion("x").to_string(), r#"{"id":"msg_"#),
        (&[], stream(), "event: message_start\n"),
        (&[], ": comment\n\n".to_owned() + &stream(), "event: message_start\n"),
        (&["--aggregate"], exploded, r#"{"id":"msg_"#),
        (&[], r#"{"error":{"message":"no"}}"#.to_owned(), r#"{"type":"error","error":"#),
        (&[], r#"[{"error":{"code":429,"message":"no"}}]"#.to_owned(), r#"{"type":"error","error":"#),
        (&[], r#"{"object":"error","message":"no","code":404}"#.to_owned(), r#"{"type":"error","error":"#),
    ];
    for (arguments, input, beginning) in inputs {
        let output = piped(arguments, &input);
        assert!(good(&output).starts_with(beginning), "{input}: {}", output.stdout);
        for same in [format!("\u{feff}{input}"), format!(" \r\n{input}")] {
            let again = piped(arguments, &same);
            assert_eq!(again.code, Some(0), "{same:?}: {}", again.stderr);
            assert!(again.stdout.starts_with(beginning), "{same:?}: {}", again.stdout);
        }
        let from_file = convert(arguments).arg("in").file("in", &input).run();
        assert_eq!(from_file, output);
        assert_eq!(convert(arguments).arg("-").stdin(&input).run(), output);
    }
}

/// Each kind in each pair of dialects: it works, or it says so with exit code 2 before it reads anything.
#[test]
fn a_pair_that_is_not_supported_is_refused_before_anything_is_read() {
    let dialects = ["messages", "chat", "responses"];
    for kind in ["request", "response", "stream", "error"] {
        for (from, to) in dialects.iter().flat_map(|from| dialects.iter().map(move |to| (*from, *to))) {
            let pair = ["--kind", kind, "--from", from, "--to", to, "missing.json"];
            let works = match kind {
                "request" => from == "messages" && to != "messages",
                _ => from != "messages" && to == "messages",
            };
            bad(
                &piped(&pair, ""),
                if works { 66 } else { 2 },
                if works { "missing.json" } else { "support" },
            );
        }
    }
    bad(&convert(&["--kind", "stream", "--jsonl"]).arg("missing.json").run(), 2, "");
}

#[test]
fn bad_data_is_told_with_its_place() {
    let request = |rest: &str| format!(r#"{{"model":"m","max_tokens":3,{rest}}}"#);
    let user = |content: &str| request(&format!(r#""messages":[{{"role":"user","content":{content}}}]"#));
    for (input, place) in [
        (request(r#""messages":[]"#), "messages: "),
        (request(r#""messages":[{"role":"nobody","content":"x"}]"#), "messages.0.role: "),
        (user(r#"[{"type":"text","text":"x"},{"type":"nope"}]"#), "messages.0.content.1: "),
        (user(r#"[{"type":"image","source":{"type":"file","file_id":"f"}}]"#), "messages.0.content.0"),
        (
            user(r#"[{"type":"tool_result","tool_use_id":"t9"}]"#),
            "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t9.",
        ),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#.to_owned(), "max_tokens: "),
        ("{\"model\":\"m\",\n\"messages\":[,]}".to_owned(), "line 2 column 13"),
        (format!(r#"{{"a":{}"#, "[".repeat(100_000)), "column"),
        (r#"{"choices":[]}"#.to_owned(), "no choices"),
    ] {
        let file = convert(&["in.json"]).file("in.json", &input).run();
        bad(&file, 65, place);
        assert!(file.stderr.contains("in.json"), "{}", file.stderr);
        assert_eq!(file.stdout, "", "{input}");
        bad(&piped(&[], &input), 65, "stdin");
    }
    let message = r#"{"type":"message","content":[{"type":"text"}]}"#;
    bad(&piped(&["--explode"], message), 65, "missing field `text` at line 1");
    bad(&piped(&[], b"\xff\xfe{"), 65, "neither JSON");
}

#[test]
fn a_kind_that_is_stated_counts_more_than_what_the_input_looks_like() {
    bad(&piped(&["--kind", "request"], bodies::completion("x").to_string()), 65, "");
    bad(&piped(&["--kind", "response"], REQUEST), 65, "no choices");
    bad(&piped(&["--kind", "stream"], ""), 65, "stdin is empty");
    let error: Value = serde_json::from_str(good(&piped(&["--kind", "error"], "Bad Gateway"))).unwrap();
    assert_eq!(error["error"]["type"], "api_error");
}

#[test]
fn the_first_four_stop_sequences_are_sent_and_the_others_reported() {
    let request = json!({
        "model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}],
        "stop_sequences": ["a", "b", "c", "d", "e"],
    });
    let output = piped(&["--report"], request.to_string());
    let sent: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(sent["stop"], json!(["a", "b", "c", "d"]));
    let loss: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!((&loss["pointer"], &loss["kind"]), (&json!("/stop_sequences/4"), &json!("dropped")));
}

#[test]
fn stop_sequences_are_searched_for_in_an_answer() {
    let request = json!({
        "model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}], "stop_sequences": ["STOP"],
    });
    let program = convert(&["--request", "request.json"]).file("request.json", request.to_string());
    let output = program.stdin(bodies::completion("ab STOP cd").to_string()).run();
    let message: Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!(message["content"], json!([{"type": "text", "text": "ab "}]));
    assert_eq!(
        (&message["stop_reason"], &message["stop_sequence"]),
        (&json!("stop_sequence"), &json!("STOP"))
    );
}

#[test]
fn ids_follow_from_the_input_where_there_are_none() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": "{}"}});
    let completion = |names: [&str; 2]| {
        let message = json!({"role": "assistant", "tool_calls": names.map(call)});
        json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).to_string()
    };
    let output = piped(&[], completion(["f", "g"]));
    assert_eq!(piped(&[], completion(["f", "g"])), output);
    let ids = |output: &Output| {
        let message: Value = serde_json::from_str(good(output)).unwrap();
        [&message["id"], &message["content"][0]["id"], &message["content"][1]["id"]]
            .map(|id| id.as_str().unwrap().to_owned())
    };
    let [message, first, second] = ids(&output);
    assert!(message.starts_with("msg_") && first.starts_with("toolu_") && second.starts_with("toolu_"));
    assert_ne!(first, second);
    assert_ne!(ids(&piped(&[], completion(["f", "h"])))[0], message, "another input, another id");
}

#[test]
fn a_closed_stdin_is_an_empty_input() {
    let script = r#"exec "$0" convert <&-"#;
    let output = Program::other("/bin/sh").args(["-c", script, env!("CARGO_BIN_EXE_aiapiproxy")]).run();
    bad(&output, 65, "stdin");
    assert_eq!(output.stdout, "");
}

#[test]
fn with_its_request_an_answer_gets_no_id_that_stood_in_the_conversation() {
    let request = json!({
        "model": "m", "max_tokens": 9, "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_0", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "y"}]},
        ],
    });
    let call = json!({"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let mut completion = bodies::completion("");
    completion["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    completion["choices"][0]["finish_reason"] = json!("tool_calls");
    let id = |arguments: &[&str]| {
        let program = convert(arguments).file("request.json", request.to_string());
        let message: Value =
            serde_json::from_str(good(&program.stdin(completion.to_string()).run())).unwrap();
        message["content"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id(&[]), "call_0");
    let other = id(&["--request", "request.json"]);
    assert!(!other.is_empty() && other != "call_0", "{other}");
    assert_eq!(id(&["--request", "request.json"]), other, "the same input, the same id");
}
