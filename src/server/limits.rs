//! How much is let in: bytes of a body, time for it, requests at once.

mod places;
mod room;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

pub(crate) use self::{
    places::{Place, Places},
    room::{Room, Share},
};
use super::{content_encoding::ContentEncoding, error::ApiError, request_log::Log};
use crate::{
    config::limits::Limits,
    metrics::{Held, reason},
    protocol::{
        anthropic::error::{Error, ErrorKind},
        json,
    },
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
            log.shed(reason::CONCURRENCY, "all places for concurrent requests are taken");
            ApiError::shed("the gateway is at its limit of concurrent requests; try again in a second")
        };
        let Some(_queued) = Queued::new(&self.waiting, self.max_waiting) else { return Err(full()) };
        let _counted = log.metrics().queue_depth.hold(1);
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

/// The failure of a request whose head is too long. hyper looks only when its buffer is full, which may hold twice as
/// much.
pub(crate) fn head_too_long(request: &Request<impl Sized>, max_bytes: usize) -> Option<ApiError> {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, str::len);
    (target + lines.sum::<usize>() > max_bytes).then(|| {
        let message = format!("the request's head is longer than {max_bytes} bytes (limits.max_header_size)");
        Error::invalid_request(message).with_status(431).into()
    })
}

/// The request's content type must be JSON. A missing one is refused too: web pages can send that without
/// asking first.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let full = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = full.split(';').next().unwrap_or_default().trim();
    let suffix = media_type.rsplit_once('+').map(|(_, suffix)| suffix);
    if media_type.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"))
    {
        return Ok(());
    }
    Err(Error::invalid_request("content-type must be application/json").with_status(415).into())
}

/// A request's body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) bytes: Bytes,
    _share: Share,
}

/// Reads a request's body within the limits of size, time and memory.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
    room: &Room,
    log: &Log,
) -> Result<Buffered, ApiError> {
    let encoding = ContentEncoding::of(headers)?;
    let announced = announced_length(headers).map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limits.max_request_size) {
        return Err(too_large(limits, log));
    }
    let deadline = time::Instant::now() + limits.body_total_timeout;
    let most = if encoding == ContentEncoding::Identity { announced } else { None };
    let most = most.unwrap_or(limits.max_request_size);
    let mut share = Share::default();
    room.cover(&mut share, 0, most, log).await?;
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(EAGER_BYTES));
    loop {
        let wait = limits.body_read_timeout.min(deadline - time::Instant::now());
        let frame = match time::timeout(wait, body.frame()).await {
            Err(_) if wait < limits.body_read_timeout => return Err(too_slow_in_all(limits)),
            Err(_) => return Err(too_slow(limits)),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(broken_off()),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limits.max_request_size - bytes.len() {
            return Err(too_large(limits, log));
        }
        room.cover(&mut share, bytes.len() + piece.len(), most, log).await?;
        if bytes.capacity() < bytes.len() + piece.len() {
            // Growing by and by would copy it as often, and hold two copies meanwhile.
            bytes.reserve(announced.unwrap_or(0).saturating_sub(bytes.len()).max(piece.len()));
        }
        bytes.extend_from_slice(&piece);
    }
    if encoding != ContentEncoding::Identity {
        // What it unpacks to is known afterwards only.
        room.cover(&mut share, bytes.len() + limits.max_request_size, usize::MAX, log).await?;
    }
    let bytes = encoding.decode(bytes.freeze(), limits.max_request_size).await?;
    check_depth(&bytes, limits)?;
    Ok(Buffered { bytes, _share: share })
}

/// The parser has the greatest depth that can be set as its own limit.
fn check_depth(body: &[u8], limits: &Limits) -> Result<(), ApiError> {
    if limits.max_json_depth < json::MAX_DEPTH {
        json::scan_within(body, limits.max_json_depth)
            .map_err(|error| Error::invalid_request(format!("{error} (limits.max_json_depth)")))?;
    }
    Ok(())
}

/// How long the body will be, by its header.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reserved on a client's word, and all that it announced once so much has come: an agent's body fits mostly. What is
/// not filled costs no memory.
const EAGER_BYTES: usize = 256 << 10;

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

fn too_slow_in_all(limits: &Limits) -> ApiError {
    let seconds = limits.body_total_timeout.as_secs_f64();
    let message = format!("the request body did not arrive within {seconds} s (limits.body_total_timeout)");
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
        let read = read_body(headers, body, &limits, &Room::new(1 << 20), &Log::for_test()).await;
        read.map(|body| body.bytes).map_err(|failure| failure.error.status)
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
            &Room::new(1 << 20),
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
        let (room, log) = (Room::new(1 << 20), Log::for_test());
        let failure =
            read_body(&HeaderMap::new(), silent, &Limits::default(), &room, &log).await.unwrap_err();
        assert_eq!((failure.error.status, failure.error.kind), (408, ErrorKind::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_in_the_end() {
        let drop = async |()| {
            time::sleep(Duration::from_secs(20)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        };
        let trickle = Body::from_stream(futures_util::stream::unfold((), drop));
        let (begun, log) = (time::Instant::now(), Log::for_test());
        let limits = Limits::default();
        let read = read_body(&HeaderMap::new(), trickle, &limits, &Room::new(1 << 20), &log).await;
        assert_eq!(read.unwrap_err().error.status, 408);
        assert_eq!(begun.elapsed(), limits.body_total_timeout);
    }

    #[tokio::test]
    async fn depth_can_be_limited_further() {
        let limits = Limits { max_json_depth: 8, ..Limits::default() };
        let (headers, room, log) = (HeaderMap::new(), Room::new(1 << 20), Log::for_test());
        let read = async |text: String| {
            let read = read_body(&headers, text.into(), &limits, &room, &log).await;
            read.map_err(|failure| (failure.error.status, failure.error.message))
        };
        assert!(read("[".repeat(8)).await.is_ok());
        let (status, message) = read("[".repeat(9)).await.unwrap_err();
        assert!(status == 400 && message.contains("deeper than 8"), "{message}");
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
