//! Streams: the upstream's events in, the client's events out (protocol.md §4.3, §4.6).
//!
//! What the upstream says comes from the reader of its dialect, as deltas; what it means for the client is decided
//! here, the same for all dialects.
//!
//! ```text
//!            Delta::Start                      Done, or Finish and the body's end
//!  Waiting ───────────────▶ Running ─────────────────────────────────▶ Ended (message_stop)
//!     │                        │
//!     └────────────────────────┴── failure, EOF too early ───────────▶ Ended (error)
//! ```

mod echo;
mod ending;
mod reasoning;

use super::context::Context;
use super::delta::{Delta, Finish};
use super::message_writer::MessageWriter;
use super::reader::Reader;
use super::report::{Kind, Loss, Report};
use super::stop_scan::{Scanned, StopScan};
use super::{Dialect, tool_ids};
use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::anthropic::response::{Message, StopReason, Usage};
use crate::protocol::anthropic::stream::Event;
use crate::sse;
use echo::Echo;
use reasoning::Carried;
use serde_json::value::RawValue;
use std::mem;

/// How the upstream's body ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The body was over. Whether the answer is whole is decided by what it said: that it is done, or why the model
    /// stopped.
    Eof,
    /// Reading failed, a limit was exceeded, or the program stops.
    Failed(Error),
}

/// The translation of one streamed answer: events of the upstream in, events for the client out.
#[derive(Debug)]
pub struct Stream {
    message_id: String,
    context: Context,
    reader: Reader,
    writer: MessageWriter,
    scan: StopScan,
    echo: Echo,
    /// Reused between chunks.
    deltas: Vec<Delta>,
    started: bool,
    ended: bool,
    /// Nothing more is wanted of the upstream.
    done: bool,
    finish: Option<Finish>,
    stop_sequence: Option<String>,
    refusal: Option<String>,
    /// Reasoning that waits for its signature: its text, if that must be carried and is not shown.
    reasoning: Option<String>,
    /// The client's ids of the calls.
    call_ids: Vec<String>,
    /// Bytes of text, thinking and input, for an estimate where the upstream reports no usage.
    said_bytes: usize,
    reported_usage: bool,
    usage: Usage,
    stop_reason: Option<StopReason>,
    failure: Option<Error>,
    report: Report,
}

impl Stream {
    /// A stream whose message has that id.
    pub fn new(message_id: String, context: Context) -> Self {
        let usage = Usage { input_tokens: context.input_estimate, output_tokens: 1, ..Usage::default() };
        Self {
            message_id,
            reader: Reader::new(&context),
            writer: MessageWriter::new(context.dialect),
            scan: StopScan::new(match &context.stop_sequences {
                Some(sequences) if context.scan_for_stop => sequences.clone(),
                _ => Vec::new(),
            }),
            echo: Echo::new(context.prefill.clone()),
            context,
            deltas: Vec::new(),
            started: false,
            ended: false,
            done: false,
            finish: None,
            stop_sequence: None,
            refusal: None,
            reasoning: None,
            call_ids: Vec::new(),
            said_bytes: 0,
            reported_usage: false,
            usage,
            stop_reason: None,
            failure: None,
            report: Report::default(),
        }
    }

    /// Takes one event of the upstream. Total: whatever it holds, what comes out is a legal stream.
    pub fn push(&mut self, event: &sse::Event<'_>, events: &mut Vec<Event>) {
        if !self.is_over() {
            let mut deltas = mem::take(&mut self.deltas);
            self.reader.event(event, &mut deltas);
            self.take(deltas, events);
        }
    }

    /// Takes a whole answer where a stream was asked for (some servers ignore `stream`).
    pub fn push_whole(&mut self, body: &[u8], events: &mut Vec<Event>) {
        if !self.is_over() {
            let mut deltas = mem::take(&mut self.deltas);
            self.reader.whole(body, &mut deltas);
            self.take(deltas, events);
        }
    }

    /// The dialect that the upstream speaks.
    pub fn dialect(&self) -> Dialect {
        self.context.dialect
    }

    /// Begins the message before the upstream has said anything, for clients that must see a sign of life.
    pub fn start(&mut self, events: &mut Vec<Event>) {
        if self.started || self.ended {
            return;
        }
        self.started = true;
        let model = self.context.requested_model.clone();
        let message = Message::empty(self.message_id.clone(), model, self.usage.clone());
        events.push(Event::MessageStart(message));
        events.push(Event::Ping);
    }

    /// The upstream's body is over. Idempotent; always leaves a well-formed stream: `message_stop` after a whole
    /// answer, an `error` event after a broken one.
    pub fn finish(&mut self, end: End, events: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        let whole = self.done || self.finish.is_some() || self.context.lenient_eof && self.started;
        match end {
            End::Failed(error) => self.fail(error, events),
            End::Eof if !whole => {
                let error = self.upstream_error("the upstream closed the stream early");
                self.fail(error, events);
            }
            End::Eof if !self.started && self.finish.is_none() => {
                let error = self.upstream_error(self.context.dialect.nothing_said());
                self.fail(error, events);
            }
            End::Eof => self.complete(events),
        }
    }

    /// Whether nothing more will be said, so that the upstream's body need not be read on: it said so, or a failure
    /// or a stop sequence came. [`Stream::finish`] must still be called.
    pub fn is_over(&self) -> bool {
        self.done || self.ended
    }

    /// Whether the answer is complete but for usage, which may still come: wait for it two seconds at most.
    pub fn is_finishing(&self) -> bool {
        self.finish.is_some()
    }

    /// Whether the message has begun.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// The failure, if the stream failed. Where [`Stream::is_started`] is false it is to be answered with its
    /// status instead of an event; the events then hold nothing but it.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Tokens so far, as far as they are known.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Why the model stopped, once it has.
    pub fn stop_reason(&self) -> Option<&StopReason> {
        self.stop_reason.as_ref()
    }

    /// What was lost so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn take(&mut self, mut deltas: Vec<Delta>, events: &mut Vec<Event>) {
        self.apply(&mut deltas, events);
        self.deltas = deltas;
        if self.writer.is_overfull() {
            let error = self.upstream_error("a tool call never ends and too much came after its beginning");
            self.fail(error, events);
        }
    }

    fn apply(&mut self, deltas: &mut Vec<Delta>, events: &mut Vec<Event>) {
        for delta in deltas.drain(..) {
            if self.ended || self.is_stopped() && !counts_after_stop(&delta) {
                continue;
            }
            match delta {
                Delta::Start => self.start(events),
                Delta::Break => {
                    self.sign(Carried::Nothing, events);
                    self.release(events);
                    self.writer.end_text(events);
                }
                Delta::Text(text) => self.text(text, events),
                Delta::Citation(citation) => self.writer.citation(citation, &mut self.report, events),
                Delta::Refusal(text) => {
                    self.refusal.get_or_insert_default().push_str(&text);
                    self.text(text, events);
                }
                Delta::Reasoning(text) => self.reasoning(text, events),
                Delta::ReasoningState(state) => self.sign(Carried::State(&state), events),
                Delta::ToolStart { call, id, name, extra } => {
                    self.tool_start(call, id.as_deref(), name, extra.as_deref(), events);
                }
                Delta::ToolExtra { call, extra } => self.tool_extra(call, &extra, events),
                Delta::ToolArguments { call, json } => {
                    // Calls that were left out cost the client nothing.
                    if call < self.call_ids.len() {
                        self.said_bytes += json.len();
                    }
                    self.writer.tool_input(call, &json, &mut self.report, events);
                    self.done |= self.is_stopped() && !self.writer.awaits_input();
                }
                Delta::Finish(finish) => self.finish = Some(finish),
                Delta::StopSequence(text) => {
                    // Other servers say other things there, such as why the model stopped.
                    let known = self.context.stop_sequences.as_ref();
                    if known.is_none_or(|known| known.contains(&text)) {
                        self.stop_sequence = Some(text);
                    }
                }
                Delta::Usage(usage) => {
                    self.reported_usage = true;
                    self.usage = usage;
                }
                Delta::Lost(Loss { pointer, kind, reason }) => self.report.add(pointer, kind, reason),
                Delta::Done => self.done = true,
                Delta::Failed(error) => self.fail(error, events),
            }
        }
    }

    /// Visible text, up to a stop sequence.
    fn text(&mut self, text: String, events: &mut Vec<Event>) {
        self.sign(Carried::Nothing, events);
        let scanned = self.scan.push(self.echo.cut(text));
        self.show(scanned, events);
    }

    fn show(&mut self, scanned: Scanned, events: &mut Vec<Event>) {
        self.said_bytes += scanned.text.len();
        self.writer.text(scanned.text, events);
        if scanned.matched.is_some() {
            self.stop_sequence = scanned.matched;
            // What the upstream says beyond it is not wanted, but for the rest of a call that stands before it.
            self.done = !self.writer.awaits_input();
        }
    }

    /// Whether a stop sequence was found here.
    fn is_stopped(&self) -> bool {
        self.context.scan_for_stop && self.stop_sequence.is_some()
    }

    /// Shows the text that might have become a stop sequence, or a longer one.
    fn release(&mut self, events: &mut Vec<Event>) {
        let scanned = self.scan.push(self.echo.release());
        self.show(scanned, events);
        let scanned = self.scan.release();
        self.show(scanned, events);
    }

    fn tool_start(
        &mut self,
        call: usize,
        id: Option<&str>,
        name: String,
        extra: Option<&RawValue>,
        events: &mut Vec<Event>,
    ) {
        if call > 0 && self.context.one_tool_call {
            // Numbers go up by one, so pieces of this call find no call in the writer and are dropped too.
            let reason = "the client takes one call at a time";
            self.report.add(self.context.dialect.call(call), Kind::Dropped, reason);
            return;
        }
        self.release(events);
        if self.is_stopped() {
            return;
        }
        let id = tool_ids::to_client(id, &self.context.used_tool_ids, &self.message_id, call);
        self.context.used_tool_ids.add(&id);
        self.call_ids.push(id.clone());
        self.sign(extra.map_or(Carried::Nothing, |extra| Carried::Call(&id, extra)), events);
        self.writer.tool_start(id, self.context.tool_names.client_name(name), events);
    }

    fn fail(&mut self, error: Error, events: &mut Vec<Event>) {
        if !self.ended {
            self.ended = true;
            self.failure = Some(error.clone());
            events.push(Event::Error { error, request_id: None });
        }
    }

    fn upstream_error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Api, format!("{}: {what}", self.context.upstream)).with_status(502)
    }
}

/// Whether a delta still counts when a stop sequence has been found: it may belong to a call that began before.
const fn counts_after_stop(delta: &Delta) -> bool {
    matches!(
        delta,
        Delta::ToolArguments { .. }
            | Delta::ToolExtra { .. }
            | Delta::Usage(_)
            | Delta::Finish(_)
            | Delta::Done
            | Delta::Failed(_)
    )
}
