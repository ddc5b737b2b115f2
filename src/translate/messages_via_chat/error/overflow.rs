//! Context overflow in Anthropic's exact words, which Claude Code reads numbers from: it asks for less, or compacts
//! the conversation (protocol.md §5.5).

use super::body::Described;

/// The exact message, if the failure is that the request does not fit into the model's context.
pub(super) fn message(described: &Described) -> Option<String> {
    let text = described.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let is_overflow = described.mentions("context_length_exceeded")
        || described.mentions("exceed_context_size")
        || described.mentions("maximum context length")
        || described.mentions("exceeds the available context size")
        || described.mentions("prompt token count of")
        || (text.contains("input (") && text.contains("is longer than"));
    if !is_overflow {
        return None;
    }
    let limit = described.context_tokens.or_else(|| {
        let markers = ["context length is", "context size (", "exceeds the limit of", "is longer than"];
        markers.into_iter().find_map(|marker| number_after(&text, marker))
    })?;
    let before = |markers: [&str; 3]| markers.into_iter().find_map(|marker| number_before(&text, marker));
    let after = |markers: [&str; 3]| markers.into_iter().find_map(|marker| number_after(&text, marker));
    let input = described
        .prompt_tokens
        .or_else(|| before([" in the messages", " input tokens", " tokens) exceeds"]))
        .or_else(|| after(["prompt token count of", "input (", "request ("]));
    let output = number_before(&text, " in the completion").or_else(|| number_after(&text, "too large:"));
    if let (Some(input), Some(output)) = (input, output)
        && input <= limit
    {
        return Some(format!(
            "input length and `max_tokens` exceed context limit: {input} + {output} > {limit}, decrease input length or `max_tokens` and try again"
        ));
    }
    let total = input.or_else(|| after(["requested", "resulted in", "requested about"]))?;
    Some(format!("prompt is too long: {total} tokens > {limit} maximum"))
}

/// The number that follows a marker, perhaps after other words of its clause.
fn number_after(text: &str, marker: &str) -> Option<u64> {
    let (_, rest) = text.split_once(marker)?;
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let digits: String = rest.get(start..)?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The number that stands right before a marker.
fn number_before(text: &str, marker: &str) -> Option<u64> {
    let (before, _) = text.split_once(marker)?;
    let start = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    before.get(start..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::body::describe;
    use super::*;

    fn check(text: &str, expected: &str) {
        let body = format!("{{\"error\":{{\"message\":{}}}}}", serde_json::to_string(text).unwrap());
        assert_eq!(message(&describe(body.as_bytes())).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn every_servers_wording_becomes_anthropics() {
        check(
            "This model's maximum context length is 262144 tokens. However, you requested 262462 tokens (230462 in the messages, 32000 in the completion).",
            "input length and `max_tokens` exceed context limit: 230462 + 32000 > 262144, decrease input length or `max_tokens` and try again",
        );
        check(
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 262144 tokens and your request has 230462 input tokens (32000 > 262144 - 230462).",
            "input length and `max_tokens` exceed context limit: 230462 + 32000 > 262144, decrease input length or `max_tokens` and try again",
        );
        check(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            "prompt is too long: 9000 tokens > 8192 maximum",
        );
        check(
            "request (140012 tokens) exceeds the available context size (65536 tokens), try increasing it",
            "prompt is too long: 140012 tokens > 65536 maximum",
        );
        check("prompt token count of 9 exceeds the limit of 8", "prompt is too long: 9 tokens > 8 maximum");
        check(
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "prompt is too long: 9000 tokens > 8192 maximum",
        );
    }

    #[test]
    fn llama_cpp_says_it_in_members() {
        let body = br#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error","n_prompt_tokens":12,"n_ctx":8}}"#;
        assert_eq!(message(&describe(body)).as_deref(), Some("prompt is too long: 12 tokens > 8 maximum"));
    }

    #[test]
    fn other_failures_are_left_alone() {
        for body in [
            r#"{"error":{"message":"bad 12"}}"#,
            r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#,
        ] {
            assert_eq!(message(&describe(body.as_bytes())), None);
        }
    }
}
