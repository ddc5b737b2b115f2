//! One line per request: ids, models, status, times, tokens, how it ended. Never a body, never a key.
//!
//! The line is written when the answer's last byte was handed over, or when the client went away before; the
//! drop of [`Line`] does both, so that no way out of a handler can forget it.

mod counts;
mod layer;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::extract::{MatchedPath, Request};
use http::Method;

pub(crate) use self::layer::RecordLayer;
use super::{
    client_address::ClientAddress,
    clients::{Admitted, Client},
    limits::Place,
    sums::{self, Sum, Sums},
};
use crate::{
    metrics::{Counter, Ends, Held, Metrics},
    protocol::anthropic::response::Usage,
    secret,
    telemetry::field,
    translate::report::Report,
};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The answer is whole.
    Complete,
    /// The client went away.
    ClientClosed,
    /// The upstream failed.
    UpstreamError,
    /// Somebody took too long.
    Timeout,
    /// There was too much to do.
    Shed,
    /// The request was wrong, or not allowed.
    Refused,
    /// A bug here.
    Panicked,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientClosed => "client_closed",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::Shed => "shed",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
        }
    }

    const fn counter(self, ends: &Ends) -> &Counter {
        match self {
            Self::Complete => &ends.complete,
            Self::ClientClosed => &ends.client_closed,
            Self::UpstreamError => &ends.upstream_error,
            Self::Timeout => &ends.timeout,
            Self::Shed => &ends.shed,
            Self::Refused => &ends.refused,
            Self::Panicked => &ends.panicked,
        }
    }
}

/// Where requests are written down beside the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) sums: Arc<Sums>,
}

/// What a handler adds to the line. Clones write into the same line.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Entry>);

/// One request in the books.
#[derive(Debug)]
struct Entry {
    id: String,
    client: Option<ClientAddress>,
    started: Instant,
    books: Books,
    notes: Mutex<Notes>,
}

/// What is known of a request beside its head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    pub(crate) client_id: Option<String>,
    /// What the client may do.
    pub(crate) client: Option<Arc<Client>>,
    /// The client's place, and what it will be charged for.
    pub(crate) admitted: Option<Arc<Admitted>>,
    pub(crate) model_requested: Option<String>,
    pub(crate) model_upstream: Option<String>,
    pub(crate) upstream_name: Option<String>,
    /// The requested model and the upstream's, as metrics name them.
    pub(crate) model_labels: Option<[Cow<'static, str>; 2]>,
    /// The place at the upstream that is asked.
    pub(crate) upstream_place: Option<Place>,
    /// What there was too much of, if that is why the request was refused.
    pub(crate) shed: Option<&'static str>,
    /// The gateway's own work before the upstream was asked, over all attempts.
    own_work: Duration,
    /// The route that decided.
    pub(crate) route: Option<String>,
    /// The upstreams that failed before, or were left alone.
    pub(crate) failed: Vec<String>,
    pub(crate) upstream_request_id: Option<String>,
    pub(crate) stream: Option<bool>,
    /// Time to the first content.
    pub(crate) ttft: Option<Duration>,
    pub(crate) usage: Option<Usage>,
    pub(crate) retries: Option<u32>,
    /// Names of what the translation lost.
    pub(crate) lossy: Option<String>,
    /// Why the model stopped.
    pub(crate) stop_reason: Option<String>,
    pub(crate) end: Option<End>,
    status: Option<u16>,
}

impl Notes {
    /// Adds the names of what was lost, hints left out.
    pub(crate) fn add_lossy(&mut self, report: &Report) {
        if let Some(names) = report.header() {
            let before = self.lossy.take().map_or_else(String::new, |before| before + ",");
            self.lossy = Some(before + &names);
        }
    }
}

impl Log {
    fn new(client: Option<ClientAddress>, books: Books) -> Self {
        let (id, started) = (secret::request_id(), Instant::now());
        Self(Arc::new(Entry { id, client, started, books, notes: Mutex::default() }))
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(None, Books::default())
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// Where the request came from.
    pub(crate) fn client_address(&self) -> Option<ClientAddress> {
        self.0.client
    }

    /// Where what happens is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.books.metrics
    }

    /// Adds to the line.
    pub(crate) fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.0.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds what was done since `begun`, without waiting for anybody, before the upstream is asked.
    pub(crate) fn note_own_work(&self, begun: Instant) {
        let worked = begun.elapsed();
        self.note(|notes| notes.own_work += worked);
    }

    /// Counts what it took to tell the client what the upstream sent.
    pub(crate) fn told_in(&self, took: Duration) {
        self.0.books.metrics.overhead.response_chunk.record(took);
    }

    /// Notes that there is too much to do, and tells the log.
    pub(crate) fn shed(&self, why: &'static str, reason: &'static str) {
        self.note(|notes| notes.shed = Some(why));
        self.security_event("rate_limited", reason);
    }

    /// Tells the log of somebody who was refused, and from where and with whose key he came.
    pub(crate) fn security_event(&self, event: &'static str, reason: &'static str) {
        let mut client_id = None;
        self.note(|notes| client_id.clone_from(&notes.client_id));
        tracing::warn!(
            { field::SECURITY_EVENT } = event,
            { field::CLIENT_ADDRESS } = self.0.client.map(tracing::field::display),
            { field::CLIENT_ID } = client_id.as_deref(),
            { field::REQUEST_ID } = self.id(),
            reason,
            "request refused"
        );
    }

    /// Notes that content begins to flow; the first time counts.
    pub(crate) fn note_first_content(&self) {
        let elapsed = self.0.started.elapsed();
        self.note(|notes| {
            notes.ttft.get_or_insert(elapsed);
        });
    }
}

/// The line, written when it is dropped.
struct Line {
    log: Log,
    method: Method,
    route: Option<MatchedPath>,
    /// The conversation's id, if it has one.
    session: Option<String>,
    /// The answer was handed over to its end.
    delivered: bool,
    /// Bytes of the answer that were handed over.
    answer_bytes: u64,
    /// One request at a time is served on a connection.
    _connection: Held,
}

impl Line {
    fn new(request: &Request, log: Log) -> Self {
        Self {
            _connection: log.metrics().connections_active.hold(1),
            log,
            method: request.method().clone(),
            route: request.extensions().get().cloned(),
            session: sums::session(request.headers()).map(str::to_owned),
            delivered: false,
            answer_bytes: 0,
        }
    }

    /// The path of the route, with its placeholders.
    fn route(&self) -> Option<&str> {
        self.route.as_ref().map(MatchedPath::as_str)
    }

    /// What the conversation and the client have used so far, with this request.
    fn so_far(&self, notes: &Notes) -> (Option<Sum>, Option<Sum>) {
        let Some(usage) = &notes.usage else { return (None, None) };
        let more = Sum { input: input_tokens(usage), output: usage.output_tokens };
        let client = notes.client_id.as_deref();
        let session = self.session.as_deref();
        (
            session.map(|session| self.log.0.books.sums.of_session(client, session, more)),
            client.map(|client| self.log.0.books.sums.of_client(client, more)),
        )
    }

    /// Probes ask every few seconds.
    fn is_routine(&self) -> bool {
        self.method == Method::HEAD
            || self.route().is_some_and(|route| route == "/" || route.starts_with("/health"))
    }
}

/// The level must be a constant, so this cannot be a function.
macro_rules! write_line {
    ($level:ident, $line:expr, $notes:expr, $end:expr) => {{
        let (line, notes, end) = ($line, $notes, $end);
        let (session, client) = line.so_far(&notes);
        let usage = notes.usage.as_ref();
        tracing::event!(
            tracing::Level::$level,
            { field::REQUEST_ID } = line.log.id(),
            { field::CLIENT_ID } = notes.client_id.as_deref(),
            { field::CLIENT_ADDRESS } = line.log.0.client.map(tracing::field::display),
            method = line.method.as_str(),
            { field::ROUTE } = line.route().unwrap_or("unknown"),
            { field::MODEL_REQUESTED } = notes.model_requested.as_deref(),
            { field::MODEL_UPSTREAM } = notes.model_upstream.as_deref(),
            { field::UPSTREAM_NAME } = notes.upstream_name.as_deref(),
            { field::ROUTED_BY } = notes.route.as_deref(),
            { field::FAILED_UPSTREAMS } = (!notes.failed.is_empty()).then(|| notes.failed.join(",")),
            { field::UPSTREAM_REQUEST_ID } = notes.upstream_request_id.as_deref(),
            { field::STATUS } = notes.status,
            { field::STREAM } = notes.stream,
            { field::TTFT_MS } = notes.ttft.map(milliseconds),
            { field::DURATION_MS } = milliseconds(line.log.0.started.elapsed()),
            { field::INPUT_TOKENS } = usage.map(input_tokens),
            { field::OUTPUT_TOKENS } = usage.map(|usage| usage.output_tokens),
            { field::CACHED_TOKENS } = usage.map(|usage| usage.cache_read_input_tokens),
            { field::SESSION_ID } = line.session.as_deref(),
            { field::SESSION_INPUT_TOKENS } = session.map(|sum| sum.input),
            { field::SESSION_OUTPUT_TOKENS } = session.map(|sum| sum.output),
            { field::CLIENT_INPUT_TOKENS } = client.map(|sum| sum.input),
            { field::CLIENT_OUTPUT_TOKENS } = client.map(|sum| sum.output),
            { field::RETRIES } = notes.retries,
            stop_reason = notes.stop_reason.as_deref(),
            lossy = notes.lossy.as_deref(),
            { field::END } = end.as_str(),
            "request"
        );
    }};
}
impl Drop for Line {
    fn drop(&mut self) {
        let mut notes = std::mem::take(&mut *self.log.0.notes.lock().unwrap_or_else(PoisonError::into_inner));
        // Who reads the line may count on it.
        drop(notes.upstream_place.take());
        let end = notes.end.unwrap_or(if self.delivered { End::Complete } else { End::ClientClosed });
        self.count(&notes, end);
        if let Some(admitted) = &notes.admitted {
            let gone = end == End::ClientClosed && notes.model_upstream.is_some();
            admitted.settle(notes.usage.as_ref(), gone || notes.status == Some(200), self.answer_bytes);
        }
        if self.is_routine() {
            write_line!(DEBUG, self, notes, end);
        } else {
            write_line!(INFO, self, notes, end);
        }
    }
}

/// Cached ones included.
fn input_tokens(usage: &Usage) -> u64 {
    usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
