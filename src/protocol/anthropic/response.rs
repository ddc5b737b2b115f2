//! The answer: a message with its content, stop reason and usage.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The answer to `POST /v1/messages`, and the `message` of `message_start`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Message {
    /// `msg_…`.
    pub id: String,
    /// Always `message`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Always `assistant`.
    pub role: &'static str,
    /// The model that the client asked for.
    pub model: String,
    /// What the model said; never `null`.
    pub content: Vec<ContentBlock>,
    /// Why it stopped; `null` in `message_start`.
    pub stop_reason: Option<StopReason>,
    /// Which stop sequence matched.
    pub stop_sequence: Option<String>,
    /// More about a refusal.
    pub stop_details: Option<StopDetails>,
    /// Tokens.
    pub usage: Usage,
}

impl Message {
    /// A message without content.
    pub fn empty(id: String, model: String, usage: Usage) -> Self {
        Self {
            id,
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage,
        }
    }
}

/// One block of an answer.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBlock {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// What it rests on.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Citation>,
    },
    /// Thinking.
    Thinking {
        /// The text; may be empty.
        thinking: String,
        /// What the client must send back unchanged.
        signature: String,
    },
    /// Thinking that may not be read.
    RedactedThinking {
        /// Opaque.
        data: String,
    },
    /// A call of a tool.
    ToolUse {
        /// The call's id.
        id: String,
        /// The tool's name, as the client wrote it.
        name: String,
        /// Its input: always an object.
        input: Box<RawValue>,
    },
}

/// What a piece of text rests on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Citation {
    /// `web_search_result_location`; the only kind that is written here.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    #[serde(default)]
    pub url: String,
    /// The title, if there is one.
    #[serde(default)]
    pub title: Option<String>,
    /// The text that rests on it.
    #[serde(default)]
    pub cited_text: String,
    /// What Anthropic's own search needs in the next turn; empty here.
    #[serde(default)]
    pub encrypted_index: String,
}

impl Citation {
    /// A page of the web.
    pub fn of_page(url: String, title: Option<String>, cited_text: String) -> Self {
        let kind = "web_search_result_location".to_owned();
        Self { kind, url, title, cited_text, encrypted_index: String::new() }
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// It was done.
    EndTurn,
    /// `max_tokens` were generated.
    MaxTokens,
    /// A stop sequence matched.
    StopSequence,
    /// It called a tool.
    ToolUse,
    /// A long turn was interrupted; never produced here.
    PauseTurn,
    /// It refused, or a filter did.
    Refusal,
    /// The context window is full.
    ModelContextWindowExceeded,
    /// Another reason, read from an answer that somebody else wrote.
    Other(String),
}

impl ContentBlock {
    /// A block of text that has none yet.
    pub const fn empty_text() -> Self {
        Self::Text { text: String::new(), citations: Vec::new() }
    }
}

impl StopReason {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::Other(name) => name,
        }
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StopReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "end_turn" => Self::EndTurn,
            "max_tokens" => Self::MaxTokens,
            "stop_sequence" => Self::StopSequence,
            "tool_use" => Self::ToolUse,
            "pause_turn" => Self::PauseTurn,
            "refusal" => Self::Refusal,
            "model_context_window_exceeded" => Self::ModelContextWindowExceeded,
            _ => Self::Other(name),
        })
    }
}

/// More about a refusal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StopDetails {
    /// `refusal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The policy that was touched, if the upstream says.
    pub category: Option<String>,
    /// What the model said about it.
    pub explanation: Option<String>,
}

impl StopDetails {
    /// Details of a refusal, with what the model said about it.
    pub fn refusal(explanation: Option<String>) -> Self {
        Self { kind: "refusal".to_owned(), category: None, explanation }
    }
}

/// Tokens of a message. The input of a request is the sum of the three input counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache.
    pub input_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_creation_input_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_input_tokens: u64,
    /// Output tokens, thinking included.
    pub output_tokens: u64,
    /// How the written tokens divide by lifetime; not in `message_delta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation: Option<CacheCreation>,
    /// How the output tokens divide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<OutputTokensDetails>,
    /// `standard` or `priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
}

/// Written cache tokens by lifetime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CacheCreation {
    /// Kept for five minutes.
    pub ephemeral_5m_input_tokens: u64,
    /// Kept for an hour.
    pub ephemeral_1h_input_tokens: u64,
}

/// Output tokens by purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct OutputTokensDetails {
    /// Tokens spent on thinking.
    pub thinking_tokens: u64,
}

#[derive(serde::Deserialize)]
struct WireMessage {
    id: String,
    model: String,
    content: Vec<ContentBlock>,
    stop_reason: Option<StopReason>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
    usage: Usage,
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireMessage::deserialize(deserializer)?;
        Ok(Self {
            content: wire.content,
            stop_reason: wire.stop_reason,
            stop_sequence: wire.stop_sequence,
            stop_details: wire.stop_details,
            ..Self::empty(wire.id, wire.model, wire.usage)
        })
    }
}

#[derive(serde::Deserialize)]
struct WireContentBlock {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    citations: Option<Vec<Citation>>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireContentBlock::deserialize(deserializer)?;
        let missing = D::Error::missing_field;
        Ok(match wire.kind.as_str() {
            "text" => Self::Text {
                text: wire.text.ok_or_else(|| missing("text"))?,
                citations: wire.citations.unwrap_or_default(),
            },
            "thinking" => Self::Thinking {
                thinking: wire.thinking.unwrap_or_default(),
                signature: wire.signature.unwrap_or_default(),
            },
            "redacted_thinking" => Self::RedactedThinking { data: wire.data.ok_or_else(|| missing("data"))? },
            "tool_use" => Self::ToolUse {
                id: wire.id.ok_or_else(|| missing("id"))?,
                name: wire.name.ok_or_else(|| missing("name"))?,
                input: wire.input.ok_or_else(|| missing("input"))?,
            },
            other => return Err(D::Error::custom(format!("content block of unknown type `{other}`"))),
        })
    }
}
