//! What of a request an upstream may take offence at.

use crate::protocol::openai::{chat, responses};
use crate::translate::quirks::MaxTokensField;
use crate::translate::{Body, Dialect};

/// What a request to an upstream held, as far as refusals are about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The dialect.
    pub dialect: Dialect,
    /// The most tokens that were asked for.
    pub max_tokens: Option<u64>,
    /// The member that held them; Responses know one only.
    pub max_tokens_field: Option<MaxTokensField>,
    /// `temperature` or `top_p`.
    pub sampling: bool,
    /// `top_k`.
    pub top_k: bool,
    /// `stop`.
    pub stop: bool,
    /// Tools.
    pub tools: bool,
    /// The effort.
    pub effort: Option<String>,
    /// `stream_options`.
    pub stream_options: bool,
    /// `parallel_tool_calls`.
    pub parallel_tool_calls: bool,
    /// A schema for the answer.
    pub json_schema: bool,
    /// The wish for a summary of the reasoning.
    pub summary: bool,
}

impl From<&Body> for Sent {
    fn from(body: &Body) -> Self {
        match body {
            Body::Chat(request) => Self::from(request),
            Body::Responses(request) => Self::from(request),
        }
    }
}

impl From<&chat::request::Request> for Sent {
    fn from(request: &chat::request::Request) -> Self {
        let field = match (request.max_tokens, request.max_completion_tokens) {
            (Some(_), _) => Some(MaxTokensField::MaxTokens),
            (None, Some(_)) => Some(MaxTokensField::MaxCompletionTokens),
            (None, None) => None,
        };
        let in_object = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.clone());
        Self {
            dialect: Dialect::Chat,
            max_tokens: request.max_tokens.or(request.max_completion_tokens),
            max_tokens_field: field,
            sampling: request.temperature.is_some() || request.top_p.is_some(),
            top_k: request.top_k.is_some(),
            stop: !request.stop.is_empty(),
            tools: !request.tools.is_empty(),
            effort: request.reasoning_effort.clone().or(in_object),
            stream_options: request.stream_options.is_some(),
            parallel_tool_calls: request.parallel_tool_calls.is_some(),
            json_schema: request.response_format.as_ref().is_some_and(|it| it.json_schema.is_some()),
            summary: false,
        }
    }
}

impl From<&responses::request::Request> for Sent {
    fn from(request: &responses::request::Request) -> Self {
        let reasoning = request.reasoning.as_ref();
        Self {
            dialect: Dialect::Responses,
            max_tokens: request.max_output_tokens,
            max_tokens_field: None,
            sampling: request.temperature.is_some() || request.top_p.is_some(),
            top_k: false,
            stop: false,
            tools: !request.tools.is_empty(),
            effort: reasoning.and_then(|it| it.effort).map(str::to_owned),
            stream_options: false,
            parallel_tool_calls: request.parallel_tool_calls.is_some(),
            json_schema: false,
            summary: reasoning.is_some_and(|it| it.summary.is_some()),
        }
    }
}
