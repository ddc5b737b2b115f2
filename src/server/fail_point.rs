//! Fail points: a request may ask for a panic, so that tests can see what becomes of everybody else. Only programs
//! built for tests and debugging have them.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use futures_util::StreamExt as _;
use http::HeaderMap;

/// Where to panic: `handler`, or `body` after its first piece.
const HEADER: &str = "x-aiapiproxy-fail-point";

pub(super) async fn layer(request: Request, next: Next) -> Response {
    assert!(!asks_for(request.headers(), "handler"), "a fail point in a handler");
    let in_body = asks_for(request.headers(), "body");
    let response = next.run(request).await;
    if !in_body {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().enumerate().map(|(index, piece)| {
            assert!(index == 0, "a fail point in a body");
            piece
        }))
    })
}

/// Whether the request wants to fail there.
fn asks_for(headers: &HeaderMap, place: &str) -> bool {
    headers.get(HEADER).is_some_and(|value| value == place)
}
