//! `models`: the mapping of model names as a table, and the explanation of a single name.

use std::{sync::Arc, time::Duration};

use clap_complete::ArgValueCandidates;
use color_eyre::{Result, eyre::WrapErr};
use serde::Serialize;

use super::{
    GlobalArgs,
    completions::model_names,
    exit::{Exit, Failure},
    load_and_warn,
    output::{self, Cell, GOOD, Progress, WARNING},
    runtime,
};
use crate::{
    config::{Config, Sources},
    models::{Resolution, Rule},
    routing::listing,
    upstream::{Listing, Upstream},
};

mod routes;

/// Show which upstream model stands for which requested name
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// Explain this name: which rule decides, and what is sent to the upstream
    #[arg(add = ArgValueCandidates::new(model_names))]
    name: Option<String>,
    /// Ask the upstream which of the models it really has
    #[arg(long)]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy models
  aiapiproxy models claude-sonnet-5
  aiapiproxy models --live --json

Exit codes:
  0   told
  69  with --live: the upstream cannot be asked
  77  with --live: the upstream refuses the key
  78  the configuration is wrong";

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let config = load_and_warn(&Sources { key_optional: !args.live, ..global.sources() })?;
    let live = if args.live { Some(listed_by_upstream(&config)?) } else { None };
    if let Some(name) = &args.name {
        let (way, place) = routes::of(name, &config);
        let explanation = Explanation::of(name, place.as_ref().unwrap_or(&config), live.as_ref());
        explain(&Explained { explanation, way }, args.json)?;
    } else {
        list(&Table::of(&config, live.as_ref()), args.json)?;
        if !args.json {
            output::data(&routes::table(&config))?;
        }
    }
    Ok(Exit::Success)
}

/// What `GET /models` at the upstream says.
fn listed_by_upstream(config: &Config) -> Result<Listing> {
    let spinner = Progress::spinner();
    spinner.message(format!("asking {}", config.upstream.base_url));
    let asked = runtime()?.block_on(async {
        Upstream::new(&config.upstream, &config.limits, Arc::default())?.list_models(None, PATIENCE).await
    });
    spinner.finish();
    let cannot = |exit| Failure::new(exit, "cannot list the upstream's models");
    let listing =
        asked.wrap_err_with(|| cannot(Exit::Unavailable).mend("`aiapiproxy check` finds out why"))?;
    if listing.ids.is_some() {
        return Ok(listing);
    }
    let exit = if matches!(listing.status, 401 | 403) { Exit::NoPermission } else { Exit::Unavailable };
    let why = format!("{} answered {} and no list", config.upstream.base_url, listing.status);
    Err(cannot(exit).why(why).mend("`aiapiproxy check` finds out why").into())
}

/// For the whole answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// All rules.
#[derive(Debug, Serialize)]
struct Table<'a> {
    upstream: &'a str,
    url: &'a str,
    rules: Vec<Line>,
    /// Whether names that no rule fits are sent on as they are.
    others_pass_through: bool,
    /// What is spoken for them; the name of a model may decide otherwise.
    #[serde(skip)]
    others_dialect: &'static str,
    /// What `GET /v1/models` shows to clients.
    listed: Vec<String>,
}

/// One rule.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    model: String,
    rule: String,
    dialect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
}

impl<'a> Table<'a> {
    fn of(config: &'a Config, live: Option<&Listing>) -> Self {
        let rules = config.models.rules();
        Self {
            upstream: &config.upstream.name,
            url: config.upstream.base_url.as_str(),
            others_dialect: config.upstream.dialect_of("", None).spoken.name(),
            others_pass_through: !rules.iter().any(|(_, rule, _)| matches!(rule, Rule::Default(_))),
            rules: rules
                .into_iter()
                .map(|(name, rule, target)| Line {
                    name,
                    model: target.model.clone(),
                    rule: rule.to_string(),
                    dialect: config.upstream.dialect_of(&target.model, Some(target)).spoken.name(),
                    live: live.map(|live| live.has(&target.model)),
                })
                .collect(),
            listed: listing::listed(config).into_iter().map(|listed| listed.id).collect(),
        }
    }
}

fn list(table: &Table<'_>, json: bool) -> Result<()> {
    if json {
        return output::json(table);
    }
    let row = |line: &Line| {
        let cells = [line.name.as_str(), &line.model, line.dialect, &line.rule].map(Cell::new);
        let [name, model, dialect, rule] = cells;
        [name, model, dialect, rule, mark(line.live)]
    };
    let mut rows: Vec<[Cell; 5]> = table.rules.iter().map(row).collect();
    if table.others_pass_through {
        rows.push([
            Cell::new("(others)"),
            Cell::new("(as requested)"),
            Cell::new(table.others_dialect),
            Cell::new("passed through"),
            mark(None),
        ]);
    }
    output::data(&format!(
        "upstream: {} at {}\n\n{}",
        output::plain(table.upstream),
        table.url,
        output::table(["REQUESTED", "SENT AS", "DIALECT", "DECIDED BY", ""], &rows)
    ))
}

fn mark(live: Option<bool>) -> Cell {
    match live {
        None => Cell::new(""),
        Some(true) => Cell::styled("✓ there", GOOD),
        Some(false) => Cell::styled("✗ not listed by the upstream", WARNING),
    }
}

/// What becomes of one name.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    requested: &'a str,
    model: String,
    rule: String,
    dialect: &'static str,
    dialect_decided_by: String,
    upstream: &'a str,
    url: &'a str,
    /// What is added to the body where the request has none of that name.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    extra_body: &'a serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

impl<'a> Explanation<'a> {
    fn of(name: &'a str, config: &'a Config, live: Option<&Listing>) -> Self {
        let Resolution { model, rule } = config.models.resolve(name);
        let upstream = &config.upstream;
        let choice = upstream.dialect_of(&model, config.models.target(name));
        Self {
            requested: name,
            rule: rule.to_string(),
            dialect: choice.spoken.name(),
            dialect_decided_by: upstream.explain(&choice),
            upstream: &upstream.name,
            url: upstream.base_url.as_str(),
            extra_body: &upstream.extra_body,
            live: live.map(|live| live.has(&model)),
            warning: choice.refuses_tools.then_some(TOOLS_REFUSED),
            model,
        }
    }
}

const TOOLS_REFUSED: &str = "the upstream refuses tools for this model on chat completions";

/// The same with the routes' part.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    explanation: Explanation<'a>,
    #[serde(flatten)]
    way: routes::Way,
}

fn explain(explained: &Explained<'_>, json: bool) -> Result<()> {
    if json {
        return output::json(explained);
    }
    let Explained { explanation, way } = explained;
    let Explanation {
        requested,
        model,
        rule,
        dialect,
        dialect_decided_by,
        upstream,
        url,
        extra_body,
        live,
        warning,
    } = explanation;
    let mut text = format!(
        "{requested} is sent as {model} to {upstream} at {url}\ndecided by: {rule}\n\
         dialect: {dialect}, decided by: {dialect_decided_by}"
    );
    for (name, value) in *extra_body {
        text.extend(["\nadded to the body unless it is there: ", name, " = ", &value.to_string()]);
    }
    if let Some(live) = live {
        text.push_str(if *live { "\nthe upstream has it" } else { "\nthe upstream does not list it" });
    }
    if let Some(warning) = warning {
        text.push_str("\nbut ");
        text.push_str(warning);
    }
    let lines = text.lines().map(str::to_owned).chain(way.lines());
    let lines: Vec<String> = lines.map(|line| output::plain(&line)).collect();
    output::data(&format!("{}\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::upstream::Upstream,
        models::dialect::{Spoken, Wish},
    };

    fn live(ids: &[&str]) -> Listing {
        Listing { status: 200, ids: Some(ids.iter().map(|&id| id.to_owned()).collect()) }
    }

    #[test]
    fn a_name_is_explained_by_its_rule() {
        let config = Config::default();
        let explained = Explanation::of("claude-sonnet-5[1m]", &config, Some(&live(&["gpt-6-sol"])));
        assert_eq!((explained.model.as_str(), explained.live), ("gpt-6-sol", Some(true)));
        assert_eq!(explained.rule, "family sonnet (default)");
        assert_eq!((explained.dialect, explained.warning), ("responses", None));
        let config =
            Config { upstream: Upstream { dialect: Wish::Only(Spoken::Chat), ..config.upstream }, ..config };
        let explained = Explanation::of("claude-sonnet-5", &config, None);
        assert_eq!((explained.dialect, explained.warning), ("chat", Some(TOOLS_REFUSED)));
        assert_eq!(Explanation::of("qwen3", &config, None).rule, "passed through");
    }

    #[test]
    fn a_listing_says_what_others_become() {
        let config = Config::default();
        let table = Table::of(&config, Some(&live(&["gpt-6-sol"])));
        let marks: Vec<_> = table.rules.iter().map(|line| line.live).collect();
        assert_eq!(marks, [Some(false), Some(true), Some(false)]);
        assert!(table.others_pass_through);
    }
}
