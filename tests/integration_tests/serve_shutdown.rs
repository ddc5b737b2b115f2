//! How `serve` stops: what runs may finish, nothing new begins, and no client is left with half an answer.

use crate::support::bodies::{chunk, chunks, completion, request};
use crate::support::http::{Call, Connection, Reply};
use crate::support::serving::{Gateway, answer, failure, no_canary};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Ending, Exchange};
use crate::support::watched::Gate;
use serde_json::json;
use std::net::TcpStream;

/// A stream that has begun and stands at a gate.
fn begun(gateway: &Gateway) -> (Reply, Vec<crate::support::sse::Event>) {
    let mut reply = gateway.post(request("hi", true));
    let events = reply.events_until(|event| event.data.contains("Hel"));
    (reply, events)
}

fn stop(gateway: &Gateway, signal: &str) {
    gateway.server.running().signal(signal);
    gateway.server.running().wait_for_stderr("stopping");
}

#[test]
fn a_running_stream_finishes_and_the_program_ends_well() {
    for signal in ["INT", "TERM"] {
        let gate = Gate::new();
        let events = chunks(&["Hel", "lo"]);
        let gateway = Gateway::start(vec![Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..])]);
        let (mut reply, mut seen) = begun(&gateway);
        stop(&gateway, signal);
        gate.open();
        seen.extend(reply.events());
        let message = check_stream(&seen);
        assert_eq!((message.text().as_str(), message.error), ("Hello", None));
        assert!(reply.into_connection().closed_by_server(), "no further request on this connection");
        gateway.upstream.finish();
        let output = gateway.server.wait();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stderr.contains("end=\"complete\""), "{}", output.stderr);
        no_canary(&output.stderr);
    }
}

#[test]
fn a_running_whole_answer_finishes() {
    let gate = Gate::new();
    let gateway = Gateway::start(vec![Exchange::new().pause(&gate).json(completion("Hello"))]);
    std::thread::scope(|scope| {
        let reply = scope.spawn(|| answer(gateway.post(request("hi", false))));
        gate.wait_reached();
        stop(&gateway, "TERM");
        gate.open();
        assert_eq!(reply.join().unwrap()["content"][0]["text"], "Hello");
    });
    assert_eq!(gateway.server.wait().code, Some(0));
}

#[test]
fn nothing_new_begins_and_idle_connections_end() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..])]);
    let mut idle = gateway.send(&Call::get("/health"));
    idle.text();
    let (mut reply, _) = begun(&gateway);
    stop(&gateway, "TERM");
    assert!(idle.into_connection().closed_by_server());
    let address = gateway.server.base_url().trim_start_matches("http://").to_owned();
    // The port is closed right after the line that was waited for.
    let refused = (0..1_000).any(|_| TcpStream::connect(&address).is_err());
    assert!(refused, "new connections are still accepted");
    gate.open();
    reply.events();
    drop(reply);
    assert_eq!(gateway.server.wait().code, Some(0));
}

#[test]
fn a_request_that_was_sent_before_the_stop_is_answered() {
    let gateway = Gateway::start(vec![Exchange::new().json(completion("Hello"))]);
    let mut connection = Connection::open(gateway.server.base_url());
    // The head has come, the body has not: the request runs.
    let body = request("hi", false).to_string();
    connection.write(
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    connection.wait_for_interim("HTTP/1.1 100");
    stop(&gateway, "TERM");
    connection.write(body.as_bytes());
    let reply = connection.reply(false);
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(answer(reply)["content"][0]["text"], "Hello");
    assert_eq!(gateway.server.wait().code, Some(0));
}

#[test]
fn at_the_end_of_the_grace_streams_get_an_error_that_sdks_understand() {
    let upstream = Exchange::new().sse([chunk(json!({"role": "assistant", "content": "Hel"}), None)]).hang();
    let gateway = Gateway::with_config(vec![upstream], "[limits]\nshutdown_grace = '100ms'\n");
    let (mut reply, mut seen) = begun(&gateway);
    stop(&gateway, "INT");
    seen.extend(reply.events());
    let error = check_stream(&seen).error.expect("an error event");
    assert_eq!(error["type"], "overloaded_error");
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    drop(reply);
    let output = gateway.server.wait();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("end=\"shed\""), "{}", output.stderr);
}

#[test]
fn at_the_end_of_the_grace_waiting_clients_get_a_status() {
    let gateway = Gateway::with_config(vec![Exchange::new().hang()], "[limits]\nshutdown_grace = '100ms'\n");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let reply = gateway.post(request("hi", false));
            assert_eq!(reply.header("retry-after"), Some("1"));
            failure(reply, 529, "overloaded_error");
        });
        gateway.upstream.wait_for_requests(1);
        gateway.server.running().signal("TERM");
        waiting.join().unwrap();
    });
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    assert_eq!(gateway.server.wait().code, Some(0));
}

#[test]
fn f30_many_streams_all_finish() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let one = Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]);
    let gateway = Gateway::start(vec![one; 20]);
    let running: Vec<_> = (0..20).map(|_| begun(&gateway)).collect();
    stop(&gateway, "TERM");
    gate.open();
    for (mut reply, mut seen) in running {
        seen.extend(reply.events());
        assert_eq!(check_stream(&seen).text(), "Hello");
    }
    gateway.upstream.finish();
    let output = gateway.server.wait();
    assert_eq!(
        (output.code, output.stderr.matches("end=\"complete\"").count()),
        (Some(0), 20),
        "{}",
        output.stderr
    );
}

#[test]
fn with_nothing_to_do_it_stops_at_once() {
    let gateway = Gateway::start(vec![]);
    let began = std::time::Instant::now();
    gateway.end();
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "it waited for nobody");
}
