//! What `serve` writes to stderr: one access line a request, never a body, never a key.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::Call;
use crate::support::program::Program;
use crate::support::serving::{Gateway, answer, failure, messages, request_id, streamed};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

fn json_logs(program: Program) -> Program {
    program
        .env("LOG_FORMAT", "json")
        .env("CLIENT_API_KEYS", "key-of-alice")
        .env("CLAUDE_SONNET_MODEL", "up-model")
}

/// Every line of stderr; each is one JSON object.
fn objects(stderr: &str) -> Vec<Value> {
    let object = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    stderr.lines().map(object).collect()
}

fn access_line<'l>(lines: &'l [Value], id: &str) -> &'l Value {
    let mut found = lines.iter().filter(|line| line["message"] == "request" && line["request.id"] == id);
    let line = found.next().unwrap_or_else(|| panic!("no line for {id}: {lines:#?}"));
    assert!(found.next().is_none(), "two lines for {id}");
    line
}

#[test]
fn the_access_line_tells_all_about_a_request_but_what_was_said() {
    let whole = Exchange::new().header("x-request-id", "up-7").json(completion("the-answer"));
    let gateway = Gateway::with(vec![whole, Exchange::new().sse(chunks(&["the-", "answer"]))], json_logs);
    let mut ids = Vec::new();
    for stream in [false, true] {
        let mut asked = request("the-question", stream);
        asked["unheard_of"] = json!(1);
        let reply = gateway.send(&messages(asked).header("x-api-key", "key-of-alice"));
        ids.push(request_id(&reply));
        if stream { drop(streamed(reply)) } else { drop(answer(reply)) }
    }
    let stderr = gateway.end();
    assert!(
        !stderr.contains("the-question") && !stderr.contains("the-answer") && !stderr.contains("key-of"),
        "{stderr}"
    );
    let lines = objects(&stderr);
    for (id, stream) in ids.iter().zip([false, true]) {
        let line = access_line(&lines, id);
        for (key, expected) in [
            ("level", json!("INFO")),
            ("client.id", json!("key1")),
            ("method", json!("POST")),
            ("route", json!("/v1/messages")),
            ("model.requested", json!("claude-sonnet-5-5")),
            ("model.upstream", json!("up-model")),
            ("upstream.name", json!("127.0.0.1")),
            ("status", json!(200)),
            ("stream", json!(stream)),
            ("tokens.input", json!(11)),
            ("tokens.output", json!(7)),
            ("stop_reason", json!("end_turn")),
            ("lossy", json!("unheard_of")),
            ("end", json!("complete")),
        ] {
            assert_eq!(line[key], expected, "{key} in {line}");
        }
        assert!(
            line["duration_ms"].is_u64()
                && line["client.address"].as_str().unwrap().starts_with("127.0.0.1:")
        );
        assert_eq!(line["ttft_ms"].is_u64(), stream, "{line}");
    }
    assert_eq!(access_line(&lines, &ids[0])["upstream.request_id"], "up-7");
}

#[test]
fn refusals_and_failures_have_their_line_too() {
    let gateway = Gateway::with(vec![Exchange::new().status(400).json("{}")], json_logs);
    let keyed = |call: Call| call.header("x-api-key", "key-of-alice");
    let calls = [
        (messages(request("hi", false)), 401, "refused"),
        (keyed(messages("{")), 400, "refused"),
        (keyed(messages(request("hi", false))), 400, "upstream_error"),
        (keyed(Call::get("/nowhere")), 404, "refused"),
    ];
    let ids: Vec<_> = calls.iter().map(|(call, ..)| request_id(&gateway.send(call))).collect();
    let lines = objects(&gateway.end());
    for (id, (_, status, end)) in ids.iter().zip(&calls) {
        let line = access_line(&lines, id);
        assert_eq!((line["status"].as_u64(), line["end"].as_str()), (Some(*status), Some(*end)), "{line}");
    }
    let security =
        lines.iter().find(|line| line["security.event"] == "auth_failed").expect("a security event");
    assert_eq!((&security["level"], &security["request.id"]), (&json!("WARN"), &json!(ids[0])));
}

#[test]
fn probes_do_not_fill_the_log() {
    let gateway = Gateway::start(vec![]);
    let before = gateway.server.stderr().lines().count();
    for call in [
        Call::get("/health"),
        Call::get("/health/ready"),
        Call::new("HEAD", "/"),
        Call::new("HEAD", "/v1/messages"),
    ] {
        gateway.send(&call);
    }
    let stderr = gateway.end();
    let added: Vec<_> = stderr.lines().skip(before).filter(|line| line.contains("request.id")).collect();
    assert_eq!(added, [""; 0]);
}

#[test]
fn bodies_are_never_logged_not_even_for_developers() {
    let answers = |request: &crate::support::upstream::Request| match request.json()["stream"].as_bool() {
        Some(true) => Exchange::new().sse(chunks(&["SAID-", "BY-MODEL"])),
        _ => Exchange::new().json(completion("SAID-BY-MODEL")),
    };
    for (name, value) in [("DEV_MODE", "true"), ("RUST_LOG", "trace")] {
        let gateway = Gateway::before(Upstream::always(answers), |program| program.env(name, value));
        for stream in [true, false] {
            let mut asked = request("SAID-BY-USER", stream);
            asked["system"] = json!("SAID-BY-SYSTEM");
            asked["metadata"] = json!({"user_id": "SAID-WHO"});
            asked["tools"] = json!([{"name": "look", "input_schema": {"type": "object", "description": "SAID-BY-SCHEMA"}}]);
            let mut reply = gateway.post(asked);
            reply.text();
        }
        let mut broken = gateway.post("{\"model\": \"SAID-IN-BROKEN\", ");
        broken.text();
        drop(broken);
        let stderr = gateway.end();
        assert!(stderr.contains("DEBUG") || stderr.contains("TRACE"), "{stderr}");
        // What the libraries trace about sockets is not ours, but the program must not let it out either.
        let leaked: Vec<_> = stderr.lines().filter(|line| line.contains("SAID-")).collect();
        assert_eq!(leaked, [""; 0], "{name}");
    }
}

#[test]
fn what_a_client_writes_cannot_forge_a_line() {
    let hello = |_: &crate::support::upstream::Request| Exchange::new().json(completion("Hello"));
    let gateway = Gateway::before(Upstream::always(hello), |program| program);
    let mut asked = request("hi", false);
    asked["model"] = json!("evil\n2026-11-22T00:00:00Z  INFO forged \u{1b}[31mred\u{9b}\u{7f}");
    gateway.post(asked);
    gateway.send(&Call::get("/%1b%5b31m%0aforged"));
    let stderr = gateway.end();
    assert!(!stderr.lines().any(|line| line.starts_with("2026-11-22T00:00:00Z  INFO forged")), "{stderr}");
    assert!(
        !stderr.contains('\u{1b}') && !stderr.contains('\u{9b}') && !stderr.contains('\u{7f}'),
        "{stderr:?}"
    );
}

#[test]
fn a_request_id_of_the_client_is_not_taken_over() {
    let gateway = Gateway::start(vec![]);
    let reply = gateway
        .send(&Call::get("/v1/models").header("request-id", "req_forged").header("x-request-id", "forged"));
    assert_ne!(request_id(&reply), "req_forged");
    failure(gateway.send(&Call::get("/nowhere").header("request-id", "req_forged")), 404, "not_found_error");
    gateway.end();
}

#[test]
fn the_access_line_tells_what_the_conversation_and_the_client_have_used() {
    let gateway = Gateway::before(Upstream::always(|_| Exchange::new().json(completion("a"))), |program| {
        program.env("LOG_FORMAT", "json").env("CLIENT_API_KEYS", "key-of-alice,key-of-bob")
    });
    let ask = |key: &str, session: &str| {
        let call = messages(request("hi", false)).header("x-api-key", key);
        let call = call.header("x-claude-code-session-id", session);
        let reply = gateway.send(&call);
        let id = request_id(&reply);
        answer(reply);
        id
    };
    let asked = [
        (ask("key-of-alice", "s-1"), json!("s-1"), [json!(11), json!(7)], [11, 7]),
        (ask("key-of-alice", "s-1"), json!("s-1"), [json!(22), json!(14)], [22, 14]),
        (ask("key-of-alice", "s-2"), json!("s-2"), [json!(11), json!(7)], [33, 21]),
        (ask("key-of-bob", "s-1"), json!("s-1"), [json!(11), json!(7)], [11, 7]),
        (ask("key-of-bob", "no plain id"), Value::Null, [Value::Null, Value::Null], [22, 14]),
    ];
    let stderr = gateway.end();
    assert!(!stderr.contains("no plain id"), "{stderr}");
    let lines = objects(&stderr);
    for (id, session, of_session, of_client) in asked {
        let line = access_line(&lines, &id);
        assert_eq!(line["session.id"], session, "{line}");
        let told = ["session.tokens.input", "session.tokens.output"].map(|key| line[key].clone());
        assert_eq!(told, of_session, "{line}");
        let told = ["client.tokens.input", "client.tokens.output"].map(|key| line[key].clone());
        assert_eq!(told, of_client.map(|tokens| json!(tokens)), "{line}");
    }
}
