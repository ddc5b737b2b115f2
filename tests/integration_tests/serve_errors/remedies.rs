//! What is said otherwise when the upstream says precisely what it does not take: one more call, remembered.

use super::{Exchange, Gateway, chunks, completion, failure, json, message, refused};
use crate::support::http::Call;
use crate::support::serving::{answer, streamed};
use crate::support::upstream::{Request, Upstream};
use serde_json::Value;

/// A request with everything that upstreams take offence at.
fn request(stream: bool) -> Value {
    json!({
        "model": "m", "max_tokens": 32000, "stream": stream, "temperature": 0.2, "top_p": 0.9,
        "output_config": {"effort": "max"}, "stop_sequences": ["END"],
        "tools": [{"name": "a", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "messages": [{"role": "user", "content": "hi"}],
    })
}

fn said(text: &str) -> Exchange {
    refused(400, json!({"message": text, "type": "invalid_request_error"}))
}

fn hello(request: &Request) -> Exchange {
    if request.json()["stream"] == true {
        return Exchange::new().sse(chunks(&["Hello"]));
    }
    Exchange::new().json(completion("Hello"))
}

/// Asks thrice, whole and streamed, before an upstream that answers by `refusal` what it does not take. The first
/// request must take two calls, the others one. Returns what the upstream was sent, and the server's log.
fn learns(refusal: impl Fn(&Value) -> Option<Exchange> + Send + 'static) -> (Vec<Value>, String) {
    let upstream =
        Upstream::always(move |request| refusal(&request.json()).unwrap_or_else(|| hello(request)));
    let gateway = Gateway::before(upstream, |program| program);
    assert_eq!(streamed(gateway.post(request(true))).text(), "Hello");
    assert_eq!(gateway.upstream.requests().len(), 2, "the first request was not sent twice");
    assert_eq!(answer(gateway.post(request(false)))["content"][0]["text"], "Hello");
    assert_eq!(streamed(gateway.post(request(true))).text(), "Hello");
    let sent: Vec<Value> = gateway.upstream.requests().iter().map(Request::json).collect();
    assert_eq!(sent.len(), 4, "the lesson was not remembered");
    let stderr = gateway.end();
    assert_eq!(stderr.matches("learnt of a model").count(), 1, "{stderr}");
    assert!(stderr.contains("retries=1"), "{stderr}");
    (sent, stderr)
}

/// What was sent first and was not taken, and what was sent then.
fn before_and_after(sent: &[Value], member: &str) -> (Value, Value) {
    let after = sent[1][member].clone();
    assert!(sent[2..].iter().all(|body| body[member] == after), "{member} wavers: {sent:?}");
    (sent[0][member].clone(), after)
}

#[test]
fn the_longest_answer_is_learnt() {
    for text in [
        "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.",
        "`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is less than the `context_window` for this model",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 16384]",
    ] {
        let (sent, stderr) =
            learns(move |body| (body["max_tokens"].as_u64() > Some(16_384)).then(|| said(text)));
        assert_eq!(before_and_after(&sent, "max_tokens"), (json!(32_000), json!(16_384)));
        assert!(stderr.contains("answers with at most 16384 tokens"), "{stderr}");
    }
}

#[test]
fn the_member_for_the_bound_is_learnt() {
    let (sent, _) = learns(|body| {
        let text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        body.get("max_tokens").map(|_| said(text))
    });
    assert_eq!(before_and_after(&sent, "max_tokens"), (json!(32_000), Value::Null));
    assert_eq!(before_and_after(&sent, "max_completion_tokens"), (Value::Null, json!(32_000)));
}

#[test]
fn the_older_member_for_the_bound_is_learnt_too() {
    let refusal = |_: &Request| {
        Exchange::new().status(422).json(json!({"object": "error", "type": "invalid_request_error", "message": {"detail": [
            {"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted", "input": 32000}]}}))
    };
    let upstream = Upstream::always(move |request| match request.json().get("max_completion_tokens") {
        Some(_) => refusal(request),
        None => hello(request),
    });
    let toml = "[upstream.quirks]\nmax_tokens_field = \"max_completion_tokens\"\n";
    let gateway = Gateway::before(upstream, |program| crate::support::serving::configured(program, toml));
    for calls in [2, 3] {
        assert_eq!(answer(gateway.post(request(false)))["content"][0]["text"], "Hello");
        assert_eq!(gateway.upstream.requests().len(), calls);
    }
    gateway.end();
}

#[test]
fn sampling_that_is_refused_is_left_out_and_reported() {
    let text = "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.";
    let upstream = Upstream::always(move |request| match request.json().get("temperature") {
        Some(_) => said(text),
        None => hello(request),
    });
    let gateway = Gateway::before(upstream, |program| program);
    for calls in [2, 3] {
        let reply = gateway.post(request(true));
        assert_eq!(reply.header("x-aiapiproxy-warning"), Some("temperature,top_p"));
        assert_eq!(streamed(reply).text(), "Hello");
        assert_eq!(gateway.upstream.requests().len(), calls);
    }
    // Another model is another matter.
    let mut other = request(false);
    other["model"] = "n".into();
    answer(gateway.post(other));
    assert_eq!(gateway.upstream.requests().len(), 5);
    let stderr = gateway.end();
    assert!(stderr.contains("lossy=\"temperature,top_p\""), "{stderr}");
}

#[test]
fn members_that_are_unknown_are_left_out() {
    for member in ["stream_options", "parallel_tool_calls", "reasoning_effort"] {
        let (sent, _) = learns(move |body| {
            let text = format!("Unrecognized request argument supplied: {member}");
            body.get(member).map(|_| said(&text))
        });
        let (before, after) = before_and_after(&sent, member);
        assert!(!before.is_null() && after.is_null(), "{member}: {sent:?}");
    }
}

#[test]
fn the_efforts_of_a_model_are_learnt() {
    let (sent, _) = learns(|body| {
        let text = "Unsupported value: 'reasoning_effort' does not support 'max' with this model. Supported values are: 'low', 'medium', and 'high'.";
        (body["reasoning_effort"] == "max").then(|| said(text))
    });
    assert_eq!(before_and_after(&sent, "reasoning_effort"), (json!("max"), json!("high")));
}

#[test]
fn stop_that_is_refused_is_looked_for_in_the_answer() {
    let upstream = Upstream::always(|request| match request.json().get("stop") {
        Some(_) => said("Unsupported parameter: 'stop' is not supported with this model."),
        None => Exchange::new().json(completion("Hello END of it")),
    });
    // An upstream that names what matched is sent `stop`.
    let toml = "[upstream.quirks]\nreports_stop = true\n";
    let gateway = Gateway::before(upstream, |program| crate::support::serving::configured(program, toml));
    for calls in [2, 3] {
        let message = answer(gateway.post(request(false)));
        assert_eq!(
            (&message["stop_sequence"], &message["content"][0]["text"]),
            (&json!("END"), &json!("Hello "))
        );
        assert_eq!(gateway.upstream.requests().len(), calls);
    }
    gateway.end();
}

#[test]
fn fewer_tokens_are_asked_for_where_they_fit_this_time_only() {
    let overflow = |body: &Value| {
        let asked = body["max_tokens"].as_u64().unwrap();
        let text = format!(
            "This model's maximum context length is 40000 tokens. However, you requested {} tokens (20000 in the messages, {asked} in the completion).",
            20_000 + asked
        );
        (20_000 + asked > 40_000)
            .then(|| refused(400, json!({"message": text, "code": "context_length_exceeded"})))
    };
    let upstream =
        Upstream::always(move |request| overflow(&request.json()).unwrap_or_else(|| hello(request)));
    let gateway = Gateway::before(upstream, |program| program);
    for (stream, calls) in [(false, 2), (true, 4)] {
        let reply = gateway.post(request(stream));
        assert_eq!(reply.header("x-aiapiproxy-warning"), Some("max_tokens"));
        if stream {
            assert_eq!(streamed(reply).text(), "Hello");
        } else {
            answer(reply);
        }
        let sent = gateway.upstream.requests();
        assert_eq!(sent.len(), calls);
        assert_eq!(sent[calls - 1].json()["max_tokens"], 40_000 - 20_000 - 64);
    }
    let stderr = gateway.end();
    assert!(!stderr.contains("learnt of a model"), "{stderr}");
}

#[test]
fn what_did_not_help_is_told_and_not_remembered() {
    let always = said("Unsupported parameter: 'top_p' is not supported with this model.");
    let upstream = Upstream::always(move |_| always.clone());
    let gateway = Gateway::before(upstream, |program| program);
    for calls in [2, 4] {
        let error = failure(gateway.post(request(true)), 400, "invalid_request_error");
        assert!(message(&error).contains("'top_p' is not supported"), "{error}");
        assert_eq!(gateway.upstream.requests().len(), calls);
    }
    gateway.end();
}

#[test]
fn three_remedies_are_the_most_and_one_of_a_kind() {
    // Each member is refused in its turn, which makes five refusals.
    let members = ["temperature", "parallel_tool_calls", "reasoning_effort", "max_tokens", "tools"];
    let upstream = Upstream::always(move |request| {
        let body = request.json();
        let offence = members.iter().find(|member| body.get(**member).is_some());
        let text = format!("Unsupported parameter: '{}' is not supported with this model.", offence.unwrap());
        said(&text)
    });
    let gateway = Gateway::before(upstream, |program| program);
    let error = failure(gateway.post(request(false)), 400, "invalid_request_error");
    assert!(message(&error).contains("'max_tokens'"), "{error}");
    assert_eq!(gateway.upstream.requests().len(), 4);
    let stderr = gateway.end();
    assert!(stderr.contains("retries=3"), "{stderr}");

    let shrinking = Upstream::always(|request| {
        let asked = request.json()["max_tokens"].as_u64().unwrap();
        let less = asked / 2;
        said(&format!(
            "max_tokens is too large: {asked}. This model supports at most {less} completion tokens, whereas you provided {asked}."
        ))
    });
    let gateway = Gateway::before(shrinking, |program| program);
    let error = failure(gateway.post(request(false)), 400, "invalid_request_error");
    let expected = "max_tokens: 16000 > 8000, which is the maximum allowed number of output tokens for m";
    assert_eq!(message(&error), expected);
    assert_eq!(gateway.upstream.requests().len(), 2);
    gateway.end();
}

#[test]
fn several_remedies_may_be_needed_for_one_request() {
    let (sent, stderr) = {
        let upstream = Upstream::always(|request| {
            let body = request.json();
            match () {
                () if body.get("temperature").is_some() => {
                    said("`temperature` is deprecated for this model.")
                }
                () if body.get("max_tokens").is_some() => said(
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                ),
                () => hello(request),
            }
        });
        let gateway = Gateway::before(upstream, |program| program);
        answer(gateway.post(request(false)));
        answer(gateway.post(request(false)));
        let sent = gateway.upstream.requests();
        (sent, gateway.end())
    };
    assert_eq!(sent.len(), 4);
    assert_eq!(stderr.matches("learnt of a model").count(), 2, "{stderr}");
    assert!(stderr.contains("lessons=2"), "{stderr}");
}

#[test]
fn near_misses_are_the_clients_to_hear_after_one_call() {
    for (status, text) in [
        (400, "temperature: Input should be less than or equal to 1"),
        (400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."),
        (400, "Unsupported parameter: 'response_format' is not supported with this model."),
        (400, "max_tokens must be at least 1, got -5"),
        (403, "Unsupported parameter: 'top_p' is not supported with this model."),
    ] {
        for stream in [false, true] {
            // A second call would fail the script.
            let gateway = Gateway::start(vec![refused(status, json!({"message": text}))]);
            let kind = if status == 400 { "invalid_request_error" } else { "permission_error" };
            let error = failure(gateway.post(request(stream)), status, kind);
            assert!(message(&error).contains(text), "{error}");
            gateway.end();
        }
    }
}

#[test]
fn what_was_learnt_counts_for_the_counting_of_tokens_too() {
    let (sent, _) = {
        let upstream = Upstream::always(|request| match request.json().get("stop") {
            Some(_) => said("Unsupported parameter: 'stop' is not supported with this model."),
            None => hello(request),
        });
        let gateway = Gateway::before(upstream, |program| program);
        answer(gateway.post(request(false)));
        let count = Call::post("/v1/messages/count_tokens").json(request(false));
        assert!(answer(gateway.send(&count))["input_tokens"].as_u64() > Some(0));
        (gateway.upstream.requests(), gateway.end())
    };
    assert_eq!(sent.len(), 1, "counting asks nobody");
}
