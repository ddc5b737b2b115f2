//! What the model said: text, calls, reasoning of earlier turns, and what Anthropic's servers did for it
//! (protocol.md §2.5).

use super::super::Translation;
use super::super::blocks::Place;
use super::Conversation;
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::openai::chat::request as chat;
use crate::translate::messages_via_chat::DIALECT;
use crate::translate::quirks::{Prefill, ReasoningEcho};
use crate::translate::report::Kind;
use crate::translate::signature::Signature;
use serde_json::value::RawValue;
use std::collections::HashMap;

impl Translation<'_> {
    pub(super) fn assistant(
        &mut self,
        content: Option<Content>,
        place: &Place,
        is_last: bool,
        conversation: &mut Conversation,
        body: &mut chat::Request,
    ) -> Result<(), Error> {
        let place = place.child("content");
        let mut said = Assistant::default();
        match content {
            None => return Err(place.refuse("missing field `content`")),
            Some(Content::Text(text)) => said.text = text,
            Some(Content::Blocks(blocks)) => {
                for (index, block) in blocks.into_iter().enumerate() {
                    self.assistant_block(block, &place.child(index), &mut said, conversation)?;
                }
            }
        }
        if is_last && said.tool_calls.is_empty() {
            said.text.truncate(said.text.trim_end().len());
            if !said.text.is_empty() {
                self.prefill(&place, &mut said, body);
            }
        }
        let message = self.assistant_message(said);
        if message.content.is_none() && message.tool_calls.is_empty() {
            self.report.add(&place.0, Kind::Ignored, "an assistant message without text and calls");
        } else {
            self.push_assistant(message, &place, conversation);
        }
        Ok(())
    }

    /// Consecutive assistant messages are one turn. They become one message where the upstream demands it, and
    /// where calls wait: nothing may stand between calls and their results.
    fn push_assistant(
        &mut self,
        message: chat::AssistantMessage,
        place: &Place,
        conversation: &mut Conversation,
    ) {
        let merge = self.options.quirks.merge_consecutive || has_calls(conversation.messages.last());
        match conversation.messages.last_mut() {
            Some(chat::Message::Assistant(before)) if merge => {
                if !before.tool_calls.is_empty() && message.content.is_some() {
                    let reason = "text after a tool call moves before it";
                    self.report.add(&place.0, Kind::Approximated, reason);
                }
                merge_assistants(before, message);
            }
            _ => conversation.messages.push(chat::Message::Assistant(message)),
        }
    }

    fn assistant_block(
        &mut self,
        block: Block,
        place: &Place,
        said: &mut Assistant,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        self.report_extras(&block, place);
        match block.kind {
            BlockKind::Text { text, cited } => {
                if cited {
                    let reason = "the upstream knows no citations";
                    self.report.add(format!("{}/citations", place.0), Kind::Ignored, reason);
                }
                if !said.tool_calls.is_empty() && !text.trim().is_empty() {
                    let reason = "text after a tool call moves before it";
                    self.report.add(&place.0, Kind::Approximated, reason);
                }
                said.text.push_str(&text);
            }
            BlockKind::Thinking { thinking, signature } => {
                self.thinking(thinking, signature.as_deref(), place, said);
            }
            BlockKind::RedactedThinking { .. } => {
                self.report.add(&place.0, Kind::Ignored, "another vendor's reasoning cannot be read");
            }
            BlockKind::ToolUse { id, name, input } => {
                if !input.get().starts_with('{') {
                    return Err(place.child("input").refuse("the input of a tool must be an object"));
                }
                let upstream_id = conversation.ids.next(&id, self.options.quirks.tool_ids);
                said.tool_calls.push(chat::ToolCall {
                    id: upstream_id.clone(),
                    kind: "function",
                    function: chat::FunctionCall {
                        name: self.names.upstream_name(&name),
                        arguments: String::from(Box::<str>::from(input)),
                    },
                    extra_content: said.extras.remove(&id),
                });
                conversation.calls.add(id, upstream_id);
            }
            BlockKind::ServerToolUse { name, input } => {
                self.report.add(&place.0, Kind::Approximated, "a call of a server tool became text");
                let input = input.map_or_else(String::new, |input| format!(" {}", input.get()));
                said.push_line(&format!("[{name}{input}]"));
            }
            BlockKind::ServerToolResult { kind, content } => {
                self.report.add(&place.0, Kind::Approximated, "the result of a server tool became text");
                said.push_line(&format!("[{kind}: {}]", server_result_text(content)));
            }
            BlockKind::Compaction { .. } => {
                // An assistant's compaction stands for what came before it.
                let mut parts = Vec::new();
                let block = Block { unknown: Vec::new(), ignored: Vec::new(), cache_control: None, ..block };
                self.block(block, place, &mut parts)?;
                if !parts.is_empty() {
                    self.push_user(parts, &mut conversation.messages);
                }
            }
            BlockKind::Marker => self.report.add(&place.0, Kind::Ignored, "a marker without content"),
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
        mut thinking: String,
        signature: Option<&str>,
        place: &Place,
        said: &mut Assistant,
    ) {
        if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
            let upstream = &self.options.upstream;
            let decoded = Signature::decode(signature, &mut self.inflate_budget);
            let Some(signature) = decoded.filter(|it| it.is_for(DIALECT, upstream)) else {
                let (kind, reason) = if self.inflate_budget == 0 {
                    (Kind::Dropped, "the signatures of the request hold more reasoning than is taken back")
                } else {
                    (Kind::Ignored, "the reasoning of another model")
                };
                self.report.add(&place.0, kind, reason);
                return;
            };
            said.extras.extend(signature.calls);
            if thinking.is_empty() {
                thinking = signature.text.unwrap_or_default();
            }
        }
        if self.options.quirks.reasoning_echo != ReasoningEcho::Drop {
            said.reasoning.push_str(&thinking);
        } else if !thinking.is_empty() {
            self.report.add(&place.0, Kind::Ignored, "the upstream does not take reasoning back");
        }
    }

    fn prefill(&mut self, place: &Place, said: &mut Assistant, body: &mut chat::Request) {
        match self.options.quirks.prefill {
            Prefill::Appended => {
                let reason = "the upstream begins a new answer instead of continuing this one";
                self.report.add(&place.0, Kind::Approximated, reason);
            }
            Prefill::Continued => {}
            Prefill::ContinueFinalMessage => {
                body.continue_final_message = Some(true);
                body.add_generation_prompt = Some(false);
            }
            Prefill::PrefixFlag => said.prefix = Some(true),
        }
    }

    fn assistant_message(&self, said: Assistant) -> chat::AssistantMessage {
        let reasoning = Some(said.reasoning).filter(|reasoning| !reasoning.is_empty());
        let has_calls = !said.tool_calls.is_empty();
        let (reasoning_content, reasoning) = match self.options.quirks.reasoning_echo {
            ReasoningEcho::Drop => (None, None),
            ReasoningEcho::ReasoningContent => (reasoning, None),
            ReasoningEcho::ReasoningContentRequiredWithTools => {
                (reasoning.or_else(|| has_calls.then(String::new)), None)
            }
            ReasoningEcho::Reasoning => (None, reasoning),
        };
        chat::AssistantMessage {
            content: Some(said.text).filter(|text| !text.trim().is_empty()),
            reasoning_content,
            reasoning,
            tool_calls: said.tool_calls,
            prefix: said.prefix,
        }
    }
}

/// What an assistant message says, gathered from its blocks.
#[derive(Default)]
struct Assistant {
    text: String,
    reasoning: String,
    tool_calls: Vec<chat::ToolCall>,
    /// What came with calls that are still to come, by the client's id.
    extras: HashMap<String, Box<RawValue>>,
    prefix: Option<bool>,
}

impl Assistant {
    fn push_line(&mut self, line: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn has_calls(message: Option<&chat::Message>) -> bool {
    matches!(message, Some(chat::Message::Assistant(message)) if !message.tool_calls.is_empty())
}

fn merge_assistants(before: &mut chat::AssistantMessage, more: chat::AssistantMessage) {
    append(&mut before.content, more.content, "\n\n");
    append(&mut before.reasoning_content, more.reasoning_content, "");
    append(&mut before.reasoning, more.reasoning, "");
    before.tool_calls.extend(more.tool_calls);
    before.prefix = more.prefix;
}

fn append(before: &mut Option<String>, more: Option<String>, separator: &str) {
    match (before, more) {
        (Some(before), Some(more)) => {
            before.push_str(separator);
            before.push_str(&more);
        }
        (before, more) => *before = before.take().or(more),
    }
}

/// What a server tool answered, in one line.
fn server_result_text(content: Option<Content>) -> String {
    let blocks = match content {
        None => return "no content".to_owned(),
        Some(Content::Text(text)) => return text,
        Some(Content::Blocks(blocks)) => blocks,
    };
    let texts: Vec<String> = blocks
        .into_iter()
        .map(|block| match block.kind {
            BlockKind::WebSearchResult { title, url } => format!("{title} — {url}"),
            BlockKind::ProgramOutput { stdout, stderr } if stderr.is_empty() => stdout,
            BlockKind::ProgramOutput { stdout, stderr } => format!("{stdout}\nstderr: {stderr}"),
            BlockKind::Text { text, .. } => text,
            BlockKind::Other(kind) => kind,
            _ => String::new(),
        })
        .collect();
    texts.join("; ")
}
