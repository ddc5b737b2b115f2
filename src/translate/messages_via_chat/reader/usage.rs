//! Tokens: OpenAI counts cached input within `prompt_tokens`, Anthropic beside `input_tokens` (protocol.md §3.3).

use crate::protocol::anthropic::response::{OutputTokensDetails, Usage};
use crate::protocol::openai::chat::chunk;

/// The same tokens in Anthropic's words. Never negative, whatever the upstream says; `None` if it says nothing.
///
/// No prompt has no tokens: an upstream that says so did not count, and the estimate stands in.
pub(super) fn usage_of(
    usage: &chunk::Usage,
    service_tier: Option<&str>,
    input_estimate: u64,
) -> Option<Usage> {
    let counted = |tokens: Option<u64>| tokens.filter(|tokens| *tokens > 0);
    counted(usage.prompt_tokens).or_else(|| counted(usage.completion_tokens))?;
    let prompt = counted(usage.prompt_tokens).unwrap_or(input_estimate);
    let details = usage.prompt_tokens_details.clone().unwrap_or_default();
    let mut read =
        details.cached_tokens.or(usage.prompt_cache_hit_tokens).or(usage.cached_tokens).unwrap_or(0);
    let mut write = details.cache_write_tokens.unwrap_or(0);
    if read.saturating_add(write) > prompt {
        write = 0;
        read = read.min(prompt);
    }
    let completion = usage.completion_tokens.unwrap_or(0);
    // xAI counts reasoning beside the completion, and only the total tells.
    let output = match usage.total_tokens.filter(|_| counted(usage.prompt_tokens).is_some()) {
        Some(total) if total > prompt.saturating_add(completion) => total - prompt,
        _ => completion,
    };
    let thinking = usage.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
    Some(Usage {
        input_tokens: prompt - read - write,
        cache_creation_input_tokens: write,
        cache_read_input_tokens: read,
        output_tokens: output,
        cache_creation: None,
        output_tokens_details: thinking
            .map(|tokens| OutputTokensDetails { thinking_tokens: tokens.min(output) }),
        service_tier: match service_tier {
            Some("default" | "flex") => Some("standard".to_owned()),
            Some("priority" | "fast" | "scale") => Some("priority".to_owned()),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: [u64; 4], thinking: Option<u64>) {
        let usage = usage_of(&serde_json::from_str(json).unwrap(), None, 0).unwrap();
        let counts = [
            usage.input_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            usage.output_tokens,
        ];
        assert_eq!(counts, expected, "{json}");
        assert_eq!(usage.output_tokens_details.map(|details| details.thinking_tokens), thinking);
    }

    #[test]
    fn cached_tokens_stand_beside_the_input() {
        check(
            r#"{"prompt_tokens":1000,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":600,
                "cache_write_tokens":100},"completion_tokens_details":{"reasoning_tokens":30}}"#,
            [300, 600, 100, 50],
            Some(30),
        );
        check(
            r#"{"prompt_tokens":10,"prompt_cache_hit_tokens":4,"completion_tokens":1}"#,
            [6, 4, 0, 1],
            None,
        );
        check(r#"{"prompt_tokens":10,"cached_tokens":4}"#, [6, 4, 0, 0], None);
    }

    #[test]
    fn no_counts_are_no_usage() {
        for json in [r#"{"total_tokens":null}"#, r#"{"prompt_tokens":0,"completion_tokens":0}"#] {
            assert_eq!(usage_of(&serde_json::from_str(json).unwrap(), None, 9), None);
        }
        let usage =
            usage_of(&serde_json::from_str(r#"{"completion_tokens":5,"total_tokens":40}"#).unwrap(), None, 9);
        assert_eq!(usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((9, 5)));
    }

    #[test]
    fn wrong_counts_never_become_negative() {
        check(
            r#"{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":5}}"#,
            [0, 10, 0, 0],
            None,
        );
        check(
            r#"{"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":9}}"#,
            [0, 0, 0, 5],
            Some(5),
        );
    }

    #[test]
    fn reasoning_beside_the_completion_is_output() {
        check(r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35}"#, [10, 0, 0, 25], None);
    }
}
