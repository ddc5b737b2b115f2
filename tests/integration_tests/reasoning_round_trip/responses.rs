//! The same over Responses, whose reasoning is encrypted and must come back in its place.

use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::protocol::anthropic::response::Message;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::report::Report;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::{Dialect, Options, request};
use serde_json::{Value, json};

/// The answer over Responses to a first turn: two calls, each thought of before, and a thought that leads nowhere.
fn answered(options: &Options, encrypted: &str) -> (Message, Report) {
    let asked = r#"{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}"#;
    let translated = request(Request::parse(asked.as_bytes()).unwrap(), options).unwrap();
    let reasoning = |id: &str| {
        let summary = json!([{"type": "summary_text", "text": id}]);
        json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": format!("{encrypted}{id}")})
    };
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let text = json!({"type": "message", "content": [{"type": "output_text", "text": "I look."}]});
    let output = [reasoning("a"), text, call("c1"), reasoning("b"), call("c2"), reasoning("c")];
    let answer = json!({"status": "completed", "output": output});
    response(answer.to_string().as_bytes(), "msg_1".to_owned(), translated.context).unwrap()
}

/// What an upstream sees of the turn after that, and what the translation reports.
fn sent_back(message: &Message, options: &Options) -> (Value, Vec<String>) {
    let results = ["c1", "c2"].map(|id| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"}));
    let asked = json!({"model": "m", "max_tokens": 99, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]});
    let translated = request(Request::parse(asked.to_string().as_bytes()).unwrap(), options).unwrap();
    let report = translated.report.entries().iter().map(ToString::to_string).collect();
    (serde_json::to_value(&translated.body).unwrap(), report)
}

fn over(dialect: Dialect, upstream: &str) -> Options {
    Options { dialect, ..Options::new(Preset::OpenAi.quirks(), upstream, "gpt-6-astra") }
}

#[test]
fn items_of_reasoning_come_back_where_they_were() {
    let openai = over(Dialect::Responses, "openai");
    let (seen, report) = sent_back(&answered(&openai, "SECRET").0, &openai);
    let told: Vec<String> = (seen["input"].as_array().unwrap().iter())
        .map(|item| match item["type"].as_str().unwrap() {
            "reasoning" => format!("{} {}", item["id"], item["encrypted_content"]).replace('"', ""),
            "function_call" | "function_call_output" => {
                format!("{} {}", item["type"], item["call_id"]).replace('"', "")
            }
            _ => format!("{} {}", item["role"], item["content"]).replace('"', ""),
        })
        .collect();
    assert_eq!(
        told,
        [
            "user hi",
            "a SECRETa",
            "assistant I look.",
            "function_call c1",
            "b SECRETb",
            "function_call c2",
            "function_call_output c1",
            "function_call_output c2",
        ]
    );
    assert_eq!(seen["input"][1]["summary"], json!([{"type": "summary_text", "text": "a"}]));
    // OpenAI refuses reasoning that nothing follows.
    assert_eq!(report, ["/messages/1/content ignored: reasoning from which nothing of the turn followed"]);
}

#[test]
fn items_of_reasoning_stay_with_the_upstream_and_the_dialect_that_thought_them() {
    let openai = over(Dialect::Responses, "openai");
    for other in [over(Dialect::Responses, "azure"), over(Dialect::Chat, "openai")] {
        let (seen, report) = sent_back(&answered(&openai, "SECRET").0, &other);
        assert!(!seen.to_string().contains("SECRET"), "{seen}");
        let ignored = report.iter().filter(|loss| loss.ends_with("ignored: the reasoning of another model"));
        assert_eq!(ignored.count(), 3, "{report:?}");
    }
    let chat = over(Dialect::Chat, "openai");
    let asked = r#"{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}"#;
    let translated = request(Request::parse(asked.as_bytes()).unwrap(), &chat).unwrap();
    let answer = br#"{"choices":[{"message":{"reasoning_content":"hm","tool_calls":[
        {"id":"c1","function":{"name":"f"}},{"id":"c2","function":{"name":"f"}}]}}]}"#;
    let (message, _) = response(answer, "msg_1".to_owned(), translated.context).unwrap();
    let (seen, report) = sent_back(&message, &openai);
    assert!(!seen.to_string().contains("hm"), "{seen}");
    assert_eq!(report, ["/messages/1/content/0 ignored: the reasoning of another model"]);
}

/// What no compression shortens.
fn noise(bytes: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[usize::try_from(state >> 58).unwrap()])
    };
    (0..bytes).map(|_| letter()).collect()
}

#[test]
fn large_reasoning_is_carried_as_far_as_signatures_go() {
    let openai = over(Dialect::Responses, "openai");
    let (message, report) = answered(&openai, &noise(150 << 10));
    assert!(report.entries().is_empty());
    let (seen, _) = sent_back(&message, &openai);
    assert!(seen["input"][1]["encrypted_content"].as_str().unwrap().len() > 150 << 10);
    let (message, report) = answered(&openai, &noise(1 << 20));
    assert!(report.entries()[0].reason.contains("too long to come back"), "{report:?}");
    let (seen, _) = sent_back(&message, &openai);
    assert!(seen["input"].as_array().unwrap().iter().all(|item| item["type"] != "reasoning"));
}

/// Sixty turns of 200 KiB each come back: what a vendor encrypted does not grow when it is unpacked.
#[test]
fn a_long_conversation_of_encrypted_reasoning_is_within_the_budget() {
    let openai = over(Dialect::Responses, "openai");
    let (first, _) = answered(&openai, &noise(200 << 10));
    let thought = serde_json::to_value(&first.content[0]).unwrap();
    let mut messages = Vec::new();
    for _ in 0..60 {
        messages.push(json!({"role": "user", "content": "go on"}));
        messages.push(json!({"role": "assistant", "content": [thought, {"type": "text", "text": "on"}]}));
    }
    messages.push(json!({"role": "user", "content": "go on"}));
    let asked = json!({"model": "m", "max_tokens": 99, "messages": messages});
    let translated = request(Request::parse(asked.to_string().as_bytes()).unwrap(), &openai).unwrap();
    let text = serde_json::to_string(&translated.body).unwrap();
    assert_eq!(text.matches(r#""type":"reasoning""#).count(), 60);
    assert!(translated.report.entries().is_empty());
}
