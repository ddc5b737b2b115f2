//! `count_tokens`: by the upstream where it counts, else here.

use super::{
    Call, Exchange, Gateway, Upstream, answer, configured, failure, forwarding, json, native, request,
};
use serde_json::Value;

const COUNT: &str = "/v1/messages/count_tokens";

fn count() -> Call {
    Call::post("/v1/messages/count_tokens?beta=true").header("anthropic-beta", "b").json(request("hi", false))
}

/// The count, by whichever way.
fn counted(gateway: &Gateway) -> Value {
    answer(gateway.send(&count()))["input_tokens"].clone()
}

#[test]
fn the_upstream_counts() {
    let gateway = native(vec![Exchange::new().expect_path(COUNT).json(r#"{"input_tokens": 4711,"new":1}"#)]);
    let mut reply = gateway.send(&count());
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"input_tokens": 4711,"new":1}"#));
    let asked = gateway.request();
    assert_eq!(asked.target, "/v1/messages/count_tokens?beta=true");
    assert_eq!(
        (asked.header("anthropic-beta"), asked.body.clone()),
        (Some("b"), request("hi", false).to_string().into())
    );
    gateway.end();
}

#[test]
fn an_upstream_that_does_not_count_is_asked_once() {
    for status in [404, 405, 501] {
        let gateway = native(vec![Exchange::new().status(status).json(json!({"detail": "Not Found"}))]);
        assert!(counted(&gateway).as_u64() > Some(3));
        assert_eq!(counted(&gateway), counted(&gateway));
        gateway.end();
    }
}

#[test]
fn an_upstream_that_fails_or_says_nothing_of_use_is_asked_again_next_time() {
    let said = |model: &str| json!({"type": "error", "error": {"type": "not_found_error", "message": model}});
    let script = vec![
        Exchange::new().json("{}"),
        Exchange::new().status(404).json(said("model: claude-sonnet-5-5")),
        Exchange::new().status(402).json("{}"),
        Exchange::new().json(json!({"input_tokens": 1})),
    ];
    let gateway = native(script);
    for _ in 0..3 {
        assert!(counted(&gateway).as_u64() > Some(3));
    }
    assert_eq!(counted(&gateway), 1);
    gateway.end();
}

#[test]
fn what_the_upstream_refuses_the_client_hears() {
    let refusal =
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "no such tool"}});
    let gateway = native(vec![Exchange::new().status(400).json(refusal)]);
    let error = failure(gateway.send(&count()), 400, "invalid_request_error");
    assert_eq!(error["message"], "no such tool");
    gateway.end();
}

#[test]
fn models_that_are_translated_are_counted_here() {
    let config = "[models.map]\n'claude-*' = { model = 'x', dialect = 'chat' }\n";
    let gateway =
        Gateway::before(Upstream::start(Vec::new()), |program| configured(forwarding(program), config));
    assert!(counted(&gateway).as_u64() > Some(3));
    gateway.end();
}
