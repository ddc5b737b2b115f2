//! `POST /v1/messages/count_tokens`: how many input tokens a request has, counted here.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde::Serialize;

use super::messages::{Course, options, parse};
use crate::{
    protocol::anthropic::error::Error,
    server::{error::ApiError, limits, request_log::Log, state::Shared},
    translate::{self, tokens},
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
    request: Request,
) -> Result<Json<Count>, ApiError> {
    limits::require_json(request.headers())?;
    let slot = shared.slots.take(&log).await?;
    let (head, body) = request.into_parts();
    let body = limits::read_body(&head.headers, body, &shared.config.limits, &shared.room, &log).await?;
    // The tables of the tokenizer take megabytes and milliseconds.
    let counted = tokio::task::spawn_blocking(move || {
        let mut parsed = parse(&shared, &log, &body.bytes)?;
        parsed.request.max_tokens = Some(1);
        let (options, _) = options(&shared, &log, &parsed.request.model, None, &Course::default());
        let translated = translate::request(parsed, &options)?;
        drop((slot, body));
        Ok(tokens::count(&translated.body))
    });
    let counted = counted.await.map_err(ApiError::crashed)?;
    let input_tokens = counted.map_err(|error: Error| ApiError::from(error))?;
    Ok(Json(Count { input_tokens }))
}
