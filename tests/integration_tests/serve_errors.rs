//! Failures of the upstream: which status the client gets, what it is told, and what is tried again.

use crate::support::bodies::{chunks, completion, request};
use crate::support::serving::{
    CANARY, CHAT, Gateway, answer, body, failure, no_canary, request_for, streamed,
};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};
use std::net::TcpListener;

mod content_filter;
mod remedies;
mod retries;

fn refused(status: u16, error: Value) -> Exchange {
    // No wait between the tries, where there are any.
    Exchange::new().status(status).header("retry-after", "0").json(json!({"error": error}))
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[test]
fn every_status_of_the_upstream_has_its_place() {
    let said = |status: u16, code: &str| refused(status, json!({"message": "they said so", "code": code}));
    let table: [(&str, Exchange, u16, &str, Option<&str>); 20] = [
        ("400", said(400, "x"), 400, "invalid_request_error", None),
        ("401", said(401, "invalid_api_key"), 500, "api_error", Some("false")),
        ("402", said(402, "x"), 402, "billing_error", Some("false")),
        ("403", said(403, "x"), 403, "permission_error", None),
        ("404", said(404, "model_not_found"), 404, "not_found_error", None),
        ("400-model", said(400, "model_not_found"), 404, "not_found_error", None),
        ("408", said(408, "x"), 408, "timeout_error", None),
        ("413", said(413, "x"), 413, "request_too_large", None),
        ("413-tokens", said(413, "rate_limit_exceeded"), 429, "rate_limit_error", None),
        ("418", said(418, "x"), 400, "invalid_request_error", None),
        ("422", said(422, "x"), 400, "invalid_request_error", None),
        ("424", said(424, "x"), 400, "invalid_request_error", None),
        ("429", said(429, "rate_limit_exceeded"), 429, "rate_limit_error", None),
        ("429-quota", said(429, "insufficient_quota"), 402, "billing_error", Some("false")),
        ("498", said(498, "x"), 529, "overloaded_error", None),
        ("500", said(500, "x"), 500, "api_error", None),
        ("502", said(502, "x"), 502, "api_error", None),
        ("503", said(503, "x"), 503, "api_error", None),
        ("504", said(504, "x"), 504, "timeout_error", None),
        ("529", said(529, "x"), 529, "overloaded_error", None),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream, ..)| (name.to_owned(), upstream)));
    for (name, _, status, kind, should_retry) in table {
        for stream in [false, true] {
            let reply = gateway.post(request_for(name, stream));
            assert_eq!(reply.header("x-should-retry"), should_retry, "{name}");
            let error = failure(reply, status, kind);
            assert!(message(&error).contains("they said so"), "{name}: {error}");
            assert!(message(&error).contains("127.0.0.1"), "{name} does not name the upstream: {error}");
        }
    }
    gateway.end();
}

#[test]
fn every_shape_of_an_error_is_understood() {
    let table: [(&str, u16, String, u16, &str); 10] = [
        ("openai", 400, json!({"error": {"message": "THE TEXT", "type": "t", "param": null, "code": null}}).to_string(), 400, "THE TEXT"),
        ("vllm", 400, json!({"object": "error", "message": "THE TEXT", "type": "BadRequestError", "code": 400}).to_string(), 400, "THE TEXT"),
        ("fastapi", 422, json!({"detail": "THE TEXT"}).to_string(), 400, "THE TEXT"),
        ("fastapi-list", 422, json!({"detail": [{"loc": ["body", "x"], "msg": "THE TEXT"}]}).to_string(), 400, "THE TEXT"),
        ("ollama", 404, json!({"error": "THE TEXT"}).to_string(), 404, "THE TEXT"),
        ("gemini", 400, json!([{"error": {"code": 400, "message": "THE TEXT", "status": "INVALID_ARGUMENT"}}]).to_string(), 400, "THE TEXT"),
        ("azure-gateway", 400, json!({"statusCode": 400, "message": "THE TEXT"}).to_string(), 400, "THE TEXT"),
        ("openrouter", 400, json!({"error": {"code": 400, "message": "Provider returned error", "metadata": {"provider_name": "p", "raw": "THE TEXT"}}}).to_string(), 400, "THE TEXT"),
        ("groq-tool", 400, json!({"error": {"message": "THE TEXT", "code": "tool_use_failed", "failed_generation": "x"}}).to_string(), 500, "THE TEXT"),
        ("empty", 400, String::new(), 400, "400"),
    ];
    let cases = table.clone().map(|(name, status, body, ..)| {
        (
            name.to_owned(),
            Exchange::new().status(status).header("content-type", "application/json").piece(body),
        )
    });
    let gateway = Gateway::by_model(cases);
    for (name, _, _, status, part) in table {
        let mut reply = gateway.post(request_for(name, false));
        let text = body(&mut reply);
        assert_eq!(reply.status, status, "{name}: {text}");
        assert!(text.contains(part), "{name}: {text}");
    }
    gateway.end();
}

#[test]
fn f45_a_page_of_a_proxy_is_told_without_its_markup() {
    let page =
        "<html>\r\n<head><title>502 Bad Gateway</title></head><body><script>x()</script></body></html>";
    let upstream = Exchange::new()
        .status(502)
        .header("retry-after", "0")
        .header("content-type", "text/html")
        .piece(page);
    let gateway = Gateway::start(vec![upstream; 3]);
    let error = failure(gateway.post(request("hi", false)), 502, "api_error");
    assert!(message(&error).contains("502") && !message(&error).contains('<'), "{error}");
    gateway.end();
}

#[test]
fn an_error_with_status_200_gets_a_status() {
    let table = [
        ("code", json!({"error": {"code": 429, "message": "slow"}}), 429, "rate_limit_error"),
        ("text", json!({"error": "boom"}), 502, "api_error"),
        (
            "choice",
            json!({"choices": [{"index": 0, "finish_reason": "error",
            "error": {"code": 503, "message": "gone"}, "message": {"content": ""}}]}),
            503,
            "api_error",
        ),
        ("no choices", json!({"choices": []}), 502, "api_error"),
        ("nothing", json!({}), 502, "api_error"),
        ("array", json!([]), 502, "api_error"),
        ("number", json!(1), 502, "api_error"),
    ];
    let gateway = Gateway::by_model(
        table.clone().map(|(name, answer, ..)| (name.to_owned(), Exchange::new().json(answer))),
    );
    for (name, _, status, kind) in table {
        let reply = gateway.post(request_for(name, false));
        assert_eq!(reply.status, status, "{name}");
        failure(reply, status, kind);
    }
    gateway.end();
}

#[test]
fn the_upstreams_key_is_told_to_nobody_even_if_the_upstream_does() {
    let quoted = format!("Incorrect API key provided: {CANARY}. Find yours elsewhere.");
    let in_json = refused(401, json!({"message": quoted, "code": "invalid_api_key"}));
    let in_page = Exchange::new().status(400).header("content-type", "text/plain").piece(&quoted);
    let in_stream = Exchange::new().sse([
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": "a"}}]})),
        format!("data: {}\n\n", json!({"error": {"message": quoted}})),
    ]);
    let in_whole = Exchange::new().json(json!({"error": {"message": quoted, "code": 400}}));
    let cases = [("json", in_json), ("page", in_page), ("stream", in_stream), ("whole", in_whole)];
    let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
    let upstream = Upstream::always(move |request| {
        let model = request.json()["model"].clone();
        cases.iter().find(|(name, _)| model == *name).unwrap().1.clone()
    });
    let gateway = Gateway::before(upstream, |program| program.env("RUST_LOG", "trace"));
    for name in names {
        for stream in [true, false] {
            let mut reply = gateway.post(request_for(name, stream));
            let said = body(&mut reply);
            if name == "json" {
                assert!(said.contains("refused the key") && said.contains("Incorrect API key"), "{said}");
            }
        }
    }
    // Also searched for by `end`, at the level at which everything is logged.
    let stderr = gateway.end();
    assert!(stderr.contains("TRACE"), "nothing was traced");
    no_canary(&stderr);
}

#[test]
fn an_overflow_of_the_context_is_told_in_the_words_that_clients_understand() {
    let both = "This model's maximum context length is 262144 tokens. However, you requested 262462 tokens \
                (230462 in the messages, 32000 in the completion). Please reduce the length of the messages.";
    let input =
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.";
    let llama = json!({"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096,
        "message": "the request exceeds the available context size"});
    let table = [
        (
            "both",
            refused(400, json!({"message": both, "code": "context_length_exceeded"})),
            "input length and `max_tokens` exceed context limit: 230462 + 32000 > 262144, decrease input length or `max_tokens` and try again",
        ),
        (
            "input",
            refused(400, json!({"message": input, "code": "context_length_exceeded"})),
            "prompt is too long: 9001 tokens > 8192 maximum",
        ),
        ("llama", refused(400, llama), "prompt is too long: 5000 tokens > 4096 maximum"),
    ];
    let gateway = Gateway::by_model(table.clone().map(|(name, upstream, _)| (name.to_owned(), upstream)));
    for (name, _, text) in table {
        let error = failure(gateway.post(request_for(name, false)), 400, "invalid_request_error");
        assert_eq!(message(&error), text, "{name}");
    }
    gateway.end();
}

#[test]
fn an_upstream_that_is_not_there_is_named_with_a_cure() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let gateway = Gateway::before(Upstream::start(vec![]), |program| {
        program.env("OPENAI_BASE_URL", format!("http://{address}/v1"))
    });
    let error = failure(gateway.post(request("hi", true)), 502, "api_error");
    assert!(message(&error).contains(&address.to_string()), "{error}");
    assert!(message(&error).contains("refused") && message(&error).contains("base URL"), "{error}");
    gateway.end();
}

#[test]
fn f37_a_host_that_does_not_exist_is_named_with_a_cure() {
    let gateway = Gateway::before(Upstream::start(vec![]), |program| {
        // No name below `invalid` exists (RFC 6761), so nothing leaves the machine but a question for it.
        program.env("OPENAI_BASE_URL", "http://upstream.invalid/v1")
    });
    let error = failure(gateway.post(request("hi", false)), 502, "api_error");
    assert!(message(&error).contains("upstream.invalid"), "{error}");
    gateway.end();
}

#[test]
fn f38_a_plain_port_behind_https_is_told_as_such() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = plain.accept() {
            drop(std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let gateway = Gateway::before(Upstream::start(vec![]), |program| {
        program.env("OPENAI_BASE_URL", format!("https://127.0.0.1:{port}/v1"))
    });
    let error = failure(gateway.post(request("hi", false)), 502, "api_error");
    assert!(message(&error).contains("TLS"), "{error}");
    gateway.end();
}

#[test]
fn an_answer_that_is_no_http_is_told_as_such() {
    let gateway = Gateway::start(vec![Exchange::new().raw("\u{1}\u{2}\u{3} not http at all\r\n\r\n")]);
    let error = failure(gateway.post(request("hi", false)), 502, "api_error");
    assert!(message(&error).contains("cannot be read"), "{error}");
    gateway.end();
}

#[test]
fn the_server_serves_on_after_every_failure() {
    let upstream = vec![
        refused(400, json!({"message": "no"})),
        Exchange::new().raw("rubbish\r\n\r\n"),
        Exchange::new().sse(["data: {"]),
        Exchange::new().expect_path(CHAT).json(completion("Hello")),
        Exchange::new().sse(chunks(&["Hello"])),
    ];
    let gateway = Gateway::start(upstream);
    for stream in [false, false, true] {
        let mut reply = gateway.post(request("hi", stream));
        body(&mut reply);
        assert!(reply.status >= 400);
    }
    assert_eq!(answer(gateway.post(request("hi", false)))["content"][0]["text"], "Hello");
    assert_eq!(streamed(gateway.post(request("hi", true))).text(), "Hello");
    gateway.end();
}

#[test]
fn a_completion_and_a_failure_are_understood_under_the_type_of_a_stream() {
    let whole = completion("hi").to_string();
    let failed = r#"{"error":{"message":"slow down","code":429}}"#;
    let gateway = Gateway::start(vec![Exchange::new().sse([whole]), Exchange::new().sse([failed])]);
    assert_eq!(streamed(gateway.post(request("hi", true))).text(), "hi");
    failure(gateway.post(request("hi", true)), 429, "rate_limit_error");
    gateway.end();
}

#[test]
fn credentials_in_configured_headers_stay_here() {
    let quoting = json!({"error": {"message": "bad token: hunter2-verysecret-value"}});
    let toml = "[upstream]\nheaders = { \"x-gateway-token\" = \"hunter2-verysecret-value\" }\n";
    let gateway = Gateway::with_config(vec![Exchange::new().status(400).json(quoting)], toml);
    let error = failure(gateway.post(request("hi", false)), 400, "invalid_request_error");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    gateway.end();
}
