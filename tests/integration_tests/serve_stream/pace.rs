//! Silence and impatience: pings, time limits, and clients that go away.

use super::{Exchange, Gateway, chunks, json, request, request_id};
use crate::support::bodies::{chunk, completion};
use crate::support::http::Connection;
use crate::support::serving::{broken_stream, failure, streamed};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Ending, Upstream};
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
fn f06_silence_is_filled_with_pings() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let upstream = Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]);
    let gateway = Gateway::with_config(vec![upstream], "[limits]\nping_interval = '20ms'\n");
    let mut reply = gateway.post(request("hi", true));
    let mut pings = 0;
    let mut seen = reply.events_until(|event| {
        pings += usize::from(event.name.as_deref() == Some("ping"));
        // The first is part of the beginning.
        pings == 4
    });
    gate.open();
    seen.extend(reply.events());
    let message = check_stream(&seen);
    assert!(message.pings >= 4 && message.text() == "Hello", "{message:?}");
    drop(reply);
    gateway.end();
}

#[test]
fn f05_an_upstream_that_does_not_begin_is_given_up() {
    let script = vec![Exchange::new().hang(), Exchange::new().hang()];
    let gateway = Gateway::with_config(script, "[limits]\nfirst_byte_timeout = '200ms'\n");
    for (number, stream) in [true, false].into_iter().enumerate() {
        let error = failure(gateway.post(request("hi", stream)), 504, "timeout_error");
        assert!(error["message"].as_str().unwrap().contains("0.2 s"), "{error}");
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    assert_eq!(gateway.upstream.requests().len(), 2, "a timeout is not tried again");
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"timeout\"").count(), 2, "{stderr}");
}

#[test]
fn f06_a_stream_that_falls_silent_is_ended_on_both_sides() {
    let upstream = Exchange::new().sse([chunk(json!({"role": "assistant", "content": "Hel"}), None)]).hang();
    let limits = "[limits]\nstream_idle_timeout = '500ms'\nping_interval = '100ms'\n";
    let gateway = Gateway::with_config(vec![upstream], limits);
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("timeout_error"), "Hel"));
    assert!(message.pings > 1, "pings do not keep a dead upstream alive, nor does it stop them");
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    let stderr = gateway.end();
    assert!(stderr.contains("end=\"timeout\""), "{stderr}");
}

#[test]
fn f05_an_upstream_that_falls_silent_after_its_head_is_given_up() {
    let script = vec![Exchange::new().chunked().head().hang(), Exchange::new().sse([""; 0]).head().hang()];
    let gateway = Gateway::with_config(script, "[limits]\nstream_idle_timeout = '300ms'\n");
    for (number, stream) in [false, true].into_iter().enumerate() {
        failure(gateway.post(request("hi", stream)), 504, "timeout_error");
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    gateway.end();
}

#[test]
fn f05_an_answer_may_begin_before_the_upstream_does() {
    let gates = [Gate::new(), Gate::new()];
    let script = vec![
        Exchange::new().pause(&gates[0]).sse(chunks(&["Hel", "lo"])),
        Exchange::new().pause(&gates[1]).status(400).json(json!({"error": {"message": "no such thing"}})),
        Exchange::new().json(completion("whole")),
    ];
    let limits = "[limits]\ncommit_after = '20ms'\nping_interval = '20ms'\n";
    let gateway = Gateway::with_config(script, limits);
    // The head comes while the upstream has said nothing.
    let reply = gateway.post(request("hi", true));
    assert_eq!(reply.status, 200);
    gates[0].open();
    let message = streamed(reply);
    assert_eq!((message.text().as_str(), message.stop_reason.as_deref()), ("Hello", Some("end_turn")));
    assert_eq!(message.start["model"], "claude-sonnet-5-5");
    let reply = gateway.post(request("hi", true));
    assert_eq!(reply.status, 200);
    gates[1].open();
    let (error, message) = broken_stream(reply);
    assert_eq!(error["type"], "invalid_request_error");
    assert!(error["message"].as_str().unwrap().contains("no such thing"), "{error}");
    assert_eq!(message.text(), "");
    assert_eq!(gateway.say("hi")["content"][0]["text"], "whole");
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"upstream_error\"").count(), 1, "{stderr}");
}

#[test]
fn f05_a_client_that_leaves_an_answer_that_began_early_ends_the_call() {
    let limits = "[limits]\ncommit_after = '20ms'\n";
    let gateway = Gateway::with_config(vec![Exchange::new().hang()], limits);
    drop(gateway.post(request("hi", true)));
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    let stderr = gateway.end();
    assert!(stderr.contains("end=\"client_closed\""), "{stderr}");
}

#[test]
fn request_timeout_sets_both_limits() {
    let late = Exchange::new().sse([chunk(json!({"content": "Hel"}), None)]).hang();
    let gateway =
        Gateway::with(vec![Exchange::new().hang(), late], |program| program.env("REQUEST_TIMEOUT", "1"));
    failure(gateway.post(request("hi", true)), 504, "timeout_error");
    let (error, _) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!(error["type"], "timeout_error");
    gateway.end();
}

#[test]
fn an_answer_that_is_finished_does_not_wait_for_a_connection_left_open() {
    let events = chunks(&["Hello"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&events[..3]).hang()]);
    assert_eq!(gateway.stream("hi").text(), "Hello");
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.end();
}

#[test]
fn f01_a_client_that_leaves_a_stream_ends_the_call() {
    let upstream = Exchange::new().sse([chunk(json!({"role": "assistant", "content": "Hel"}), None)]).hang();
    let gateway = Gateway::start(vec![upstream]);
    let mut reply = gateway.post(request("hi", true));
    let id = request_id(&reply);
    reply.events_until(|event| event.data.contains("Hel"));
    drop(reply);
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.server.running().wait_for_stderr("end=\"client_closed\"");
    let stderr = gateway.end();
    let line = stderr.lines().find(|line| line.contains(&id)).expect("an access line");
    assert!(line.contains("end=\"client_closed\"") && !line.contains("ERROR"), "{line}");
}

#[test]
fn f02_a_client_that_leaves_before_the_first_token_ends_the_call() {
    let before_the_head = Exchange::new().hang();
    let after_the_head = Exchange::new().sse([": wait\n\n"]).hang();
    let gateway = Gateway::start(vec![before_the_head, after_the_head]);
    for number in 0..2 {
        let connection = send_only(&gateway, true);
        gateway.upstream.wait_for_requests(number + 1);
        drop(connection);
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"client_closed\"").count(), 2, "{stderr}");
}

#[test]
fn f11_a_client_that_reads_nothing_holds_the_upstream_back_and_is_given_up() {
    let piece = chunk(json!({"content": "long words, ".repeat(20_000)}), None);
    let gateway = Gateway::with_config(
        vec![Exchange::new().sse(vec![piece; 150]).hang()],
        "[limits]\nclient_write_timeout = '500ms'\n",
    );
    let connection = send_only(&gateway, true);
    // 36 MB are far more than the system's buffers hold.
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    if let Some(memory) = gateway.server.running().resident_kib() {
        assert!(memory < 100_000, "{memory} KiB for one client that does not read");
    }
    drop(connection);
    let stderr = gateway.end();
    assert!(stderr.contains("end=\"client_closed\""), "{stderr}");
}

#[test]
fn f03_a_client_that_leaves_a_whole_answer_ends_the_call_and_nothing_is_tried_again() {
    let within_the_body =
        Exchange::new().header("content-type", "application/json").piece("{\"choices\"").hang();
    let gateway = Gateway::start(vec![Exchange::new().hang(), within_the_body]);
    for number in 0..2 {
        let connection = send_only(&gateway, false);
        gateway.upstream.wait_for_requests(number + 1);
        drop(connection);
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    gateway.end();
}

#[test]
fn f03_a_client_that_leaves_during_a_retry_ends_it() {
    let gate = Gate::new();
    let busy = Exchange::new().pause(&gate).status(503).header("retry-after", "4").json("{}");
    let gateway = Gateway::start(vec![busy]);
    let connection = send_only(&gateway, false);
    gate.wait_reached();
    drop(connection);
    gate.open();
    gateway.upstream.wait_for_ending(0);
    // The end of the server ends what still runs; a second request would fail the script.
    gateway.end();
}

#[test]
fn f01_many_clients_that_leave_free_their_places() {
    let upstream = Upstream::always(|request| {
        if request.json()["messages"][0]["content"] == "leave" {
            Exchange::new().sse([chunk(json!({"role": "assistant", "content": "Hel"}), None)]).hang()
        } else {
            Exchange::new().sse(chunks(&["done"]))
        }
    });
    let gateway = Gateway::before(upstream, |program| program.env("MAX_CONCURRENT_REQUESTS", "2"));
    for number in 0..6 {
        let mut reply = gateway.post(request("leave", true));
        reply.events_until(|event| event.data.contains("Hel"));
        drop(reply);
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    assert_eq!(gateway.stream("stay").text(), "done");
    gateway.end();
}
