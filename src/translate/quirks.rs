//! Quirks: what differs between upstreams that all say "OpenAI-compatible", as data.
//!
//! One [`Quirks`] value describes one kind of upstream; [`Preset::quirks`] holds the starting values
//! (protocol.md §2.13, read 2026-11-22). Code asks a field of `Quirks`, never the vendor's name.
//! Each entry says who deviates and how; values that nobody deviates from are not fields.

use std::fmt;

use serde::Serialize;

mod media_urls;

pub use media_urls::MediaUrls;

/// The kind of upstream, chosen by host or by `preset = …` in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// OpenAI's own API.
    OpenAi,
    /// OpenAI models hosted by Azure.
    Azure,
    /// Anthropic's own API, and what speaks as it does.
    Anthropic,
    /// OpenRouter.
    OpenRouter,
    /// Groq.
    Groq,
    /// DeepSeek.
    DeepSeek,
    /// Mistral's own API.
    Mistral,
    /// Gemini's OpenAI-compatible endpoint.
    Gemini,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// llama.cpp's `llama-server`.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// LM Studio.
    LmStudio,
    /// Any other server: OpenAI's documented chat fields as they are.
    Generic,
}

impl Preset {
    /// Every preset, in the order in which documentation lists them.
    pub const ALL: [Self; 14] = [
        Self::OpenAi,
        Self::Azure,
        Self::Anthropic,
        Self::OpenRouter,
        Self::Groq,
        Self::DeepSeek,
        Self::Mistral,
        Self::Gemini,
        Self::Vllm,
        Self::Sglang,
        Self::LlamaCpp,
        Self::Ollama,
        Self::LmStudio,
        Self::Generic,
    ];

    /// The name used in configuration and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::OpenRouter => "openrouter",
            Self::Groq => "groq",
            Self::DeepSeek => "deepseek",
            Self::Mistral => "mistral",
            Self::Gemini => "gemini",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "ollama",
            Self::LmStudio => "lmstudio",
            Self::Generic => "generic",
        }
    }

    /// The preset of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// The preset that a host name stands for; hosts without one are [`Preset::Generic`].
    pub fn from_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let is = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        match () {
            () if is("api.openai.com") => Self::OpenAi,
            () if is("openai.azure.com")
                || is("services.ai.azure.com")
                || is("cognitiveservices.azure.com") =>
            {
                Self::Azure
            }
            () if is("api.anthropic.com") => Self::Anthropic,
            () if is("openrouter.ai") => Self::OpenRouter,
            () if is("api.groq.com") => Self::Groq,
            () if is("api.deepseek.com") => Self::DeepSeek,
            () if is("mistral.ai") => Self::Mistral,
            () if is("generativelanguage.googleapis.com") => Self::Gemini,
            () => Self::Generic,
        }
    }

    /// Whether this is a hosted service that answers nobody without a key.
    pub const fn needs_key(self) -> bool {
        matches!(
            self,
            Self::OpenAi
                | Self::Azure
                | Self::Anthropic
                | Self::OpenRouter
                | Self::Groq
                | Self::DeepSeek
                | Self::Mistral
                | Self::Gemini
        )
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How one upstream deviates. Every field can be overridden per upstream in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quirks {
    /// The preset these values started from; named in messages, never branched on.
    #[serde(skip)]
    pub preset: Preset,
    /// The field that bounds the answer's length.
    pub max_tokens_field: MaxTokensField,
    /// Where system text may stand.
    pub system_mode: SystemMode,
    /// Several system texts go as an array of parts; otherwise they are joined to one string.
    pub system_parts: bool,
    /// `stream_options: {"include_usage": true}` is understood. Mistral always sends usage and has no such field.
    pub stream_usage: bool,
    /// `top_k` is understood.
    pub top_k: bool,
    /// Reasoning models refuse `temperature` and `top_p` (OpenAI, Azure: 400).
    pub no_sampling_on_reasoning_models: bool,
    /// How the client's thinking and effort settings are passed on.
    pub reasoning_request: ReasoningRequest,
    /// The effort names the upstream knows, weakest first; others are clamped to the nearest.
    pub efforts: &'static [&'static str],
    /// How reasoning of earlier turns is sent back.
    pub reasoning_echo: ReasoningEcho,
    /// `parallel_tool_calls` is understood; elsewhere one call per turn is enforced locally.
    pub parallel_tool_calls: bool,
    /// `strict` in a function definition is understood.
    pub strict_tools: bool,
    /// `response_format: json_schema` is understood; elsewhere `json_object` is asked for and the schema stands in
    /// the system text (DeepSeek: 400).
    pub json_schema: bool,
    /// Tool messages may hold image parts; otherwise images follow in a user message.
    pub tool_images: bool,
    /// `image_url` parts are understood at all.
    pub images: bool,
    /// The `file` part (PDF as a data URL) is understood.
    pub files: bool,
    /// The `file` part takes a plain URL (OpenRouter).
    pub file_urls: bool,
    /// Which tool call ids are accepted.
    pub tool_ids: ToolIds,
    /// What becomes of a final assistant message (prefill).
    pub prefill: Prefill,
    /// Consecutive messages of one role must be merged (strict chat templates demand alternation).
    pub merge_consecutive: bool,
    /// `stop` strings that matched are named in the answer (`stop_reason`, `matched_stop`).
    pub reports_stop: bool,
    /// What becomes of cache markers.
    pub cache_control: CacheControl,
    /// `prompt_cache_breakpoint` on parts is understood (OpenAI from gpt-5.6 on), and cache markers become it.
    pub explicit_cache: bool,
    /// Schemas may have `$schema` and `$id` (Gemini: 400).
    pub schema_ids: bool,
    /// Examples of a tool's input go into its description; elsewhere they are left out.
    pub input_examples: bool,
    /// Calls in the history need the definitions of their tools (Mistral): their absence is reported.
    pub history_needs_tools: bool,
    /// A call without a result gets one, and a result without a call becomes text; otherwise both are refused.
    pub repair_tool_results: bool,
    /// `safety_identifier` is understood.
    pub safety_identifier: bool,
    /// `prompt_cache_key` is understood.
    pub prompt_cache_key: bool,
    /// `service_tier` is understood.
    pub service_tier: bool,
    /// Function tools are refused on chat completions by the models [`needs_responses`] names.
    pub newer_models_need_responses: bool,
    /// `<think>…</think>` in visible text is reasoning.
    pub think_tags: bool,
    /// The answer begins inside of `<think>`, because the template opens the tag in the prompt.
    pub think_opened: bool,
    /// Sources that the upstream names (`url_citation`) become citations of the text; otherwise they are dropped.
    pub citations: bool,
    /// A body that ends without `[DONE]` and without `finish_reason` still counts as complete.
    pub lenient_eof: bool,
    /// How the upstream can be asked for the tokens of a request on chat completions.
    pub token_counting: TokenCounting,
}

/// How an upstream counts the tokens of a chat completions request, beside generating an answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenCounting {
    /// Not at all.
    Nowhere,
    /// `POST /tokenize` takes the request itself and answers `{"count": N}` (vLLM).
    Tokenize,
    /// `POST /apply-template` makes the prompt of the request, and `POST /tokenize` the tokens of the prompt
    /// (llama.cpp).
    ApplyTemplate,
}

/// The field that bounds the answer's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// `max_tokens`, the original name.
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models demand.
    MaxCompletionTokens,
}

/// Where system text may stand (protocol.md §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemMode {
    /// A leading `system` message; later ones stay in place.
    System,
    /// The same with the role `developer`.
    Developer,
    /// One leading `system` message; later text joins the neighbouring turn as `<system-reminder>`.
    Fold,
    /// All system text in the leading message. Destroys prefix caching; a last resort.
    Hoist,
}

/// How thinking and effort settings are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningRequest {
    /// `reasoning_effort`.
    Effort,
    /// `reasoning: {effort | max_tokens | enabled}` (OpenRouter).
    ReasoningObject,
    /// `thinking: {type}` beside `reasoning_effort` (DeepSeek).
    ThinkingAndEffort,
    /// `chat_template_kwargs: {enable_thinking}` beside `reasoning_effort` (vLLM, SGLang, llama.cpp).
    ChatTemplateKwargs,
}

/// How reasoning of earlier turns is sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningEcho {
    /// Not at all.
    Drop,
    /// As `reasoning_content`.
    ReasoningContent,
    /// As `reasoning_content`, which must be there (empty if unknown) on every assistant turn with tool calls:
    /// DeepSeek answers 400 otherwise.
    ReasoningContentRequiredWithTools,
    /// As `reasoning`.
    Reasoning,
    /// As `reasoning_details`, which hold what the vendor signed or encrypted; reasoning that came without them as
    /// `reasoning` (OpenRouter).
    ReasoningDetails,
}

/// What becomes of cache markers (`cache_control`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheControl {
    /// They are left out: the upstream caches by itself.
    Drop,
    /// They stay on texts (OpenRouter).
    Pass,
}

/// Which tool call ids are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolIds {
    /// Any string.
    Any,
    /// At most 40 characters (OpenAI chat completions).
    Max40,
    /// At most 64 characters (OpenAI Responses).
    Max64,
    /// Exactly nine of `[A-Za-z0-9]` (Mistral).
    Alphanumeric9,
}

/// What becomes of a final assistant message without tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefill {
    /// Sent as an ordinary message; the upstream starts a new turn after it, which is reported.
    Appended,
    /// Continued without further ado (OpenRouter, llama.cpp).
    Continued,
    /// Continued with `continue_final_message: true, add_generation_prompt: false` (vLLM, SGLang).
    ContinueFinalMessage,
    /// Continued with `prefix: true` on the message (Mistral, DeepSeek).
    PrefixFlag,
}

/// OpenAI's effort names (SDK 3.54.0, 2026-11-22).
pub(super) const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// What Groq, Gemini, Ollama and LM Studio take of them; they answer 400 to the others (2026-08-29).
const UP_TO_HIGH: &[&str] = &["none", "low", "medium", "high"];

impl Preset {
    /// The starting values of this preset.
    pub const fn quirks(self) -> Quirks {
        let generic = Quirks {
            preset: self,
            max_tokens_field: MaxTokensField::MaxTokens,
            system_mode: SystemMode::Fold,
            system_parts: false,
            stream_usage: true,
            top_k: false,
            no_sampling_on_reasoning_models: false,
            reasoning_request: ReasoningRequest::Effort,
            efforts: EFFORTS,
            reasoning_echo: ReasoningEcho::Drop,
            parallel_tool_calls: true,
            strict_tools: false,
            json_schema: true,
            tool_images: false,
            images: true,
            files: true,
            file_urls: false,
            tool_ids: ToolIds::Any,
            prefill: Prefill::Appended,
            merge_consecutive: false,
            reports_stop: false,
            cache_control: CacheControl::Drop,
            explicit_cache: false,
            schema_ids: true,
            input_examples: false,
            history_needs_tools: false,
            repair_tool_results: false,
            safety_identifier: false,
            prompt_cache_key: false,
            service_tier: false,
            newer_models_need_responses: false,
            think_tags: false,
            think_opened: false,
            citations: false,
            lenient_eof: false,
            token_counting: TokenCounting::Nowhere,
        };
        match self {
            Self::Generic | Self::Anthropic => generic,
            Self::OpenAi | Self::Azure => Quirks {
                max_tokens_field: MaxTokensField::MaxCompletionTokens,
                system_mode: SystemMode::Developer,
                system_parts: true,
                no_sampling_on_reasoning_models: true,
                strict_tools: true,
                tool_ids: ToolIds::Max40,
                safety_identifier: true,
                prompt_cache_key: true,
                service_tier: true,
                newer_models_need_responses: true,
                ..generic
            },
            Self::OpenRouter => Quirks {
                system_mode: SystemMode::System,
                system_parts: true,
                top_k: true,
                reasoning_request: ReasoningRequest::ReasoningObject,
                reasoning_echo: ReasoningEcho::ReasoningDetails,
                strict_tools: true,
                tool_images: true,
                file_urls: true,
                cache_control: CacheControl::Pass,
                prefill: Prefill::Continued,
                ..generic
            },
            Self::Groq => Quirks {
                max_tokens_field: MaxTokensField::MaxCompletionTokens,
                system_mode: SystemMode::System,
                efforts: UP_TO_HIGH,
                files: false,
                ..generic
            },
            Self::DeepSeek => Quirks {
                system_mode: SystemMode::System,
                json_schema: false,
                reasoning_request: ReasoningRequest::ThinkingAndEffort,
                efforts: &["high", "max"],
                reasoning_echo: ReasoningEcho::ReasoningContentRequiredWithTools,
                parallel_tool_calls: false,
                files: false,
                ..generic
            },
            Self::Mistral => Quirks {
                stream_usage: false,
                efforts: &["none", "high"],
                files: false,
                tool_ids: ToolIds::Alphanumeric9,
                prefill: Prefill::PrefixFlag,
                merge_consecutive: true,
                history_needs_tools: true,
                ..generic
            },
            Self::Gemini => Quirks {
                efforts: UP_TO_HIGH,
                schema_ids: false,
                parallel_tool_calls: false,
                files: false,
                ..generic
            },
            // From 0.15 to spring 2026 it read no other member of earlier turns.
            Self::Vllm => Quirks {
                reasoning_echo: ReasoningEcho::Reasoning,
                token_counting: TokenCounting::Tokenize,
                preset: self,
                ..Self::Sglang.quirks()
            },
            Self::Sglang => Quirks {
                top_k: true,
                reasoning_request: ReasoningRequest::ChatTemplateKwargs,
                reasoning_echo: ReasoningEcho::ReasoningContent,
                files: false,
                prefill: Prefill::ContinueFinalMessage,
                reports_stop: true,
                ..generic
            },
            Self::LlamaCpp => Quirks {
                top_k: true,
                reasoning_request: ReasoningRequest::ChatTemplateKwargs,
                reasoning_echo: ReasoningEcho::ReasoningContent,
                files: false,
                prefill: Prefill::Continued,
                token_counting: TokenCounting::ApplyTemplate,
                ..generic
            },
            Self::Ollama | Self::LmStudio => {
                Quirks { efforts: UP_TO_HIGH, parallel_tool_calls: false, files: false, ..generic }
            }
        }
    }
}

/// Whether a model of OpenAI refuses function tools on chat completions, so that only the Responses API can
/// serve an agent on it: gpt-5.4 and later, gpt-6 and later, `*-codex` and `*-pro` (protocol.md §2.7).
pub fn needs_responses(model: &str) -> bool {
    let model = base_name(model);
    model.ends_with("-codex")
        || model.ends_with("-pro")
        || gpt_version(model).is_some_and(|version| version >= (5, 4))
}

/// Whether a model of OpenAI reasons before it answers: the o-series, gpt-5 and later, except the `-chat` ones.
pub fn is_reasoning_model(model: &str) -> bool {
    let model = base_name(model);
    let o_series = model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let gpt = gpt_version(model).is_some_and(|version| version >= (5, 0)) && !model.contains("-chat");
    o_series || gpt || model.ends_with("-codex")
}

/// Whether a model of OpenAI cannot be told not to reason: its effort list lacks `none` (protocol.md §2.7).
pub fn lacks_effort_none(model: &str) -> bool {
    let model = base_name(model);
    model.starts_with("gpt-6-astra") || model.starts_with("gpt-6.1-sol")
}

/// `openai/gpt-6-sol` → `gpt-6-sol`.
fn base_name(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// `gpt-5.4-mini` → (5, 4); `gpt-4o` → (4, 0).
fn gpt_version(model: &str) -> Option<(u32, u32)> {
    let version = model.strip_prefix("gpt-")?;
    let version = version.split('-').next()?;
    let mut parts = version.split('.');
    let digits = |part: &str| part.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    let major = digits(parts.next()?)?;
    Some((major, parts.next().and_then(digits).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_found_by_name_and_host() {
        for preset in Preset::ALL {
            assert_eq!(Preset::from_name(preset.name()), Some(preset));
        }
        assert_eq!(Preset::from_host("api.openai.com"), Preset::OpenAi);
        assert_eq!(Preset::from_host("My.OpenAI.Azure.com"), Preset::Azure);
        assert_eq!(Preset::from_host("notapi.openai.com.example"), Preset::Generic);
        assert_eq!(Preset::from_host("127.0.0.1"), Preset::Generic);
    }

    #[test]
    fn newer_models_need_the_responses_api() {
        for model in
            ["gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-6-astra", "gpt-6.1-sol", "gpt-5-codex", "o3-pro"]
        {
            assert!(needs_responses(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1-mini", "gpt-5", "gpt-5.3", "o3", "qwen3", "gpt-oss-120b"] {
            assert!(!needs_responses(model), "{model}");
        }
    }

    #[test]
    fn reasoning_models_are_known_by_name() {
        for model in ["o3", "o4-mini", "gpt-5", "gpt-6-luna", "openai/gpt-5.1"] {
            assert!(is_reasoning_model(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-5-chat-latest", "olmo-2", "qwen3"] {
            assert!(!is_reasoning_model(model), "{model}");
        }
    }
}
