//! Paths that clients try to see whether anybody is there.

use std::sync::Arc;

use axum::{Extension, Json, body::Body, extract::State};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::server::{error::ApiError, limits, request_log::Log, state::Shared};

/// What `/` says.
#[derive(Debug, Serialize)]
pub(crate) struct Index {
    name: &'static str,
    serves: [&'static str; 4],
}

/// `GET /`.
pub(crate) async fn index() -> Json<Index> {
    let serves = ["POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models", "GET /health"];
    Json(Index { name: "aiapiproxy", serves })
}

/// `HEAD /v1/messages`, by which Claude Code looks for a gateway.
pub(crate) async fn nothing() -> StatusCode {
    StatusCode::OK
}

/// `POST /api/event_logging/batch`: Claude Code's telemetry, which ends here.
pub(crate) async fn swallow(
    State(shared): State<Arc<Shared>>,
    Extension(log): Extension<Log>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<serde_json::Map<String, serde_json::Value>>, ApiError> {
    limits::read_body(&headers, body, &shared.config.limits, &log).await?;
    Ok(Json(serde_json::Map::new()))
}
