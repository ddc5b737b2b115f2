//! Golden files of the translation: requests, whole answers, streams and errors in each dialect of upstreams.
//!
//! A case is named for the feature it shows. Beside its input it may have `<case>.options.json` (preset `generic`
//! unless it says otherwise) and `<case>.request.json`, the request that an answer answers. What is expected holds
//! the losses too, so that nothing gets lost without a change that a reviewer sees.
//!
//! | folder | input | expected |
//! |---|---|---|
//! | `requests` | Messages request | `{"body", "report"}` or `{"error"}` |
//! | `responses` | the upstream's body, JSON or events | `{"message", "report"}` or `{"error"}` |
//! | `streams` | the upstream's events, or a whole completion | the client's events, then losses as comments |
//! | `errors`, and `../errors` for all dialects | the upstream's body | status, headers and envelope |
//!
//! Fixtures are invented unless their name ends in `_real`; each is the smallest input that shows its feature.

use crate::support::golden::{self, Case};
use crate::support::sse::parse;
use crate::support::sse_rules::check_stream;
use aiapiproxy::protocol::anthropic::error::{Error, ErrorKind};
use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::protocol::anthropic::stream::Event;
use aiapiproxy::sse::{Decoder, encode};
use aiapiproxy::translate::context::Context;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::report::Report;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::{End, Stream};
use aiapiproxy::translate::{
    Asked, Dialect, Options, StopSequences, Translated, UpstreamAnswer, error, request,
};
use serde::Serialize;
use serde_json::{Value, json};

const MESSAGE_ID: &str = "msg_golden";

#[test]
fn chat() {
    requests(Dialect::Chat);
    responses(Dialect::Chat);
    streams(Dialect::Chat);
}

#[test]
fn responses_api() {
    requests(Dialect::Responses);
    responses(Dialect::Responses);
    streams(Dialect::Responses);
    errors("messages_via_responses/errors");
}

#[test]
fn errors_of_all_dialects() {
    errors("errors");
}

fn requests(dialect: Dialect) {
    golden::check(&format!("messages_via_{}/requests", dialect.name()), "json", |case| {
        pretty(&match translated(&case.input, &options(case, dialect)) {
            Ok(Translated { body, report, .. }) => {
                #[derive(Serialize)]
                struct Expected<'a, T> {
                    body: T,
                    report: Losses<'a>,
                }
                text(&Expected { body, report: Losses(&report) })
            }
            Err(error) => text(&json!({ "error": described(&error) })),
        })
    });
}

fn responses(dialect: Dialect) {
    golden::check(&format!("messages_via_{}/responses", dialect.name()), "json", |case| {
        pretty(&match response(&case.input, MESSAGE_ID.to_owned(), context(case, dialect)) {
            Ok((message, report)) => {
                #[derive(Serialize)]
                struct Expected<'a, T> {
                    message: T,
                    report: Losses<'a>,
                }
                text(&Expected { message, report: Losses(&report) })
            }
            Err(error) => text(&json!({ "error": described(&error) })),
        })
    });
}

fn streams(dialect: Dialect) {
    golden::check(&format!("messages_via_{}/streams", dialect.name()), "sse", |case| {
        let mut stream = Stream::new(MESSAGE_ID.to_owned(), context(case, dialect));
        let events = played(&mut stream, case);
        let mut out = Vec::new();
        for event in &events {
            encode(event.name(), event, &mut out);
        }
        if stream.is_started() {
            check_stream(&parse(&out));
        } else {
            let failure = stream.failure().unwrap_or_else(|| panic!("{}: nothing at all", case.name));
            assert!(matches!(events[..], [Event::Error { .. }]), "{}: {events:?}", case.name);
            out.extend(format!(": answered with status {}\n\n", failure.status).bytes());
        }
        for loss in stream.report().entries() {
            out.extend(format!(": {}\n\n", serde_json::to_string(loss).unwrap()).bytes());
        }
        out
    });
}

fn errors(folder: &str) {
    golden::check(folder, "json", |case| {
        let answer = companion(case, "answer.json");
        let header = |name: &str| answer[name].as_str();
        let upstream = UpstreamAnswer {
            status: answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(400),
            retry_after: header("retry-after"),
            retry_after_ms: header("retry-after-ms"),
            // Sun, 06 Nov 1994 08:49:30 GMT
            now_unix_seconds: 784_111_770,
            body: &case.input,
            client_key: answer["client_key"] == true,
        };
        let asked = Asked {
            upstream: "up".to_owned(),
            requested_model: "claude-sonnet-4-5".to_owned(),
            max_tokens: answer["max_tokens"].as_u64(),
            input_estimate: 5_000,
        };
        pretty(&text(&described(&error(&upstream, &asked))))
    });
}

fn played(stream: &mut Stream, case: &Case) -> Vec<Event> {
    let mut events = Vec::new();
    if case.input.starts_with(b"{") {
        stream.push_whole(&case.input, &mut events);
    } else {
        let mut decoder = Decoder::new(1 << 20);
        decoder.push(&case.input, |event| stream.push(&event, &mut events)).unwrap();
        decoder.finish(|event| stream.push(&event, &mut events));
    }
    let end = match companion(case, "options.json")["end"].as_str() {
        None => End::Eof,
        Some("timeout") => End::Failed(Error::new(ErrorKind::Timeout, "up: no byte for 300 s")),
        Some("reset") => End::Failed(Error::new(ErrorKind::Api, "up: connection reset").with_status(502)),
        Some(other) => panic!("{}: unknown end {other}", case.name),
    };
    stream.finish(end.clone(), &mut events);
    let count = events.len();
    stream.finish(end, &mut events);
    assert_eq!(events.len(), count, "{}: finish is idempotent", case.name);
    events
}

fn translated(body: &[u8], options: &Options) -> Result<Translated, Error> {
    request(Request::parse(body)?, options)
}

fn context(case: &Case, dialect: Dialect) -> Context {
    let Some(body) = case.companion("request.json") else {
        let mut context = Context::default();
        context.dialect = dialect;
        "claude-sonnet-4-5".clone_into(&mut context.requested_model);
        "up".clone_into(&mut context.upstream);
        return context;
    };
    translated(&body, &options(case, dialect)).unwrap().context
}

fn options(case: &Case, dialect: Dialect) -> Options {
    let said = companion(case, "options.json");
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    let preset = text("preset").map_or(Preset::Generic, |name| Preset::from_name(&name).unwrap());
    let mut quirks = preset.quirks();
    quirks.think_tags = said["think_tags"] == true;
    quirks.think_opened = said["think_opened"] == true;
    quirks.citations = said["citations"] == true;
    quirks.lenient_eof = said["lenient_eof"] == true;
    quirks.explicit_cache = said["explicit_cache"] == true;
    quirks.input_examples = said["input_examples"] == true;
    quirks.repair_tool_results = said["repair_tool_results"] == true;
    if let Some(mode) = text("system_mode") {
        assert_eq!(mode, "hoist", "the other modes have presets");
        quirks.system_mode = aiapiproxy::translate::quirks::SystemMode::Hoist;
    }
    let model = text("model").unwrap_or_else(|| "upstream-model".to_owned());
    Options {
        max_output_tokens: said["max_output_tokens"].as_u64(),
        context_window: said["context_window"].as_u64(),
        stop_sequences: match text("stop_sequences").as_deref() {
            Some("answer") => StopSequences::Answer,
            _ => StopSequences::Upstream,
        },
        session: text("session"),
        no_summary: said["no_summary"] == true,
        dialect,
        ..Options::new(quirks, "up", model)
    }
}

fn companion(case: &Case, rest: &str) -> Value {
    case.companion(rest).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap())
}

fn described(error: &Error) -> Value {
    let mut described = json!({ "status": error.status });
    for (name, value) in [
        ("retry_after", error.retry_after_seconds.map(Value::from)),
        ("should_retry", error.should_retry.map(Value::from)),
    ] {
        if let Some(value) = value {
            described[name] = value;
        }
    }
    described["body"] = serde_json::to_value(error.envelope(None)).unwrap();
    described
}

/// Losses one a line, as `--report` prints them.
struct Losses<'a>(&'a Report);

impl Serialize for Losses<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lines = self.0.entries().iter().map(ToString::to_string);
        serializer.collect_seq(lines)
    }
}

/// Indented; opaque JSON keeps the bytes it has.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn pretty(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}
