//! The request of Responses, as it is written to an upstream.
//!
//! A member that is `None` is never written: servers answer what they do not know with 400.

use super::response::ReasoningItem;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Escaped>,
    pub input: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Whether the upstream keeps the answer. Absent means that it does.
    pub store: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<&'static str>,
    pub truncation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
}

/// What of a request costs tokens: `POST /v1/responses/input_tokens` takes nothing else.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Countable<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a Escaped>,
    input: &'a [Item],
    #[serde(skip_serializing_if = "<[Tool]>::is_empty")]
    tools: &'a [Tool],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'a ToolChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a Text>,
    truncation: &'static str,
}

impl<'a> From<&'a Request> for Countable<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            model: &request.model,
            instructions: request.instructions.as_ref(),
            input: &request.input,
            tools: &request.tools,
            tool_choice: request.tool_choice.as_ref(),
            parallel_tool_calls: request.parallel_tool_calls,
            reasoning: request.reasoning.as_ref(),
            text: request.text.as_ref(),
            truncation: request.truncation,
        }
    }
}

/// One item of the conversation.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    /// What somebody says.
    Message(Message),
    /// What the model thought in an earlier turn.
    Reasoning(ReasoningItem),
    /// A tool the model called.
    FunctionCall {
        /// The call's id.
        call_id: CallId,
        /// The function's name.
        name: String,
        /// A JSON text.
        arguments: String,
    },
    /// What a tool answered.
    FunctionCallOutput {
        /// The id of the call.
        call_id: CallId,
        /// The answer.
        output: Content,
    },
}

/// What somebody says.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// `user`, `assistant`, `developer` or `system`.
    pub role: &'static str,
    /// Text and media.
    pub content: Content,
    /// Of the assistant's messages: `commentary` on the way, or `final_answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
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

/// One part.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// What it is.
    #[serde(flatten)]
    pub kind: PartKind,
    /// A cache marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_breakpoint: Option<Breakpoint>,
}

/// What a part is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartKind {
    /// Text.
    InputText {
        /// The text.
        text: Escaped,
    },
    /// An image.
    InputImage {
        /// An `http(s)` or `data:` URL.
        image_url: Escaped,
        /// How closely to look; always `auto`.
        detail: &'static str,
    },
    /// A file, such as a PDF: its bytes, or where they are.
    InputFile {
        /// Its name; none beside an address.
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        /// A `data:` URL.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Escaped>,
        /// An `http(s)` address.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<Escaped>,
    },
}

/// A function the model may call.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Escaped>,
    /// The schema of its arguments.
    pub parameters: Box<RawValue>,
    /// Whether arguments must match the schema exactly. Absent would not mean `false`, so it is always written.
    pub strict: bool,
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
    pub name: String,
}

/// How to think.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reasoning {
    /// With how much effort.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'static str>,
    /// Which summary of it is wanted; always `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<&'static str>,
}

/// What the text of the answer must be like.
#[derive(Debug, Clone, Serialize)]
pub struct Text {
    /// Its format.
    pub format: Format,
}

/// The format of the answer.
#[derive(Debug, Clone, Serialize)]
pub struct Format {
    /// Always `json_schema`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Required by OpenAI.
    pub name: Cow<'static, str>,
    /// The schema, carried.
    pub schema: Box<RawValue>,
    /// Whether the schema keeps to OpenAI's strict subset.
    pub strict: bool,
}
