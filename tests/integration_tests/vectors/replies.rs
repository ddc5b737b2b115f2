//! Vectors of whole answers: what the upstream says, and what the client gets of it.

use super::ground::{Ground, asking, assistant, called, completed, result, user};
use crate::support::bodies::{chunks, completion};
use crate::support::serving::{Gateway, answer, failure, request_for, streamed};
use crate::support::upstream::{Exchange, Request};
use serde_json::{Value, json};

/// What the client gets of one answer of the upstream.
fn told(completion: Value) -> Value {
    let gateway = Gateway::start(vec![Exchange::new().json(completion)]);
    let message = gateway.say("hi");
    gateway.end();
    message
}

pub(super) fn vector_34_finish_and_calls() {
    let calling = json!({"role": "assistant", "content": null, "tool_calls": [called("c", "f", "{}")]});
    for finish_reason in ["stop", "tool_calls", "function_call"] {
        let message = told(completed(calling.clone(), finish_reason));
        assert_eq!(message["stop_reason"], "tool_use", "{finish_reason}");
        assert_eq!(message["content"][0]["type"], "tool_use");
    }
    let without = json!({"role": "assistant", "content": "no call", "tool_calls": []});
    let message = told(completed(without, "tool_calls"));
    assert_eq!(message["stop_reason"], "end_turn");
    assert_eq!(message["content"], json!([{"type": "text", "text": "no call"}]));
}

pub(super) fn vector_35_arguments() {
    let table = [
        ("object", json!({"a": [1, 2]}), json!({"a": [1, 2]})),
        ("empty", json!(""), json!({})),
        ("twice", json!("\"{\\\"a\\\":1}\""), json!({"a": 1})),
        ("array", json!("[1]"), json!({"_raw": "[1]"})),
        ("cut-before-a-value", json!("{\"a\":"), json!({"_raw": "{\"a\":"})),
        ("cut-after-a-value", json!("{\"a\":{\"b\":[1]"), json!({"a": {"b": [1]}})),
        // A number or a command that was cut must not look like a whole one.
        ("cut-in-a-number", json!("{\"a\":1"), json!({"_raw": "{\"a\":1"})),
        ("cut-in-a-string", json!("{\"a\":\"rm -rf /tm"), json!({"_raw": "{\"a\":\"rm -rf /tm"})),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, arguments, _)| {
        let message = json!({"role": "assistant", "tool_calls": [called("c", "f", arguments)]});
        (name.to_owned(), Exchange::new().json(completed(message, "tool_calls")))
    }));
    for (name, _, input) in table {
        let message = answer(gateway.post(request_for(name, false)));
        assert_eq!(message["content"][0]["input"], input, "{name}");
        assert_eq!(message["stop_reason"], "tool_use", "{name}");
    }
    gateway.end();
}

pub(super) fn vector_36_usage() {
    let mut completed = completion("Hello");
    completed["usage"] = json!({
        "prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 30},
    });
    let usage = told(completed)["usage"].clone();
    let names = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"];
    let [input, read, creation, output] = names.map(|name| usage[name].as_u64().unwrap());
    assert_eq!((input, read, creation, output), (300, 600, 100, 50));
    assert_eq!(usage["output_tokens_details"]["thinking_tokens"], 30);
    assert_eq!(input + read + creation, 1000);
}

pub(super) fn vector_37_odd_usage() {
    let mut wrong = completion("Hello");
    wrong["usage"] = json!({"prompt_tokens": 100, "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 70},
        "completion_tokens_details": {"reasoning_tokens": 9}});
    let mut missing = completion("Hello, this is more than one token");
    missing.as_object_mut().unwrap().remove("usage");
    let mut null = missing.clone();
    null["usage"] = Value::Null;
    for (answered, sum) in [(wrong, Some(100)), (missing, None), (null, None)] {
        let usage = told(answered)["usage"].clone();
        // Whatever is not a count from 0 up is `None` here.
        let names = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
        let inputs: Vec<u64> = names.iter().map(|name| usage[name].as_u64().expect(name)).collect();
        let total: u64 = inputs.iter().sum();
        assert!(sum.map_or(total > 0, |sum| total == sum), "{usage}");
        let output = usage["output_tokens"].as_u64().expect("output_tokens");
        assert!(output > 0, "{usage}");
        let thinking = &usage["output_tokens_details"]["thinking_tokens"];
        assert!(thinking.is_null() || thinking.as_u64().is_some_and(|count| count <= output), "{usage}");
    }
}

pub(super) fn vector_38_refusal() {
    let refused = json!({"role": "assistant", "content": null, "refusal": "I can't"});
    let message = told(completed(refused, "stop"));
    assert_eq!(message["content"], json!([{"type": "text", "text": "I can't"}]));
    assert_eq!(message["stop_reason"], "refusal");
    assert_eq!(message["stop_details"]["type"], "refusal");
}

pub(super) fn vector_39_content_filter() {
    let filtered = json!({"role": "assistant", "content": ""});
    let message = told(completed(filtered, "content_filter"));
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &json!("refusal")));
    assert_eq!(message["stop_details"]["type"], "refusal");
}

pub(super) fn vector_40_errors_in_success() {
    let limited = json!({"error": {"code": 429, "message": "slow down"}});
    let empty = json!({"id": "x", "choices": []});
    for stream in [false, true] {
        let script = [&limited, &empty].map(|body| Exchange::new().json(body));
        let gateway = Gateway::start(script.into());
        failure(gateway.post(request_for("m", stream)), 429, "rate_limit_error");
        failure(gateway.post(request_for("m", stream)), 502, "api_error");
        gateway.end();
    }
}

pub(super) fn vector_41_wrong_kind() {
    let pieces = chunks(&["Hel", "lo"]);
    let calls =
        json!({"role": "assistant", "content": "I look", "tool_calls": [called("c", "f", "{\"a\":1}")]});
    let gateway = Gateway::start(vec![
        Exchange::new().sse(&pieces),
        Exchange::new().header("content-type", "application/json").chunked().piece(pieces.concat()),
        Exchange::new().json(completed(calls, "tool_calls")),
    ]);
    for _ in 0..2 {
        let message = gateway.say("hi");
        assert_eq!(message["type"], "message");
        assert_eq!(message["content"], json!([{"type": "text", "text": "Hello"}]));
        assert_eq!(message["usage"]["output_tokens"], 7);
    }
    // All events, in order: `streamed` folds them by the rules.
    let told = streamed(gateway.post(request_for("m", true)));
    assert_eq!(told.kinds(), ["text", "tool_use"]);
    assert_eq!((told.text().as_str(), &told.content[1]["input"]), ("I look", &json!({"a": 1})));
    assert_eq!(told.stop_reason.as_deref(), Some("tool_use"));
    gateway.end();
}

pub(super) fn vector_42_order_of_blocks() {
    let said = json!({"role": "assistant", "tool_calls": [called("call_1", "f", "{}")],
        "content": "I look", "reasoning_content": "where is it"});
    let ground =
        Ground::answering("[upstream.quirks]\nreasoning_echo = 'reasoning_content'\n", move |_: &Request| {
            Exchange::new().json(completed(said.clone(), "tool_calls"))
        });
    let content = ground.exchange(request_for("m", false)).1["content"].clone();
    let kinds: Vec<_> = content.as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(content[0]["thinking"], "where is it");
    assert!(content[0]["signature"].as_str().is_some_and(|signature| !signature.is_empty()));
    let next = |content: Value| {
        let seen = ground.sees(asking(json!([
            user("hi"),
            assistant(content),
            user(json!([result("call_1", "here")])),
        ])));
        seen["messages"][1]["reasoning_content"].clone()
    };
    assert_eq!(next(content.clone()), "where is it", "the signature holds");
    let mut forged = content;
    forged[0]["signature"] = json!("Zm9yZ2Vk");
    assert_eq!(next(forged), Value::Null, "another one does not");
    ground.end();
}
