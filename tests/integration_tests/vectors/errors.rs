//! Vectors of failures: what the upstream says went wrong, and what the client is told.

use super::ground::{message, warnings};
use crate::support::bodies::{completion, request};
use crate::support::http::Call;
use crate::support::serving::{Gateway, answer, failure, request_for};
use crate::support::upstream::Exchange;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn refused(status: u16, error: Value) -> Exchange {
    Exchange::new().status(status).json(json!({"error": error}))
}

pub(super) fn vector_62_rate_limits() {
    let limited = |wait: &str| refused(429, json!({"message": "slow down"})).header("retry-after", wait);
    let empty = refused(429, json!({"message": "quota", "code": "insufficient_quota"}));
    let table = [
        ("seven", limited("7"), Some("7"), None, (429, "rate_limit_error")),
        ("a-day", limited("86400"), Some("86400"), Some("false"), (429, "rate_limit_error")),
        ("no-money", empty, None, Some("false"), (402, "billing_error")),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream, ..)| (name.to_owned(), upstream)));
    for (name, _, after, should_retry, (status, kind)) in table {
        let reply = gateway.post(request_for(name, false));
        assert_eq!(
            (reply.header("retry-after"), reply.header("x-should-retry")),
            (after, should_retry),
            "{name}"
        );
        failure(reply, status, kind);
    }
    gateway.end();
}

pub(super) fn vector_63_shapes() {
    let page = "<!doctype html><html><head><title>Bad</title></head><body><h1>Bad gateway</h1></body></html>";
    let html = Exchange::new().status(502).header("content-type", "text/html").header("retry-after", "60");
    let json = |status: u16, body: Value| Exchange::new().status(status).json(body);
    let gemini = json!([{"error": {"code": 400, "message": "NOT SO", "status": "INVALID_ARGUMENT"}}]);
    let vllm = json!({"object": "error", "message": "NOT SO", "type": "BadRequestError", "code": 400});
    let table = [
        ("html", html.piece(page), 502, "api_error"),
        ("gemini", json(400, gemini), 400, "invalid_request_error"),
        ("vllm", json(400, vllm), 400, "invalid_request_error"),
        ("fastapi", json(422, json!({"detail": "NOT SO"})), 400, "invalid_request_error"),
        (
            "fastapi-list",
            json(422, json!({"detail": [{"loc": ["body"], "msg": "NOT SO"}]})),
            400,
            "invalid_request_error",
        ),
        ("ollama", json(404, json!({"error": "NOT SO"})), 404, "not_found_error"),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream, ..)| (name.to_owned(), upstream)));
    for (name, _, status, kind) in table {
        for stream in [false, true] {
            let error = failure(gateway.post(request_for(name, stream)), status, kind);
            let text = message(&error);
            if name == "html" {
                assert!(!text.contains('<') && !text.contains("Bad gateway"), "{text}");
            } else {
                assert!(text.contains("NOT SO"), "{name}: {text}");
            }
        }
    }
    gateway.end();
}

fn overflowing(limit: u64, total: u64, input: u64, output: u64) -> Exchange {
    let text = format!(
        "This model's maximum context length is {limit} tokens. However, you requested {total} tokens ({input} \
         in the messages, {output} in the completion). Please reduce the length of the messages or completion."
    );
    refused(400, json!({"message": text, "type": "invalid_request_error", "code": "context_length_exceeded"}))
}

fn asking_for(max_tokens: u64) -> Value {
    let mut asked = request("hi", false);
    asked["max_tokens"] = json!(max_tokens);
    asked
}

pub(super) fn vector_64_overflow() {
    let words =
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.";
    let llama = json!({"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096,
        "message": "the request exceeds the available context size"});
    let table = [
        (
            refused(400, json!({"message": words, "code": "context_length_exceeded"})),
            "prompt is too long: 9001 tokens > 8192 maximum",
        ),
        (refused(400, llama), "prompt is too long: 5000 tokens > 4096 maximum"),
        (overflowing(8192, 9256, 9000, 256), "prompt is too long: 9000 tokens > 8192 maximum"),
        // So little is left that a second try would be of no use.
        (
            overflowing(262_144, 294_000, 262_000, 32_000),
            "input length and `max_tokens` exceed context limit: 262000 + 32000 > 262144, decrease input length or `max_tokens` and try again",
        ),
    ];
    for (upstream, told) in table {
        let gateway = Gateway::start(vec![upstream]);
        let error = failure(gateway.post(asking_for(32_000)), 400, "invalid_request_error");
        assert_eq!(message(&error), told);
        gateway.end();
    }
}

pub(super) fn vector_64_overflow_retried() {
    let script =
        vec![overflowing(262_144, 262_462, 230_462, 32_000), Exchange::new().json(completion("Hello"))];
    let gateway = Gateway::start(script);
    let reply = gateway.post(asking_for(32_000));
    let warnings = warnings(&reply);
    assert_eq!(answer(reply)["content"][0]["text"], "Hello");
    assert_eq!(warnings, ["max_tokens"], "clamped");
    let asked: Vec<_> =
        gateway.upstream.requests().iter().map(|it| it.json()["max_tokens"].clone()).collect();
    assert_eq!(asked, [32_000, 262_144 - 230_462 - 64]);
    gateway.end();
    // Once: a second refusal is the client's, in the words that it parses.
    let script =
        vec![overflowing(262_144, 262_462, 230_462, 32_000), overflowing(262_144, 262_462, 230_462, 31_618)];
    let gateway = Gateway::start(script);
    let error = failure(gateway.post(asking_for(32_000)), 400, "invalid_request_error");
    assert!(message(&error).starts_with("input length and `max_tokens` exceed context limit: 230462 + "));
    gateway.end();
}

pub(super) fn vector_65_own_faults() {
    let gateway = Gateway::start(vec![refused(401, json!({"message": "no", "code": "invalid_api_key"}))]);
    let reply = gateway.post(request("hi", false));
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    failure(reply, 500, "api_error");
    for path in ["/v1/messages/batches", "/v1/files", "/v1/complete", "/nowhere", "/v1/chat/completions"] {
        failure(gateway.send(&Call::post(path).json(json!({}))), 404, "not_found_error");
        failure(gateway.send(&Call::get(path)), 404, "not_found_error");
    }
    gateway.end();
}

/// What pins and runs the real SDKs: `tests/real/run` needs a network to install them, so here it is only seen that
/// it does.
fn real_parts() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

pub(super) fn vector_66_sdks() {
    let parts = real_parts();
    assert!(parts.contains("anthropic==2.12.0\n"));
    assert!(["sdk@1.12.0", "sdk\": \"1.12.0\""].iter().any(|pin| parts.contains(pin)));
    for used in ["/sdk_python.py", "/sdk_typescript.mjs", "messages.create(", "messages.stream("] {
        assert!(parts.contains(used), "{used} is not run");
    }
    for used in ["tool_runner(", "count_tokens(", "models.list("] {
        assert!(parts.contains(used), "{used} is not run");
    }
}

pub(super) fn vector_66_old_sdks() {
    let parts = real_parts();
    assert!(parts.contains("anthropic==0.125.0\n"));
    assert!(parts.contains("sdk\": \"0.128.0\""));
}
