//! `POST /v1/messages` as a stream: every event in its order, at once, however the upstream's bytes come.

use crate::support::bodies::{DONE, chunk, chunks, completion, data, request, usage_chunk};
use crate::support::serving::{CHAT, Gateway, gzip, request_for, request_id, streamed};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::Exchange;
use crate::support::watched::Gate;
use serde_json::{Value, json};

mod faults;
mod pace;
mod tools;

/// A stream by which much can go wrong: letters of many bytes, reasoning, a call in pieces, comments.
fn rich_stream() -> Vec<u8> {
    let call = |function: Value, id: Option<&str>| {
        let mut call = json!({"index": 0, "function": function});
        if let Some(id) = id {
            call["id"] = json!(id);
            call["type"] = json!("function");
        }
        chunk(json!({"tool_calls": [call]}), None)
    };
    [
        ": OPENROUTER PROCESSING\n\n".to_owned(),
        chunk(json!({"role": "assistant", "content": "", "refusal": null, "tool_calls": []}), None),
        chunk(json!({"reasoning_content": "träume 🦀"}), None),
        chunk(json!({"content": "Grüße, "}), None),
        ": keep-alive\n\n".to_owned(),
        chunk(json!({"content": "世界 👩‍👩‍👧"}), None),
        call(json!({"name": "f", "arguments": ""}), Some("call_1")),
        call(json!({"arguments": "{\"ß\":\"a\\n"}), None),
        call(json!({"arguments": "\\u00e9 🦀\"}"}), None),
        chunk(json!({}), Some("tool_calls")),
        usage_chunk(11, 7),
        DONE.to_owned(),
    ]
    .concat()
    .into_bytes()
}

/// What [`rich_stream`] says.
fn check_rich(reply: crate::support::http::Reply) {
    let message = streamed(reply);
    assert_eq!(message.kinds(), ["thinking", "text", "tool_use"]);
    assert_eq!(message.content[0]["thinking"], "träume 🦀");
    assert_eq!(message.text(), "Grüße, 世界 👩‍👩‍👧");
    assert_eq!(message.tool_inputs, ["{\"ß\":\"a\\n\\u00e9 🦀\"}"]);
    assert_eq!(message.stop_reason.as_deref(), Some("tool_use"));
    assert_eq!((&message.usage["input_tokens"], &message.usage["output_tokens"]), (&json!(11), &json!(7)));
}

fn sliced(bytes: Vec<u8>, size: usize) -> Exchange {
    Exchange::new().sse([bytes]).slice(size)
}

#[test]
fn the_first_token_does_not_wait_for_the_second() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let upstream = Exchange::new().expect_path(CHAT).sse(&events[..2]).pause(&gate).sse(&events[2..]);
    let gateway = Gateway::start(vec![upstream]);
    let mut reply = gateway.post(request("hi", true));
    let id = request_id(&reply);
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert_eq!((reply.header("content-length"), reply.header("content-encoding")), (None, None));
    let mut events = reply.events_until(|event| event.data.contains("Hel"));
    gate.open();
    events.extend(reply.events());
    let message = check_stream(&events);
    assert_eq!(
        (message.text().as_str(), message.start["model"].as_str()),
        ("Hello", Some("claude-sonnet-5-5"))
    );

    let seen = gateway.request();
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(
        (&seen.json()["stream"], &seen.json()["stream_options"]),
        (&json!(true), &json!({"include_usage": true}))
    );
    drop(reply);
    let stderr = gateway.end();
    assert!(stderr.contains(&id), "the access line has the client's id: {stderr}");
}

#[test]
fn the_plain_sequence_is_the_one_of_the_real_api() {
    let gateway = Gateway::start(vec![Exchange::new().sse(chunks(&["Hi"]))]);
    let mut reply = gateway.post(request("hi", true));
    let events = reply.events();
    let names: Vec<_> = events.iter().map(|event| event.name.as_deref().unwrap()).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "ping",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let start = &events[0].json()["message"];
    for (key, expected) in [
        ("type", json!("message")),
        ("role", json!("assistant")),
        ("content", json!([])),
        ("stop_reason", Value::Null),
        ("stop_sequence", Value::Null),
    ] {
        assert_eq!(start[key], expected, "{key}");
    }
    assert!(start["id"].as_str().unwrap().starts_with("msg_"));
    for key in ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"] {
        assert!(start["usage"][key].is_u64(), "{key} in {start}");
    }
    assert_eq!(events[2].json()["content_block"], json!({"type": "text", "text": ""}));
    assert_eq!(events[5].json()["usage"]["output_tokens"], 7);
    check_stream(&events);
    drop(reply);
    gateway.end();
}

#[test]
fn f15_cutting_the_bytes_elsewhere_changes_nothing() {
    let cases = [1, 2, 3, 5, 7, 64, usize::MAX].map(|size| (size.to_string(), sliced(rich_stream(), size)));
    let names: Vec<_> = cases.iter().map(|(name, _)| name.clone()).collect();
    let gateway = Gateway::by_model(cases);
    for name in names {
        check_rich(gateway.post(request_for(&name, true)));
    }
    gateway.end();
}

#[test]
fn f17_every_way_to_write_an_event_stream_is_read() {
    let plain = String::from_utf8(rich_stream()).unwrap();
    let table = [
        ("crlf", plain.replace('\n', "\r\n")),
        ("no-space", plain.replace("data: ", "data:")),
        ("byte-order-mark", format!("\u{feff}{plain}")),
        ("named", plain.replace("data: {", "event: message\nid: 1\nretry: 10\ndata: {")),
        ("blank-lines", plain.replace("\n\n", "\n\n\n\n")),
        ("empty-data", plain.replace("data: {", "data:\n\ndata: \n\ndata: {")),
        ("padded-done", plain.replace("[DONE]", " [DONE] ")),
        ("no-done", plain.replace(DONE, "")),
        ("no-blank-at-the-end", plain.replace(DONE, "").trim_end().to_owned()),
        ("no-line-end-at-the-end", plain.trim_end().to_owned()),
        (
            "after-done",
            format!("{plain}data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\"}}}}]}}\n\n"),
        ),
    ];
    let slices = [1, 7, usize::MAX];
    let cases = table.iter().flat_map(|(name, text)| {
        slices.map(|size| (format!("{name}/{size}"), sliced(text.clone().into_bytes(), size)))
    });
    let cases: Vec<_> = cases.collect();
    let names: Vec<_> = cases.iter().map(|(name, _)| name.clone()).collect();
    let gateway = Gateway::by_model(cases);
    for name in names {
        check_rich(gateway.post(request_for(&name, true)));
    }
    gateway.end();
}

#[test]
fn f09_a_stream_that_ends_with_its_connection_is_whole() {
    let gateway = Gateway::start(vec![Exchange::new().close_delimited().sse([rich_stream()]).slice(11)]);
    check_rich(gateway.post(request("hi", true)));
    gateway.end();
}

#[test]
fn f18_a_compressed_stream_is_read_though_identity_was_asked_for() {
    let zipped = gzip(&rich_stream());
    let upstream = Exchange::new().header("content-encoding", "gzip").sse([zipped]).slice(9);
    let gateway = Gateway::start(vec![upstream]);
    check_rich(gateway.post(request("hi", true)));
    gateway.end();
}

#[test]
fn f47_whole_answers_are_told_as_a_stream() {
    let labelled = Exchange::new().json(completion("Hello"));
    let sliced = Exchange::new().json(completion("Hello")).slice(3);
    let unlabelled = Exchange::new().piece(format!("\r\n {}", completion("Hello")));
    let mut called = completion("");
    called["choices"][0]["message"]["tool_calls"] =
        json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]);
    called["choices"][0]["finish_reason"] = json!("tool_calls");
    let cases = [("labelled", labelled), ("sliced", sliced), ("unlabelled", unlabelled)];
    let gateway = Gateway::by_model(
        cases
            .map(|(name, upstream)| (name.to_owned(), upstream))
            .into_iter()
            .chain([("called".to_owned(), Exchange::new().json(called))]),
    );
    for model in ["labelled", "sliced", "unlabelled"] {
        let message = streamed(gateway.post(request_for(model, true)));
        assert_eq!(
            (message.text().as_str(), message.stop_reason.as_deref()),
            ("Hello", Some("end_turn")),
            "{model}"
        );
        assert_eq!(message.usage["output_tokens"], 7);
    }
    let message = streamed(gateway.post(request_for("called", true)));
    assert_eq!(message.tool_inputs, ["{\"a\": 1}"]);
    assert_eq!(message.stop_reason.as_deref(), Some("tool_use"));
    gateway.end();
}

#[test]
fn usage_is_taken_wherever_it_comes() {
    let counted = |text: &str, finish: Option<&str>, prompt: u64, output: u64| {
        let mut event: Value = serde_json::from_str(&chunk(json!({"content": text}), finish)[6..]).unwrap();
        event["usage"] = json!({"prompt_tokens": prompt, "completion_tokens": output});
        data(&event)
    };
    let groq = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "x_groq": {"usage": {"prompt_tokens": 30, "completion_tokens": 4}}});
    let table = [
        (
            "every",
            vec![counted("a", None, 30, 1), counted("b", None, 30, 2), counted("", Some("stop"), 30, 4)],
        ),
        ("finish", vec![chunk(json!({"content": "a"}), None), counted("b", Some("stop"), 30, 4)]),
        ("after", vec![chunk(json!({"content": "a"}), Some("stop")), usage_chunk(30, 4)]),
        ("groq", vec![chunk(json!({"content": "a"}), None), data(&groq)]),
    ];
    let cases =
        table.clone().map(|(name, events)| (name.to_owned(), Exchange::new().sse(events).sse([DONE])));
    let never = Exchange::new().sse([chunk(json!({"content": "abcdefgh"}), Some("stop"))]).sse([DONE]);
    // Who says nothing of the output, or none although there is some, did not count it.
    let half = |usage: Value| {
        let mut event: Value = serde_json::from_str(&chunk(json!({}), Some("stop"))[6..]).unwrap();
        event["usage"] = usage;
        Exchange::new().sse([chunk(json!({"content": "abcdefghijkl"}), None), data(&event)]).sse([DONE])
    };
    let halves = [
        ("absent".to_owned(), half(json!({"prompt_tokens": 30}))),
        ("zero".to_owned(), half(json!({"prompt_tokens": 30, "completion_tokens": 0, "total_tokens": 30}))),
    ];
    let gateway = Gateway::by_model(cases.into_iter().chain([("never".to_owned(), never)]).chain(halves));
    for name in ["absent", "zero"] {
        let usage = streamed(gateway.post(request_for(name, true))).usage;
        let counts = (usage["input_tokens"].as_u64(), usage["output_tokens"].as_u64());
        assert!(counts.0 == Some(30) && counts.1 > Some(1), "{name}: {usage:?}");
    }
    for (name, _) in table {
        let usage = streamed(gateway.post(request_for(name, true))).usage;
        let counts = (usage["input_tokens"].as_u64(), usage["output_tokens"].as_u64());
        assert_eq!(counts, (Some(30), Some(4)), "{name}");
    }
    let estimated = streamed(gateway.post(request_for("never", true))).usage;
    assert!(estimated["input_tokens"].as_u64() > Some(0) && estimated["output_tokens"].as_u64() > Some(0));
    gateway.end();
}

#[test]
fn chunks_without_matter_open_no_block() {
    let azure_first = json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]});
    let azure_late = json!({"choices": [{"index": 0, "finish_reason": null, "content_filter_offsets": {}}]});
    let other_choice =
        json!({"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": null}]});
    let nothing =
        json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [], "reasoning": null});
    let upstream = Exchange::new().sse([
        data(&azure_first),
        chunk(nothing.clone(), None),
        chunk(json!({"content": ""}), None),
        chunk(json!({"content": "a"}), None),
        data(&azure_late),
        data(&other_choice),
        chunk(nothing, None),
        chunk(json!({"content": "b"}), None),
        chunk(json!({"tool_calls": null}), Some("stop")),
        DONE.to_owned(),
    ]);
    let gateway = Gateway::start(vec![upstream]);
    let message = gateway.stream("hi");
    assert_eq!((message.kinds(), message.text().as_str()), (vec!["text"], "ab"));
    gateway.end();
}

#[test]
fn an_answer_of_nothing_has_one_empty_block() {
    let gateway = Gateway::start(vec![Exchange::new().sse(chunks(&[]))]);
    let message = gateway.stream("hi");
    assert_eq!(message.content, [json!({"type": "text", "text": ""})]);
    assert_eq!(message.stop_reason.as_deref(), Some("end_turn"));
    gateway.end();
}

#[test]
fn a_refusal_may_have_no_block_at_all() {
    let upstream =
        Exchange::new().sse([chunk(json!({"content": ""}), Some("content_filter")), DONE.to_owned()]);
    let gateway = Gateway::start(vec![upstream]);
    let message = gateway.stream("hi");
    assert_eq!((message.content.len(), message.stop_reason.as_deref()), (0, Some("refusal")));
    gateway.end();
}

#[test]
fn reasoning_and_text_in_turns_are_blocks_in_a_row() {
    let events = [("reasoning_content", "a"), ("content", "b"), ("reasoning", "c"), ("content", "d")];
    let upstream = Exchange::new()
        .sse(events.map(|(key, text)| chunk(json!({key: text}), None)))
        .sse([chunk(json!({}), Some("stop")), DONE.to_owned()]);
    let gateway = Gateway::start(vec![upstream]);
    let message = gateway.stream("hi");
    assert_eq!(message.kinds(), ["thinking", "text", "thinking", "text"]);
    assert_eq!((message.content[2]["thinking"].as_str(), message.text().as_str()), (Some("c"), "bd"));
    gateway.end();
}

#[test]
fn a_letter_in_two_halves_is_one_letter() {
    let halves = [
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ude00b\"}}]}\n\n",
    ];
    let upstream = Exchange::new().sse(halves).sse([chunk(json!({}), Some("stop")), DONE.to_owned()]);
    let gateway = Gateway::start(vec![upstream]);
    let text = gateway.stream("hi").text();
    assert_eq!(text, "a😀b");
    gateway.end();
}

#[test]
fn f14_bytes_that_are_no_letters_spoil_only_their_own_place() {
    let bad = [&b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\xff\xfe\"}}]}\n\n"[..]];
    let upstream = Exchange::new()
        .sse([chunk(json!({"content": "a"}), None)])
        .sse(bad)
        .sse([chunk(json!({"content": "c"}), Some("stop")), DONE.to_owned()]);
    let gateway = Gateway::start(vec![upstream]);
    assert_eq!(gateway.stream("hi").text(), "ab\u{fffd}\u{fffd}c");
    gateway.end();
}

#[test]
fn f12_a_long_event_and_many_short_ones_pass_whole() {
    let long = "long words, ".repeat(30_000);
    let many = vec!["word "; 2_000];
    let cases = [("long", vec![long.as_str()]), ("many", many)];
    let gateway = Gateway::by_model(cases.clone().map(|(name, pieces)| {
        (name.to_owned(), Exchange::new().sse([chunks(&pieces).concat()]).slice(60_000))
    }));
    for (name, pieces) in cases {
        let message = streamed(gateway.post(request_for(name, true)));
        assert_eq!(message.text(), pieces.concat(), "{name}");
    }
    gateway.end();
}

#[test]
fn connections_to_the_upstream_carry_stream_after_stream() {
    let gates: Vec<_> = (0..10).map(|_| Gate::new()).collect();
    let whole = chunks(&["a"]).concat();
    // The end of the body comes after its last event, as most servers send it.
    let script = gates.iter().map(|gate| Exchange::new().sse([&whole]).pause(gate)).collect();
    let gateway = Gateway::start(script);
    for gate in &gates {
        let mut reply = gateway.post(request("hi", true));
        let mut events = reply.events_until(|event| event.name.as_deref() == Some("message_stop"));
        gate.open();
        events.extend(reply.events());
        assert_eq!(check_stream(&events).text(), "a");
    }
    // On a busy machine the end may come too late, or the next request too early, now and then.
    let connections = gateway.upstream.connections();
    assert!(connections < gates.len(), "no connection was used twice");
    gateway.end();
}
