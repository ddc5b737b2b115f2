//! Remedies: what to do otherwise when an upstream refuses a request and says precisely why (protocol.md §2.7, §5.5).
//!
//! Only wordings that are known to mean the one thing lead to another try; everything else is the client's to
//! hear. What concerns the model, and not the one request, is a [`Lesson`] to be remembered for that model.

mod complaint;
mod learnt;
mod sent;

use super::Dialect;
use super::context::Context;
use super::error::{Asked, Described, Limit, UpstreamAnswer, describe, limit};
use super::quirks::MaxTokensField;
use super::wording::find_any;
use complaint::Complaint;
pub use learnt::Learnt;
pub use sent::Sent;
use std::fmt;

/// What to change before the request is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Ask for no more than so many tokens, this time: more do not fit beside the input.
    FewerTokens(u64),
    /// Heed what was said of the model, from now on.
    Learn(Lesson),
}

/// What an upstream said of one of its models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// It answers with at most so many tokens.
    MaxOutputTokens(u64),
    /// It wants the bound of the answer in this member.
    MaxTokensField(MaxTokensField),
    /// It takes neither `temperature` nor `top_p`.
    NoSampling,
    /// It does not know `top_k`.
    NoTopK,
    /// It does not know `stop`.
    NoStop,
    /// It takes these efforts only; none of them if there are none.
    Efforts(Vec<&'static str>),
    /// It does not know `stream_options`.
    NoStreamOptions,
    /// It does not know `parallel_tool_calls`.
    NoParallelToolCalls,
    /// It takes no schema for its answer.
    NoJsonSchema,
    /// It summarises its reasoning for nobody, or not for this key.
    NoSummary,
    /// It is served in another dialect.
    Dialect(Dialect),
}

/// Fewer tokens than that are no answer worth another try.
const MIN_ROOM_TOKENS: u64 = 1_024;
/// What is kept free beside the input, for templates that count differently.
const MARGIN_TOKENS: u64 = 64;

/// What may help against this refusal. `context` is that of the request that was refused.
pub fn remedy(answer: &UpstreamAnswer<'_>, context: &Context) -> Option<Remedy> {
    let described = describe(answer.body);
    if let Some(dialect) = other_dialect(answer, &described, &context.sent) {
        return Some(Remedy::Learn(Lesson::Dialect(dialect)));
    }
    // llama.cpp is known to say 500 where it means 400.
    if !matches!(answer.status, 400 | 413 | 422 | 500) {
        return None;
    }
    if let Some(limit) = limit(answer.status, &described, &Asked::from(context)) {
        return of_limit(limit, context);
    }
    if answer.status == 500 {
        return None;
    }
    let complaint = Complaint::read(&described, &context.sent)?;
    complaint.lesson(&context.sent).map(Remedy::Learn)
}

fn of_limit(limit: Limit, context: &Context) -> Option<Remedy> {
    let asked = context.sent.max_tokens?;
    match limit {
        Limit::Both { input, at_least, limit, .. } => {
            // Where counting stopped early, our own estimate, with its error on top, says more.
            let estimate = context.input_estimate.saturating_mul(5) / 4;
            let input = if at_least { input.max(estimate) } else { input };
            let room = limit.checked_sub(input)?.checked_sub(MARGIN_TOKENS)?;
            (MIN_ROOM_TOKENS..asked).contains(&room).then_some(Remedy::FewerTokens(room))
        }
        Limit::Output { limit, .. } => {
            (1..asked).contains(&limit).then_some(Remedy::Learn(Lesson::MaxOutputTokens(limit)))
        }
        Limit::Input { .. } | Limit::Unknown => None,
    }
}

/// Refusals of chat completions that name the other door: OpenAI (2026), OpenAI of old, Azure, gateways.
const USE_RESPONSES: &[&str] = &[
    "only supported in v1/responses and not in v1/chat/completions",
    "not a chat model and thus not supported in the v1/chat/completions endpoint",
    "the chatcompletion operation does not work with the specified model",
    "/v1/chat/completions is not supported. please use /v1/responses",
];
/// The same where only the tools are in the way.
const USE_RESPONSES_FOR_TOOLS: &[&str] =
    &["function tools with reasoning_effort are not supported~/v1/responses"];
/// Refusals of Responses by servers that have none: `FastAPI`, OpenAI-like, Go, llama.cpp, Azure's older versions.
const NO_RESPONSES: &[&str] = &[
    "invalid url (post~/responses",
    "responses api is enabled only for api-version",
    "responses api is not supported",
    "/responses is not supported",
    "/responses not found",
];
/// What the same servers say with status 404, exactly.
const NOT_FOUND: &[&str] = &["not found", "file not found", "404 page not found", "404 not found"];

fn other_dialect(answer: &UpstreamAnswer<'_>, described: &Described, sent: &Sent) -> Option<Dialect> {
    let text = described.text();
    match sent.dialect {
        Dialect::Chat if matches!(answer.status, 400 | 404) => {
            let refused = find_any(USE_RESPONSES, text).is_some()
                || sent.tools && find_any(USE_RESPONSES_FOR_TOOLS, text).is_some();
            refused.then_some(Dialect::Responses)
        }
        Dialect::Responses if matches!(answer.status, 400 | 404 | 405 | 501) => {
            let bare = answer.status != 400 && {
                // A page, or nothing at all, comes from a server that does not know the path.
                text.is_empty() || NOT_FOUND.contains(&text) || text == "method not allowed"
            };
            (bare || find_any(NO_RESPONSES, text).is_some()).then_some(Dialect::Chat)
        }
        _ => None,
    }
}

impl Remedy {
    /// Remedies of one kind are tried once per request.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Learn(one), Self::Learn(other)) => {
                std::mem::discriminant(one) == std::mem::discriminant(other)
            }
            (Self::FewerTokens(_), Self::FewerTokens(_)) => true,
            _ => false,
        }
    }
}

/// For the log.
impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxOutputTokens(limit) => write!(f, "answers with at most {limit} tokens"),
            Self::MaxTokensField(MaxTokensField::MaxTokens) => f.write_str("wants max_tokens"),
            Self::MaxTokensField(MaxTokensField::MaxCompletionTokens) => {
                f.write_str("wants max_completion_tokens")
            }
            Self::NoSampling => f.write_str("refuses temperature and top_p"),
            Self::NoTopK => f.write_str("refuses top_k"),
            Self::NoStop => f.write_str("refuses stop"),
            Self::Efforts(efforts) if efforts.is_empty() => f.write_str("refuses an effort"),
            Self::Efforts(efforts) => write!(f, "takes the efforts {}", efforts.join(", ")),
            Self::NoStreamOptions => f.write_str("refuses stream_options"),
            Self::NoParallelToolCalls => f.write_str("refuses parallel_tool_calls"),
            Self::NoJsonSchema => f.write_str("refuses response_format json_schema"),
            Self::NoSummary => f.write_str("gives no summaries of its reasoning"),
            Self::Dialect(dialect) => write!(f, "is served in the dialect {}", dialect.name()),
        }
    }
}

#[cfg(test)]
mod tests;
