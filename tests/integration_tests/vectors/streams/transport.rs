//! The order of events, the bytes between them, and silence.

use super::{DONE, Exchange, Gateway, chunk, json, says, usage_chunk};
use crate::support::bodies::{chunks, request};
use crate::support::serving::{request_for, streamed};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Ending, Upstream};
use crate::support::watched::Gate;
use serde_json::Value;
use std::time::{Duration, Instant};

pub(crate) fn vector_43_plain_stream() {
    let upstream = vec![
        chunk(json!({"role": "assistant"}), None),
        chunk(says(""), None),
        chunk(says("Hi"), None),
        chunk(json!({}), Some("stop")),
        usage_chunk(11, 7),
        DONE.to_owned(),
    ];
    let gateway = Gateway::start(vec![Exchange::new().sse(upstream)]);
    let events = gateway.post(request("hi", true)).events();
    let names: Vec<_> = events.iter().map(|event| event.name.as_deref().expect("an event line")).collect();
    let expected = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    let message = check_stream(&events);
    assert_eq!((message.text().as_str(), message.stop_reason.as_deref()), ("Hi", Some("end_turn")));
    let usage = &events[5].json()["usage"];
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(11), &json!(7)));
    gateway.end();
}

pub(crate) fn vector_44_every_cut() {
    let line = |delta: Value, finish: Value| {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).to_string()
    };
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]});
    let stream = format!(
        ": OPENROUTER PROCESSING\r\n\r\ndata:{}\r\n\r\ndata: {}\n\ndata:{}\r\n\r\n\
         data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":2}}}}\r\n\r\ndata: [DONE]\r\n\r\n",
        line(says("Zür☃😀"), Value::Null),
        line(call, Value::Null),
        line(json!({}), json!("tool_calls")),
    );
    let whole = stream.into_bytes();
    let length = whole.len();
    // The model's name says where the stream is cut; "bytes" is cut everywhere.
    let upstream = Upstream::always(move |request| {
        let model = request.json()["model"].as_str().unwrap().to_owned();
        match model.parse::<usize>() {
            Ok(cut) => Exchange::new().sse([&whole[..cut], &whole[cut..]]),
            Err(_) => Exchange::new().sse([&whole]).slice(1),
        }
    });
    let gateway = Gateway::before(upstream, |program| program.env("RUST_LOG", "warn"));
    let told = |model: &str| {
        let told = streamed(gateway.post(request_for(model, true)));
        (told.content, told.stop_reason, told.usage)
    };
    let expected = told(&length.to_string());
    assert_eq!(expected.0[0]["text"], "Zür☃😀");
    assert_eq!((&expected.0[1]["name"], expected.1.as_deref()), (&json!("f"), Some("tool_use")));
    assert_eq!(told("bytes"), expected);
    for cut in 1..length {
        assert_eq!(told(&cut.to_string()), expected, "cut at byte {cut}");
    }
    gateway.end();
}

pub(crate) fn vector_54_silence() {
    // The interval itself is ten seconds; the example of the configuration is held to the defaults by a test.
    assert!(include_str!("../../../../config.example.toml").contains("\n#ping_interval = \"10s\"\n"));
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let script = vec![
        Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]),
        Exchange::new().sse(&events[..2]).hang(),
        Exchange::new().hang(),
    ];
    let gateway = Gateway::with_config(script, "[limits]\nping_interval = '20ms'\n");
    let mut reply = gateway.post(request("hi", true));
    let mut pings = 0;
    let mut seen = reply.events_until(|event| {
        pings += usize::from(event.name.as_deref() == Some("ping"));
        pings == 3
    });
    gate.open();
    seen.extend(reply.events());
    assert_eq!(check_stream(&seen).text(), "Hello");
    drop(reply);

    let mut reply = gateway.post(request("hi", true));
    reply.events_until(|event| event.data.contains("Hel"));
    leaves(&gateway, 1, || drop(reply));
    let connection = unanswered(&gateway);
    gateway.upstream.wait_for_requests(3);
    leaves(&gateway, 2, || drop(connection));
    gateway.end();
}

/// The upstream's request is closed within a second.
fn leaves(gateway: &Gateway, request: usize, leave: impl FnOnce()) {
    let left = Instant::now();
    leave();
    assert_eq!(gateway.upstream.wait_for_ending(request), Ending::ClientClosed);
    assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
}

/// A client that waits for the head of its answer.
fn unanswered(gateway: &Gateway) -> crate::support::http::Connection {
    let body = request("hi", false).to_string();
    let mut connection = crate::support::http::Connection::open(gateway.server.base_url());
    let head = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    connection.write(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    connection
}
