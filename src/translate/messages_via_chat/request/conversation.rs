//! The conversation: turns, tool calls and their results, reasoning of earlier turns (protocol.md §2.2, §2.5).
//!
//! Chat completions demand that the results of an assistant's calls follow it at once, in messages of their own.
//! So everything between two assistant messages is one turn, emitted as: results in the order of the calls, then
//! what the user and the system said, in its order.

use super::blocks::{Place, joined_text, text_part};
use super::system::fold;
use super::{Translation, report_unknown};
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Message, Role};
use crate::protocol::openai::chat::request::{self as chat, Content as ChatContent, Part};
use crate::translate::quirks::{Prefill, ReasoningEcho, SystemMode};
use crate::translate::report::Kind;
use crate::translate::tool_ids;
use std::collections::{HashMap, HashSet};
use std::mem;

/// The conversation as far as it is translated.
#[derive(Default)]
struct Conversation {
    /// The system prompt, growing only with `hoist`, and in front of the first message.
    leading: Vec<Part>,
    messages: Vec<chat::Message>,
    /// Calls of the last assistant message.
    calls: Vec<Call>,
    /// What has been said since.
    turn: Turn,
    /// How often each call id has occurred.
    occurrences: HashMap<String, usize>,
}

/// A call that waits for its result.
struct Call {
    client_id: String,
    upstream_id: String,
    result: Option<ToolResult>,
}

/// The result of a call.
struct ToolResult {
    content: ChatContent,
    /// Images and files, which follow all results in a user message.
    media: Vec<Part>,
}

/// What was said between two assistant messages, beside tool results.
#[derive(Default)]
struct Turn(Vec<Said>);

enum Said {
    User(Vec<Part>),
    System(Vec<Part>),
}

impl Translation<'_> {
    pub(super) fn conversation(
        &mut self,
        system: Option<Content>,
        messages: Vec<Message>,
        body: &mut chat::Request,
    ) -> Result<(), Error> {
        let mut conversation = Conversation::default();
        if let Some(system) = system {
            conversation.leading = self.system_texts(system)?;
        }
        let last_user = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
        let last = messages.len().saturating_sub(1);
        for (index, message) in messages.into_iter().enumerate() {
            let place = Place(format!("/messages/{index}"));
            self.message_extras(&message, &place);
            match message.role {
                Role::User => self.user(message.content, &place, &mut conversation)?,
                Role::System => {
                    let cleared =
                        message.clear_at.as_deref() == Some("next_user_message") && index < last_user;
                    if !cleared {
                        self.system(message, &place, &mut conversation)?;
                    }
                }
                Role::Assistant => {
                    self.end_turn(&mut conversation)?;
                    self.assistant(message.content, &place, index == last, &mut conversation, body)?;
                }
                Role::Other(role) => {
                    return Err(place
                        .child("role")
                        .refuse(format_args!("`{role}` is unknown; known are user, assistant, system")));
                }
            }
        }
        self.end_turn(&mut conversation)?;
        body.messages = conversation.messages;
        if !conversation.leading.is_empty() {
            body.messages.insert(0, self.system_message(conversation.leading));
        }
        if body.messages.is_empty() {
            return Err(Error::invalid_request("messages: text content must not be blank"));
        }
        Ok(())
    }

    fn message_extras(&mut self, message: &Message, place: &Place) {
        report_unknown(&message.unknown, &place.0, &mut self.report);
        if message.role != Role::System {
            let extras = [
                ("output_config", message.output_config.is_some()),
                ("clear_at", message.clear_at.is_some()),
            ];
            for (name, _) in extras.into_iter().filter(|(_, present)| *present) {
                let reason = "only system messages carry it";
                self.report.add(format!("{}/{name}", place.0), Kind::Dropped, reason);
            }
        }
    }

    fn user(
        &mut self,
        content: Option<Content>,
        place: &Place,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let place = place.child("content");
        let mut parts = Vec::new();
        match content {
            None => return Err(place.refuse("missing field `content`")),
            Some(Content::Text(text)) => parts = self.parts(Content::Text(text), &place)?,
            Some(Content::Blocks(blocks)) => {
                for (index, block) in blocks.into_iter().enumerate() {
                    let place = place.child(index);
                    if matches!(block.kind, BlockKind::ToolResult { .. }) {
                        self.tool_result(block, &place, conversation)?;
                    } else {
                        self.block(block, &place, &mut parts)?;
                    }
                }
            }
        }
        if !parts.is_empty() {
            conversation.turn.0.push(Said::User(parts));
        }
        Ok(())
    }

    fn system(
        &mut self,
        message: Message,
        place: &Place,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let place = place.child("content");
        let Some(content) = message.content else {
            if message.output_config.is_some() {
                return Ok(());
            }
            return Err(place.refuse("missing field `content`"));
        };
        let mut parts = self.only_texts(content, &place)?;
        if parts.is_empty() {
            return Ok(());
        }
        let one_system = matches!(self.options.quirks.system_mode, SystemMode::Fold | SystemMode::Hoist);
        let is_first = conversation.messages.is_empty() && conversation.turn.0.is_empty();
        if self.options.quirks.system_mode == SystemMode::Hoist || one_system && is_first {
            conversation.leading.append(&mut parts);
        } else {
            conversation.turn.0.push(Said::System(parts));
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        mut block: Block,
        place: &Place,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let kind = mem::replace(&mut block.kind, BlockKind::Marker);
        let BlockKind::ToolResult { tool_use_id, content, is_error } = kind else { return Ok(()) };
        self.report_extras(&block, place);
        let matches = |call: &Call| call.client_id == tool_use_id;
        let open = conversation.calls.iter().position(|call| matches(call) && call.result.is_none());
        let Some(index) = open.or_else(|| conversation.calls.iter().rposition(matches)) else {
            return Err(place.refuse(format_args!(
                "tool_use_id: no tool_use `{tool_use_id}` stands in the assistant message before"
            )));
        };
        let result = self.tool_content(&tool_use_id, content, is_error, place)?;
        if let Some(call) = conversation.calls.get_mut(index)
            && call.result.replace(result).is_some()
        {
            self.report.add(
                &place.0,
                Kind::Dropped,
                "an earlier result of the same call gave way to this one",
            );
        }
        Ok(())
    }

    fn tool_content(
        &mut self,
        id: &str,
        content: Option<Content>,
        is_error: bool,
        place: &Place,
    ) -> Result<ToolResult, Error> {
        let mut parts = match content {
            Some(content) => self.parts(content, &place.child("content"))?,
            None => Vec::new(),
        };
        if is_error {
            mark_as_error(&mut parts);
        }
        let is_media = |part: &Part| !matches!(part, Part::Text { .. });
        if self.options.quirks.tool_images && parts.iter().any(is_media) {
            return Ok(ToolResult { content: ChatContent::Parts(parts), media: Vec::new() });
        }
        let mut media = Vec::new();
        for part in &mut parts {
            let name = match part {
                Part::Text { .. } => continue,
                Part::ImageUrl { .. } => "image",
                Part::File { .. } => "file",
            };
            let number = media.len() / 2 + 1;
            let marker = text_part(format!("[{name} {number} of tool result {id}, shown below]"));
            media.push(text_part(format!("[{name} {number} of tool result {id}]")));
            media.push(mem::replace(part, marker));
        }
        if !media.is_empty() {
            let reason = "images and files of a tool result follow it in a user message";
            self.report.add(&place.0, Kind::Rewritten, reason);
        }
        Ok(ToolResult { content: ChatContent::Text(joined_text(parts, "\n")), media })
    }

    /// Emits what has been said since the last assistant message.
    fn end_turn(&mut self, conversation: &mut Conversation) -> Result<(), Error> {
        let mut media = Vec::new();
        let calls = mem::take(&mut conversation.calls);
        let missing: Vec<&str> =
            calls.iter().filter(|call| call.result.is_none()).map(|call| call.client_id.as_str()).collect();
        if !missing.is_empty() {
            return Err(Error::invalid_request(format!(
                "messages: tool_use ids were found without tool_result blocks in the next message: {}",
                missing.join(", ")
            )));
        }
        for call in calls {
            let Some(mut result) = call.result else { continue };
            media.append(&mut result.media);
            let message = chat::Message::Tool { tool_call_id: call.upstream_id, content: result.content };
            conversation.messages.push(message);
        }
        let mut turn = mem::take(&mut conversation.turn).0;
        if !media.is_empty() {
            match turn.first_mut() {
                Some(Said::User(parts)) => drop(parts.splice(0..0, media)),
                _ => turn.insert(0, Said::User(media)),
            }
        }
        for said in turn {
            match said {
                Said::User(parts) => self.push_user(parts, &mut conversation.messages),
                Said::System(parts) if self.options.quirks.system_mode == SystemMode::Fold => {
                    fold(&mut conversation.messages, parts);
                }
                Said::System(parts) => conversation.messages.push(self.system_message(parts)),
            }
        }
        Ok(())
    }

    fn push_user(&self, mut parts: Vec<Part>, messages: &mut Vec<chat::Message>) {
        if self.options.quirks.merge_consecutive
            && let Some(chat::Message::User { content }) = messages.last_mut()
        {
            let before = mem::replace(content, ChatContent::Parts(Vec::new()));
            let mut merged = match before {
                ChatContent::Text(text) => vec![text_part(text)],
                ChatContent::Parts(parts) => parts,
            };
            merged.append(&mut parts);
            *content = ChatContent::Parts(merged);
            return;
        }
        messages.push(chat::Message::User { content: lone_text(parts) });
    }

    fn assistant(
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
            conversation.messages.push(chat::Message::Assistant(message));
        }
        Ok(())
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
            BlockKind::Thinking { thinking, .. } => {
                if self.options.quirks.reasoning_echo == ReasoningEcho::Drop {
                    self.report.add(&place.0, Kind::Ignored, "the upstream does not take reasoning back");
                }
                said.reasoning.push_str(&thinking);
            }
            BlockKind::RedactedThinking { .. } => {
                self.report.add(&place.0, Kind::Ignored, "another vendor's reasoning cannot be read");
            }
            BlockKind::ToolUse { id, name, input } => {
                if !input.get().starts_with('{') {
                    return Err(place.child("input").refuse("the input of a tool must be an object"));
                }
                let occurrence = conversation.occurrences.entry(id.clone()).or_default();
                let upstream_id = tool_ids::to_upstream(&id, *occurrence, self.options.quirks.tool_ids);
                *occurrence += 1;
                said.tool_calls.push(chat::ToolCall {
                    id: upstream_id.clone(),
                    kind: "function",
                    function: chat::FunctionCall {
                        name: self.names.upstream_name(&name),
                        arguments: String::from(Box::<str>::from(input)),
                    },
                });
                conversation.calls.push(Call { client_id: id, upstream_id, result: None });
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
                self.block(Block { unknown: Vec::new(), cache_control: None, ..block }, place, &mut parts)?;
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

/// The ids of all tool calls in the conversation, as the client knows them.
pub(super) fn ids_in_use(messages: &[Message]) -> HashSet<String> {
    let blocks = messages.iter().filter_map(|message| match &message.content {
        Some(Content::Blocks(blocks)) => Some(blocks),
        _ => None,
    });
    let ids = blocks.flatten().filter_map(|block| match &block.kind {
        BlockKind::ToolUse { id, .. } => Some(id.clone()),
        _ => None,
    });
    ids.collect()
}

/// A lone text as a plain string, which every server takes.
fn lone_text(mut parts: Vec<Part>) -> ChatContent {
    match (parts.pop(), parts.is_empty()) {
        (Some(Part::Text { text }), true) => ChatContent::Text(text),
        (last, _) => {
            parts.extend(last);
            ChatContent::Parts(parts)
        }
    }
}

/// Chat completions have no member for a failed tool, so the text says it.
fn mark_as_error(parts: &mut Vec<Part>) {
    match parts.iter_mut().find_map(|part| match part {
        Part::Text { text } => Some(text),
        Part::ImageUrl { .. } | Part::File { .. } => None,
    }) {
        Some(text) if text.starts_with("Error") => {}
        Some(text) => text.insert_str(0, "Error: "),
        None => parts.insert(0, text_part("Error".to_owned())),
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
