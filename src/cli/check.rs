//! `check`: tries every step to the upstream, shows how each went, and says what to do.

use clap_complete::ArgValueCandidates;
use color_eyre::Result;
use serde::Serialize;

use super::{
    GlobalArgs,
    completions::upstream_names,
    exit::{Exit, Failure},
    load_and_warn,
    output::{self, Cell, ERROR, GOOD, Progress, WARNING},
    runtime,
};
use crate::{
    config::Config,
    upstream::probe::{self, Outcome, Step, Verdict},
};

/// Try every step to the upstream: name, connection, TLS, key, models
///
/// Costs nothing, except with --complete a few tokens for each mapped model.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// Try these upstreams only, by their names; default: all
    #[arg(value_name = "UPSTREAM", add = ArgValueCandidates::new(upstream_names))]
    upstreams: Vec<String>,
    /// Also ask each mapped model for a tiny answer, whole and as a stream
    #[arg(long)]
    complete: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy check
  aiapiproxy check --complete --json
  aiapiproxy check openrouter

Exit codes:
  0   nothing failed
  1   something failed
  69  the upstream cannot be reached
  77  the upstream refuses the key
  78  the configuration is wrong";

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let config = load_and_warn(&global.sources())?;
    let mut found = Vec::new();
    for name in &args.upstreams {
        if !config.upstreams().any(|it| it.name == *name) {
            let known: Vec<_> = config.upstreams().map(|it| it.name.as_str()).collect();
            let failure = Failure::new(Exit::Usage, format!("there is no upstream {name:?}"));
            return Err(failure.mend(format!("those that are configured: {}", known.join(", "))).into());
        }
    }
    let wanted = |one: &Config| args.upstreams.is_empty() || args.upstreams.contains(&one.upstream.name);
    for one in config.each_upstream().into_iter().filter(wanted) {
        let steps = probe(&one, probe::Options { complete: args.complete })?;
        found.push((one.upstream.name, steps));
    }
    let verdict = found.iter().map(|(_, steps)| Verdict::of(steps)).max().unwrap_or(Verdict::Ok);
    if args.json {
        output::json(&Findings::of(verdict, &found))?;
    } else {
        output::data(&tables(&found))?;
    }
    Ok(match verdict {
        Verdict::Ok => Exit::Success,
        Verdict::Failed => Exit::Failure,
        Verdict::Unreachable => Exit::Unavailable,
        Verdict::KeyRefused => Exit::NoPermission,
    })
}

fn probe(config: &Config, options: probe::Options) -> Result<Vec<Step>> {
    let spinner = Progress::spinner();
    spinner.message(format!("asking {}", config.upstream.base_url));
    let on_step = |step: &Step| spinner.message(format!("{} {}: done", step.name, step.target));
    let steps = runtime()?.block_on(probe::run(config, options, on_step));
    spinner.finish();
    Ok(steps)
}

/// One table for each upstream; a single one needs no name.
fn tables(found: &[(String, Vec<Step>)]) -> String {
    if let [(_, steps)] = found {
        return table(steps);
    }
    let named =
        |(name, steps): &(String, Vec<Step>)| format!("upstream: {}\n{}", output::plain(name), table(steps));
    found.iter().map(named).collect::<Vec<_>>().join("\n")
}

fn table(steps: &[Step]) -> String {
    let mut rows = Vec::new();
    for step in steps {
        let (mark, style) = match step.outcome {
            Outcome::Ok => ("✓", GOOD),
            Outcome::Warned => ("!", WARNING),
            Outcome::Skipped => ("-", WARNING),
            Outcome::Failed(_) => ("✗", ERROR),
        };
        let found = step.cause.as_deref().unwrap_or_default();
        let time = format!("{} ms", step.duration.as_millis());
        rows.push([
            Cell::styled(mark, style),
            Cell::new(step.name),
            Cell::new(&step.target),
            Cell::new(time),
            Cell::new(found),
        ]);
        if let Some(cure) = &step.cure {
            let [blank, none, nothing, nowhere] = [(); 4].map(|()| Cell::new(""));
            rows.push([blank, none, nothing, nowhere, Cell::new(format!("→ {cure}"))]);
        }
    }
    output::table(["", "STEP", "TARGET", "TIME", "FOUND"], &rows)
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Findings<'a> {
    verdict: &'static str,
    steps: Vec<Finding<'a>>,
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    /// Only where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    name: &'a str,
    target: &'a str,
    outcome: &'static str,
    duration_ms: u128,
    cause: Option<&'a str>,
    cure: Option<&'a str>,
}

impl<'a> Findings<'a> {
    fn of(verdict: Verdict, found: &'a [(String, Vec<Step>)]) -> Self {
        Self {
            verdict: match verdict {
                Verdict::Ok => "ok",
                Verdict::Failed => "failed",
                Verdict::Unreachable => "unreachable",
                Verdict::KeyRefused => "key_refused",
            },
            steps: found
                .iter()
                .flat_map(|(name, steps)| {
                    steps
                        .iter()
                        .map(move |step| Finding::of(Some(name.as_str()).filter(|_| found.len() > 1), step))
                })
                .collect(),
        }
    }
}

impl<'a> Finding<'a> {
    fn of(upstream: Option<&'a str>, step: &'a Step) -> Self {
        Self {
            upstream,
            name: step.name,
            target: &step.target,
            outcome: match step.outcome {
                Outcome::Ok => "ok",
                Outcome::Warned => "warned",
                Outcome::Skipped => "skipped",
                Outcome::Failed(_) => "failed",
            },
            duration_ms: step.duration.as_millis(),
            cause: step.cause.as_deref(),
            cure: step.cure.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::probe::Failure;
    use std::time::Duration;

    #[test]
    fn a_failed_step_shows_cause_and_cure() {
        let step = Step {
            name: "key",
            target: "http://127.0.0.1:1/models".to_owned(),
            outcome: Outcome::Failed(Failure::KeyRefused),
            duration: Duration::from_millis(7),
            cause: Some("it was refused".to_owned()),
            cure: Some("set another".to_owned()),
        };
        let shown = anstream::adapter::strip_str(&table(std::slice::from_ref(&step))).to_string();
        let expected = "   STEP  TARGET                     TIME  FOUND\n\
                        ✗  key   http://127.0.0.1:1/models  7 ms  it was refused\n";
        assert!(shown.starts_with(expected), "{shown}");
        assert!(shown.ends_with("  → set another\n"), "{shown}");
        let json =
            serde_json::to_string(&Findings::of(Verdict::KeyRefused, &[("up".to_owned(), vec![step])]))
                .unwrap();
        assert!(json.starts_with(r#"{"verdict":"key_refused","steps":[{"name":"key","#), "{json}");
    }
}
