//! The narrow waist of streams: what an upstream's reader says and the rest of a stream understands.

use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::response::{Citation, Usage};
use crate::translate::report::{Kind, Loss};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One step of an answer, in whatever dialect the upstream said it.
#[derive(Debug, Clone)]
pub(crate) enum Delta {
    /// The answer begins.
    Start,
    /// What was said before is over: text or reasoning that follows stands in a block of its own.
    Break,
    /// Visible text.
    Text(String),
    /// What the text so far rests on.
    Citation(Citation),
    /// Visible text that is a refusal.
    Refusal(String),
    /// Reasoning.
    Reasoning(String),
    /// The reasoning so far is over, and this must come back with it in the next turn: a JSON text that only the
    /// upstream understands. It may come without any reasoning to be seen.
    ReasoningState(Box<RawValue>),
    /// A tool is called; `call` counts from 0 in the order of appearance.
    ToolStart {
        /// Which call.
        call: usize,
        /// The upstream's id, if it sent one.
        id: Option<String>,
        /// The upstream's name of the tool.
        name: String,
        /// What must come back with this call in the next turn.
        extra: Option<Box<RawValue>>,
    },
    /// What must come back with a call, after its beginning.
    ToolExtra {
        /// Which call.
        call: usize,
        /// A JSON text that only the upstream understands.
        extra: Box<RawValue>,
    },
    /// A piece of a call's arguments. Pieces of several calls may alternate.
    ToolArguments {
        /// Which call.
        call: usize,
        /// A piece of JSON text.
        json: String,
    },
    /// Why the model stopped; the reader says it once. More may follow, such as usage.
    Finish(Finish),
    /// The stop sequence that matched.
    StopSequence(String),
    /// Tokens; the last one counts.
    Usage(Usage),
    /// Something was lost.
    Lost(Loss),
    /// The upstream's body need not be read on: the answer is whole.
    Done,
    /// The answer failed; what it said so far is all there is.
    Failed(Error),
}

impl Delta {
    /// A loss in the upstream's answer.
    pub(crate) fn lost(pointer: impl Into<String>, kind: Kind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Lost(Loss { pointer: pointer.into(), kind, reason: reason.into() })
    }
}

/// Why the model stopped, as far as the upstream knows. Whether it called tools, matched a stop sequence or refused
/// is known from what it said.
#[derive(Debug, Clone)]
pub(crate) enum Finish {
    /// It was done.
    Normal,
    /// The most tokens were generated.
    Limit,
    /// It says that it was done, but as many tokens were generated as were asked for. What it was at tells whether
    /// it was cut.
    Exhausted,
    /// A filter stopped it, and perhaps says why.
    Filter(Option<String>),
    /// It broke.
    Failed(Error),
    /// A word that nobody knows; taken for [`Finish::Normal`].
    Unknown(String),
}

impl Finish {
    /// Whether the answer was cut, so that the last call may be incomplete.
    pub(crate) const fn is_cut(&self) -> bool {
        matches!(self, Self::Limit | Self::Filter(_))
    }
}
