//! How much is let in: bytes of a body, time for it, requests at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use super::{content_encoding::ContentEncoding, error::ApiError, request_log::Log};
use crate::{
    config::limits::Limits,
    metrics::Held,
    protocol::anthropic::error::{Error, ErrorKind},
};

/// Places for requests that are translated, and a short queue before them.
#[derive(Debug)]
pub(crate) struct Slots {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
}

/// A place, given back on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    _counted: Held,
}

/// Waiting longer than this only hides the overload from the client.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl Slots {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            max_waiting: (places / 10).max(1),
        }
    }

    /// Takes a place; waits a second at most, and not behind a full queue.
    pub(crate) async fn take(&self, log: &Log) -> Result<Slot, ApiError> {
        let slot = |permit| Slot { _permit: permit, _counted: log.metrics().requests_in_flight.hold(1) };
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(slot(permit));
        }
        let full = || {
            log.security_event("rate_limited", "all places for concurrent requests are taken");
            ApiError::shed("the gateway is at its limit of concurrent requests; try again in a second")
        };
        let Some(_queued) = Queued::new(&self.waiting, self.max_waiting) else { return Err(full()) };
        match time::timeout(MAX_WAIT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(slot(permit)),
            _ => Err(full()),
        }
    }
}

/// A place in the queue, given back on drop: a waiting client may go away.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn new(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let queued = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The request's content type must be JSON. A missing one is refused too: web pages can send that without
/// asking first.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let full = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/json" || media_type.ends_with("+json") {
        return Ok(());
    }
    Err(Error::invalid_request("content-type must be application/json").with_status(415).into())
}

/// Reads a request's body within the limits of size and time.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
    log: &Log,
) -> Result<Bytes, ApiError> {
    let encoding = ContentEncoding::of(headers)?;
    let announced = announced_length(headers).map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limits.max_request_size) {
        return Err(too_large(limits, log));
    }
    let deadline = time::Instant::now() + limits.body_read_timeout * TOTAL_FACTOR;
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(EAGER_BYTES));
    loop {
        let wait = limits.body_read_timeout.min(deadline - time::Instant::now());
        let frame = match time::timeout(wait, body.frame()).await {
            Err(_) => return Err(too_slow(limits)),
            Ok(None) => return encoding.decode(bytes.freeze(), limits.max_request_size).await,
            Ok(Some(Err(_))) => return Err(broken_off()),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limits.max_request_size - bytes.len() {
            return Err(too_large(limits, log));
        }
        bytes.extend_from_slice(&piece);
    }
}

/// How long the body will be, by its header.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body may take so many times as long as a pause within it.
const TOTAL_FACTOR: u32 = 10;
/// Reserved on a client's word; more only for bytes that came.
const EAGER_BYTES: usize = 64 << 10;

fn too_large(limits: &Limits, log: &Log) -> ApiError {
    log.security_event("body_too_large", "the body is longer than MAX_REQUEST_SIZE");
    let limit = limits.max_request_size;
    let message =
        format!("the request body is longer than the gateway's limit of {limit} bytes (MAX_REQUEST_SIZE)");
    Error::new(ErrorKind::TooLarge, message).into()
}

fn too_slow(limits: &Limits) -> ApiError {
    let seconds = limits.body_read_timeout.as_secs_f64();
    let message = format!("the request body did not arrive: nothing for {seconds} s");
    Error::new(ErrorKind::Timeout, message).with_status(408).into()
}

fn broken_off() -> ApiError {
    Error::invalid_request("the request body broke off or is not framed as HTTP demands").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    async fn read(headers: &HeaderMap, body: &[u8], limit: usize) -> Result<Bytes, u16> {
        let limits = Limits { max_request_size: limit, ..Limits::default() };
        let body = Body::from(body.to_vec());
        read_body(headers, body, &limits, &Log::for_test()).await.map_err(|failure| failure.error.status)
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_the_limit() {
        assert_eq!(read(&HeaderMap::new(), b"1234", 4).await.unwrap(), "1234");
        assert_eq!(read(&HeaderMap::new(), b"12345", 4).await, Err(413));
        assert_eq!(read(&headers("content-length", "5"), b"", 4).await, Err(413));
        assert_eq!(read(&headers("content-length", "99999999999999999999"), b"1", 4).await.unwrap(), "1");
    }

    #[tokio::test]
    async fn encodings_other_than_gzip_are_refused_with_the_code_the_sdks_know() {
        let failure = read_body(
            &headers("content-encoding", "br"),
            Body::empty(),
            &Limits::default(),
            &Log::for_test(),
        )
        .await;
        let error = failure.unwrap_err().error;
        assert_eq!(error.status, 400);
        assert_eq!(error.details.unwrap().error_code, "request_body_encoding_unsupported");
        assert!(read(&headers("content-encoding", "identity"), b"", 4).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_arriving_is_given_up() {
        let silent = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let failure =
            read_body(&HeaderMap::new(), silent, &Limits::default(), &Log::for_test()).await.unwrap_err();
        assert_eq!((failure.error.status, failure.error.kind), (408, ErrorKind::Timeout));
    }

    #[test]
    fn only_json_is_read() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
            assert!(require_json(&headers("content-type", good)).is_ok(), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; x=+json"] {
            assert_eq!(require_json(&headers("content-type", bad)).unwrap_err().error.status, 415, "{bad}");
        }
        assert_eq!(require_json(&HeaderMap::new()).unwrap_err().error.status, 415);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_refused_at_once_and_a_queued_request_after_a_second() {
        let (slots, log) = (Slots::new(1), Log::for_test());
        let first = slots.take(&log).await.unwrap();
        let (queued, refused) = tokio::join!(slots.take(&log), async {
            let begun = time::Instant::now();
            (slots.take(&log).await, begun.elapsed())
        });
        assert_eq!(refused.0.unwrap_err().error.retry_after_seconds, Some(1));
        assert!(refused.1 < Duration::from_millis(1));
        assert_eq!(queued.unwrap_err().error.status, 529);
        drop(first);
        assert!(slots.take(&log).await.is_ok());
    }
}
