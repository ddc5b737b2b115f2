//! Requests, as Responses have them: the members at the top.

mod items;
mod pieces;

use crate::protocol::openai::responses::request as responses;
use crate::translate::Options;
use crate::translate::quirks::{Prefill, Quirks, ReasoningRequest, ToolIds};
use crate::translate::request::{
    Choice, FileUrls, Form, Format, Function, Markers, Reasoning, ReasoningBack, Settings, Transcript,
};

pub(crate) use pieces::pieces;

/// OpenAI writes four at most for a request, and one of them is its own (2026-11-22).
const MAX_BREAKPOINTS: usize = 3;
/// OpenAI answers 400 to less (2026-11-22).
const LEAST_MAX_TOKENS: u64 = 16;

/// What Responses can hold.
pub(crate) fn form(quirks: &Quirks) -> Form {
    Form {
        media_in_results: true,
        text_after_calls: true,
        merge_users: quirks.merge_consecutive,
        markers: if quirks.explicit_cache {
            Markers::OnParts { most: MAX_BREAKPOINTS }
        } else {
            Markers::Nowhere
        },
        file_urls: FileUrls::Nameless,
        top_k: false,
        strict_tools: true,
        most_stop_sequences: 0,
        reports_stop: false,
        json_schema: true,
        least_max_tokens: LEAST_MAX_TOKENS,
        tool_ids: match quirks.tool_ids {
            ToolIds::Max40 => ToolIds::Max64,
            other => other,
        },
        reasoning_request: ReasoningRequest::Effort,
        reasoning_back: ReasoningBack::StateInPlace,
        prefill: Prefill::Appended,
    }
}

/// Writes a request down.
pub(crate) fn write(settings: Settings, transcript: Transcript, options: &Options) -> responses::Request {
    let items::Conversation { instructions, input } = items::conversation(transcript, &options.quirks);
    // OpenAI answers 400 where there is none.
    let include =
        if settings.reasoning.is_impossible { Vec::new() } else { vec!["reasoning.encrypted_content"] };
    responses::Request {
        model: options.model.clone(),
        instructions,
        input,
        max_output_tokens: Some(settings.max_tokens),
        stream: settings.stream.then_some(true),
        store: false,
        include,
        truncation: "disabled",
        temperature: settings.temperature,
        top_p: settings.top_p,
        tools: settings.functions.into_iter().map(tool).collect(),
        tool_choice: settings.choice.map(tool_choice),
        parallel_tool_calls: settings.no_parallel_calls.then_some(false),
        reasoning: reasoning(&settings.reasoning),
        text: settings.format.map(|format| responses::Text { format: text_format(format) }),
        service_tier: settings.service_tier,
        safety_identifier: settings.safety_identifier,
        prompt_cache_key: settings.prompt_cache_key,
    }
}

fn reasoning(wish: &Reasoning) -> Option<responses::Reasoning> {
    let reasoning =
        responses::Reasoning { effort: wish.effort, summary: wish.wants_summary.then_some("auto") };
    (reasoning.effort.is_some() || reasoning.summary.is_some()).then_some(reasoning)
}

fn text_format(Format { name, schema, strict, .. }: Format) -> responses::Format {
    responses::Format { kind: "json_schema", name, schema, strict }
}

fn tool(function: Function) -> responses::Tool {
    let Function { name, description, parameters, strict } = function;
    responses::Tool { kind: "function", name, description, parameters, strict }
}

fn tool_choice(choice: Choice) -> responses::ToolChoice {
    match choice {
        Choice::Auto => responses::ToolChoice::Mode("auto"),
        Choice::None => responses::ToolChoice::Mode("none"),
        Choice::Required => responses::ToolChoice::Mode("required"),
        Choice::Function(name) => {
            responses::ToolChoice::Function(responses::NamedTool { kind: "function", name })
        }
    }
}
