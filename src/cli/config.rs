//! `config`: the configuration seen through: shown with origins, checked, described for editors, begun.

use std::path::{Path, PathBuf};

use color_eyre::Result;
use serde::Serialize;

use super::{
    GlobalArgs,
    exit::{Exit, Failure},
    load, output,
};
use crate::config::{self, Config, Loaded, Place, Shown, Sources};

mod init;

/// See, check or begin the configuration
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy config show --origin
  aiapiproxy config validate --strict
  aiapiproxy config schema > schema.json
  aiapiproxy config init --preset ollama --sonnet qwen3-coder

Exit codes:
  0   done; the configuration is right
  73  init: the file is there, or cannot be created
  78  the configuration is wrong";

#[derive(Debug, clap::Subcommand)]
enum Command {
    Show(ShowArgs),
    Validate(ValidateArgs),
    Schema,
    Init(init::Args),
}

/// Print every setting as it is in force, without secrets
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Say of each setting where it came from
    #[arg(long)]
    origin: bool,
    /// Print JSON, always with origins
    #[arg(long)]
    json: bool,
}

/// Say whether the configuration is right
///
/// Nothing is asked of the network: `aiapiproxy check` does that. A key that is missing on this machine is a
/// warning here.
#[derive(Debug, clap::Args)]
struct ValidateArgs {
    /// Take warnings for mistakes
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    match &args.command {
        Command::Show(args) => show(args, global),
        Command::Validate(args) => validate(args, global),
        Command::Schema => output::json(&config::schema()).map(|()| Exit::Success),
        Command::Init(args) => init::run(args),
    }
}

/// What `show --json` prints.
#[derive(Debug, Serialize)]
struct Settings {
    file: Option<PathBuf>,
    settings: Vec<Shown>,
}

fn show(args: &ShowArgs, global: &GlobalArgs) -> Result<Exit> {
    // What can be shown is shown, even where `serve` would not start for want of a key.
    let loaded = load(&Sources { key_optional: true, ..global.sources() })?;
    let settings = loaded.settings();
    if args.json {
        output::json(&Settings { file: loaded.file, settings })?;
    } else {
        output::data(&lines(&settings, args.origin))?;
    }
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    Ok(Exit::Success)
}

fn lines(settings: &[Shown], with_origin: bool) -> String {
    let line = |setting: &Shown| {
        let origin = if with_origin && !setting.value.is_null() {
            format!("  # {}", setting.origin)
        } else {
            String::new()
        };
        format!("{setting}{origin}\n")
    };
    settings.iter().map(line).collect()
}

/// What `validate --json` prints.
#[derive(Debug, Serialize)]
struct Verdict {
    valid: bool,
    file: Option<PathBuf>,
    error: Option<Fault>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Fault {
    message: String,
    #[serde(flatten)]
    place: Place,
}

fn validate(args: &ValidateArgs, global: &GlobalArgs) -> Result<Exit> {
    let sources = Sources { key_optional: true, ..global.sources() };
    let verdict = match Config::load(&sources) {
        Ok(Loaded { file, mut warnings, .. }) => {
            if let Err(error) = Config::load(&Sources { key_optional: false, ..sources }) {
                warnings
                    .push(format!("`serve` would not start here: {}", error.to_string().replace('\n', "; ")));
            }
            let valid = warnings.is_empty() || !args.strict;
            Verdict { valid, file, error: None, warnings }
        }
        Err(error) => {
            let fault = Fault { message: error.to_string(), place: error.place() };
            Verdict { valid: false, file: fault.place.file.clone(), error: Some(fault), warnings: Vec::new() }
        }
    };
    let exit = if verdict.valid { Exit::Success } else { Exit::Config };
    if args.json {
        return output::json(&verdict).map(|()| exit);
    }
    for warning in &verdict.warnings {
        output::warn(warning);
    }
    match verdict.error {
        Some(fault) => Err(Failure::from_lines(exit, &fault.message).into()),
        None if !verdict.valid => Err(Failure::new(exit, "a warning counts as a mistake (--strict)").into()),
        None => output::data(&format!("{} is right\n", subject(verdict.file.as_deref()))).map(|()| exit),
    }
}

fn subject(file: Option<&Path>) -> String {
    let named =
        |file: &Path| output::plain(&format!("the configuration in {} and the environment", file.display()));
    file.map_or_else(|| "the configuration in the environment (there is no file)".to_owned(), named)
}
