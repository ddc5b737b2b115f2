//! System text: the leading one, and where texts in mid-conversation go (protocol.md §2.3).

use super::Translation;
use super::blocks::{Place, joined_text, text_part};
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::openai::chat::request::{Content as ChatContent, Message, Part};
use crate::translate::quirks::SystemMode;

/// Begins a block that Claude Code puts first and that differs from conversation to conversation, which would
/// spoil every prefix cache of the upstream. It says nothing to the model.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";

impl Translation<'_> {
    /// The system prompt's texts, without Claude Code's billing header.
    pub(super) fn system_texts(&mut self, system: Content) -> Result<Vec<Part>, Error> {
        let place = Place("/system".to_owned());
        let system = match system {
            Content::Blocks(mut blocks) => {
                if let Some(first) = blocks.first_mut().filter(|block| is_billing_header(block)) {
                    // It stays as a block without content, so that places in reports keep their numbers.
                    first.kind = BlockKind::Marker;
                }
                Content::Blocks(blocks)
            }
            text @ Content::Text(_) => text,
        };
        self.only_texts(system, &place)
    }

    /// Content that may hold nothing but text.
    pub(super) fn only_texts(&mut self, content: Content, place: &Place) -> Result<Vec<Part>, Error> {
        let parts = self.parts(content, place)?;
        if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
            return Err(place.refuse("system text holds nothing but text"));
        }
        Ok(parts)
    }

    /// A system message of these texts, in the role that the upstream wants.
    pub(super) fn system_message(&self, parts: Vec<Part>) -> Message {
        let content = if parts.len() > 1 && self.options.quirks.system_parts {
            ChatContent::Parts(parts)
        } else {
            ChatContent::Text(joined_text(parts, "\n\n"))
        };
        match self.options.quirks.system_mode {
            SystemMode::Developer => Message::Developer { content },
            SystemMode::System | SystemMode::Fold | SystemMode::Hoist => Message::System { content },
        }
    }
}

/// Puts a system text into the turn before it, or opens a user message after an assistant's.
pub(super) fn fold(messages: &mut Vec<Message>, parts: Vec<Part>) {
    let text = format!("<system-reminder>\n{}\n</system-reminder>", joined_text(parts, "\n\n"));
    match messages.last_mut() {
        Some(Message::User { content } | Message::Tool { content, .. }) => match content {
            ChatContent::Text(before) if before.is_empty() => *before = text,
            ChatContent::Text(before) => {
                before.push_str("\n\n");
                before.push_str(&text);
            }
            ChatContent::Parts(parts) => parts.push(text_part(text)),
        },
        _ => messages.push(Message::User { content: ChatContent::Text(text) }),
    }
}

fn is_billing_header(block: &Block) -> bool {
    matches!(&block.kind, BlockKind::Text { text, .. } if text.starts_with(BILLING_HEADER))
}
