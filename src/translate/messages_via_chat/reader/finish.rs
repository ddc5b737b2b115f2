//! Why the model stopped, in the words of many servers (protocol.md §3.2).

use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::translate::delta::Finish;

/// What a `finish_reason` means.
pub(super) fn finish_of(said: &str, upstream: &str) -> Finish {
    let word = said.to_ascii_lowercase();
    // Gemini says which filter it was, and what it found: `content_filter: PROHIBITED_CONTENT`.
    let (filter, found) =
        word.split_once(':').map_or((word.as_str(), ""), |(filter, found)| (filter, found.trim()));
    let failed = |kind: ErrorKind, status| {
        let message = format!("{upstream}: the answer broke off with finish_reason `{word}`");
        Finish::Failed(Error::new(kind, message).with_status(status))
    };
    match filter {
        "error" | "network_error" | "abort" => failed(ErrorKind::Api, 502),
        // The model wrote a call that Gemini could not read, and nothing of it comes: another try may help.
        "function_call_filter" | "malformed_function_call" if !found.contains("safety") => {
            failed(ErrorKind::Api, 502)
        }
        "insufficient_system_resource" => failed(ErrorKind::Overloaded, 529),
        // The latter half are Gemini's, whose OpenAI-compatible endpoint passes them on.
        "content_filter" | "sensitive" | "refusal" | "safety" | "recitation" | "blocklist"
        | "prohibited_content" | "spii" => Finish::Filter(None),
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
        for word in
            ["content_filter", "SAFETY", "sensitive", "content_filter: PROHIBITED_CONTENT", "RECITATION"]
        {
            assert!(matches!(finish_of(word, "u"), Finish::Filter(None)), "{word}");
        }
        for (word, status) in [
            ("error", 502),
            ("network_error", 502),
            ("abort", 502),
            ("function_call_filter: MALFORMED_FUNCTION_CALL", 502),
            ("insufficient_system_resource", 529),
        ] {
            let Finish::Failed(error) = finish_of(word, "u") else { panic!("{word}") };
            assert_eq!(error.status, status, "{word}");
        }
        assert!(matches!(finish_of("Something_new", "u"), Finish::Unknown(word) if word == "Something_new"));
    }
}
