//! P1: whatever an upstream sends, and however it ends, what goes out is one legal stream.

use super::{config, folded, legal, object_text, stream, wishes};
use aiapiproxy::protocol::anthropic::error::{Error, ErrorKind};
use aiapiproxy::protocol::anthropic::stream::Event;
use aiapiproxy::sse;
use aiapiproxy::translate::stream::End;
use proptest::prelude::*;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_stream_is_legal(
        wishes in wishes(),
        lines in prop::collection::vec(line(), 0..24),
        end in end(),
        begun_early in any::<bool>(),
    ) {
        let mut stream = stream(wishes);
        let mut events = Vec::new();
        if begun_early {
            stream.start(&mut events);
        }
        for (name, data) in &lines {
            let event = sse::Event { name: name.as_str().into(), data: data.as_str().into() };
            stream.push(&event, &mut events);
        }
        stream.finish(end.clone(), &mut events);
        let count = events.len();
        for (name, data) in &lines {
            let event = sse::Event { name: name.as_str().into(), data: data.as_str().into() };
            stream.push(&event, &mut events);
        }
        stream.finish(end, &mut events);
        prop_assert_eq!(events.len(), count, "something was said after the end");

        let failed = stream.failure().is_some();
        prop_assert_ne!(failed, stream.stop_reason().is_some());
        if !stream.is_started() {
            prop_assert!(failed && matches!(events[..], [Event::Error { .. }]), "{:?}", events);
            return Ok(());
        }
        let message = legal(&events)?;
        prop_assert_eq!(message.error.is_some(), failed);
        prop_assert_eq!(folded(events).is_err(), failed, "the fold of the program disagrees");
        if wishes.one_tool_call {
            prop_assert!(message.tool_inputs.len() <= 1);
        }
        if wishes.omit_thinking {
            // A block may stand there for its signature; it shows nothing.
            let shown = |block: &Value| block["thinking"].as_str().is_some_and(|text| !text.is_empty());
            prop_assert!(!message.content.iter().any(shown));
        }
        let ids: Vec<&str> = message.content.iter().filter_map(|block| block["id"].as_str()).collect();
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert!(distinct.len() == ids.len() && !ids.contains(&"used"), "ids repeat: {:?}", ids);
    }

    #[test]
    fn every_whole_answer_for_a_stream_is_legal(wishes in wishes(), body in chunk()) {
        let mut stream = stream(wishes);
        let mut events = Vec::new();
        stream.push_whole(body.to_string().as_bytes(), &mut events);
        stream.finish(End::Eof, &mut events);
        if stream.is_started() {
            legal(&events)?;
        } else {
            prop_assert!(matches!(events[..], [Event::Error { .. }]), "{:?}", events);
        }
    }
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Eof),
        1 => Just(End::Failed(Error::new(ErrorKind::Timeout, "up: too slow"))),
    ]
}

/// One event: its name and its data.
fn line() -> impl Strategy<Value = (String, String)> {
    let text = chunk().prop_map(|chunk| chunk.to_string()).boxed();
    let data = prop_oneof![
        30 => text.clone(),
        1 => (text, any::<prop::sample::Index>()).prop_map(|(text, at)| {
            text.chars().take(at.index(text.chars().count())).collect()
        }),
        1 => Just("[DONE]".to_owned()),
        1 => prop::sample::select(&["", "null", "7", "[]", "[1]", "[DONE", "hello", "\"x\""][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(
            &[
                r#"{"error":{"message":"m","code":429}}"#,
                r#"{"error":"boom"}"#,
                r#"{"error":null}"#,
                r#"[{"error":{"code":503,"message":"m"}}]"#,
                r#"{"object":"error","message":"m"}"#,
                r#"{"choices":[{"delta":{"content":"\ud83d"}}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\":\"\\ud83d\"}"}}]}}]}"#,
            ][..]
        ).prop_map(str::to_owned),
    ];
    let name =
        prop::sample::select(&["", "", "", "", "", "", "", "", "", "", "message", "ping", "error"][..]);
    (name.prop_map(str::to_owned), data)
}

/// A chunk or a completion, valid or nearly so.
fn chunk() -> impl Strategy<Value = Value> {
    let choices = prop::collection::vec(choice(), 0..3);
    let choices = prop_oneof![8 => choices.prop_map(Value::Array), 1 => odd()];
    (choices, prop::option::weighted(0.2, usage()), prop::option::weighted(0.05, odd())).prop_map(
        |(choices, usage, error)| {
            let mut chunk = json!({ "object": "chat.completion.chunk", "choices": choices });
            if let Some(usage) = usage {
                chunk["usage"] = usage;
            }
            if let Some(error) = error {
                chunk["error"] = error;
            }
            chunk
        },
    )
}

fn choice() -> impl Strategy<Value = Value> {
    let index = prop_oneof![6 => Just(json!(0)), 1 => Just(Value::Null), 1 => Just(json!(1)), 1 => odd()];
    let place = prop::sample::select(&["delta", "delta", "delta", "delta", "message"][..]);
    let finish = prop_oneof![
        10 => Just(Value::Null),
        4 => prop::sample::select(
            &["stop", "length", "tool_calls", "content_filter", "", "error", "SAFETY", "tired"][..]
        ).prop_map(Value::from),
        1 => odd(),
    ];
    (index, place, said(), finish, prop::option::weighted(0.1, "STOP|stop")).prop_map(
        |(index, place, said, finish, stop)| {
            let mut choice = json!({ "index": index, "finish_reason": finish, "stop_reason": stop });
            choice[place] = said;
            choice
        },
    )
}

fn said() -> impl Strategy<Value = Value> {
    let text = || {
        let texts =
            &["", "Hi", " ", "é😀", "<think>", "</th", "ink>", "{}", "a\nb", "ST", "OP", "STOP", "xS"][..];
        prop_oneof![6 => prop::sample::select(texts).prop_map(Value::from), 1 => odd()]
    };
    let member = prop_oneof![
        4 => text().prop_map(|text| json!({ "content": text })),
        1 => text().prop_map(|text| json!({ "content": [{"type": "text", "text": text}] })),
        1 => text().prop_map(|text| json!({ "content": [{"type": "thinking", "thinking": [{"text": text}]}] })),
        1 => text().prop_map(|text| json!({ "reasoning_content": text })),
        1 => text().prop_map(|text| json!({ "reasoning": text, "reasoning_details": [{"text": text}] })),
        1 => detail().prop_map(|detail| json!({ "reasoning_details": [detail] })),
        1 => (any::<u8>(), any::<u8>(), text()).prop_map(|(start, end, url)| {
            let page = json!({"url": url, "start_index": start, "end_index": end});
            json!({ "annotations": [{"type": "url_citation", "url_citation": page}] })
        }),
        1 => text().prop_map(|text| json!({ "refusal": text })),
        6 => prop::collection::vec(call(), 0..3).prop_map(|calls| json!({ "tool_calls": calls })),
        1 => (text(), piece()).prop_map(|(name, piece)| {
            json!({ "function_call": {"name": name, "arguments": piece} })
        }),
        1 => odd(),
    ];
    (member.clone(), prop::option::weighted(0.3, member)).prop_map(|(mut said, more)| {
        if let (Value::Object(said), Some(Value::Object(more))) = (&mut said, more) {
            said.extend(more);
        }
        said
    })
}

/// What only the vendor can read.
fn detail() -> impl Strategy<Value = Value> {
    let value = || prop_oneof![3 => Just(Value::Null), 3 => Just(json!("x")), 1 => odd()];
    (value(), value(), value(), 0..2_u8).prop_map(|(text, signature, data, index)| {
        json!({"type": "reasoning.text", "text": text, "signature": signature, "data": data, "index": index})
    })
}

fn call() -> impl Strategy<Value = Value> {
    let index = prop_oneof![4 => (0..3_u8).prop_map(Value::from), 2 => Just(Value::Null), 1 => odd()];
    let id = prop_oneof![
        3 => Just(Value::Null),
        4 => prop::sample::select(&["", "call_a", "call_b", "used", "functions.f:0", "ü"][..]).prop_map(Value::from),
        1 => odd(),
    ];
    let name = prop_oneof![
        3 => Just(Value::Null),
        6 => prop::sample::select(&["", "f", "g", "a_b_", "other"][..]).prop_map(Value::from),
        1 => odd(),
    ];
    let extra = prop_oneof![6 => Just(Value::Null), 1 => Just(json!({"google": {}})), 1 => odd()];
    (index, id, name, piece(), extra).prop_map(|(index, id, name, arguments, extra)| {
        let function = json!({"name": name, "arguments": arguments});
        json!({ "index": index, "id": id, "function": function, "extra_content": extra })
    })
}

/// A piece of arguments.
fn piece() -> impl Strategy<Value = Value> {
    let pieces = &[
        "",
        "{",
        "}",
        "{}",
        "{\"a\":1}",
        "{\"a\"",
        ":",
        "1",
        "\"x",
        "y\"",
        "\\",
        "\\ud83d",
        "[",
        "]",
        ",",
        "null",
        " ",
        "\n",
        "é",
        "{a}",
        "{\"command\":\"rm -rf /tm",
        "\"{\\\"a\\\":1}\"",
    ][..];
    prop_oneof![
        8 => prop::sample::select(pieces).prop_map(Value::from),
        2 => object_text().prop_map(Value::from),
        1 => odd(),
    ]
}

fn usage() -> impl Strategy<Value = Value> {
    let count = || prop_oneof![4 => (0..2_000_u64).prop_map(Value::from), 1 => any::<u64>().prop_map(Value::from), 2 => odd()];
    (count(), count(), count(), count(), count()).prop_map(
        |(prompt, completion, total, cached, reasoning)| {
            json!({
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
                "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": total},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            })
        },
    )
}

/// A value where another type is expected.
fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(3.0),
        json!("12"),
        json!([]),
        json!([1, "x"]),
        json!({}),
        json!({"a": {"b": []}}),
    ])
}
