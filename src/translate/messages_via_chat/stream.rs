//! Streams: the upstream's events in, the client's events out (protocol.md §4.3, §4.6).
//!
//! ```text
//!            first choice                 [DONE], finish_reason + EOF
//!  Waiting ───────────────▶ Running ─────────────────────────────────▶ Ended (message_stop)
//!     │                        │
//!     └────────────────────────┴── failure, EOF too early ───────────▶ Ended (error)
//! ```

use super::DIALECT;
use super::reader::Reader;
use super::stop_reason::{Ending, is_cut, stop_reason};
use super::whole::{lowest_choice, with_whole_calls};
use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::anthropic::response::{Message, StopDetails, StopReason, Usage};
use crate::protocol::anthropic::stream::Event;
use crate::protocol::json;
use crate::protocol::openai::chat::chunk::Chunk;
use crate::sse;
use crate::translate::context::Context;
use crate::translate::delta::Delta;
use crate::translate::error::{in_band, in_band_body};
use crate::translate::message_writer::{BrokenInput, Cut, MessageWriter};
use crate::translate::report::{Kind, Loss, Report};
use crate::translate::signature::Signature;
use crate::translate::stop_scan::{Scanned, StopScan};
use crate::translate::{tokens, tool_ids};
use serde_json::value::RawValue;
use std::mem;

/// Lines of an event stream that are no JSON, and that are skipped before the stream counts as broken.
const MAX_GARBLED: u32 = 8;

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
    message_id: String,
    context: Context,
    reader: Reader,
    writer: MessageWriter,
    scan: StopScan,
    /// Reused between chunks.
    deltas: Vec<Delta>,
    started: bool,
    ended: bool,
    /// `[DONE]` came.
    done: bool,
    garbled: u32,
    finish_reason: Option<String>,
    stop_sequence: Option<String>,
    refusal: Option<String>,
    /// Reasoning that waits for its signature: its text, if that must be carried and is not shown.
    reasoning: Option<String>,
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
            scan: StopScan::new(match &context.stop_sequences {
                Some(sequences) if context.scan_for_stop => sequences.clone(),
                _ => Vec::new(),
            }),
            context,
            writer: MessageWriter::default(),
            deltas: Vec::new(),
            started: false,
            ended: false,
            done: false,
            garbled: 0,
            finish_reason: None,
            stop_sequence: None,
            refusal: None,
            reasoning: None,
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
        if self.is_over() {
            return;
        }
        let data = event.data.trim();
        if data == "[DONE]" {
            self.done = true;
        } else if event.name == "error" {
            self.fail(in_band_body(data.as_bytes(), &self.context), events);
        } else if data.starts_with('{') {
            match read_chunk(data.as_bytes(), &mut self.report) {
                Some(chunk) if chunk.is_error() => {
                    self.fail(in_band_body(data.as_bytes(), &self.context), events);
                }
                Some(chunk) => self.chunk(chunk, events),
                // Its tokens are lost, so what follows cannot be trusted.
                None => {
                    let error = self.upstream_error("a chunk of the stream is no valid JSON");
                    self.fail(error, events);
                }
            }
        } else if is_list_of_failures(data.as_bytes()) {
            self.fail(in_band_body(data.as_bytes(), &self.context), events);
        } else {
            self.garbled += 1;
            if self.garbled > MAX_GARBLED {
                let error = self.upstream_error("the answer is no event stream of chat completions");
                self.fail(error, events);
            }
        }
    }

    /// Takes a whole completion where a stream was asked for (some servers ignore `stream`).
    pub fn push_whole(&mut self, body: &[u8], events: &mut Vec<Event>) {
        if self.is_over() {
            return;
        }
        self.done = true;
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        match read_chunk(body, &mut self.report) {
            Some(chunk) if chunk.is_error() => {
                self.fail(in_band_body(body, &self.context), events);
            }
            Some(mut chunk) => {
                let Some(choice) = lowest_choice(mem::take(&mut chunk.choices), &mut self.report) else {
                    let error = self.upstream_error("the upstream returned no choices");
                    return self.fail(error, events);
                };
                chunk.choices = vec![with_whole_calls(choice, &mut self.report)];
                self.chunk(chunk, events);
            }
            None if is_list_of_failures(body) => {
                self.fail(in_band_body(body, &self.context), events);
            }
            None => {
                let error = self.upstream_error("the answer is no JSON object");
                self.fail(error, events);
            }
        }
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
        let whole = self.done || self.finish_reason.is_some() || self.context.lenient_eof && self.started;
        match end {
            End::Failed(error) => self.fail(error, events),
            End::Eof if !whole => {
                let error = self.upstream_error("the upstream closed the stream early");
                self.fail(error, events);
            }
            End::Eof if !self.started && self.finish_reason.is_none() => {
                let error = self.upstream_error("the upstream returned no choices");
                self.fail(error, events);
            }
            End::Eof => self.complete(events),
        }
    }

    /// Whether nothing more will be said, so that the upstream's body need not be read on: `[DONE]`, a failure or
    /// a stop sequence came. [`Stream::finish`] must still be called.
    pub fn is_over(&self) -> bool {
        self.done || self.ended
    }

    /// Whether the answer is complete but for usage, which may still come: wait for it two seconds at most.
    pub fn is_finishing(&self) -> bool {
        self.finish_reason.is_some()
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

    fn chunk(&mut self, chunk: Chunk, events: &mut Vec<Event>) {
        let failed = chunk.choices.iter().find_map(|choice| choice.error.as_deref());
        if let Some(error) = failed.map(|error| in_band(error, &self.context)) {
            self.fail(error, events);
            return;
        }
        let mut deltas = mem::take(&mut self.deltas);
        self.reader.read(chunk, &mut deltas);
        self.apply(&mut deltas, events);
        self.deltas = deltas;
        if self.writer.is_overfull() {
            let error = self.upstream_error("a tool call never ends and too much came after its beginning");
            self.fail(error, events);
        }
    }

    fn apply(&mut self, deltas: &mut Vec<Delta>, events: &mut Vec<Event>) {
        for delta in deltas.drain(..) {
            if self.is_stopped() && !matches!(delta, Delta::Usage(_)) {
                continue;
            }
            match delta {
                Delta::Start => self.start(events),
                Delta::Text(text) => self.text(text, events),
                Delta::Refusal(text) => {
                    self.refusal.get_or_insert_default().push_str(&text);
                    self.text(text, events);
                }
                Delta::Reasoning(text) => self.reasoning(text, events),
                Delta::ToolStart { call, id, name, extra } => {
                    self.tool_start(call, id.as_deref(), name, extra.as_deref(), events);
                }
                Delta::ToolArguments { call, json } => {
                    self.said_bytes += json.len();
                    self.writer.tool_input(call, &json, &mut self.report, events);
                }
                Delta::Finish(reason) => self.finish_reason = Some(reason),
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
            }
        }
    }

    fn reasoning(&mut self, text: String, events: &mut Vec<Event>) {
        self.release(events);
        if self.is_stopped() {
            return;
        }
        self.said_bytes += text.len();
        let waiting = self.reasoning.get_or_insert_default();
        if !self.context.omit_thinking {
            self.writer.thinking(text, events);
            return;
        }
        if self.context.carry_reasoning {
            waiting.push_str(&text);
        }
        self.writer.thinking(String::new(), events);
    }

    /// Ends a stretch of reasoning with its signature, which brings it back in a later turn, and with it what
    /// belongs to a call.
    fn sign(&mut self, call: Option<(&str, &RawValue)>, events: &mut Vec<Event>) {
        if call.is_some() && self.reasoning.is_none() {
            // A block without thinking, only to carry what belongs to the call.
            self.reasoning(String::new(), events);
        }
        let Some(text) = self.reasoning.take() else { return };
        let Context { upstream, upstream_model: model, .. } = &self.context;
        let sign = |text| {
            let signature = Signature::of_text(DIALECT, upstream, model, text);
            match call {
                Some((id, extra)) => signature.with_call(id.to_owned(), extra.to_owned()).encode(),
                None => signature.encode(),
            }
        };
        let signature = sign(Some(text).filter(|text| !text.is_empty())).or_else(|| {
            let reason = "the reasoning is too long to come back in a later turn";
            self.report.add("/choices/0/message/reasoning_content", Kind::Dropped, reason);
            sign(None)
        });
        self.writer.signature(signature.unwrap_or_default(), events);
    }

    /// Visible text, up to a stop sequence.
    fn text(&mut self, text: String, events: &mut Vec<Event>) {
        self.sign(None, events);
        let scanned = self.scan.push(text);
        self.show(scanned, events);
    }

    fn show(&mut self, scanned: Scanned, events: &mut Vec<Event>) {
        self.said_bytes += scanned.text.len();
        self.writer.text(scanned.text, events);
        if scanned.matched.is_some() {
            self.stop_sequence = scanned.matched;
            // What the upstream says beyond it is not wanted.
            self.done = true;
        }
    }

    /// Whether a stop sequence was found here.
    fn is_stopped(&self) -> bool {
        self.context.scan_for_stop && self.stop_sequence.is_some()
    }

    /// Shows the text that might have become a stop sequence, or a longer one.
    fn release(&mut self, events: &mut Vec<Event>) {
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
            self.report.add(format!("/choices/0/message/tool_calls/{call}"), Kind::Dropped, reason);
            return;
        }
        self.release(events);
        if self.is_stopped() {
            return;
        }
        let id = tool_ids::to_client(id, &self.context.used_tool_ids, &self.message_id, call);
        self.context.used_tool_ids.insert(id.clone());
        self.sign(extra.map(|extra| (id.as_str(), extra)), events);
        self.writer.tool_start(id, self.context.tool_names.client_name(name), events);
    }

    fn complete(&mut self, events: &mut Vec<Event>) {
        let mut deltas = mem::take(&mut self.deltas);
        self.reader.flush(&mut deltas);
        self.start(events);
        self.apply(&mut deltas, events);
        self.sign(None, events);
        self.release(events);
        if self.is_stopped() {
            self.finish_reason = None;
        }
        let ending = Ending {
            finish_reason: self.finish_reason.as_deref(),
            has_calls: self.writer.calls() > 0,
            refused: self.refusal.is_some(),
            stop_sequence_matched: self.stop_sequence.is_some(),
        };
        let (reason, unknown) = match stop_reason(ending, &self.context.upstream) {
            Ok(reason) => reason,
            Err(error) => return self.fail(error, events),
        };
        if unknown {
            let word = self.finish_reason.as_deref().unwrap_or_default();
            let reason = format!("`{word}` is unknown");
            self.report.add("/choices/0/finish_reason", Kind::Approximated, reason);
        }
        let cut = if is_cut(self.finish_reason.as_deref()) { Cut::Yes } else { Cut::No };
        if self.writer.close(cut, &mut self.report, events) == Err(BrokenInput) {
            let error = self.upstream_error("the arguments of a tool call are no valid JSON");
            return self.fail(error, events);
        }
        if !self.writer.has_blocks() && reason != StopReason::Refusal {
            self.writer.empty_text(events);
        }
        if !self.reported_usage {
            self.usage.output_tokens = tokens::estimate_output(self.said_bytes);
        }
        self.ended = true;
        let refusal = self.refusal.take();
        events.push(Event::MessageDelta {
            stop_sequence: self.stop_sequence.take().filter(|_| reason == StopReason::StopSequence),
            stop_details: (reason == StopReason::Refusal).then(|| StopDetails::refusal(refusal)),
            stop_reason: Some(reason.clone()),
            usage: Usage { service_tier: None, ..self.usage.clone() },
        });
        events.push(Event::MessageStop);
        self.stop_reason = Some(reason);
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

/// Gemini wraps its failures in an array.
fn is_list_of_failures(data: &[u8]) -> bool {
    let list = serde_json::from_slice::<Vec<Chunk>>(data);
    list.is_ok_and(|list| list.first().is_some_and(Chunk::is_error))
}

/// Reads a chunk; on failure once more with lone surrogates replaced, which some servers send when they cut an
/// emoji in two.
fn read_chunk(data: &[u8], report: &mut Report) -> Option<Chunk> {
    // Serde would read an array as the members in their order.
    if !data.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    if let Ok(chunk) = serde_json::from_slice(data) {
        return Some(chunk);
    }
    let scanned = json::scan(data).ok().filter(|scanned| scanned.repaired > 0)?;
    let chunk = serde_json::from_slice(&scanned.text).ok()?;
    report.add("", Kind::Repaired, "lone surrogate escapes became U+FFFD");
    Some(chunk)
}
