//! Folds the events of a stream into the message they tell, and refuses streams that break the grammar.
//!
//! It serves `convert --aggregate` and clients that want no stream, and is the oracle of the tests: one
//! `message_start`; blocks with indices 0, 1, 2 …, one open at a time; deltas of the open block's kind; one
//! `message_delta`, then `message_stop`; or an `error` last.

use super::json_object::{empty_object, raw};
use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::anthropic::response::{ContentBlock, Message, StopReason, Usage};
use crate::protocol::anthropic::stream::{BlockDelta, Event};

/// The fold.
#[derive(Debug, Default)]
pub struct MessageFold {
    message: Option<Message>,
    /// The open block's index and, for a tool, its input so far.
    open: Option<(u32, String)>,
    delta_seen: bool,
    /// The input of a tool ended before it was whole.
    cut_input: bool,
    stopped: bool,
}

impl MessageFold {
    /// Takes the next event.
    ///
    /// # Errors
    /// The failure that an `error` event tells, or an `api_error` when the event breaks the grammar.
    pub fn push(&mut self, event: Event) -> Result<(), Error> {
        if self.stopped {
            return Err(broken("an event after message_stop"));
        }
        match event {
            Event::Ping => Ok(()),
            Event::Error { error, .. } => Err(error),
            Event::MessageStart(message) if self.message.is_none() => {
                self.message = Some(message);
                Ok(())
            }
            Event::MessageStart(_) => Err(broken("a second message_start")),
            Event::ContentBlockStart { index, content_block } => self.block_start(index, content_block),
            Event::ContentBlockDelta { index, delta } => self.block_delta(index, delta),
            Event::ContentBlockStop { index } => self.block_stop(index),
            Event::MessageDelta { stop_reason, stop_sequence, stop_details, usage } => {
                let message = self.message.as_mut().filter(|_| self.open.is_none() && !self.delta_seen);
                let Some(message) = message else { return Err(broken("a message_delta out of place")) };
                self.delta_seen = true;
                message.stop_reason = stop_reason;
                message.stop_sequence = stop_sequence;
                message.stop_details = stop_details;
                overlay(&mut message.usage, usage);
                Ok(())
            }
            Event::MessageStop if self.delta_seen => {
                self.stopped = true;
                Ok(())
            }
            Event::MessageStop => Err(broken("message_stop without message_delta")),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// When the stream was not whole.
    pub fn finish(self) -> Result<Message, Error> {
        let message = self.message.filter(|_| self.stopped).ok_or_else(|| broken("no message_stop"))?;
        let may_be_cut = matches!(
            message.stop_reason,
            Some(StopReason::MaxTokens | StopReason::ModelContextWindowExceeded | StopReason::Refusal)
        );
        if self.cut_input && !may_be_cut {
            return Err(broken("the input of a tool is no JSON object"));
        }
        Ok(message)
    }

    fn block_start(&mut self, index: u32, block: ContentBlock) -> Result<(), Error> {
        let message = self.message.as_mut().filter(|_| self.open.is_none() && !self.delta_seen);
        let Some(message) = message else { return Err(broken("a content_block_start out of place")) };
        if usize::try_from(index) != Ok(message.content.len()) {
            return Err(broken("a content_block_start with a wrong index"));
        }
        message.content.push(block);
        self.open = Some((index, String::new()));
        Ok(())
    }

    fn block_delta(&mut self, index: u32, delta: BlockDelta) -> Result<(), Error> {
        let open = self.open.as_mut().filter(|(open, _)| *open == index);
        let block = self.message.as_mut().and_then(|message| message.content.last_mut());
        let (Some((_, input)), Some(block)) = (open, block) else {
            return Err(broken("a delta for a block that is not open"));
        };
        match (block, delta) {
            (ContentBlock::Text { text, .. }, BlockDelta::TextDelta { text: more }) => text.push_str(&more),
            (ContentBlock::Text { citations, .. }, BlockDelta::CitationsDelta { citation }) => {
                citations.push(citation);
            }
            (ContentBlock::Thinking { thinking, .. }, BlockDelta::ThinkingDelta { thinking: more }) => {
                thinking.push_str(&more);
            }
            (ContentBlock::Thinking { signature, .. }, BlockDelta::SignatureDelta { signature: whole }) => {
                *signature = whole;
            }
            (ContentBlock::ToolUse { .. }, BlockDelta::InputJsonDelta { partial_json }) => {
                input.push_str(&partial_json);
            }
            _ => return Err(broken("a delta of another kind than its block")),
        }
        Ok(())
    }

    fn block_stop(&mut self, index: u32) -> Result<(), Error> {
        let Some((_, json)) = self.open.take().filter(|(open, _)| *open == index) else {
            return Err(broken("a content_block_stop for a block that is not open"));
        };
        let block = self.message.as_mut().and_then(|message| message.content.last_mut());
        if let Some(ContentBlock::ToolUse { input, .. }) = block
            && !json.is_empty()
        {
            // Only a limit may leave an input incomplete; the SDKs then see an empty one.
            let whole = serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok();
            self.cut_input |= !whole;
            *input = if whole { raw(json) } else { empty_object() };
        }
        Ok(())
    }
}

/// What `message_delta` says of usage replaces what `message_start` said; what it leaves out stays.
fn overlay(usage: &mut Usage, last: Usage) {
    let inputs = [last.input_tokens, last.cache_creation_input_tokens, last.cache_read_input_tokens];
    if inputs.iter().any(|tokens| *tokens > 0) {
        usage.input_tokens = last.input_tokens;
        usage.cache_creation_input_tokens = last.cache_creation_input_tokens;
        usage.cache_read_input_tokens = last.cache_read_input_tokens;
    }
    usage.output_tokens = last.output_tokens;
    usage.cache_creation = last.cache_creation.or(usage.cache_creation);
    usage.output_tokens_details = last.output_tokens_details.or(usage.output_tokens_details);
    usage.service_tier = last.service_tier.or_else(|| usage.service_tier.take());
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Api, format!("the stream is malformed: {what}"))
}
