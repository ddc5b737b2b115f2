//! Tells a whole message as the stream of events that would have told it.

use super::json_object::empty_object;
use crate::protocol::anthropic::response::{ContentBlock, Message, Usage};
use crate::protocol::anthropic::stream::{BlockDelta, Event};

/// The events of that message: each block with one delta.
pub fn explode(message: Message) -> Vec<Event> {
    let begun = Usage { output_tokens: 1, output_tokens_details: None, ..message.usage.clone() };
    let mut events = vec![Event::MessageStart(Message::empty(message.id, message.model, begun)), Event::Ping];
    for (index, block) in (0..).zip(message.content) {
        let (empty, deltas) = taken_apart(block);
        events.push(Event::ContentBlockStart { index, content_block: empty });
        events.extend(deltas.into_iter().map(|delta| Event::ContentBlockDelta { index, delta }));
        events.push(Event::ContentBlockStop { index });
    }
    events.push(Event::MessageDelta {
        stop_reason: message.stop_reason,
        stop_sequence: message.stop_sequence,
        stop_details: message.stop_details,
        usage: Usage { service_tier: None, cache_creation: None, ..message.usage },
    });
    events.push(Event::MessageStop);
    events
}

fn taken_apart(block: ContentBlock) -> (ContentBlock, Vec<BlockDelta>) {
    match block {
        ContentBlock::Text { text, citations } => {
            let delta = (!text.is_empty()).then_some(BlockDelta::TextDelta { text });
            let citations = citations.into_iter().map(|citation| BlockDelta::CitationsDelta { citation });
            (ContentBlock::empty_text(), delta.into_iter().chain(citations).collect())
        }
        ContentBlock::Thinking { thinking, signature } => {
            let text = (!thinking.is_empty()).then_some(BlockDelta::ThinkingDelta { thinking });
            let signature = (!signature.is_empty()).then_some(BlockDelta::SignatureDelta { signature });
            let empty = ContentBlock::Thinking { thinking: String::new(), signature: String::new() };
            (empty, text.into_iter().chain(signature).collect())
        }
        ContentBlock::ToolUse { id, name, input } => {
            let partial_json = String::from(Box::<str>::from(input));
            let empty = ContentBlock::ToolUse { id, name, input: empty_object() };
            (empty, vec![BlockDelta::InputJsonDelta { partial_json }])
        }
        redacted @ ContentBlock::RedactedThinking { .. } => (redacted, Vec::new()),
    }
}
