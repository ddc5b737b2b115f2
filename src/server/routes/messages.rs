//! `POST /v1/messages`: read, choose the model, translate, ask the upstream, translate back.

mod answer;
mod prepare;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue};

pub(super) use self::prepare::{options, parse};
use self::{
    answer::{local_answer, translate_back, warning},
    prepare::{Prepared, prepare},
};
use crate::{
    server::{
        auth::Caller,
        error::ApiError,
        limits::{self, Slot},
        request_log::Log,
        state::Shared,
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
    let slot = shared.slots.take(&log).await?;
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
    let body = limits::read_body(&head.headers, body, &shared.config.limits, log).await?;
    let prepared = prepare(shared, log, &head.headers, body).await?;
    let mut headers: HeaderMap = warning(&prepared.report).into_iter().collect();
    if prepared.answer_locally {
        let mut response = local_answer(&prepared);
        response.headers_mut().extend(headers);
        return Ok(response);
    }
    let answer = ask(shared, log, caller, &prepared).await?;
    if let Some(id) = upstream_request_id(&answer) {
        headers.insert("x-upstream-request-id", id.clone());
    }
    let told = translate_back(shared, log, caller, prepared, answer, slot).await;
    let mut response = told.unwrap_or_else(ApiError::into_response);
    // What the answer's translation says of losses says those of the request too.
    headers.extend(std::mem::take(response.headers_mut()));
    *response.headers_mut() = headers;
    Ok(response)
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
