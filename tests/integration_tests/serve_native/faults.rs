//! Faults of an upstream that speaks Messages: a status before the first event, an `error` event after it.

use super::{Exchange, Gateway, event, events, failure, json, native, native_with, request, request_id};
use crate::support::http::Connection;
use crate::support::serving::{CANARY, broken_stream};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::Ending;
use crate::support::watched::Gate;

/// A request that is sent without waiting for its answer.
fn send_only(gateway: &Gateway, stream: bool) -> Connection {
    let body = request("hi", stream).to_string();
    let mut connection = Connection::open(gateway.server.base_url());
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write(format!("{head}{body}").as_bytes());
    connection
}

#[test]
fn a_reset_in_the_middle_is_an_error_and_is_not_tried_again() {
    let gate = Gate::new();
    let events = events(&["Hel", "lo"]);
    let gateway = native(vec![Exchange::new().sse(&events[..4]).pause(&gate).reset()]);
    let mut reply = gateway.post(request("hi", true));
    let id = request_id(&reply);
    let mut seen = reply.events_until(|event| event.data.contains("\"Hel\""));
    gate.open();
    seen.extend(reply.events());
    let message = check_stream(&seen);
    assert_eq!((message.text().as_str(), &message.error.unwrap()["type"]), ("Hel", &json!("api_error")));
    assert_eq!(seen.last().unwrap().json()["request_id"], id);
    assert_eq!(gateway.upstream.requests().len(), 1);
    drop(reply);
    let stderr = gateway.end();
    assert!(stderr.contains("end=\"upstream_error\""), "{stderr}");
}

#[test]
fn an_end_without_message_stop_is_an_error_however_it_comes() {
    let events = events(&["Hello"]);
    let table = [
        Exchange::new().sse(&events[..4]).fin(),
        Exchange::new().sse(&events[..4]),
        Exchange::new().close_delimited().sse(&events[..4]),
        Exchange::new().sse(&events[..4]).sse([&events[4][..20]]),
    ];
    let gateway = native(table.to_vec());
    for _ in table {
        let (error, message) = broken_stream(gateway.post(request("hi", true)));
        assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "Hello"));
    }
    gateway.end();
}

#[test]
fn even_a_reason_to_stop_is_no_end_without_message_stop() {
    let told = events(&["Hello"]);
    let gateway = native(vec![Exchange::new().sse(&told[..told.len() - 1])]);
    let mut reply = gateway.post(request("hi", true));
    let names: Vec<_> = reply.events().into_iter().filter_map(|event| event.name).collect();
    assert_eq!(names[names.len() - 2..], ["message_delta", "error"]);
    drop(reply);
    gateway.end();
}

#[test]
fn an_error_event_ends_the_stream_with_our_request_id_and_without_the_key() {
    let message = format!("bad key {CANARY}");
    let own = json!({"type": "error", "error": {"type": "overloaded_error", "message": message}, "request_id": "req_up"});
    let other = json!({"error": {"message": "slow down", "code": 429}});
    let events = events(&["Hel"]);
    for (name, data, kind) in
        [("error", &own, "overloaded_error"), ("error", &other, "rate_limit_error"), ("odd", &other, "")]
    {
        let failing = Exchange::new().sse(&events[..4]).sse([event(name, &data.to_string())]).fin();
        let gateway = native(vec![failing]);
        if kind.is_empty() {
            // An event of an unknown kind is none of ours to judge; the stream ends early all the same.
            let mut reply = gateway.post(request("hi", true));
            let last = reply.events().pop().unwrap();
            assert_eq!(last.name.as_deref(), Some("error"), "{last:?}");
            drop(reply);
        } else {
            let mut reply = gateway.post(request("hi", true));
            let id = request_id(&reply);
            let seen = reply.events();
            let message = check_stream(&seen);
            assert_eq!(message.error.unwrap()["type"], kind);
            assert_eq!(seen.last().unwrap().json()["request_id"], id);
            assert!(!seen.last().unwrap().data.contains(CANARY));
            drop(reply);
        }
        gateway.end();
    }
}

#[test]
fn an_error_before_the_first_event_gets_a_status() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "full"}});
    let script = vec![
        Exchange::new().sse([event("ping", r#"{"type":"ping"}"#), event("error", &overloaded.to_string())]),
        Exchange::new().json(&overloaded),
        Exchange::new().sse([""; 0]),
        Exchange::new().sse(["data: {\"choices\":[]}\n\n"]),
        Exchange::new().header("content-type", "text/html").piece("<html><h1>Welcome</h1></html>"),
        Exchange::new().json("{\"choices\":[]}"),
    ];
    let expected = [
        (529, "overloaded_error"),
        (529, "overloaded_error"),
        (502, "api_error"),
        (502, "api_error"),
        (502, "api_error"),
        (502, "api_error"),
    ];
    for stream in [true, false] {
        let script = if stream { script.clone() } else { script[1..].to_vec() };
        let expected = if stream { &expected[..] } else { &expected[1..] };
        let gateway = native(script);
        for (status, kind) in expected {
            let error = failure(gateway.post(request("hi", stream)), *status, kind);
            assert!(!error["message"].as_str().unwrap().contains('<'), "{error}");
        }
        gateway.end();
    }
}

#[test]
fn refusals_keep_type_and_text_and_get_our_envelope() {
    let own = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "as it was"}, "request_id": "req_up"});
    let html =
        || Exchange::new().status(502).header("content-type", "text/html").piece("<html>bad gateway</html>");
    let table = [
        (
            vec![Exchange::new().status(400).json(own("invalid_request_error"))],
            400,
            "invalid_request_error",
            "as it was",
        ),
        (vec![Exchange::new().status(404).json(own("not_found_error"))], 404, "not_found_error", "as it was"),
        (
            vec![Exchange::new().status(404).json(json!({"detail": "Not Found"}))],
            404,
            "not_found_error",
            "/v1/messages",
        ),
        (vec![Exchange::new().status(403).json(json!({"detail": "no"}))], 403, "permission_error", "no"),
        (
            vec![Exchange::new().status(401).json(own("authentication_error"))],
            500,
            "api_error",
            "refused the key",
        ),
        // Retried before the first byte, as for every upstream.
        (vec![html(), html(), html()], 502, "api_error", "502"),
    ];
    for (script, status, kind, part) in table {
        let calls = script.len();
        let gateway = native(script);
        let error = failure(gateway.post(request("hi", true)), status, kind);
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
        assert!(!error["message"].as_str().unwrap().contains("<html"), "{error}");
        assert_eq!(gateway.upstream.requests().len(), calls);
        gateway.end();
    }
}

#[test]
fn a_rate_limit_says_when_to_come_back() {
    let own = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}});
    let gateway = native(vec![Exchange::new().status(429).header("retry-after", "30").json(own)]);
    let reply = gateway.post(request("hi", false));
    assert_eq!(reply.header("retry-after"), Some("30"));
    failure(reply, 429, "rate_limit_error");
    gateway.end();
}

#[test]
fn silence_is_filled_with_pings_and_ends_at_its_limit() {
    let gate = Gate::new();
    let told = events(&["Hel", "lo"]);
    let upstream = Exchange::new().sse(&told[..4]).pause(&gate).sse(&told[4..]);
    let gateway = native_with(vec![upstream], "[limits]\nping_interval = '20ms'\n");
    let mut reply = gateway.post(request("hi", true));
    let mut pings = 0;
    let mut seen = reply.events_until(|event| {
        pings += usize::from(event.name.as_deref() == Some("ping"));
        pings == 4
    });
    gate.open();
    seen.extend(reply.events());
    assert_eq!(check_stream(&seen).text(), "Hello");
    drop(reply);
    gateway.end();

    let silent = Exchange::new().sse(&told[..4]).hang();
    let gateway = native_with(vec![silent], "[limits]\nstream_idle_timeout = '200ms'\n");
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("timeout_error"), "Hel"));
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.end();
}

#[test]
fn an_upstream_that_does_not_begin_is_given_up() {
    let script = vec![Exchange::new().hang(), Exchange::new().hang()];
    let gateway = native_with(script, "[limits]\nfirst_byte_timeout = '200ms'\n");
    for (number, stream) in [true, false].into_iter().enumerate() {
        failure(gateway.post(request("hi", stream)), 504, "timeout_error");
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    gateway.end();
}

#[test]
fn a_client_that_goes_away_ends_the_call_to_the_upstream() {
    let told = events(&["Hel"]);
    let gateway =
        native(vec![Exchange::new().sse(&told[..4]).hang(), Exchange::new().hang(), Exchange::new().hang()]);
    let mut reply = gateway.post(request("hi", true));
    reply.events_until(|event| event.data.contains("Hel"));
    drop(reply);
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    for (number, stream) in [(1, true), (2, false)] {
        let connection = send_only(&gateway, stream);
        gateway.upstream.wait_for_requests(number + 1);
        drop(connection);
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"client_closed\"").count(), 3, "{stderr}");
}

#[test]
fn an_event_or_an_answer_beyond_the_limit_ends_the_call() {
    let told = events(&["Hel"]);
    let endless = Exchange::new().sse(&told[..4]).sse([format!("data: {}", "x".repeat(100_000))]).hang();
    let long = json!({"type": "message", "content": [{"type": "text", "text": "x".repeat(100_000)}]});
    let gateway = native_with(
        vec![endless, Exchange::new().json(long)],
        "[limits]\nmax_event_size = '64KiB'\nmax_response_size = '64KiB'\n",
    );
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "Hel"));
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    failure(gateway.post(request("hi", false)), 502, "api_error");
    gateway.end();
}
