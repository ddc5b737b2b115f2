//! The times of a stream, with a clock that stands still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::stream;
use tokio::sync::mpsc;

use super::*;
use crate::{
    config::limits::Limits,
    server::state::Stopping,
    sse::Decoder,
    translate::{context::Context, stream::Stream},
};

mod forwarded;

type Piece = Result<Bytes, upstream::Error>;

/// An upstream's body that says what the test says, and notes its own drop.
struct Fake {
    pieces: mpsc::UnboundedReceiver<Piece>,
    dropped: Arc<AtomicBool>,
}

impl ByteStream for Fake {
    type Item = Piece;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Piece>> {
        self.pieces.poll_recv(context)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

struct Upstream {
    pieces: mpsc::UnboundedSender<Piece>,
    dropped: Arc<AtomicBool>,
    stopping: Stopping,
}

impl Upstream {
    fn say(&self, bytes: &str) {
        self.pieces.send(Ok(Bytes::from(bytes.to_owned()))).unwrap();
    }

    fn fail(&self) {
        self.pieces.send(Err(upstream::Error::Broken { host: "h".to_owned() })).unwrap();
    }
}

fn translated() -> Teller {
    let stream = Stream::new("msg_1".to_owned(), Context::default());
    Teller::translated(stream, Limits::default().max_event_size)
}

fn pair() -> (Upstream, impl Future<Output = Result<EventBody<Fake>, ApiError>>) {
    pair_with(translated())
}

fn pair_with(teller: Teller) -> (Upstream, impl Future<Output = Result<EventBody<Fake>, ApiError>>) {
    let (sender, pieces) = mpsc::unbounded_channel();
    let dropped = Arc::<AtomicBool>::default();
    let upstream = Upstream { pieces: sender, dropped: Arc::clone(&dropped), stopping: Stopping::default() };
    let setting = Setting {
        pace: Pace::from(&Limits::default()),
        stopping: upstream.stopping.deadline(),
        log: Log::for_test(),
        mask: Mask::default(),
        slot: None,
    };
    (upstream, EventBody::begin(Fake { pieces, dropped }, teller, setting))
}

/// A translation of Responses.
fn of_responses() -> Teller {
    let context = Context { dialect: translate::Dialect::Responses, ..Context::default() };
    Teller::translated(Stream::new("msg_1".to_owned(), context), Limits::default().max_event_size)
}

#[tokio::test(start_paused = true)]
async fn an_answer_begins_a_second_after_its_request_was_taken() {
    let (upstream, begin) = pair_with(of_responses());
    let begun = Instant::now();
    upstream.say("data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n");
    let mut body = begin.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(next(&mut body).await.unwrap(), ["message_start", "ping"]);
    // Time enough for a failure to get a status.
    let (upstream, begin) = pair_with(of_responses());
    upstream.say("data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n");
    let failed = async {
        time::sleep(Duration::from_millis(900)).await;
        upstream.say(
            "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}}}\n\n",
        );
    };
    let (begun, ()) = tokio::join!(begin, failed);
    assert_eq!(begun.err().unwrap().error.status, 429);
}

/// Events that the client has got, by name; an error by its type.
async fn next(body: &mut EventBody<Fake>) -> Option<Vec<String>> {
    let bytes = body.next().await?;
    let mut names = Vec::new();
    let mut decoder = Decoder::new(1 << 20);
    decoder
        .push(&bytes, |event| {
            let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            let kind = data.pointer("/error/type").and_then(serde_json::Value::as_str);
            names.push(kind.map_or_else(|| event.name.to_string(), str::to_owned));
        })
        .unwrap();
    Some(names)
}

fn chunk(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_is_bridged_by_pings_and_then_given_up() {
    let (upstream, begin) = pair();
    upstream.say(&chunk("a"));
    let mut body = begin.await.unwrap();
    assert_eq!(next(&mut body).await.unwrap().last().unwrap(), "content_block_delta");
    let begun = Instant::now();
    for ping in 1..30 {
        assert_eq!(next(&mut body).await.unwrap(), ["ping"]);
        assert_eq!(begun.elapsed().as_secs(), ping * 10);
    }
    assert_eq!(next(&mut body).await.unwrap(), ["timeout_error"]);
    assert_eq!(begun.elapsed().as_secs(), 300);
    assert!(upstream.dropped.load(Ordering::Relaxed));
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn comments_keep_a_stream_alive_but_not_for_ever() {
    let (upstream, begin) = pair();
    upstream.say(&chunk("a"));
    let mut body = begin.await.unwrap();
    next(&mut body).await.unwrap();
    let begun = Instant::now();
    let comments = async {
        loop {
            upstream.say(": still here\n\n");
            time::sleep(Duration::from_secs(100)).await;
        }
    };
    let events = async {
        loop {
            let names = next(&mut body).await.unwrap();
            if names != ["ping"] {
                return names;
            }
        }
    };
    let names = tokio::select! { names = events => names, () = comments => unreachable!() };
    assert_eq!((names.as_slice(), begun.elapsed().as_secs()), (&["timeout_error".to_owned()][..], 600));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_before_the_first_event_for_ten_seconds() {
    let (upstream, begin) = pair();
    upstream.say(": wait\n\n");
    let begun = Instant::now();
    let mut body = begin.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(next(&mut body).await.unwrap(), ["message_start", "ping"]);
}

#[tokio::test(start_paused = true)]
async fn an_early_failure_becomes_a_status() {
    let (upstream, begin) = pair();
    upstream.say("data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n");
    assert_eq!(begin.await.err().unwrap().error.status, 429);
    let (upstream, begin) = pair();
    upstream.fail();
    let failure = begin.await.err().unwrap();
    assert_eq!((failure.error.status, failure.end), (502, End::UpstreamError));
    let (upstream, begin) = pair();
    drop(upstream.pieces);
    assert_eq!(begin.await.err().unwrap().error.status, 502);
}

#[tokio::test(start_paused = true)]
async fn a_break_is_an_error_unless_the_answer_was_whole() {
    let (upstream, begin) = pair();
    upstream.say(&chunk("a"));
    let mut body = begin.await.unwrap();
    next(&mut body).await.unwrap();
    upstream.fail();
    assert_eq!(next(&mut body).await.unwrap(), ["api_error"]);
    let (upstream, begin) = pair();
    upstream.say(&(chunk("a") + FINISH));
    let mut body = begin.await.unwrap();
    next(&mut body).await.unwrap();
    upstream.fail();
    assert_eq!(next(&mut body).await.unwrap().last().unwrap(), "message_stop");
}

#[tokio::test(start_paused = true)]
async fn usage_is_waited_for_two_seconds() {
    let (upstream, begin) = pair();
    upstream.say(&(chunk("a") + FINISH));
    let mut body = begin.await.unwrap();
    next(&mut body).await.unwrap();
    let begun = Instant::now();
    assert_eq!(next(&mut body).await.unwrap().last().unwrap(), "message_stop");
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_late_is_not_the_upstreams_silence() {
    let (upstream, begin) = pair();
    upstream.say(&chunk("a"));
    let mut body = begin.await.unwrap();
    next(&mut body).await.unwrap();
    time::advance(Duration::from_secs(400)).await;
    upstream.say(&chunk("b"));
    assert_eq!(next(&mut body).await.unwrap(), ["content_block_delta"]);
}

#[tokio::test(start_paused = true)]
async fn one_read_is_one_write() {
    let (upstream, begin) = pair();
    upstream.say(&(chunk("a") + &chunk("b") + &chunk("c")[..20]));
    let mut body = begin.await.unwrap();
    let first = next(&mut body).await.unwrap();
    assert_eq!(first.iter().filter(|name| *name == "content_block_delta").count(), 2);
    upstream.say(&chunk("c")[20..]);
    assert_eq!(next(&mut body).await.unwrap(), ["content_block_delta"]);
}

#[tokio::test(start_paused = true)]
async fn one_json_text_becomes_a_stream() {
    let (upstream, begin) = pair();
    let whole = r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
    upstream.say(" \n");
    upstream.say(&whole[..30]);
    upstream.say(&whole[30..]);
    drop(upstream.pieces);
    let mut body = begin.await.unwrap();
    let names = next(&mut body).await.unwrap();
    assert_eq!(
        (names.first().unwrap().as_str(), names.last().unwrap().as_str()),
        ("message_start", "message_stop")
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_the_answer_drops_the_upstream() {
    let (upstream, begin) = pair();
    upstream.say(&chunk("a"));
    drop(begin.await.unwrap());
    assert!(upstream.dropped.load(Ordering::Relaxed));
    let (upstream, begin) = pair();
    let waiting = time::timeout(Duration::from_secs(1), begin).await;
    assert!(waiting.is_err() && upstream.dropped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_is_an_error_event() {
    let (upstream, begin) = pair();
    upstream.say(&chunk("a"));
    let mut body = begin.await.unwrap();
    next(&mut body).await.unwrap();
    upstream.stopping.cut();
    assert_eq!(next(&mut body).await.unwrap(), ["overloaded_error"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_pauses_cannot_hide_its_emptiness() {
    // Time passes with every piece, as it would for an endless flood of comments.
    let flood = stream::unfold((), |()| async {
        time::advance(Duration::from_secs(1)).await;
        Some((Ok(Bytes::from_static(b":\n\n")), ()))
    });
    let setting = Setting {
        pace: Pace::from(&Limits::default()),
        stopping: Stopping::default().deadline(),
        log: Log::for_test(),
        mask: Mask::default(),
        slot: None,
    };
    let mut body = EventBody::begin(Box::pin(flood), translated(), setting).await.unwrap();
    let mut last = Bytes::new();
    while let Some(bytes) = body.next().await {
        last = bytes;
    }
    assert!(String::from_utf8_lossy(&last).contains("timeout_error"));
}
