//! From a client's bytes to the upstream's bytes: the half of the way that waits for nobody.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::{
    course::{Course, Known},
    forward::Forward,
};
use crate::{
    config::server::OnLossy,
    models::dialect::{Choice, Spoken},
    protocol::{
        anthropic::{
            error::{Error, ErrorKind},
            request::{Parsed, Request},
        },
        json,
    },
    server::{error::ApiError, request_log::Log, state::Shared, sums},
    telemetry::field,
    translate::{self, Dialect, Options, context::Context, quirks::needs_responses, report::Report},
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
    pub(super) known: Known,
}

/// Above this, translating takes long enough to be kept off the threads that serve everybody.
const LARGE_BYTES: usize = 1 << 20;

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Plan {
    /// It was translated.
    Translate(Box<Prepared>),
    /// It goes as it is.
    Forward(Forward),
}

/// Reads a request, and translates it unless it is to be forwarded.
pub(super) async fn prepare(
    shared: &Arc<Shared>,
    log: &Log,
    headers: &HeaderMap,
    body: Bytes,
    course: Course,
) -> Result<Plan, ApiError> {
    let session = sums::session(headers).map(str::to_owned);
    if body.len() <= LARGE_BYTES {
        return plan(shared, log, session, &body, &course).map_err(ApiError::from);
    }
    let (shared, log) = (Arc::clone(shared), log.clone());
    blocking(move || plan(&shared, &log, session, &body, &course)).await
}

/// Opens a request that may be one to forward.
pub(in super::super) async fn open(
    shared: &Arc<Shared>,
    log: &Log,
    body: &Bytes,
) -> Result<Option<Forward>, ApiError> {
    if body.len() <= LARGE_BYTES {
        return Forward::open(shared, log, body).map_err(ApiError::from);
    }
    let (shared, log, body) = (Arc::clone(shared), log.clone(), body.clone());
    blocking(move || Forward::open(&shared, &log, &body)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::crashed)?.map_err(ApiError::from)
}

fn plan(
    shared: &Shared,
    log: &Log,
    session: Option<String>,
    body: &Bytes,
    course: &Course,
) -> Result<Plan, Error> {
    if let Some(forward) = Forward::open(shared, log, body)? {
        return Ok(Plan::Forward(forward));
    }
    translate(shared, log, session, body, course).map(|prepared| Plan::Translate(Box::new(prepared)))
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
    let (options, known) = options(shared, log, &parsed.request.model, session, course);
    refuse_useless_tools(&parsed.request, &options, &known.choice)?;
    if scans_for_stop(&parsed.request, &options) {
        // A client that wants no stream gets none, but the upstream can be left at the first match.
        parsed.request.stream = Some(true);
    }
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
    // What it says is mostly what the client said.
    let expected = body.len() + body.len() / 16 + 1024;
    let body = json::to_vec(&translated.body, expected).map_err(|error| {
        Error::new(ErrorKind::Api, format!("the translated request cannot be written: {error}"))
    })?;
    let model = options.model;
    let (body, context) = (body.into(), translated.context);
    Ok(Prepared { model, stream, answer_locally, body, context, report, known })
}

/// Whether stop sequences are looked for in the answer, while it comes.
fn scans_for_stop(request: &Request, options: &Options) -> bool {
    let sequences = request.stop_sequences.as_deref().unwrap_or_default();
    options.scans_for_stop() && sequences.iter().any(|sequence| !sequence.trim().is_empty())
}

/// `on_lossy = "refuse"`: what cannot be carried over whole is not sent.
pub(super) fn refuse_losses(on_lossy: OnLossy, upstream: &str, report: &Report) -> Result<(), Error> {
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
    note_mended(log, parsed.repaired_surrogates);
    let requested = &parsed.request.model;
    let mut allowed = Ok(());
    log.note(|notes| {
        notes.model_requested = Some(requested.clone());
        notes.upstream_name = Some(shared.config.upstream.name.clone());
        let model = shared.config.models.model(requested);
        notes.model_labels = Some(shared.model_labels(requested, model));
        allowed = notes.check_model(requested, model);
    });
    allowed?;
    Ok(parsed)
}

/// Half a surrogate pair comes from a bug in the client, of which its user should hear, but not with every request.
fn note_mended(log: &Log, mended: usize) {
    let counter = &log.metrics().surrogates_mended;
    if mended > 0 && counter.get() == 0 {
        tracing::warn!(
            { field::REQUEST_ID } = log.id(),
            "a client sends texts with half a surrogate pair; they become U+FFFD (this is said once)"
        );
    }
    counter.add(u64::try_from(mended).unwrap_or(u64::MAX));
}

/// What the translation needs to know beside the request, and what of it was learnt.
pub(in super::super) fn options(
    shared: &Shared,
    log: &Log,
    requested: &str,
    session: Option<String>,
    course: &Course,
) -> (Options, Known) {
    let (model, target) = shared.config.models.model_and_target(requested);
    log.note(|notes| notes.model_upstream = Some(model.to_owned()));
    let upstream = &shared.config.upstream;
    let choice = upstream.dialect_of(model, target);
    let family = upstream.family_of(model, target);
    let mut options = Options {
        model_family: (family != model).then(|| family.to_owned()),
        max_output_tokens: shared.max_output_tokens(model),
        context_window: shared.context_window(model),
        session,
        media_urls: shared.config.images.url,
        dialect: match choice.spoken {
            // Of what is forwarded only tokens are counted here.
            Spoken::Chat | Spoken::Messages => Dialect::Chat,
            Spoken::Responses => Dialect::Responses,
        },
        ..Options::new(upstream.quirks.clone(), upstream.name.clone(), model)
    };
    let known = course.apply(&shared.lessons, &mut options, choice);
    (options, known)
}

/// OpenAI's newer models take tools only through the Responses API. Where that is not to be used, or is not there,
/// their own message would send the user to a place that he cannot reach from his client.
fn refuse_useless_tools(request: &Request, options: &Options, choice: &Choice) -> Result<(), Error> {
    let offered = request.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    let refused = options.dialect == Dialect::Chat
        && options.quirks.newer_models_need_responses
        && needs_responses(options.family());
    if !(offered && refused) {
        return Ok(());
    }
    let Options { upstream, model, .. } = options;
    let requested = &request.model;
    let why = if choice.is_open() {
        "and this upstream has no Responses API"
    } else {
        "the dialect that the gateway is told to speak; let it be \"auto\" or \"responses\" (OPENAI_DIALECT)"
    };
    Err(Error::invalid_request(format!(
        "{upstream}: {model} refuses tools on chat completions, {why}, or map {requested} to a model that takes them \
         there, such as gpt-5.3 or gpt-4.1 (CLAUDE_SONNET_MODEL and its kin)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{models::dialect::Why, translate::quirks::Preset};

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
        let refuse = |request: &Request, options: &Options, why| {
            let choice = Choice { spoken: Spoken::Chat, why, refuses_tools: true };
            refuse_useless_tools(request, options, &choice)
        };
        for (why, way) in [(Why::OfUpstream, "OPENAI_DIALECT"), (Why::Usual, "has no Responses")] {
            let error = refuse(&tools, &options(Preset::OpenAi, "gpt-6-sol"), why).unwrap_err();
            assert_eq!(error.status, 400);
            for part in ["gpt-6-sol", "claude-sonnet-5", "gpt-4.1", "tools", way] {
                assert!(error.message.contains(part), "{}", error.message);
            }
        }
        let deployment =
            Options { model_family: Some("gpt-5.4".to_owned()), ..options(Preset::Azure, "mine") };
        assert!(refuse(&tools, &deployment, Why::OfModel).is_err());
        let there = Options { dialect: Dialect::Responses, ..options(Preset::OpenAi, "gpt-6-sol") };
        assert!(refuse(&tools, &there, Why::Usual).is_ok());
        assert!(refuse(&tools, &options(Preset::OpenAi, "gpt-4.1"), Why::OfUpstream).is_ok());
        assert!(refuse(&tools, &options(Preset::OpenRouter, "openai/gpt-6-sol"), Why::OfUpstream).is_ok());
        assert!(refuse(&request("[]"), &options(Preset::OpenAi, "gpt-6-sol"), Why::OfUpstream).is_ok());
    }
}
