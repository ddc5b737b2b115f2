//! How streams end, and how they break.

use super::{DONE, Exchange, Gateway, chunk, data, json, says};
use crate::support::bodies::{chunks, request};
use crate::support::serving::{broken_stream, failure, request_for, streamed};
use crate::support::sse_rules::check_stream;
use crate::support::watched::Gate;

pub(crate) fn vector_52_errors() {
    let error = data(&json!({"error": {"message": "slow down", "code": 429}}));
    let late = Exchange::new().sse([chunk(says("Hel"), None), error.clone(), DONE.to_owned()]);
    let first = Exchange::new().sse([error, DONE.to_owned()]);
    let gateway = Gateway::start(vec![late, first]);
    // By its rules a stream with an error has no message_stop, and nothing after it.
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("rate_limit_error"), "Hel"));
    assert_eq!(message.stop_reason, None);
    failure(gateway.post(request("hi", true)), 429, "rate_limit_error");
    gateway.end();
}

pub(crate) fn vector_53_ends() {
    let events = chunks(&["Hel", "lo"]);
    let gate = Gate::new();
    let table = [
        ("reset", Exchange::new().sse(&events[..3]).pause(&gate).reset(), false),
        ("no-finish", Exchange::new().sse(&events[..3]), false),
        ("no-done", Exchange::new().sse(&events[..5]), true),
        ("no-usage", Exchange::new().sse(&events[..4]), true),
        ("done-alone", Exchange::new().sse(&events[..3]).sse([DONE]), true),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream, _)| (name.to_owned(), upstream)));
    for (name, _, normal) in table {
        if name == "reset" {
            let mut reply = gateway.post(request_for(name, true));
            let mut seen = reply.events_until(|event| event.data.contains("\"lo\""));
            gate.open();
            seen.extend(reply.events());
            let message = check_stream(&seen);
            assert_eq!(message.error.as_ref().map(|error| &error["type"]), Some(&json!("api_error")));
            assert_eq!(message.text(), "Hello");
        } else if normal {
            let message = streamed(gateway.post(request_for(name, true)));
            let end = (message.text(), message.stop_reason.as_deref());
            assert_eq!(end, ("Hello".to_owned(), Some("end_turn")), "{name}");
        } else {
            let (error, message) = broken_stream(gateway.post(request_for(name, true)));
            assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "Hello"));
        }
    }
    gateway.end();
}
