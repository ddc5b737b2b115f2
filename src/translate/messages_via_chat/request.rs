//! Requests, as chat completions have them: the members at the top.

mod messages;
mod pieces;

use crate::protocol::openai::chat::request as chat;
use crate::translate::Options;
use crate::translate::quirks::{
    CacheControl, MaxTokensField, Prefill, Quirks, ReasoningEcho, ReasoningRequest,
};
use crate::translate::request::{
    Choice, FileUrls, Form, Format, Function, Markers, Part, Reasoning, ReasoningBack, Settings, Transcript,
};

pub(crate) use pieces::pieces;

/// `stop` takes four texts at most (OpenAI, 2026-11-22).
const MAX_STOP_SEQUENCES: usize = 4;

/// OpenAI writes four at most for a request, and one of them is its own (2026-11-22).
const MAX_BREAKPOINTS: usize = 3;

/// What chat completions can hold.
pub(crate) fn form(quirks: &Quirks) -> Form {
    Form {
        media_in_results: quirks.tool_images,
        text_after_calls: false,
        merge_users: quirks.merge_consecutive,
        markers: match quirks.cache_control {
            _ if quirks.explicit_cache => Markers::OnParts { most: MAX_BREAKPOINTS },
            CacheControl::Pass => Markers::OnTexts,
            CacheControl::Drop => Markers::Nowhere,
        },
        file_urls: if quirks.file_urls { FileUrls::Taken } else { FileUrls::Refused },
        top_k: quirks.top_k,
        strict_tools: quirks.strict_tools,
        // Those that name the match, vLLM and SGLang, take any number.
        most_stop_sequences: if quirks.reports_stop { usize::MAX } else { MAX_STOP_SEQUENCES },
        reports_stop: quirks.reports_stop,
        json_schema: quirks.json_schema,
        least_max_tokens: 1,
        tool_ids: quirks.tool_ids,
        reasoning_request: quirks.reasoning_request,
        reasoning_back: match quirks.reasoning_echo {
            ReasoningEcho::Drop => ReasoningBack::Nothing,
            ReasoningEcho::ReasoningContent
            | ReasoningEcho::ReasoningContentRequiredWithTools
            | ReasoningEcho::Reasoning => ReasoningBack::Text,
            ReasoningEcho::ReasoningDetails => ReasoningBack::State,
        },
        prefill: quirks.prefill,
    }
}

/// Writes a request down.
pub(crate) fn write(settings: Settings, mut transcript: Transcript, options: &Options) -> chat::Request {
    let quirks = &options.quirks;
    transcript.leading.extend(settings.format.as_ref().filter(|format| format.in_words).map(format_in_words));
    let mut body = chat::Request {
        model: options.model.clone(),
        stream: settings.stream.then_some(true),
        stream_options: (settings.stream && quirks.stream_usage)
            .then_some(chat::StreamOptions { include_usage: true }),
        stop: settings.stop,
        temperature: settings.temperature,
        top_p: settings.top_p,
        top_k: settings.top_k,
        tools: settings.functions.into_iter().map(tool).collect(),
        tool_choice: settings.choice.map(tool_choice),
        parallel_tool_calls: settings.no_parallel_calls.then_some(false),
        response_format: settings.format.map(response_format),
        service_tier: settings.service_tier,
        safety_identifier: settings.safety_identifier,
        prompt_cache_key: settings.prompt_cache_key,
        ..chat::Request::default()
    };
    match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => body.max_tokens = Some(settings.max_tokens),
        MaxTokensField::MaxCompletionTokens => body.max_completion_tokens = Some(settings.max_tokens),
    }
    reasoning(&settings.reasoning, quirks, &mut body);
    if transcript.is_prefilled && quirks.prefill == Prefill::ContinueFinalMessage {
        body.continue_final_message = Some(true);
        body.add_generation_prompt = Some(false);
    }
    body.messages = messages::messages(transcript, quirks);
    body
}

/// Each kind of upstream is told in its own way (protocol.md §2.7).
fn reasoning(reasoning: &Reasoning, quirks: &Quirks, body: &mut chat::Request) {
    let effort = reasoning.effort.map(str::to_owned);
    match quirks.reasoning_request {
        ReasoningRequest::Effort => body.reasoning_effort = effort,
        ReasoningRequest::ReasoningObject => {
            let max_tokens = reasoning.budget_tokens;
            let enabled = reasoning.switch.filter(|_| effort.is_none() && max_tokens.is_none());
            body.reasoning =
                reasoning.switch.is_some().then_some(chat::Reasoning { effort, max_tokens, enabled });
        }
        ReasoningRequest::ThinkingAndEffort => {
            let kind = |on| if on { "enabled" } else { "disabled" };
            body.thinking = reasoning.switch.map(|on| chat::ThinkingSwitch { kind: kind(on) });
            body.reasoning_effort = effort;
        }
        ReasoningRequest::ChatTemplateKwargs => {
            let kwargs = |enable_thinking| chat::ChatTemplateKwargs { enable_thinking };
            body.chat_template_kwargs = reasoning.switch.map(kwargs);
            body.reasoning_effort = effort;
        }
    }
}

fn response_format(format: Format) -> chat::ResponseFormat {
    let Format { name, schema, strict, in_words } = format;
    if in_words {
        return chat::ResponseFormat { kind: "json_object", json_schema: None };
    }
    let json_schema = Some(chat::JsonSchema { name, schema, strict });
    chat::ResponseFormat { kind: "json_schema", json_schema }
}

/// Upstreams take `json_object` only where the prompt speaks of JSON.
fn format_in_words(format: &Format) -> Part {
    let schema = format.schema.get();
    Part::text(format!(
        "Answer with a single JSON object and nothing else. It must be valid by this JSON schema:\n{schema}"
    ))
}

fn tool(function: Function) -> chat::Tool {
    let Function { name, description, parameters, strict } = function;
    let strict = strict.then_some(true);
    chat::Tool { kind: "function", function: chat::Function { name, description, parameters, strict } }
}

fn tool_choice(choice: Choice) -> chat::ToolChoice {
    match choice {
        Choice::Auto => chat::ToolChoice::Mode("auto"),
        Choice::None => chat::ToolChoice::Mode("none"),
        Choice::Required => chat::ToolChoice::Mode("required"),
        Choice::Function(name) => chat::ToolChoice::Function(chat::NamedTool {
            kind: "function",
            function: chat::NamedFunction { name },
        }),
    }
}
