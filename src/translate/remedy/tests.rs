//! Each wording that is known to be precise, and near misses.

use super::*;
use crate::protocol::anthropic::request::Request;
use crate::translate::quirks::Preset;
use crate::translate::{Options, StopSequences, request};

/// The context of a request with everything that upstreams complain of.
fn context(field: MaxTokensField) -> Context {
    let body = br#"{"model":"claude-x","max_tokens":32000,"temperature":0.2,"top_k":4,"stop_sequences":["END"],
        "stream":true,"output_config":{"effort":"minimal"},"tools":[{"name":"a","input_schema":{"type":"object"}}],
        "tool_choice":{"type":"auto","disable_parallel_tool_use":true},
        "messages":[{"role":"user","content":"hi"}]}"#;
    let mut quirks = Preset::Generic.quirks();
    (quirks.max_tokens_field, quirks.top_k) = (field, true);
    let mut options = Options::new(quirks, "up", "m");
    options.stop_sequences = StopSequences::Upstream;
    request(Request::parse(body).unwrap(), &options).unwrap().context
}

fn of_body(status: u16, body: &str) -> Option<Remedy> {
    let answer = UpstreamAnswer { status, body: body.as_bytes(), ..UpstreamAnswer::default() };
    remedy(&answer, &context(MaxTokensField::MaxTokens))
}

fn said(text: &str) -> String {
    serde_json::json!({ "error": { "message": text, "type": "invalid_request_error" } }).to_string()
}

fn of(text: &str) -> Option<Remedy> {
    of_body(400, &said(text))
}

/// Compares with an expected lesson.
macro_rules! lesson {
    ($lesson:expr) => {
        Some(Remedy::Learn($lesson))
    };
}

#[test]
fn fewer_tokens_are_asked_for_where_they_fit() {
    let both = |input: u64, limit: u64| {
        of(&format!(
            "This model's maximum context length is {limit} tokens. However, you requested {} tokens ({input} in the messages, 32000 in the completion).",
            input + 32_000
        ))
    };
    assert_eq!(both(230_462, 262_144), Some(Remedy::FewerTokens(262_144 - 230_462 - 64)));
    assert_eq!(both(10_000, 10_000 + 64 + 1_024), Some(Remedy::FewerTokens(1_024)));
    assert_eq!(both(10_000, 10_000 + 64 + 1_023), None);
    assert_eq!(both(10_000, 9_000), None);
    // The upstream contradicts itself; the same request would be sent again.
    assert_eq!(both(10_000, 50_000), None);
    assert_eq!(of("prompt is too long: 213462 tokens > 200000 maximum"), None);
}

#[test]
fn where_counting_stopped_early_the_estimate_counts() {
    let mut context = context(MaxTokensField::MaxTokens);
    context.input_estimate = 40_000;
    let text = "You passed 33537 input tokens and requested 32000 output tokens. However, the model's context length is only 65536 tokens, resulting in a maximum input length of 33536 tokens.";
    let body = said(text);
    let answer = UpstreamAnswer { status: 400, body: body.as_bytes(), ..UpstreamAnswer::default() };
    assert_eq!(remedy(&answer, &context), Some(Remedy::FewerTokens(65_536 - 50_000 - 64)));
}

#[test]
fn the_longest_answer_is_learnt() {
    let text = |limit| {
        format!(
            "max_tokens is too large: 32000. This model supports at most {limit} completion tokens, whereas you provided 32000."
        )
    };
    assert_eq!(of(&text(16_384)), lesson!(Lesson::MaxOutputTokens(16_384)));
    assert_eq!(of(&text(32_000)), None);
    assert_eq!(of(&text(0)), None);
    assert_eq!(
        of("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        lesson!(Lesson::MaxOutputTokens(8_192))
    );
    // A gateway that puts the text into `param`.
    let talkative = r#"{"error":{"message":"Param Incorrect","type":"upstream_error","param":"max_tokens is too large: 1048576. This model supports at most 1310 completion tokens, whereas you provided 1048576.","code":"400"}}"#;
    assert_eq!(of_body(400, talkative), lesson!(Lesson::MaxOutputTokens(1_310)));
    assert_eq!(of_body(429, &said(&text(16_384))), None);
}

#[test]
fn the_member_for_the_bound_is_learnt_both_ways() {
    let old = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    assert_eq!(of(old), lesson!(Lesson::MaxTokensField(MaxTokensField::MaxCompletionTokens)));
    let newer = context(MaxTokensField::MaxCompletionTokens);
    let of_newer = |status, body: &str| {
        remedy(&UpstreamAnswer { status, body: body.as_bytes(), ..UpstreamAnswer::default() }, &newer)
    };
    assert_eq!(of_newer(400, &said(old)), None);
    let expected = lesson!(Lesson::MaxTokensField(MaxTokensField::MaxTokens));
    for body in [
        r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted","input":32000}]},"type":"invalid_request_error","param":null,"code":null}"#,
        r#"{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 800}]","type":"BadRequestError","param":null,"code":400}"#,
        r#"{"detail":[{"loc":["body","max_completion_tokens"],"msg":"extra inputs are not permitted","type":"value_error.extra"}]}"#,
        r#"{"error":{"message":"Unrecognized request argument supplied: max_completion_tokens","type":"invalid_request_error","param":null,"code":null}}"#,
        r#"[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"max_completion_tokens\": Cannot find field.","status":"INVALID_ARGUMENT"}}]"#,
    ] {
        assert_eq!(of_newer(422, body), expected, "{body}");
        assert_eq!(of_newer(401, body), None, "{body}");
    }
}

#[test]
fn members_that_are_not_taken_are_learnt() {
    for (text, expected) in [
        (
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            Lesson::NoSampling,
        ),
        ("Unsupported parameter: 'top_p' is not supported with this model.", Lesson::NoSampling),
        ("`temperature` is deprecated for this model.", Lesson::NoSampling),
        ("invalid temperature: only 1 is allowed for this model", Lesson::NoSampling),
        ("Unknown parameter: 'top_k'. Did you mean 'top_p'?", Lesson::NoTopK),
        ("Unsupported parameter: 'stop' is not supported with this model.", Lesson::NoStop),
        ("Argument not supported on this model: stop", Lesson::NoStop),
        ("Unrecognized request argument supplied: stream_options", Lesson::NoStreamOptions),
        ("property 'stream_options' is unsupported", Lesson::NoStreamOptions),
        ("Unrecognized request argument supplied: parallel_tool_calls", Lesson::NoParallelToolCalls),
        ("Unrecognized request argument supplied: reasoning_effort", Lesson::Efforts(vec![])),
        ("Model grok-4 does not support parameter reasoningEffort.", Lesson::Efforts(vec![])),
    ] {
        assert_eq!(of(text), lesson!(expected), "{text}");
    }
}

#[test]
fn the_efforts_of_a_model_are_learnt() {
    let known = |efforts: &[&'static str]| lesson!(Lesson::Efforts(efforts.to_vec()));
    for (text, efforts) in [
        (
            "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values are: 'none', 'low', 'medium', and 'high'.",
            vec!["none", "low", "medium", "high"],
        ),
        ("`reasoning_effort` must be one of `low`, `medium`, or `high`", vec!["low", "medium", "high"]),
        ("`reasoning_effort` must be one of `none` or `default`", vec!["none"]),
        (
            "Validation error for `reasoning_effort`: expected one of `'low' | 'medium' | 'high'`, received `'minimal'`.",
            vec!["low", "medium", "high"],
        ),
        (
            r#"[{"type":"literal_error","loc":["body","reasoning_effort"],"msg":"Input should be 'low', 'medium' or 'high'","input":"minimal"}]"#,
            vec!["low", "medium", "high"],
        ),
        (
            "Unsupported value: 'reasoning_effort' does not support 'minimal'",
            vec!["none", "low", "medium", "high", "xhigh", "max"],
        ),
    ] {
        assert_eq!(of(text), known(&efforts), "{text}");
    }
    for (text, efforts) in [
        ("`reasoning_effort` is not supported with this model", vec![]),
        ("reasoning_effort is not supported with this model", vec![]),
        ("\"llama3.2\" does not support thinking", vec![]),
        (
            "invalid reasoning value: 'minimal' (must be \"high\", \"medium\", \"low\", or \"none\")",
            vec!["none", "low", "medium", "high"],
        ),
        ("reasoning_effort must be one of none or default", vec!["none"]),
        (
            "think value \"minimal\" is not supported for this model",
            vec!["none", "low", "medium", "high", "xhigh", "max"],
        ),
        (
            "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or 'high'\", 'input': 'minimal', 'ctx': {'expected': \"'low', 'medium' or 'high'\"}}",
            vec!["low", "medium", "high"],
        ),
    ] {
        assert_eq!(of(text), known(&efforts), "{text}");
    }
    let by_value = r#"{"error":{"message":"Unsupported value: 'minimal' is not supported with the 'gpt-5.1' model. Supported values are: 'none', 'low', 'medium', and 'high'.","type":"invalid_request_error","param":"***.effort","code":"unsupported_value"}}"#;
    assert_eq!(of_body(400, by_value), known(&["none", "low", "medium", "high"]));
    // What was sent is on the list: the complaint is about something else.
    assert_eq!(of("`reasoning_effort` must be one of `minimal`, `low`"), None);
}

#[test]
fn schemas_for_the_answer_are_not_sent_again() {
    let mut context = context(MaxTokensField::MaxTokens);
    for text in [
        "This response_format type is unavailable now",
        "Failed to deserialize the JSON body into the target type: response_format: response_format.type `json_schema` is unavailable now at line 1 column 12440",
        "This model does not support response format `json_schema`. See supported models at https://console.groq.com/docs/structured-outputs#supported-models",
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    ] {
        let body = said(text);
        let answer = UpstreamAnswer { status: 400, body: body.as_bytes(), ..UpstreamAnswer::default() };
        context.sent.json_schema = true;
        assert_eq!(remedy(&answer, &context), lesson!(Lesson::NoJsonSchema), "{text}");
        context.sent.json_schema = false;
        assert_eq!(remedy(&answer, &context), None, "{text}");
    }
}

#[test]
fn other_dialects_are_learnt_from_the_words_that_name_them() {
    let responses = lesson!(Lesson::Dialect(Dialect::Responses));
    for (status, text) in [
        (
            400,
            "Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
        ),
        (
            400,
            "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead.",
        ),
        (404, "This model is only supported in v1/responses and not in v1/chat/completions."),
        (
            404,
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
        ),
        (
            400,
            "The chatCompletion operation does not work with the specified model, gpt-5.1-codex-mini. Please choose different model and try again.",
        ),
    ] {
        assert_eq!(of_body(status, &said(text)), responses, "{text}");
    }
    let mut context = context(MaxTokensField::MaxTokens);
    context.sent.dialect = Dialect::Responses;
    let of_responses = |status, body: &str| {
        remedy(&UpstreamAnswer { status, body: body.as_bytes(), ..UpstreamAnswer::default() }, &context)
    };
    let chat = lesson!(Lesson::Dialect(Dialect::Chat));
    for (status, body) in [
        (404, r#"{"detail":"Not Found"}"#),
        (404, "404 page not found"),
        (404, "<html>"),
        (405, r#"{"detail":"Method Not Allowed"}"#),
        (404, r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#),
        (404, r#"{"error":{"message":"Invalid URL (POST /v1/responses)","type":"invalid_request_error"}}"#),
        (
            400,
            r#"{"error":{"code":"BadRequest","message":"Azure OpenAI Responses API is enabled only for api-version 2025-03-01-preview and later"}}"#,
        ),
    ] {
        assert_eq!(of_responses(status, body), chat, "{body}");
    }
    for (status, body) in [
        (404, r#"{"error":{"message":"The model `gpt-9` does not exist","code":"model_not_found"}}"#),
        (404, r#"{"error":"model \"x\" not found, try pulling it first"}"#),
        (400, r#"{"error":{"message":"Invalid value"}}"#),
    ] {
        assert_eq!(of_responses(status, body), None, "{body}");
    }
    // Not on the other door's account.
    assert_eq!(of_body(404, r#"{"detail":"Not Found"}"#), None);
}

#[test]
fn summaries_are_not_wished_for_again() {
    let mut context = context(MaxTokensField::MaxTokens);
    (context.sent.dialect, context.sent.summary) = (Dialect::Responses, true);
    let body = r#"{"error":{"message":"Your organization must be verified to generate reasoning summaries. Please go to: https://platform.openai.com/settings/organization/general and click on Verify Organization.","type":"invalid_request_error","param":"reasoning.summary","code":"unsupported_value"}}"#;
    let answer = UpstreamAnswer { status: 400, body: body.as_bytes(), ..UpstreamAnswer::default() };
    assert_eq!(remedy(&answer, &context), lesson!(Lesson::NoSummary));
    context.sent.summary = false;
    assert_eq!(remedy(&answer, &context), None);
}

#[test]
fn near_misses_are_the_clients_to_hear() {
    for text in [
        "temperature: Input should be less than or equal to 1",
        "'temperature' must be between 0 and 2",
        "`temperature` and `top_p` cannot both be specified for this model.",
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        "max_tokens must be at least 1, got -5",
        "Unknown parameter: 'messages[0].cache_control'.",
        "Unsupported parameter: 'response_format' is not supported with this model.",
        "Invalid schema for response_format 'response': strict mode",
        "Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
        "Your organization must be verified to stream this model.",
        "Invalid value for reasoning_effort: expected a string",
        "You requested up to 65536 tokens, but can only afford 4000.",
        "Function tools need a name; see /v1/responses",
        "Missing required parameter: 'stop'.",
        "[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"messages\",0,\"user\",\"stop\"],\"msg\":\"Extra inputs are not permitted\"}]",
    ] {
        assert_eq!(of(text), None, "{text}");
    }
    let temperature = said("Unsupported value: 'temperature' does not support 0.2 with this model.");
    for status in [401, 403, 404, 429, 500, 502] {
        assert_eq!(of_body(status, &temperature), None, "{status}");
    }
    // What was not sent cannot be left out.
    let mut bare = context(MaxTokensField::MaxTokens);
    bare.sent = Sent { max_tokens: Some(9), ..Sent::default() };
    let answer = UpstreamAnswer { status: 400, body: temperature.as_bytes(), ..UpstreamAnswer::default() };
    assert_eq!(remedy(&answer, &bare), None);
}
