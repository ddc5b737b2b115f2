//! Why the model stopped: `finish_reason` to `stop_reason` (protocol.md §3.2).

use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::anthropic::response::StopReason;

/// What is known when the answer is over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ending<'a> {
    /// The upstream's word, if it said one.
    pub(super) finish_reason: Option<&'a str>,
    /// At least one tool call came.
    pub(super) has_calls: bool,
    /// The model refused.
    pub(super) refused: bool,
    /// A stop sequence matched.
    pub(super) stop_sequence_matched: bool,
}

/// The stop reason, and whether the upstream's word was unknown.
///
/// # Errors
/// When the word says that the answer failed.
pub(super) fn stop_reason(ending: Ending<'_>, upstream: &str) -> Result<(StopReason, bool), Error> {
    let reason = ending.finish_reason.unwrap_or("").to_ascii_lowercase();
    let failed = |kind: ErrorKind, status| {
        let message = format!("{upstream}: the answer broke off with finish_reason `{reason}`");
        Err(Error::new(kind, message).with_status(status))
    };
    // Servers say `stop`, or nothing, although tools were called; and `tool_calls` although none was.
    let done = if ending.stop_sequence_matched {
        StopReason::StopSequence
    } else if ending.has_calls {
        StopReason::ToolUse
    } else {
        StopReason::EndTurn
    };
    let known = match reason.as_str() {
        "error" | "network_error" | "abort" => return failed(ErrorKind::Api, 502),
        "insufficient_system_resource" => return failed(ErrorKind::Overloaded, 529),
        word if FILTERS.contains(&word) => StopReason::Refusal,
        _ if ending.refused => StopReason::Refusal,
        word if LIMITS.contains(&word) => StopReason::MaxTokens,
        "" | "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "tool_calls" | "tool_use"
        | "function_call" => done,
        _ => return Ok((done, true)),
    };
    Ok((known, false))
}

/// Whether a word says that the answer was cut, so that the last call may be incomplete.
pub(super) fn is_cut(finish_reason: Option<&str>) -> bool {
    let reason = finish_reason.unwrap_or("").to_ascii_lowercase();
    LIMITS.contains(&reason.as_str()) || FILTERS.contains(&reason.as_str())
}

/// What servers say when the most tokens were generated.
const LIMITS: [&str; 3] = ["length", "max_tokens", "model_length"];
/// What servers say when a filter stopped the answer.
const FILTERS: [&str; 3] = ["content_filter", "sensitive", "safety"];

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(finish_reason: &str, has_calls: bool) -> StopReason {
        let ending = Ending { finish_reason: Some(finish_reason), has_calls, ..Ending::default() };
        stop_reason(ending, "u").unwrap().0
    }

    #[test]
    fn what_was_produced_decides_between_end_and_tool_use() {
        for word in ["stop", "tool_calls", "function_call", "", "eos_token", "something_new"] {
            assert_eq!(reason(word, true), StopReason::ToolUse, "{word}");
            assert_eq!(reason(word, false), StopReason::EndTurn, "{word}");
        }
    }

    #[test]
    fn limits_filters_and_failures() {
        for word in ["length", "max_tokens", "model_length"] {
            assert_eq!(reason(word, true), StopReason::MaxTokens);
        }
        for word in ["content_filter", "SAFETY", "sensitive"] {
            assert_eq!(reason(word, false), StopReason::Refusal);
        }
        for (word, status) in
            [("error", 502), ("network_error", 502), ("abort", 502), ("insufficient_system_resource", 529)]
        {
            let ending = Ending { finish_reason: Some(word), ..Ending::default() };
            assert_eq!(stop_reason(ending, "u").unwrap_err().status, status);
        }
        let refused = Ending { finish_reason: Some("stop"), refused: true, ..Ending::default() };
        assert_eq!(stop_reason(refused, "u").unwrap().0, StopReason::Refusal);
        let unknown = Ending { finish_reason: Some("something_new"), ..Ending::default() };
        assert!(stop_reason(unknown, "u").unwrap().1);
    }
}
