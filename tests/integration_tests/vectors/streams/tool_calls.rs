//! Calls of tools, in all the orders in which upstreams send their pieces.

use super::{Value, events, json, says, told};

/// A piece of a call.
fn piece(index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: Option<&str>) -> Value {
    let mut call = json!({"type": "function", "function": {}});
    for (member, value) in [("index", index.map(Value::from)), ("id", id.map(Value::from))] {
        if let Some(value) = value {
            call[member] = value;
        }
    }
    for (member, value) in [("name", name), ("arguments", arguments)] {
        if let Some(value) = value {
            call["function"][member] = value.into();
        }
    }
    json!({"tool_calls": [call]})
}

fn starts(index: u64, id: &str, name: &str) -> Value {
    piece(Some(index), Some(id), Some(name), Some(""))
}

fn goes_on(index: u64, arguments: &str) -> Value {
    piece(Some(index), None, None, Some(arguments))
}

pub(crate) fn vector_46_interleaved_calls() {
    let deltas = vec![
        starts(0, "c0", "one"),
        starts(1, "c1", "two"),
        goes_on(0, "{\"a\":"),
        goes_on(1, "{\"b\":"),
        goes_on(0, "[1]}"),
        goes_on(1, "\"}{\"}"),
    ];
    let told = told(events(deltas, "tool_calls"));
    assert_eq!(told.kinds(), ["tool_use", "tool_use"]);
    assert_eq!(told.tool_inputs, ["{\"a\":[1]}", "{\"b\":\"}{\"}"]);
    assert_eq!((&told.content[0]["name"], &told.content[1]["name"]), (&json!("one"), &json!("two")));
    assert_eq!(told.stop_reason.as_deref(), Some("tool_use"));
}

pub(crate) fn vector_47_call_in_one_chunk() {
    let told = told(events(vec![piece(None, None, Some("one"), Some("{\"a\":1}"))], "tool_calls"));
    assert_eq!(told.kinds(), ["tool_use"]);
    assert_eq!((&told.content[0]["name"], &told.content[0]["input"]), (&json!("one"), &json!({"a": 1})));
    let id = told.content[0]["id"].as_str().unwrap();
    assert!(id.starts_with("toolu_") && id.len() == 30, "{id}");
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{id}");
}

pub(crate) fn vector_48_same_index() {
    let whole = |id: &str, name: &str| piece(Some(0), Some(id), Some(name), Some("{\"a\":1}"));
    let told = told(events(vec![whole("c0", "one"), whole("c1", "two"), whole("c2", "one")], "tool_calls"));
    assert_eq!(told.kinds(), ["tool_use"; 3]);
    let ids: Vec<_> = told.content.iter().map(|block| block["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["c0", "c1", "c2"]);
    assert!(told.content.iter().all(|block| block["input"] == json!({"a": 1})), "{:?}", told.content);
}

pub(crate) fn vector_49_late_name() {
    let deltas = vec![
        piece(Some(0), Some("c0"), None, Some("{\"a\"")),
        goes_on(0, ":1"),
        piece(Some(0), None, Some("one"), None),
        goes_on(0, "}"),
    ];
    let told = told(events(deltas, "tool_calls"));
    assert_eq!((&told.content[0]["name"], &told.content[0]["id"]), (&json!("one"), &json!("c0")));
    assert_eq!(told.tool_inputs, ["{\"a\":1}"]);
}

pub(crate) fn vector_50_empty_object_first() {
    let deltas = vec![piece(Some(0), Some("c0"), Some("one"), Some("{}")), goes_on(0, "{\"a\":1}")];
    assert_eq!(told(events(deltas, "tool_calls")).tool_inputs, ["{\"a\":1}"]);
    // An object that is empty to its end stays one.
    let deltas = vec![piece(Some(0), Some("c0"), Some("one"), Some("{}"))];
    assert_eq!(told(events(deltas, "tool_calls")).content[0]["input"], json!({}));
}

pub(crate) fn vector_51_text_after_call() {
    let deltas = vec![
        says("before"),
        starts(0, "c0", "one"),
        goes_on(0, "{\"a\":"),
        // While a call is open, text waits for its end.
        says("af"),
        goes_on(0, "1}"),
        says("ter"),
    ];
    let told = told(events(deltas, "tool_calls"));
    assert_eq!(told.kinds(), ["text", "tool_use", "text"]);
    assert_eq!((&told.content[0]["text"], &told.content[2]["text"]), (&json!("before"), &json!("after")));
    assert_eq!(told.tool_inputs, ["{\"a\":1}"]);
    assert_eq!(told.stop_reason.as_deref(), Some("tool_use"));
}

pub(crate) fn vector_58_limit_in_call() {
    let deltas = vec![says("I write"), starts(0, "c0", "write"), goes_on(0, "{\"text\":\"half a sen")];
    // No error event: `told` would fail.
    let told = told(events(deltas, "length"));
    assert_eq!(told.stop_reason.as_deref(), Some("max_tokens"));
    assert_eq!(told.text(), "I write");
}
