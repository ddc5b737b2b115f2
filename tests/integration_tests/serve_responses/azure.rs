//! Azure: both kinds of addresses, its header for the key, deployments and the models behind them.

use super::{
    CANARY, Exchange, Gateway, Request, Upstream, answer, completion, configured, json, request, response,
    streamed,
};
use crate::support::program::Program;

/// What Azure was asked: target and header, for a request with tools to a deployment of each kind.
fn asked(path: &str, version: Option<&str>) -> Vec<Request> {
    let upstream = Upstream::always(|request| {
        if request.path().ends_with("/responses") {
            return Exchange::new().json(response("Hello"));
        }
        Exchange::new().json(completion("Hello"))
    });
    let base = format!("{}{path}", upstream.base_url());
    let toml = "[upstream]\npreset = 'azure'\n[models.map]\n\
                'old' = { model = 'old deployment', model_family = 'gpt-4.1' }\n\
                'new' = { model = 'new-deployment', model_family = 'gpt-6-sol' }\n";
    let change = |program: Program| {
        let program = configured(program, toml).env("OPENAI_BASE_URL", &base);
        version.into_iter().fold(program, |program, version| program.env("OPENAI_API_VERSION", version))
    };
    let gateway = Gateway::before(upstream, change);
    for model in ["old", "new"] {
        let mut asked = request("hi", false);
        asked["model"] = json!(model);
        asked["tools"] = json!([{"name": "look", "input_schema": {"type": "object"}}]);
        assert_eq!(answer(gateway.post(asked))["content"][0]["text"], "Hello");
    }
    let requests = gateway.upstream.requests();
    gateway.end();
    requests
}

#[test]
fn both_kinds_of_addresses_are_asked_with_the_key_in_azures_header() {
    let newer = ("/openai/v1/chat/completions", "/openai/v1/responses");
    let older = (
        "/openai/deployments/old%20deployment/chat/completions?api-version=2025-04-01-preview",
        "/openai/responses?api-version=2025-04-01-preview",
    );
    for (path, version, (chat, responses)) in [
        ("", None, newer),
        ("/openai/v1", None, newer),
        ("", Some("2025-04-01-preview"), older),
        ("/openai", Some("2025-04-01-preview"), older),
        ("/openai/deployments/x/chat/completions", Some("2025-04-01-preview"), older),
    ] {
        let requests = asked(path, version);
        let targets: Vec<_> = requests.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(targets, [chat, responses], "{path}");
        for request in &requests {
            assert_eq!(request.header("api-key"), Some(CANARY));
            assert_eq!((request.header("authorization"), request.header("x-api-key")), (None, None));
        }
        assert_eq!(requests[1].json()["model"], "new-deployment");
    }
    let preview = asked("/openai/v1", Some("preview"));
    assert_eq!(preview[1].target, "/openai/v1/responses?api-version=preview");
}

#[test]
fn an_api_version_without_responses_falls_back_to_chat_completions() {
    let upstream = Upstream::always(|request: &Request| {
        if request.path().ends_with("/responses") {
            let text =
                "Azure OpenAI Responses API is enabled only for api-version 2025-03-01-preview and later";
            return Exchange::new()
                .status(400)
                .json(json!({"error": {"code": "BadRequest", "message": text}}));
        }
        Exchange::new().sse(super::chunks(&["Hello"]))
    });
    let toml = "[upstream]\npreset = 'azure'\nmodel_family = 'gpt-6-sol'\napi_version = '2024-10-21'\n";
    let base = upstream.base_url();
    let gateway =
        Gateway::before(upstream, |program| configured(program, toml).env("OPENAI_BASE_URL", &base));
    for _ in 0..2 {
        assert_eq!(streamed(gateway.post(request("hi", true))).text(), "Hello");
    }
    assert_eq!(gateway.upstream.requests().len(), 3, "the lesson was not remembered");
    gateway.end();
}
