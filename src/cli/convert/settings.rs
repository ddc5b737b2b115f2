//! What a conversion knows beside its input: the upstream's quirks, the mapping, the original request.

use color_eyre::Result;
use sha2::{Digest, Sha256};

use super::{Args, Dialect, Upstream, bad_data, input};
use crate::{
    cli::{GlobalArgs, exit::Failure, load_and_warn},
    config::Sources,
    models::ModelMap,
    protocol::anthropic::{error::Error, request::Request},
    secret::mask_keys,
    translate::{
        self, Options, StopSequences,
        context::Context,
        quirks::{Preset, Quirks},
    },
};

/// What a conversion knows beside its input.
#[derive(Debug)]
pub(super) struct Settings {
    quirks: Quirks,
    /// The upstream's name, for messages.
    upstream: String,
    models: ModelMap,
    max_output_tokens: Option<u64>,
    context_window: Option<u64>,
    /// `--model`.
    model: Option<String>,
    /// What `--request` says about the answer, in each dialect that it may have been sent in.
    contexts: Vec<(Upstream, Context)>,
    /// `--status`.
    pub(super) status: Option<u16>,
}

impl Settings {
    /// Reads the files that the command line names, and no others.
    pub(super) fn new(args: &Args, global: &GlobalArgs) -> Result<Self> {
        let generic = Preset::Generic;
        let mut settings = Self {
            quirks: generic.quirks(),
            upstream: "the upstream".to_owned(),
            models: ModelMap::default(),
            max_output_tokens: None,
            context_window: None,
            model: args.model.clone(),
            contexts: Vec::new(),
            status: args.status,
        };
        if global.config.is_some() || global.env_file.is_some() {
            let config = load_and_warn(&Sources { key_optional: true, ..global.sources() })?;
            settings.quirks = config.upstream.quirks;
            settings.upstream = config.upstream.name;
            settings.models = config.models;
            settings.max_output_tokens = config.upstream.max_output_tokens;
            settings.context_window = config.upstream.context_window;
        }
        if let Some(preset) = args.preset {
            settings.quirks = preset.quirks();
            preset.name().clone_into(&mut settings.upstream);
        }
        if let Some(path) = &args.request {
            let body = input::read_file(path)?;
            let in_file = |error: Error| refused(&path.display().to_string(), &error);
            // The answer tells the dialect, and is not read yet.
            let upstreams = match args.from.and_then(Dialect::of_upstream) {
                Some(upstream) => vec![upstream],
                None => vec![Upstream::Chat, Upstream::Responses],
            };
            for upstream in upstreams {
                let parsed = Request::parse(&body).map_err(in_file)?;
                let options = settings.options(upstream, &parsed.request.model);
                let mut context = translate::request(parsed, &options).map_err(in_file)?.context;
                // Whoever asked the upstream may have left them to the answer's translation.
                context.scan_for_stop |= context.stop_sequences.is_some() && !settings.quirks.reports_stop;
                settings.contexts.push((upstream, context));
            }
        }
        Ok(settings)
    }

    /// What the translation of a request needs to know.
    pub(super) fn options(&self, upstream: Upstream, requested_model: &str) -> Options {
        let mapped = || self.models.model(requested_model).to_owned();
        let model = self.model.clone().unwrap_or_else(mapped);
        Options {
            max_output_tokens: self.max_output_tokens,
            context_window: self.context_window,
            stop_sequences: StopSequences::Upstream,
            dialect: upstream,
            ..Options::new(self.quirks.clone(), self.upstream.clone(), model)
        }
    }

    /// What the translation of an answer needs to know; `stated` is the model that the upstream names.
    pub(super) fn context(&self, upstream: Upstream, stated: Option<String>) -> Context {
        let known = self.contexts.iter().find(|(dialect, _)| *dialect == upstream);
        let mut context = match known {
            Some((_, context)) => context.clone(),
            None => Context {
                dialect: upstream,
                requested_model: stated.clone().unwrap_or_else(|| "unknown".to_owned()),
                upstream: self.upstream.clone(),
                upstream_model: stated.unwrap_or_else(|| "unknown".to_owned()),
                // Where the upstream is not known to name what matched, other words stand in that place.
                stop_sequences: (!self.quirks.reports_stop).then(Vec::new),
                think_tags: self.quirks.think_tags,
                think_opened: self.quirks.think_opened,
                citations: self.quirks.citations,
                lenient_eof: self.quirks.lenient_eof,
                ..Context::default()
            },
        };
        if let Some(model) = &self.model {
            context.requested_model.clone_from(model);
        }
        context
    }
}

/// An id for a message, the same for the same input.
pub(super) fn message_id(seed: &[u8]) -> String {
    let digest = Sha256::digest(seed);
    let hex: Vec<String> = digest.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{}", hex.concat())
}

/// As many as make the 24 characters of Anthropic's ids.
const ID_BYTES: usize = 12;

/// A document that cannot be converted, with the reason that a client would be told.
pub(super) fn refused(name: &str, error: &Error) -> Failure {
    bad_data(format!("{name}: {}", mask_keys(&error.message, &[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_usual_form_and_follow_from_the_input() {
        let id = message_id(b"x");
        assert_eq!(id.len(), "msg_".len() + 24);
        assert_eq!(id, message_id(b"x"));
        assert_ne!(id, message_id(b"y"));
    }
}
