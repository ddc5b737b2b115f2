//! A streamed answer: the upstream's bytes in, the client's events out, and the times between them.
//!
//! No task is spawned: the body owns the upstream's body, so a client that goes away ends the call to the
//! upstream with it. Everything that one read of the upstream completes is written at once, and nothing complete
//! is ever held back. Before the first event nothing is answered, so that an early failure still gets a real
//! status; after it a failure is an `error` event.

mod clock;

use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as ByteStream;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{self, Instant};

pub(crate) use self::clock::Pace;
use self::clock::{Alarm, Clock};
use super::{
    error::{ApiError, Mask},
    limits::Slot,
    request_log::{End, Log},
    state::Deadline,
};
use crate::{
    protocol::anthropic::{
        error::{Error, ErrorKind},
        stream::Event,
    },
    sse::{self, Decoder},
    translate::stream::{self, Stream},
    upstream,
};

/// The events of one answer. `S` is the upstream's body.
pub(crate) struct EventBody<S> {
    /// Gone when the answer is over.
    source: Option<S>,
    /// The upstream's body after its last event.
    rest: Option<S>,
    reading: Reading,
    stream: Stream,
    clock: Clock,
    pace: Pace,
    stopping: Deadline,
    /// What [`EventBody::begin`] got.
    first: Option<Bytes>,
    log: Log,
    mask: Mask,
    _slot: Option<Slot>,
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

/// How long the end of the upstream's body is waited for after its last event. It mostly comes with it.
const DRAIN_WITHIN: Duration = Duration::from_millis(100);

/// How the upstream's bytes are read.
enum Reading {
    /// Not known yet.
    Unknown,
    Events(Decoder),
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
    pub(crate) async fn begin(source: S, stream: Stream, setting: Setting) -> Result<Self, ApiError> {
        let mut body = Self {
            source: Some(source),
            rest: None,
            reading: Reading::Unknown,
            stream,
            clock: Clock::start(),
            pace: setting.pace,
            stopping: setting.stopping,
            first: None,
            log: setting.log,
            mask: setting.mask,
            _slot: setting.slot,
        };
        let mut events = Vec::new();
        let mut commit = std::pin::pin!(time::sleep(COMMIT_AFTER));
        while events.is_empty() && body.source.is_some() {
            tokio::select! {
                biased;
                () = body.step(&mut events) => {}
                () = commit.as_mut() => body.stream.start(&mut events),
            }
        }
        if events.iter().all(|event| matches!(event, Event::Error { .. })) {
            let unexplained =
                || Error::new(ErrorKind::Api, "the upstream's stream is empty").with_status(502);
            let error = body.stream.failure().cloned().unwrap_or_else(unexplained);
            return Err(ApiError::upstream(body.mask.error(error)));
        }
        body.first = Some(body.write(events));
        Ok(body)
    }

    /// The next bytes for the client; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.clock.resume();
        while self.source.is_some() {
            let mut events = Vec::new();
            self.step(&mut events).await;
            self.take_ready(&mut events);
            if !events.is_empty() {
                return Some(self.write(events));
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
    async fn step(&mut self, events: &mut Vec<Event>) {
        let Some(source) = &mut self.source else { return };
        let (at, alarm) = self.clock.next_alarm(&self.pace, self.stream.is_started());
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
            Happening::Piece(Some(Ok(bytes))) => self.take(&bytes, events),
            Happening::Piece(Some(Err(error))) => self.broke(error, events),
            Happening::Piece(None) => self.eof(events),
            Happening::Alarm(Alarm::Ping) => events.push(Event::Ping),
            Happening::Alarm(Alarm::Finished) => self.end(stream::End::Eof, events),
            Happening::Alarm(Alarm::Silent) => self.fail(silent(), End::Timeout, events),
            Happening::Stopping => {
                let ApiError { error, end } = ApiError::stopping();
                self.fail(error, end, events);
            }
        }
    }

    /// Takes what is there already: the upstream's HTTP chunks come one by one, however many one read of its
    /// connection brought, and each would cost the client's connection a write.
    fn take_ready(&mut self, events: &mut Vec<Event>) {
        while (1..MAX_EVENTS_AT_ONCE).contains(&events.len()) {
            // A source that is not ready is polled again by `step`, which then wakes this task.
            let Some(piece) = self.source.as_mut().and_then(|source| source.next().now_or_never()) else {
                return;
            };
            match piece {
                Some(Ok(bytes)) => self.take(&bytes, events),
                Some(Err(error)) => self.broke(error, events),
                None => self.eof(events),
            }
        }
    }

    fn take(&mut self, bytes: &Bytes, events: &mut Vec<Event>) {
        let now = Instant::now();
        self.clock.byte = now;
        if matches!(self.reading, Reading::Unknown) {
            // Neither white space nor a byte order mark tells what follows.
            let tells = |byte: &&u8| !byte.is_ascii_whitespace() && !b"\xEF\xBB\xBF".contains(byte);
            match bytes.iter().find(tells) {
                None => return,
                Some(b'{' | b'[') => self.reading = Reading::Whole(Vec::new()),
                Some(_) => self.reading = Reading::events(&self.pace),
            }
        }
        match &mut self.reading {
            Reading::Unknown => {}
            Reading::Whole(whole) => {
                self.clock.data = now;
                if bytes.len() > self.pace.max_whole_bytes - whole.len() {
                    return self.fail(too_long("answer"), End::UpstreamError, events);
                }
                whole.extend_from_slice(bytes);
            }
            Reading::Events(decoder) => {
                let (stream, clock) = (&mut self.stream, &mut self.clock);
                let pushed = decoder.push(bytes, |event| {
                    clock.data = now;
                    stream.push(&event, events);
                });
                if pushed.is_err() {
                    return self.fail(too_long("event"), End::UpstreamError, events);
                }
            }
        }
        if self.stream.is_over() {
            let rest = self.source.take();
            self.end(stream::End::Eof, events);
            self.rest = rest.filter(|_| self.stream.failure().is_none());
        } else if self.stream.is_finishing() {
            self.clock.finishing.get_or_insert(now);
        }
    }

    fn eof(&mut self, events: &mut Vec<Event>) {
        match &mut self.reading {
            Reading::Unknown => {}
            Reading::Events(decoder) => {
                let stream = &mut self.stream;
                decoder.finish(|event| stream.push(&event, events));
            }
            Reading::Whole(whole) => self.stream.push_whole(whole, events),
        }
        self.end(stream::End::Eof, events);
    }

    /// The connection broke. After a finish reason the answer is whole all the same.
    fn broke(&mut self, error: upstream::Error, events: &mut Vec<Event>) {
        if self.stream.is_finishing() {
            return self.eof(events);
        }
        let error = match error {
            upstream::Error::Broken { .. } => {
                Error::new(ErrorKind::Api, "the upstream closed the stream early").with_status(502)
            }
            other => ApiError::from(other).error,
        };
        self.fail(error, End::UpstreamError, events);
    }

    fn fail(&mut self, error: Error, end: End, events: &mut Vec<Event>) {
        self.log.note(|notes| notes.end = Some(end));
        self.end(stream::End::Failed(error), events);
    }

    /// The answer is over, and with it the call to the upstream.
    fn end(&mut self, end: stream::End, events: &mut Vec<Event>) {
        self.stream.finish(end, events);
        self.source = None;
        let failure = self.stream.failure().cloned();
        let end = failure.map_or(End::Complete, |error| ApiError::upstream(error).end);
        self.log.note(|notes| {
            notes.end.get_or_insert(end);
        });
    }

    fn write(&mut self, events: Vec<Event>) -> Bytes {
        let mut bytes = Vec::with_capacity(events.len() * TYPICAL_EVENT_BYTES);
        for mut event in events {
            match &mut event {
                Event::Error { error, request_id } => {
                    *error = self.mask.error(error.clone());
                    *request_id = Some(self.log.id().to_owned());
                }
                Event::ContentBlockStart { .. } => self.log.note_first_content(),
                _ => {}
            }
            sse::encode(event.name(), &event, &mut bytes);
        }
        self.clock.hand_over();
        Bytes::from(bytes)
    }
}

const TYPICAL_EVENT_BYTES: usize = 192;
/// Of one write to the client.
const MAX_EVENTS_AT_ONCE: usize = 256;

impl<S> Drop for EventBody<S> {
    /// However it ended: what it cost and what was lost.
    fn drop(&mut self) {
        let stream = &self.stream;
        self.log.note(|notes| {
            notes.usage = stream.is_started().then(|| stream.usage().clone());
            notes.stop_reason = stream.stop_reason().map(|reason| reason.as_str().to_owned());
            notes.add_lossy(stream.report());
        });
    }
}

impl Reading {
    fn events(pace: &Pace) -> Self {
        Self::Events(Decoder::new(pace.max_event_bytes))
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
