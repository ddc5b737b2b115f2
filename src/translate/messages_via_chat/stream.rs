//! Streams: stub.
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::response::{StopReason, Usage};
use crate::protocol::anthropic::stream::Event;
use crate::sse;
use crate::translate::context::Context;
use crate::translate::report::Report;

/// How the upstream's body ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The body was over. Whether the answer is whole is decided by what it said: `[DONE]` or a `finish_reason`.
    Eof,
    /// Reading failed, a limit was exceeded, or the program stops.
    Failed(Error),
}

/// The translation of one streamed answer: events of the upstream in, events for the client out.
#[derive(Debug)]
pub struct Stream {
    report: Report,
    usage: Usage,
}

impl Stream {
    /// A stream whose message has that id.
    pub fn new(message_id: String, context: Context) -> Self {
        let _ = (message_id, context);
        Self { report: Report::default(), usage: Usage::default() }
    }

    /// Takes one event of the upstream. Total: whatever it holds, what comes out is a legal stream.
    pub fn push(&mut self, event: &sse::Event<'_>, events: &mut Vec<Event>) {
        let _ = (event, events, self);
    }

    /// Takes a whole completion where a stream was asked for (some servers ignore `stream`).
    pub fn push_whole(&mut self, body: &[u8], events: &mut Vec<Event>) {
        let _ = (body, events, self);
    }

    /// Begins the message before the upstream has said anything, for clients that must see a sign of life.
    pub fn start(&mut self, events: &mut Vec<Event>) {
        let _ = (events, self);
    }

    /// The upstream's body is over. Idempotent; always leaves a well-formed stream: `message_stop` after a whole
    /// answer, an `error` event after a broken one.
    pub fn finish(&mut self, end: End, events: &mut Vec<Event>) {
        let _ = (end, events, self);
    }

    /// Whether nothing more will be said, so that the upstream's body need not be read on: `[DONE]`, a failure or
    /// a matched stop sequence came. [`Stream::finish`] must still be called.
    pub fn is_over(&self) -> bool {
        false
    }

    /// Whether the answer is complete but for usage, which may still come: wait for it two seconds at most.
    pub fn is_finishing(&self) -> bool {
        false
    }

    /// Whether an event has been handed out.
    pub fn is_started(&self) -> bool {
        false
    }

    /// The failure, if the stream failed. Before [`Stream::is_started`] it is to be answered with its status
    /// instead of an event; then the events hold nothing but it.
    pub fn failure(&self) -> Option<&Error> {
        None
    }

    /// Tokens so far, as far as they are known.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Why the model stopped, once it has.
    pub fn stop_reason(&self) -> Option<&StopReason> {
        None
    }

    /// What was lost so far.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
