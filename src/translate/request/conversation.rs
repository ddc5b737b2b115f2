//! The conversation: whose turn it is, and what is emitted in which order (protocol.md §2.2).
//!
//! Upstreams demand that the results of an assistant's calls follow it at once. So everything between two assistant messages is one turn, emitted as: results in the order of the calls, then
//! what the user and the system said, in its order.

mod assistant;
mod tool_results;

use super::place::Place;
use super::system::{append, reminder};
use super::{Part, Translation, report_unknown};
use crate::protocol::CallId;
use crate::protocol::anthropic::block::{BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Message, Role};
use crate::translate::quirks::SystemMode;
use crate::translate::report::Kind;
use crate::translate::tool_ids::UsedIds;
use std::mem;
use tool_results::{Calls, UpstreamIds};

pub(crate) use assistant::{Call, Saying, Thought};

/// A conversation in no dialect, in the order in which an upstream must hear it.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// The system prompt: texts in front of everything.
    pub(crate) leading: Vec<Part>,
    /// What was said; never nothing.
    pub(crate) items: Vec<Item>,
    /// The last message is one of the assistant, which the upstream shall continue.
    pub(crate) is_prefilled: bool,
}

impl Transcript {
    /// The beginning of the answer, if the client has written it.
    pub(crate) fn prefill(&self) -> Option<String> {
        let Some(Item::Assistant(sayings)) = self.items.last().filter(|_| self.is_prefilled) else {
            return None;
        };
        let texts = sayings.iter().filter_map(|saying| match saying {
            Saying::Text(text) => Some(text.unescaped()),
            _ => None,
        });
        Some(texts.collect())
    }
}

/// One thing that was said.
#[derive(Debug)]
pub(crate) enum Item {
    /// Instructions within the conversation: texts.
    System(Vec<Part>),
    /// What the person says; without parts only where the one message of the person is blank.
    User(Vec<Part>),
    /// What the model said in one message, in its order.
    Assistant(Vec<Saying>),
    /// What a tool answered; without parts if nothing.
    Result {
        /// The upstream's id of the call.
        call_id: CallId,
        /// Texts alone are one text.
        parts: Vec<Part>,
    },
}

/// The conversation as far as it is translated.
#[derive(Default)]
struct Conversation {
    /// The system prompt, growing only with `hoist`, and in front of the first message.
    leading: Vec<Part>,
    items: Vec<Item>,
    /// Calls of the last assistant message.
    calls: Calls,
    /// What has been said since.
    turn: Turn,
    ids: UpstreamIds,
    /// A user message was left out because it was blank.
    blank_user: bool,
    is_prefilled: bool,
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
            && matches!(self.items.last(), Some(Item::Assistant(_)))
    }
}

impl Translation<'_> {
    /// The conversation, and the ids of all calls in it.
    pub(super) fn conversation(
        &mut self,
        system: Option<Content>,
        messages: Vec<Message>,
    ) -> Result<(Transcript, UsedIds), Error> {
        let mut conversation = Conversation {
            items: Vec::with_capacity(messages.len()),
            // Agents call a tool in every other message.
            ids: UpstreamIds::with_capacity(messages.len() / 2),
            ..Conversation::default()
        };
        if let Some(system) = system {
            conversation.leading = self.system_texts(system)?;
        }
        let last_user = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
        let last = messages.len().saturating_sub(1);
        let messages_place = Place::top("messages");
        for (index, message) in messages.into_iter().enumerate() {
            let place = messages_place.child(index);
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
                    self.assistant(message.content, &place, index == last, &mut conversation)?;
                }
                Role::Other(role) => {
                    return Err(place
                        .child("role")
                        .refuse(format_args!("`{role}` is unknown; known are user, assistant, system")));
                }
            }
        }
        self.end_turn(&mut conversation)?;
        let Conversation { leading, mut items, is_prefilled, blank_user, ids, .. } = conversation;
        if items.is_empty() && blank_user {
            // The only message of the user stays, blank as it is: an upstream answers nothing without one.
            items.push(Item::User(Vec::new()));
        }
        if leading.is_empty() && items.is_empty() {
            return Err(Error::invalid_request("messages: text content must not be blank"));
        }
        let mut transcript = Transcript { leading, items, is_prefilled };
        self.limit_markers(&mut transcript);
        Ok((transcript, ids.used))
    }

    fn message_extras(&mut self, message: &Message, place: &Place) {
        report_unknown(&message.unknown, place, &mut self.report);
        if message.role != Role::System {
            let extras = [
                ("output_config", message.output_config.is_some()),
                ("clear_at", message.clear_at.is_some()),
            ];
            for (name, _) in extras.into_iter().filter(|(_, present)| *present) {
                let reason = "only system messages carry it";
                self.report.add(&place.child(name), Kind::Dropped, reason);
            }
            return;
        }
        if message.clear_at.as_deref().is_some_and(|when| !matches!(when, NEXT_USER_MESSAGE | NEVER)) {
            let reason = "only `next_user_message` and `never` are known; the message stays";
            self.report.add(&place.child("clear_at"), Kind::Dropped, reason);
        }
        if let Some(config) = &message.output_config {
            let pointer = place.child("output_config").to_string();
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
                        self.tool_result(block, &place, &mut parts, conversation)?;
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
        let is_first = conversation.items.is_empty() && conversation.turn.0.is_empty();
        if self.options.quirks.system_mode == SystemMode::Hoist || one_system && is_first {
            conversation.leading.append(&mut parts);
        } else {
            conversation.turn.0.push(Said::System(parts));
        }
        Ok(())
    }

    /// Emits what has been said since the last assistant message.
    fn end_turn(&mut self, conversation: &mut Conversation) -> Result<(), Error> {
        let Conversation { calls, items, turn, .. } = conversation;
        let mut calls = mem::take(calls);
        if self.options.quirks.repair_tool_results {
            calls.repair(&mut self.report);
        }
        let media = calls.emit(items)?;
        let mut turn = mem::take(turn).0;
        if !media.is_empty() {
            match turn.first_mut() {
                Some(Said::User(parts)) => drop(parts.splice(0..0, media)),
                _ => turn.insert(0, Said::User(media)),
            }
        }
        // System texts that stand before a user message and behind no other, where they may not stand alone.
        let mut waiting: Vec<Part> = Vec::new();
        for said in turn {
            match said {
                Said::User(mut parts) => {
                    prepend(mem::take(&mut waiting), &mut parts);
                    self.push_user(parts, items);
                }
                Said::System(parts) if self.options.quirks.system_mode == SystemMode::Fold => {
                    match items.last_mut() {
                        Some(Item::User(before) | Item::Result { parts: before, .. }) => {
                            append(reminder(parts), before);
                        }
                        _ => waiting.push(reminder(parts)),
                    }
                }
                Said::System(parts) => items.push(Item::System(parts)),
            }
        }
        if !waiting.is_empty() {
            items.push(Item::User(vec![Part::joined(waiting, "\n\n")]));
        }
        Ok(())
    }

    fn push_user(&self, mut parts: Vec<Part>, items: &mut Vec<Item>) {
        match items.last_mut() {
            Some(Item::User(before)) if self.form.merge_users => before.append(&mut parts),
            _ => items.push(Item::User(parts)),
        }
    }
}

/// Whether tools were called in the conversation.
pub(super) fn has_calls(messages: &[Message]) -> bool {
    let mut blocks = messages.iter().filter_map(|message| match &message.content {
        Some(Content::Blocks(blocks)) => Some(blocks),
        _ => None,
    });
    blocks.any(|blocks| blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse { .. })))
}

/// Puts texts before the parts of a user message.
fn prepend(texts: Vec<Part>, parts: &mut Vec<Part>) {
    if texts.is_empty() {
        return;
    }
    let texts = Part::joined(texts, "\n\n");
    match parts.first_mut() {
        Some(first) if first.is_text() => {
            let first = mem::replace(first, Part::text(""));
            let joined = Part::joined(vec![texts, first], "\n\n");
            parts.splice(0..1, [joined]).for_each(drop);
        }
        _ => parts.insert(0, texts),
    }
}

/// The one known time at which a system message becomes void.
const NEXT_USER_MESSAGE: &str = "next_user_message";
/// What is so without a word.
const NEVER: &str = "never";
