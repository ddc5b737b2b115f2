//! `POST /v1/messages`: read, choose the model, translate, ask the upstream, translate back.

mod answer;
mod course;
mod early;
mod forward;
mod prepare;
mod refusal;

use std::{sync::Arc, time::Instant};

use axum::{
    Extension,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

use self::{
    answer::{Answered, local_answer, translate_back, warning},
    prepare::{Plan, Prepared, prepare},
    refusal::Refusal,
};
pub(super) use self::{
    course::Course,
    forward::json,
    prepare::{open, options, parse},
};
use crate::{
    server::{
        auth::Caller,
        clients,
        dispatch::{self, Tour},
        error::ApiError,
        limits::{self, Slot},
        request_log::Log,
        state::Shared,
    },
    translate::Dialect,
    upstream::{Accept, Answer, Call, Endpoint},
};

/// `POST /v1/messages`.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(log): Extension<Log>,
    caller: Caller,
    request: Request,
) -> Response {
    clients::admit(&log, &caller, request, async |request| {
        answer(&shared, &log, &caller, request).await.unwrap_or_else(ApiError::into_response)
    })
    .await
}

async fn answer(
    shared: &Arc<Shared>,
    log: &Log,
    caller: &Caller,
    request: Request,
) -> Result<Response, ApiError> {
    limits::require_json(request.headers())?;
    let slot = shared.slots.take(log).await?;
    let mut stopping = shared.stopping.deadline();
    tokio::select! {
        biased;
        answer = exchange(shared, log, caller, request, slot) => answer,
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
    let body = limits::read_body(&head.headers, body, &shared.config.limits, &shared.room, log).await?;
    let begun = Instant::now();
    let places = dispatch::places(shared, log, &body.bytes).await?;
    log.note_own_work(begun);
    let limits = &shared.config.limits;
    let Some(commit_after) = limits.commit_after else {
        return tour(shared, log, caller, places, &head, &body.bytes, slot).await;
    };
    let (ping, stopping) = (limits.ping_interval, shared.stopping.deadline());
    let pace = early::Pace { commit_after, ping, stopping };
    let bytes = body.bytes.clone();
    let answer = {
        let (shared, log, caller) = (Arc::clone(shared), log.clone(), caller.clone());
        let places = places.to_vec();
        async move { tour(&shared, &log, &caller, &places, &head, &body.bytes, slot).await }
    };
    early::begin(&bytes, Box::pin(answer), pace, log).await
}

/// Asks one upstream after the other.
async fn tour(
    shared: &Arc<Shared>,
    log: &Log,
    caller: &Caller,
    places: &[Arc<Shared>],
    head: &Parts,
    body: &Bytes,
    slot: Slot,
) -> Result<Response, ApiError> {
    let mut tour = Tour::new(places, log);
    let (mut slot, mut last) = (Some(slot), None);
    while let Some(trial) = tour.next().await? {
        let slot = match slot.take() {
            Some(slot) => slot,
            None => shared.slots.take(log).await?,
        };
        let caller = dispatch::for_place(caller, shared, trial.place);
        let answer = attempt(trial.place, log, &caller, head, body, slot).await;
        let goes_on = tour.goes_on(trial, &answer);
        last = Some(answer);
        if !goes_on {
            break;
        }
    }
    last.unwrap_or_else(|| Err(ApiError::stopping()))
}

/// Asks one upstream.
async fn attempt(
    shared: &Arc<Shared>,
    log: &Log,
    caller: &Caller,
    head: &Parts,
    body: &Bytes,
    slot: Slot,
) -> Result<Response, ApiError> {
    let mut course = Course::default();
    loop {
        let begun = Instant::now();
        let plan = prepare(shared, log, &head.headers, body.clone(), course.clone()).await;
        log.note_own_work(begun);
        let prepared = match plan? {
            Plan::Translate(prepared) => prepared,
            Plan::Forward(forward) => {
                let mut headers: HeaderMap = warning(&forward.report).into_iter().collect();
                let (mut response, id) = Box::pin(forward.exchange(shared, log, caller, head, slot)).await?;
                headers.extend(id.map(|id| (UPSTREAM_REQUEST_ID, id)));
                response.headers_mut().extend(headers);
                return Ok(response);
            }
        };
        let mut headers: HeaderMap = warning(&prepared.report).into_iter().collect();
        if prepared.answer_locally {
            let mut response = local_answer(&prepared);
            response.headers_mut().extend(headers);
            return Ok(response);
        }
        let answer = ask(shared, log, &call(caller, &prepared), course.retries()).await?;
        if let Some(id) = upstream_request_id(&answer) {
            headers.insert(UPSTREAM_REQUEST_ID, id.clone());
        }
        let answered = if (200..300).contains(&answer.status) {
            course.keep(&shared.lessons, &prepared.model);
            Answered::Message(answer)
        } else {
            let refusal = Box::pin(Refusal::read(answer, caller.upstream_key.is_some())).await;
            let remedy = refusal.remedy(&prepared.context);
            if remedy.is_some_and(|remedy| course.take_up(remedy, &prepared.known)) {
                continue;
            }
            Answered::Refusal(refusal)
        };
        let told = translate_back(shared, log, caller, prepared, answered, slot).await;
        let mut response = told.unwrap_or_else(ApiError::into_response);
        // What the answer's translation says of losses says those of the request too.
        headers.extend(std::mem::take(response.headers_mut()));
        *response.headers_mut() = headers;
        return Ok(response);
    }
}

const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// What a translated request asks of the upstream.
fn call<'a>(caller: &'a Caller, prepared: &'a Prepared) -> Call<'a> {
    let streamed = prepared.stream || prepared.context.scan_for_stop;
    let accept = if streamed { Accept::Events } else { Accept::Json };
    let endpoint = match prepared.context.dialect {
        Dialect::Chat => Endpoint::ChatCompletions,
        Dialect::Responses => Endpoint::Responses,
    };
    let key = caller.upstream_key.as_ref();
    Call { key, ..Call::new(endpoint, &prepared.model, prepared.body.clone(), accept) }
}

/// Asks, and notes how the upstream is. `remedies` counts the calls for the same request before this one.
async fn ask(shared: &Shared, log: &Log, call: &Call<'_>, remedies: u32) -> Result<Answer, ApiError> {
    let answer = match shared.upstream.post(call).await {
        Ok(answer) => answer,
        Err(error) => {
            shared.health.note_error(&error);
            return Err(error.into());
        }
    };
    // A client's own bad key says nothing about the upstream.
    if !(answer.status == 401 && call.key.is_some()) {
        shared.health.note_status(answer.status);
    }
    let id = upstream_request_id(&answer).and_then(|id| id.to_str().ok()).map(str::to_owned);
    log.note(|notes| {
        // Each remedy is one more try, beside those of the calls before.
        let before = notes.retries.filter(|_| remedies > 0).map_or(0, |before| before + 1);
        notes.retries = Some(before + answer.retries);
        notes.upstream_request_id = id;
    });
    Ok(answer)
}

fn upstream_request_id(answer: &Answer) -> Option<&HeaderValue> {
    const NAMES: [HeaderName; 3] = [
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("apim-request-id"),
        HeaderName::from_static("request-id"),
    ];
    NAMES.iter().find_map(|name| answer.headers.get(name))
}
