//! The request of chat completions, as it is written to an upstream.
//!
//! Every member is on some upstream's list (protocol.md §2.13): many servers answer an unknown one with 400,
//! so a member that is `None` is never written.

use crate::protocol::CallId;
use crate::protocol::json::Escaped;
use crate::protocol::openai::Breakpoint;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A request.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the members are named and documented by OpenAI")]
pub struct Request {
    pub model: String,
    pub messages: Vec<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingSwitch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_kwargs: Option<ChatTemplateKwargs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
}

/// `stream_options`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StreamOptions {
    /// Whether a last chunk with usage is wanted.
    pub include_usage: bool,
}

/// One message of the conversation.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    /// Instructions.
    System {
        /// The text.
        content: Content,
    },
    /// Instructions, as OpenAI's reasoning models call them.
    Developer {
        /// The text.
        content: Content,
    },
    /// What the person says.
    User {
        /// Text and media.
        content: Content,
    },
    /// What the model said.
    Assistant(AssistantMessage),
    /// What a tool answered.
    Tool {
        /// The id of the call.
        tool_call_id: CallId,
        /// The answer.
        content: Content,
    },
}

/// What the model said.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AssistantMessage {
    /// The text; `null` when there are only tool calls.
    pub content: Option<Escaped>,
    /// Its reasoning, as DeepSeek, llama.cpp and older vLLM name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<Escaped>,
    /// Its reasoning, as OpenRouter, Groq and newer vLLM name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Escaped>,
    /// Its reasoning with what the vendor signed or encrypted (OpenRouter): an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_details: Option<Box<RawValue>>,
    /// The tools it called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Whether the answer shall continue this message (Mistral, DeepSeek).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<bool>,
}

/// A string or a list of parts.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// One text.
    Text(Escaped),
    /// Parts in order.
    Parts(Vec<Part>),
}

/// One part of a message.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// What it is.
    #[serde(flatten)]
    pub kind: PartKind,
    /// OpenRouter: a cache marker, as Anthropic has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheControl>,
    /// OpenAI: a cache marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_breakpoint: Option<Breakpoint>,
}

/// OpenRouter's cache marker.
#[derive(Debug, Clone, Serialize)]
pub struct CacheControl {
    /// Always `ephemeral`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How long to keep what is cached, such as `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// What a part is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartKind {
    /// Text.
    Text {
        /// The text.
        text: Escaped,
    },
    /// An image.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl,
    },
    /// A file, such as a PDF.
    File {
        /// The file.
        file: File,
    },
}

/// Where an image is.
#[derive(Debug, Clone, Serialize)]
pub struct ImageUrl {
    /// An `http(s)` or `data:` URL.
    pub url: Escaped,
}

/// A file.
#[derive(Debug, Clone, Serialize)]
pub struct File {
    /// Its name.
    pub filename: String,
    /// A `data:` URL.
    pub file_data: Escaped,
}

/// A call of a tool.
#[derive(Debug, Clone, Serialize)]
pub struct ToolCall {
    /// The call's id.
    pub id: CallId,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is called.
    pub function: FunctionCall,
    /// Gemini: what came with this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Box<RawValue>>,
}

/// What is called, and with what.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// A JSON text.
    pub arguments: String,
}

/// A tool the model may use.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The function.
    pub function: Function,
}

/// A function's definition.
#[derive(Debug, Clone, Serialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Escaped>,
    /// The schema of its arguments.
    pub parameters: Box<RawValue>,
    /// Whether arguments must match the schema exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// Whether and which tool must be used.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ToolChoice {
    /// `auto`, `required` or `none`.
    Mode(&'static str),
    /// One function.
    Function(NamedTool),
}

/// The one function that must be called.
#[derive(Debug, Clone, Serialize)]
pub struct NamedTool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub function: NamedFunction,
}

/// A function's name.
#[derive(Debug, Clone, Serialize)]
pub struct NamedFunction {
    /// The name.
    pub name: String,
}

/// The format of the answer.
#[derive(Debug, Clone, Serialize)]
pub struct ResponseFormat {
    /// `json_schema`, or `json_object` where the upstream takes no schema.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchema>,
}

/// A schema the answer must satisfy.
#[derive(Debug, Clone, Serialize)]
pub struct JsonSchema {
    /// Required by OpenAI.
    pub name: Cow<'static, str>,
    /// The schema, carried.
    pub schema: Box<RawValue>,
    /// Whether the schema keeps to OpenAI's strict subset.
    pub strict: bool,
}

/// OpenRouter's `reasoning`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reasoning {
    /// An effort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// A budget in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Whether to reason at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// DeepSeek's `thinking`.
#[derive(Debug, Clone, Serialize)]
pub struct ThinkingSwitch {
    /// `enabled` or `disabled`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// Arguments of a chat template (vLLM, SGLang, llama.cpp).
#[derive(Debug, Clone, Serialize)]
pub struct ChatTemplateKwargs {
    /// Whether the model may think.
    pub enable_thinking: bool,
}
