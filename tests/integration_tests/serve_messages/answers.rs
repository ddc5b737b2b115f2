//! Answers of upstreams that do not do as the textbook says, to a client that wants one whole message.

use super::request;
use crate::support::bodies::{self, completion};
use crate::support::serving::{Gateway, answer, failure, request_for};
use crate::support::upstream::Exchange;
use serde_json::{Value, json};

fn finished(reason: &str) -> Value {
    let mut completed = completion("text");
    completed["choices"][0]["finish_reason"] = json!(reason);
    completed
}

#[test]
fn every_finish_reason_becomes_a_stop_reason() {
    let table = [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_calls", "end_turn"),
        ("something-new", "end_turn"),
    ];
    let cases = table.map(|(reason, _)| (reason.to_owned(), Exchange::new().json(finished(reason))));
    let gateway = Gateway::by_model(cases);
    for (reason, expected) in table {
        let message = answer(gateway.post(request_for(reason, false)));
        assert_eq!(message["stop_reason"], expected, "{reason}");
    }
    gateway.end();
}

#[test]
fn a_refusal_is_told_as_one() {
    let mut refused = completion("");
    refused["choices"][0]["message"] = json!({"role": "assistant", "content": null, "refusal": "I can't"});
    let gateway = Gateway::start(vec![Exchange::new().json(refused)]);
    let message = gateway.say("hi");
    assert_eq!(
        (&message["stop_reason"], &message["content"][0]["text"]),
        (&json!("refusal"), &json!("I can't"))
    );
    assert!(message["stop_details"].is_object(), "{message}");
    gateway.end();
}

#[test]
fn reasoning_text_and_calls_become_blocks_in_order() {
    let mut completed = completion("It is warm.");
    completed["choices"][0]["message"]["reasoning_content"] = json!("let me see");
    completed["choices"][0]["message"]["tool_calls"] =
        json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]);
    completed["choices"][0]["finish_reason"] = json!("tool_calls");
    let gateway = Gateway::start(vec![Exchange::new().json(completed)]);
    let message = gateway.say("hi");
    let kinds: Vec<_> = message["content"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(message["content"][0]["thinking"], "let me see");
    assert_eq!(message["content"][2]["input"], json!({"a": 1}));
    gateway.end();
}

#[test]
fn odd_arguments_never_break_an_answer() {
    let table = [
        ("empty", json!(""), json!({})),
        ("null", Value::Null, json!({})),
        ("object", json!({"a": 1}), json!({"a": 1})),
        ("twice-encoded", json!("\"{\\\"a\\\":1}\""), json!({"a": 1})),
        ("array", json!("[1]"), json!({"_raw": "[1]"})),
        ("words", json!("not json"), json!({"_raw": "not json"})),
    ];
    let cases = table.clone().map(|(name, arguments, _)| {
        let mut completed = completion("");
        completed["choices"][0]["message"]["tool_calls"] =
            json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}]);
        completed["choices"][0]["finish_reason"] = json!("tool_calls");
        (name.to_owned(), Exchange::new().json(completed))
    });
    let gateway = Gateway::by_model(cases);
    for (name, _, input) in table {
        let message = answer(gateway.post(request_for(name, false)));
        let blocks = message["content"].as_array().unwrap();
        let call = blocks.iter().find(|block| block["type"] == "tool_use");
        assert_eq!(call.map(|call| &call["input"]), Some(&input), "{name}: {message}");
    }
    gateway.end();
}

#[test]
fn wrong_or_missing_counts_are_never_negative_or_null() {
    let table = [
        (
            "cached-beyond-prompt",
            json!({"prompt_tokens": 5, "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 9}}),
        ),
        ("missing", Value::Null),
        ("nulls", json!({"prompt_tokens": null, "completion_tokens": null})),
    ];
    let cases = table.clone().map(|(name, usage)| {
        let mut completed = completion("text");
        completed["usage"] = usage;
        (name.to_owned(), Exchange::new().json(completed))
    });
    let gateway = Gateway::by_model(cases);
    for (name, _) in table {
        let usage = answer(gateway.post(request_for(name, false)))["usage"].clone();
        for key in ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
        {
            assert!(usage[key].is_u64(), "{name}: {key} in {usage}");
        }
    }
    gateway.end();
}

#[test]
fn a_stream_that_nobody_asked_for_is_folded() {
    let chunks = bodies::chunks(&["Hel", "lo"]);
    let labelled = Exchange::new().sse(&chunks);
    let unlabelled = Exchange::new().header("content-type", "text/plain").chunked().piece(chunks.concat());
    let gateway =
        Gateway::by_model([("labelled".to_owned(), labelled), ("unlabelled".to_owned(), unlabelled)]);
    for model in ["labelled", "unlabelled"] {
        let message = answer(gateway.post(request_for(model, false)));
        assert_eq!(message["content"], json!([{"type": "text", "text": "Hello"}]), "{model}");
        assert_eq!(
            (&message["stop_reason"], &message["usage"]["output_tokens"]),
            (&json!("end_turn"), &json!(7))
        );
    }
    gateway.end();
}

#[test]
fn a_stream_that_nobody_asked_for_and_that_broke_is_a_failure() {
    let chunks = bodies::chunks(&["Hel", "lo"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&chunks[..2])]);
    failure(gateway.post(request("hi", false)), 502, "api_error");
    gateway.end();
}

#[test]
fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let half = completion("Hello").to_string();
    let upstream = Exchange::new()
        .header("content-type", "application/json")
        .piece(&half[..20])
        .fin()
        .piece(&half[20..]);
    let gateway = Gateway::start(vec![upstream]);
    let error = failure(gateway.post(request("hi", false)), 502, "api_error");
    assert!(error["message"].as_str().unwrap().contains("closed the connection"), "{error}");
    gateway.end();
}

#[test]
fn an_answer_with_a_byte_order_mark_or_without_a_type_is_read() {
    let text = completion("Hello").to_string();
    let marked = Exchange::new().json(format!("\u{feff}{text}"));
    let bare = Exchange::new().piece(&text);
    let gateway = Gateway::by_model([("marked".to_owned(), marked), ("bare".to_owned(), bare)]);
    for model in ["marked", "bare"] {
        assert_eq!(answer(gateway.post(request_for(model, false)))["content"][0]["text"], "Hello", "{model}");
    }
    gateway.end();
}
