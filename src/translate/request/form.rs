//! What a dialect can hold, as far as the shared reading of a request depends on it.

use super::Markers;
use crate::translate::quirks::{Prefill, ReasoningRequest, ToolIds};

/// What an upstream's dialect, with the upstream's quirks, can hold. What it cannot is rearranged, dropped or
/// refused while the request is read.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// The results of tools may hold images and files; otherwise these follow in a user message.
    pub(crate) media_in_results: bool,
    /// Text of a turn may stand behind its calls of tools.
    pub(crate) text_after_calls: bool,
    /// Consecutive messages of the user become one.
    pub(crate) merge_users: bool,
    /// Where cache markers are taken.
    pub(crate) markers: Markers,
    /// Whether files may be named by URL.
    pub(crate) file_urls: FileUrls,
    /// `top_k` is taken.
    pub(crate) top_k: bool,
    /// A function may demand that inputs match its schema exactly.
    pub(crate) strict_tools: bool,
    /// The most stop sequences that are taken; may be none.
    pub(crate) most_stop_sequences: usize,
    /// An upstream that ends at a stop sequence says at which.
    pub(crate) reports_stop: bool,
    /// A schema for the answer is taken.
    pub(crate) json_schema: bool,
    /// The least that may be asked for as `max_tokens`.
    pub(crate) least_max_tokens: u64,
    /// Which ids of tool calls are taken.
    pub(crate) tool_ids: ToolIds,
    /// How thinking and effort are said.
    pub(crate) reasoning_request: ReasoningRequest,
    /// What the upstream takes back of its reasoning.
    pub(crate) reasoning_back: ReasoningBack,
    /// What becomes of a last message of the assistant.
    pub(crate) prefill: Prefill,
}

/// Whether files may be named by URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileUrls {
    /// They may not.
    Refused,
    /// They may.
    Taken,
    /// They may, and then have no other name.
    Nameless,
}

/// What an upstream takes back of its reasoning in earlier turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReasoningBack {
    /// Nothing.
    Nothing,
    /// Its text.
    Text,
    /// Its text, and what came with it.
    State,
    /// What came with it and nothing else, and only before something that followed from it.
    StateInPlace,
}

impl ReasoningBack {
    /// Whether its text is wanted, so that it must be kept where the client is not shown it.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::State)
    }
}
