//! Vectors of streams: what the upstream sends, chunk by chunk, and what the client gets of it.

use crate::support::bodies::{DONE, chunk, data, usage_chunk};
use crate::support::serving::{Gateway, configured, streamed};
use crate::support::sse_rules::Folded;
use crate::support::upstream::Exchange;
use serde_json::{Value, json};

mod ends;
mod tool_calls;
mod transport;

pub(super) use ends::*;
pub(super) use tool_calls::*;
pub(super) use transport::*;

use super::ground::{Ground, asking, assistant, result, user};

/// What the client gets of these events, which come one by one.
fn told(events: Vec<String>) -> Folded {
    told_with("", events)
}

/// The same, with a configuration.
fn told_with(toml: &str, events: Vec<String>) -> Folded {
    let gateway = Gateway::with(vec![Exchange::new().sse(events)], |program| configured(program, toml));
    let message = gateway.stream("hi");
    gateway.end();
    message
}

/// These deltas, each in a chunk of its own, then the finish reason, usage and `[DONE]`.
fn events(deltas: Vec<Value>, finish_reason: &str) -> Vec<String> {
    let mut events: Vec<_> = deltas.into_iter().map(|delta| chunk(delta, None)).collect();
    events.extend([chunk(json!({}), Some(finish_reason)), usage_chunk(11, 7), DONE.to_owned()]);
    events
}

fn says(text: &str) -> Value {
    json!({"content": text})
}

fn thinks(text: &str) -> Value {
    json!({"reasoning_content": text})
}

pub(super) fn vector_45_alternation() {
    let deltas = vec![thinks("a1"), thinks("a2"), says("b"), thinks("c"), says("d1"), says("d2")];
    // `told` fails where two blocks overlap or a number is skipped.
    let told = told(events(deltas, "stop"));
    assert_eq!(told.kinds(), ["thinking", "text", "thinking", "text"]);
    let texts: Vec<_> = told
        .content
        .iter()
        .map(|it| it["thinking"].as_str().or_else(|| it["text"].as_str()).unwrap())
        .collect();
    assert_eq!(texts, ["a1a2", "b", "c", "d1d2"]);
}

pub(super) fn vector_55_usage() {
    let with_usage = |delta: Value, finish: Option<&str>, output: u64| {
        let event = chunk(delta, finish);
        let mut json: Value = serde_json::from_str(event.trim_start_matches("data: ")).unwrap();
        json["usage"] = json!({"prompt_tokens": 20, "completion_tokens": output});
        data(&json)
    };
    let every = vec![
        with_usage(says("Hel"), None, 1),
        with_usage(says("lo"), None, 2),
        with_usage(json!({}), Some("stop"), 3),
        DONE.to_owned(),
    ];
    let on_finish = vec![chunk(says("Hello"), None), with_usage(json!({}), Some("stop"), 5), DONE.to_owned()];
    let never = vec![chunk(says("Hello, dear world"), None), chunk(json!({}), Some("stop")), DONE.to_owned()];
    for (events, output) in [(every, Some(3)), (on_finish, Some(5)), (never, None)] {
        let usage = told(events).usage;
        let counts = ["input_tokens", "output_tokens"].map(|name| usage[name].as_u64().unwrap());
        match output {
            Some(output) => assert_eq!(counts, [20, output]),
            None => assert!(counts.iter().all(|count| (1..100).contains(count)), "an estimate: {usage:?}"),
        }
    }
}

pub(super) fn vector_56_azure() {
    let filters =
        json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "model": ""});
    let annotated = json!({"choices": [{"index": 0, "finish_reason": null, "content_filter_offsets": {}}]});
    let mut all = events(vec![says("Hello")], "stop");
    all.insert(0, data(&filters));
    all.insert(2, data(&annotated));
    let told = told(all);
    assert_eq!((told.text().as_str(), told.kinds().len()), ("Hello", 1));
    assert_eq!(told.stop_reason.as_deref(), Some("end_turn"));
}

pub(super) fn vector_57_empty_members() {
    let nothing = json!({"role": "assistant", "tool_calls": [], "content": null, "refusal": null,
        "reasoning_content": null, "function_call": null});
    let blank = json!({"content": "", "reasoning_content": "", "tool_calls": null});
    let told = told(events(vec![nothing.clone(), blank, says("Hello"), nothing], "stop"));
    assert_eq!(told.kinds(), ["text"]);
    assert_eq!(told.text(), "Hello");
    assert_eq!(told.stop_reason.as_deref(), Some("end_turn"));
}

pub(super) fn vector_59_think_tags() {
    let deltas = || vec![says("<th"), says("ink>let me"), says(" see</thi"), says("nk>It is 4.")];
    let read = told_with("[upstream.quirks]\nthink_tags = true\n", events(deltas(), "stop"));
    assert_eq!(read.kinds(), ["thinking", "text"]);
    assert_eq!((read.content[0]["thinking"].as_str(), read.text().trim()), (Some("let me see"), "It is 4."));
    let verbatim = told_with("[upstream.quirks]\nthink_tags = false\n", events(deltas(), "stop"));
    assert_eq!(verbatim.kinds(), ["text"]);
    assert_eq!(verbatim.text(), "<think>let me see</think>It is 4.");
}

pub(super) fn vector_60_encrypted_reasoning() {
    let item = |kind: &str, rest: Value| {
        let mut event = json!({"type": kind});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        format!("event: {kind}\n{}", data(&event))
    };
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "SECRET"});
    let function = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look",
        "arguments": "{}", "status": "completed"});
    let stream = vec![
        item("response.created", json!({"response": {"id": "r", "status": "in_progress"}})),
        item(
            "response.output_item.added",
            json!({"output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        ),
        item("response.output_item.done", json!({"output_index": 0, "item": reasoning})),
        item(
            "response.output_item.added",
            json!({"output_index": 1, "item": {"type": "function_call", "id": "fc_1",
                "call_id": "call_1", "name": "look", "arguments": ""}}),
        ),
        item("response.function_call_arguments.delta", json!({"output_index": 1, "delta": "{}"})),
        item("response.output_item.done", json!({"output_index": 1, "item": function})),
        item(
            "response.completed",
            json!({"response": {"id": "r", "status": "completed", "output": [reasoning, function],
                "usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}}}),
        ),
    ];
    let ground = Ground::answering("[upstream]\ndialect = 'responses'\n", move |_| {
        Exchange::new().expect_path("/v1/responses").sse(&stream)
    });
    let told = streamed(ground.0.post(crate::support::bodies::request("hi", true)));
    assert_eq!(told.kinds(), ["thinking", "tool_use"]);
    assert!(told.content[0]["signature"].as_str().is_some_and(|it| !it.is_empty()));
    let mut next =
        asking(json!(
            [user("hi"), assistant(json!(told.content)), user(json!([result("call_1", "found")])),]
        ));
    next["stream"] = json!(true);
    streamed(ground.0.post(next));
    let requests = ground.0.upstream.requests();
    let input = requests[1].json()["input"].clone();
    let kinds: Vec<_> = input.as_array().unwrap().iter().filter_map(|it| it["type"].as_str()).collect();
    let place = kinds.iter().position(|kind| *kind == "reasoning").expect("the reasoning goes back");
    assert_eq!(kinds.get(place + 1), Some(&"function_call"));
    assert_eq!(input[place]["encrypted_content"], "SECRET");
    ground.end();
}

pub(super) fn vector_61_thought_signatures() {
    let calls = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}]});
    let stream = events(vec![calls], "tool_calls");
    let ground = Ground::answering("[upstream]\npreset = 'gemini'\n", move |_| Exchange::new().sse(&stream));
    let told = streamed(ground.0.post(crate::support::bodies::request("hi", true)));
    assert_eq!(told.stop_reason.as_deref(), Some("tool_use"));
    let next =
        asking(json!([user("hi"), assistant(json!(told.content)), user(json!([result("call_1", "ok")]))]));
    let seen = ground.sees(next);
    let call = &seen["messages"][1]["tool_calls"][0];
    assert_eq!(call["extra_content"], json!({"google": {"thought_signature": "c2lnbmVk"}}));
    ground.end();
}
