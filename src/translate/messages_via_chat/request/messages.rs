//! The conversation, as chat completions have it: every message has one role, one content, and its calls apart.

use crate::protocol::json::Escaped;
use crate::protocol::openai::Breakpoint;
use crate::protocol::openai::chat::request as chat;
use crate::translate::json_object::raw;
use crate::translate::quirks::{Prefill, Quirks, ReasoningEcho, SystemMode};
use crate::translate::request::{Call, FileData, Item, Part, PartKind, Saying, Thought, Transcript};
use serde_json::value::RawValue;

/// The messages of a conversation.
pub(super) fn messages(transcript: Transcript, quirks: &Quirks) -> Vec<chat::Message> {
    let Transcript { leading, items, is_prefilled } = transcript;
    let mut messages = Vec::with_capacity(items.len() + 1);
    if !leading.is_empty() {
        messages.push(system(leading, quirks));
    }
    for item in items {
        match item {
            Item::System(parts) => messages.push(system(parts, quirks)),
            Item::User(parts) => messages.push(chat::Message::User { content: content(parts, quirks) }),
            Item::Result { call_id, parts } => {
                messages.push(chat::Message::Tool { tool_call_id: call_id, content: content(parts, quirks) });
            }
            Item::Assistant(sayings) => push_assistant(assistant(sayings, quirks), quirks, &mut messages),
        }
    }
    if is_prefilled
        && quirks.prefill == Prefill::PrefixFlag
        && let Some(chat::Message::Assistant(last)) = messages.last_mut()
    {
        last.prefix = Some(true);
    }
    messages
}

/// A system message of these texts, in the role that the upstream wants.
fn system(parts: Vec<Part>, quirks: &Quirks) -> chat::Message {
    let content = if quirks.system_parts && parts.len() > 1 {
        chat::Content::Parts(parts.into_iter().map(|it| part(it, quirks)).collect())
    } else {
        content(vec![Part::joined(parts, "\n\n")], quirks)
    };
    match quirks.system_mode {
        SystemMode::Developer => chat::Message::Developer { content },
        SystemMode::System | SystemMode::Fold | SystemMode::Hoist => chat::Message::System { content },
    }
}

/// A lone text without a marker as a plain string, which every server takes.
fn content(mut parts: Vec<Part>, quirks: &Quirks) -> chat::Content {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => chat::Content::Text(Escaped::default()),
        (Some(Part { kind: PartKind::Text(text), marker: None }), true) => chat::Content::Text(text),
        (last, _) => chat::Content::Parts(parts.into_iter().chain(last).map(|it| part(it, quirks)).collect()),
    }
}

fn part(Part { kind, marker }: Part, quirks: &Quirks) -> chat::Part {
    let is_explicit = quirks.explicit_cache;
    let breakpoint = marker.as_ref().filter(|_| is_explicit).map(|_| Breakpoint { mode: "explicit" });
    let kind = match kind {
        PartKind::Text(text) => chat::PartKind::Text { text },
        PartKind::Image { url } => chat::PartKind::ImageUrl { image_url: chat::ImageUrl { url } },
        PartKind::File { filename, data: FileData::Inline(file_data) | FileData::Url(file_data) } => {
            chat::PartKind::File { file: chat::File { filename, file_data } }
        }
    };
    let cache_control = marker
        .filter(|_| !is_explicit)
        .map(|marker| chat::CacheControl { kind: "ephemeral", ttl: marker.ttl });
    chat::Part { kind, cache_control, prompt_cache_breakpoint: breakpoint }
}

/// Consecutive assistant messages are one turn. They become one message where the upstream demands it, and
/// where calls wait: nothing may stand between calls and their results.
fn push_assistant(message: chat::AssistantMessage, quirks: &Quirks, messages: &mut Vec<chat::Message>) {
    match messages.last_mut() {
        Some(chat::Message::Assistant(before))
            if quirks.merge_consecutive || !before.tool_calls.is_empty() =>
        {
            append(&mut before.content, message.content, "\n\n");
            append(&mut before.reasoning_content, message.reasoning_content, "");
            append(&mut before.reasoning, message.reasoning, "");
            let details = before.reasoning_details.take().into_iter().chain(message.reasoning_details);
            before.reasoning_details = joined(details);
            before.tool_calls.extend(message.tool_calls);
        }
        _ => messages.push(chat::Message::Assistant(message)),
    }
}

fn append(before: &mut Option<Escaped>, more: Option<Escaped>, separator: &str) {
    match (before, more) {
        (Some(before), Some(more)) => {
            before.push_str(separator);
            before.push(&more);
        }
        (before, more) => *before = before.take().or(more),
    }
}

fn assistant(sayings: Vec<Saying>, quirks: &Quirks) -> chat::AssistantMessage {
    let (mut text, mut reasoning, mut tool_calls) = (None, None, Vec::new());
    let mut details = Vec::new();
    for saying in sayings {
        match saying {
            Saying::Text(more) => append(&mut text, Some(more), ""),
            // The details hold the text too.
            Saying::Thought(Thought { state: Some(state), .. }) => details.push(state),
            Saying::Thought(Thought { text, state: None }) => append(&mut reasoning, Some(text), ""),
            Saying::Call(call) => tool_calls.push(tool_call(call)),
        }
    }
    let reasoning = reasoning.filter(|reasoning| !reasoning.is_empty());
    let (reasoning_content, reasoning) = match quirks.reasoning_echo {
        ReasoningEcho::Drop => (None, None),
        ReasoningEcho::ReasoningContent => (reasoning, None),
        ReasoningEcho::ReasoningContentRequiredWithTools => {
            (reasoning.or_else(|| (!tool_calls.is_empty()).then(Escaped::default)), None)
        }
        ReasoningEcho::Reasoning | ReasoningEcho::ReasoningDetails => (None, reasoning),
    };
    let content = text.filter(|text| !text.is_blank());
    chat::AssistantMessage {
        content,
        reasoning_content,
        reasoning,
        reasoning_details: joined(details),
        tool_calls,
        prefix: None,
    }
}

/// One array of the elements of several; what is no array came from no upstream and goes.
fn joined(arrays: impl IntoIterator<Item = Box<RawValue>>) -> Option<Box<RawValue>> {
    let arrays: Vec<_> = arrays.into_iter().collect();
    let elements = arrays.iter().filter_map(|array| serde_json::from_str::<Vec<&RawValue>>(array.get()).ok());
    let elements: Vec<&str> = elements.flatten().map(RawValue::get).collect();
    (!elements.is_empty()).then(|| raw(format!("[{}]", elements.join(","))))
}

fn tool_call(call: Call) -> chat::ToolCall {
    let Call { id, name, arguments, extra } = call;
    let function = chat::FunctionCall { name, arguments };
    chat::ToolCall { id, kind: "function", function, extra_content: extra }
}
