//! Reasoning that leaves as a thinking block comes back to the upstream that thought it, and to no other.

use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::protocol::anthropic::response::{ContentBlock, Message};
use aiapiproxy::sse::Event;
use aiapiproxy::translate::Options;
use aiapiproxy::translate::context::Context;
use aiapiproxy::translate::message_fold::MessageFold;
use aiapiproxy::translate::messages_via_chat::request;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::{End, Stream};

mod responses;

/// What the upstream sees of the turn after the one it answered with reasoning and a call.
fn second_turn(display: &str, answered_by: &str, asked: &str) -> String {
    let first = format!(
        r#"{{"model":"m","max_tokens":9,"thinking":{{"type":"adaptive","display":"{display}"}},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let translated = request(Request::parse(first.as_bytes()).unwrap(), &options(answered_by)).unwrap();
    let answer = br#"{"choices":[{"message":{"reasoning_content":"because \u00e9","content":null,
        "tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    let (message, _) = response(answer, "msg_1".to_owned(), translated.context).unwrap();
    assert_shown(&message, display);
    let content = serde_json::to_string(&message.content).unwrap();
    let second = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":{content}}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c1","content":"ok"}}]}}]}}"#
    );
    let translated = request(Request::parse(second.as_bytes()).unwrap(), &options(asked)).unwrap();
    serde_json::to_string(&translated.body).unwrap()
}

fn options(upstream: &str) -> Options {
    Options::new(Preset::DeepSeek.quirks(), upstream, "m")
}

fn assert_shown(message: &Message, display: &str) {
    let ContentBlock::Thinking { thinking, signature } = &message.content[0] else {
        panic!("thinking first")
    };
    assert_eq!(thinking.as_str(), if display == "omitted" { "" } else { "because é" });
    assert!(signature.starts_with("apx1."), "{signature}");
    assert!(matches!(message.content[1], ContentBlock::ToolUse { .. }));
}

#[test]
fn shown_or_not_reasoning_comes_back_to_its_upstream() {
    for display in ["summarized", "omitted"] {
        let seen = second_turn(display, "deepseek", "deepseek");
        assert!(seen.contains(r#""reasoning_content":"because é""#), "{display}: {seen}");
    }
}

#[test]
fn another_upstream_gets_none_of_it() {
    for display in ["summarized", "omitted"] {
        let seen = second_turn(display, "deepseek", "kimi");
        assert!(!seen.contains("because"), "{display}: {seen}");
        // DeepSeek's own servers demand the member all the same.
        assert!(seen.contains(r#""reasoning_content":"""#), "{seen}");
    }
}

#[test]
fn what_gemini_sends_with_a_call_comes_back_with_it() {
    let options = Options { quirks: Preset::Gemini.quirks(), ..options("gemini") };
    let first = br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let translated = request(Request::parse(first).unwrap(), &options).unwrap();
    let answer = br#"{"choices":[{"message":{"content":"so","tool_calls":[
        {"id":"c1","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"QUJD=="}}},
        {"id":"c2","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    let (message, _) = response(answer, "msg_1".to_owned(), translated.context).unwrap();
    let kind = |block: &ContentBlock| match block {
        ContentBlock::Text { .. } => "text",
        ContentBlock::Thinking { .. } => "thinking",
        ContentBlock::ToolUse { .. } => "tool_use",
        ContentBlock::RedactedThinking { .. } => "redacted_thinking",
    };
    let kinds: Vec<&str> = message.content.iter().map(kind).collect();
    assert_eq!(kinds, ["text", "thinking", "tool_use", "tool_use"]);
    let content = serde_json::to_string(&message.content).unwrap();
    let results = r#"{"type":"tool_result","tool_use_id":"c1"},{"type":"tool_result","tool_use_id":"c2"}"#;
    let second = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":{content}}},
            {{"role":"user","content":[{results}]}}]}}"#
    );
    let translated = request(Request::parse(second.as_bytes()).unwrap(), &options).unwrap();
    let seen = serde_json::to_string(&translated.body).unwrap();
    let call = r#""id":"c1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"QUJD=="}}}"#;
    assert!(seen.contains(call), "{seen}");
    assert_eq!(seen.matches("extra_content").count(), 1);
}

#[test]
fn reasoning_beyond_the_budget_of_a_request_is_dropped_and_reported() {
    let hidden = r#"{"model":"m","max_tokens":9,"thinking":{"type":"adaptive","display":"omitted"},"messages":[{"role":"user","content":"hi"}]}"#;
    let translated = request(Request::parse(hidden.as_bytes()).unwrap(), &options("deepseek")).unwrap();
    let reasoning = "x".repeat(1_000_000);
    let answer = format!(
        r#"{{"choices":[{{"message":{{"reasoning_content":"{reasoning}","content":"a"}},"finish_reason":"stop"}}]}}"#
    );
    let (message, _) = response(answer.as_bytes(), "msg_1".to_owned(), translated.context).unwrap();
    let block = serde_json::to_string(&message.content[0]).unwrap();
    let blocks = vec![block; 20].join(",");
    let many = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},
            {{"role":"assistant","content":[{blocks},{{"type":"text","text":"a"}}]}},{{"role":"user","content":"go"}}]}}"#
    );
    let translated = request(Request::parse(many.as_bytes()).unwrap(), &options("deepseek")).unwrap();
    let seen = serde_json::to_string(&translated.body).unwrap();
    assert!((8_000_000..10_000_000).contains(&seen.len()), "{}", seen.len());
    assert!(translated.report.is_lossy(), "{:?}", translated.report);
}

#[test]
fn what_waits_behind_a_call_that_never_ends_is_bounded() {
    let mut stream = Stream::new("msg_1".to_owned(), Context::default());
    let mut events = Vec::new();
    let mut say = |data: String| stream.push(&Event { name: "".into(), data: data.into() }, &mut events);
    say(r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\":"}}]}}]}"#.to_owned());
    let text = "x".repeat(1 << 20);
    for _ in 0..20 {
        say(format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#));
    }
    assert!(stream.is_over());
    assert_eq!(stream.failure().map(|error| error.status), Some(502));
}

/// What the upstream is sent after it answered with these chunks, which end in a call `c1`.
fn next_request_after(chunks: &[&str], preset: Preset, display: &str) -> String {
    let options = Options { quirks: preset.quirks(), ..options("up") };
    let first = format!(
        r#"{{"model":"m","max_tokens":9,"thinking":{{"type":"adaptive","display":"{display}"}},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let translated = request(Request::parse(first.as_bytes()).unwrap(), &options).unwrap();
    let mut stream = Stream::new("msg_1".to_owned(), translated.context);
    let mut events = Vec::new();
    for chunk in chunks {
        let data = format!(r#"{{"choices":[{{"delta":{chunk}}}]}}"#);
        stream.push(&Event { name: "".into(), data: data.into() }, &mut events);
    }
    stream.push(&Event { name: "".into(), data: "[DONE]".into() }, &mut events);
    stream.finish(End::Eof, &mut events);
    assert_eq!(stream.report().entries(), []);
    let mut fold = MessageFold::default();
    for event in events {
        fold.push(event).unwrap();
    }
    let content = serde_json::to_string(&fold.finish().unwrap().content).unwrap();
    let second = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":{content}}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c1"}}]}}]}}"#
    );
    let translated = request(Request::parse(second.as_bytes()).unwrap(), &options).unwrap();
    serde_json::to_string(&translated.body).unwrap()
}

const CALL: &str = r#"{"tool_calls":[{"index":0,"id":"c1","function":{"name":"f","arguments":"{}"}}]}"#;

#[test]
fn what_openrouter_signs_comes_back_in_one_piece() {
    let chunks = [
        r#"{"reasoning":"Let","reasoning_details":[{"type":"reasoning.text","text":"Let","index":0}]}"#,
        r#"{"reasoning":" me","reasoning_details":[{"type":"reasoning.text","text":" me","index":0}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","signature":"Et8B","index":0}]}"#,
        CALL,
        r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"AA==","id":"c1","index":0}]}"#,
    ];
    for display in ["summarized", "omitted"] {
        let seen = next_request_after(&chunks, Preset::OpenRouter, display);
        let details = r#""content":null,"reasoning_details":[{"type":"reasoning.text","text":"Let me","index":0,"signature":"Et8B"},{"type":"reasoning.encrypted","data":"AA==","id":"c1","index":0}],"tool_calls""#;
        assert!(seen.contains(details), "{display}: {seen}");
    }
    // One that does not take reasoning back gets none of it.
    let seen = next_request_after(&chunks, Preset::Generic, "omitted");
    assert!(!seen.contains("Et8B") && !seen.contains("AA=="), "{seen}");
}

#[test]
fn what_openrouter_does_not_detail_comes_back_as_reasoning() {
    let seen = next_request_after(&[r#"{"reasoning":"so"}"#, CALL], Preset::OpenRouter, "omitted");
    assert!(seen.contains(r#""reasoning":"so","tool_calls""#), "{seen}");
}

#[test]
fn what_gemini_sends_behind_a_call_comes_back_with_it() {
    let late = r#"{"tool_calls":[{"index":0,"extra_content":{"google":{"thought_signature":"QUJD"}}}]}"#;
    let seen = next_request_after(&[CALL, late, late], Preset::Gemini, "summarized");
    let call = r#""arguments":"{}"},"extra_content":{"google":{"thought_signature":"QUJD"}}}"#;
    assert!(seen.contains(call), "{seen}");
}
