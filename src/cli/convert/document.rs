//! One whole document: a request, a response, an error, or what `--explode` makes of a message.

use color_eyre::Result;
use serde::Serialize;

use super::{
    Kind, Upstream, bad_data,
    detect::Members,
    input::Input,
    losses::Losses,
    pretty,
    route::{Found, Route, Wish},
    settings::{Settings, message_id, refused},
    sink::Target,
};
use crate::{
    cli::exit::{Exit, Failure},
    protocol::{
        anthropic::{
            error::Error,
            request::{Parsed, Request},
            response::Message,
            stream::Event,
        },
        json,
    },
    secret::mask_keys,
    translate::{
        self, Asked, UpstreamAnswer, context::Context, message_explode::explode, report::Report, response,
    },
};

/// What a document became.
pub(super) struct Converted {
    pub(super) text: Text,
    pub(super) report: Report,
}

/// The result, not yet laid out.
pub(super) enum Text {
    /// One JSON text.
    Json(Vec<u8>),
    /// A stream of events.
    Events(Vec<u8>),
}

pub(super) fn run(
    input: &mut Input,
    target: &Target,
    wish: Wish,
    settings: &Settings,
    mut losses: Losses,
    pretty: bool,
) -> Result<Exit> {
    let document = input.read_document()?;
    let converted = convert(&document, input.name(), wish, settings)?;
    losses.list(&converted.report, None)?;
    let refusal = losses.refusal(&converted.report);
    losses.finish()?;
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }
    let text = converted.text.laid_out(pretty)?;
    let mut sink = target.open_whole()?;
    sink.write(&text)?;
    sink.commit()?;
    Ok(Exit::Success)
}

/// Converts one document; `name` is what messages call it.
pub(super) fn convert(
    document: &[u8],
    name: &str,
    wish: Wish,
    settings: &Settings,
) -> Result<Converted, Failure> {
    if let Some(read) = plain_request(document)
        && let Route::Request(upstream) = wish.route(Found { kind: Kind::Request, dialect: None })?
    {
        return request(Request::checked(read, 0), document.len(), name, settings, upstream);
    }
    let members = Members::of(document);
    let found = members.as_ref().and_then(Members::found);
    let found = match (found, wish.kind) {
        (Some(found), _) => found,
        // Somebody who says what it is knows better; the translation then says what is wrong with it.
        (None, Some(kind)) => Found { kind, dialect: None },
        (None, None) => return Err(unrecognised(name, document)),
    };
    let stated_model = || members.as_ref().and_then(|members| members.text("model"));
    match wish.route(found)? {
        Route::Request(upstream) => {
            request(Request::parse(document), document.len(), name, settings, upstream)
        }
        Route::Response(upstream) => {
            let context = settings.context(upstream, stated_model());
            let (message, report) = response(document, name, context)?;
            Ok(Converted { text: Text::Json(json(&message, document.len())?), report })
        }
        Route::ExplodeAnswer(upstream) => {
            let context = settings.context(upstream, stated_model());
            let (message, report) = response(document, name, context)?;
            Ok(Converted { text: Text::Events(events(&explode(message))), report })
        }
        Route::ExplodeMessage => {
            let message: Message = serde_json::from_slice(document)
                .map_err(|error| bad_data(format!("{name}: not a message")).why(error.to_string()))?;
            Ok(Converted { text: Text::Events(events(&explode(message))), report: Report::default() })
        }
        Route::Error => error(document, members.as_ref(), settings),
        Route::Stream(_) | Route::AggregateAnswer(_) | Route::AggregateEvents => {
            // `run` of the parent sends streams elsewhere, and lines refuse them.
            Err(Failure::new(Exit::Usage, "a stream is no document"))
        }
    }
}

/// A request that says nothing by which [`Members::found`] would take it for something else, read in one pass.
fn plain_request(document: &[u8]) -> Option<Request> {
    // Where the word is missing there is nothing to read.
    memchr::memmem::find(document, b"\"messages\"")?;
    let read = Request::read(document)?;
    let is_telling = |name: &String| matches!(name.as_str(), "type" | "object" | "input" | "output");
    (!read.unknown.iter().any(is_telling)).then_some(read)
}

fn request(
    parsed: Result<Parsed, Error>,
    length: usize,
    name: &str,
    settings: &Settings,
    upstream: Upstream,
) -> Result<Converted, Failure> {
    let parsed = parsed.map_err(|error| refused(name, &error))?;
    let options = settings.options(upstream, &parsed.request.model);
    let translated = translate::request(parsed, &options).map_err(|error| refused(name, &error))?;
    // What it says is mostly what the client said.
    let expected = length + length / 16 + 1024;
    Ok(Converted { text: Text::Json(json(&translated.body, expected)?), report: translated.report })
}

fn response(document: &[u8], name: &str, context: Context) -> Result<(Message, Report), Failure> {
    let id = message_id(document.trim_ascii());
    response::response(document, id, context).map_err(|error| refused(name, &error))
}

fn error(document: &[u8], members: Option<&Members<'_>>, settings: &Settings) -> Result<Converted, Failure> {
    let status = settings.status.or_else(|| members.and_then(stated_status)).unwrap_or(UNSTATED_STATUS);
    let answer = UpstreamAnswer { status, body: document, ..UpstreamAnswer::default() };
    let mut error = translate::error(&answer, &Asked::from(&settings.context(Upstream::Chat, None)));
    error.message = mask_keys(&error.message, &[]).into_owned();
    Ok(Converted { text: Text::Json(json(&error.envelope(None), 0)?), report: Report::default() })
}

/// The status of an error that does not say.
const UNSTATED_STATUS: u16 = 500;

/// The status in the body: OpenRouter and Gemini have it as `error.code`, vLLM as `code` beside the message.
fn stated_status(members: &Members<'_>) -> Option<u16> {
    let of = |members: &Members<'_>| ["code", "status"].iter().find_map(|name| members.status(name));
    members.object("error").as_ref().and_then(of).or_else(|| of(members))
}

fn unrecognised(name: &str, document: &[u8]) -> Failure {
    let failure = match serde_json::from_slice::<serde::de::IgnoredAny>(document) {
        _ if document.trim_ascii().is_empty() => bad_data(format!("{name} is empty")),
        Err(error) => {
            bad_data(format!("{name} is neither JSON nor a stream of events")).why(error.to_string())
        }
        Ok(_) => bad_data(format!("{name} is no request, response or error"))
            .why("none of the members messages, choices, output, content and error is there"),
    };
    failure.mend("say what it is with --kind request|response|stream|error")
}

fn json(value: &impl Serialize, expected: usize) -> Result<Vec<u8>, Failure> {
    json::to_vec(value, expected).map_err(|error| {
        Failure::new(Exit::Internal, "cannot write the result as JSON").why(error.to_string())
    })
}

fn events(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        translate::encode(event, &mut out);
    }
    out
}

impl Text {
    /// The bytes to write.
    pub(super) fn laid_out(self, indented: bool) -> Result<Vec<u8>, Failure> {
        let mut text = match self {
            Self::Events(_) if indented => {
                return Err(Failure::new(
                    Exit::Usage,
                    "--pretty is for JSON, and a stream of events is written",
                ));
            }
            Self::Events(events) => return Ok(events),
            Self::Json(json) if indented => pretty::indent(&json),
            Self::Json(mut json) => {
                pretty::one_line(&mut json);
                json
            }
        };
        text.push(b'\n');
        Ok(text)
    }
}

impl Converted {
    /// A message that a stream was folded into.
    pub(super) fn message(message: &Message, report: Report) -> Result<Self, Failure> {
        Ok(Self { text: Text::Json(json(message, 0)?), report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_where_servers_write_it() {
        for (text, expected) in [
            (r#"{"error":{"code":429,"message":"x"}}"#, Some(429)),
            (r#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#, Some(503)),
            (r#"{"object":"error","message":"x","code":404}"#, Some(404)),
            (r#"{"error":{"code":"rate_limit_exceeded"}}"#, None),
            (r#"{"error":{"code":1301}}"#, None),
            (r#"{"error":"x","status":400}"#, Some(400)),
        ] {
            assert_eq!(Members::of(text.as_bytes()).as_ref().and_then(stated_status), expected, "{text}");
        }
    }

    #[test]
    fn a_plain_request_is_one_that_is_found_to_be_one() {
        let members = r#""model":"m","messages":[{"role":"user","content":"a"}]"#;
        for (more, expected) in [
            ("", true),
            (r#","choices":[],"content":1,"error":{}"#, true),
            (r#","object":"response""#, false),
            (r#","output":[]"#, false),
            (r#","input":"a""#, false),
            (r#","type":"message","content":[]"#, false),
            (r#","stream":1"#, false),
        ] {
            let document = format!("{{{members}{more}}}");
            let plain = plain_request(document.as_bytes()).is_some();
            assert_eq!(plain, expected, "{document}");
            let found = Members::of(document.as_bytes()).unwrap().found();
            assert!(!plain || found == Some(Found { kind: Kind::Request, dialect: None }), "{document}");
        }
    }

    #[test]
    fn what_cannot_be_recognised_is_named() {
        let reason = |text: &str| unrecognised("x", text.as_bytes()).one_line();
        assert_eq!(reason(" \n"), "x is empty");
        assert!(reason("<html>").starts_with("x is neither JSON nor a stream of events: "));
        assert!(reason("{}").starts_with("x is no request, response or error: "));
    }

    #[test]
    fn events_cannot_be_indented() {
        assert_eq!(Text::Events(Vec::new()).laid_out(true).unwrap_err().exit(), Exit::Usage);
        assert_eq!(Text::Json(b"{\"a\":\n1}".to_vec()).laid_out(false).unwrap(), b"{\"a\": 1}\n");
    }
}
