//! Limits in tokens that a failure tells of, and Anthropic's exact words for them: Claude Code reads the numbers
//! from those, and asks for less or compacts the conversation (protocol.md §5.5).

use super::Asked;
use super::body::Described;
use crate::translate::wording::{Found, find, find_any};

/// What a failure says of the model's limits, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::translate) enum Limit {
    /// The input fits, but not together with the answer that was asked for.
    Both {
        /// Tokens of the prompt; where `at_least` is set, there may be more.
        input: u64,
        /// The upstream stopped counting there.
        at_least: bool,
        /// Tokens asked for.
        output: u64,
        /// Tokens that fit.
        limit: u64,
    },
    /// The input alone is too long.
    Input {
        /// Its tokens.
        input: u64,
        /// Tokens that fit.
        limit: u64,
    },
    /// It is too long, by nobody knows how much.
    Unknown,
    /// The model answers with no more than that.
    Output {
        /// Tokens asked for, if said.
        wanted: Option<u64>,
        /// The most allowed.
        limit: u64,
    },
}

/// Input and answer together: who says it, as of November 2026.
const BOTH: &[&str] = &[
    // OpenAI, Azure, DeepSeek, older vLLM; with tools there is a third number in between.
    "context length is {limit} tokens~({input} in the messages, {output} in the completion)",
    "context length is {limit} tokens~requested {total} tokens~{output} in the completion",
    "context length is {limit} tokens~requested {total} tokens~{output} for the completion",
    // OpenRouter.
    "context length is {limit} tokens~requested about {total} tokens~{output} in the output",
    // vLLM from 0.9, and from 0.12. The latter stops counting at the first token that does not fit.
    "is too large: {output}. this model's maximum context length is {limit} tokens and your request has {input} input tokens",
    "you passed {input} input tokens and requested {output} output tokens. however, the model's context length is only {limit} tokens",
    // SGLang.
    "context length of {limit} tokens. you requested a total of {total} tokens: {input} tokens from the input messages and {output} tokens for the completion",
    // Text Generation Inference.
    "`inputs` tokens + `max_new_tokens` must be <= {limit}. given: {input} `inputs` tokens and {output} `max_new_tokens`",
    // vLLM before and after that.
    "context length is {limit} tokens~your request has {input} input tokens plus {output} 'max_tokens'",
    // Anthropic.
    "exceed context limit: {input} + {output} > {limit}",
];

/// The input alone.
const INPUT: &[&str] = &[
    // OpenAI, Azure, vLLM, OpenRouter.
    "context length is {limit} tokens~resulted in {input} tokens",
    "context length is {limit} tokens~requested {input} tokens",
    "context length is {limit} tokens~requested about {input} tokens",
    "context length is {limit} tokens~your request has {input} input tokens",
    "exceed the configured limit of {limit} tokens~resulted in {input} tokens",
    // vLLM, from its engine, in several versions.
    "prompt (length {input}) is longer than the maximum model length of {limit}",
    "prompt (total length {input}) is too long to fit into the model (context length {limit})",
    "prompt length {input} exceeds the max_model_len {limit}",
    // TensorRT-LLM, Text Generation Inference, Cohere.
    "prompt length ({input}) exceeds maximum input length ({limit})",
    "`inputs` must have less than {limit} tokens. given: {input}",
    "tokens in the prompt cannot exceed {limit} - received {input}",
    // SGLang, Together; in other words, too.
    "input ({input} tokens) is longer than the model's context length ({limit} tokens)",
    "input length ({input}) exceeds model's maximum context length ({limit})",
    "input length {input} exceeds the maximum allowed input length of {limit} tokens",
    // llama.cpp.
    "request ({input} tokens) exceeds the available context size ({limit} tokens)",
    "requested tokens ({input}) exceed context window of {limit}",
    // GitHub Copilot.
    "prompt token count of {input} exceeds the limit of {limit}",
    // Mistral.
    "prompt contains {input} tokens~too large for model with {limit} maximum context length",
    // Gemini.
    "input token count ({input}) exceeds the maximum number of tokens allowed ({limit})",
    "input token count is {input} but model only supports up to {limit}",
    // xAI.
    "maximum prompt length is {limit} but the request contains {input} tokens",
    // Anthropic.
    "prompt is too long: {input} tokens > {limit} maximum",
    // Moonshot, Cerebras, Fireworks.
    "exceeded model token limit: {limit} (requested: {input})",
    "current length is {input} while limit is {limit}",
    "prompt is too long: {input}, model maximum context length: {limit}",
    // LM Studio.
    "trying to keep the first {input} tokens~context length of only {limit} tokens",
    "prompt has {input} tokens, but the configured context size is {limit} tokens",
    "n_keep: {input}>= n_ctx: {limit}",
];

/// The input alone, without saying how long it is: Gemini, Qwen on `DashScope`.
const INPUT_ABOVE: &[&str] = &[
    "input token count exceeds the maximum number of tokens allowed {limit}",
    "range of input length should be [{}, {limit}]",
];

/// Too long, without both numbers.
const UNKNOWN: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size",
    "model_context_window_exceeded",
    "maximum context length",
    "exceeds the context window",
    "exceeds the available context size",
    // Groq and Cerebras.
    "reduce the length of the messages",
    "context length exceeded",
    // vLLM to March 2026 takes the room that the prompt leaves for what was asked; nobody asks for less than none.
    "max_tokens must be at least 1, got -",
    // LM Studio.
    "greater than the context length",
    // Ollama's runner; MiniMax; GLM; Qwen on DashScope; Bedrock.
    "input length exceeds the context length",
    "context window exceeds limit",
    "prompt exceeds max length",
    "input is too long for requested model",
];

/// Ollama's servers and Cohere say only by how much.
const EXCESS: &[&str] = &[
    "exceeded max context length by {excess} tokens",
    "exceeded context length by {excess} tokens",
    "too many tokens: size limit exceeded by {excess} tokens",
];

/// The most tokens of an answer.
const OUTPUT: &[&str] = &[
    // OpenAI, Azure: `max_tokens` and `max_completion_tokens`.
    "tokens is too large: {output}~this model supports at most {limit} completion tokens",
    "tokens'~integer above maximum value. expected a value <= {limit}, but got {output}",
    // Volcengine.
    "tokens`~integer above maximum value, expected a value <= {limit}, but got {output}",
    // Groq, and servers that validate like it.
    "tokens` must be less than or equal to `{limit}`",
    "tokens must be less than or equal to {limit}",
    // DeepSeek, Qwen on DashScope.
    "the valid range of max_tokens is [{}, {limit}]",
    "range of max_tokens should be [{}, {limit}]",
    // Anthropic.
    "max_tokens: {output} > {limit}, which is the maximum allowed number of output tokens",
    // Ollama's servers.
    "max_tokens ({output}) exceeds model's maximum output tokens ({limit})",
    // Bedrock.
    "maximum tokens you requested exceeds the model limit of {limit}",
    // Servers built on pydantic.
    "tokens\"]~input should be less than or equal to {limit}",
];

/// Gemini's range ends before its last number.
const OUTPUT_BELOW: &str =
    "maxoutputtokens value of {output} but the supported range is from {} (inclusive) to {limit} (exclusive)";

/// What the failure says of limits, if that is its matter.
pub(in crate::translate) fn limit(status: u16, described: &Described, asked: &Asked) -> Option<Limit> {
    // Neither keys, credit, names nor speed; those may speak of tokens, too.
    if matches!(status, 401..=404 | 408 | 429) {
        return None;
    }
    if let (Some(input), Some(limit)) = (described.prompt_tokens, described.context_tokens) {
        return Some(Limit::Input { input, limit });
    }
    let text = described.text();
    if let Some(Found { limit: Some(limit), output: Some(output), input, total, .. }) = find_any(BOTH, text) {
        return Some(both(input.or_else(|| total?.checked_sub(output)), output, limit));
    }
    if let Some(Found { limit: Some(limit), output, .. }) = find_any(OUTPUT, text) {
        return Some(Limit::Output { wanted: output, limit });
    }
    if let Some(Found { limit: Some(limit), output, .. }) = find(OUTPUT_BELOW, text) {
        return Some(Limit::Output { wanted: output, limit: limit.saturating_sub(1) });
    }
    if let Some(Found { limit: Some(limit), input: Some(input), .. }) = find_any(INPUT, text) {
        return Some(Limit::Input { input, limit });
    }
    if let Some(Found { limit: Some(limit), .. }) = find_any(INPUT_ABOVE, text) {
        return Some(Limit::Input { input: asked.input_estimate.max(limit.saturating_add(1)), limit });
    }
    if let Some(Found { excess: Some(excess), .. }) = find_any(EXCESS, text) {
        // The clients need the difference only.
        let input = asked.input_estimate.max(excess);
        return Some(Limit::Input { input, limit: input - excess });
    }
    UNKNOWN.iter().any(|words| described.mentions(words)).then_some(Limit::Unknown)
}

fn both(input: Option<u64>, output: u64, limit: u64) -> Limit {
    match input {
        None => Limit::Unknown,
        Some(input) if input > limit || output == 0 => Limit::Input { input, limit },
        Some(input) => {
            let at_least = limit.checked_sub(output).is_some_and(|room| input == room + 1);
            Limit::Both { input, at_least, output, limit }
        }
    }
}

impl Limit {
    /// The failure in Anthropic's words; `said` is the upstream's own message.
    pub(super) fn message(self, said: &str, asked: &Asked) -> Option<String> {
        Some(match self {
            Self::Both { input, output, limit, .. } => format!(
                "input length and `max_tokens` exceed context limit: {input} + {output} > {limit}, \
                 decrease input length or `max_tokens` and try again"
            ),
            Self::Input { input, limit } => format!("prompt is too long: {input} tokens > {limit} maximum"),
            Self::Unknown => format!("prompt is too long ({}: {said})", asked.upstream),
            Self::Output { wanted, limit } => {
                let wanted = wanted.or(asked.max_tokens).filter(|wanted| *wanted > limit)?;
                let model = &asked.requested_model;
                format!(
                    "max_tokens: {wanted} > {limit}, which is the maximum allowed number of output tokens for {model}"
                )
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::describe;
    use super::*;

    /// The limit that a message tells of, with 32,000 tokens asked for and an input of about 5,000.
    fn of(text: &str) -> Option<Limit> {
        let body = serde_json::to_vec(&serde_json::json!({ "error": { "message": text } })).unwrap();
        let asked = Asked { input_estimate: 5_000, ..Asked::default() };
        limit(400, &describe(&body), &asked)
    }

    fn both(input: u64, output: u64, limit: u64) -> Limit {
        Limit::Both { input, at_least: false, output, limit }
    }

    #[test]
    fn input_and_answer_together() {
        for (text, expected) in [
            (
                "This model's maximum context length is 262144 tokens. However, you requested 262462 tokens (230462 in the messages, 32000 in the completion). Please reduce the length of the messages or completion.",
                both(230_462, 32_000, 262_144),
            ),
            (
                "This model's maximum context length is 16385 tokens. However, you requested 17000 tokens (5000 in the messages, 2000 in the functions, and 10000 in the completion).",
                both(7_000, 10_000, 16_385),
            ),
            (
                "This model's maximum context length is 4097 tokens, however you requested 4268 tokens (4012 in your prompt; 256 for the completion).",
                both(4_012, 256, 4_097),
            ),
            (
                "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (100000 of text input, 30000 of tool input, 10000 in the output). Please reduce the length of either one",
                both(130_000, 10_000, 131_072),
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 64000. This model's maximum context length is      64001 tokens and your request has 24235 input tokens (64000 > 64001 - 24235). None",
                both(24_235, 64_000, 64_001),
            ),
            (
                "This model's maximum context length is 2048 tokens. However, your request has 8 input tokens plus 2045 'max_tokens'. Please reduce one or the other.",
                both(8, 2_045, 2_048),
            ),
            (
                "Requested token count exceeds the model's maximum context length of 64000 tokens. You requested a total of 71897 tokens: 7897 tokens from the input messages and 64000 tokens for the completion. Please reduce",
                both(7_897, 64_000, 64_000),
            ),
            (
                "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 4000 `inputs` tokens and 5000 `max_new_tokens`",
                both(4_000, 5_000, 8_193),
            ),
            (
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
                both(188_240, 21_333, 200_000),
            ),
            (
                "You passed 9000 input tokens and requested 8192 output tokens. However, the model's context length is only 10000 tokens, resulting in a maximum input length of 1808 tokens.",
                both(9_000, 8_192, 10_000),
            ),
        ] {
            assert_eq!(of(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn newer_vllm_stops_counting_at_what_fits() {
        let text = "You passed 57345 input tokens and requested 8192 output tokens. However, the model's context length is only 65536 tokens, resulting in a maximum input length of 57344 tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=57345)";
        let expected = Limit::Both { input: 57_345, at_least: true, output: 8_192, limit: 65_536 };
        assert_eq!(of(text), Some(expected));
        let text = "You passed 262145 input tokens and requested 0 output tokens. However, the model's context length is only 262144 tokens, resulting in a maximum input length of 262144 tokens.";
        assert_eq!(of(text), Some(Limit::Input { input: 262_145, limit: 262_144 }));
    }

    #[test]
    fn the_input_alone() {
        for (text, input, limit) in [
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens (8000 in the messages, 1000 in the functions).",
                9_000,
                8_192,
            ),
            (
                "This model's maximum context length is 8192 tokens. However, you requested 254457 tokens in the input for embedding generation.",
                254_457,
                8_192,
            ),
            (
                "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
                516_368,
                262_144,
            ),
            ("Input length (265330) exceeds model's maximum context length (262144).", 265_330, 262_144),
            (
                "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
                131_393,
                131_040,
            ),
            (
                "request (140012 tokens) exceeds the available context size (65536 tokens), try increasing it",
                140_012,
                65_536,
            ),
            (
                "This model's maximum context length is 2048 tokens. However, your request has 8000 input tokens. Please reduce the length of the input messages. (parameter=input_tokens, value=8000)",
                8_000,
                2_048,
            ),
            (
                "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens. Please reduce the length of the messages.",
                300_000,
                272_000,
            ),
            (
                "The decoder prompt (length 16476) is longer than the maximum model length of 16384. Make sure that `max_model_len` is no smaller than the number of text tokens.",
                16_476,
                16_384,
            ),
            (
                "The prompt (total length 16476) is too long to fit into the model (context length 16384).",
                16_476,
                16_384,
            ),
            (
                "The engine prompt length 1307 exceeds the max_model_len 1024. Please reduce prompt.",
                1_307,
                1_024,
            ),
            ("Prompt length (140000) exceeds maximum input length (131072).", 140_000, 131_072),
            ("Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", 5_000, 4_096),
            (
                "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
                4_292,
                4_081,
            ),
            (
                "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 10136>= n_ctx: 4096). Try to load the model with a larger context length",
                10_136,
                4_096,
            ),
            // How long it is remains unsaid: at least one token too long, or what was estimated.
            (
                "The input token count exceeds the maximum number of tokens allowed 1048576.",
                1_048_577,
                1_048_576,
            ),
            (
                "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 3072]",
                5_000,
                3_072,
            ),
            ("prompt token count of 9 exceeds the limit of 8", 9, 8),
            (
                "Prompt contains 300000 tokens and 0 draft tokens, too large for model with 131072 maximum context length",
                300_000,
                131_072,
            ),
            (
                "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
                1_196_265,
                1_048_575,
            ),
            (
                "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
                537_812,
                131_072,
            ),
            ("prompt is too long: 213462 tokens > 200000 maximum", 213_462, 200_000),
            ("Your request exceeded model token limit: 262144 (requested: 300000)", 300_000, 262_144),
            (
                "Please reduce the length of the messages or completion. Current length is 8500 while limit is 8192",
                8_500,
                8_192,
            ),
            ("The prompt is too long: 100000, model maximum context length: 65536", 100_000, 65_536),
            (
                "Trying to keep the first 13000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
                13_000,
                4_096,
            ),
            (
                "Prompt has 5,958,968 tokens, but the configured context size is 256,000 tokens",
                5_958_968,
                256_000,
            ),
            ("Requested tokens (2100) exceed context window of 2048", 2_100, 2_048),
            // More than fits without any answer.
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9300 tokens (9000 in the messages, 300 in the completion).",
                9_000,
                8_192,
            ),
            // The difference is all that Ollama tells.
            ("prompt too long; exceeded max context length by 4021 tokens", 5_000, 979),
            ("prompt too long; exceeded max context length by 65590 tokens (ref: x)", 65_590, 0),
        ] {
            assert_eq!(of(text), Some(Limit::Input { input, limit }), "{text}");
        }
    }

    #[test]
    fn too_long_without_numbers() {
        for text in [
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "the request exceeds the available context size. try increasing the context size or enable context shift",
            "Please reduce the length of the messages or completion.",
            "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length",
            "invalid params, context window exceeds limit (2013)",
            "Prompt exceeds max length",
            "max_tokens must be at least 1, got -7584. (parameter=max_tokens, value=-7584)",
            "Input is too long for requested model.",
        ] {
            assert_eq!(of(text), Some(Limit::Unknown), "{text}");
        }
    }

    #[test]
    fn the_longest_answer() {
        for (text, wanted, limit) in [
            (
                "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.",
                Some(32_000),
                16_384,
            ),
            (
                "max_completion_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.",
                Some(32_000),
                16_384,
            ),
            (
                "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 128000, but got 200000 instead.",
                Some(200_000),
                128_000,
            ),
            (
                "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, expected a value <= 12288, but got 32000 instead. Request id: 02",
                Some(32_000),
                12_288,
            ),
            (
                "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model",
                None,
                8_192,
            ),
            (
                "`max_completion_tokens` must be less than or equal to `16384`, the maximum value for `max_completion_tokens` is less than the `context_window` for this model",
                None,
                16_384,
            ),
            (
                "too many tokens: max tokens must be less than or equal to 4000, the maximum output for this model - received 32000.",
                None,
                4_000,
            ),
            ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", None, 8_192),
            (
                "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 65536]",
                None,
                65_536,
            ),
            (
                "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5-20250929",
                Some(128_000),
                64_000,
            ),
            (
                "max_tokens (32768) exceeds model's maximum output tokens (16384) for model kimi-k3",
                Some(32_768),
                16_384,
            ),
            (
                "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096.",
                None,
                4_096,
            ),
            (
                "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again.",
                Some(100_000),
                65_536,
            ),
            (
                r#"[{"type":"less_than_equal","loc":["body","max_tokens"],"msg":"Input should be less than or equal to 8192","input":32000}]"#,
                None,
                8_192,
            ),
        ] {
            assert_eq!(of(text), Some(Limit::Output { wanted, limit }), "{text}");
        }
    }

    #[test]
    fn other_failures_are_left_alone() {
        for text in [
            "bad 12",
            "Too many tokens, please wait before trying again.",
            "`max_tokens` must be greater than `thinking.budget_tokens` (24576)",
            "temperature: Input should be less than or equal to 1",
            "You requested up to 65536 tokens, but can only afford 4000.",
            "messages.1.content.0.image: image exceeds 5 MB maximum: 6291456 bytes > 5242880 bytes",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        let body = br#"{"error":{"message":"Please reduce the length of the messages","code":"rate_limit_exceeded"}}"#;
        assert_eq!(limit(429, &describe(body), &Asked::default()), None);
    }

    #[test]
    fn llama_cpp_says_it_in_members() {
        let body = br#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error","n_prompt_tokens":12,"n_ctx":8}}"#;
        let told = limit(500, &describe(body), &Asked::default());
        assert_eq!(told, Some(Limit::Input { input: 12, limit: 8 }));
    }
}
