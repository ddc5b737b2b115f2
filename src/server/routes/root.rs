//! Paths that clients try to see whether anybody is there.

use axum::Json;
use http::StatusCode;
use serde::Serialize;

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

/// `POST /api/event_logging/batch`: Claude Code's telemetry, which ends here unread.
pub(crate) async fn swallow() -> Json<serde_json::Map<String, serde_json::Value>> {
    Json(serde_json::Map::new())
}
