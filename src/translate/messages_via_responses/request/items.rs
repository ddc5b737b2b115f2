//! The conversation, as Responses have it: a list of items in the order in which things were said.

use crate::protocol::json::Escaped;
use crate::protocol::openai::Breakpoint;
use crate::protocol::openai::responses::request::{Content, Item, Message, Part, PartKind};
use crate::translate::quirks::{Quirks, SystemMode};
use crate::translate::request::{self as shared, FileData, Saying, Thought, Transcript};

/// A conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The system prompt, as a text.
    pub(super) instructions: Option<Escaped>,
    pub(super) input: Vec<Item>,
}

/// The items of a conversation.
pub(super) fn conversation(transcript: Transcript, quirks: &Quirks) -> Conversation {
    let Transcript { leading, items, .. } = transcript;
    let mut conversation = Conversation::default();
    if leading.iter().any(|part| part.marker.is_some()) {
        // Instructions are one text, which carries no marker.
        let content = Content::Parts(leading.into_iter().map(part).collect());
        conversation.input.push(message(system_role(quirks), content));
    } else if let shared::PartKind::Text(text) = shared::Part::joined(leading, "\n\n").kind {
        conversation.instructions = Some(text).filter(|text| !text.is_empty());
    }
    for item in items {
        match item {
            shared::Item::System(parts) => {
                let content = content(vec![shared::Part::joined(parts, "\n\n")]);
                conversation.input.push(message(system_role(quirks), content));
            }
            shared::Item::User(parts) => conversation.input.push(message("user", content(parts))),
            shared::Item::Result { call_id, parts } => {
                conversation.input.push(Item::FunctionCallOutput { call_id, output: content(parts) });
            }
            shared::Item::Assistant(sayings) => push_assistant(sayings, &mut conversation.input),
        }
    }
    conversation
}

/// OpenAI's models know the developer; other servers' templates may not.
const fn system_role(quirks: &Quirks) -> &'static str {
    match quirks.system_mode {
        SystemMode::Developer => "developer",
        SystemMode::System | SystemMode::Fold | SystemMode::Hoist => "system",
    }
}

fn message(role: &'static str, content: Content) -> Item {
    Item::Message(Message { role, content, phase: None })
}

/// What the model said, each thing in its place: reasoning must stand before what it led to.
fn push_assistant(sayings: Vec<Saying>, input: &mut Vec<Item>) {
    let has_calls = sayings.iter().any(|saying| matches!(saying, Saying::Call(_)));
    // Newer models tell what was said on the way from what was said in the end.
    let phase = Some(if has_calls { "commentary" } else { "final_answer" });
    for saying in sayings {
        match saying {
            Saying::Text(text) if text.is_blank() => {}
            Saying::Text(text) => {
                input.push(Item::Message(Message { role: "assistant", content: Content::Text(text), phase }));
            }
            Saying::Thought(Thought { state, .. }) => {
                // Somebody else may have written the signature; what is no reasoning goes.
                let item = state.and_then(|state| serde_json::from_str(state.get()).ok());
                input.extend(item.map(Item::Reasoning));
            }
            Saying::Call(shared::Call { id, name, arguments, extra: _ }) => {
                input.push(Item::FunctionCall { call_id: id, name, arguments });
            }
        }
    }
}

/// A lone text without a marker as a plain string, which every server takes.
fn content(mut parts: Vec<shared::Part>) -> Content {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Content::Text(Escaped::default()),
        (Some(shared::Part { kind: shared::PartKind::Text(text), marker: None }), true) => {
            Content::Text(text)
        }
        (last, _) => Content::Parts(parts.into_iter().chain(last).map(part).collect()),
    }
}

fn part(shared::Part { kind, marker }: shared::Part) -> Part {
    let kind = match kind {
        shared::PartKind::Text(text) => PartKind::InputText { text },
        shared::PartKind::Image { url } => PartKind::InputImage { image_url: url, detail: "auto" },
        shared::PartKind::File { filename, data: FileData::Inline(file_data) } => {
            PartKind::InputFile { filename: Some(filename), file_data: Some(file_data), file_url: None }
        }
        shared::PartKind::File { data: FileData::Url(url), .. } => {
            PartKind::InputFile { filename: None, file_data: None, file_url: Some(url) }
        }
    };
    Part { kind, prompt_cache_breakpoint: marker.map(|_| Breakpoint { mode: "explicit" }) }
}
