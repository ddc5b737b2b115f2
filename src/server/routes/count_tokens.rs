//! `POST /v1/messages/count_tokens`: how many input tokens a request has, counted by the tables, or by the upstream.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde::Serialize;

use super::messages::{Course, json, open, options, parse};
use crate::{
    models::counting::{Counter, Multiplier},
    protocol::{anthropic::error::Error, openai::responses::request::Countable},
    server::{auth::Caller, dispatch, error::ApiError, limits, request_log::Log, state::Shared},
    translate::{self, quirks::TokenCounting, tokens},
    upstream::{self, CountBy},
};

/// The answer; it has no other member.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    input_tokens: u64,
}

/// `POST /v1/messages/count_tokens`.
pub(crate) async fn count(
    State(shared): State<Arc<Shared>>,
    Extension(log): Extension<Log>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    limits::require_json(request.headers())?;
    let slot = shared.slots.take(&log).await?;
    let (head, body) = request.into_parts();
    let body = limits::read_body(&head.headers, body, &shared.config.limits, &shared.room, &log).await?;
    let place = dispatch::places(&shared, &log, &body.bytes).await?.first().map(Arc::clone);
    let (shared, gateway) = (place.unwrap_or_else(|| Arc::clone(&shared)), shared);
    let caller = dispatch::for_place(&caller, &gateway, &shared);
    if let Some(forward) = open(&shared, &log, &body.bytes).await?
        && let Some(count) = forward.count(&shared, &log, &caller, &head).await?
    {
        return Ok(forwarded(shared.count_multiplier(&forward.model), count));
    }
    let translating = (Arc::clone(&shared), log.clone());
    let translated = blocking(move || translated(&translating.0, &translating.1, &body.bytes)).await??;
    let Uncounted { model, body, multiplier } = translated;
    let settings = &shared.config.upstream;
    let by_upstream = match settings.count_tokens {
        Counter::Upstream => ask_upstream(&shared, &log, &caller, &model, &body).await,
        Counter::Local | Counter::Chars => None,
    };
    let counted = match (by_upstream, settings.count_tokens) {
        (Some(counted), _) => counted,
        (None, Counter::Chars) => tokens::count_by_chars(&body),
        // The tables of the tokenizer take megabytes and milliseconds.
        (None, Counter::Local | Counter::Upstream) => blocking(move || tokens::count(&body)).await?,
    };
    drop(slot);
    Ok(Json(Count { input_tokens: multiplier.of(counted) }).into_response())
}

/// An upstream's own answer, byte for byte unless counts are multiplied.
fn forwarded(multiplier: Multiplier, (counted, answer): (u64, Bytes)) -> Response {
    if multiplier == Multiplier::default() {
        return json(answer);
    }
    Json(Count { input_tokens: multiplier.of(counted) }).into_response()
}

/// What is to be counted.
struct Uncounted {
    model: String,
    body: translate::Body,
    multiplier: Multiplier,
}

/// The request as it would be sent, so that what is counted is what is paid for.
fn translated(shared: &Shared, log: &Log, body: &[u8]) -> Result<Uncounted, Error> {
    let mut parsed = parse(shared, log, body)?;
    parsed.request.max_tokens = Some(1);
    let (options, _) = options(shared, log, &parsed.request.model, None, &Course::default());
    let body = translate::request(parsed, &options)?.body;
    let multiplier = shared.count_multiplier(&options.model);
    Ok(Uncounted { model: options.model, body, multiplier })
}

/// The upstream's own count; without one the client still gets an answer, and the log says why it is ours.
async fn ask_upstream(
    shared: &Shared,
    log: &Log,
    caller: &Caller,
    model: &str,
    body: &translate::Body,
) -> Option<u64> {
    let by = match (body, shared.config.upstream.quirks.token_counting) {
        (translate::Body::Chat(_), TokenCounting::Nowhere) => return None,
        (translate::Body::Chat(_), TokenCounting::Tokenize) => CountBy::Tokenize,
        (translate::Body::Chat(_), TokenCounting::ApplyTemplate) => CountBy::ApplyTemplate,
        (translate::Body::Responses(_), _) => CountBy::InputTokens,
    };
    let body = match body {
        translate::Body::Chat(body) => serde_json::to_vec(body),
        translate::Body::Responses(body) => serde_json::to_vec(&Countable::from(body)),
    };
    let body = body.ok()?.into();
    let uncounted = upstream::Uncounted { model, body, key: caller.upstream_key.as_ref() };
    match shared.upstream.count_tokens(by, &uncounted).await {
        Ok(counted) => Some(counted),
        Err(error) => {
            tracing::debug!(request.id = log.id(), %error, "the upstream did not count; counting here");
            None
        }
    }
}

/// Keeps what takes long off the threads that serve everybody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::crashed)
}
