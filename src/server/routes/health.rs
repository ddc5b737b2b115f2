//! `/health`, `/health/ready`, `/health/live`: for load balancers and people.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
};
use futures_util::future::join_all;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::query_value;
use crate::{
    config::server::Auth,
    metrics::process,
    server::{
        auth,
        state::{Finding, Shared},
    },
};

/// What `/health` and `/health/live` say.
#[derive(Debug, Serialize)]
pub(crate) struct Live {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
}

/// `GET /health`.
pub(crate) async fn health() -> Json<Live> {
    Json(Live { status: "ok", uptime_seconds: None, memory_bytes: None })
}

/// `GET /health/live`.
pub(crate) async fn live(State(shared): State<Arc<Shared>>) -> Json<Live> {
    Json(Live {
        status: "ok",
        uptime_seconds: Some(shared.started.elapsed().as_secs()),
        memory_bytes: process::resident_bytes(),
    })
}

/// What `/health/ready` says.
#[derive(Debug, Serialize)]
struct Ready {
    status: &'static str,
    upstream: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// For those who have a key.
#[derive(Debug, Serialize)]
struct Details {
    upstreams: Vec<One>,
}

/// One upstream.
#[derive(Debug, Serialize)]
struct One {
    name: String,
    state: &'static str,
    host: String,
    failure: Option<String>,
    checked_seconds_ago: Option<u64>,
}

/// `GET /health/ready`: whether requests should come here. `?upstream=required` makes every upstream count to
/// which requests may go, and asks those of which nothing is known.
pub(crate) async fn ready(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let required = query_value(query.as_deref(), "upstream").as_deref() == Some("required");
    let findings = join_all(upstreams(&shared).map(|place| async move {
        let finding =
            if required { place.health.current(&place.upstream).await } else { place.health.last() };
        one(place, finding)
    }));
    let upstreams = findings.await;
    let any = |state: &str| upstreams.iter().any(|it| it.state == state);
    // Of those who stand by for others nothing may be known.
    let upstream = ["failing", "ok", "unknown"].into_iter().find(|state| any(state)).unwrap_or("unknown");
    let status = match () {
        () if shared.stopping.is_draining() => "draining",
        () if required && upstream != "ok" => "failing",
        () => "ok",
    };
    let server = &shared.config.server;
    // A key that is only passed through proves nothing.
    let checked = server.auth != Auth::Passthrough;
    let known =
        checked && auth::authenticate(server.auth, &server.client_keys, &headers, SystemTime::now()).is_ok();
    let answer = Ready { status, upstream, details: known.then_some(Details { upstreams }) };
    let code = if status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(answer)).into_response()
}

fn word(finding: Option<&Finding>) -> &'static str {
    match finding {
        None => "unknown",
        Some(Finding { failure: None, .. }) => "ok",
        Some(Finding { failure: Some(_), .. }) => "failing",
    }
}

/// Each upstream once, the first one first.
fn upstreams(shared: &Arc<Shared>) -> impl Iterator<Item = &Arc<Shared>> {
    let mut seen = BTreeSet::new();
    let places = shared.ways.iter().flat_map(|way| &way.places);
    [shared].into_iter().chain(places).filter(move |place| seen.insert(&place.config.upstream.name))
}

fn one(place: &Shared, finding: Option<Finding>) -> One {
    let settings = &place.config.upstream;
    One {
        name: settings.name.clone(),
        state: word(finding.as_ref()),
        host: settings.base_url.host_str().unwrap_or_default().to_owned(),
        checked_seconds_ago: finding.as_ref().map(|finding| finding.at.elapsed().as_secs()),
        failure: finding.and_then(|finding| finding.failure),
    }
}
