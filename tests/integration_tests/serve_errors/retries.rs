//! What is tried again: only before the first byte, seldom, and never behind the client's back for long.

use super::{Exchange, Gateway, chunks, completion, failure, json, message, refused, request};
use crate::support::serving::{answer, streamed};
use crate::support::upstream::Upstream;

fn busy(status: u16) -> Exchange {
    refused(status, json!({"message": "busy"}))
}

#[test]
fn f33_two_failures_and_a_success_are_one_answer() {
    for status in [429, 500, 502, 503, 504, 529] {
        let gateway =
            Gateway::start(vec![busy(status), busy(status), Exchange::new().json(completion("Hello"))]);
        assert_eq!(gateway.say("hi")["content"][0]["text"], "Hello", "{status}");
        let bodies: Vec<_> = gateway.upstream.requests().into_iter().map(|request| request.body).collect();
        assert!(bodies.iter().all(|body| *body == bodies[0]), "every try asks the same");
        let stderr = gateway.end();
        assert!(stderr.contains("retries=2"), "{stderr}");
    }
}

#[test]
fn streams_are_tried_again_before_their_first_byte() {
    let gateway = Gateway::start(vec![busy(503), Exchange::new().sse(chunks(&["Hello"]))]);
    assert_eq!(streamed(gateway.post(request("hi", true))).text(), "Hello");
    gateway.end();
}

#[test]
fn without_a_hint_the_waits_are_short() {
    let plain = Exchange::new().status(503).json("{}");
    let gateway = Gateway::start(vec![plain.clone(), plain, Exchange::new().json(completion("Hello"))]);
    gateway.say("hi");
    gateway.end();
}

#[test]
fn f33_the_third_failure_is_the_clients() {
    let gateway = Gateway::start(vec![busy(500), busy(503), busy(529)]);
    let error = failure(gateway.post(request("hi", false)), 529, "overloaded_error");
    assert!(message(&error).contains("busy"), "{error}");
    gateway.end();
}

#[test]
fn what_another_try_would_not_change_is_not_tried_again() {
    for status in [400, 401, 402, 403, 404, 408, 413, 422] {
        let gateway = Gateway::start(vec![busy(status)]);
        let mut reply = gateway.post(request("hi", false));
        reply.text();
        assert!(reply.status >= 400);
        drop(reply);
        gateway.end();
    }
}

#[test]
fn credit_that_is_used_up_is_not_waited_for() {
    let empty =
        refused(429, json!({"message": "You exceeded your current quota", "code": "insufficient_quota"}));
    let gateway = Gateway::start(vec![empty]);
    let error = failure(gateway.post(request("hi", false)), 402, "billing_error");
    assert!(message(&error).contains("quota"), "{error}");
    gateway.end();
}

#[test]
fn f33_a_long_wait_is_the_clients_to_decide() {
    let wait = |value: &str| Exchange::new().status(429).header("retry-after", value).json("{}");
    let table = [
        (wait("7"), Some("7"), None),
        (wait("60"), Some("60"), None),
        (wait("61"), Some("61"), Some("false")),
        (wait("86400"), Some("86400"), Some("false")),
        (Exchange::new().status(429).header("retry-after-ms", "6500").json("{}"), Some("7"), None),
    ];
    for (upstream, retry_after, should_retry) in table {
        // Another request than the first would fail the script.
        let gateway = Gateway::start(vec![upstream]);
        let reply = gateway.post(request("hi", false));
        assert_eq!(
            (reply.header("retry-after"), reply.header("x-should-retry")),
            (retry_after, should_retry)
        );
        failure(reply, 429, "rate_limit_error");
        gateway.end();
    }
}

#[test]
fn a_date_to_wait_for_becomes_seconds() {
    let upstream =
        Exchange::new().status(503).header("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT").json("{}");
    let gateway = Gateway::start(vec![upstream]);
    let reply = gateway.post(request("hi", false));
    let seconds: u64 = reply.header("retry-after").expect("a wait").parse().expect("in seconds");
    assert!(seconds > 86_400, "{seconds}");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    failure(reply, 503, "api_error");
    gateway.end();
}

#[test]
fn f32_a_connection_that_died_without_an_answer_is_replaced_once() {
    for dead in [Exchange::new().fin(), Exchange::new().reset()] {
        let gateway = Gateway::start(vec![dead, Exchange::new().json(completion("Hello"))]);
        assert_eq!(gateway.say("hi")["content"][0]["text"], "Hello");
        assert_eq!(gateway.upstream.connections(), 2);
        gateway.end();
    }
}

#[test]
fn f32_a_kept_connection_that_died_meanwhile_is_replaced() {
    let hello = || Exchange::new().json(completion("Hello"));
    let gateway = Gateway::start(vec![hello(), Exchange::new().fin(), hello(), hello()]);
    gateway.say("one");
    gateway.say("two");
    gateway.say("three");
    gateway.end();
}

#[test]
fn an_upstream_that_keeps_dying_is_told_after_one_more_try() {
    let gateway = Gateway::start(vec![Exchange::new().fin(), Exchange::new().fin()]);
    let error = failure(gateway.post(request("hi", true)), 502, "api_error");
    assert!(message(&error).contains("closed the connection without an answer"), "{error}");
    gateway.end();
}

#[test]
fn f32_connections_that_are_closed_while_idle_cost_no_request() {
    let closing = |_: &crate::support::upstream::Request| {
        Exchange::new().header("connection", "keep-alive").json(completion("Hello")).fin()
    };
    let gateway = Gateway::before(Upstream::always(closing), |program| program);
    for _ in 0..50 {
        gateway.say("hi");
    }
    assert_eq!(gateway.upstream.requests().len(), 50);
    gateway.end();
}

#[test]
fn f34_nothing_is_tried_again_after_the_first_byte() {
    let half = completion("Hello").to_string();
    let table = [
        (
            false,
            Exchange::new().header("content-type", "application/json").piece(&half[..9]).fin().piece(&half),
        ),
        (true, Exchange::new().sse(&chunks(&["Hel", "lo"])[..2]).fin()),
        (true, Exchange::new().sse(&chunks(&["Hel", "lo"])[..2]).reset()),
        (true, Exchange::new().sse([": only a comment\n\n"]).fin()),
    ];
    for (stream, upstream) in table {
        let gateway = Gateway::start(vec![upstream]);
        let mut reply = gateway.post(request("hi", stream));
        let said = reply.text();
        assert!(said.contains("api_error"), "{said}");
        drop(reply);
        gateway.end();
    }
}

#[test]
fn an_overload_is_retried_by_its_own_wait() {
    let upstream = Exchange::new().status(529).header("retry-after", "1").json("{}");
    let gateway = Gateway::start(vec![upstream, Exchange::new().json(completion("Hello"))]);
    let began = std::time::Instant::now();
    assert_eq!(answer(gateway.post(request("hi", false)))["content"][0]["text"], "Hello");
    assert!(began.elapsed() >= std::time::Duration::from_secs(1), "the upstream asked for a second");
    gateway.end();
}
