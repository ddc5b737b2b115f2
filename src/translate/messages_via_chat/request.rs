//! Requests: the members at the top; conversation, tools and reasoning have their own files.

mod blocks;
mod conversation;
mod reasoning;
mod system;
mod tool_changes;
mod tools;

use crate::protocol::anthropic::error::{Error, ErrorDetails};
use crate::protocol::anthropic::request::{Container, OutputFormat, Parsed, Request};
use crate::protocol::openai::chat;
use crate::translate::context::Context;
use crate::translate::digest::hex;
use crate::translate::quirks::{MaxTokensField, ReasoningEcho, is_reasoning_model};
use crate::translate::remedy::Sent;
use crate::translate::report::{Kind, Report, step};
use crate::translate::signature::INFLATE_BUDGET_BYTES;
use crate::translate::tool_names::ToolNames;
use crate::translate::{Options, StopSequences, json_schema, tokens};

/// Anthropic's own limit.
const MAX_MESSAGES: usize = 100_000;
/// Every byte of the answer is compared with every sequence.
const MAX_SEQUENCES: usize = 256;
const MAX_SEQUENCE_BYTES: usize = 64 << 10;
/// `stop` takes four texts at most (OpenAI, 2026-11-22).
const MAX_STOP_SEQUENCES: usize = 4;

/// A translated request.
#[derive(Debug, Clone)]
pub struct Translated {
    /// What to send to the upstream.
    pub body: chat::request::Request,
    /// What the translation of the answer must remember.
    pub context: Context,
    /// What was lost on the way.
    pub report: Report,
}

/// Translates a request.
///
/// # Errors
/// `invalid_request_error` naming the member, for everything that can be neither carried over nor reported.
pub fn request(parsed: Parsed, options: &Options) -> Result<Translated, Error> {
    let mut report = Report::default();
    if parsed.repaired_surrogates > 0 {
        let reason = format!("{} lone surrogate escapes became U+FFFD", parsed.repaired_surrogates);
        report.add("", Kind::Repaired, reason);
    }
    let mut request = parsed.request;
    refuse_unsupported(&request)?;
    report_hints(&request, &mut report);

    let mut translation =
        Translation { options, report, names: ToolNames::default(), inflate_budget: INFLATE_BUDGET_BYTES };
    let mut body = chat::request::Request { model: options.model.clone(), ..Default::default() };
    translation.limit(&request, &mut body)?;
    translation.sampling(&request, &mut body);
    translation.identity(&request, &mut body);
    translation.reasoning(&request, &mut body)?;
    translation.response_format(&mut request, &mut body)?;
    let one_tool_call = translation.tools(&mut request, &mut body)?;
    let stop_sequences = request.stop_sequences.take().unwrap_or_default();
    let stop_sequences: Vec<String> = stop_sequences.into_iter().filter(|it| !it.trim().is_empty()).collect();
    let scan_for_stop = translation.scans_for_stop() && !stop_sequences.is_empty();
    let used_tool_ids = conversation::ids_in_use(&request.messages);
    let omit_thinking = request.thinking.as_ref().is_some_and(|it| it.display.as_deref() == Some("omitted"));
    translation.conversation(request.system.take(), request.messages, &mut body)?;

    let context = Context {
        dialect: options.dialect,
        requested_model: request.model,
        upstream: options.upstream.clone(),
        upstream_model: options.model.clone(),
        sent: Sent::from(&body),
        tool_names: translation.names,
        used_tool_ids,
        scan_for_stop,
        stop_sequences: Some(stop_sequences),
        one_tool_call,
        omit_thinking,
        carry_reasoning: options.quirks.reasoning_echo != ReasoningEcho::Drop,
        think_tags: options.quirks.think_tags,
        lenient_eof: options.quirks.lenient_eof,
        input_estimate: tokens::estimate(&body),
    };
    Ok(Translated { body, context, report: translation.report })
}

/// A translation under way.
struct Translation<'a> {
    options: &'a Options,
    report: Report,
    names: ToolNames,
    /// What the signatures of thinking blocks may still inflate to, in bytes.
    inflate_budget: u64,
}

/// What no other vendor's server can do.
fn refuse_unsupported(request: &Request) -> Result<(), Error> {
    let refuse = |message: &str| Err(Error::invalid_request(message));
    if request.messages.is_empty() {
        return refuse("messages: at least one message is required");
    }
    if request.messages.len() > MAX_MESSAGES {
        return refuse("messages: 100,000 messages are the most, as with Anthropic's API");
    }
    let sequences = request.stop_sequences.as_deref().unwrap_or_default();
    if sequences.len() > MAX_SEQUENCES
        || sequences.iter().map(String::len).sum::<usize>() > MAX_SEQUENCE_BYTES
    {
        return refuse("stop_sequences: 256 sequences of 64 KiB in all are the most");
    }
    if request.thread.is_some() {
        // The SDKs' tool runners send threads by default and resend everything when told so by this code.
        return Err(Error {
            details: Some(ErrorDetails {
                error_code: "thread_unsupported_request",
                unsupported: &["thread"],
            }),
            ..Error::invalid_request(
                "thread: server-side threads are not kept here; send the whole conversation",
            )
        });
    }
    if request.mcp_servers.as_ref().is_some_and(|servers| !servers.is_empty()) {
        return refuse("mcp_servers: remote MCP servers cannot be called here; connect them in the client");
    }
    if request.compaction.is_some() {
        return refuse("compaction: this gateway does not summarise conversations; ask the model to");
    }
    if let Some(Container::Described { skills: 1.. }) = request.container {
        return refuse("container.skills: skills need Anthropic's code execution");
    }
    if request.container.is_some() && tools::needs_container(request.tools.as_deref().unwrap_or_default()) {
        return refuse("container: code execution needs Anthropic's servers");
    }
    if request.billing_policy.as_ref().and_then(|it| it.bill_to.as_deref()) == Some("user_profile") {
        return refuse("billing_policy.bill_to: user profiles are unknown here");
    }
    Ok(())
}

/// Members without effect on the answer, and members nobody knows.
fn report_hints(request: &Request, report: &mut Report) {
    let hints = [
        ("cache_control", request.cache_control.is_some()),
        ("container", request.container.is_some()),
        ("context_management", request.context_management.is_some()),
        ("fallbacks", request.fallbacks.is_some()),
        ("fallback_credit_token", request.fallback_credit_token.is_some()),
        ("diagnostics", request.diagnostics.is_some()),
        ("billing_policy", request.billing_policy.is_some()),
        ("safeguards", request.safeguards.is_some()),
        ("anthropic_beta", request.anthropic_beta.is_some()),
        ("anthropic_version", request.anthropic_version.is_some()),
        ("betas", request.betas.is_some()),
    ];
    for (name, _) in hints.into_iter().filter(|(_, present)| *present) {
        report.add(format!("/{name}"), Kind::Ignored, "no effect on another vendor's model");
    }
    if request.inference_geo.is_some() {
        report.add("/inference_geo", Kind::Dropped, "the upstream runs where it runs");
    }
    report_unknown(&request.unknown, "", report);
    let nested = [
        ("/metadata", request.metadata.as_ref().map(|it| &it.unknown)),
        ("/thinking", request.thinking.as_ref().map(|it| &it.unknown)),
        ("/output_config", request.output_config.as_ref().map(|it| &it.unknown)),
        ("/tool_choice", request.tool_choice.as_ref().map(|it| &it.unknown)),
    ];
    for (pointer, unknown) in nested {
        report_unknown(unknown.map_or(&[], Vec::as_slice), pointer, report);
    }
    if request.output_config.as_ref().is_some_and(|it| it.task_budget.is_some()) {
        report.add("/output_config/task_budget", Kind::Ignored, "the upstream knows no budget for a task");
    }
}

/// Members that stood at `pointer` and that no type knows.
fn report_unknown(unknown: &[String], pointer: &str, report: &mut Report) {
    for name in unknown {
        report.add(format!("{pointer}/{}", step(name)), Kind::Dropped, "unknown member");
    }
}

impl Translation<'_> {
    fn limit(&mut self, request: &Request, body: &mut chat::request::Request) -> Result<(), Error> {
        let Some(wanted) = request.max_tokens else {
            return Err(Error::invalid_request("max_tokens: missing field `max_tokens`"));
        };
        if wanted == 0 {
            return Err(Error::invalid_request("max_tokens: 0 asks for no answer, so nothing can be sent"));
        }
        let limit = self.options.max_output_tokens.map_or(wanted, |limit| wanted.min(limit));
        if limit < wanted {
            // Claude Code asks for 128,000 whatever the model; no client means it literally.
            self.report.add(
                "/max_tokens",
                Kind::Ignored,
                format!("{wanted} is above the model's limit of {limit}"),
            );
        }
        let limit = self.options.room_for_output.map_or(limit, |room| {
            if room < limit {
                let reason = format!("{limit} do not fit into the context beside the input, {room} do");
                self.report.add("/max_tokens", Kind::Clamped, reason);
            }
            limit.min(room)
        });
        match self.options.quirks.max_tokens_field {
            MaxTokensField::MaxTokens => body.max_tokens = Some(limit),
            MaxTokensField::MaxCompletionTokens => body.max_completion_tokens = Some(limit),
        }
        Ok(())
    }

    fn sampling(&mut self, request: &Request, body: &mut chat::request::Request) {
        let quirks = &self.options.quirks;
        let reasons = quirks.no_sampling_on_reasoning_models && is_reasoning_model(&self.options.model);
        let fixed = reasons || self.options.no_sampling;
        let mut take = |name: &str, value: Option<f64>| {
            if fixed && value.is_some() {
                self.report.add(format!("/{name}"), Kind::Dropped, "the model refuses sampling parameters");
                return None;
            }
            value
        };
        body.temperature = take("temperature", request.temperature);
        body.top_p = take("top_p", request.top_p);
        body.top_k = request.top_k.filter(|_| quirks.top_k);
        if request.top_k.is_some() && !quirks.top_k {
            self.report.add("/top_k", Kind::Dropped, "the upstream does not know it");
        }
        if request.stream == Some(true) {
            body.stream = Some(true);
            body.stream_options =
                quirks.stream_usage.then_some(chat::request::StreamOptions { include_usage: true });
        }
        self.stop_sequences(request.stop_sequences.as_deref().unwrap_or_default(), reasons, body);
    }

    fn stop_sequences(&mut self, sequences: &[String], refused: bool, body: &mut chat::request::Request) {
        for (index, sequence) in sequences.iter().enumerate() {
            let pointer = || format!("/stop_sequences/{index}");
            if sequence.trim().is_empty() {
                self.report.add(pointer(), Kind::Ignored, "blank");
            } else if self.scans_for_stop() {
                // Nothing is sent: the upstream would stop without saying at which.
            } else if refused {
                self.report.add(pointer(), Kind::Dropped, "the model refuses `stop`");
            } else if body.stop.len() == MAX_STOP_SEQUENCES {
                self.report.add(pointer(), Kind::Dropped, "the upstream takes four at most");
            } else {
                body.stop.push(sequence.clone());
            }
        }
    }

    fn scans_for_stop(&self) -> bool {
        self.options.stop_sequences == StopSequences::Answer && !self.options.quirks.reports_stop
    }

    /// Who asks, and what that steers.
    fn identity(&mut self, request: &Request, body: &mut chat::request::Request) {
        let quirks = &self.options.quirks;
        let user = request.metadata.as_ref().and_then(|metadata| metadata.user_id.as_deref());
        if let Some(user) = user {
            if quirks.safety_identifier {
                // Never as it is: Claude Code's holds account and session ids, and is longer than allowed.
                body.safety_identifier = Some(hex(user.as_bytes(), 64));
            } else {
                self.report.add("/metadata/user_id", Kind::Ignored, "not told to this upstream");
            }
        }
        if quirks.prompt_cache_key
            && let Some(session) = self.options.session.as_deref().or(user)
        {
            let key = format!("{}\n{session}", self.options.model);
            body.prompt_cache_key = Some(hex(key.as_bytes(), 32));
        }
        match request.service_tier.as_deref() {
            Some("standard_only") if quirks.service_tier => body.service_tier = Some("default"),
            None | Some("auto") => {}
            Some(_) => self.report.add("/service_tier", Kind::Ignored, "the upstream knows no such tier"),
        }
        if request.speed.as_deref().is_some_and(|speed| speed != "standard") {
            self.report.add("/speed", Kind::Dropped, "no faster tier is configured for the upstream");
        }
    }

    fn response_format(
        &mut self,
        request: &mut Request,
        body: &mut chat::request::Request,
    ) -> Result<(), Error> {
        let new = request.output_config.take().and_then(|config| config.format);
        let (format, member) = match (new, request.output_format.take()) {
            (Some(format), old) => {
                if old.is_some() {
                    let reason = "`output_config.format` has taken its place";
                    self.report.add("/output_format", Kind::Ignored, reason);
                }
                (format, "output_config.format")
            }
            (None, Some(format)) => (format, "output_format"),
            (None, None) => return Ok(()),
        };
        let OutputFormat { kind, name, schema, unknown } = format;
        let pointer = format!("/{}", member.replace('.', "/"));
        report_unknown(&unknown, &pointer, &mut self.report);
        if kind != "json_schema" {
            let message = format!("{member}.type: `{kind}` is unknown; `json_schema` is supported");
            return Err(Error::invalid_request(message));
        }
        let Some(schema) = schema else {
            return Err(Error::invalid_request(format!("{member}.schema: missing field `schema`")));
        };
        let strict = json_schema::fits_strict(&schema);
        if !strict {
            let reason = "the schema is outside of the strict subset, so the upstream may deviate from it";
            self.report.add(&pointer, Kind::Approximated, reason);
        }
        let name = match name {
            Some(name) if is_format_name(&name) => name.into(),
            Some(_) => {
                let reason = "a name is 1 to 64 of A-Z, a-z, 0-9, _ and -";
                self.report.add(format!("{pointer}/name"), Kind::Rewritten, reason);
                DEFAULT_FORMAT_NAME.into()
            }
            None => DEFAULT_FORMAT_NAME.into(),
        };
        body.response_format = Some(chat::request::ResponseFormat {
            kind: "json_schema",
            json_schema: chat::request::JsonSchema { name, schema, strict },
        });
        Ok(())
    }
}

fn is_format_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(legal)
}

/// OpenAI demands a name; Anthropic knows none.
const DEFAULT_FORMAT_NAME: &str = "response";
