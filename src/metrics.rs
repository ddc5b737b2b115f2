//! Metrics: what happened so far, and what is going on, as plain numbers.
//!
//! Kept always, since that costs an atomic addition each; how they are told to the outside is not decided here. One
//! [`Metrics`] lives as long as the process, over every reload of the configuration. Labels that clients choose
//! have no place here: every number is named in this file.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

pub mod exposition;
mod family;
mod histogram;

pub use family::{Family, Labels};
pub use histogram::{Histogram, bounds};

/// Every number.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests by route, status and how they ended.
    pub requests_by_route: Family<Counter, 3>,
    /// Requests to an upstream that went wrong there, by its name and how they ended.
    pub upstream_errors: Family<Counter, 2>,
    /// Whole requests, by upstream and how they ended if not well.
    pub request_duration: Family<Histogram, 2>,
    /// The first content, likewise.
    pub first_token: Family<Histogram, 2>,
    /// Each token after the first, likewise.
    pub per_token: Family<Histogram, 2>,
    /// Tokens by upstream and kind.
    pub token_usage: Family<Histogram, 2>,
    /// Client connections that are open.
    pub connections_open: Gauge,
    /// Client connections that were accepted.
    pub connections_accepted: Counter,
    /// Connections that could not be accepted, for want of descriptors mostly.
    pub accept_errors: Counter,
    /// Requests that were through, by how they ended.
    pub requests: Ends,
    /// Requests that have a place, streams among them.
    pub requests_in_flight: Gauge,
    /// Requests that wait for a place.
    pub queue_depth: Gauge,
    /// Bytes of request bodies for which room is reserved.
    pub buffered_bytes: Gauge,
    /// Answers that are streamed at present.
    pub streams_open: Gauge,
    /// Reloads that brought another configuration into force.
    pub reloads: Counter,
    /// Reloads that changed nothing, because what they brought was wrong.
    pub reloads_refused: Counter,
    /// Requests without a valid client key.
    pub auth_failures: Counter,
    /// Requests beyond the limits of their client's key, or of those who have none.
    pub rate_limited: Counter,
    /// Pings that were sent because the upstream was silent.
    pub pings: Counter,
    /// Attempts at the upstream beyond the first of a call, after a wait.
    pub retries: Counter,
    /// Second attempts on a fresh connection, because a kept one had been closed.
    pub stale_connections: Counter,
    /// Retries that were not made because there had been too many.
    pub retries_suppressed: Counter,
    /// Events of upstreams that held bytes which are no UTF-8.
    pub invalid_utf8_events: Counter,
    /// Texts with half a surrogate pair, which became U+FFFD.
    pub surrogates_mended: Counter,
    /// Log lines that were dropped because nobody took them in time.
    pub log_lines_dropped: Counter,
    /// Panics, each of which ended one request only.
    pub panics: Counter,
    /// Input tokens that upstreams counted, cached ones included.
    pub input_tokens: Counter,
    /// Output tokens that upstreams counted.
    pub output_tokens: Counter,
}

/// Requests by how they ended; the names are those of the field `end` in the access log.
#[derive(Debug, Default)]
pub struct Ends {
    /// The answer was whole.
    pub complete: Counter,
    /// The client went away.
    pub client_closed: Counter,
    /// The upstream failed.
    pub upstream_error: Counter,
    /// Somebody took too long.
    pub timeout: Counter,
    /// There was too much to do.
    pub shed: Counter,
    /// The request was wrong, or not allowed.
    pub refused: Counter,
    /// A bug here.
    pub panicked: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many since the start.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// More by so many, until what is returned is dropped.
    pub fn hold(&self, amount: u64) -> Held {
        self.0.fetch_add(amount, Ordering::Relaxed);
        Held { gauge: Arc::clone(&self.0), amount }
    }

    /// How many there are now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A part of a [`Gauge`].
#[derive(Debug)]
#[must_use]
pub struct Held {
    gauge: Arc<AtomicU64>,
    amount: u64,
}

impl Held {
    /// Holds so much more.
    pub fn grow(&mut self, more: u64) {
        self.gauge.fetch_add(more, Ordering::Relaxed);
        self.amount += more;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_and_gauges_come_back() {
        let metrics = Metrics::default();
        metrics.retries.count();
        metrics.input_tokens.add(7);
        let held = metrics.buffered_bytes.hold(100);
        assert_eq!([metrics.retries.get(), metrics.input_tokens.get()], [1, 7]);
        assert_eq!(metrics.buffered_bytes.get(), 100);
        drop(held);
        assert_eq!(metrics.buffered_bytes.get(), 0);
    }
}
