//! Tool calls in streams: one block at a time, each with one whole object, however the upstream mixes them.

use super::{Exchange, Gateway, chunk, json, streamed};
use crate::support::bodies::{DONE, request};
use crate::support::serving::{broken_stream, request_for};
use crate::support::sse_rules::Folded;
use serde_json::Value;

/// A stream of these deltas of `tool_calls`, one chunk each.
fn calls(deltas: &[Value], finish: &str) -> Exchange {
    let chunks = deltas.iter().map(|delta| chunk(json!({"tool_calls": [delta]}), None));
    let end = [chunk(json!({}), Some(finish)), DONE.to_owned()];
    Exchange::new().sse(chunks.chain(end))
}

fn told(upstream: Exchange) -> Folded {
    let gateway = Gateway::start(vec![upstream]);
    let message = gateway.stream("hi");
    gateway.end();
    message
}

fn names(message: &Folded) -> Vec<&str> {
    message.content.iter().filter_map(|block| block["name"].as_str()).collect()
}

#[test]
fn two_calls_in_turns_become_two_blocks_in_a_row() {
    let message = told(calls(
        &[
            json!({"index": 0, "id": "a", "type": "function", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 1, "id": "b", "type": "function", "function": {"name": "two", "arguments": "{\"y\""}}),
            json!({"index": 0, "function": {"arguments": "{\"x\":"}}),
            json!({"index": 1, "function": {"arguments": ":[2,"}}),
            json!({"index": 0, "function": {"arguments": "1}"}}),
            json!({"index": 1, "function": {"arguments": "3]}"}}),
        ],
        "tool_calls",
    ));
    assert_eq!(names(&message), ["one", "two"]);
    assert_eq!(message.tool_inputs, ["{\"x\":1}", "{\"y\":[2,3]}"]);
    assert_eq!(message.stop_reason.as_deref(), Some("tool_use"));
    assert_ne!(message.content[0]["id"], message.content[1]["id"]);
}

#[test]
fn a_whole_call_in_one_chunk_needs_neither_index_nor_id() {
    let message = told(calls(&[json!({"function": {"name": "f", "arguments": "{\"a\":1}"}})], "stop"));
    assert_eq!(message.content[0]["input"], json!({"a": 1}));
    assert!(message.content[0]["id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(message.stop_reason.as_deref(), Some("tool_use"));
}

#[test]
fn calls_that_all_have_index_0_are_told_apart_by_their_ids() {
    let call =
        |id: &str, name: &str| json!({"index": 0, "id": id, "function": {"name": name, "arguments": "{}"}});
    let message = told(calls(&[call("a", "one"), call("b", "two"), call("c", "two")], "tool_calls"));
    assert_eq!(names(&message), ["one", "two", "two"]);
}

#[test]
fn a_name_that_is_repeated_is_one_name() {
    let piece =
        |arguments: &str| json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": arguments}});
    let message = told(calls(&[piece("{\"a\""), piece(":1"), piece("}")], "tool_calls"));
    assert_eq!((names(&message), message.tool_inputs[0].as_str()), (vec!["one"], "{\"a\":1}"));
}

#[test]
fn arguments_may_come_before_the_name() {
    let message = told(calls(
        &[
            json!({"index": 0, "id": "a", "function": {"arguments": "{\"a\""}}),
            json!({"index": 0, "function": {"arguments": ":1"}}),
            json!({"index": 0, "function": {"name": "late", "arguments": "}"}}),
        ],
        "tool_calls",
    ));
    assert_eq!((names(&message), message.tool_inputs[0].as_str()), (vec!["late"], "{\"a\":1}"));
}

#[test]
fn an_empty_object_before_the_real_one_does_not_count() {
    let message = told(calls(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}),
            json!({"index": 0, "function": {"arguments": "{\"a\":1}"}}),
        ],
        "tool_calls",
    ));
    assert_eq!(message.content[0]["input"], json!({"a": 1}));
}

#[test]
fn text_in_the_middle_of_a_call_comes_after_it() {
    let upstream = Exchange::new().sse([
        chunk(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"a\":"}}]}), None),
        chunk(json!({"content": "by the way"}), None),
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}), None),
        chunk(json!({"content": "!"}), Some("tool_calls")),
        DONE.to_owned(),
    ]);
    let message = told(upstream);
    assert_eq!(message.kinds(), ["tool_use", "text"]);
    assert_eq!((message.tool_inputs[0].as_str(), message.text().as_str()), ("{\"a\":1}", "by the way!"));
}

#[test]
fn a_call_that_the_limit_cut_off_is_no_error() {
    let message = told(calls(
        &[json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"a\":\"unfinis"}})],
        "length",
    ));
    assert_eq!(message.stop_reason.as_deref(), Some("max_tokens"));
}

#[test]
fn a_call_without_arguments_has_an_empty_input() {
    let table = [
        ("absent", json!({"name": "f"})),
        ("empty", json!({"name": "f", "arguments": ""})),
        ("null", json!({"name": "f", "arguments": null})),
        ("object", json!({"name": "f", "arguments": {}})),
    ];
    let cases = table.clone().map(|(case, function)| {
        (case.to_owned(), calls(&[json!({"index": 0, "id": "a", "function": function})], "tool_calls"))
    });
    let gateway = Gateway::by_model(cases);
    for (case, _) in table {
        let message = streamed(gateway.post(request_for(case, true)));
        assert_eq!(message.content[0]["input"], json!({}), "{case}");
    }
    gateway.end();
}

#[test]
fn arguments_that_are_broken_after_they_were_passed_on_end_in_an_error() {
    let upstream = calls(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"a\":1,"}}),
            json!({"index": 0, "function": {"arguments": " rubbish"}}),
        ],
        "tool_calls",
    );
    let gateway = Gateway::start(vec![upstream]);
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!(error["type"], "api_error");
    assert_eq!(message.stop_reason, None);
    gateway.end();
}

#[test]
fn numbers_in_a_call_keep_their_digits_when_cut() {
    let message = told(calls(
        &[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"n\":1234567890"}}),
            json!({"index": 0, "function": {"arguments": "1234567890123, \"m\":1."}}),
            json!({"index": 0, "function": {"arguments": "10}"}}),
        ],
        "tool_calls",
    ));
    assert_eq!(message.tool_inputs, ["{\"n\":12345678901234567890123, \"m\":1.10}"]);
}
