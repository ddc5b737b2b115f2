//! `POST /v1/messages` for a whole answer: what the upstream sees, and what the client gets of its answer.

use crate::support::bodies::{completion, request};
use crate::support::http::Call;
use crate::support::serving::{
    CANARY, CHAT, Gateway, answer, failure, gzip, messages, request_for, request_id,
};
use crate::support::upstream::{Exchange, Request, Upstream};
use serde_json::{Value, json};

mod answers;
mod content;
mod doors;
mod losses;
mod token_counts;

fn hello() -> Exchange {
    Exchange::new().expect_method("POST").expect_path(CHAT).json(completion("Hello"))
}

fn header_names(request: &Request) -> Vec<String> {
    let mut names: Vec<_> = request.headers.0.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names
}

#[test]
fn the_upstream_sees_the_translated_request_and_nothing_of_the_clients_headers() {
    let gateway = Gateway::start(vec![hello()]);
    let call = messages(request("hi", false))
        .header("x-api-key", "client-secret")
        .header("authorization", "Bearer client-secret")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "claude-code-20250219, foo-2099")
        .header("anthropic-dangerous-direct-browser-access", "true")
        .header("user-agent", "client-agent/1")
        .header("cookie", "client=secret")
        .header("x-app", "cli")
        .header("x-forwarded-for", "198.51.100.7")
        .header("x-request-id", "client-id")
        .header("x-stainless-lang", "js")
        .header("idempotency-key", "client-idempotency")
        .header("te", "trailers")
        .header("accept-encoding", "gzip, deflate, br, zstd");
    let message = answer(gateway.send(&call));
    assert_eq!(message["content"], json!([{"type": "text", "text": "Hello"}]));

    let seen = gateway.request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", CHAT));
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {CANARY}")));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert!(seen.header("user-agent").unwrap().starts_with("aiapiproxy/"));
    let names = header_names(&seen);
    let known = ["accept", "accept-encoding", "authorization", "content-length", "content-type", "host"];
    let others: Vec<_> = names.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert_eq!(others, ["user-agent"]);
    assert!(!format!("{:?}", seen.headers).contains("client"), "{:?}", seen.headers);
    assert_eq!(
        seen.json(),
        json!({
            "model": "claude-sonnet-5-5",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "hi"}],
        })
    );
    gateway.end();
}

#[test]
fn the_answer_has_every_member_that_the_sdks_need() {
    let mut completed = completion("Hello");
    completed["usage"] = json!({
        "prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050,
        "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 30},
    });
    let upstream = Exchange::new().header("x-request-id", "up-1").json(completed);
    let gateway = Gateway::start(vec![upstream]);
    let reply = gateway.post(request("hi", false));
    request_id(&reply);
    assert_eq!(reply.header("x-upstream-request-id"), Some("up-1"));
    let message = answer(reply);
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    for (key, expected) in [
        ("type", json!("message")),
        ("role", json!("assistant")),
        ("model", json!("claude-sonnet-5-5")),
        ("stop_reason", json!("end_turn")),
        ("stop_sequence", Value::Null),
    ] {
        assert_eq!(message[key], expected, "{key}");
    }
    let usage = &message["usage"];
    let counts = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"];
    assert_eq!(counts.map(|key| usage[key].as_u64()), [Some(300), Some(600), Some(100), Some(50)]);
    gateway.end();
}

#[test]
fn the_upstream_gets_its_own_name_of_the_model_and_the_client_the_one_it_asked_for() {
    let change = |program: crate::support::program::Program| {
        program
            .env("CLAUDE_HAIKU_MODEL", "up-small")
            .env("CLAUDE_SONNET_MODEL", "up-middle")
            .env("CLAUDE_OPUS_MODEL", "up-large")
    };
    let gateway = Gateway::before(Upstream::always(|_| hello()), change);
    let table = [
        ("claude-haiku-4-5-20251001", "up-small"),
        ("claude-sonnet-5-5", "up-middle"),
        ("claude-sonnet-5-5[1m]", "up-middle"),
        ("claude-3-5-sonnet-latest", "up-middle"),
        ("claude-opus-5", "up-large"),
        ("claude-fable-1", "up-large"),
        ("claude-mythos-1", "up-large"),
        ("some/other-model", "some/other-model"),
    ];
    for (number, (asked, upstream_model)) in table.into_iter().enumerate() {
        let message = answer(gateway.post(request_for(asked, false)));
        assert_eq!(message["model"], asked);
        assert_eq!(gateway.upstream.requests()[number].json()["model"], upstream_model, "{asked}");
    }
    gateway.end();
}

#[test]
fn an_upstream_that_needs_no_key_gets_no_authorization() {
    let upstream = Upstream::start(vec![hello()]);
    let gateway = Gateway::before(upstream, |program| program.env("OPENAI_API_KEY", ""));
    let call = messages(request("hi", false)).header("x-api-key", "k").header("authorization", "Bearer k");
    answer(gateway.send(&call));
    let names = header_names(&gateway.request());
    assert!(!names.iter().any(|name| name.contains("auth") || name.contains("key")), "{names:?}");
    let stderr = gateway.end();
    assert!(stderr.contains("no key"), "{stderr}");
}

#[test]
fn azure_gets_its_own_path_header_and_version() {
    let deployment = "/openai/deployments/my%20gpt/chat/completions";
    let upstream = Upstream::start(vec![Exchange::new().expect_path(deployment).json(completion("Hello"))]);
    let toml = format!(
        "[upstream]\npreset = 'azure'\nbase_url = '{}'\napi_version = '2026-10-01'\n[models]\ndefault = 'my gpt'\n\
         [upstream.headers]\nX-Team = 'a'\n",
        upstream.base_url()
    );
    let gateway = Gateway::before(upstream, |program| {
        crate::support::serving::configured(program.env("OPENAI_BASE_URL", ""), &toml)
    });
    gateway.say("hi");
    let seen = gateway.request();
    assert_eq!(seen.target, format!("{deployment}?api-version=2026-10-01"));
    assert_eq!((seen.header("api-key"), seen.header("authorization")), (Some(CANARY), None));
    assert_eq!(seen.header("x-team"), Some("a"));
    gateway.end();
}

#[test]
fn unknown_members_and_betas_are_reported_and_never_fatal() {
    let gateway = Gateway::start(vec![hello()]);
    let mut body = request("hi", false);
    body["top_k"] = json!(5);
    body["api_base"] = json!("http://evil.example/v1");
    let reply = gateway.send(&messages(body).header("anthropic-beta", "foo-bar-2099, x"));
    let warning = reply.header("x-aiapiproxy-warning").map(str::to_owned).expect("a warning");
    answer(reply);
    let mut names: Vec<_> = warning.split(',').collect();
    names.sort_unstable();
    let seen = gateway.request().json();
    assert!(seen.get("api_base").is_none(), "{seen}");
    // A server of an unknown kind may take top_k.
    assert_eq!(names, if seen.get("top_k").is_some() { vec!["api_base"] } else { vec!["api_base", "top_k"] });
    let stderr = gateway.end();
    assert!(stderr.contains("lossy="), "{stderr}");
}

#[test]
fn a_plain_request_has_no_warning() {
    let gateway = Gateway::start(vec![hello()]);
    let reply = gateway.post(request("hi", false));
    assert_eq!(reply.header("x-aiapiproxy-warning"), None);
    answer(reply);
    gateway.end();
}

#[test]
fn a_redirect_is_not_followed_with_key_and_prompt() {
    let elsewhere = Upstream::start(vec![]);
    let away = Exchange::new().status(307).header("location", &format!("{}{CHAT}", elsewhere.base_url()));
    let gateway = Gateway::start(vec![away]);
    let error = failure(gateway.post(request("hi", false)), 502, "api_error");
    assert!(error["message"].as_str().unwrap().contains("redirect"), "{error}");
    assert_eq!(elsewhere.connections(), 0);
    elsewhere.finish();
    gateway.end();
}

#[test]
fn a_preflight_of_the_request_alone_asks_nobody() {
    let gateway = Gateway::start(vec![]);
    let mut body = request("hi", false);
    body["max_tokens"] = json!(0);
    let message = answer(gateway.post(body.clone()));
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &json!("max_tokens")));
    gateway.end();
}

#[test]
fn tokens_are_counted_without_the_upstream() {
    let gateway = Gateway::start(vec![]);
    let count = |body: &Value| {
        let reply = gateway.send(&Call::post("/v1/messages/count_tokens?beta=true").json(body));
        request_id(&reply);
        answer(reply)["input_tokens"].as_u64().unwrap()
    };
    let mut body = request("hi", false);
    body.as_object_mut().unwrap().remove("max_tokens");
    let short = count(&body);
    body["messages"][0]["content"] = json!("one two three four five six seven eight nine ten ".repeat(10));
    let long = count(&body);
    assert!((1..40).contains(&short) && (short + 90..short + 200).contains(&long), "{short} {long}");
    body["tools"] = json!([{"name": "look", "description": "looks at a thing", "input_schema": {
        "type": "object", "properties": {"thing": {"type": "string"}}}}]);
    assert!(count(&body) > long + 10);
    let broken = Call::post("/v1/messages/count_tokens").json(json!({"model": "m", "messages": 1}));
    failure(gateway.send(&broken), 400, "invalid_request_error");
    gateway.end();
}

#[test]
fn openais_newer_models_are_not_asked_with_tools_on_chat_completions() {
    let gateway = Gateway::before(Upstream::start(vec![]), |program| {
        program.args(["--preset", "openai", "--dialect", "chat"]).env("CLAUDE_SONNET_MODEL", "gpt-6-sol")
    });
    let mut body = request("hi", false);
    body["tools"] = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let error = failure(gateway.post(body), 400, "invalid_request_error");
    let message = error["message"].as_str().unwrap();
    for part in ["gpt-6-sol", "tools", "chat completions", "claude-sonnet-5-5", "CLAUDE_SONNET_MODEL"] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
    gateway.end();
}

#[test]
fn answers_of_requests_at_the_same_time_are_not_mixed_up() {
    let echo = |request: &Request| {
        let said = request.json()["messages"][0]["content"].as_str().unwrap().to_owned();
        Exchange::new().json(completion(&said))
    };
    let gateway = Gateway::before(Upstream::always(echo), |program| program);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let gateway = &gateway;
            scope.spawn(move || {
                for turn in 0..5 {
                    let said = format!("client {client} turn {turn}");
                    assert_eq!(gateway.say(&said)["content"][0]["text"], said);
                }
            });
        }
    });
    assert_eq!(gateway.upstream.requests().len(), 40);
    gateway.end();
}

#[test]
fn a_connection_serves_many_requests_on_both_sides() {
    let gateway = Gateway::start(vec![hello(), hello()]);
    let call = messages(request("hi", false));
    let mut first = gateway.send(&call);
    first.json();
    let mut second = first.into_connection().send(&call);
    second.json();
    assert_eq!(gateway.upstream.connections(), 1);
    drop(second);
    gateway.end();
}

#[test]
fn f18_a_compressed_answer_is_read_though_nobody_asked_for_it() {
    let zipped = gzip(completion("Hello").to_string().as_bytes());
    let upstream = Exchange::new()
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .piece(zipped);
    let gateway = Gateway::start(vec![upstream]);
    assert_eq!(gateway.say("hi")["content"][0]["text"], "Hello");
    gateway.end();
}
