//! `[upstream.quirks]`: single deviations of an upstream, over those of its preset.

use toml::Spanned;

use super::{
    error::Error,
    file::QuirksTable,
    layers::{Kind, Layers, Setting},
};
use crate::translate::quirks::{
    CacheControl, MaxTokensField, Prefill, Preset, Quirks, ReasoningEcho, ReasoningRequest, SystemMode,
    TokenCounting, ToolIds,
};

/// The names of the values that are neither yes nor no, as the file writes them.
const MAX_TOKENS_FIELDS: Kind<MaxTokensField> = Kind {
    expected: "\"max_tokens\" or \"max_completion_tokens\"",
    read: |text| match text {
        "max_tokens" => Some(MaxTokensField::MaxTokens),
        "max_completion_tokens" => Some(MaxTokensField::MaxCompletionTokens),
        _ => None,
    },
    names: &["max_tokens", "max_completion_tokens"],
};

const SYSTEM_MODES: Kind<SystemMode> = Kind {
    expected: "\"system\", \"developer\", \"fold\" or \"hoist\"",
    read: |text| match text {
        "system" => Some(SystemMode::System),
        "developer" => Some(SystemMode::Developer),
        "fold" => Some(SystemMode::Fold),
        "hoist" => Some(SystemMode::Hoist),
        _ => None,
    },
    names: &["system", "developer", "fold", "hoist"],
};

const REASONING_REQUESTS: Kind<ReasoningRequest> = Kind {
    expected: "\"effort\", \"reasoning_object\", \"thinking_and_effort\" or \"chat_template_kwargs\"",
    read: |text| match text {
        "effort" => Some(ReasoningRequest::Effort),
        "reasoning_object" => Some(ReasoningRequest::ReasoningObject),
        "thinking_and_effort" => Some(ReasoningRequest::ThinkingAndEffort),
        "chat_template_kwargs" => Some(ReasoningRequest::ChatTemplateKwargs),
        _ => None,
    },
    names: &["effort", "reasoning_object", "thinking_and_effort", "chat_template_kwargs"],
};

const REASONING_ECHOES: Kind<ReasoningEcho> = Kind {
    expected: "\"drop\", \"reasoning_content\", \"reasoning_content_required_with_tools\", \"reasoning\" or \
        \"reasoning_details\"",
    read: |text| match text {
        "drop" => Some(ReasoningEcho::Drop),
        "reasoning_content" => Some(ReasoningEcho::ReasoningContent),
        "reasoning_content_required_with_tools" => Some(ReasoningEcho::ReasoningContentRequiredWithTools),
        "reasoning" => Some(ReasoningEcho::Reasoning),
        "reasoning_details" => Some(ReasoningEcho::ReasoningDetails),
        _ => None,
    },
    names: &[
        "drop",
        "reasoning_content",
        "reasoning_content_required_with_tools",
        "reasoning",
        "reasoning_details",
    ],
};

const TOOL_IDS: Kind<ToolIds> = Kind {
    expected: "\"any\", \"max40\", \"max64\" or \"alphanumeric9\"",
    read: |text| match text {
        "any" => Some(ToolIds::Any),
        "max40" => Some(ToolIds::Max40),
        "max64" => Some(ToolIds::Max64),
        "alphanumeric9" => Some(ToolIds::Alphanumeric9),
        _ => None,
    },
    names: &["any", "max40", "max64", "alphanumeric9"],
};

const CACHE_CONTROLS: Kind<CacheControl> = Kind {
    expected: "\"drop\" or \"pass\"",
    read: |text| match text {
        "drop" => Some(CacheControl::Drop),
        "pass" => Some(CacheControl::Pass),
        _ => None,
    },
    names: &["drop", "pass"],
};

const PREFILLS: Kind<Prefill> = Kind {
    expected: "\"appended\", \"continued\", \"continue_final_message\" or \"prefix_flag\"",
    read: |text| match text {
        "appended" => Some(Prefill::Appended),
        "continued" => Some(Prefill::Continued),
        "continue_final_message" => Some(Prefill::ContinueFinalMessage),
        "prefix_flag" => Some(Prefill::PrefixFlag),
        _ => None,
    },
    names: &["appended", "continued", "continue_final_message", "prefix_flag"],
};

const TOKEN_COUNTINGS: Kind<TokenCounting> = Kind {
    expected: "\"nowhere\", \"tokenize\" or \"apply_template\"",
    read: |text| match text {
        "nowhere" => Some(TokenCounting::Nowhere),
        "tokenize" => Some(TokenCounting::Tokenize),
        "apply_template" => Some(TokenCounting::ApplyTemplate),
        _ => None,
    },
    names: &["nowhere", "tokenize", "apply_template"],
};

/// An effort; the names are OpenAI's, which presets draw from.
const EFFORT: Kind<&'static str> = Kind {
    expected: "a list of efforts: \"none\", \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\", \"max\"",
    read: |text| EFFORT_NAMES.iter().find(|name| **name == text).copied(),
    names: EFFORT_NAMES,
};

const EFFORT_NAMES: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The preset's quirks with the file's over them.
pub(super) fn resolve(preset: Preset, table: QuirksTable, layers: &mut Layers<'_>) -> Result<Quirks, Error> {
    let mut quirks = preset.quirks();
    macro_rules! switches {
        ($($field:ident),*) => {$(
            let switch = layers.file.setting(table.$field);
            let switch = layers.choose(concat!("upstream.quirks.", stringify!($field)), [switch]);
            quirks.$field = switch.map_or(quirks.$field, |it| it.value);
        )*};
    }
    macro_rules! choices {
        ($($field:ident: $kind:ident),*) => {$(
            let key = concat!("upstream.quirks.", stringify!($field));
            let choice = layers.file(table.$field, key, &$kind)?;
            quirks.$field = layers.choose(key, [choice]).map_or(quirks.$field, |it| it.value);
        )*};
    }
    choices! {
        max_tokens_field: MAX_TOKENS_FIELDS, system_mode: SYSTEM_MODES, reasoning_request: REASONING_REQUESTS,
        reasoning_echo: REASONING_ECHOES, tool_ids: TOOL_IDS, prefill: PREFILLS,
        cache_control: CACHE_CONTROLS, token_counting: TOKEN_COUNTINGS
    }
    switches! {
        system_parts, stream_usage, top_k, no_sampling_on_reasoning_models, parallel_tool_calls, strict_tools,
        json_schema, tool_images, images, files, file_urls, merge_consecutive, reports_stop, explicit_cache, schema_ids,
        input_examples, history_needs_tools, repair_tool_results, safety_identifier,
        prompt_cache_key, service_tier, newer_models_need_responses, think_tags, think_opened, citations,
        lenient_eof
    }
    if let Some(efforts) = efforts(table.efforts, layers)? {
        quirks.efforts = efforts;
    }
    Ok(quirks)
}

fn efforts(
    value: Option<Spanned<Vec<String>>>,
    layers: &mut Layers<'_>,
) -> Result<Option<&'static [&'static str]>, Error> {
    let key = "upstream.quirks.efforts";
    let setting = layers.file.setting(value);
    let Some(Setting { value: names, origin }) = layers.choose(key, [setting]) else { return Ok(None) };
    let one = |name| EFFORT.read(key, Setting { value: name, origin: origin.clone() }).map(|it| it.value);
    let names = names.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
    // Presets are constants, so quirks hold a static list. A list from the file lives as long: some words for
    // each time that a file is loaded.
    Ok(Some(names.leak()))
}

#[cfg(test)]
mod tests {
    use crate::{config::file::KEYS, translate::quirks::Preset};

    #[test]
    fn every_quirk_is_a_key() {
        let shown = format!("{:#?}", Preset::Generic.quirks());
        let fields = shown.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
        let fields = fields.filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
        let fields: Vec<_> = fields.filter(|name| *name != "preset").collect();
        let keys = KEYS.iter().filter_map(|key| key.strip_prefix("upstream.quirks."));
        assert_eq!(fields, keys.collect::<Vec<_>>());
    }
}
