//! The narrow waist of streams: what an upstream's reader says and the rest of a stream understands.

use crate::protocol::anthropic::response::Usage;
use crate::translate::report::Loss;
use serde_json::value::RawValue;

/// One step of an answer, in whatever dialect the upstream said it.
#[derive(Debug, Clone)]
pub(crate) enum Delta {
    /// The answer begins.
    Start,
    /// Visible text.
    Text(String),
    /// Visible text that is a refusal.
    Refusal(String),
    /// Reasoning.
    Reasoning(String),
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
    /// A piece of a call's arguments. Pieces of several calls may alternate.
    ToolArguments {
        /// Which call.
        call: usize,
        /// A piece of JSON text.
        json: String,
    },
    /// Why the model stopped, in the upstream's words. More may follow, such as usage.
    Finish(String),
    /// The stop sequence that matched.
    StopSequence(String),
    /// Tokens; the last one counts.
    Usage(Usage),
    /// Something was lost.
    Lost(Loss),
}
