//! From a client's bytes to the upstream's bytes: the half of the way that waits for nobody.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::course::Course;
use crate::{
    config::server::OnLossy,
    models::Resolution,
    protocol::anthropic::{
        error::{Error, ErrorKind},
        request::{Parsed, Request},
    },
    server::{request_log::Log, state::Shared},
    translate::{self, Options, context::Context, quirks::needs_responses, remedy::Learnt, report::Report},
};

/// What is sent to the upstream, and what its answer's translation needs.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The upstream's name of the model.
    pub(super) model: String,
    /// Whether the client wants a stream.
    pub(super) stream: bool,
    /// `max_tokens: 0`: there is nothing to ask for.
    pub(super) answer_locally: bool,
    pub(super) body: Bytes,
    pub(super) context: Context,
    pub(super) report: Report,
    /// What is known of the model, with what is being tried.
    pub(super) learnt: Learnt,
}

/// Above this, translating takes long enough to be kept off the threads that serve everybody.
const LARGE_BYTES: usize = 1 << 20;

/// Reads and translates a request.
pub(super) async fn prepare(
    shared: &Arc<Shared>,
    log: &Log,
    headers: &HeaderMap,
    body: Bytes,
    course: Course,
) -> Result<Prepared, Error> {
    let session = session(headers);
    if body.len() <= LARGE_BYTES {
        return translate(shared, log, session, &body, &course);
    }
    let (shared, log) = (Arc::clone(shared), log.clone());
    let task = tokio::task::spawn_blocking(move || translate(&shared, &log, session, &body, &course));
    task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Api, "internal error of the gateway")))
}

fn translate(
    shared: &Shared,
    log: &Log,
    session: Option<String>,
    body: &[u8],
    course: &Course,
) -> Result<Prepared, Error> {
    let mut parsed = parse(shared, log, body)?;
    let stream = parsed.request.stream == Some(true);
    log.note(|notes| notes.stream = Some(stream));
    let answer_locally = parsed.request.max_tokens == Some(0);
    if answer_locally {
        parsed.request.max_tokens = Some(1);
    }
    let (options, learnt) = options(shared, log, &parsed.request.model, session, course);
    refuse_useless_tools(&parsed.request, &options)?;
    let translated = translate::request(parsed, &options)?;
    let report = translated.report;
    for loss in report.entries() {
        tracing::debug!(request.id = log.id(), pointer = loss.pointer, kind = ?loss.kind, reason = &*loss.reason, "lost in translation");
    }
    log.note(|notes| {
        // Of several attempts the last one counts.
        notes.lossy = None;
        notes.add_lossy(&report);
    });
    refuse_losses(shared.config.server.on_lossy, &options.upstream, &report)?;
    let body = serde_json::to_vec(&translated.body).map_err(|error| {
        Error::new(ErrorKind::Api, format!("the translated request cannot be written: {error}"))
    })?;
    let model = options.model;
    let (body, context) = (body.into(), translated.context);
    Ok(Prepared { model, stream, answer_locally, body, context, report, learnt })
}

/// `on_lossy = "refuse"`: what cannot be carried over whole is not sent.
fn refuse_losses(on_lossy: OnLossy, upstream: &str, report: &Report) -> Result<(), Error> {
    if on_lossy == OnLossy::Warn || !report.is_lossy() {
        return Ok(());
    }
    Err(Error::invalid_request(format!(
        "the gateway is told to refuse what {upstream} cannot be told in full (ON_LOSSY): {}",
        report.refusal()
    )))
}

/// Reads a request, notes what it asks for, and whether its client may.
pub(in super::super) fn parse(shared: &Shared, log: &Log, body: &[u8]) -> Result<Parsed, Error> {
    let parsed = Request::parse(body)?;
    let requested = &parsed.request.model;
    let mut allowed = Ok(());
    log.note(|notes| {
        notes.model_requested = Some(requested.clone());
        notes.upstream_name = Some(shared.config.upstream.name.clone());
        allowed = notes.check_model(requested, &shared.config.models.resolve(requested).model);
    });
    allowed?;
    Ok(parsed)
}

/// What the translation needs to know beside the request, and what of it was learnt.
pub(in super::super) fn options(
    shared: &Shared,
    log: &Log,
    requested: &str,
    session: Option<String>,
    course: &Course,
) -> (Options, Learnt) {
    let Resolution { model, .. } = shared.config.models.resolve(requested);
    log.note(|notes| notes.model_upstream = Some(model.clone()));
    let upstream = &shared.config.upstream;
    let mut options = Options {
        max_output_tokens: shared.max_output_tokens(&model),
        session,
        ..Options::new(upstream.quirks.clone(), upstream.name.clone(), model)
    };
    let learnt = course.apply(&shared.lessons, &mut options);
    (options, learnt)
}

/// The conversation's id, as Claude Code sends it.
fn session(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-claude-code-session-id")?.to_str().ok()?;
    let sound = (1..=64).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    sound.then(|| id.to_owned())
}

/// OpenAI's newer models take tools only through the Responses API, which this gateway does not speak yet. Their
/// own message would send the user there.
fn refuse_useless_tools(request: &Request, options: &Options) -> Result<(), Error> {
    let offered = request.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    if !(offered && options.quirks.newer_models_need_responses && needs_responses(&options.model)) {
        return Ok(());
    }
    let Options { upstream, model, .. } = options;
    let requested = &request.model;
    Err(Error::invalid_request(format!(
        "{upstream}: {model} refuses tools on chat completions, the only dialect this gateway speaks to upstreams \
         so far; map {requested} to a model that takes them there, such as gpt-5.3 or gpt-4.1 \
         (CLAUDE_SONNET_MODEL and its kin), or use an upstream such as OpenRouter"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::quirks::Preset;

    fn options(preset: Preset, model: &str) -> Options {
        Options::new(preset.quirks(), "up", model)
    }

    fn request(tools: &str) -> Request {
        let body = format!(r#"{{"model":"claude-sonnet-5","messages":[],"tools":{tools}}}"#);
        Request::parse(body.as_bytes()).unwrap().request
    }

    #[test]
    fn tools_for_models_that_refuse_them_are_answered_with_a_way_out() {
        let tools = request(r#"[{"name":"a","input_schema":{}}]"#);
        let error = refuse_useless_tools(&tools, &options(Preset::OpenAi, "gpt-6-sol")).unwrap_err();
        assert_eq!(error.status, 400);
        for part in ["gpt-6-sol", "claude-sonnet-5", "gpt-4.1", "tools"] {
            assert!(error.message.contains(part), "{}", error.message);
        }
        assert!(refuse_useless_tools(&tools, &options(Preset::OpenAi, "gpt-4.1")).is_ok());
        assert!(refuse_useless_tools(&tools, &options(Preset::OpenRouter, "openai/gpt-6-sol")).is_ok());
        assert!(refuse_useless_tools(&request("[]"), &options(Preset::OpenAi, "gpt-6-sol")).is_ok());
    }

    #[test]
    fn a_session_is_a_plain_id() {
        let session = |id: &str| {
            session(
                &[(http::HeaderName::from_static("x-claude-code-session-id"), id.parse().unwrap())]
                    .into_iter()
                    .collect(),
            )
        };
        assert_eq!(session("0af7-2").as_deref(), Some("0af7-2"));
        assert_eq!(session("a b"), None);
        assert_eq!(session(&"a".repeat(65)), None);
    }
}
