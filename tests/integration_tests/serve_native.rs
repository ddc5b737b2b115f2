//! `serve` before an upstream that speaks Messages itself: bytes pass, and all other promises hold.

use crate::support::bodies::request;
use crate::support::http::{Call, Reply};
use crate::support::serving::{
    CANARY, Gateway, answer, body, configured, failure, gzip, messages, request_id, streamed,
};
use crate::support::upstream::{Exchange, Request, Upstream};
use serde_json::{Value, json};

mod counting;
mod faults;
mod placement;

const PATH: &str = "/v1/messages";

/// A server that forwards.
fn native(script: Vec<Exchange>) -> Gateway {
    Gateway::with(script, forwarding)
}

fn forwarding(program: crate::support::program::Program) -> crate::support::program::Program {
    program.env("OPENAI_DIALECT", "messages")
}

/// The same with a configuration file.
fn native_with(script: Vec<Exchange>, toml: &str) -> Gateway {
    Gateway::with(script, |program| configured(forwarding(program), toml))
}

/// One event.
fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// A streamed message, with things in it that this program does not know, in an order that is not its own.
fn events(pieces: &[&str]) -> Vec<String> {
    let mut events = vec![
        event(
            "message_start",
            r#"{"message":{"usage":{"output_tokens":1,"input_tokens":11,"new":{"n":1.50}},"model":"up-model","id":"msg_up","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"container":null},"type":"message_start"}"#,
        ),
        event(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
        event("ping", r#"{"type": "ping"}"#),
    ];
    events.extend(pieces.iter().map(|piece| {
        let text = json!(piece);
        let data = format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}} }}"#
        );
        event("content_block_delta", &data)
    }));
    events.extend([
        event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
        event(
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7,"input_tokens":11},"context_management":{"applied_edits":[]}}"#,
        ),
        event("message_stop", r#"{"type":"message_stop"}"#),
    ]);
    events
}

/// A whole message, laid out as no serializer would.
const MESSAGE: &str = r#" {"id":"msg_up", "type":"message","role":"assistant", "model" : "up-model",
 "content":[{"type":"text","text":"Gr\u00fc\u00dfe","citations":null},{"type":"new_kind","n":1.0e2}],
 "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":7,"cache_read_input_tokens":3}} "#;

/// A request in which everything is unusual.
const ODD: &str = r#"{ "messages":[{"role":"user","content":[{"type":"new_block","x":1.0e2,"model":"inner"}]},
 {"role":"system","content":"stay"}], "new_member":[1, 2,{"a":null}],"stream":false, "model": "claude-odd","max_tokens":9,
 "system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=1"},{"type":"text","text":"\u00fc"}] }"#;

fn as_bytes(mut reply: Reply) -> String {
    let status = reply.status;
    let text = body(&mut reply);
    assert_eq!(status, 200, "{text}");
    text
}

#[test]
fn a_request_passes_byte_for_byte_but_for_its_model() {
    let exchange = || Exchange::new().expect_path(PATH).json(MESSAGE);
    let config = "[models.map]\nclaude-odd = 'up \"model\"'\n";
    let gateway = native_with(vec![exchange(), exchange()], config);
    answer(gateway.post(ODD));
    let zipped =
        Call::post(PATH).header("content-type", "application/json").header("content-encoding", "gzip");
    answer(gateway.send(&zipped.body(gzip(ODD.as_bytes()))));
    let expected = ODD.replace("\"claude-odd\"", r#""up \"model\"""#);
    for request in gateway.upstream.requests() {
        assert_eq!(String::from_utf8(request.body).unwrap(), expected);
        assert_eq!(request.target, PATH);
    }
    gateway.end();
}

#[test]
fn a_request_whose_model_is_not_mapped_is_not_touched_at_all() {
    let gateway = native(vec![Exchange::new().json(MESSAGE)]);
    answer(gateway.post(ODD));
    assert_eq!(gateway.request().body, ODD.as_bytes());
    gateway.end();
}

#[test]
fn version_betas_and_query_go_along_and_nothing_else_of_the_clients_does() {
    let gateway = native(vec![Exchange::new().json(MESSAGE), Exchange::new().json(MESSAGE)]);
    let call = Call::post("/v1/messages?beta=true&x=%20")
        .header("anthropic-version", "2026-10-21")
        .header("anthropic-beta", "a-1,b-2")
        .header("anthropic-beta", "c-3")
        .header("x-api-key", "the-clients")
        .header("authorization", "Bearer the-clients")
        .header("cookie", "c=1")
        .header("x-claude-code-session-id", "s")
        .header("x-stainless-lang", "js")
        .json(ODD);
    answer(gateway.send(&call));
    answer(gateway.post(ODD));
    let [full, bare] = &gateway.upstream.requests()[..] else { panic!("two requests") };
    assert_eq!(full.target, "/v1/messages?beta=true&x=%20");
    assert_eq!(full.header("anthropic-version"), Some("2026-10-21"));
    let betas: Vec<_> =
        full.headers.0.iter().filter(|(name, _)| name == "anthropic-beta").map(|(_, value)| value).collect();
    assert_eq!(betas, ["a-1,b-2", "c-3"]);
    // Servers look for the key in the one place or the other.
    assert_eq!(full.header("x-api-key"), Some(CANARY));
    assert_eq!(full.header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    for name in ["cookie", "x-claude-code-session-id", "x-stainless-lang"] {
        assert_eq!(full.header(name), None, "{name}");
    }
    assert_eq!(bare.target, PATH);
    assert_eq!((bare.header("anthropic-version"), bare.header("anthropic-beta")), (Some("2023-06-01"), None));
    gateway.end();
}

#[test]
fn the_key_goes_into_the_header_that_was_chosen() {
    for (style, x_api_key, bearer) in
        [("x_api_key", true, false), ("bearer", false, true), ("both", true, true)]
    {
        let config = format!("[upstream]\nauth_style = '{style}'\n");
        let gateway = native_with(vec![Exchange::new().json(MESSAGE)], &config);
        answer(gateway.post(ODD));
        let request = gateway.request();
        assert_eq!(request.header("x-api-key").is_some(), x_api_key, "{style}");
        assert_eq!(request.header("authorization").is_some(), bearer, "{style}");
        gateway.end();
    }
}

#[test]
fn a_whole_answer_passes_byte_for_byte_but_for_its_model() {
    let exchange = Exchange::new()
        .header("x-request-id", "up-7")
        .header("anthropic-ratelimit-requests-remaining", "41")
        .header("set-cookie", "a=b")
        .json(MESSAGE);
    let gateway = native(vec![exchange]);
    let reply = gateway.post(ODD);
    request_id(&reply);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-upstream-request-id"), Some("up-7"));
    assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), Some("41"));
    assert_eq!(reply.header("set-cookie"), None);
    assert_eq!(as_bytes(reply), MESSAGE.replace("\"up-model\"", "\"claude-odd\""));
    let stderr = gateway.end();
    for part in [
        "tokens.input=14",
        "tokens.output=7",
        "tokens.cached=3",
        "stop_reason=\"end_turn\"",
        "end=\"complete\"",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn a_stream_passes_byte_for_byte_but_for_its_model_however_it_is_cut() {
    let stream = events(&["Hel", "lo, 世界 👩‍👩‍👧", "!"]).concat();
    let expected = stream.replace("\"up-model\"", "\"claude-sonnet-5-5\"");
    for size in [1, 7, 61, 1 << 20] {
        let gateway = native(vec![Exchange::new().expect_path(PATH).sse([stream.as_bytes()]).slice(size)]);
        let reply = gateway.post(request("hi", true));
        request_id(&reply);
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(as_bytes(reply), expected, "in pieces of {size}");
        assert_eq!(gateway.request().json()["stream"], true);
        let stderr = gateway.end();
        for part in ["tokens.input=11", "tokens.output=7", "stop_reason=\"end_turn\"", "ttft_ms="] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
}

#[test]
fn events_without_names_get_them_and_done_goes() {
    let nameless: Vec<String> = events(&["Hello"])
        .iter()
        .map(|event| event.split_once('\n').unwrap().1.to_owned())
        .chain(["data: [DONE]\n\n".to_owned()])
        .collect();
    let gateway = native(vec![Exchange::new().sse(nameless)]);
    let message = streamed(gateway.post(request("hi", true)));
    assert_eq!((message.text().as_str(), &message.start["model"]), ("Hello", &json!("claude-sonnet-5-5")));
    gateway.end();
}

#[test]
fn the_wrong_form_is_told_in_the_right_one() {
    let gateway = native(vec![Exchange::new().json(MESSAGE), Exchange::new().sse(events(&["Hel", "lo"]))]);
    let mut reply = gateway.post(request("hi", true));
    let told: Vec<_> = reply.events();
    assert_eq!(told.first().unwrap().name.as_deref(), Some("message_start"));
    assert_eq!(told.last().unwrap().name.as_deref(), Some("message_stop"));
    assert!(told.iter().any(|event| event.data.contains("new_kind") && event.data.contains("1.0e2")));
    drop(reply);
    let whole = answer(gateway.post(request("hi", false)));
    assert_eq!(
        (&whole["content"][0]["text"], &whole["model"]),
        (&json!("Hello"), &json!("claude-sonnet-5-5"))
    );
    gateway.end();
}

#[test]
fn what_no_parser_may_meet_is_refused_before_it_is_sent() {
    let gateway = native(Vec::new());
    let nested = |depth| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","content":[{{"type":"tool_use","input":{open}{close}}}]}}]}}"#
        )
    };
    for bad in [nested(200), nested(500_000), "{\"model\":".to_owned(), "[]".to_owned(), "{}".to_owned()] {
        failure(gateway.post(bad), 400, "invalid_request_error");
    }
    gateway.end();
}

#[test]
fn lone_surrogates_are_mended_and_told() {
    let gateway = native(vec![Exchange::new().json(MESSAGE)]);
    let reply =
        gateway.post(r#"{"model":"m","messages":[{"role":"user","content":"\ud83d"}],"x":"\ud83d\ude00"}"#);
    assert!(reply.header("x-aiapiproxy-warning").is_some());
    answer(reply);
    let sent = String::from_utf8(gateway.request().body).unwrap();
    assert!(sent.contains(r#""\ufffd""#) && sent.contains(r#""\ud83d\ude00""#), "{sent}");
    gateway.end();
}

#[test]
fn only_the_models_that_were_chosen_are_forwarded() {
    let upstream = Upstream::always(|request: &Request| match request.path() {
        PATH => Exchange::new().json(MESSAGE),
        _ => Exchange::new().json(crate::support::bodies::completion("chat")),
    });
    let config = "[models.map]\na = { model = 'x', dialect = 'messages' }\nb = 'y'\n";
    let gateway = Gateway::before(upstream, |program| configured(program, config));
    let text = |model: &str| {
        let mut asked: Value = request("hi", false);
        asked["model"] = json!(model);
        answer(gateway.post(asked))["content"][0]["text"].clone()
    };
    assert_eq!((text("a"), text("b"), text("c")), (json!("Grüße"), json!("chat"), json!("chat")));
    // Elsewhere a key has one place.
    assert_eq!(gateway.upstream.requests()[0].header("x-api-key"), None);
    gateway.end();
}

#[test]
fn the_flag_forwards_too_and_a_client_may_bring_the_key() {
    let gateway = Gateway::with(vec![Exchange::new().json(MESSAGE)], |program| {
        configured(program.args(["--dialect", "messages"]), "[server]\nauth = 'passthrough'\n")
    });
    answer(gateway.send(&messages(ODD).header("x-api-key", "sk-of-the-client")));
    assert_eq!(gateway.request().header("x-api-key"), Some("sk-of-the-client"));
    gateway.end();
}
