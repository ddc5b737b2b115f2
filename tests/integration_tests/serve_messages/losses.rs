//! What becomes of losses: named in a header, or refused with `ON_LOSSY=refuse`.

use super::{hello, request};
use crate::support::bodies::{DONE, completion, data};
use crate::support::program::Program;
use crate::support::serving::{Gateway, answer, failure, streamed};
use crate::support::upstream::Exchange;
use serde_json::{Value, json};

fn refusing(script: Vec<Exchange>) -> Gateway {
    Gateway::with(script, |program: Program| program.env("ON_LOSSY", "refuse"))
}

/// A request of which a member is lost, and a hint ignored.
fn lossy(stream: bool) -> Value {
    let mut body = request("hi", stream);
    body["top_k"] = json!(5);
    body["metadata"] = json!({"user_id": "u"});
    body
}

/// A completion of which the second alternative is lost.
fn two_alternatives() -> Value {
    let mut completed = completion("Hello");
    let second = completed["choices"][0].clone();
    completed["choices"].as_array_mut().unwrap().push(second);
    completed
}

#[test]
fn a_whole_answer_names_what_was_lost_on_both_ways() {
    let gateway = Gateway::start(vec![Exchange::new().json(two_alternatives())]);
    let reply = gateway.post(lossy(false));
    assert_eq!(reply.header("x-aiapiproxy-warning"), Some("top_k,choices"));
    assert_eq!(answer(reply)["content"][0]["text"], "Hello");
    gateway.end();
}

#[test]
fn a_lossy_request_is_refused_before_the_upstream_is_asked() {
    let gateway = refusing(vec![]);
    for stream in [false, true] {
        let error = failure(gateway.post(lossy(stream)), 400, "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("/top_k dropped") && message.contains("ON_LOSSY"), "{message}");
        assert!(!message.contains("metadata"), "{message}");
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    gateway.end();
}

#[test]
fn hints_are_not_refused() {
    let gateway = refusing(vec![hello()]);
    let mut body = request("hi", false);
    body["metadata"] = json!({"user_id": "u"});
    answer(gateway.post(body));
    gateway.end();
}

#[test]
fn a_lossy_whole_answer_is_refused_and_not_asked_for_again() {
    let gateway = refusing(vec![Exchange::new().json(two_alternatives())]);
    let reply = gateway.post(request("hi", false));
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    let error = failure(reply, 502, "api_error");
    assert!(error["message"].as_str().unwrap().contains("/choices dropped"), "{error}");
    gateway.end();
}

#[test]
fn a_loss_within_a_stream_comes_too_late_and_is_logged() {
    let mut chunk =
        json!({"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]});
    let mut second = chunk["choices"][0].clone();
    second["index"] = json!(1);
    chunk["choices"].as_array_mut().unwrap().push(second);
    let gateway = refusing(vec![Exchange::new().sse([data(&chunk), DONE.to_owned()])]);
    let reply = gateway.post(request("hi", true));
    assert_eq!(reply.header("x-aiapiproxy-warning"), None);
    assert_eq!(streamed(reply).text(), "Hello");
    let stderr = gateway.end();
    assert!(stderr.contains("lossy=\"choices\"") || stderr.contains("lossy=choices"), "{stderr}");
}
