//! Where a request goes: to the places of its route, one after the other, until one answers.
//!
//! Each place is a [`Shared`] of its own, with that upstream's settings and the route's model, so that nothing below
//! knows of routes. What an upstream's failures mean for it is decided in [`crate::routing`]. All of it happens before
//! the client has a byte.

use std::{slice, sync::Arc, time::Instant};

use axum::response::Response;
use bytes::Bytes;

use super::{
    auth::Caller,
    error::ApiError,
    request_log::{End, Log},
    state::Shared,
};
use crate::{
    config::routes::Route,
    protocol::anthropic::error::ErrorKind,
    routing::{self, Change, Gate, Verdict},
};

mod asked;

use asked::Facts;

/// A route and the places that it leads to, in order.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) route: Route,
    pub(crate) places: Vec<Arc<Shared>>,
}

/// The places for a request; without a route for it, the one place that everything goes to.
pub(crate) async fn places<'s>(
    shared: &'s Arc<Shared>,
    log: &Log,
    body: &Bytes,
) -> Result<&'s [Arc<Shared>], ApiError> {
    let everything = slice::from_ref(shared);
    if shared.ways.is_empty() {
        return Ok(everything);
    }
    // What cannot be read is told of by whoever has to translate it.
    let Some(facts) = Facts::read(shared, body).await? else { return Ok(everything) };
    let asked = facts.asked();
    let way = shared.ways.iter().find(|way| routing::unmet(&way.route, &asked).is_none());
    let Some(way) = way else { return Ok(everything) };
    log.note(|notes| notes.route = Some(way.route.name.clone()));
    Ok(&way.places)
}

/// One request on its way over its places.
pub(crate) struct Tour<'p> {
    places: &'p [Arc<Shared>],
    log: &'p Log,
    next: usize,
    tried: bool,
}

impl<'p> Tour<'p> {
    pub(crate) fn new(places: &'p [Arc<Shared>], log: &'p Log) -> Self {
        Self { places, log, next: 0, tried: false }
    }

    /// The next place that may be tried now, which then has a place for the request. If all of them have failed lately
    /// the first is tried all the same: somebody must answer.
    ///
    /// # Errors
    /// When the last one that may be tried has as many requests as it may have.
    pub(crate) async fn next(&mut self) -> Result<Option<Trial<'p>>, ApiError> {
        while let Some(place) = self.places.get(self.next) {
            self.next += 1;
            let is_last = self.next == self.places.len();
            let gate = if self.places.len() == 1 { Gate::Open } else { place.breaker.gate(Instant::now()) };
            if gate != Gate::Shut {
                let trial = Trial { place, gate, open: true };
                match place.places.take(&place.config.upstream.name, is_last, self.log).await {
                    Ok(()) => {
                        self.tried = true;
                        return Ok(Some(trial));
                    }
                    Err(full) if is_last => return Err(full),
                    Err(_) => {}
                }
            }
            note_failure(place, self.log);
        }
        let place = self.places.first().filter(|_| !std::mem::replace(&mut self.tried, true));
        let Some(place) = place else { return Ok(None) };
        place.places.take(&place.config.upstream.name, true, self.log).await?;
        Ok(Some(Trial { place, gate: Gate::Open, open: true }))
    }

    /// Notes how it went; whether the next place may do better, if there is one.
    pub(crate) fn goes_on(&self, trial: Trial<'_>, outcome: &Result<Response, ApiError>) -> bool {
        let place = trial.place;
        trial.end(verdict(outcome));
        let goes_on = passes_on(outcome) && self.next < self.places.len();
        if goes_on {
            note_failure(place, self.log);
        }
        goes_on
    }
}

/// A client's own key is for the first upstream, which the client knows, and for no other.
pub(crate) fn for_place(caller: &Caller, shared: &Shared, place: &Shared) -> Caller {
    let mut caller = caller.clone();
    if place.config.upstream.name != shared.config.upstream.name {
        caller.upstream_key = None;
    }
    caller
}

/// A request at a place. If it tried the place out and its client goes away meanwhile, the next one may try.
pub(crate) struct Trial<'p> {
    pub(crate) place: &'p Arc<Shared>,
    gate: Gate,
    open: bool,
}

impl Trial<'_> {
    fn end(mut self, verdict: Verdict) {
        self.open = false;
        let upstream = self.place.config.upstream.name.as_str();
        match self.place.breaker.note(self.gate, verdict, Instant::now()) {
            Some(Change::Ejected) => {
                tracing::warn!(
                    upstream.name = upstream,
                    "the upstream failed five times in a row and is left alone for a while"
                );
            }
            Some(Change::Returned) => tracing::info!(upstream.name = upstream, "the upstream is back"),
            None => {}
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.open {
            self.place.breaker.abandon(self.gate);
        }
    }
}

/// The failure in an outcome; some are told as answers already.
fn failure(outcome: &Result<Response, ApiError>) -> Option<&ApiError> {
    match outcome {
        Ok(response) => response.extensions().get::<ApiError>(),
        Err(failure) => Some(failure),
    }
}

fn verdict(outcome: &Result<Response, ApiError>) -> Verdict {
    match failure(outcome) {
        Some(ApiError { error, end: End::UpstreamError | End::Timeout }) if error.status >= 500 => {
            Verdict::Fails
        }
        _ => Verdict::Works,
    }
}

/// Whether the next place may do better: no connection, too many requests, no credit, a failure of the upstream's
/// own. A refused key is none of these, nor an answer that was paid for and cannot be told: both say
/// `x-should-retry: false`.
fn passes_on(outcome: &Result<Response, ApiError>) -> bool {
    let Some(ApiError { error, end: End::UpstreamError | End::Timeout }) = failure(outcome) else {
        return false;
    };
    let is_own = error.status >= 500 && error.should_retry != Some(false);
    is_own || error.status == 429 || error.kind == ErrorKind::Billing
}

/// Notes for the access line that somebody else had to answer.
fn note_failure(place: &Shared, log: &Log) {
    log.note(|notes| notes.failed.push(place.config.upstream.name.clone()));
}
