//! What the translation of an answer must remember of its request.

use super::Dialect;
use super::remedy::Sent;
use super::tool_ids::UsedIds;
use super::tool_names::ToolNames;

/// What the translation of an answer must remember of its request.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// What the upstream speaks.
    pub dialect: Dialect,
    /// The model the client asked for; the answer names it.
    pub requested_model: String,
    /// The upstream's name, for messages.
    pub upstream: String,
    /// The upstream's name of the model, for messages.
    pub upstream_model: String,
    /// What of the request an upstream may take offence at.
    pub sent: Sent,
    /// Names of tools that had to change on the way to the upstream.
    pub(crate) tool_names: ToolNames,
    /// Tool call ids that stand in the conversation; an answer's ids must differ from them.
    pub(crate) used_tool_ids: UsedIds,
    /// At most one tool call may come back, and the upstream cannot be told so.
    pub(crate) one_tool_call: bool,
    /// Thinking is not to be shown (`display: "omitted"`).
    pub(crate) omit_thinking: bool,
    /// The upstream takes its reasoning back, so what is not shown must be carried in the signature.
    pub(crate) carry_reasoning: bool,
    /// `<think>…</think>` in visible text is reasoning.
    pub(crate) think_tags: bool,
    /// The answer begins inside of `<think>`.
    pub(crate) think_opened: bool,
    /// Sources that the upstream names become citations.
    pub(crate) citations: bool,
    /// The texts that may end the answer; `None` when the request is not known, and any text may be one.
    pub(crate) stop_sequences: Option<Vec<String>>,
    /// What the client put into the model's mouth; an upstream may repeat it before it goes on.
    pub(crate) prefill: Option<String>,
    /// They are searched for in the answer, because the upstream was not asked to.
    pub(crate) scan_for_stop: bool,
    /// The tokens that fit into the model's context, if known.
    pub(crate) context_window: Option<u64>,
    /// A body that ends without any mark still counts as complete.
    pub(crate) lenient_eof: bool,
    /// Estimated input tokens, for `message_start` and for upstreams that report no usage.
    pub input_estimate: u64,
}
