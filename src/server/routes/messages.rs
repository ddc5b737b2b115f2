//! `POST /v1/messages`: read, choose the model, translate, ask the upstream, translate back.

mod prepare;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use self::prepare::{Prepared, prepare};
pub(super) use self::prepare::{options, parse};
use crate::{
    protocol::anthropic::{error::Error, response::Message},
    secret,
    server::{
        auth::Caller,
        error::{ApiError, Mask},
        event_body::{EventBody, Pace, Setting},
        limits::{self, Slot},
        request_log::Log,
        state::Shared,
    },
    sse,
    translate::{
        message_explode::explode,
        messages_via_chat::{self, Stream, UpstreamAnswer},
    },
    upstream::{Accept, Answer, Call},
};

/// `POST /v1/messages`.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(log): Extension<Log>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    limits::require_json(request.headers())?;
    let slot = shared.slots.take().await?;
    let mut stopping = shared.stopping.deadline();
    tokio::select! {
        biased;
        answer = exchange(&shared, &log, &caller, request, slot) => answer,
        () = stopping.passed() => Err(ApiError::stopping()),
    }
}

async fn exchange(
    shared: &Arc<Shared>,
    log: &Log,
    caller: &Caller,
    request: Request,
    slot: Slot,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let body = limits::read_body(&head.headers, body, &shared.config.limits).await?;
    let prepared = prepare(shared, log, &head.headers, body).await?;
    let mut headers = HeaderMap::new();
    if let Some(warning) = prepared.report.header().and_then(|names| HeaderValue::try_from(names).ok()) {
        headers.insert("x-aiapiproxy-warning", warning);
    }
    if prepared.answer_locally {
        return Ok(local_answer(&prepared, headers));
    }
    let answer = ask(shared, log, caller, &prepared).await?;
    if let Some(id) = upstream_request_id(&answer) {
        headers.insert("x-upstream-request-id", id.clone());
    }
    let mask = Mask::new([caller.upstream_key.as_ref(), shared.config.upstream.api_key.as_ref()]);
    if !(200..300).contains(&answer.status) {
        let error = refused(shared, answer, caller.upstream_key.is_some()).await;
        return Err(ApiError::upstream(mask.error(error)));
    }
    if prepared.stream {
        let events = stream_events(shared, log, mask, prepared, answer, slot).await?;
        return Ok(event_stream(headers, events));
    }
    let limits = &shared.config.limits;
    let body = answer.body.collect(limits.max_response_size, limits.stream_idle_timeout).await?;
    let (message, report) = messages_via_chat::response(&body, secret::message_id(), prepared.context)
        .map_err(|error| ApiError::upstream(mask.error(error)))?;
    log.note(|notes| {
        notes.usage = Some(message.usage.clone());
        notes.stop_reason = message.stop_reason.as_ref().map(|reason| reason.as_str().to_owned());
        notes.add_lossy(&report);
    });
    Ok(json(headers, &message))
}

async fn ask(shared: &Shared, log: &Log, caller: &Caller, prepared: &Prepared) -> Result<Answer, ApiError> {
    let accept = if prepared.stream { Accept::Events } else { Accept::Json };
    let key = caller.upstream_key.as_ref();
    let call = Call { model: &prepared.model, body: prepared.body.clone(), accept, key };
    let answer = match shared.upstream.chat_completions(&call).await {
        Ok(answer) => answer,
        Err(error) => {
            shared.health.note_error(&error);
            return Err(error.into());
        }
    };
    // A client's own bad key says nothing about the upstream.
    if !(answer.status == 401 && key.is_some()) {
        shared.health.note_status(answer.status);
    }
    let id = upstream_request_id(&answer).and_then(|id| id.to_str().ok()).map(str::to_owned);
    log.note(|notes| {
        notes.retries = Some(answer.retries);
        notes.upstream_request_id = id;
    });
    Ok(answer)
}

fn upstream_request_id(answer: &Answer) -> Option<&HeaderValue> {
    ["x-request-id", "apim-request-id", "request-id"].into_iter().find_map(|name| answer.headers.get(name))
}

/// Translates an answer that is none. Of a long one the beginning says enough.
async fn refused(shared: &Shared, answer: Answer, client_key: bool) -> Error {
    let header = |name: &str| answer.header(name).map(str::to_owned);
    let (status, after, after_ms) = (answer.status, header("retry-after"), header("retry-after-ms"));
    let body = answer.body.prefix(MAX_ERROR_BYTES, ERROR_PATIENCE).await;
    let answer = UpstreamAnswer {
        status,
        retry_after: after.as_deref(),
        retry_after_ms: after_ms.as_deref(),
        now_unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        body: &body,
        client_key,
    };
    messages_via_chat::error(&answer, &shared.config.upstream.name)
}

const MAX_ERROR_BYTES: usize = 64 << 10;
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

async fn stream_events(
    shared: &Shared,
    log: &Log,
    mask: Mask,
    prepared: Prepared,
    answer: Answer,
    slot: Slot,
) -> Result<Body, ApiError> {
    let setting = Setting {
        pace: Pace::from(&shared.config.limits),
        media_type: answer.media_type(),
        stopping: shared.stopping.deadline(),
        log: log.clone(),
        mask,
        slot: Some(slot),
    };
    let stream = Stream::new(secret::message_id(), prepared.context);
    let events = EventBody::begin(answer.body, stream, setting).await?;
    let bytes = futures_util::stream::unfold(events, |mut events| async move {
        let bytes = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), events))
    });
    Ok(Body::from_stream(bytes))
}

/// The answer to `max_tokens: 0`, which only checks the request.
fn local_answer(prepared: &Prepared, headers: HeaderMap) -> Response {
    use crate::protocol::anthropic::response::{StopReason, Usage};
    let usage = Usage { input_tokens: prepared.context.input_estimate, ..Usage::default() };
    let mut message = Message::empty(secret::message_id(), prepared.context.requested_model.clone(), usage);
    message.stop_reason = Some(StopReason::MaxTokens);
    if !prepared.stream {
        return json(headers, &message);
    }
    let mut bytes = Vec::new();
    for event in explode(message) {
        sse::encode(event.name(), &event, &mut bytes);
    }
    event_stream(headers, Body::from(bytes))
}

fn json(mut headers: HeaderMap, message: &Message) -> Response {
    let body = Bytes::from(serde_json::to_vec(message).unwrap_or_default());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    with_headers(headers, Body::from(body))
}

fn event_stream(mut headers: HeaderMap, body: Body) -> Response {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would collect the events otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    with_headers(headers, body)
}

fn with_headers(headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}
