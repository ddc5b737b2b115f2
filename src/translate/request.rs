//! Requests: what every dialect of an upstream makes of them in the same way.
//!
//! A request is read once, into [`Settings`] and a [`Transcript`] that belong to no dialect; then the upstream's
//! dialect writes both down (`messages_via_chat/request.rs`, `messages_via_responses/request.rs`). What a dialect
//! cannot hold is its [`Form`]. All refusals and nearly all losses are found while reading, so that a dialect's
//! own part is a plain table.

mod blocks;
mod browser;
mod client_tools;
mod conversation;
mod form;
mod hints;
mod markers;
mod part;
mod place;
mod reasoning;
mod settings;
mod system;
mod tool_changes;
mod tools;

pub(crate) use conversation::{Call, Item, Saying, Thought, Transcript};
pub(crate) use form::{FileUrls, Form, ReasoningBack};
pub(crate) use markers::Markers;
pub(crate) use part::{FileData, Marker, Part, PartKind};
pub(crate) use reasoning::Reasoning;
pub(crate) use settings::{Format, Settings};
pub(crate) use tools::{Choice, Function};

use super::context::Context;
use super::remedy::Sent;
use super::report::{Kind, Report};
use super::signature::INFLATE_BUDGET_BYTES;
use super::tool_names::ToolNames;
use super::{Dialect, Options, StopSequences, messages_via_chat, messages_via_responses, tokens};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::Parsed;
use crate::protocol::json::Escaped;
use crate::protocol::openai::{chat, responses};
use hints::{refuse_unsupported, report_hints, report_unknown};
use serde::Serialize;

/// A translated request.
#[derive(Debug, Clone)]
pub struct Translated {
    /// What to send to the upstream.
    pub body: Body,
    /// What the translation of the answer must remember.
    pub context: Context,
    /// What was lost on the way.
    pub report: Report,
}

/// A request as it is written to an upstream, in its dialect.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// For chat completions.
    Chat(chat::request::Request),
    /// For Responses.
    Responses(responses::request::Request),
}

/// What of a request costs tokens, piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A message begins.
    Message,
    /// A tool's definition begins.
    Tool,
    /// A name, an id, or JSON that is text to the model.
    Text(&'a str),
    /// What somebody says.
    Said(&'a Escaped),
    /// Reasoning that only the upstream can read, in base64.
    Sealed(&'a str),
    /// An image, by its URL.
    Image(&'a Escaped),
    /// A file, by its URL.
    File(&'a Escaped),
}

impl Body {
    /// The upstream's name of the model.
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(body) => &body.model,
            Self::Responses(body) => &body.model,
        }
    }

    /// Tells everything in it that costs tokens.
    pub fn pieces<'a>(&'a self, tell: &mut impl FnMut(Piece<'a>)) {
        match self {
            Self::Chat(body) => messages_via_chat::pieces(body, tell),
            Self::Responses(body) => messages_via_responses::pieces(body, tell),
        }
    }
}

/// Translates a request to the dialect that the options name.
///
/// # Errors
/// `invalid_request_error` naming the member, for everything that can be neither carried over nor reported.
pub fn request(parsed: Parsed, options: &Options) -> Result<Translated, Error> {
    let mut report = Report::default();
    if parsed.repaired_surrogates > 0 {
        let reason = format!("{} lone surrogate escapes became U+FFFD", parsed.repaired_surrogates);
        report.add("", Kind::Repaired, reason);
    }
    let mut request = parsed.request;
    refuse_unsupported(&request)?;
    report_hints(&request, &mut report);

    let form = match options.dialect {
        Dialect::Chat => messages_via_chat::form(&options.quirks),
        Dialect::Responses => messages_via_responses::form(&options.quirks),
    };
    let names = ToolNames::default();
    let inflate_budget = INFLATE_BUDGET_BYTES;
    let mut translation = Translation { options, form, report, names, inflate_budget, waiting_marker: None };
    let settings = translation.settings(&mut request)?;
    let stop_sequences = request.stop_sequences.take().unwrap_or_default();
    let stop_sequences: Vec<String> = stop_sequences.into_iter().filter(|it| !it.trim().is_empty()).collect();
    let scan_for_stop = translation.scans_for_stop() && !stop_sequences.is_empty();
    let lacks_tools = options.quirks.history_needs_tools && settings.functions.is_empty();
    if lacks_tools && conversation::has_calls(&request.messages) {
        let reason = "the history has calls of tools that are not defined, which the upstream may refuse";
        translation.report.add("/tools", Kind::Approximated, reason);
    }
    let omit_thinking = request.thinking.as_ref().is_some_and(|it| it.display.as_deref() == Some("omitted"));
    // Templates that open the tag write an empty thought when told not to think.
    let no_thinking = request.thinking.as_ref().is_some_and(|it| it.kind == "disabled");
    let (transcript, used_tool_ids) = translation.conversation(request.system.take(), request.messages)?;

    let takes_text_back = translation.form.reasoning_back.is_text();
    let prefill = transcript.prefill();
    let one_tool_call = settings.one_tool_call;
    let body = match options.dialect {
        Dialect::Chat => Body::Chat(messages_via_chat::write(settings, transcript, options)),
        Dialect::Responses => Body::Responses(messages_via_responses::write(settings, transcript, options)),
    };
    let context = Context {
        dialect: options.dialect,
        requested_model: request.model,
        upstream: options.upstream.clone(),
        upstream_model: options.model.clone(),
        sent: Sent::from(&body),
        tool_names: translation.names,
        used_tool_ids,
        scan_for_stop,
        prefill,
        stop_sequences: Some(stop_sequences),
        one_tool_call,
        omit_thinking,
        carry_reasoning: takes_text_back,
        think_tags: options.quirks.think_tags,
        think_opened: options.quirks.think_opened && !no_thinking,
        citations: options.quirks.citations,
        context_window: options.context_window,
        lenient_eof: options.quirks.lenient_eof,
        input_estimate: tokens::estimate(&body),
    };
    Ok(Translated { body, context, report: translation.report })
}

/// A translation under way.
struct Translation<'a> {
    options: &'a Options,
    form: Form,
    report: Report,
    names: ToolNames,
    /// What the signatures of thinking blocks may still inflate to, in bytes.
    inflate_budget: u64,
    /// A cache marker for the next part that may carry one.
    waiting_marker: Option<Marker>,
}

impl Translation<'_> {
    fn scans_for_stop(&self) -> bool {
        let by_upstream =
            self.options.stop_sequences == StopSequences::Upstream && self.form.most_stop_sequences > 0;
        !by_upstream && !self.form.reports_stop
    }
}
