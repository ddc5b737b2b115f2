//! Tokens: OpenAI counts cached input within the input, Anthropic beside `input_tokens` (protocol.md §3.3).

use crate::protocol::anthropic::response::{CacheCreation, OutputTokensDetails, Usage};
use crate::protocol::openai::chat::chunk;
use crate::protocol::openai::responses::response;

/// Tokens as an upstream counts them, in whatever dialect.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Input, cached tokens included.
    input: Option<u64>,
    /// Read from a cache.
    read: u64,
    /// Written to a cache.
    written: u64,
    /// Those of the written ones that are kept for hours, if the upstream tells them apart.
    written_for_hours: Option<u64>,
    /// Output, reasoning included unless `total` says otherwise.
    output: Option<u64>,
    /// Sum.
    total: Option<u64>,
    /// Spent on reasoning.
    thinking: Option<u64>,
}

impl From<&chunk::Usage> for Counts {
    fn from(usage: &chunk::Usage) -> Self {
        let details = usage.prompt_tokens_details.clone().unwrap_or_default();
        let read = details.cached_tokens.or(usage.prompt_cache_hit_tokens).or(usage.cached_tokens);
        let written =
            details.cache_write_tokens.or(details.created_cache_tokens).or(details.cache_creation_tokens);
        Self {
            input: usage.prompt_tokens,
            read: read.unwrap_or(0),
            written: written.unwrap_or(0),
            written_for_hours: None,
            output: usage.completion_tokens,
            total: usage.total_tokens,
            thinking: usage.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens),
        }
    }
}

impl From<&response::Usage> for Counts {
    fn from(usage: &response::Usage) -> Self {
        let details = usage.input_tokens_details.clone().unwrap_or_default();
        Self {
            input: usage.input_tokens,
            read: details.cached_tokens.unwrap_or(0),
            written: details.cache_write_tokens.unwrap_or(0),
            written_for_hours: details.cache_write_tokens_details.and_then(|it| it.ttl_12h_tokens),
            output: usage.output_tokens,
            total: usage.total_tokens,
            thinking: usage.output_tokens_details.as_ref().and_then(|details| details.reasoning_tokens),
        }
    }
}

/// The same tokens in Anthropic's words. Never negative, whatever the upstream says; `None` if it says nothing.
///
/// No prompt has no tokens: an upstream that says so did not count, and the estimate stands in.
pub(crate) fn usage_of(
    counts: impl Into<Counts>,
    service_tier: Option<&str>,
    input_estimate: u64,
) -> Option<Usage> {
    let counts: Counts = counts.into();
    let counted = |tokens: Option<u64>| tokens.filter(|tokens| *tokens > 0);
    counted(counts.input).or_else(|| counted(counts.output))?;
    let input = counted(counts.input).unwrap_or(input_estimate);
    let Counts { mut read, mut written, .. } = counts;
    if read.saturating_add(written) > input {
        written = 0;
        read = read.min(input);
    }
    let said = counts.output.unwrap_or(0);
    // xAI counts reasoning beside the completion, and only the total tells.
    let output = match counts.total.filter(|_| counted(counts.input).is_some()) {
        Some(total) if total > input.saturating_add(said) => total - input,
        _ => said,
    };
    Some(Usage {
        input_tokens: input - read - written,
        cache_creation_input_tokens: written,
        cache_read_input_tokens: read,
        output_tokens: output,
        cache_creation: counts.written_for_hours.map(|for_hours| {
            let for_hours = for_hours.min(written);
            CacheCreation {
                ephemeral_5m_input_tokens: written - for_hours,
                ephemeral_1h_input_tokens: for_hours,
            }
        }),
        output_tokens_details: (counts.thinking)
            .map(|tokens| OutputTokensDetails { thinking_tokens: tokens.min(output) }),
        service_tier: match service_tier {
            Some("default" | "flex") => Some("standard".to_owned()),
            Some("priority" | "fast" | "scale" | "ultrafast") => Some("priority".to_owned()),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> chunk::Usage {
        serde_json::from_str(json).unwrap()
    }

    fn check(json: &str, expected: [u64; 4], thinking: Option<u64>) {
        let usage = usage_of(&read(json), None, 0).unwrap();
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
        for name in ["created_cache_tokens", "cache_creation_tokens"] {
            let details = format!(r#"{{"cached_tokens":80,"{name}":10}}"#);
            check(
                &format!(
                    r#"{{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{details}}}"#
                ),
                [10, 80, 10, 1],
                None,
            );
        }
        check(r#"{"prompt_tokens":10,"cached_tokens":4}"#, [6, 4, 0, 0], None);
    }

    #[test]
    fn no_counts_are_no_usage() {
        for json in [r#"{"total_tokens":null}"#, r#"{"prompt_tokens":0,"completion_tokens":0}"#] {
            assert_eq!(usage_of(&read(json), None, 9), None);
        }
        let usage = usage_of(&read(r#"{"completion_tokens":5,"total_tokens":40}"#), None, 9);
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

    #[test]
    fn responses_count_the_same_under_other_names() {
        let json = r#"{"input_tokens":1000,"output_tokens":50,"total_tokens":1050,"input_tokens_details":
            {"cached_tokens":600,"cache_write_tokens":100,"cache_write_tokens_details":{"ttl_12h_tokens":30}},
            "output_tokens_details":{"reasoning_tokens":30}}"#;
        let usage: response::Usage = serde_json::from_str(json).unwrap();
        let usage = usage_of(&usage, Some("default"), 0).unwrap();
        assert_eq!((usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens), (300, 600, 50));
        let created = usage.cache_creation.unwrap();
        assert_eq!((created.ephemeral_5m_input_tokens, created.ephemeral_1h_input_tokens), (70, 30));
        assert_eq!(usage.output_tokens_details.unwrap().thinking_tokens, 30);
    }
}
