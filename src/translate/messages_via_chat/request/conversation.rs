//! The conversation: turns, and tool calls with their results (protocol.md §2.2, §2.5).
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
use crate::translate::quirks::SystemMode;
use crate::translate::report::Kind;
use std::collections::{HashMap, HashSet};
use std::mem;

/// The conversation as far as it is translated.
#[derive(Default)]
pub(super) struct Conversation {
    /// The system prompt, growing only with `hoist`, and in front of the first message.
    leading: Vec<Part>,
    pub(super) messages: Vec<chat::Message>,
    /// Calls of the last assistant message.
    pub(super) calls: Vec<Call>,
    /// What has been said since.
    turn: Turn,
    /// How often each call id has occurred.
    pub(super) occurrences: HashMap<String, usize>,
}

/// A call that waits for its result.
pub(super) struct Call {
    pub(super) client_id: String,
    pub(super) upstream_id: String,
    pub(super) result: Option<ToolResult>,
}

/// The result of a call.
pub(super) struct ToolResult {
    content: ChatContent,
    /// Images and files, which follow all results in a user message.
    media: Vec<Part>,
}

/// What was said between two assistant messages, beside tool results.
#[derive(Default)]
pub(super) struct Turn(Vec<Said>);

pub(super) enum Said {
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

    pub(super) fn push_user(&self, mut parts: Vec<Part>, messages: &mut Vec<chat::Message>) {
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
