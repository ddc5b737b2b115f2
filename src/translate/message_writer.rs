//! Writes the events of a message; the only place that opens and closes blocks.
//!
//! ```text
//!            text / thinking / tool_start               message_end
//!  Between ─────────────────────────────▶ Open(block) ──▶ … ──▶ Ended
//!     ▲                                      │
//!     └──────────── another kind ◀───────────┘
//! ```
//!
//! At most one block is open, and indices have no gaps: the SDKs demand it. A tool's block closes only when its
//! input is a whole object, so whatever comes while it is not (a second call whose pieces alternate with the
//! first's, text) waits in a queue and is written when its turn comes. Its pieces are checked as they pass: what
//! a client has been sent is always the beginning of one JSON object.

use super::Dialect;
use super::arguments;
use super::json_scanner::JsonScanner;
use super::report::{Kind, Report};
use crate::protocol::anthropic::response::{Citation, ContentBlock};
use crate::protocol::anthropic::stream::{BlockDelta, Event};
use crate::translate::json_object::empty_object;
use std::collections::VecDeque;
use std::mem;

/// The writer.
#[derive(Debug, Default)]
pub(crate) struct MessageWriter {
    /// Names the places of what is lost.
    dialect: Dialect,
    open: Option<Block>,
    next_index: u32,
    calls: Vec<Call>,
    queue: VecDeque<Queued>,
    /// The open block is thinking and has its signature, so nothing may be added to it.
    signed: bool,
    /// What waits for the open tool's end, in bytes.
    waiting_bytes: usize,
}

/// What may wait for a tool's end, in bytes, over a whole answer.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The open block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    /// The call of that number.
    Tool(usize),
}

/// What waits for the open tool's end.
#[derive(Debug)]
enum Queued {
    Text(String),
    EndOfText,
    Citation(Citation),
    Thinking {
        text: String,
        signature: Option<String>,
    },
    /// The call of that number.
    Tool(usize),
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    scanner: JsonScanner,
    /// Input that has come but not been written.
    waiting: String,
    /// Some input has been written.
    written: bool,
    /// The input is no object so far; all of it waits for the end.
    deferred: bool,
    /// Something had to be repaired inside of strings, which has been reported.
    mended: bool,
}

/// The input of a tool broke after a part of it had been written: the message cannot be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrokenInput;

/// Whether the answer was cut by a limit, so that the last input may be incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It was.
    Yes,
    /// It was not.
    No,
}

impl MessageWriter {
    /// A writer for answers in that dialect.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Visible text.
    pub(crate) fn text(&mut self, text: String, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        if self.is_free() {
            self.write_text(text, events);
            return;
        }
        self.waiting_bytes += text.len();
        if let Some(Queued::Text(waiting)) = self.queue.back_mut() {
            waiting.push_str(&text);
        } else {
            self.queue.push_back(Queued::Text(text));
        }
    }

    /// The text so far is over; more of it begins a new block.
    pub(crate) fn end_text(&mut self, events: &mut Vec<Event>) {
        if self.is_free() {
            if self.open == Some(Block::Text) {
                self.close_block(events);
            }
        } else if !matches!(self.queue.back(), Some(Queued::EndOfText)) {
            self.queue.push_back(Queued::EndOfText);
        }
    }

    /// What the text that came last rests on.
    pub(crate) fn citation(&mut self, citation: Citation, report: &mut Report, events: &mut Vec<Event>) {
        if self.is_free() {
            self.write_citation(citation, report, events);
        } else {
            self.waiting_bytes += citation.url.len() + citation.cited_text.len();
            self.queue.push_back(Queued::Citation(citation));
        }
    }

    /// Thinking; an empty text opens a block that shows nothing.
    pub(crate) fn thinking(&mut self, text: String, events: &mut Vec<Event>) {
        if self.is_free() {
            self.write_thinking(text, events);
            return;
        }
        self.waiting_bytes += text.len();
        if let Some(Queued::Thinking { text: waiting, signature: None }) = self.queue.back_mut() {
            waiting.push_str(&text);
        } else {
            self.queue.push_back(Queued::Thinking { text, signature: None });
        }
    }

    /// The signature of the thinking that came last; more thinking begins a new block.
    pub(crate) fn signature(&mut self, signature: String, events: &mut Vec<Event>) {
        if let Some(Queued::Thinking { signature: waiting, .. }) = self.queue.back_mut() {
            *waiting = Some(signature);
        } else if self.queue.is_empty() && self.open == Some(Block::Thinking) {
            self.write_signature(signature, events);
        }
    }

    /// A tool is called. Calls are numbered from 0 in the order of these calls.
    pub(crate) fn tool_start(&mut self, id: String, name: String, events: &mut Vec<Event>) {
        let number = self.calls.len();
        self.calls.push(Call {
            id,
            name,
            scanner: JsonScanner::default(),
            waiting: String::new(),
            written: false,
            deferred: false,
            mended: false,
        });
        if self.is_free() {
            self.open_tool(number, events);
        } else {
            self.queue.push_back(Queued::Tool(number));
        }
    }

    /// A piece of a call's input.
    pub(crate) fn tool_input(
        &mut self,
        number: usize,
        json: &str,
        report: &mut Report,
        events: &mut Vec<Event>,
    ) {
        if self.open == Some(Block::Tool(number)) {
            self.write_input(number, json, report, events);
            self.settle(report, events);
        } else if let Some(call) = self.calls.get_mut(number) {
            if call.scanner.is_done() {
                surplus(self.dialect, json, report);
            } else {
                self.waiting_bytes += json.len();
                call.waiting.push_str(json);
            }
        }
    }

    /// Whether more waits for the open tool's end than may be kept: the message must end in an error.
    pub(crate) fn is_overfull(&self) -> bool {
        self.waiting_bytes > MAX_WAITING_BYTES
    }

    /// Number of calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether the open block is a call whose input is not whole, so that what came after it waits.
    pub(crate) fn awaits_input(&self) -> bool {
        !self.is_complete()
    }

    /// Whether any block has been begun.
    pub(crate) fn has_blocks(&self) -> bool {
        self.next_index > 0
    }

    /// Nothing more will come: writes what waits and closes the last block.
    ///
    /// # Errors
    /// [`BrokenInput`]: the message must end in an error.
    pub(crate) fn close(
        &mut self,
        cut: Cut,
        report: &mut Report,
        events: &mut Vec<Event>,
    ) -> Result<(), BrokenInput> {
        loop {
            if let Some(Block::Tool(number)) = self.open {
                self.complete_input(number, cut, report, events)?;
            }
            self.close_block(events);
            let Some(next) = self.queue.pop_front() else { return Ok(()) };
            self.write_queued(next, report, events);
        }
    }

    /// Whether another block may begin now.
    fn is_free(&self) -> bool {
        self.queue.is_empty() && self.is_complete()
    }

    /// Whether the open block may close now.
    fn is_complete(&self) -> bool {
        match self.open {
            Some(Block::Tool(number)) => self.calls.get(number).is_none_or(|call| call.scanner.is_done()),
            _ => true,
        }
    }

    /// Writes from the queue as long as the open block may close.
    fn settle(&mut self, report: &mut Report, events: &mut Vec<Event>) {
        while self.is_complete()
            && let Some(next) = self.queue.pop_front()
        {
            self.write_queued(next, report, events);
        }
    }

    fn write_queued(&mut self, queued: Queued, report: &mut Report, events: &mut Vec<Event>) {
        match queued {
            Queued::Text(text) => self.write_text(text, events),
            Queued::EndOfText if self.open == Some(Block::Text) => self.close_block(events),
            Queued::EndOfText => {}
            Queued::Citation(citation) => self.write_citation(citation, report, events),
            Queued::Thinking { text, signature } => {
                self.write_thinking(text, events);
                if let Some(signature) = signature {
                    self.write_signature(signature, events);
                }
            }
            Queued::Tool(number) => {
                self.open_tool(number, events);
                let waiting = self.calls.get_mut(number).map(|call| mem::take(&mut call.waiting));
                self.write_input(number, &waiting.unwrap_or_default(), report, events);
            }
        }
    }

    fn write_text(&mut self, text: String, events: &mut Vec<Event>) {
        if self.open != Some(Block::Text) {
            self.open_block(Block::Text, ContentBlock::empty_text(), events);
        }
        self.delta(BlockDelta::TextDelta { text }, events);
    }

    fn write_citation(&mut self, citation: Citation, report: &mut Report, events: &mut Vec<Event>) {
        if self.open == Some(Block::Text) {
            self.delta(BlockDelta::CitationsDelta { citation }, events);
        } else {
            let reason = "a source that was named when the text was over";
            report.add(self.dialect.annotations(), Kind::Dropped, reason);
        }
    }

    fn write_thinking(&mut self, thinking: String, events: &mut Vec<Event>) {
        if self.open != Some(Block::Thinking) || self.signed {
            let block = ContentBlock::Thinking { thinking: String::new(), signature: String::new() };
            self.open_block(Block::Thinking, block, events);
        }
        if !thinking.is_empty() {
            self.delta(BlockDelta::ThinkingDelta { thinking }, events);
        }
    }

    fn write_signature(&mut self, signature: String, events: &mut Vec<Event>) {
        self.signed = true;
        self.delta(BlockDelta::SignatureDelta { signature }, events);
    }

    fn open_tool(&mut self, number: usize, events: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(number) else { return };
        let block = ContentBlock::ToolUse {
            id: mem::take(&mut call.id),
            name: mem::take(&mut call.name),
            input: empty_object(),
        };
        self.open_block(Block::Tool(number), block, events);
    }

    /// Writes what of a piece surely belongs to one JSON object.
    fn write_input(&mut self, number: usize, json: &str, report: &mut Report, events: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(number) else { return };
        let json = if call.scanner.is_untouched() { json.trim_start() } else { json };
        if json.is_empty() {
            return;
        }
        if call.deferred || call.scanner.is_untouched() && !json.starts_with('{') {
            call.deferred = true;
            call.waiting.push_str(json);
            self.waiting_bytes += json.len();
            return;
        }
        if call.scanner.is_done() {
            surplus(self.dialect, json, report);
            return;
        }
        if call.scanner.is_broken() {
            return;
        }
        let before = call.scanner.clone();
        let mut piece = String::with_capacity(json.len());
        let read = call.scanner.push(json, &mut piece);
        if call.scanner.is_broken() && !call.written {
            call.scanner = before;
            call.deferred = true;
            call.waiting.push_str(json);
            self.waiting_bytes += json.len();
            return;
        }
        if let Some(reason) = call.scanner.mended()
            && !mem::replace(&mut call.mended, true)
        {
            report.add(self.dialect.arguments(number), Kind::Repaired, reason);
        }
        if call.scanner.is_done() {
            piece.truncate(piece.trim_end().len());
            surplus(self.dialect, json.get(read..).unwrap_or_default(), report);
        }
        if !piece.is_empty() {
            call.written = true;
            self.delta(BlockDelta::InputJsonDelta { partial_json: piece }, events);
        }
    }

    /// Makes the open tool's input one whole object, if that invents nothing.
    fn complete_input(
        &mut self,
        number: usize,
        cut: Cut,
        report: &mut Report,
        events: &mut Vec<Event>,
    ) -> Result<(), BrokenInput> {
        let Some(call) = self.calls.get_mut(number) else { return Ok(()) };
        if call.scanner.is_done() || cut == Cut::Yes && !call.deferred {
            return Ok(());
        }
        if call.deferred {
            // Nothing of it has been written. A cut input that is no object stays empty: its rest is unknown.
            let waiting = mem::take(&mut call.waiting);
            let repaired = arguments::complete(&waiting);
            if cut == Cut::No || arguments::is_complete(&waiting) {
                if let Some(reason) = repaired.repair {
                    report.add(self.dialect.arguments(number), Kind::Repaired, reason);
                }
                let partial_json = String::from(Box::<str>::from(repaired.json));
                self.delta(BlockDelta::InputJsonDelta { partial_json }, events);
            }
            return Ok(());
        }
        if call.scanner.is_untouched() {
            return Ok(());
        }
        match call.scanner.closers() {
            Some(closers) => {
                report.add(self.dialect.arguments(number), Kind::Repaired, "closing brackets were missing");
                self.delta(BlockDelta::InputJsonDelta { partial_json: closers }, events);
                Ok(())
            }
            None => Err(BrokenInput),
        }
    }

    fn open_block(&mut self, block: Block, content_block: ContentBlock, events: &mut Vec<Event>) {
        self.close_block(events);
        self.open = Some(block);
        self.signed = false;
        events.push(Event::ContentBlockStart { index: self.next_index, content_block });
        self.next_index += 1;
    }

    fn close_block(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::ContentBlockStop { index: self.next_index - 1 });
        }
    }

    fn delta(&mut self, delta: BlockDelta, events: &mut Vec<Event>) {
        events.push(Event::ContentBlockDelta { index: self.next_index.saturating_sub(1), delta });
    }

    /// A block without text, for an answer that has none: Claude Code repeats a request whose answer is empty.
    pub(crate) fn empty_text(&mut self, events: &mut Vec<Event>) {
        self.open_block(Block::Text, ContentBlock::empty_text(), events);
        self.close_block(events);
    }
}

/// Input that came after a whole object.
fn surplus(dialect: Dialect, json: &str, report: &mut Report) {
    if !json.trim().is_empty() {
        let reason = "text after the arguments was dropped";
        report.add(dialect.calls(), Kind::Repaired, reason);
    }
}
