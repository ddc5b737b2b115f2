//! Keys, headers, and the members beside the conversation.

use crate::support::bodies::{completion, request};
use crate::support::http::Call;
use crate::support::serving::{Gateway, answer, failure, gzip, messages, streamed};
use crate::support::upstream::{Ending, Exchange, Upstream};
use crate::vectors::ground::{Ground, asking, completed, message, text, user, warnings, with};
use serde_json::json;

pub(crate) fn vector_01_client_keys() {
    let hello = |_: &_| Exchange::new().json(completion("Hello"));
    let gateway =
        Gateway::before(Upstream::always(hello), |program| program.env("CLIENT_API_KEYS", "client-key-1"));
    let call = |name: &str, value: &str| messages(request("hi", false)).header(name, value);
    let bearer = call("authorization", "Bearer client-key-1");
    answer(gateway.send(&bearer.header("anthropic-version", "2026-10-21")));
    answer(gateway.send(&call("x-api-key", "client-key-1")));
    answer(gateway.send(&call("authorization", "bearer client-key-1")));
    for (name, value) in [("authorization", "Bearer wrong"), ("x-api-key", "wrong")] {
        // `failure` looks for the envelope and for its request-id in the header.
        failure(gateway.send(&call(name, value)), 401, "authentication_error");
    }
    failure(gateway.send(&messages(request("hi", false))), 401, "authentication_error");
    assert_eq!(gateway.upstream.requests().len(), 3);
    gateway.end();
}

pub(crate) fn vector_02_unknown_betas_and_fields() {
    let ground = Ground::new("");
    let call = messages(with("brand_new_field", json!({"a": 1}))).header("anthropic-beta", "foo-bar-2099, x");
    let reply = ground.0.send(&call);
    assert_eq!(warnings(&reply), ["brand_new_field"]);
    answer(reply);
    assert!(!ground.last_bytes().contains("brand_new_field"));
    ground.end();
}

pub(crate) fn vector_18_stop_sequences() {
    let chunks = crate::support::bodies::chunks(&["ab S", "TOP cd"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&chunks[..3]).hang()]);
    let mut asked = with("stop_sequences", json!(["one", "two", "three", "four", "five", "STOP"]));
    asked["stream"] = json!(true);
    let told = streamed(gateway.post(asked));
    assert_eq!(told.text(), "ab ");
    assert_eq!(told.stop_reason.as_deref(), Some("stop_sequence"));
    assert_eq!(told.stop_sequence.as_deref(), Some("STOP"));
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.end();
}

pub(crate) fn vector_19_max_tokens() {
    let ground = Ground::new("[upstream]\nmax_output_tokens = 16384\n");
    let (seen, warnings) = ground.sees_with_warnings(with("max_tokens", json!(128_000)));
    assert_eq!(seen["max_tokens"], 16384);
    assert!(warnings.is_empty(), "{warnings:?}");
    let message = answer(ground.0.post(with("max_tokens", json!(0))));
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &json!("max_tokens")));
    assert_eq!(ground.0.upstream.requests().len(), 1, "0 asks nobody");
    ground.end();
}

pub(crate) fn vector_20_user_id() {
    let user_id = format!("user_{}_account__session_{}", "0a".repeat(32), "1b".repeat(32));
    let user_id = &format!("{user_id:x<150}");
    for (preset, told) in [("openai", true), ("generic", false)] {
        let ground =
            Ground::new(&format!("[upstream]\npreset = '{preset}'\n[models]\ndefault = 'gpt-4.1'\n"));
        let seen = ground.sees(with("metadata", json!({"user_id": user_id})));
        let identifier = seen["safety_identifier"].as_str().or_else(|| seen["user"].as_str());
        assert_eq!(identifier.is_some(), told, "{preset}: {seen}");
        let hex = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(identifier.is_none_or(hex), "{seen}");
        assert!(!ground.last_bytes().contains(user_id.as_str()));
        let stderr = ground.0.end();
        assert!(!stderr.contains(user_id.as_str()));
    }
}

pub(crate) fn vector_21_no_thinking() {
    let ground = Ground::new("[upstream.quirks]\nefforts = ['low', 'medium', 'high']\n");
    for kind in ["disabled", "between_tools"] {
        let (seen, warnings) = ground.sees_with_warnings(with("thinking", json!({"type": kind})));
        assert_eq!(seen["reasoning_effort"], "low", "{kind}");
        assert!(warnings.iter().any(|name| name.starts_with("thinking")), "{kind}: {warnings:?}");
    }
    ground.end();
    let ground = Ground::new("");
    let (seen, warnings) = ground.sees_with_warnings(with("thinking", json!({"type": "disabled"})));
    assert_eq!((&seen["reasoning_effort"], warnings.len()), (&json!("none"), 0));
    ground.end();
}

pub(crate) fn vector_23_output_format() {
    let ground = Ground::new("");
    let format = |schema| with("output_config", json!({"format": {"type": "json_schema", "schema": schema}}));
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "required": ["a"], "additionalProperties": false});
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "required": ["a"], "additionalProperties": false});
    for (schema, strict) in [(optional, false), (closed, true)] {
        let seen = ground.sees(format(schema.clone()));
        let format = &seen["response_format"];
        assert_eq!(format["type"], "json_schema");
        assert_eq!(format["json_schema"]["schema"], schema);
        assert_eq!(format["json_schema"]["strict"], strict);
        assert!(format["json_schema"]["name"].as_str().is_some_and(|name| !name.is_empty()));
    }
    ground.end();
}

pub(crate) fn vector_25_refusals() {
    let ground = Ground::new("");
    let skills = json!({"id": "c1", "skills": [{"type": "anthropic", "skill_id": "pptx"}]});
    let servers = json!([{"type": "url", "url": "https://mcp.example", "name": "x"}]);
    let image = user(json!([{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]));
    let document = user(json!([{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]));
    let table = [
        (with("container", skills), "container.skills"),
        (with("mcp_servers", servers), "mcp_servers"),
        (asking(json!([image])), "messages.0.content.0"),
        (asking(json!([document])), "messages.0.content.0"),
        (with("thread", json!({"type": "create"})), "thread"),
    ];
    for (body, named) in table {
        let error = ground.refuses(&body);
        assert!(message(&error).contains(named), "{error}");
        let code = (named == "thread").then_some("thread_unsupported_request");
        assert_eq!(error["details"]["error_code"].as_str(), code);
    }
    ground.end();
}

pub(crate) fn vector_33_encodings() {
    let gateway = Gateway::start(vec![
        Exchange::new().json(completed(json!({"role": "assistant", "content": "Hello"}), "stop")),
    ]);
    let body = asking(json!([user(json!([text("zipped")]))])).to_string();
    let zipped = Call::post("/v1/messages").header("content-type", "application/json");
    answer(gateway.send(&zipped.clone().header("content-encoding", "gzip").body(gzip(body.as_bytes()))));
    assert_eq!(gateway.request().json()["messages"][0]["content"], "zipped");
    let brotli = zipped.header("content-encoding", "br").body(body);
    let error = failure(gateway.send(&brotli), 400, "invalid_request_error");
    assert_eq!(error["details"]["error_code"], "request_body_encoding_unsupported");
    gateway.end();
}
