//! What a request says beside the conversation: length, sampling, identity, format, reasoning, tools.

use super::place::Place;
use super::reasoning::Reasoning;
use super::tools::{Choice, Function};
use super::{Translation, report_unknown};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{OutputFormat, Request};
use crate::translate::StopSequences;
use crate::translate::digest::hex;
use crate::translate::json_schema;
use crate::translate::quirks::is_reasoning_model;
use crate::translate::report::Kind;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a request says beside the conversation, fit for the upstream.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) max_tokens: u64,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
    /// Whether the answer shall come as a stream.
    pub(crate) stream: bool,
    /// The stop sequences that the upstream shall look for.
    pub(crate) stop: Vec<String>,
    /// A hash of who asks.
    pub(crate) safety_identifier: Option<String>,
    /// A hash of the conversation.
    pub(crate) prompt_cache_key: Option<String>,
    pub(crate) service_tier: Option<&'static str>,
    pub(crate) reasoning: Reasoning,
    pub(crate) format: Option<Format>,
    pub(crate) functions: Vec<Function>,
    pub(crate) choice: Option<Choice>,
    /// The upstream shall call one tool at most.
    pub(crate) no_parallel_calls: bool,
    /// A single call must be enforced on the answer.
    pub(crate) one_tool_call: bool,
}

/// The format of the answer.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) name: Cow<'static, str>,
    pub(crate) schema: Box<RawValue>,
    /// Whether the schema keeps to OpenAI's strict subset.
    pub(crate) strict: bool,
    /// The upstream takes no schema, so the system text must tell it.
    pub(crate) in_words: bool,
}

impl Translation<'_> {
    /// Takes everything but the conversation out of the request.
    pub(super) fn settings(&mut self, request: &mut Request) -> Result<Settings, Error> {
        let mut settings = Settings {
            max_tokens: self.limit(request)?,
            stream: request.stream == Some(true),
            ..Settings::default()
        };
        self.sampling(request, &mut settings);
        self.identity(request, &mut settings);
        settings.reasoning = self.reasoning(request)?;
        settings.format = self.response_format(request)?;
        self.tools(request, &mut settings)?;
        Ok(settings)
    }

    fn limit(&mut self, request: &Request) -> Result<u64, Error> {
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
        let least = self.form.least_max_tokens;
        if limit < least {
            self.report.add("/max_tokens", Kind::Clamped, format!("the upstream takes no less than {least}"));
        }
        Ok(limit.max(least))
    }

    fn sampling(&mut self, request: &Request, settings: &mut Settings) {
        let quirks = &self.options.quirks;
        let reasons = quirks.no_sampling_on_reasoning_models && is_reasoning_model(self.options.family());
        let fixed = reasons || self.options.no_sampling;
        let mut take = |name: &str, value: Option<f64>| {
            if fixed && value.is_some() {
                self.report.add(format!("/{name}"), Kind::Dropped, "the model refuses sampling parameters");
                return None;
            }
            value
        };
        settings.temperature = take("temperature", request.temperature);
        settings.top_p = take("top_p", request.top_p);
        settings.top_k = request.top_k.filter(|_| self.form.top_k);
        if request.top_k.is_some() && !self.form.top_k {
            self.report.add("/top_k", Kind::Dropped, "the upstream does not know it");
        }
        settings.stop = self.stop_sequences(request.stop_sequences.as_deref().unwrap_or_default(), reasons);
    }

    fn stop_sequences(&mut self, sequences: &[String], refused: bool) -> Vec<String> {
        let most = self.form.most_stop_sequences;
        let mut stop = Vec::new();
        for (index, sequence) in sequences.iter().enumerate() {
            let pointer = || format!("/stop_sequences/{index}");
            if sequence.trim().is_empty() {
                self.report.add(pointer(), Kind::Ignored, "blank");
            } else if self.options.stop_sequences == StopSequences::Answer && self.scans_for_stop() {
                // Nothing is sent: the upstream would stop without saying at which, if it takes any at all.
            } else if most == 0 {
                let reason = "the upstream takes none; they are searched for in the answer";
                self.report.add(pointer(), Kind::Dropped, reason);
            } else if refused {
                self.report.add(pointer(), Kind::Dropped, "the model refuses `stop`");
            } else if stop.len() == most {
                self.report.add(pointer(), Kind::Dropped, "the upstream takes four at most");
            } else {
                stop.push(sequence.clone());
            }
        }
        stop
    }

    /// Who asks, and what that steers.
    fn identity(&mut self, request: &Request, settings: &mut Settings) {
        let quirks = &self.options.quirks;
        let user = request.metadata.as_ref().and_then(|metadata| metadata.user_id.as_deref());
        if let Some(user) = user {
            if quirks.safety_identifier {
                // Never as it is: Claude Code's holds account and session ids, and is longer than allowed.
                settings.safety_identifier = Some(hex(user.as_bytes(), 64));
            } else {
                self.report.add("/metadata/user_id", Kind::Ignored, "not told to this upstream");
            }
        }
        if quirks.prompt_cache_key
            && let Some(session) = self.options.session.as_deref().or(user)
        {
            let key = format!("{}\n{session}", self.options.model);
            settings.prompt_cache_key = Some(hex(key.as_bytes(), 32));
        }
        match request.service_tier.as_deref() {
            Some("standard_only") if quirks.service_tier => settings.service_tier = Some("default"),
            None | Some("auto") => {}
            Some(_) => self.report.add("/service_tier", Kind::Ignored, "the upstream knows no such tier"),
        }
        if request.speed.as_deref().is_some_and(|speed| speed != "standard") {
            self.report.add("/speed", Kind::Dropped, "no faster tier is configured for the upstream");
        }
    }

    fn response_format(&mut self, request: &mut Request) -> Result<Option<Format>, Error> {
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
            (None, None) => return Ok(None),
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
        let schema = self.without_ids(schema, &Place::at(&pointer).child("schema"));
        let strict = json_schema::fits_strict(&schema);
        let in_words = !self.form.json_schema;
        if in_words {
            let reason = "the upstream takes no schema, so the system text asks for it";
            self.report.add(&pointer, Kind::Approximated, reason);
        } else if !strict {
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
        Ok(Some(Format { name, schema, strict, in_words }))
    }
}

fn is_format_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(legal)
}

/// OpenAI demands a name; Anthropic knows none.
const DEFAULT_FORMAT_NAME: &str = "response";
