//! Streams: the upstream's bytes in, the client's bytes out.
//!
//! Every event goes on as soon as it is whole, byte for byte, comments and pings too. Changed are: the model in
//! `message_start`; events without a name, which both official SDKs would ignore, get the one that their `type` says;
//! a byte order mark and `data: [DONE]` go. Only `message_start`, `message_delta` and nameless events are looked into.
//!
//! ```text
//!            first event but ping            message_stop
//!  Waiting ───────────────────────▶ Running ─────────────▶ Over
//!     │                                │
//!     └────────────────────────────────┴── error, early end ──▶ Over with a failure
//! ```
//!
//! A failure is not written here: who asked for the stream writes the `error` event, with the request's id, or answers
//! with a status where nothing has begun.

use super::error::in_band;
use super::response::{is_failure, message, stop_reason};
use super::retold;
use super::splice::{Splices, place};
use super::usage::overlay;
use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::anthropic::response::{StopReason, Usage};
use crate::sse::{self, lines};
use crate::translate::json_object::{Members, quoted};
use crate::translate::stream::End;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Events that mean nothing, and that are dropped before the stream counts as broken.
const MAX_GARBLED: u32 = 8;
/// Bytes of comments and pings before the first event that are kept back from an answer that could still fail.
const MAX_QUIET_BYTES: usize = 4 << 10;

/// One streamed answer on its way through.
#[derive(Debug)]
pub struct Stream {
    requested_model: String,
    upstream: String,
    blocks: Option<lines::Blocks>,
    state: State,
}

/// What is known of the answer so far.
#[derive(Debug, Default)]
struct State {
    /// The block before went on, so what belongs to it does.
    passing: bool,
    /// Bytes that went on before the first event.
    quiet_bytes: usize,
    started: bool,
    /// A content block has begun.
    has_content: bool,
    over: bool,
    /// Events other than pings.
    events: u64,
    garbled: u32,
    usage: Option<Usage>,
    stop_reason: Option<StopReason>,
    failure: Option<Error>,
}

impl Stream {
    /// A stream whose message names that model. An event may be `max_event_bytes` long.
    pub fn new(
        requested_model: impl Into<String>,
        upstream: impl Into<String>,
        max_event_bytes: usize,
    ) -> Self {
        Self {
            requested_model: requested_model.into(),
            upstream: upstream.into(),
            blocks: Some(lines::Blocks::new(max_event_bytes)),
            state: State::default(),
        }
    }

    /// Takes the next bytes, however they were cut, and appends what goes on.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(mut blocks) = self.blocks.take() else { return };
        let pushed = blocks.push_with_ends(bytes, |block, end| self.block(block, end, out));
        match pushed {
            Ok(()) => self.blocks = Some(blocks),
            Err(_) if self.state.over => {}
            Err(too_long) => self.fail(self.broken(&too_long.to_string())),
        }
    }

    /// Takes a whole message where a stream was asked for.
    pub fn push_whole(&mut self, body: &[u8], out: &mut Vec<u8>) {
        if self.state.over {
            return;
        }
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        match message(body, &self.upstream) {
            Err(error) => self.fail(error),
            Ok(members) => {
                retold::explode(&members, &self.requested_model, out);
                self.note_usage(members.get("usage"));
                let state = &mut self.state;
                state.stop_reason = stop_reason(members.get("stop_reason"));
                (state.started, state.has_content, state.over) = (true, true, true);
            }
        }
    }

    /// A sign of life before the upstream has given one.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        if !self.state.started && !self.state.over {
            self.state.started = true;
            self.ping(out);
        }
    }

    /// A ping, in between two events.
    pub fn ping(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    /// The upstream's body is over. A last event that lacks its blank line still counts, if it is whole. An answer
    /// without `message_stop` is a failure: a client could not tell it from a whole one.
    pub fn finish(&mut self, end: End, out: &mut Vec<u8>) {
        let blocks = self.blocks.take();
        if self.state.over {
            return;
        }
        if let End::Failed(error) = end {
            return self.fail(error);
        }
        if let Some(mut blocks) = blocks {
            blocks.finish(|block| {
                let whole = |event: sse::Event<'_>| serde_json::from_str::<IgnoredAny>(&event.data).is_ok();
                if sse::parse(block).is_some_and(whole) {
                    // A line feed after a carriage return would end no line of its own.
                    let end: &[u8] = if block.ends_with(b"\n") { b"\n" } else { b"\n\n" };
                    self.block(block, end, out);
                }
            });
        }
        if self.state.over {
            return;
        }
        let what = if self.state.events == 0 {
            "the answer is no stream of the Messages API; does this address serve /v1/messages?"
        } else {
            "the upstream closed the stream early"
        };
        self.fail(self.broken(what));
    }

    /// Whether nothing more will be said, so that the upstream's body need not be read on.
    pub fn is_over(&self) -> bool {
        self.state.over
    }

    /// Whether the answer has begun, so that a failure cannot be answered with a status any more.
    pub fn is_started(&self) -> bool {
        self.state.started
    }

    /// Whether a content block has begun.
    pub fn has_content(&self) -> bool {
        self.state.has_content
    }

    /// How many events have come, pings not counted.
    pub fn events(&self) -> u64 {
        self.state.events
    }

    /// Why there is no whole answer. It is still to be told.
    pub fn failure(&self) -> Option<&Error> {
        self.state.failure.as_ref()
    }

    /// Tokens so far, if the upstream has said any.
    pub fn usage(&self) -> Option<&Usage> {
        self.state.usage.as_ref()
    }

    /// Why the model stopped, once that is known.
    pub fn stop_reason(&self) -> Option<&StopReason> {
        self.state.stop_reason.as_ref()
    }

    /// Passes one block and its blank line on, or not.
    fn block(&mut self, block: &[u8], end: &[u8], out: &mut Vec<u8>) {
        // What is first for the client may have been behind something that went.
        let is_first = self.state.quiet_bytes == 0 && !self.state.started;
        let block = block.strip_prefix(b"\xEF\xBB\xBF").filter(|_| is_first).unwrap_or(block);
        if !block.is_empty() {
            let verdict = if self.state.over { Verdict::Drop } else { self.judge(block) };
            self.state.passing = !matches!(verdict, Verdict::Drop);
            match verdict {
                Verdict::Drop => {}
                Verdict::Pass => out.extend_from_slice(block),
                Verdict::Changed(block) => out.extend_from_slice(&block),
            }
        }
        if self.state.passing {
            out.extend_from_slice(end);
            if !self.state.started {
                self.state.quiet_bytes += block.len() + end.len();
                self.state.started = self.state.quiet_bytes > MAX_QUIET_BYTES;
            }
        }
    }

    fn judge(&mut self, block: &[u8]) -> Verdict {
        let Some(event) = sse::parse(block) else { return Verdict::Pass };
        let data = event.data.trim();
        if data == "[DONE]" {
            self.finish_by_done();
            return Verdict::Drop;
        }
        // `message` is what browsers call an event without a name.
        let named = !matches!(&*event.name, "" | "message");
        let kind = if named { Some(event.name.to_string()) } else { kind_of(data) };
        let Some(kind) = kind else { return self.garbled(data) };
        let changed = match kind.as_str() {
            "error" => {
                self.fail(in_band(data.as_bytes(), &self.upstream));
                return Verdict::Drop;
            }
            "message_start" => match self.begin(block, data) {
                Ok(block) => Cow::Owned(block),
                Err(error) => {
                    self.fail(error);
                    return Verdict::Drop;
                }
            },
            _ => Cow::Borrowed(block),
        };
        self.note(&kind, data);
        match changed {
            block if !named => Verdict::Changed(with_name(&block, &kind)),
            Cow::Owned(block) => Verdict::Changed(block),
            Cow::Borrowed(_) => Verdict::Pass,
        }
    }

    fn note(&mut self, kind: &str, data: &str) {
        if kind == "ping" {
            return;
        }
        self.state.started = true;
        self.state.events += 1;
        match kind {
            "content_block_start" => self.state.has_content = true,
            "message_stop" => self.state.over = true,
            "message_delta" => {
                let Some(members) = serde_json::from_str(data).ok().and_then(Members::read) else { return };
                self.note_usage(members.get("usage"));
                let delta = members.get("delta").and_then(Members::read);
                if let Some(reason) = delta.and_then(|delta| stop_reason(delta.get("stop_reason"))) {
                    self.state.stop_reason = Some(reason);
                }
            }
            _ => {}
        }
    }

    fn note_usage(&mut self, said: Option<&RawValue>) {
        if let Some(said) = said {
            overlay(self.state.usage.get_or_insert_default(), said);
        }
    }

    /// Puts the requested model into `message_start`.
    fn begin(&mut self, block: &[u8], data: &str) -> Result<Vec<u8>, Error> {
        let start = || {
            let members = Members::read(serde_json::from_str(data).ok()?)?;
            let message = members.get("message")?;
            Some((message, Members::read(message)?))
        };
        let (message, members) = start().ok_or_else(|| self.broken("a message_start without a message"))?;
        self.note_usage(members.get("usage"));
        let mut splices = Splices::default();
        let models = members.iter().filter(|(name, _)| *name == "model");
        models.for_each(|(_, value)| {
            splices.replace(place(value, data.as_bytes()), quoted(&self.requested_model));
        });
        if members.get("model").is_none() {
            let comma = if members.iter().next().is_some() { "," } else { "" };
            let inside = place(message, data.as_bytes()).start + 1;
            splices.insert(inside, format!("\"model\":{}{comma}", quoted(&self.requested_model)));
        }
        let edited = splices.apply(data.as_bytes());
        let at = data.as_ptr().addr().wrapping_sub(block.as_ptr().addr());
        let parts = block.get(..at).zip(at.checked_add(data.len()).and_then(|end| block.get(end..)));
        if let Some((before, after)) = parts {
            return Ok([before, &edited, after].concat());
        }
        // The data could not be borrowed from the block: lines were joined or bytes mended.
        let data = String::from_utf8_lossy(&edited).replace(['\n', '\r'], " ");
        Ok(format!("event: message_start\ndata: {data}\n").into_bytes())
    }

    /// An event that nobody could understand.
    fn garbled(&mut self, data: &str) -> Verdict {
        let members = serde_json::from_str(data).ok().and_then(Members::read);
        if data.starts_with('[') || members.as_ref().is_some_and(is_failure) {
            self.fail(in_band(data.as_bytes(), &self.upstream));
            return Verdict::Drop;
        }
        self.state.garbled += 1;
        if self.state.garbled > MAX_GARBLED {
            self.fail(self.broken(
                "the answer is no stream of the Messages API; does this address serve /v1/messages?",
            ));
        }
        Verdict::Drop
    }

    /// Chat completions end so. Here it ends nothing that `message_stop` has not ended.
    fn finish_by_done(&mut self) {
        self.fail(self.broken("the upstream ended the stream without message_stop"));
    }

    fn fail(&mut self, error: Error) {
        self.state.over = true;
        self.state.failure = Some(error);
    }

    fn broken(&self, what: &str) -> Error {
        Error::new(ErrorKind::Api, format!("{}: {what}", self.upstream)).with_status(502)
    }
}

enum Verdict {
    Pass,
    Changed(Vec<u8>),
    Drop,
}

/// The `type` of an event's data, if it could be a name.
fn kind_of(data: &str) -> Option<String> {
    let members = Members::read(serde_json::from_str(data).ok()?)?;
    let kind: String = serde_json::from_str(members.get("type")?.get()).ok()?;
    let is_name =
        (1..=64).contains(&kind.len()) && kind.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    is_name.then_some(kind)
}

/// The block with that name in the place of any other.
fn with_name(block: &[u8], name: &str) -> Vec<u8> {
    let mut named = Vec::with_capacity(block.len() + name.len() + 8);
    named.extend_from_slice(format!("event: {name}\n").as_bytes());
    for line in lines::split(block).filter(|line| !line.is_empty() && !line.starts_with(b"event")) {
        named.extend_from_slice(line);
        named.push(b'\n');
    }
    named
}

#[cfg(test)]
mod tests;
