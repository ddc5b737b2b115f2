//! A streamed answer: the upstream's bytes in, the client's events out, and the times between them.
//!
//! No task is spawned: the body owns the upstream's body, so a client that goes away ends the call to the
//! upstream with it. Everything that one read of the upstream completes is written at once, and nothing complete
//! is ever held back. Before the first event nothing is answered, so that an early failure still gets a real
//! status; after it a failure is an `error` event.

mod clock;
mod teller;

use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as ByteStream;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{self, Instant};

use self::{
    clock::{Alarm, Clock},
    teller::TooLong,
};
pub(crate) use self::{
    clock::{FINISH_WITHIN, Pace},
    teller::Teller,
};
use super::{
    error::{ApiError, Mask},
    limits::Slot,
    request_log::{End, Log},
    state::Deadline,
};
use crate::{
    metrics::Held,
    protocol::anthropic::{
        error::{Error, ErrorKind},
        stream::Event,
    },
    translate::{self, stream},
    upstream,
};

/// The events of one answer. `S` is the upstream's body.
pub(crate) struct EventBody<S> {
    /// Gone when the answer is over.
    source: Option<S>,
    /// The upstream's body after its last event.
    rest: Option<S>,
    reading: Reading,
    teller: Teller,
    clock: Clock,
    pace: Pace,
    stopping: Deadline,
    /// When the read came of which nothing was handed over yet.
    read_at: Option<Instant>,
    /// What [`EventBody::begin`] got.
    first: Option<Bytes>,
    /// The length of what was handed over last; what comes next will be about as long.
    expected: usize,
    log: Log,
    mask: Mask,
    _slot: Option<Slot>,
    _counted: Held,
}

/// What else an answer needs.
pub(crate) struct Setting {
    /// The limits of sizes and times.
    pub(crate) pace: Pace,
    /// When the server stops waiting.
    pub(crate) stopping: Deadline,
    pub(crate) log: Log,
    /// What an error must not say.
    pub(crate) mask: Mask,
    /// Kept until the answer is over.
    pub(crate) slot: Option<Slot>,
}

/// How long the answer's head waits for the first event of an upstream that has sent its own.
const COMMIT_AFTER: Duration = Duration::from_secs(10);

/// How long it waits where the upstream has said that it took the request, and so will hardly refuse it.
const COMMIT_AFTER_ACCEPTED: Duration = Duration::from_secs(1);

/// How long the end of the upstream's body is waited for after its last event. It mostly comes with it.
const DRAIN_WITHIN: Duration = Duration::from_millis(100);

/// How the upstream's bytes are read.
enum Reading {
    /// Not known yet.
    Unknown,
    Events,
    /// One JSON text, though a stream was asked for.
    Whole(Vec<u8>),
}

/// What happened.
enum Happening {
    Piece(Option<Result<Bytes, upstream::Error>>),
    Alarm(Alarm),
    Stopping,
}

impl<S> EventBody<S>
where
    S: ByteStream<Item = Result<Bytes, upstream::Error>> + Unpin,
{
    /// Waits for the first event, and returns the body that begins with it.
    ///
    /// # Errors
    /// When the answer failed before there was any event: then a status can still be answered.
    pub(crate) async fn begin(source: S, teller: Teller, setting: Setting) -> Result<Self, ApiError> {
        let mut body = Self {
            source: Some(source),
            rest: None,
            reading: Reading::Unknown,
            teller,
            clock: Clock::start(),
            pace: setting.pace,
            stopping: setting.stopping,
            _counted: setting.log.metrics().streams_open.hold(1),
            read_at: None,
            first: None,
            expected: 0,
            log: setting.log,
            mask: setting.mask,
            _slot: setting.slot,
        };
        let mut out = Vec::new();
        let mut commit = std::pin::pin!(time::sleep(COMMIT_AFTER));
        let mut accepted = false;
        while !body.teller.is_started() && body.source.is_some() {
            tokio::select! {
                biased;
                () = body.step(&mut out) => {}
                () = commit.as_mut() => body.teller.start(&mut out),
            }
            if !accepted && body.clock.has_data() && body.teller.is_accepted_first() {
                accepted = true;
                commit.as_mut().reset(Instant::now() + COMMIT_AFTER_ACCEPTED);
            }
        }
        if !body.teller.is_started() {
            let unexplained =
                || Error::new(ErrorKind::Api, "the upstream's stream is empty").with_status(502);
            let error = body.teller.failure().cloned().unwrap_or_else(unexplained);
            return Err(ApiError::upstream(body.mask.error(error)));
        }
        body.first = Some(body.hand_over(out));
        Ok(body)
    }

    /// The next bytes for the client; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.clock.resume();
        while self.source.is_some() {
            let mut out = Vec::with_capacity(self.expected);
            self.step(&mut out).await;
            self.take_ready(&mut out);
            if !out.is_empty() {
                return Some(self.hand_over(out));
            }
        }
        self.drain().await;
        None
    }

    /// Reads the upstream's body to its end, so that its connection can serve again. The client has all events.
    async fn drain(&mut self) {
        if let Some(rest) = &mut self.rest {
            let ended = async { while rest.next().await.is_some_and(|piece| piece.is_ok()) {} };
            time::timeout(DRAIN_WITHIN, ended).await.ok();
        }
        self.rest = None;
    }

    /// Waits until something happens. Cancelled while it waits, it has done nothing.
    async fn step(&mut self, out: &mut Vec<u8>) {
        let Some(source) = &mut self.source else { return };
        let (at, alarm) = self.clock.next_alarm(&self.pace, self.teller.is_started());
        let happening = if at <= Instant::now() {
            // A source that always has something to say must not keep the alarm from ringing.
            Happening::Alarm(alarm)
        } else {
            tokio::select! {
                biased;
                () = self.stopping.passed() => Happening::Stopping,
                piece = source.next() => Happening::Piece(piece),
                () = time::sleep_until(at) => Happening::Alarm(alarm),
            }
        };
        match happening {
            Happening::Piece(Some(Ok(bytes))) => {
                let now = Instant::now();
                self.read_at = Some(now);
                self.take(&bytes, now, out);
            }
            Happening::Piece(Some(Err(error))) => self.broke(error, out),
            Happening::Piece(None) => self.eof(out),
            Happening::Alarm(Alarm::Ping) => {
                self.log.metrics().pings.count();
                translate::encode(&Event::Ping, out);
            }
            Happening::Alarm(Alarm::Finished) => self.end(stream::End::Eof, out),
            Happening::Alarm(Alarm::Silent) => {
                self.log.metrics().stream_idle_timeouts.count();
                self.fail(silent(), End::Timeout, out);
            }
            Happening::Stopping => {
                let ApiError { error, end } = ApiError::stopping();
                self.fail(error, end, out);
            }
        }
    }

    /// Takes what is there already: the upstream's HTTP chunks come one by one, however many one read of its
    /// connection brought, and each would cost the client's connection a write.
    fn take_ready(&mut self, out: &mut Vec<u8>) {
        let now = Instant::now();
        while (1..MAX_BYTES_AT_ONCE).contains(&out.len()) {
            // A source that is not ready is polled again by `step`, which then wakes this task.
            let Some(piece) = self.source.as_mut().and_then(|source| source.next().now_or_never()) else {
                return;
            };
            match piece {
                Some(Ok(bytes)) => self.take(&bytes, now, out),
                Some(Err(error)) => self.broke(error, out),
                None => self.eof(out),
            }
        }
    }

    fn take(&mut self, bytes: &Bytes, now: Instant, out: &mut Vec<u8>) {
        self.clock.byte = now;
        if matches!(self.reading, Reading::Unknown) {
            // Neither white space nor a byte order mark tells what follows.
            let tells = |byte: &&u8| !byte.is_ascii_whitespace() && !b"\xEF\xBB\xBF".contains(byte);
            match bytes.iter().find(tells) {
                None => return,
                // A web page is no event stream either, and is told as what it is.
                Some(b'{' | b'[' | b'<') => self.reading = Reading::Whole(Vec::new()),
                Some(_) => self.reading = Reading::Events,
            }
        }
        match &mut self.reading {
            Reading::Unknown => {}
            Reading::Whole(whole) => {
                self.clock.note_data(now);
                if bytes.len() > self.pace.max_whole_bytes - whole.len() {
                    return self.fail(too_long("answer"), End::UpstreamError, out);
                }
                whole.extend_from_slice(bytes);
            }
            Reading::Events => match self.teller.push(bytes, out) {
                Ok(has_data) if has_data => self.clock.note_data(now),
                Ok(_) => {}
                Err(TooLong) => {
                    self.log.metrics().too_long_events.count();
                    return self.fail(too_long("event"), End::UpstreamError, out);
                }
            },
        }
        if self.teller.is_over() {
            let rest = self.source.take();
            self.end(stream::End::Eof, out);
            self.rest = rest.filter(|_| self.teller.failure().is_none());
        } else if self.teller.is_finishing() {
            self.clock.finishing.get_or_insert(now);
        }
    }

    fn eof(&mut self, out: &mut Vec<u8>) {
        match &mut self.reading {
            Reading::Unknown => {}
            Reading::Events => self.teller.eof(out),
            Reading::Whole(whole) => self.teller.push_whole(whole, out),
        }
        self.end(stream::End::Eof, out);
    }

    /// The connection broke. After a finish reason the answer is whole all the same.
    fn broke(&mut self, error: upstream::Error, out: &mut Vec<u8>) {
        if self.teller.is_finishing() {
            return self.eof(out);
        }
        let error = match error {
            upstream::Error::Broken { .. } => {
                Error::new(ErrorKind::Api, "the upstream closed the stream early").with_status(502)
            }
            other => ApiError::from(other).error,
        };
        self.fail(error, End::UpstreamError, out);
    }

    fn fail(&mut self, error: Error, end: End, out: &mut Vec<u8>) {
        self.log.note(|notes| notes.end = Some(end));
        self.end(stream::End::Failed(error), out);
    }

    /// The answer is over, and with it the call to the upstream.
    fn end(&mut self, end: stream::End, out: &mut Vec<u8>) {
        self.teller.finish(end, out);
        self.source = None;
        let failure = self.teller.failure().cloned();
        if let Some(error) = &failure {
            let request_id = Some(self.log.id().to_owned());
            let event = Event::Error { error: self.mask.error(error.clone()), request_id };
            translate::encode(&event, out);
        }
        let end = failure.map_or(End::Complete, |error| ApiError::upstream(error).end);
        self.log.note(|notes| {
            notes.end.get_or_insert(end);
        });
    }

    fn hand_over(&mut self, bytes: Vec<u8>) -> Bytes {
        self.expected = bytes.len();
        if self.teller.has_content() {
            self.log.note_first_content();
        }
        if let Some(read_at) = self.read_at.take() {
            self.log.told_in(read_at.elapsed());
        }
        self.clock.hand_over();
        Bytes::from(bytes)
    }
}

/// Of one write to the client.
const MAX_BYTES_AT_ONCE: usize = 32 << 10;

impl<S> Drop for EventBody<S> {
    /// However it ended: what it cost and what was lost.
    fn drop(&mut self) {
        self.log.note(|notes| self.teller.note(notes));
        self.log.metrics().invalid_utf8_events.add(self.teller.invalid_events());
    }
}

fn silent() -> Error {
    let message = "the upstream sent nothing for too long; raise REQUEST_TIMEOUT if its model needs longer";
    Error::new(ErrorKind::Timeout, message)
}

fn too_long(what: &str) -> Error {
    Error::new(ErrorKind::Api, format!("the upstream sent an {what} longer than the gateway's limit"))
        .with_status(502)
}

#[cfg(test)]
mod tests;
