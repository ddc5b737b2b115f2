//! What clients do: half closed connections, crowds, and bodies for which there is no room.

use super::{post_head, send_only};
use crate::support::bodies::{chunk, chunks, completion, request};
use crate::support::http::Connection;
use crate::support::serving::{Gateway, answer, failure, messages};
use crate::support::upstream::{Ending, Exchange, Upstream};
use crate::support::watched::Gate;
use serde_json::json;

#[test]
fn f02_a_client_that_leaves_in_the_queue_leaves_its_place_to_others() {
    let gate = Gate::new();
    let upstream = vec![
        Exchange::new().pause(&gate).json(completion("first")),
        Exchange::new().json(completion("third")),
    ];
    let gateway = Gateway::with(upstream, |program| program.env("MAX_CONCURRENT_REQUESTS", "1"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| gateway.say("first"));
        gate.wait_reached();
        let second = send_only(&gateway, &request("second", false));
        gateway.wait_for_metric("aiapiproxy_queue_depth 1");
        drop(second);
        gateway.wait_for_metric("aiapiproxy_queue_depth 0");
        gate.open();
        assert_eq!(first.join().unwrap()["content"][0]["text"], "first");
    });
    // Nobody has asked for the second.
    assert_eq!(gateway.say("third")["content"][0]["text"], "third");
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"client_closed\"").count(), 1, "{stderr}");
}

#[test]
fn f04_a_client_that_closes_its_half_has_gone() {
    let started = Exchange::new().sse([chunk(json!({"role": "assistant", "content": "Hel"}), None)]).hang();
    let gateway = Gateway::start(vec![started, Exchange::new().hang(), Exchange::new().hang()]);
    for (number, stream) in [true, true, false].into_iter().enumerate() {
        let connection = send_only(&gateway, &request("hi", stream));
        gateway.upstream.wait_for_requests(number + 1);
        connection.end_writing();
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
        drop(connection);
    }
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"client_closed\"").count(), 3, "{stderr}");
}

#[test]
fn f28_a_crowd_gets_the_places_there_are_and_a_word_to_come_back() {
    let gate = Gate::new();
    let held = gate.clone();
    let upstream = Upstream::always(move |_| Exchange::new().pause(&held).json(completion("Hello")));
    let gateway = Gateway::before(upstream, |program| program.env("MAX_CONCURRENT_REQUESTS", "10"));
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..10).map(|_| scope.spawn(|| gateway.say("hi"))).collect();
        gateway.upstream.wait_for_requests(10);
        let crowd: Vec<_> = (0..40).map(|_| scope.spawn(|| gateway.post(request("hi", false)))).collect();
        for shed in crowd {
            let reply = shed.join().unwrap();
            assert_eq!(reply.header("retry-after"), Some("1"));
            failure(reply, 529, "overloaded_error");
        }
        gate.open();
        for served in running {
            assert_eq!(served.join().unwrap()["content"][0]["text"], "Hello");
        }
    });
    assert_eq!(gateway.upstream.requests().len(), 10);
    gateway.end();
}

#[test]
fn f44_bodies_beyond_the_memory_wait_and_are_sent_away() {
    let gate = Gate::new();
    let upstream = vec![
        Exchange::new().pause(&gate).json(completion("first")),
        Exchange::new().json(completion("small")),
    ];
    let limits = "[limits]\nmax_buffered_bytes = '1MiB'\n";
    let gateway = Gateway::with_config(upstream, limits);
    let long = request(&"x".repeat(700_000), false);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| answer(gateway.post(&long)));
        gate.wait_reached();
        let reply = gateway.post(&long);
        assert_eq!(reply.header("retry-after"), Some("1"));
        let error = failure(reply, 529, "overloaded_error");
        assert!(error["message"].as_str().unwrap().contains("max_buffered_bytes"), "{error}");
        assert_eq!(gateway.say("there is room for little ones")["content"][0]["text"], "small");
        gate.open();
        assert_eq!(first.join().unwrap()["content"][0]["text"], "first");
    });
    gateway.end();
}

#[test]
fn f44_what_is_announced_and_not_sent_keeps_nobody_out() {
    let limits = "[limits]\nmax_buffered_bytes = '1MiB'\n";
    let gateway = Gateway::with_config(vec![Exchange::new().json(completion("Hello"))], limits);
    let announcing: Vec<Connection> = (0..8)
        .map(|_| {
            let mut connection = Connection::open(gateway.server.base_url());
            connection.write(
                format!("{}expect: 100-continue\r\ncontent-length: 1000000\r\n\r\n", post_head()).as_bytes(),
            );
            // The body is waited for.
            connection.wait_for_interim("HTTP/1.1 100");
            connection
        })
        .collect();
    answer(gateway.send(&messages(request(&"x".repeat(400_000), false))));
    drop(announcing);
    gateway.end();
}

#[test]
fn f01_a_stream_that_was_left_counts_the_tokens_so_far_and_is_no_error() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let usage = chunk(json!({"content": "!"}), None)
        .replace("\"choices\"", "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3},\"choices\"");
    let upstream = Exchange::new().sse(&events[..3]).sse([usage]).pause(&gate).hang();
    let gateway = Gateway::start(vec![upstream]);
    let mut reply = gateway.post(request("hi", true));
    reply.events_until(|event| event.data.contains('!'));
    gate.open();
    drop(reply);
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.server.running().wait_for_stderr("end=\"client_closed\"");
    let stderr = gateway.end();
    assert!(stderr.contains("tokens.output=3") && !stderr.contains("ERROR"), "{stderr}");
}
