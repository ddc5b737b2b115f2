//! Streams that break: before the first event a status, after it an `error` event, never a false end.

use super::{
    Exchange, Gateway, Value, chunk, chunks, data, json, request, request_for, request_id, streamed,
};
use crate::support::bodies::DONE;
use crate::support::serving::{broken_stream, failure};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::Ending;
use crate::support::watched::Gate;

#[test]
fn f07_a_reset_after_three_chunks_is_an_error_and_is_not_tried_again() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo", "!"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&events[..3]).pause(&gate).reset()]);
    let mut reply = gateway.post(request("hi", true));
    let id = request_id(&reply);
    let mut seen = reply.events_until(|event| event.data.contains("\"lo\""));
    gate.open();
    seen.extend(reply.events());
    let message = check_stream(&seen);
    assert_eq!(message.text(), "Hello");
    let error = message.error.expect("an error event");
    assert_eq!(error["type"], "api_error");
    assert_eq!(seen.last().unwrap().json()["request_id"], id);
    assert_eq!(gateway.upstream.requests().len(), 1);
    drop(reply);
    let stderr = gateway.end();
    assert!(stderr.contains("end=\"upstream_error\""), "{stderr}");
}

#[test]
fn f08_an_end_without_a_finish_is_an_error_however_it_comes() {
    let events = chunks(&["Hel", "lo"]);
    let table = [
        ("in a chunk", Exchange::new().sse(&events[..2]).fin()),
        ("of the body", Exchange::new().sse(&events[..2])),
        ("of the connection", Exchange::new().close_delimited().sse(&events[..2])),
        ("in an event", Exchange::new().sse(&events[..2]).sse([&events[2][..30]])),
        (
            "in a letter",
            Exchange::new().sse(&events[..2]).sse([b"data: {\"choices\":[{\"delta\":{\"content\":\"\xc3"]),
        ),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream)| (name.to_owned(), upstream)));
    for (name, _) in table {
        let (error, message) = broken_stream(gateway.post(request_for(name, true)));
        assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "Hel"), "{name}");
    }
    gateway.end();
}

#[test]
fn f08_an_answer_that_was_finished_needs_no_proper_end() {
    let events = chunks(&["Hel", "lo"]);
    let finished = &events[..4];
    let table = [
        ("no done", Exchange::new().sse(finished)),
        ("fin", Exchange::new().sse(finished).fin()),
        ("done alone", Exchange::new().sse(&events[..3]).sse([DONE])),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream)| (name.to_owned(), upstream)));
    for (name, _) in table {
        let message = streamed(gateway.post(request_for(name, true)));
        assert_eq!(
            (message.text().as_str(), message.stop_reason.as_deref()),
            ("Hello", Some("end_turn")),
            "{name}"
        );
    }
    gateway.end();
}

#[test]
fn a_reset_after_the_finish_is_no_error() {
    let gate = Gate::new();
    let events = chunks(&["Hello"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&events[..3]).pause(&gate).reset()]);
    let mut reply = gateway.post(request("hi", true));
    let mut seen = reply.events_until(|event| event.data.contains("Hello"));
    gate.open();
    seen.extend(reply.events());
    assert_eq!(check_stream(&seen).stop_reason.as_deref(), Some("end_turn"));
    drop(reply);
    gateway.end();
}

#[test]
fn f45_an_error_in_the_middle_ends_the_stream_with_its_kind() {
    let first = chunk(json!({"role": "assistant", "content": "Hel"}), None);
    let finish_with_error = json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error",
        "error": {"code": 502, "message": "provider gone"}}]});
    let table: [(&str, String, &str, &str); 6] = [
        (
            "openai",
            data(&json!({"error": {"message": "slow down", "type": "rate_limit", "code": 429}})),
            "rate_limit_error",
            "slow down",
        ),
        (
            "overloaded",
            data(&json!({"error": {"message": "The server is overloaded", "code": 529}})),
            "overloaded_error",
            "overloaded",
        ),
        ("with choices", data(&json!({"error": {"message": "boom"}, "choices": []})), "api_error", "boom"),
        (
            "vllm",
            data(&json!({"object": "error", "message": "boom", "type": "X", "code": 500})),
            "api_error",
            "boom",
        ),
        ("named", format!("event: error\n{}", data(&json!({"message": "boom"}))), "api_error", "boom"),
        ("choice", data(&finish_with_error), "api_error", "provider gone"),
    ];
    let cases = table.clone().map(|(name, event, ..)| {
        (name.to_owned(), Exchange::new().sse([first.clone(), event, DONE.to_owned()]))
    });
    let gateway = Gateway::by_model(cases);
    for (name, _, kind, part) in table {
        let (error, message) = broken_stream(gateway.post(request_for(name, true)));
        assert_eq!((error["type"].as_str(), message.text().as_str()), (Some(kind), "Hel"), "{name}");
        assert!(error["message"].as_str().unwrap().contains(part), "{name}: {error}");
    }
    gateway.end();
}

#[test]
fn an_error_before_the_first_event_gets_a_status() {
    let said = |error: Value| Exchange::new().sse([data(&json!({"error": error}))]);
    let chunkless = data(&json!({"choices": [], "prompt_filter_results": []}));
    let table: [(&str, Exchange, u16, &str); 8] = [
        ("429", said(json!({"message": "slow down", "code": 429})), 429, "rate_limit_error"),
        ("400", said(json!({"message": "bad", "code": 400})), 400, "invalid_request_error"),
        ("text", said(json!("boom")), 502, "api_error"),
        (
            "after a comment",
            Exchange::new().sse([
                ": hello\n\n".to_owned(),
                chunkless,
                data(&json!({"error": {"message": "no", "code": 503}})),
            ]),
            503,
            "api_error",
        ),
        ("empty", Exchange::new().sse([""; 0]), 502, "api_error"),
        ("comments only", Exchange::new().sse([": a\n\n", ": b\n\n"]), 502, "api_error"),
        ("done only", Exchange::new().sse([DONE]), 502, "api_error"),
        ("cut", Exchange::new().sse(["data: {\"choi"]), 502, "api_error"),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream, ..)| (name.to_owned(), upstream)));
    for (name, _, status, kind) in table {
        let reply = gateway.post(request_for(name, true));
        assert_eq!(reply.status, status, "{name}");
        failure(reply, status, kind);
    }
    gateway.end();
}

#[test]
fn f45_what_is_no_stream_gets_a_status_without_its_markup() {
    let page = "<!doctype html><html><body><h1>Welcome</h1></body></html>";
    let table = [
        ("html", Exchange::new().header("content-type", "text/html").piece(page)),
        ("html as stream", Exchange::new().sse([page])),
        ("json without choices", Exchange::new().json("{\"choices\":[]}")),
        ("json of something else", Exchange::new().json("{\"hello\":1}")),
        ("half json", Exchange::new().json("{\"choices\":[{\"me")),
        ("empty", Exchange::new()),
        ("no http", Exchange::new().raw("SSH-2.0-OpenSSH_9.6\r\n")),
        ("bad gzip", Exchange::new().header("content-encoding", "gzip").sse(["data: {}\n\n"])),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream)| (name.to_owned(), upstream)));
    for (name, _) in table {
        let reply = gateway.post(request_for(name, true));
        assert_eq!(reply.status, 502, "{name}");
        let error = failure(reply, 502, "api_error");
        let message = error["message"].as_str().unwrap();
        assert!(!message.contains('<'), "{name}: {error}");
        assert_eq!(message.contains("web page"), name.starts_with("html"), "{name}: {error}");
    }
    gateway.end();
}

#[test]
fn f45_an_error_in_json_with_status_200_gets_its_own_status() {
    let body = json!({"error": {"message": "slow down", "code": 429}});
    let gateway = Gateway::by_model([("m".to_owned(), Exchange::new().json(body))]);
    for stream in [true, false] {
        failure(gateway.post(request_for("m", stream)), 429, "rate_limit_error");
    }
    gateway.end();
}

#[test]
fn a_chunk_that_is_no_json_ends_the_stream() {
    let upstream = Exchange::new().sse([
        chunk(json!({"content": "a"}), None),
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\n\n".to_owned(),
        chunk(json!({"content": "c"}), Some("stop")),
        DONE.to_owned(),
    ]);
    let gateway = Gateway::start(vec![upstream]);
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "a"));
    gateway.end();
}

#[test]
fn f12_an_event_beyond_the_limit_ends_the_stream_and_the_call() {
    let long = "x".repeat(100_000);
    let endless = Exchange::new().sse([chunk(json!({"content": "a"}), None), format!("data: {long}")]).hang();
    let gateway = Gateway::with_config(vec![endless], "[limits]\nmax_event_size = '64KiB'\n");
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "a"));
    assert!(error["message"].as_str().unwrap().contains("limit"), "{error}");
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.end();
}

#[test]
fn an_answer_beyond_the_limit_is_refused() {
    let long = json!({"choices": [{"index": 0, "message": {"content": "x".repeat(100_000)}}]});
    let script = vec![Exchange::new().json(&long), Exchange::new().json(long)];
    let gateway = Gateway::with_config(script, "[limits]\nmax_response_size = '64KiB'\n");
    for stream in [true, false] {
        let error = failure(gateway.post(request("hi", stream)), 502, "api_error");
        assert!(error["message"].as_str().unwrap().contains("longer"), "{error}");
    }
    gateway.end();
}

#[test]
fn a_compressed_stream_that_breaks_off_is_an_error() {
    let mut cut = crate::support::serving::gzip(chunks(&["a"]).concat().as_bytes());
    cut.truncate(cut.len() / 2);
    let gateway = Gateway::start(vec![Exchange::new().header("content-encoding", "gzip").sse([cut])]);
    let mut reply = gateway.post(request("hi", true));
    if reply.status == 200 {
        assert!(check_stream(&reply.events()).error.is_some());
        drop(reply);
    } else {
        failure(reply, 502, "api_error");
    }
    gateway.end();
}

#[test]
fn f19_a_decompression_bomb_ends_at_the_limit_of_an_event() {
    use std::io::Write as _;
    // 256 MiB of one line, in 256 KiB.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(b"data: {\"choices\":[{\"delta\":{\"content\":\"").unwrap();
    for _ in 0..256 {
        bomb.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let gateway = Gateway::start(vec![Exchange::new().header("content-encoding", "gzip").sse([bomb])]);
    failure(gateway.post(request("hi", true)), 502, "api_error");
    gateway.end();
}
