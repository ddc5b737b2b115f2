//! Broken streams, each made from the legal one by one change, and the rule that must catch it.

use super::fails;
use crate::support::sse::{Event, EventReader, parse};
use crate::support::sse_rules::{check_stream, fold};
use serde_json::{Value, json};

/// Thinking, text and a tool call, with everything that a stream may have.
pub(super) fn legal() -> Vec<Event> {
    legal_data().iter().map(Event::of).collect()
}

fn legal_data() -> Vec<Value> {
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    vec![
        json!({"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}}}),
        json!({"type": "ping"}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})), // 2
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "sig"})), // 4
        stop(0),
        start(1, json!({"type": "text", "text": ""})), // 6
        delta(1, json!({"type": "text_delta", "text": "Hel"})),
        delta(1, json!({"type": "text_delta", "text": "lo"})), // 8
        stop(1),
        start(2, json!({"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}})), // 10
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"city\""})),
        delta(2, json!({"type": "input_json_delta", "partial_json": ": \"Oslo\"}"})), // 12
        stop(2),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"input_tokens": 9, "output_tokens": 5}}), // 14
        json!({"type": "message_stop"}),
    ]
}

fn error_event() -> Value {
    json!({"type": "error", "error": {"type": "api_error", "message": "upstream closed the stream early"}})
}

type Change = fn(&mut Vec<Value>);

const ILLEGAL: &[(&str, Change)] = &[
    ("the stream ends early, in the state Before", |events| events.clear()),
    ("ping before message_start", |events| events.swap(0, 1)),
    ("error before message_start", |events| *events = vec![error_event()]),
    ("content_block_start before message_start", |events| drop(events.drain(..2))),
    ("second message_start", |events| events.insert(6, events[0].clone())),
    ("message_start without id or model", |events| events[0]["message"]["id"] = "".into()),
    ("something else than an assistant's message", |events| events[0]["message"]["role"] = "user".into()),
    ("message_start with content", |events| events[0]["message"]["content"] = json!([1])),
    ("message_start with a stop reason", |events| events[0]["message"]["stop_reason"] = "end_turn".into()),
    ("no usage", |events| events[0]["message"]["usage"] = Value::Null),
    ("usage without output_tokens", |events| events[0]["message"]["usage"] = json!({"input_tokens": 0})),
    ("output_tokens is not a count", |events| events[14]["usage"]["output_tokens"] = Value::Null),
    ("input_tokens is not a count", |events| events[14]["usage"]["input_tokens"] = json!(1.5)),
    ("no usage", |events| events[14]["usage"] = Value::Null),
    ("block index 1 where 0 comes next", |events| events[2]["index"] = 1.into()),
    ("block index 1 where 2 comes next", |events| events[10]["index"] = 1.into()),
    ("two blocks open at once", |events| drop(events.remove(5))),
    ("content_block_delta with no block open", |events| drop(events.remove(2))),
    ("content_block_stop with no block open", |events| events.insert(6, events[5].clone())),
    ("index 0 while block 1 is open", |events| events[7]["index"] = 0.into()),
    ("index 2 while block 1 is open", |events| events[9]["index"] = 2.into()),
    ("text_delta in a thinking block", |events| events[3] = events_with_index(&events[7], 0)),
    ("thinking_delta in a text block", |events| events[7] = events_with_index(&events[3], 1)),
    ("input_json_delta in a text block", |events| events[7] = events_with_index(&events[11], 1)),
    ("a delta after the signature", |events| events.swap(3, 4)),
    ("delta without text", |events| events[7]["delta"] = json!({"type": "text_delta"})),
    ("unknown kind of block", |events| events[6]["content_block"]["type"] = "sound".into()),
    ("lacks a field", |events| events[6]["content_block"] = json!({"type": "text"})),
    ("lacks a field", |events| events[2]["content_block"] = json!({"type": "thinking", "thinking": ""})),
    ("lacks a field", |events| events[10]["content_block"]["id"] = "".into()),
    ("tool_use starts with an input", |events| events[10]["content_block"]["input"] = json!({"a": 1})),
    ("partial_json is not an object", |events| drop(events.remove(12))),
    ("partial_json is not an object", |events| events.insert(12, events[12].clone())),
    ("partial_json is not an object", |events| events[11]["delta"]["partial_json"] = "[1]".into()),
    ("partial_json is not an object", |events| {
        events.remove(12);
        events.truncate(13);
        events.push(error_event());
    }),
    ("message_delta while a block is open", |events| drop(events.remove(13))),
    ("message_delta without a stop reason", |events| events[14]["delta"]["stop_reason"] = Value::Null),
    ("stop reason tool_use without a tool call", |events| drop(events.drain(10..14))),
    ("stop reason end_turn with a tool call", |events| {
        events[14]["delta"]["stop_reason"] = "end_turn".into();
    }),
    ("stop reason stop_sequence with stop sequence None", |events| {
        events[14]["delta"]["stop_reason"] = "stop_sequence".into();
    }),
    ("an answer without any block", |events| {
        events.drain(2..14);
        events[2]["delta"]["stop_reason"] = "end_turn".into();
    }),
    ("message_delta after message_delta", |events| events.insert(14, events[14].clone())),
    ("content_block_start after message_delta", |events| events.insert(15, events[10].clone())),
    ("an error after message_delta", |events| events[15] = error_event()),
    ("an error without type or message", |events| {
        events[15] = json!({"type": "error", "error": {"type": "x"}});
    }),
    ("message_stop without message_delta", |events| drop(events.remove(14))),
    ("in the state Delta", |events| drop(events.pop())),
    ("in the state Between", |events| events.truncate(14)),
    ("in the state Open", |events| events.truncate(8)),
    ("ping after the end", |events| events.push(json!({"type": "ping"}))),
    ("message_stop after the end", |events| events.push(json!({"type": "message_stop"}))),
    ("message_stop after the end", |events| events.insert(8, error_event())),
    ("unknown event hello", |events| events.insert(2, json!({"type": "hello"}))),
];

fn events_with_index(event: &Value, index: u64) -> Value {
    let mut event = event.clone();
    event["index"] = index.into();
    event
}

#[test]
fn each_rule_refuses_the_stream_that_breaks_it() {
    for (number, (rule, change)) in ILLEGAL.iter().enumerate() {
        let mut data = legal_data();
        change(&mut data);
        // An error event ends a stream, so what follows it is reported first.
        let events: Vec<Event> = data.iter().map(Event::of).collect();
        let fault = fold(&events).expect_err(&format!("row {number}, {rule}: accepted"));
        let expected = if *rule == "message_stop after the end" { "after the end" } else { rule };
        assert!(fault.contains(expected), "row {number}: {fault:?} instead of {rule:?}");
    }
}

#[test]
fn the_event_line_must_be_there_and_true() {
    let mut unnamed = legal();
    unnamed[7].name = None;
    assert!(fold(&unnamed).unwrap_err().contains("no event name"));
    let mut misnamed = legal();
    misnamed[7].name = Some("ping".to_owned());
    assert!(fold(&misnamed).unwrap_err().contains("is not the data's type"));
    let mut garbled = legal();
    garbled[7].data = "{".to_owned();
    assert!(fold(&garbled).unwrap_err().contains("data is not JSON"));
}

const LEGAL: &[(&str, Change)] = &[
    ("pings anywhere before the end", |events| {
        for at in [14, 8, 5, 3] {
            events.insert(at + 1, json!({"type": "ping"}));
        }
    }),
    ("an error while a block is open", |events| {
        events.truncate(12);
        events.push(error_event());
    }),
    ("a tool call without arguments", |events| drop(events.drain(11..13))),
    ("arguments cut off at the token limit", |events| {
        events.remove(12);
        events[13]["delta"]["stop_reason"] = "max_tokens".into();
    }),
    ("a refusal without any block", |events| {
        events.drain(2..14);
        events[2]["delta"]["stop_reason"] = "refusal".into();
    }),
    ("a stop sequence that is named", |events| {
        events.drain(10..14);
        events[10]["delta"] = json!({"stop_reason": "stop_sequence", "stop_sequence": "END"});
    }),
    ("redacted thinking", |events| {
        events[2]["content_block"] = json!({"type": "redacted_thinking", "data": "abc"});
        events.drain(3..5);
    }),
    ("citations", |events| {
        events[8]["delta"] = json!({"type": "citations_delta", "citation": {}});
    }),
];

#[test]
fn what_the_rules_leave_open_is_accepted() {
    for (name, change) in LEGAL {
        let mut data = legal_data();
        change(&mut data);
        let events: Vec<Event> = data.iter().map(Event::of).collect();
        assert!(fold(&events).is_ok(), "{name}: {:?}", fold(&events).unwrap_err());
    }
}

#[test]
fn an_illegal_stream_is_shown_whole() {
    let mut events = legal();
    events.pop();
    let report = fails(|| drop(check_stream(&events)));
    assert!(report.contains("ends early") && report.contains("   8 content_block_delta"), "{report}");
}

#[test]
fn the_reader_of_events_is_strict() {
    let events = parse(": a comment\n\nevent: a\ndata: {}\n\n: more\nevent: b\ndata: x: y\n\n");
    assert_eq!(events.iter().map(|event| event.data.as_str()).collect::<Vec<_>>(), ["{}", "x: y"]);
    for (stream, complaint) in [
        ("event: a\ndata: {}\n", "ended inside an event"),
        ("event: a\r\ndata: {}\r\n\r\n", "ended inside an event"),
        ("event: a\n\n", "an event without data"),
        ("event: a\ndata: 1\ndata: 2\n\n", "two fields"),
        ("id: 1\ndata: 2\n\n", "unknown field"),
        ("data\n\n", "no field"),
    ] {
        let report = fails(|| drop(parse(stream)));
        assert!(report.contains(complaint), "{stream:?}: {report}");
    }
}

#[test]
fn an_event_is_there_as_soon_as_its_blank_line_is() {
    let mut reader = EventReader::default();
    for byte in b"event: a\ndata: 1\n" {
        reader.push(&[*byte]);
        assert_eq!(reader.next_event(), None);
    }
    reader.push(b"\n");
    assert_eq!(reader.next_event(), Some(Event { name: Some("a".to_owned()), data: "1".to_owned() }));
    reader.assert_at_end();
}
