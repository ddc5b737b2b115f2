//! Complaints about one member of a request: that it is unknown, or that its value is not taken.

use super::{Lesson, Sent};
use crate::translate::Dialect;
use crate::translate::error::Described;
use crate::translate::quirks::{EFFORTS, MaxTokensField};
use crate::translate::wording::{find, find_any};

/// What an upstream does not take.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// The member of that name, whatever its value.
    Member(String),
    /// The value of `temperature` or `top_p`.
    Sampling,
    /// The effort; these are taken.
    Effort(Vec<&'static str>),
    /// A schema for the answer.
    JsonSchema,
    /// A summary of the reasoning.
    Summary,
}

/// That a member is not known, or not for this model: who says it, as of November 2026.
const MEMBER: &[&str] = &[
    // OpenAI, Azure.
    "unsupported parameter: '{name}' is not supported with this model",
    "unrecognized request argument supplied: {name}",
    "unknown parameter: '{name}'",
    // Groq.
    "property '{name}' is unsupported",
    // Gemini.
    "unknown name \"{name}\": cannot find field",
    // xAI.
    "argument not supported on this model: {name}",
    "does not support parameter {name}",
    // Mistral, vLLM and others built on pydantic; a name deeper in the body is another matter.
    "\"extra_forbidden\",\"loc\":[\"body\",\"{name}\"]",
    "\"extra_forbidden\", \"loc\": [\"body\", \"{name}\"]",
    "'extra_forbidden', 'loc': ('body', '{name}')",
    "\"loc\":[\"body\",\"{name}\"],\"msg\":\"extra inputs are not permitted\"",
    "\"loc\": [\"body\", \"{name}\"], \"msg\": \"extra inputs are not permitted\"",
    "extra inputs are not permitted, field: '{name}'",
    // Anthropic.
    "`{name}` is deprecated for this model",
];

/// That a sampling value is not taken: OpenAI and Azure, Moonshot.
const SAMPLING: &[&str] = &[
    "unsupported value: 'temperature' does not support",
    "unsupported value: 'top_p' does not support",
    "invalid temperature: only {} is allowed for this model",
    "invalid top_p: only {} is allowed for this model",
];

/// What stands before the efforts that are taken: OpenAI and Azure, Groq, Moonshot, Ollama, pydantic as JSON and as
/// Python writes it (`SGLang`, vLLM). A list in which no effort stands means that none is taken.
const EFFORT: &[(&str, &str)] = &[
    ("unsupported value: 'reasoning_effort' does not support", "supported values are"),
    ("unsupported value: 'reasoning.effort' does not support", "supported values are"),
    ("`reasoning_effort` must be one of", "must be one of"),
    ("validation error for `reasoning_effort`: expected one of", "expected one of"),
    ("reasoning_effort must be one of", "must be one of"),
    ("invalid reasoning value: ", "(must be "),
    ("\"reasoning_effort\"]~input should be", "input should be"),
    ("'reasoning_effort')~input should be", "input should be"),
];

/// That the model does not reason, or not at will: Groq and Cerebras, Ollama, Gemini.
const NO_EFFORT: &[&str] = &[
    "reasoning_effort is not supported with this model",
    "`reasoning_effort` is not supported with this model",
    "does not support thinking",
    "thinking is not supported by this model",
    "thinking level is not supported for this model",
];

/// That the value is not taken, without a list: Ollama, Gemini.
const NOT_THIS_EFFORT: &[&str] =
    &["think value~is not supported for this model", "this model only works in thinking mode"];

/// That the answer cannot be bound to a schema: DeepSeek, in two versions, Groq, OpenAI and Azure.
const JSON_SCHEMA: &[&str] = &[
    "this response_format type is unavailable now",
    "`json_schema` is unavailable now",
    "does not support response format `json_schema`",
    "'response_format' of type 'json_schema' is not supported with this model",
];

impl Complaint {
    pub(super) fn read(described: &Described, sent: &Sent) -> Option<Self> {
        let text = described.text();
        if find_any(SAMPLING, text).is_some() {
            return Some(Self::Sampling);
        }
        if sent.json_schema && find_any(JSON_SCHEMA, text).is_some() {
            return Some(Self::JsonSchema);
        }
        if sent.dialect == Dialect::Responses
            && (find("verified to generate reasoning summaries", text).is_some()
                || described.param == "reasoning.summary")
        {
            return Some(Self::Summary);
        }
        if let Some(sent) = sent.effort.as_deref()
            && let Some(complaint) = about_effort(described, sent)
        {
            return Some(complaint);
        }
        find_any(MEMBER, text)?.name.map(Self::Member)
    }

    /// The lesson, if the request held what is complained of.
    pub(super) fn lesson(self, sent: &Sent) -> Option<Lesson> {
        match self {
            Self::Sampling => sent.sampling.then_some(Lesson::NoSampling),
            Self::JsonSchema => Some(Lesson::NoJsonSchema),
            Self::Summary => sent.summary.then_some(Lesson::NoSummary),
            Self::Effort(efforts) => Some(Lesson::Efforts(efforts)),
            Self::Member(name) => about_member(&name, sent),
        }
    }
}

fn about_member(name: &str, sent: &Sent) -> Option<Lesson> {
    let field = |field| (sent.max_tokens_field == Some(field)).then_some(());
    // Some write names as JavaScript does.
    match name.replace('_', "").as_str() {
        "maxtokens" => {
            field(MaxTokensField::MaxTokens)?;
            Some(Lesson::MaxTokensField(MaxTokensField::MaxCompletionTokens))
        }
        "maxcompletiontokens" => {
            field(MaxTokensField::MaxCompletionTokens)?;
            Some(Lesson::MaxTokensField(MaxTokensField::MaxTokens))
        }
        "temperature" | "topp" => sent.sampling.then_some(Lesson::NoSampling),
        "topk" => sent.top_k.then_some(Lesson::NoTopK),
        "stop" => sent.stop.then_some(Lesson::NoStop),
        "streamoptions" => sent.stream_options.then_some(Lesson::NoStreamOptions),
        "paralleltoolcalls" => sent.parallel_tool_calls.then_some(Lesson::NoParallelToolCalls),
        "reasoning.summary" => sent.summary.then_some(Lesson::NoSummary),
        "reasoningeffort" | "reasoning.effort" => sent.effort.is_some().then(|| Lesson::Efforts(Vec::new())),
        _ => None,
    }
}

/// A complaint about the value of the effort.
fn about_effort(described: &Described, sent: &str) -> Option<Complaint> {
    let text = described.text();
    let list_of = |marker: &str| Some(efforts_in(text.split_once(marker)?.1));
    let known = EFFORT.iter().find(|(template, _)| find(template, text).is_some());
    let listed = match known {
        Some((_, marker)) => list_of(marker),
        None if find_any(NO_EFFORT, text).is_some() => Some(Vec::new()),
        None if find_any(NOT_THIS_EFFORT, text).is_some() => None,
        // OpenAI names the value here, and the member in `param` only.
        None if described.param.ends_with("effort") => {
            text.contains(&format!("'{sent}' is not supported with")).then_some(())?;
            list_of("supported values are")
        }
        None => return None,
    };
    // Without a list, all but this one may be taken.
    let efforts = match listed {
        Some(efforts) => efforts,
        None => EFFORTS.iter().copied().filter(|effort| *effort != sent).collect(),
    };
    (!efforts.contains(&sent)).then_some(Complaint::Effort(efforts))
}

/// The efforts that are named, up to the end of the list. The value that was sent may stand behind it.
fn efforts_in(text: &str) -> Vec<&'static str> {
    // Ollama quotes each of them by what ends the list elsewhere.
    let ends = if text.trim_start().starts_with('"') { [')', '.'] } else { ['"', '.'] };
    let list = text.split(ends).next().unwrap_or_default();
    let list = list.split("received").next().unwrap_or_default();
    let words: Vec<&str> = list.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    EFFORTS.iter().copied().filter(|effort| words.contains(effort)).collect()
}
