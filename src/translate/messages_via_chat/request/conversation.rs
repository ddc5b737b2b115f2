//! The conversation: whose turn it is, and what is emitted in which order (protocol.md §2.2).
//!
//! Chat completions demand that the results of an assistant's calls follow it at once, in messages of their own.
//! So everything between two assistant messages is one turn, emitted as: results in the order of the calls, then
//! what the user and the system said, in its order.

mod assistant;
mod tool_results;

use super::blocks::{Place, text_part};
use super::system::{append, reminder};
use super::{Translation, report_unknown};
use crate::protocol::anthropic::block::{BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Message, Role};
use crate::protocol::openai::chat::request::{self as chat, Content as ChatContent, Part};
use crate::translate::quirks::SystemMode;
use crate::translate::report::Kind;
use std::collections::HashSet;
use std::mem;
use tool_results::{Calls, UpstreamIds};

/// The conversation as far as it is translated.
#[derive(Default)]
struct Conversation {
    /// The system prompt, growing only with `hoist`, and in front of the first message.
    leading: Vec<Part>,
    messages: Vec<chat::Message>,
    /// Calls of the last assistant message.
    calls: Calls,
    /// What has been said since.
    turn: Turn,
    ids: UpstreamIds,
    /// A user message was left out because it was blank.
    blank_user: bool,
}

/// What was said between two assistant messages, beside tool results.
#[derive(Default)]
struct Turn(Vec<Said>);

enum Said {
    User(Vec<Part>),
    System(Vec<Part>),
}

impl Conversation {
    /// Whether the next assistant message follows another at once: both are one turn of the model.
    fn is_in_assistant(&self) -> bool {
        self.turn.0.is_empty()
            && !self.calls.is_any_answered()
            && matches!(self.messages.last(), Some(chat::Message::Assistant(_)))
    }
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
                    let cleared = message.clear_at.as_deref() == Some(NEXT_USER_MESSAGE) && index < last_user;
                    if !cleared {
                        self.system(message, &place, &mut conversation)?;
                    }
                }
                Role::Assistant => {
                    if !conversation.is_in_assistant() {
                        self.end_turn(&mut conversation)?;
                    }
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
        if body.messages.is_empty() && conversation.blank_user {
            // The only message of the user stays, blank as it is: an upstream answers nothing without one.
            body.messages.push(chat::Message::User { content: ChatContent::Text(String::new()) });
        }
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
            return;
        }
        if message.clear_at.as_deref().is_some_and(|when| when != NEXT_USER_MESSAGE) {
            let reason = "only `next_user_message` is known; the message stays";
            self.report.add(format!("{}/clear_at", place.0), Kind::Dropped, reason);
        }
        if let Some(config) = &message.output_config {
            let pointer = format!("{}/output_config", place.0);
            if config.format.is_some() {
                let reason = "the format of an answer cannot change in mid-conversation";
                self.report.add(format!("{pointer}/format"), Kind::Dropped, reason);
            }
            if config.task_budget.is_some() {
                let reason = "the upstream knows no budget for a task";
                self.report.add(format!("{pointer}/task_budget"), Kind::Ignored, reason);
            }
            report_unknown(&config.unknown, &pointer, &mut self.report);
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
        if parts.is_empty() {
            conversation.blank_user = true;
        } else {
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

    /// Emits what has been said since the last assistant message.
    fn end_turn(&mut self, conversation: &mut Conversation) -> Result<(), Error> {
        let Conversation { calls, messages, turn, .. } = conversation;
        let media = mem::take(calls).emit(messages)?;
        let mut turn = mem::take(turn).0;
        if !media.is_empty() {
            match turn.first_mut() {
                Some(Said::User(parts)) => drop(parts.splice(0..0, media)),
                _ => turn.insert(0, Said::User(media)),
            }
        }
        // System texts that stand before a user message and behind no other, where they may not stand alone.
        let mut waiting: Vec<String> = Vec::new();
        for said in turn {
            match said {
                Said::User(mut parts) => {
                    prepend(&mem::take(&mut waiting), &mut parts);
                    self.push_user(parts, messages);
                }
                Said::System(parts) if self.options.quirks.system_mode == SystemMode::Fold => {
                    match messages.last_mut() {
                        Some(chat::Message::User { content } | chat::Message::Tool { content, .. }) => {
                            append(reminder(parts), content);
                        }
                        _ => waiting.push(reminder(parts)),
                    }
                }
                Said::System(parts) => messages.push(self.system_message(parts)),
            }
        }
        if !waiting.is_empty() {
            messages.push(chat::Message::User { content: ChatContent::Text(waiting.join("\n\n")) });
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

/// Puts texts before the parts of a user message.
fn prepend(texts: &[String], parts: &mut Vec<Part>) {
    if texts.is_empty() {
        return;
    }
    let mut text = texts.join("\n\n");
    if let Some(Part::Text { text: first }) = parts.first_mut() {
        text.push_str("\n\n");
        first.insert_str(0, &text);
    } else {
        parts.insert(0, text_part(text));
    }
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

/// The one known time at which a system message becomes void.
const NEXT_USER_MESSAGE: &str = "next_user_message";
