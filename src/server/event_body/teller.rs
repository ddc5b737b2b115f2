//! What the upstream's bytes are to the client: events that were translated, or its own, forwarded.
//!
//! Failures are not written here: the body of the answer tells them, once, with the request's id.

use bytes::Bytes;

use crate::{
    protocol::anthropic::{error::Error, stream::Event},
    server::request_log::Notes,
    sse::Decoder,
    translate::{self, Dialect, messages_forwarded, stream},
};

/// The machine behind a streamed answer.
#[derive(Debug)]
pub(crate) enum Teller {
    /// The upstream speaks another dialect.
    Translated(Box<Translated>),
    /// The upstream speaks the client's.
    Forwarded(Box<messages_forwarded::Stream>),
}

/// Another dialect's events on their way.
#[derive(Debug)]
pub(crate) struct Translated {
    decoder: Decoder,
    stream: stream::Stream,
    /// Reused between pieces.
    events: Vec<Event>,
    /// A content block has begun.
    has_content: bool,
}

/// An event is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Teller {
    /// A translation; the upstream's events may be `max_event_bytes` long.
    pub(crate) fn translated(stream: stream::Stream, max_event_bytes: usize) -> Self {
        let decoder = Decoder::new(max_event_bytes);
        Self::Translated(Box::new(Translated { decoder, stream, events: Vec::new(), has_content: false }))
    }

    /// A stream that is forwarded.
    pub(crate) fn forwarded(stream: messages_forwarded::Stream) -> Self {
        Self::Forwarded(Box::new(stream))
    }

    /// Takes the next bytes of an event stream. Says whether they held data: neither comments nor pings do.
    pub(super) fn push(&mut self, bytes: &Bytes, out: &mut Vec<u8>) -> Result<bool, TooLong> {
        match self {
            Self::Translated(translated) => translated.push(bytes, out),
            Self::Forwarded(stream) => {
                let before = stream.events();
                stream.push(bytes, out);
                Ok(stream.events() > before)
            }
        }
    }

    /// Takes a whole answer where a stream was asked for.
    pub(super) fn push_whole(&mut self, body: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Translated(translated) => {
                translated.tell(out, |stream, events| stream.push_whole(body, events));
            }
            Self::Forwarded(stream) => stream.push_whole(body, out),
        }
    }

    /// The upstream's bytes are over; what was held back comes.
    pub(super) fn eof(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Translated(translated) => {
                let Translated { decoder, stream, events, .. } = &mut **translated;
                decoder.finish(|event| stream.push(&event, events));
                translated.write(out);
            }
            Self::Forwarded(_) => {}
        }
    }

    /// Begins the answer before the upstream has said anything.
    pub(super) fn start(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Translated(translated) => translated.tell(out, stream::Stream::start),
            Self::Forwarded(stream) => stream.start(out),
        }
    }

    /// The answer is over.
    pub(super) fn finish(&mut self, end: stream::End, out: &mut Vec<u8>) {
        match self {
            Self::Translated(translated) => translated.tell(out, |stream, events| stream.finish(end, events)),
            Self::Forwarded(stream) => stream.finish(end, out),
        }
    }

    /// Whether the upstream's body need not be read on.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Translated(translated) => translated.stream.is_over(),
            Self::Forwarded(stream) => stream.is_over(),
        }
    }

    /// Whether the answer is complete but for what may still come within seconds. A forwarded one says its end.
    pub(super) fn is_finishing(&self) -> bool {
        match self {
            Self::Translated(translated) => translated.stream.is_finishing(),
            Self::Forwarded(_) => false,
        }
    }

    /// Whether the answer has begun, so that a failure is told as an event.
    pub(super) fn is_started(&self) -> bool {
        match self {
            Self::Translated(translated) => translated.stream.is_started(),
            Self::Forwarded(stream) => stream.is_started(),
        }
    }

    /// Whether the upstream's first event says no more than that it took the request.
    pub(super) fn is_accepted_first(&self) -> bool {
        matches!(self, Self::Translated(translated) if translated.stream.dialect() == Dialect::Responses)
    }

    /// Whether a content block has begun.
    pub(super) fn has_content(&self) -> bool {
        match self {
            Self::Translated(translated) => translated.has_content,
            Self::Forwarded(stream) => stream.has_content(),
        }
    }

    /// Why there is no whole answer.
    pub(super) fn failure(&self) -> Option<&Error> {
        match self {
            Self::Translated(translated) => translated.stream.failure(),
            Self::Forwarded(stream) => stream.failure(),
        }
    }

    /// Events that held bytes which are no UTF-8. Forwarded bytes are not looked at so closely.
    pub(super) fn invalid_events(&self) -> u64 {
        match self {
            Self::Translated(translated) => translated.decoder.invalid_events(),
            Self::Forwarded(_) => 0,
        }
    }

    /// What the access line says of it.
    pub(super) fn note(&self, notes: &mut Notes) {
        let reason = match self {
            Self::Translated(translated) => {
                let stream = &translated.stream;
                notes.usage = stream.is_started().then(|| stream.usage().clone());
                notes.add_lossy(stream.report());
                stream.stop_reason()
            }
            Self::Forwarded(stream) => {
                notes.usage = stream.usage().cloned();
                stream.stop_reason()
            }
        };
        notes.stop_reason = reason.map(|reason| reason.as_str().to_owned());
    }
}

impl Translated {
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<u8>) -> Result<bool, TooLong> {
        let Self { decoder, stream, events, .. } = self;
        let mut has_data = false;
        let pushed = decoder.push(bytes, |event| {
            has_data = true;
            stream.push(&event, events);
        });
        self.write(out);
        pushed.map(|()| has_data).map_err(|_| TooLong)
    }

    fn tell(&mut self, out: &mut Vec<u8>, tell: impl FnOnce(&mut stream::Stream, &mut Vec<Event>)) {
        tell(&mut self.stream, &mut self.events);
        self.write(out);
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.reserve(self.events.len() * TYPICAL_EVENT_BYTES);
        for event in self.events.drain(..) {
            match event {
                Event::Error { .. } => continue,
                Event::ContentBlockStart { .. } => self.has_content = true,
                _ => {}
            }
            translate::encode(&event, out);
        }
    }
}

const TYPICAL_EVENT_BYTES: usize = 192;
