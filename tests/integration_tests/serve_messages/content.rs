//! What becomes of tools, images, documents and odd texts on their way to the upstream and back.

use super::{hello, request};
use crate::support::bodies::{chunks, completion};
use crate::support::serving::{Gateway, answer, body, failure, streamed};
use crate::support::upstream::{Ending, Exchange};
use serde_json::{Value, json};

/// A completion that calls functions with these names and arguments.
fn calling(calls: &[(&str, &str)]) -> Value {
    let mut completed = completion("");
    let calls: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(number, (name, arguments))| {
            json!({"id": format!("call_{number}"), "type": "function",
                   "function": {"name": name, "arguments": arguments}})
        })
        .collect();
    completed["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": calls});
    completed["choices"][0]["finish_reason"] = json!("tool_calls");
    completed
}

#[test]
fn a_tool_is_offered_with_its_schema_byte_for_byte_and_its_call_comes_back() {
    let upstream = Exchange::new().json(calling(&[("get_weather", "{\"city\": \"Zürich\", \"n\": 1.10}")]));
    let gateway = Gateway::start(vec![upstream]);
    let schema = r#"{"type":"object","properties":{"z":{"type":"number","maximum":12345678901234567890123},"a":{"const":1.10}},"required":["z"]}"#;
    let text = format!(
        r#"{{"model":"m","max_tokens":64,"messages":[{{"role":"user","content":"hi"}}],
            "tools":[{{"name":"get_weather","description":"Tells it","input_schema":{schema}}}],
            "tool_choice":{{"type":"tool","name":"get_weather"}}}}"#
    );
    let mut reply = gateway.post(text);
    assert_eq!(reply.status, 200);
    let answered = body(&mut reply);
    assert!(answered.contains("\"n\":1.10") || answered.contains("\"n\": 1.10"), "{answered}");
    let message: Value = serde_json::from_str(&answered).unwrap();
    assert_eq!(message["stop_reason"], "tool_use");
    let [call] = &message["content"].as_array().unwrap()[..] else { panic!("{message}") };
    assert_eq!((&call["type"], &call["name"]), (&json!("tool_use"), &json!("get_weather")));
    assert_eq!(call["input"]["city"], "Zürich");

    let seen = gateway.request();
    let bytes = String::from_utf8(seen.body.clone()).unwrap();
    assert!(bytes.contains(&format!("\"parameters\":{schema}")), "{bytes}");
    let sent = seen.json();
    assert_eq!(sent["tools"][0]["type"], "function");
    assert_eq!(sent["tools"][0]["function"]["description"], "Tells it");
    assert_eq!(sent["tool_choice"], json!({"type": "function", "function": {"name": "get_weather"}}));
    gateway.end();
}

#[test]
fn a_tools_result_goes_back_under_the_calls_id_and_its_input_unchanged() {
    let gateway = Gateway::start(vec![hello()]);
    let text = r#"{"model":"m","max_tokens":64,"messages":[
        {"role":"user","content":"hi"},
        {"role":"assistant","content":[
            {"type":"tool_use","id":"toolu_1","name":"one","input":{"b":9007199254740993,"a":1.10,"a2":-0}},
            {"type":"tool_use","id":"toolu_2","name":"two","input":{}}]},
        {"role":"user","content":[
            {"type":"tool_result","tool_use_id":"toolu_2","content":[{"type":"text","text":"boom"}],"is_error":true},
            {"type":"tool_result","tool_use_id":"toolu_1"},
            {"type":"text","text":"go on"}]}],
        "tools":[{"name":"one","input_schema":{"type":"object"}},{"name":"two","input_schema":{"type":"object"}}]}"#;
    answer(gateway.post(text));
    let sent = gateway.request().json();
    let said = sent["messages"].as_array().unwrap();
    let roles: Vec<_> = said.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "user"]);
    let calls = &said[1]["tool_calls"];
    assert_eq!(said[1]["content"], Value::Null);
    assert_eq!(calls[0]["function"]["arguments"], r#"{"b":9007199254740993,"a":1.10,"a2":-0}"#);
    assert_eq!((&said[2]["tool_call_id"], &said[2]["content"]), (&calls[0]["id"], &json!("")));
    assert_eq!((&said[3]["tool_call_id"], &said[3]["content"]), (&calls[1]["id"], &json!("Error: boom")));
    assert_eq!(said[4]["content"], "go on");
    gateway.end();
}

#[test]
fn f24_inputs_with_numbers_beyond_64_bits_come_back_byte_for_byte() {
    let arguments = r#"{"big":12345678901234567890123,"neg":-0,"twice":1,"twice":2,"e":1.0E+2}"#;
    let gateway = Gateway::start(vec![Exchange::new().json(calling(&[("f", arguments)]))]);
    let mut reply = gateway.post(request("hi", false));
    let answered = body(&mut reply);
    assert!(answered.contains(&format!("\"input\":{arguments}")), "{answered}");
    gateway.end();
}

#[test]
fn images_travel_as_data_and_as_addresses() {
    let gateway = Gateway::start(vec![hello()]);
    let mut asked = request("", false);
    asked["messages"][0]["content"] = json!([
        {"type": "text", "text": "what is this"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png?a=1&b=2"}},
    ]);
    answer(gateway.post(asked));
    assert_eq!(
        gateway.request().json()["messages"][0]["content"],
        json!([
            {"type": "text", "text": "what is this"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png?a=1&b=2"}},
        ])
    );
    gateway.end();
}

#[test]
fn what_cannot_be_sent_is_refused_by_name() {
    let gateway = Gateway::start(vec![]);
    let file = json!([{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]);
    let mut asked = request("", false);
    asked["messages"][0]["content"] = file;
    let error = failure(gateway.post(asked), 400, "invalid_request_error");
    assert!(error["message"].as_str().unwrap().contains("messages.0.content.0"), "{error}");
    let mut asked = request("hi", false);
    asked["thread"] = json!({"id": "thread_1"});
    let error = failure(gateway.post(asked), 400, "invalid_request_error");
    assert_eq!(error["details"]["error_code"], "thread_unsupported_request");
    let mut asked = request("hi", false);
    asked["mcp_servers"] = json!([{"type": "url", "url": "https://example.com", "name": "x"}]);
    let error = failure(gateway.post(asked), 400, "invalid_request_error");
    assert!(error["message"].as_str().unwrap().contains("mcp_servers"), "{error}");
    gateway.end();
}

#[test]
fn f16_lone_surrogates_of_javascript_clients_are_mended() {
    let gateway = Gateway::start(vec![hello()]);
    let text =
        r#"{"model":"m","max_tokens":64,"messages":[{"role":"user","content":"a\ud83d b \ud83d\ude00"}]}"#;
    let reply = gateway.post(text);
    assert!(reply.header("x-aiapiproxy-warning").is_some(), "a repair is reported");
    answer(reply);
    assert_eq!(gateway.request().json()["messages"][0]["content"], "a\u{fffd} b 😀");
    gateway.end();
}

#[test]
fn stop_sequences_are_searched_for_here_and_named() {
    let whole = Exchange::new().json(completion("ab STOP cd"));
    let stream = || Exchange::new().sse(chunks(&["ab S", "TOP cd"]).into_iter().take(3)).hang();
    let gateway = Gateway::start(vec![whole, stream(), stream()]);
    let mut asked = request("hi", false);
    asked["stop_sequences"] = json!(["1", "2", "3", "4", "5", "STOP"]);
    let message = answer(gateway.post(asked.clone()));
    assert_eq!(message["content"], json!([{"type": "text", "text": "ab "}]));
    assert_eq!(
        (&message["stop_reason"], &message["stop_sequence"]),
        (&json!("stop_sequence"), &json!("STOP"))
    );
    asked["stream"] = json!(true);
    let told = streamed(gateway.post(asked.clone()));
    assert_eq!((told.text().as_str(), told.stop_sequence.as_deref()), ("ab ", Some("STOP")));
    // The same for a client that wants no stream.
    asked["stream"] = json!(false);
    let message = answer(gateway.post(asked));
    assert_eq!(message["content"], json!([{"type": "text", "text": "ab "}]));
    assert_eq!(message["stop_sequence"], "STOP");
    assert_eq!(gateway.upstream.requests()[2].json()["stream"], true);
    assert_eq!(gateway.upstream.wait_for_ending(2), Ending::ClientClosed);
    // The upstream would stop without saying at which.
    assert_eq!(gateway.upstream.requests()[0].json().get("stop"), None);
    // Nobody pays for what nobody reads.
    assert_eq!(gateway.upstream.wait_for_ending(1), Ending::ClientClosed);
    gateway.end();
}

#[test]
fn f20_a_long_body_passes_whole() {
    let text = "long words, ".repeat(200_000);
    let gateway = Gateway::start(vec![hello()]);
    gateway.say(&text);
    assert_eq!(gateway.request().json()["messages"][0]["content"], text);
    gateway.end();
}
