//! Metrics: what happened so far, and what is going on, as plain numbers.
//!
//! Kept always, since that costs an atomic addition each; how they are told to the outside is not decided here. One
//! [`Metrics`] lives as long as the process, over every reload of the configuration. Labels that clients choose
//! have no place here: every number is named in this file.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

pub mod exposition;
mod family;
mod histogram;
mod of_models;
pub mod process;

pub use family::{Family, Labels};
pub use histogram::{Histogram, bounds};
pub use of_models::{Times, Tokens};

/// Every number.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests by route, status and how they ended.
    pub requests_by_route: Family<Counter, 3>,
    /// Requests to an upstream that went wrong there, by its name and how they ended.
    pub upstream_errors: Family<Counter, 2>,
    /// Times of requests to an upstream, by its name, the requested model, the upstream's, and how they ended if not
    /// well. Of models only those that the configuration names are told apart.
    pub times: Family<Times, 4>,
    /// Tokens of such requests, by upstream, requested model and the upstream's.
    pub tokens: Family<Tokens, 3>,
    /// The gateway's own work.
    pub overhead: Overhead,
    /// Client connections that are open.
    pub connections_open: Gauge,
    /// Client connections that were accepted.
    pub connections_accepted: Counter,
    /// Connections that could not be accepted, for want of descriptors mostly.
    pub accept_errors: Counter,
    /// Client connections on which a request is being served.
    pub connections_active: Gauge,
    /// Requests that were through, by how they ended.
    pub requests: Ends,
    /// Requests that were refused because there was too much to do, by [`reason::SHED`].
    pub shed: Family<Counter, 1>,
    /// Requests whose client went away, by [`reason::CANCELLED`].
    pub cancelled: Family<Counter, 1>,
    /// Streams that ended because the upstream was silent for too long.
    pub stream_idle_timeouts: Counter,
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
    /// When a configuration came into force last, in seconds since 1970.
    pub configured_at: Timestamp,
    /// Requests without a valid client key.
    pub auth_failures: Counter,
    /// Requests beyond the limits of their client's key, by its id; of those who have none, by an empty one.
    pub rate_limited: Family<Counter, 1>,
    /// Pings that were sent because the upstream was silent.
    pub pings: Counter,
    /// Attempts at the upstream beyond the first of a call, by the reason: what the upstream answered, or
    /// [`reason::NOT_CONNECTED`].
    pub retries: Family<Counter, 1>,
    /// Second attempts on a fresh connection, because a kept one had been closed.
    pub stale_connections: Counter,
    /// Retries that were not made because there had been too many.
    pub retries_suppressed: Counter,
    /// Events of upstreams that held bytes which are no UTF-8.
    pub invalid_utf8_events: Counter,
    /// Events of upstreams that were longer than the limit.
    pub too_long_events: Counter,
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

/// What the gateway itself costs: neither the upstream's time nor the client's.
#[derive(Debug)]
pub struct Overhead {
    /// From a request's whole body to what is sent to the upstream: reading, routing, translating. Once for each
    /// request, over all its attempts.
    pub request: Histogram,
    /// From what one read of the upstream brought to what is handed over to the client.
    pub response_chunk: Histogram,
}

impl Default for Overhead {
    fn default() -> Self {
        let new = || Histogram::new(bounds::OVERHEAD);
        Self { request: new(), response_chunk: new() }
    }
}

/// Values of labels, so that series are there before something happens.
pub mod reason {
    /// All places for requests are taken.
    pub const CONCURRENCY: &str = "concurrency";
    /// All room for request bodies is taken.
    pub const MEMORY: &str = "memory";
    /// All places of the upstream are taken.
    pub const UPSTREAM: &str = "upstream_concurrency";
    /// The gateway stops.
    pub const STOPPING: &str = "stopping";
    /// Why requests are shed.
    pub const SHED: [&str; 4] = [CONCURRENCY, UPSTREAM, MEMORY, STOPPING];

    /// Before the upstream was asked.
    pub const RECEIVING: &str = "receiving";
    /// While nothing of the answer had come.
    pub const WAITING: &str = "waiting";
    /// In the middle of the answer.
    pub const STREAMING: &str = "streaming";
    /// When clients go away.
    pub const CANCELLED: [&str; 3] = [RECEIVING, WAITING, STREAMING];

    /// There was no connection to the upstream.
    pub const NOT_CONNECTED: &str = "not_connected";
    /// Another key of the upstream is tried, after 429.
    pub const ANOTHER_KEY: &str = "another_key";
    /// Why the upstream is tried again.
    pub const RETRIED: [&str; 8] = ["429", "500", "502", "503", "504", "529", NOT_CONNECTED, ANOTHER_KEY];
}

/// A point in time, to the second; 0 before it is set.
#[derive(Debug, Default)]
pub struct Timestamp(AtomicU64);

impl Timestamp {
    /// Sets it to the present.
    pub fn set_to_now(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.store(since.as_secs(), Ordering::Relaxed);
    }

    /// Seconds since 1970.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
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
        metrics.pings.count();
        metrics.input_tokens.add(7);
        let held = metrics.buffered_bytes.hold(100);
        assert_eq!([metrics.pings.get(), metrics.input_tokens.get()], [1, 7]);
        assert_eq!(metrics.buffered_bytes.get(), 100);
        drop(held);
        assert_eq!(metrics.buffered_bytes.get(), 0);
    }
}
