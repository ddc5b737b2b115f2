//! Health, the front door, and paths that nobody serves.

use crate::support::bodies::{completion, request};
use crate::support::http::{Call, Reply};
use crate::support::program::{Program, Server};
use crate::support::serving::{CANARY, Gateway, answer, body, configured, failure, request_id, streamed};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

fn hello() -> Exchange {
    Exchange::new().json(completion("Hello"))
}

fn ready(gateway: &Gateway, query: &str) -> (u16, Value) {
    let reply = gateway.send(&Call::get(&format!("/health/ready{query}")));
    (reply.status, json_of(reply))
}

fn json_of(mut reply: Reply) -> Value {
    serde_json::from_str(&body(&mut reply)).unwrap()
}

#[test]
fn health_is_told_without_a_key_and_without_the_upstream() {
    let gateway = Gateway::with(vec![], |program| program.env("CLIENT_API_KEYS", "k"));
    assert_eq!(answer(gateway.send(&Call::get("/health"))), json!({"status": "ok"}));
    let live = answer(gateway.send(&Call::get("/health/live")));
    assert!(live["uptime_seconds"].as_u64().is_some_and(|seconds| seconds < 60), "{live}");
    if cfg!(target_os = "linux") {
        let memory = live["memory_bytes"].as_u64().unwrap();
        assert!((1 << 20..1 << 30).contains(&memory), "{memory}");
    }
    assert_eq!(
        answer(gateway.send(&Call::get("/health/ready"))),
        json!({"status": "ok", "upstream": "unknown"})
    );
    for path in ["/health", "/health/live", "/health/ready"] {
        let mut head = gateway.send(&Call::new("HEAD", path));
        assert_eq!((head.status, head.text().as_str()), (200, ""), "{path}");
        request_id(&head);
    }
    gateway.end();
}

#[test]
fn the_upstreams_state_is_learnt_from_its_answers() {
    let down = || Exchange::new().status(500).header("retry-after", "0").json("{}");
    let limited = Exchange::new().status(429).header("retry-after", "30").json("{}");
    let gateway = Gateway::start(vec![
        hello(),
        down(),
        down(),
        down(),
        limited,
        Exchange::new().status(401).json("{}"),
    ]);
    let state = |gateway: &Gateway| {
        let (status, answer) = ready(gateway, "");
        assert_eq!((status, &answer["status"]), (200, &json!("ok")), "only a required upstream counts");
        answer["upstream"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&gateway), "unknown");
    gateway.say("hi");
    assert_eq!(state(&gateway), "ok");
    failure(gateway.post(request("hi", false)), 500, "api_error");
    assert_eq!(state(&gateway), "failing");
    failure(gateway.post(request("hi", false)), 429, "rate_limit_error");
    assert_eq!(state(&gateway), "ok", "who limits rates works");
    failure(gateway.post(request("hi", false)), 500, "api_error");
    assert_eq!(state(&gateway), "failing", "the key is refused");
    assert_eq!(ready(&gateway, "?upstream=required").0, 503);
    gateway.end();
}

#[test]
fn a_required_upstream_is_asked_for_its_models_once_and_never_for_a_completion() {
    let listing =
        Exchange::new().expect_method("GET").expect_path("/v1/models").json(json!({"data": [{"id": "m"}]}));
    let gateway = Gateway::start(vec![listing]);
    for _ in 0..3 {
        let (status, answer) = ready(&gateway, "?upstream=required");
        assert_eq!((status, &answer["upstream"]), (200, &json!("ok")));
    }
    assert_eq!(gateway.request().header("authorization"), Some(&*format!("Bearer {CANARY}")));
    gateway.end();
}

#[test]
fn a_required_upstream_that_fails_makes_the_server_unready() {
    let gateway = Gateway::start(vec![Exchange::new().status(500).json("{}")]);
    for _ in 0..3 {
        let (status, answer) = ready(&gateway, "?upstream=required");
        assert_eq!(
            (status, &answer["status"], &answer["upstream"]),
            (503, &json!("failing"), &json!("failing"))
        );
    }
    assert_eq!(ready(&gateway, "").0, 200);
    gateway.end();
}

#[test]
fn details_are_told_only_with_a_key() {
    let gateway = Gateway::with(vec![hello()], |program| program.env("CLIENT_API_KEYS", "k"));
    let call = |key: &str| Call::get("/health/ready").header("x-api-key", key);
    answer(gateway.send(&Call::post("/v1/messages").header("x-api-key", "k").json(request("hi", false))));
    for stranger in [Call::get("/health/ready"), call("wrong"), call("")] {
        assert_eq!(answer(gateway.send(&stranger)), json!({"status": "ok", "upstream": "ok"}));
    }
    let details = answer(gateway.send(&call("k")))["details"]["upstreams"][0].clone();
    assert_eq!((&details["host"], &details["failure"]), (&json!("127.0.0.1"), &Value::Null), "{details}");
    gateway.end();
}

#[test]
fn the_front_door_answers() {
    let gateway = Gateway::with(vec![], |program| program.env("CLIENT_API_KEYS", "k"));
    let index = answer(gateway.send(&Call::get("/")));
    assert_eq!(index["name"], "aiapiproxy");
    for path in ["/", "/v1/messages"] {
        let mut head = gateway.send(&Call::new("HEAD", path));
        assert_eq!((head.status, head.text().as_str()), (200, ""), "{path}");
        request_id(&head);
    }
    gateway.end();
}

#[test]
fn paths_that_nobody_serves_are_404_and_methods_405_in_the_envelope() {
    let gateway = Gateway::start(vec![]);
    for path in [
        "/nowhere",
        "/v1",
        "/v1/",
        "/v1/messages/",
        "/v1/messages/x",
        "/v1/complete",
        "/v1/messages/batches",
        "/v1/messages/batches/b1/results",
        "/v1/files",
        "/v1/files/f1",
        "/v1/skills",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/organizations/x",
        "/%00",
        "/v1/messages%2Fx",
        "/../etc/passwd",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let reply = gateway.send(&Call::new(method, path));
            assert_eq!(reply.status, 404, "{method} {path}");
            failure(reply, 404, "not_found_error");
        }
    }
    for (method, path) in [
        ("GET", "/v1/messages"),
        ("PUT", "/v1/messages"),
        ("DELETE", "/v1/messages"),
        ("GET", "/v1/messages/count_tokens"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/x"),
        ("POST", "/health"),
        ("PATCH", "/"),
        ("TRACE", "/"),
        ("OPTIONS", "/v1/messages"),
    ] {
        let reply = gateway.send(&Call::new(method, path));
        if method == "OPTIONS" && reply.status < 300 {
            continue;
        }
        assert_eq!(reply.status, 405, "{method} {path}");
        failure(reply, 405, "invalid_request_error");
    }
    gateway.end();
}

#[test]
fn what_claude_code_reports_ends_here() {
    let gateway = Gateway::start(vec![]);
    let mut reply = gateway.send(&Call::post("/api/event_logging/batch").json("{\"events\":[\"canary\"]}"));
    assert_eq!(reply.status, 200);
    reply.json();
    drop(reply);
    assert!(!gateway.end().contains("canary"));
}

#[test]
fn the_demo_needs_no_key_and_no_network() {
    let server = Server::start(
        Program::aiapiproxy().arg("--demo").env("OPENAI_BASE_URL", "http://upstream.invalid/v1"),
    );
    let call = |stream: bool| Call::post("/v1/messages").json(request("hello there", stream));
    let whole = answer(call(false).send(server.base_url()));
    let told = streamed(call(true).send(server.base_url()));
    assert!(!told.text().is_empty());
    assert_eq!(whole["content"][0]["text"], told.text());
    let mut with_tool = request("please use a tool", true);
    with_tool["tools"] = json!([{"name": "look", "input_schema": {"type": "object",
        "properties": {"what": {"type": "string"}}, "required": ["what"]}}]);
    let called = streamed(Call::post("/v1/messages").json(with_tool).send(server.base_url()));
    let call = called.content.last().unwrap();
    assert_eq!((&call["name"], called.stop_reason.as_deref()), (&json!("look"), Some("tool_use")));
    assert!(call["input"]["what"].is_string(), "{call}");
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn readiness_tells_of_every_upstream_that_requests_may_go_to() {
    let list = || Exchange::new().expect_method("GET").json(json!({"data": []}));
    let (one, two) =
        (Upstream::start(vec![list()]), Upstream::start(vec![Exchange::new().status(500).json("{}")]));
    let table = |name: &str, upstream: &Upstream| {
        format!("[[upstream]]\nname = \"{name}\"\nbase_url = \"{}/v1\"\n", upstream.base_url())
    };
    let toml =
        table("one", &one) + &table("two", &two) + "[[route]]\nbackground = true\nupstream = \"two\"\n";
    let program = configured(Program::aiapiproxy(), &toml).env("CLIENT_API_KEYS", "k-0123456789");
    let server = Server::start(program);
    let ask = |query: &str| {
        let call = Call::get(&format!("/health/ready{query}")).header("x-api-key", "k-0123456789");
        let reply = call.send(server.base_url());
        (reply.status, json_of(reply))
    };
    let states = |answer: &Value| {
        let upstreams = answer["details"]["upstreams"].as_array().unwrap().clone();
        upstreams.into_iter().map(|it| (it["name"].clone(), it["state"].clone())).collect::<Vec<_>>()
    };
    let (status, answer) = ask("");
    assert_eq!((status, &answer["upstream"]), (200, &json!("unknown")), "{answer}");
    let (status, answer) = ask("?upstream=required");
    assert_eq!((status, &answer["status"], &answer["upstream"]), (503, &json!("failing"), &json!("failing")));
    let expected = [(json!("one"), json!("ok")), (json!("two"), json!("failing"))];
    assert_eq!(states(&answer), expected, "{answer}");
    let (status, answer) = ask("");
    assert_eq!((status, states(&answer)), (200, expected.to_vec()), "it is told, and takes nobody out");
    one.finish();
    two.finish();
    server.interrupt();
}
