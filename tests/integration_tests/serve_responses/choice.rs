//! Which dialect it is: by the model, by the upstream's own word, by what somebody has set.

use super::{
    CHAT, Call, Exchange, Gateway, RESPONSES, Request, Upstream, answer, chunks, completion, configured,
    events, failure, json, request, response, streamed,
};
use serde_json::Value;

fn with_tools(stream: bool) -> Value {
    let mut asked = request("hi", stream);
    asked["tools"] = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    asked
}

fn refused(status: u16, text: &str) -> Exchange {
    Exchange::new().status(status).json(json!({"error": {"message": text, "type": "invalid_request_error"}}))
}

/// "Hello", in the dialect of the path.
fn hello(request: &Request) -> Exchange {
    let stream = request.json()["stream"] == true;
    match (request.path(), stream) {
        (RESPONSES, true) => Exchange::new().sse(events(&["Hel", "lo"])),
        (RESPONSES, false) => Exchange::new().json(response("Hello")),
        (_, true) => Exchange::new().sse(chunks(&["Hel", "lo"])),
        (_, false) => Exchange::new().json(completion("Hello")),
    }
}

/// A server before an upstream that refuses what `refusal` says, and the paths on which it was asked.
fn gateway(toml: &str, refusal: impl Fn(&Request) -> Option<Exchange> + Send + 'static) -> Gateway {
    let upstream = Upstream::always(move |request| refusal(request).unwrap_or_else(|| hello(request)));
    Gateway::before(upstream, |program| configured(program, toml))
}

fn paths(gateway: &Gateway) -> Vec<String> {
    gateway.upstream.requests().iter().map(|request| request.path().to_owned()).collect()
}

#[test]
fn the_models_of_openai_that_take_tools_there_are_asked_there() {
    let toml = "[upstream]\npreset = 'openai'\n[models.map]\n'claude-*' = 'gpt-6-sol'\n";
    let gateway = gateway(toml, |_| None);
    assert_eq!(answer(gateway.post(with_tools(false)))["content"][0]["text"], "Hello");
    assert_eq!(streamed(gateway.post(with_tools(true))).text(), "Hello");
    let mut older = with_tools(true);
    older["model"] = json!("gpt-4.1");
    assert_eq!(streamed(gateway.post(older)).text(), "Hello");
    assert_eq!(paths(&gateway), [RESPONSES, RESPONSES, CHAT]);
    gateway.end();
}

#[test]
fn an_upstream_that_names_the_other_endpoint_is_asked_there_once_more_and_from_then_on() {
    let text = "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.";
    for stream in [true, false] {
        let gateway = gateway("", move |request| (request.path() == CHAT).then(|| refused(400, text)));
        if stream {
            assert_eq!(streamed(gateway.post(with_tools(true))).text(), "Hello");
        } else {
            assert_eq!(answer(gateway.post(with_tools(false)))["content"][0]["text"], "Hello");
        }
        assert_eq!(streamed(gateway.post(with_tools(true))).text(), "Hello");
        assert_eq!(paths(&gateway), [CHAT, RESPONSES, RESPONSES]);
        // Another model is another matter.
        let mut other = with_tools(false);
        other["model"] = json!("another");
        answer(gateway.post(other));
        assert_eq!(paths(&gateway)[3..], [CHAT, RESPONSES]);
        let stderr = gateway.end();
        assert_eq!(stderr.matches("learnt of a model").count(), 2, "{stderr}");
        assert!(stderr.contains("retries=1"), "{stderr}");
    }
}

#[test]
fn an_upstream_without_responses_is_asked_on_chat_completions() {
    let toml = "[upstream]\npreset = 'openai'\n[models.map]\n'claude-*' = 'gpt-6-sol'\n";
    let gateway = gateway(toml, |request| {
        (request.path() == RESPONSES)
            .then(|| Exchange::new().status(404).json(json!({"detail": "Not Found"})))
    });
    for stream in [true, false, true] {
        if stream {
            assert_eq!(streamed(gateway.post(request("hi", true))).text(), "Hello");
        } else {
            answer(gateway.post(request("hi", false)));
        }
    }
    assert_eq!(paths(&gateway), [RESPONSES, CHAT, CHAT, CHAT]);
    // There it takes no tools.
    let error = failure(gateway.post(with_tools(true)), 400, "invalid_request_error");
    assert!(error["message"].as_str().unwrap().contains("no Responses API"), "{error}");
    assert_eq!(paths(&gateway).len(), 4);
    gateway.end();
}

#[test]
fn two_dialects_that_are_both_refused_are_tried_once_each() {
    let gateway = gateway("", |request| {
        Some(match request.path() {
            CHAT => {
                refused(404, "This model is only supported in v1/responses and not in v1/chat/completions.")
            }
            _ => Exchange::new().status(404).json(json!({"detail": "Not Found"})),
        })
    });
    failure(gateway.post(with_tools(true)), 404, "not_found_error");
    assert_eq!(paths(&gateway), [CHAT, RESPONSES]);
    // What did not help is not remembered.
    failure(gateway.post(with_tools(true)), 404, "not_found_error");
    assert_eq!(paths(&gateway)[2..], [CHAT, RESPONSES]);
    gateway.end();
}

#[test]
fn a_dialect_that_was_set_is_kept() {
    let text = "This model is only supported in v1/responses and not in v1/chat/completions.";
    let gateway = gateway("[upstream]\ndialect = 'chat'\n", move |_| Some(refused(404, text)));
    failure(gateway.post(with_tools(true)), 404, "not_found_error");
    assert_eq!(paths(&gateway), [CHAT]);
    gateway.end();
    let toml = "[upstream]\npreset = 'openai'\ndialect = 'chat'\n[models.map]\n'claude-*' = 'gpt-6-sol'\n";
    let gateway = self::gateway(toml, |_| None);
    let error = failure(gateway.post(with_tools(false)), 400, "invalid_request_error");
    for part in ["gpt-6-sol", "tools", "chat completions", "OPENAI_DIALECT"] {
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    answer(gateway.post(request("hi", false)));
    assert_eq!(paths(&gateway), [CHAT]);
    gateway.end();
}

#[test]
fn tokens_are_counted_for_the_dialect_of_the_model() {
    let toml = "[upstream]\npreset = 'openai'\n[models.map]\n'claude-*' = 'gpt-6-sol'\n";
    let gateway = gateway(toml, |_| None);
    let count = Call::post("/v1/messages/count_tokens").json(with_tools(false));
    assert!(answer(gateway.send(&count))["input_tokens"].as_u64() > Some(5));
    assert_eq!(paths(&gateway), [""; 0]);
    gateway.end();
}
