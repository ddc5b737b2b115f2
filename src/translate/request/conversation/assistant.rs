//! What the model said: text, calls, reasoning of earlier turns, and what Anthropic's servers did for it
//! (protocol.md §2.5).

use super::super::place::Place;
use super::super::{ReasoningBack, Translation};
use super::tool_results::Calls;
use super::{Conversation, Item};
use crate::protocol::CallId;
use crate::protocol::anthropic::block::{Block, BlockKind, Content, Source};
use crate::protocol::anthropic::error::Error;
use crate::protocol::json::Escaped;
use crate::translate::quirks::Prefill;
use crate::translate::report::Kind;
use crate::translate::signature::Signature;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// One thing the model said.
#[derive(Debug)]
pub(crate) enum Saying {
    /// Text.
    Text(Escaped),
    /// What it thought, as far as the upstream takes that back.
    Thought(Thought),
    /// A call of a tool.
    Call(Call),
}

/// What the model thought.
#[derive(Debug)]
pub(crate) struct Thought {
    pub(crate) text: Escaped,
    /// What came with it and must come back with it, in the upstream's words.
    pub(crate) state: Option<Box<RawValue>>,
}

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct Call {
    /// The upstream's id of it.
    pub(crate) id: CallId,
    /// The upstream's name of the tool.
    pub(crate) name: String,
    /// A JSON object, as a text.
    pub(crate) arguments: String,
    /// What came with the call and must come back with it (Gemini).
    pub(crate) extra: Option<Box<RawValue>>,
}

impl Translation<'_> {
    pub(super) fn assistant(
        &mut self,
        content: Option<Content>,
        place: &Place,
        is_last: bool,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let place = place.child("content");
        let mut said = Assistant { first_call: conversation.calls.count(), ..Assistant::default() };
        let calls_wait = !conversation.calls.is_empty();
        match content {
            None => return Err(place.refuse("missing field `content`")),
            Some(Content::Text(text)) => said.push_text(text),
            Some(Content::Blocks(blocks)) => {
                for (index, block) in blocks.into_iter().enumerate() {
                    self.assistant_block(block, &place.child(index), &mut said, conversation)?;
                }
            }
        }
        if is_last && !said.has_calls && said.trim_end() {
            conversation.is_prefilled = true;
            if self.form.prefill == Prefill::Appended {
                let reason = "the upstream begins a new answer instead of continuing this one";
                self.report.add(&place, Kind::Approximated, reason);
            }
        }
        if !said.has_text() && !said.has_calls {
            self.report.add(&place, Kind::Ignored, "an assistant message without text and calls");
            return Ok(());
        }
        if self.form.reasoning_back == ReasoningBack::StateInPlace && said.drop_last_thoughts() {
            self.report.add(&place, Kind::Ignored, "reasoning from which nothing of the turn followed");
        }
        if said.has_text() && calls_wait && matches!(conversation.items.last(), Some(Item::Assistant(_))) {
            self.report_moved_text(&place);
        }
        conversation.items.push(Item::Assistant(said.sayings));
        Ok(())
    }

    fn report_moved_text(&mut self, place: &Place) {
        if !self.form.text_after_calls {
            self.report.add(place, Kind::Approximated, "text after a tool call moves before it");
        }
    }

    fn assistant_block(
        &mut self,
        block: Block,
        place: &Place,
        said: &mut Assistant,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let marker = self.extras(&block, place);
        self.mark(marker, &mut []);
        match block.kind {
            BlockKind::Text { text, cited } => {
                if cited {
                    let reason = "the upstream knows no citations";
                    self.report.add(&place.child("citations"), Kind::Ignored, reason);
                }
                if said.has_calls && !text.is_blank() {
                    self.report_moved_text(place);
                }
                said.push_text(text);
            }
            BlockKind::Thinking { thinking, signature } => {
                self.thinking(thinking, signature.as_deref(), place, said, &conversation.calls);
            }
            BlockKind::RedactedThinking { .. } => {
                self.report.add(place, Kind::Ignored, "another vendor's reasoning cannot be read");
            }
            BlockKind::ToolUse { id, name, input } => {
                if !input.get().starts_with('{') {
                    return Err(place.child("input").refuse("the input of a tool must be an object"));
                }
                let upstream_id = conversation.ids.next(&id, self.form.tool_ids);
                let call = Call {
                    id: upstream_id.clone(),
                    name: self.names.upstream_name(name),
                    arguments: String::from(Box::<str>::from(input)),
                    extra: said.extras.remove(&*id),
                };
                said.has_calls = true;
                conversation.calls.add(id, upstream_id, said.sayings.len(), place);
                said.sayings.push(Saying::Call(call));
            }
            BlockKind::ServerToolUse { name, input } => {
                self.report.add(place, Kind::Approximated, "a call of a server tool became text");
                let input = input.map_or_else(String::new, |input| format!(" {}", input.get()));
                said.push_line(&format!("[{name}{input}]"));
            }
            BlockKind::ServerToolResult { kind, content } => {
                self.report.add(place, Kind::Approximated, "the result of a server tool became text");
                said.push_line(&format!("[{kind}: {}]", server_result_text(content)));
            }
            BlockKind::Compaction { .. } => {
                // An assistant's compaction stands for what came before it.
                let mut parts = Vec::new();
                let block = Block { kind: block.kind, cache_control: None, stray: None };
                self.block(block, place, &mut parts)?;
                if !parts.is_empty() {
                    self.push_user(parts, &mut conversation.items);
                }
            }
            BlockKind::Marker => self.report.add(place, Kind::Ignored, "a marker without content"),
            BlockKind::Other(kind) => {
                return Err(place.refuse(format_args!("blocks of type `{kind}` are unknown")));
            }
            _ => return Err(place.refuse("this type of block does not belong to an assistant message")),
        }
        Ok(())
    }

    /// Reasoning goes back, unless its signature says that another upstream thought it. A block without signature
    /// was written by the client itself.
    fn thinking(
        &mut self,
        mut thinking: Escaped,
        signature: Option<&str>,
        place: &Place,
        said: &mut Assistant,
        calls: &Calls,
    ) {
        let mut state = None;
        if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
            let upstream = &self.options.upstream;
            let decoded = Signature::decode(signature, &mut self.inflate_budget);
            let Some(signature) = decoded.filter(|it| it.is_for(self.options.dialect.name(), upstream))
            else {
                let (kind, reason) = if self.inflate_budget == 0 {
                    (Kind::Dropped, "the signatures of the request hold more reasoning than is taken back")
                } else {
                    (Kind::Ignored, "the reasoning of another model")
                };
                self.report.add(place, kind, reason);
                return;
            };
            said.add_extras(signature.calls, calls);
            if thinking.is_empty() {
                thinking = signature.text.unwrap_or_default().into();
            }
            state = signature.state;
        }
        if thinking.is_empty() && state.is_none() {
            return;
        }
        match self.form.reasoning_back {
            ReasoningBack::StateInPlace if state.is_some() => {
                said.sayings.push(Saying::Thought(Thought { text: thinking, state }));
            }
            ReasoningBack::State => said.sayings.push(Saying::Thought(Thought { text: thinking, state })),
            ReasoningBack::Text if !thinking.is_empty() => {
                said.sayings.push(Saying::Thought(Thought { text: thinking, state: None }));
            }
            ReasoningBack::Nothing | ReasoningBack::Text | ReasoningBack::StateInPlace => {
                self.report.add(place, Kind::Ignored, "the upstream does not take reasoning back");
            }
        }
    }
}

/// What an assistant message says, gathered from its blocks.
#[derive(Default)]
struct Assistant {
    sayings: Vec<Saying>,
    has_calls: bool,
    /// The text so far ends within a line.
    is_within_line: bool,
    /// What came with calls that are still to come, by the client's id.
    extras: HashMap<String, Box<RawValue>>,
    /// How many calls of the same turn stand in messages before this one.
    first_call: usize,
}

impl Assistant {
    /// Takes what came with calls; it may come behind them.
    fn add_extras(&mut self, extras: impl IntoIterator<Item = (String, Box<RawValue>)>, calls: &Calls) {
        for (id, extra) in extras {
            let saying = calls.saying_of(&id, self.first_call);
            match saying.and_then(|saying| self.sayings.get_mut(saying)) {
                Some(Saying::Call(call)) => call.extra = Some(extra),
                _ => {
                    self.extras.insert(id, extra);
                }
            }
        }
    }

    fn push_text(&mut self, text: Escaped) {
        if text.is_empty() {
            return;
        }
        self.is_within_line = text.last() != Some('\n');
        match self.sayings.last_mut() {
            Some(Saying::Text(before)) => before.push(&text),
            _ => self.sayings.push(Saying::Text(text)),
        }
    }

    fn push_line(&mut self, line: &str) {
        let before = if self.is_within_line { "\n" } else { "" };
        self.push_text(format!("{before}{line}\n").into());
    }

    fn has_text(&self) -> bool {
        self.sayings.iter().any(|saying| matches!(saying, Saying::Text(text) if !text.is_blank()))
    }

    /// Takes away the thoughts that nothing follows; returns whether there were any.
    fn drop_last_thoughts(&mut self) -> bool {
        let leads_nowhere = |saying: &Saying| match saying {
            Saying::Thought(_) => true,
            Saying::Text(text) => text.is_blank(),
            Saying::Call(_) => false,
        };
        let kept = self.sayings.iter().rposition(|saying| !leads_nowhere(saying)).map_or(0, |last| last + 1);
        let last = self.sayings.split_off(kept);
        last.iter().any(|saying| matches!(saying, Saying::Thought(_)))
    }

    /// Cuts the white space at the end of the text; returns whether any text is left.
    fn trim_end(&mut self) -> bool {
        for saying in self.sayings.iter_mut().rev() {
            let Saying::Text(text) = saying else { continue };
            text.trim_end();
            if !text.is_empty() {
                return true;
            }
        }
        false
    }
}

/// What a server tool answered.
fn server_result_text(content: Option<Content>) -> String {
    let blocks = match content {
        None => return "no content".to_owned(),
        Some(Content::Text(text)) => return text.unescaped().into_owned(),
        Some(Content::Blocks(blocks)) => blocks,
    };
    let texts: Vec<String> = blocks
        .into_iter()
        .map(|block| match block.kind {
            BlockKind::WebSearchResult { title, url } => format!("{title} — {url}"),
            BlockKind::ProgramOutput { stdout, stderr } if stderr.is_empty() => stdout,
            BlockKind::ProgramOutput { stdout, stderr } => format!("{stdout}\nstderr: {stderr}"),
            BlockKind::Text { text, .. } => text.unescaped().into_owned(),
            BlockKind::ServerToolOutput { url: Some(url), content, .. } => {
                format!("{url}\n{}", server_result_text(content))
            }
            BlockKind::ServerToolOutput { content: content @ Some(_), .. } => server_result_text(content),
            BlockKind::Document(document) => match (document.source, document.title) {
                (Source::Text(text), Some(title)) => format!("{title}\n{}", text.unescaped()),
                (Source::Text(text), None) => text.unescaped().into_owned(),
                _ => "a document that only Anthropic's model could read".to_owned(),
            },
            BlockKind::ServerToolOutput { kind, .. } | BlockKind::Other(kind) => kind,
            _ => String::new(),
        })
        .collect();
    texts.join("; ")
}
