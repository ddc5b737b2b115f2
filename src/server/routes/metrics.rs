//! `GET /metrics`: the numbers for Prometheus, for whoever may ask for an answer, too.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header;

use crate::{
    metrics::exposition::{self, Upstream},
    routing::State as Circuit,
    server::{auth::Caller, state::Shared},
};

/// `GET /metrics`, for whoever has a key.
pub(crate) async fn with_key(_: Caller, shared: State<Arc<Shared>>) -> Response {
    metrics(shared).await
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, exposition::MEDIA_TYPE)], text(&shared)).into_response()
}

/// All numbers.
fn text(shared: &Arc<Shared>) -> String {
    let now = Instant::now();
    let places = shared.ways.iter().flat_map(|way| &way.places);
    // Places of one upstream share its state.
    let states: BTreeMap<&str, u64> = [shared]
        .into_iter()
        .chain(places)
        .map(|place| {
            let circuit = match place.breaker.state(now) {
                Circuit::Closed => 0,
                Circuit::HalfOpen => 1,
                Circuit::Open => 2,
            };
            (place.config.upstream.name.as_str(), circuit)
        })
        .collect();
    let upstreams: Vec<_> = states.into_iter().map(|(name, circuit)| Upstream { name, circuit }).collect();
    exposition::text(&shared.metrics, &upstreams)
}
