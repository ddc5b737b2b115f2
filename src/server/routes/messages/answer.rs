//! The way back: from the upstream's answer to the client's.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use super::{prepare::Prepared, refusal::Refusal};
use crate::{
    config::{limits::Limits, server::OnLossy},
    protocol::{
        anthropic::{
            error::{Error, ErrorKind},
            response::{Message, StopReason, Usage},
        },
        json,
    },
    secret,
    server::{
        auth::Caller,
        error::{ApiError, Mask},
        event_body::{EventBody, FINISH_WITHIN, Pace, Setting, Teller},
        limits::Slot,
        request_log::Log,
        state::Shared,
    },
    sse,
    translate::{
        self, context::Context, message_explode::explode, report::Report, response::response, stream::Stream,
    },
    upstream::{self, Answer, Progress},
};

/// What came of a request.
pub(super) enum Answered {
    /// An answer, if its body holds one.
    Message(Answer),
    /// None.
    Refusal(Refusal),
}

/// The upstream's answer as the client is told it.
pub(super) async fn translate_back(
    shared: &Shared,
    log: &Log,
    caller: &Caller,
    prepared: Box<Prepared>,
    answered: Answered,
    slot: Slot,
) -> Result<Response, ApiError> {
    let mask = shared.mask.with(caller.upstream_key.as_ref());
    let answer = match answered {
        Answered::Message(answer) => answer,
        Answered::Refusal(refusal) => return refused(shared, log, &mask, &prepared, &refusal),
    };
    let limits = &shared.config.limits;
    if prepared.stream {
        let stream = Stream::new(secret::message_id(), prepared.context);
        let teller = Teller::translated(stream, limits.max_event_size);
        return Ok(event_stream(Box::pin(stream_events(shared, log, mask, teller, answer, slot)).await?));
    }
    let body = collected(answer.body, limits, &prepared.context).await?;
    let Prepared { context, report: mut lost, .. } = *prepared;
    let begun = Instant::now();
    let (message, report) = response(&body, secret::message_id(), context)
        .map_err(|error| ApiError::upstream(mask.error(error)))?;
    log.note(|notes| {
        notes.usage = Some(message.usage.clone());
        notes.stop_reason = message.stop_reason.as_ref().map(|reason| reason.as_str().to_owned());
        notes.add_lossy(&report);
    });
    refuse_losses(shared, &report)?;
    // The headers have not gone yet, so they name what was lost on both ways.
    lost.extend(report);
    let mut response = json(&message, body.len());
    log.told_in(begun.elapsed());
    response.headers_mut().extend(warning(&lost));
    Ok(response)
}

/// The whole body; where stop sequences are looked for, an event stream is left as soon as one is found, so that
/// nobody waits and pays for what follows it.
async fn collected(
    body: upstream::Body,
    limits: &Limits,
    context: &Context,
) -> Result<Bytes, upstream::Error> {
    let (limit, idle) = (limits.max_response_size, limits.stream_idle_timeout);
    if !context.scan_for_stop {
        return body.collect(limit, idle).await;
    }
    Box::pin(collected_until_stop(body, (limit, idle), context)).await
}

async fn collected_until_stop(
    body: upstream::Body,
    (limit, idle): (usize, Duration),
    context: &Context,
) -> Result<Bytes, upstream::Error> {
    let mut stream = Stream::new(String::new(), context.clone());
    let mut decoder = sse::Decoder::new(limit);
    let mut events = Vec::new();
    let progress = |piece: &[u8]| {
        // The decoder's limit is that of the body, which ends the reading.
        let _ = decoder.push(piece, |event| stream.push(&event, &mut events));
        events.clear();
        match () {
            () if stream.is_over() => Progress::Enough(Duration::ZERO),
            () if stream.is_finishing() => Progress::Enough(FINISH_WITHIN),
            () => Progress::Open,
        }
    };
    body.collect_until(limit, idle, progress).await
}

/// The header that names what was lost, if anything was.
pub(super) fn warning(report: &Report) -> Option<(HeaderName, HeaderValue)> {
    let names = HeaderValue::try_from(report.header()?).ok()?;
    Some((HeaderName::from_static("x-aiapiproxy-warning"), names))
}

/// `on_lossy = "refuse"`: an answer that cannot be told whole is none. Asking again would cost the same tokens
/// for the same answer.
fn refuse_losses(shared: &Shared, answer: &Report) -> Result<(), ApiError> {
    if shared.config.server.on_lossy == OnLossy::Warn || !answer.is_lossy() {
        return Ok(());
    }
    let message = format!(
        "the gateway is told to refuse answers of {} that it cannot tell in full (ON_LOSSY): {}",
        shared.config.upstream.name,
        answer.refusal()
    );
    Err(ApiError::upstream(Error::new(ErrorKind::Api, message).with_status(502).with_retry(false)))
}

/// A failure, or the refusal that stands for it.
fn refused(
    shared: &Shared,
    log: &Log,
    mask: &Mask,
    prepared: &Prepared,
    refusal: &Refusal,
) -> Result<Response, ApiError> {
    let upstream = &shared.config.upstream;
    let Some(mut message) = refusal.message(upstream.content_filter, &prepared.context) else {
        return Err(ApiError::upstream(mask.error(refusal.error(&prepared.context))));
    };
    if let Some(explanation) = message.stop_details.as_mut().and_then(|details| details.explanation.as_mut())
    {
        *explanation = mask.text(explanation);
    }
    log.note(|notes| {
        notes.usage = Some(message.usage.clone());
        notes.stop_reason = Some(StopReason::Refusal.as_str().to_owned());
    });
    Ok(whole(prepared.stream, message))
}

/// The bytes of a streamed answer, as soon as it has begun.
pub(super) async fn stream_events(
    shared: &Shared,
    log: &Log,
    mask: Mask,
    teller: Teller,
    answer: Answer,
    slot: Slot,
) -> Result<Body, ApiError> {
    let setting = Setting {
        pace: Pace::from(&shared.config.limits),
        stopping: shared.stopping.deadline(),
        log: log.clone(),
        mask,
        slot: Some(slot),
    };
    let events = EventBody::begin(answer.body, teller, setting).await?;
    let bytes = futures_util::stream::unfold(events, |mut events| async move {
        let bytes = events.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), events))
    });
    Ok(Body::from_stream(bytes))
}

/// The answer to `max_tokens: 0`, which only checks the request.
pub(super) fn local_answer(prepared: &Prepared) -> Response {
    let usage = Usage { input_tokens: prepared.context.input_estimate, ..Usage::default() };
    let mut message = Message::empty(secret::message_id(), prepared.context.requested_model.clone(), usage);
    message.stop_reason = Some(StopReason::MaxTokens);
    whole(prepared.stream, message)
}

/// A message that is known from its beginning to its end.
fn whole(stream: bool, message: Message) -> Response {
    if !stream {
        return json(&message, 0);
    }
    let mut bytes = Vec::new();
    for event in explode(message) {
        translate::encode(&event, &mut bytes);
    }
    event_stream(Body::from(bytes))
}

/// The message as JSON of about so many bytes.
fn json(message: &Message, expected: usize) -> Response {
    match json::to_vec(message, expected + 512) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => {
            let message = format!("the message cannot be written: {error}");
            ApiError::from(Error::new(ErrorKind::Api, message)).into_response()
        }
    }
}

/// The answer that these events are.
pub(super) fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        // nginx would collect the events otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}
