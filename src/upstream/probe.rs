//! The steps of `check`: can the upstream be reached, does it take the key, has it the models.
//!
//! Each step says what was tried, how it went, how long it took, and on failure the cause and the cure. What
//! one step makes pointless is skipped and says so; nothing here prints.

mod completion;
mod question;
mod reach;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Error, Listing, Settings, Upstream, request};
use crate::{
    config::{Config, server::Auth},
    models::Target,
    translate::quirks::Preset,
};

/// What to try beyond the free steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Ask each mapped model for a tiny answer, whole and as a stream. Costs a few tokens.
    pub complete: bool,
}

/// One step and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was tried: `resolve`, `tcp`, `tls`, `key`, `model`, `dialect`, `completion`, `stream`.
    pub name: &'static str,
    /// On what: a host, a URL, a model.
    pub target: String,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// What was found; on success a remark or nothing.
    pub cause: Option<String>,
    /// What to do about it.
    pub cure: Option<String>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// Well, but something will not work later.
    Warned,
    /// It was not tried, or the answer says nothing.
    Skipped,
    /// It failed.
    Failed(Failure),
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Unreachable,
    /// The upstream refuses the key.
    KeyRefused,
    /// Anything else.
    Other,
}

/// What all steps mean together. `check` exits 0, 1, 69 or 77, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing failed.
    Ok,
    /// Something failed.
    Failed,
    /// The upstream cannot be reached.
    Unreachable,
    /// The upstream refuses the key.
    KeyRefused,
}

impl Verdict {
    /// The gravest finding decides.
    pub fn of(steps: &[Step]) -> Self {
        let verdict = |step: &Step| match step.outcome {
            Outcome::Ok | Outcome::Warned | Outcome::Skipped => Self::Ok,
            Outcome::Failed(Failure::Other) => Self::Failed,
            Outcome::Failed(Failure::Unreachable) => Self::Unreachable,
            Outcome::Failed(Failure::KeyRefused) => Self::KeyRefused,
        };
        steps.iter().map(verdict).max().unwrap_or(Self::Ok)
    }
}

/// Tries all steps, and shows each as soon as it is done.
pub async fn run(config: &Config, options: Options, on_step: impl FnMut(&Step)) -> Vec<Step> {
    let mut steps = Steps { done: Vec::new(), on_step };
    let settings = &config.upstream;
    let upstream = match Upstream::new(settings, &config.limits, Arc::default()) {
        Ok(upstream) => upstream,
        Err(error) => {
            let target = request::authority(settings);
            steps.add(Trial::start("setup", target).failed(Failure::Other, error.to_string(), None));
            return steps.done;
        }
    };
    if reach::all(&upstream, config.limits.of(settings).connect_timeout, &mut steps).await {
        // Without a key of its own the gateway has none to check.
        let by_clients = config.server.auth == Auth::Passthrough && settings.api_key.is_none();
        let listing = key(&upstream, by_clients, &mut steps).await;
        let targets = config.models.targets();
        if targets.is_empty() {
            let trial = Trial::start("model", "all".to_owned());
            steps.add(trial.skipped("no model is mapped, so every name goes to the upstream as it is"));
        }
        for target in targets {
            let model = &target.model;
            steps.add(model_step(settings, listing.as_ref(), model));
            steps.add(dialect_step(settings, target));
            if options.complete && !by_clients && Verdict::of(&steps.done) != Verdict::KeyRefused {
                let spoken = settings.dialect_of(model, Some(target)).spoken;
                steps.add(completion::whole(&upstream, model, spoken).await);
                steps.add(completion::stream(&upstream, model, spoken).await);
            }
        }
    }
    steps.done
}

struct Steps<F> {
    done: Vec<Step>,
    on_step: F,
}

impl<F: FnMut(&Step)> Steps<F> {
    fn add(&mut self, step: Step) {
        (self.on_step)(&step);
        self.done.push(step);
    }
}

/// A step that runs.
struct Trial {
    name: &'static str,
    target: String,
    started: Instant,
}

impl Trial {
    fn start(name: &'static str, target: String) -> Self {
        Self { name, target, started: Instant::now() }
    }

    fn end(self, outcome: Outcome, cause: Option<String>, cure: Option<String>) -> Step {
        let duration = self.started.elapsed();
        Step { name: self.name, target: self.target, outcome, duration, cause, cure }
    }

    fn ok(self, remark: Option<String>) -> Step {
        self.end(Outcome::Ok, remark, None)
    }

    fn skipped(self, cause: &str) -> Step {
        self.end(Outcome::Skipped, Some(cause.to_owned()), None)
    }

    fn failed(self, failure: Failure, cause: String, cure: Option<&str>) -> Step {
        self.end(Outcome::Failed(failure), Some(cause), cure.map(str::to_owned))
    }

    /// An error of a call. Its message says the cure.
    fn error(self, error: &Error) -> Step {
        let failure = match error {
            Error::Connect { .. } => Failure::Unreachable,
            _ => Failure::Other,
        };
        self.failed(failure, error.to_string(), None)
    }
}

/// The key, by asking for the models. `None` when there is no list.
async fn key<F: FnMut(&Step)>(
    upstream: &Upstream,
    by_clients: bool,
    steps: &mut Steps<F>,
) -> Option<Listing> {
    let settings = upstream.settings();
    let trial = Trial::start("key", request::url(settings, super::Endpoint::Models, "", None).to_string());
    let listing = match upstream.list_models(None, LIST_PATIENCE).await {
        Ok(listing) => listing,
        Err(error) => {
            steps.add(trial.error(&error));
            return None;
        }
    };
    let origin = settings.key_origin.as_ref().map(|origin| format!("the key from {origin}"));
    let key = origin.unwrap_or_else(|| "no key is configured, and the request without one".to_owned());
    let step = match (listing.status, &listing.ids) {
        (200, Some(ids)) => trial.ok(Some(format!("{} models listed", ids.len()))),
        (401 | 403, _) if by_clients => trial.skipped("keys come from clients (auth = \"passthrough\")"),
        (401 | 403, _) => trial.failed(
            Failure::KeyRefused,
            format!("{key} was refused with {}", listing.status),
            Some("set OPENAI_API_KEY to a key of this upstream"),
        ),
        (200 | 404 | 405 | 501, _) => trial.skipped(
            "there is no list of models at this URL; if the base URL lacks its /v1, requests will fail too",
        ),
        (status, _) => {
            let cause = format!("the list of models was answered with {status}");
            trial.failed(Failure::Other, cause, Some(completion::cure_of(status)))
        }
    };
    steps.add(step);
    listing.ids.is_some().then_some(listing)
}

/// Whether the upstream lists a model.
fn model_step(settings: &Settings, listing: Option<&Listing>, model: &str) -> Step {
    let trial = Trial::start("model", model.to_owned());
    let quirks = &settings.quirks;
    // Azure lists models, not the deployments that are called; Ollama leaves `:latest` out of names.
    let is_missing = |listing: &Listing| {
        quirks.preset != Preset::Azure && !listing.has(model) && !listing.has(&format!("{model}:latest"))
    };
    if listing.is_some_and(is_missing) {
        let cause = "the upstream does not list this model".to_owned();
        return trial.failed(
            Failure::Other,
            cause,
            Some("map the name to a model that `models --live` marks"),
        );
    }
    if listing.is_none() {
        return trial.skipped("there is no list of models to compare with");
    }
    trial.ok(None)
}

/// The dialect for a model, why, and whether agents can use the model in it.
fn dialect_step(settings: &Settings, target: &Target) -> Step {
    let trial = Trial::start("dialect", target.model.clone());
    let choice = settings.dialect_of(&target.model, Some(target));
    let chosen = format!("{} ({})", choice.spoken, settings.explain(&choice));
    if !choice.refuses_tools {
        return trial.ok(Some(chosen));
    }
    trial.end(
        Outcome::Warned,
        Some(format!("{chosen}: this model refuses tools on chat completions, so agents cannot use it")),
        Some(TOOLS_CURE.to_owned()),
    )
}

const TOOLS_CURE: &str =
    "let the dialect be auto (OPENAI_DIALECT), or map to another model, such as gpt-5.3 or gpt-4.1";

/// For the list of models.
const LIST_PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::dialect::{Spoken, Wish};

    fn step(outcome: Outcome) -> Step {
        Trial::start("tcp", String::new()).end(outcome, None, None)
    }

    #[test]
    fn the_gravest_finding_decides() {
        let failed = |failure| step(Outcome::Failed(failure));
        assert_eq!(Verdict::of(&[step(Outcome::Skipped), step(Outcome::Warned)]), Verdict::Ok);
        assert_eq!(Verdict::of(&[failed(Failure::Other), step(Outcome::Ok)]), Verdict::Failed);
        assert_eq!(Verdict::of(&[failed(Failure::KeyRefused), failed(Failure::Other)]), Verdict::KeyRefused);
        assert_eq!(Verdict::of(&[failed(Failure::Unreachable)]), Verdict::Unreachable);
    }

    #[test]
    fn models_that_are_not_listed_and_models_that_refuse_tools_are_marked() {
        let settings = Settings::default();
        let ids = ["gpt-6-sol", "gpt-4.1"].map(str::to_owned).to_vec();
        let listing = Listing { status: 200, ids: Some(ids) };
        assert_eq!(model_step(&settings, Some(&listing), "gpt-4.1").outcome, Outcome::Ok);
        assert_eq!(model_step(&settings, Some(&listing), "gpt-x").outcome, Outcome::Failed(Failure::Other));
        assert_eq!(model_step(&settings, None, "gpt-x").outcome, Outcome::Skipped);
        let dialect = |model: &str, dialect| {
            let target = Target { model: model.to_owned(), dialect, ..Target::default() };
            dialect_step(&settings, &target).outcome
        };
        assert_eq!(dialect("gpt-6-sol", Wish::Only(Spoken::Chat)), Outcome::Warned);
        assert_eq!(dialect("gpt-6-sol", Wish::Only(Spoken::Responses)), Outcome::Ok);
        assert_eq!(dialect("gpt-4.1", Wish::Auto), Outcome::Ok);
    }
}
