//! What an upstream answers: a chunk of a stream or a whole completion, read leniently.
//!
//! One type serves both, because servers mix them: completions with `delta`, chunks with `message`. A member
//! of an unexpected type counts as absent; unknown members are ignored (protocol.md §3.1 lists them).

use crate::protocol::openai::{UrlCitation, lenient};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A chunk or a completion.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Chunk {
    /// The alternatives; only the one with index 0 is used.
    #[serde(deserialize_with = "lenient::list")]
    pub choices: Vec<Choice>,
    /// Tokens; on the last chunk, on every chunk, or never.
    #[serde(deserialize_with = "lenient::object")]
    pub usage: Option<Usage>,
    /// Groq's place for usage.
    #[serde(deserialize_with = "lenient::object")]
    pub x_groq: Option<GroqExtra>,
    /// A failure, in any shape.
    pub error: Option<Box<RawValue>>,
    /// `error` on servers that put the failure's members at the top.
    #[serde(deserialize_with = "lenient::text")]
    pub object: Option<String>,
    /// Which tier served the request.
    #[serde(deserialize_with = "lenient::text")]
    pub service_tier: Option<String>,
}

impl Chunk {
    /// Usage, wherever it stands.
    pub fn take_usage(&mut self) -> Option<Usage> {
        self.usage.take().or_else(|| self.x_groq.take().and_then(|extra| extra.usage))
    }

    /// Whether this is a failure and no answer.
    pub fn is_error(&self) -> bool {
        self.error.is_some() || self.object.as_deref() == Some("error")
    }
}

/// Groq's extra members.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GroqExtra {
    /// Tokens.
    #[serde(deserialize_with = "lenient::object")]
    pub usage: Option<Usage>,
}

/// One alternative.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// Its index; absent counts as 0.
    #[serde(deserialize_with = "lenient::count")]
    pub index: Option<u64>,
    /// What a chunk adds.
    #[serde(deserialize_with = "lenient::object")]
    pub delta: Option<AssistantMessage>,
    /// What a completion says.
    #[serde(deserialize_with = "lenient::object")]
    pub message: Option<AssistantMessage>,
    /// Why it ended.
    #[serde(deserialize_with = "lenient::text")]
    pub finish_reason: Option<String>,
    /// vLLM: the stop string that matched (or a token id, which is ignored).
    #[serde(deserialize_with = "lenient::text")]
    pub stop_reason: Option<String>,
    /// SGLang: the stop string that matched (or a token id, which is ignored).
    #[serde(deserialize_with = "lenient::text")]
    pub matched_stop: Option<String>,
    /// OpenRouter: a failure of this alternative.
    pub error: Option<Box<RawValue>>,
}

/// What the model says, whole or in part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AssistantMessage {
    /// Visible text, or parts (Mistral).
    #[serde(deserialize_with = "lenient::content")]
    pub content: Option<Content>,
    /// Reasoning: DeepSeek, llama.cpp, vLLM before 0.11.
    #[serde(deserialize_with = "lenient::text")]
    pub reasoning_content: Option<String>,
    /// Reasoning: OpenRouter, Groq, newer vLLM. May repeat `reasoning_content`.
    #[serde(deserialize_with = "lenient::text")]
    pub reasoning: Option<String>,
    /// Reasoning: some gateways.
    #[serde(deserialize_with = "lenient::text")]
    pub thinking: Option<String>,
    /// Reasoning in parts: OpenRouter. Repeats `reasoning`.
    #[serde(deserialize_with = "lenient::list")]
    pub reasoning_details: Vec<ReasoningDetail>,
    /// A refusal, instead of content.
    #[serde(deserialize_with = "lenient::text")]
    pub refusal: Option<String>,
    /// Calls of tools, whole or in part.
    #[serde(deserialize_with = "lenient::list")]
    pub tool_calls: Vec<ToolCall>,
    /// The legacy form of a single call.
    #[serde(deserialize_with = "lenient::object")]
    pub function_call: Option<FunctionCall>,
    /// Sources the model names, such as `url_citation`.
    #[serde(deserialize_with = "lenient::list")]
    pub annotations: Vec<Annotation>,
    /// Pictures the model made.
    #[serde(deserialize_with = "lenient::list")]
    pub images: Vec<Present>,
    /// Spoken output; only its transcript is kept.
    #[serde(deserialize_with = "lenient::object")]
    pub audio: Option<Audio>,
}

/// Visible content.
#[derive(Debug, Clone)]
pub enum Content {
    /// One text.
    Text(String),
    /// Parts in order.
    Parts(Vec<Part>),
}

/// One part of the content.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Part {
    /// `text`, `thinking` …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// Its text.
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// Reasoning, itself in parts or one text (Mistral).
    #[serde(deserialize_with = "lenient::content")]
    pub thinking: Option<Content>,
}

/// One part of OpenRouter's reasoning, or a piece of one. It must come back as it is, so all of it is kept.
#[derive(Debug, Clone, Default)]
pub struct ReasoningDetail {
    /// Its members in their order.
    pub members: Vec<(String, Box<RawValue>)>,
}

impl ReasoningDetail {
    /// The member of that name, unless it is `null`.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        let value = self.members.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)?;
        (value.get() != "null").then_some(value)
    }

    /// The text of the member of that name.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }
}

impl<'de> Deserialize<'de> for ReasoningDetail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DetailVisitor;
        impl<'de> Visitor<'de> for DetailVisitor {
            type Value = ReasoningDetail;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReasoningDetail, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(ReasoningDetail { members })
            }
        }
        deserializer.deserialize_map(DetailVisitor)
    }
}

/// A call of a tool, whole or in part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ToolCall {
    /// Which call of the answer this belongs to; some servers send none, or 0 for all.
    #[serde(deserialize_with = "lenient::count")]
    pub index: Option<u64>,
    /// The call's id; some servers send none.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// What is called.
    #[serde(deserialize_with = "lenient::object")]
    pub function: Option<FunctionCall>,
    /// Gemini: what must come back with this call in the next turn, or that turn is refused.
    pub extra_content: Option<Box<RawValue>>,
    /// A custom tool's call. This program never offers any.
    #[serde(deserialize_with = "lenient::object")]
    pub custom: Option<CustomCall>,
}

/// What is called, and with what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FunctionCall {
    /// The function's name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// The JSON text of the arguments, or a piece of it. Servers that send an object instead of a string are
    /// read as if they had sent its text.
    #[serde(deserialize_with = "lenient::json_text")]
    pub arguments: Option<String>,
}

/// A custom tool's call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CustomCall {
    /// The tool's name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// Free text.
    #[serde(deserialize_with = "lenient::text")]
    pub input: Option<String>,
}

/// A source that the model names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Annotation {
    /// A page of the web.
    #[serde(deserialize_with = "lenient::object")]
    pub url_citation: Option<UrlCitation>,
}

/// An object of which nothing but its being there matters.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Present {}

/// Spoken output.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// What was said.
    #[serde(deserialize_with = "lenient::text")]
    pub transcript: Option<String>,
}

/// Tokens, in the words of several servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input, cached tokens included.
    #[serde(deserialize_with = "lenient::count")]
    pub prompt_tokens: Option<u64>,
    /// Output, reasoning included (but see `total_tokens`).
    #[serde(deserialize_with = "lenient::count")]
    pub completion_tokens: Option<u64>,
    /// Sum. Larger than prompt and completion together where reasoning is counted apart (xAI).
    #[serde(deserialize_with = "lenient::count")]
    pub total_tokens: Option<u64>,
    /// How the input divides.
    #[serde(deserialize_with = "lenient::object")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// How the output divides.
    #[serde(deserialize_with = "lenient::object")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
    /// DeepSeek's name for cached input.
    #[serde(deserialize_with = "lenient::count")]
    pub prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot's name for cached input.
    #[serde(deserialize_with = "lenient::count")]
    pub cached_tokens: Option<u64>,
}

/// How the input divides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PromptTokensDetails {
    /// Read from a cache.
    #[serde(deserialize_with = "lenient::count")]
    pub cached_tokens: Option<u64>,
    /// Written to a cache.
    #[serde(deserialize_with = "lenient::count")]
    pub cache_write_tokens: Option<u64>,
    /// vLLM's name for the same.
    #[serde(deserialize_with = "lenient::count")]
    pub created_cache_tokens: Option<u64>,
    /// `LiteLLM`'s name for the same.
    #[serde(deserialize_with = "lenient::count")]
    pub cache_creation_tokens: Option<u64>,
}

/// How the output divides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CompletionTokensDetails {
    /// Spent on reasoning.
    #[serde(deserialize_with = "lenient::count")]
    pub reasoning_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Chunk {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn unexpected_types_count_as_absent() {
        let chunk = read(
            r#"{"choices":[{"index":"x","delta":{"content":{"a":1},"refusal":7,"tool_calls":null,"reasoning":[]},
                "finish_reason":0}],"usage":{"prompt_tokens":12.0,"completion_tokens":-3,"total_tokens":"9"},
                "object":null,"error":null}"#,
        );
        let delta = chunk.choices[0].delta.as_ref().unwrap();
        assert!(delta.refusal.is_none() && delta.tool_calls.is_empty() && delta.reasoning.is_none());
        let usage = chunk.usage.as_ref().unwrap();
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
            (Some(12), None, Some(9))
        );
        assert!(!chunk.is_error());
        for text in [r#"{"choices":null,"usage":[]}"#, r#"{"choices":{}}"#, "{}"] {
            assert!(read(text).choices.is_empty());
        }
    }

    #[test]
    fn arguments_come_as_text_or_as_an_object() {
        let arguments = |text: &str| {
            let call: FunctionCall = serde_json::from_str(&format!("{{\"arguments\":{text}}}")).unwrap();
            call.arguments
        };
        assert_eq!(arguments(r#""{\"a\":1.10}""#).as_deref(), Some(r#"{"a":1.10}"#));
        assert_eq!(arguments(r#"{"a":  9007199254740993}"#).as_deref(), Some(r#"{"a":  9007199254740993}"#));
        assert_eq!(arguments("null"), None);
    }

    #[test]
    fn content_comes_as_text_or_as_parts() {
        let chunk = read(
            r#"{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},
                {"type":"text","text":"x"}]}}]}"#,
        );
        let Some(Content::Parts(parts)) = &chunk.choices[0].message.as_ref().unwrap().content else {
            panic!("parts")
        };
        assert!(matches!(parts[0].thinking, Some(Content::Parts(_))));
        assert_eq!(parts[1].text.as_deref(), Some("x"));
    }
}
