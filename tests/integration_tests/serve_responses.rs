//! `serve` before upstreams that speak Responses: what goes there and when, what comes back, and what may break.

use crate::support::bodies::{chunks, completion, data, request};
use crate::support::http::Call;
use crate::support::serving::{
    CANARY, CHAT, Gateway, answer, broken_stream, configured, failure, request_id, streamed,
};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Ending, Exchange, Request, Upstream};
use crate::support::watched::Gate;
use serde_json::{Value, json};

mod azure;
mod choice;

const RESPONSES: &str = "/v1/responses";

/// A server that asks every model in Responses.
fn responses(script: Vec<Exchange>) -> Gateway {
    Gateway::with(script, |program| program.env("OPENAI_DIALECT", "responses"))
}

/// A whole response with this text.
fn response(text: &str) -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "m", "error": null,
        "incomplete_details": null,
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}],
        "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
    })
}

/// The events of a response in these pieces.
fn events(pieces: &[&str]) -> Vec<String> {
    let item = |status: &str, content: Value| json!({"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content});
    let mut events = vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": [], "usage": null}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
    ];
    events.extend(pieces.iter().map(|piece| {
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": piece})
    }));
    let whole = json!([{"type": "output_text", "text": pieces.concat(), "annotations": []}]);
    events.extend([
        json!({"type": "response.output_item.done", "output_index": 0, "item": item("completed", whole)}),
        json!({"type": "response.completed", "response": response(&pieces.concat())}),
    ]);
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = json!(number);
        format!("event: {}\n{}", event["type"].as_str().unwrap(), data(&event))
    });
    numbered.collect()
}

#[test]
fn whole_answers_and_streams_come_back() {
    let script = vec![
        Exchange::new().expect_path(RESPONSES).header("x-request-id", "up-7").json(response("Hello")),
        Exchange::new().expect_path(RESPONSES).sse(events(&["Hel", "lo"])),
        Exchange::new().sse([events(&["Grüße, ", "世界"]).concat()]).slice(3),
    ];
    let gateway = responses(script);
    let reply = gateway.post(request("hi", false));
    assert_eq!(reply.header("x-upstream-request-id"), Some("up-7"));
    let message = answer(reply);
    assert_eq!(
        (&message["content"][0]["text"], &message["stop_reason"]),
        (&json!("Hello"), &json!("end_turn"))
    );
    assert_eq!(message["model"], "claude-sonnet-5-5");
    for text in ["Hello", "Grüße, 世界"] {
        let message = streamed(gateway.post(request("hi", true)));
        assert_eq!((message.text().as_str(), message.stop_reason.as_deref()), (text, Some("end_turn")));
        assert_eq!(
            (&message.usage["input_tokens"], &message.usage["output_tokens"]),
            (&json!(11), &json!(7))
        );
    }
    let requests = gateway.upstream.requests();
    let [whole, stream, _] = &requests[..] else { panic!("three requests") };
    assert_eq!(whole.header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    assert_eq!((&whole.json()["store"], &whole.json()["max_output_tokens"]), (&json!(false), &json!(64)));
    assert_eq!(stream.json()["stream"], true);
    assert_eq!(stream.header("accept"), Some("text/event-stream"));
    gateway.end();
}

#[test]
fn failures_have_their_status_before_the_first_event_and_are_events_after_it() {
    let refused = |status: u16, code: &str| {
        let error = json!({"error": {"message": "they said so", "code": code}});
        Exchange::new().status(status).header("retry-after", "0").json(error)
    };
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed",
        "error": {"code": "rate_limit_exceeded", "message": "slow down"}}});
    let table = [
        (vec![refused(400, "x")], 400, "invalid_request_error"),
        (vec![refused(401, "invalid_api_key")], 500, "api_error"),
        (vec![refused(404, "model_not_found")], 404, "not_found_error"),
        (vec![refused(500, "x"), refused(500, "x"), refused(500, "x")], 500, "api_error"),
        (vec![Exchange::new().sse([data(&failed)])], 429, "rate_limit_error"),
        (vec![Exchange::new().json(json!({"hello": 1}))], 502, "api_error"),
        (vec![Exchange::new().header("content-type", "text/html").piece("<html>")], 502, "api_error"),
    ];
    for (script, status, kind) in table {
        let gateway = responses(script);
        failure(gateway.post(request("hi", true)), status, kind);
        gateway.end();
    }
    let told = events(&["Hel", "lo"]);
    let breaks = [
        Exchange::new().sse(&told[..3]).sse([data(&failed)]),
        Exchange::new().sse(&told[..3]).fin(),
        Exchange::new().sse(&told[..3]),
        Exchange::new().sse(&told[..3]).sse([&told[3][..40]]),
    ];
    let gateway = responses(breaks.to_vec());
    for (number, _) in breaks.iter().enumerate() {
        let (error, message) = broken_stream(gateway.post(request("hi", true)));
        assert_eq!(message.text(), "Hel");
        assert_eq!(error["type"], if number == 0 { "rate_limit_error" } else { "api_error" });
    }
    gateway.end();
}

#[test]
fn a_reset_is_an_error_silence_is_a_ping_and_a_client_that_goes_ends_the_call() {
    let told = events(&["Hel", "lo"]);
    let (broken, silent) = (Gate::new(), Gate::new());
    let script = vec![
        Exchange::new().sse(&told[..3]).pause(&broken).reset(),
        Exchange::new().sse(&told[..3]).pause(&silent).sse(&told[3..]),
        Exchange::new().sse(&told[..3]).hang(),
    ];
    let gateway = Gateway::with(script, |program| {
        configured(program.env("OPENAI_DIALECT", "responses"), "[limits]\nping_interval = '20ms'\n")
    });
    let begin = || {
        let mut reply = gateway.post(request("hi", true));
        request_id(&reply);
        let seen = reply.events_until(|event| event.data.contains("\"Hel\""));
        (reply, seen)
    };
    let (mut reply, mut seen) = begin();
    broken.open();
    seen.extend(reply.events());
    assert_eq!(check_stream(&seen).error.unwrap()["type"], "api_error");
    let (mut reply, mut seen) = begin();
    seen.extend(reply.events_until(|event| event.name.as_deref() == Some("ping")));
    silent.open();
    seen.extend(reply.events());
    assert_eq!(check_stream(&seen).text(), "Hello");
    drop(begin());
    assert_eq!(gateway.upstream.wait_for_ending(2), Ending::ClientClosed);
    drop(reply);
    let stderr = gateway.end();
    assert!(stderr.contains("end=\"client_closed\""), "{stderr}");
}

#[test]
fn one_conversation_is_one_message_in_every_dialect() {
    let tool = json!({"name": "look", "input_schema": {"type": "object"}});
    let arguments = r#"{"q":1.0e2,"é":"\n"}"#;
    let (text, call) = (
        "Let me look.",
        json!({"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}),
    );
    let mut chat = completion(text);
    chat["choices"][0]["message"]["tool_calls"] = json!([call]);
    chat["choices"][0]["finish_reason"] = json!("tool_calls");
    let mut other = response(text);
    other["output"].as_array_mut().unwrap().push(json!({"type": "function_call", "id": "fc_1",
        "call_id": "call_1", "name": "look", "arguments": arguments, "status": "completed"}));
    let own = format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{text}"}},{{"type":"tool_use","id":"call_1","name":"look","input":{arguments}}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{{"input_tokens":11,"output_tokens":7}}}}"#
    );
    let mut told = Vec::new();
    for (dialect, body) in [("chat", chat.to_string()), ("responses", other.to_string()), ("messages", own)] {
        let script = vec![Exchange::new().json(&body), Exchange::new().json(&body)];
        let gateway = Gateway::with(script, |program| program.env("OPENAI_DIALECT", dialect));
        let mut asked = request("hi", false);
        asked["tools"] = json!([tool]);
        let whole = answer(gateway.post(&asked));
        asked["stream"] = json!(true);
        let stream = streamed(gateway.post(&asked));
        assert_eq!(stream.tool_inputs, [arguments], "{dialect}");
        let parts = |content: &[Value]| {
            let known = |block: &Value| {
                json!([block["type"], block["text"], block["id"], block["name"], block["input"]])
            };
            content.iter().map(known).collect::<Vec<_>>()
        };
        let content = parts(whole["content"].as_array().unwrap());
        assert_eq!(content, parts(&stream.content), "{dialect}");
        let usage = [&whole["usage"]["input_tokens"], &whole["usage"]["output_tokens"]].map(Value::clone);
        assert_eq!(usage, [&stream.usage["input_tokens"], &stream.usage["output_tokens"]].map(Value::clone));
        told.push((content, whole["stop_reason"].clone(), whole["model"].clone(), usage));
        gateway.end();
    }
    assert!(told.iter().all(|message| *message == told[0]), "{told:#?}");
}
