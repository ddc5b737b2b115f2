//! Why the model stopped, in the words of many servers (protocol.md §3.2).

use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::translate::delta::Finish;

/// What a `finish_reason` means.
pub(super) fn finish_of(said: &str, upstream: &str) -> Finish {
    let word = said.to_ascii_lowercase();
    let failed = |kind: ErrorKind, status| {
        let message = format!("{upstream}: the answer broke off with finish_reason `{word}`");
        Finish::Failed(Error::new(kind, message).with_status(status))
    };
    match word.as_str() {
        "error" | "network_error" | "abort" => failed(ErrorKind::Api, 502),
        "insufficient_system_resource" => failed(ErrorKind::Overloaded, 529),
        "content_filter" | "sensitive" | "safety" => Finish::Filter(None),
        "length" | "max_tokens" | "model_length" => Finish::Limit,
        // Servers say `stop` although tools were called, and `tool_calls` although none was.
        "" | "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "tool_calls" | "tool_use"
        | "function_call" => Finish::Normal,
        _ => Finish::Unknown(said.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_servers() {
        for word in ["", "stop", "tool_calls", "function_call", "eos_token"] {
            assert!(matches!(finish_of(word, "u"), Finish::Normal), "{word}");
        }
        for word in ["length", "max_tokens", "model_length"] {
            assert!(matches!(finish_of(word, "u"), Finish::Limit), "{word}");
        }
        for word in ["content_filter", "SAFETY", "sensitive"] {
            assert!(matches!(finish_of(word, "u"), Finish::Filter(None)), "{word}");
        }
        for (word, status) in
            [("error", 502), ("network_error", 502), ("abort", 502), ("insufficient_system_resource", 529)]
        {
            let Finish::Failed(error) = finish_of(word, "u") else { panic!("{word}") };
            assert_eq!(error.status, status, "{word}");
        }
        assert!(matches!(finish_of("Something_new", "u"), Finish::Unknown(word) if word == "Something_new"));
    }
}
