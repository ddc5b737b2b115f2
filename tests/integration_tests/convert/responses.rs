//! `convert` to and from Responses.

use super::{REQUEST, bad, convert, good, piped};
use crate::support::program::Output;
use crate::support::sse::parse;
use crate::support::sse_rules::check_stream;
use serde_json::{Value, json};

/// A response with reasoning, a text and a call.
fn answer() -> Value {
    json!({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-6-sol", "output": [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "SECRET", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "I look. STOP"}]},
        {"type": "function_call", "call_id": "call_1", "name": "a_b_4a5b0e2f", "arguments": "{\"q\":1.10}"},
    ], "usage": {"input_tokens": 9, "output_tokens": 7}})
}

/// The same as a stream.
fn events() -> String {
    let response = answer();
    let mut events = vec![json!({"type": "response.created", "response": {"model": "gpt-6-sol"}})];
    for (index, item) in response["output"].as_array().unwrap().iter().enumerate() {
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response}));
    let lines =
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn requests_go_to_responses_too() {
    let output = piped(&["--to", "responses", "--preset", "openai", "--model", "gpt-6-sol"], REQUEST);
    let body: Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!((&body["store"], &body["model"]), (&json!(false), &json!("gpt-6-sol")));
    assert_eq!(body["input"][0]["type"], "message");
    let lines = piped(&["--to", "responses", "--jsonl"], format!("{REQUEST}\n{REQUEST}\n"));
    assert_eq!(good(&lines).matches(r#""store":false"#).count(), 2);
}

#[test]
fn responses_come_back_whole_and_as_streams() {
    let message = |output: &Output| -> Value { serde_json::from_str(good(output)).unwrap() };
    let whole = message(&piped(&[], answer().to_string()));
    let kinds: Vec<_> = whole["content"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!((&whole["model"], &whole["stop_reason"]), (&json!("gpt-6-sol"), &json!("tool_use")));
    let streamed = piped(&[], events());
    assert!(good(&streamed).starts_with("event: message_start\n"));
    check_stream(&parse(streamed.stdout.as_bytes()));
    assert!(streamed.stdout.contains(r#""model":"gpt-6-sol""#));
    for (arguments, input) in [
        (&["--aggregate"][..], events()),
        (&["--from", "responses"], answer().to_string()),
        (&["--jsonl"], answer().to_string()),
        (&["--kind", "stream", "--aggregate"], answer().to_string()),
    ] {
        let same = message(&piped(arguments, input));
        assert_eq!(same["content"], whole["content"], "{arguments:?}");
        assert_eq!(same["usage"]["output_tokens"], 7);
    }
    let exploded = piped(&["--explode"], answer().to_string());
    check_stream(&parse(good(&exploded).as_bytes()));
    let broken = events().split("event: response.completed").next().unwrap().to_owned();
    bad(&piped(&[], broken), 65, "closed the stream early");
}

#[test]
fn a_request_tells_what_its_response_means() {
    let asked = r#"{"model":"claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}],
        "stop_sequences":["STOP"],"thinking":{"type":"adaptive","display":"omitted"}}"#;
    let output = convert(&["--request", "asked"]).file("asked", asked).stdin(answer().to_string()).run();
    let message: Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!(message["model"], "claude-sonnet-5");
    assert_eq!(
        (&message["stop_reason"], &message["stop_sequence"]),
        (&json!("stop_sequence"), &json!("STOP"))
    );
}

#[test]
fn a_failed_response_is_no_message() {
    let mut failed = answer();
    failed["status"] = json!("failed");
    failed["error"] = json!({"code": "rate_limit_exceeded", "message": "Slow down"});
    bad(&piped(&[], failed.to_string()), 65, "Slow down");
    let error =
        json!({"error": {"message": "no", "type": "invalid_request_error", "param": "input", "code": null}});
    let output = piped(&["--from", "responses", "--status", "429"], error.to_string());
    assert!(good(&output).contains("rate_limit_error"));
}
