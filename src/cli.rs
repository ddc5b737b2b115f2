//! The command line: what can be asked for, and who answers. No logic worth testing without a process.
//!
//! Each command has its own file with its arguments and its `run`. `convert` has more than that, because it is a
//! program of its own around the translation.

use std::path::PathBuf;

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser};
use color_eyre::{Result, eyre::WrapErr};

use crate::config::{Config, Loaded, Sources};

pub mod exit;

mod check;
mod completions;
mod config;
mod convert;
mod health;
mod keys;
mod models;
mod output;
mod run;
mod serve;

use exit::{Exit, Failure};

/// Lets every client of Anthropic's Messages API run on any model.
///
/// A client such as Claude Code or Anthropic's SDKs talks to this program as if it were Anthropic's API; this
/// program asks an OpenAI-compatible server and answers in Anthropic's words.
#[derive(Debug, Parser)]
#[command(
    name = "aiapiproxy",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = AFTER_HELP,
    after_long_help = format!("{AFTER_HELP}\n\n{EXAMPLES}\n\n{}", exit::table())
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str =
    "Start here: `aiapiproxy run -- claude` (or `aiapiproxy run --demo -- claude`, which needs no key).";

const EXAMPLES: &str = "\
Examples:
  OPENAI_API_KEY=… aiapiproxy run -- claude
  OPENAI_API_KEY=… aiapiproxy serve
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 aiapiproxy serve
  aiapiproxy check
  aiapiproxy convert request.json --pretty";

#[expect(clippy::doc_markdown, reason = "the docs are the help text, which is no markdown")]
/// What every command understands.
#[derive(Debug, clap::Args)]
struct GlobalArgs {
    /// Read this configuration file and no other
    ///
    /// Otherwise the first of these that exists is read: the file that $AIAPIPROXY_CONFIG names,
    /// aiapiproxy/config.toml in the platform's configuration directory, /etc/aiapiproxy/config.toml.
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// Take every known variable that the environment does not set from this file
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL)]
    env_file: Option<PathBuf>,
    /// When to use colours
    ///
    /// `auto` means on a terminal; NO_COLOR and CLICOLOR_FORCE are honoured.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = GLOBAL)]
    color: Color,
}

const GLOBAL: &str = "Options of every command";

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Run(run::Args),
    Convert(convert::Args),
    Check(check::Args),
    Models(models::Args),
    Health(health::Args),
    Config(config::Args),
    Keys(keys::Args),
    Completions(completions::Args),
}

/// Reads the command line, does what it says, tells a failure, and returns how the program ends.
pub fn run() -> Exit {
    if completions::answered() {
        return Exit::Success;
    }
    let cli = match command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    cli.global.color.choose();
    cli.dispatch().unwrap_or_else(|error| exit::report(&error))
}

/// The model of the command line, from which completions and manual pages are made.
pub fn command() -> clap::Command {
    Cli::command()
}

impl Cli {
    fn dispatch(self) -> Result<Exit> {
        let Self { global, command } = self;
        match command {
            Command::Serve(args) => serve::run(&args, &global),
            Command::Run(args) => run::run(&args, &global),
            Command::Convert(args) => convert::run(&args, &global),
            Command::Check(args) => check::run(&args, &global),
            Command::Models(args) => models::run(&args, &global),
            Command::Health(args) => health::run(&args, &global),
            Command::Config(args) => config::run(&args, &global),
            Command::Keys(args) => keys::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

/// Shows help, the version or what is wrong with the command line.
fn usage(error: &clap::Error) -> Exit {
    wished_color().choose();
    if is_key_flag(error) {
        let failure = Failure::new(Exit::Usage, "a key is never taken from the command line")
            .why("everybody on this machine can read it there (ps), and shells write it into their history")
            .mend(
                "set OPENAI_API_KEY, or upstream.api_key_file or api_key_command in the configuration file",
            );
        return exit::report(&failure.into());
    }
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        output::note(text.trim_end());
        return Exit::Usage;
    }
    output::data(&text).map_or_else(|error| exit::report(&error), |()| Exit::Success)
}

/// Whether somebody tried to give a key as a flag. The flag's value is not repeated.
fn is_key_flag(error: &clap::Error) -> bool {
    let unknown = error.get(clap::error::ContextKind::InvalidArg);
    error.kind() == clap::error::ErrorKind::UnknownArgument
        && matches!(unknown, Some(clap::error::ContextValue::String(flag))
            if ["--api-key", "--api_key", "--apikey", "--key", "--token", "--auth-token", "--openai-api-key"]
                .iter().any(|known| flag.split('=').next() == Some(known)))
}

/// The wish for colours on a line that cannot be read or asks for help: everything before a mistake counts.
fn wished_color() -> Color {
    // Here, `--help` must not end the reading.
    let help = || Arg::new("help").short('h').long("help").action(ArgAction::SetTrue);
    let lenient = |command: clap::Command| command.ignore_errors(true).disable_help_flag(true).arg(help());
    let matches = lenient(command()).mut_subcommands(lenient).try_get_matches().ok();
    let color = matches.as_ref().and_then(|matches| matches.try_get_one("color").ok().flatten());
    color.copied().unwrap_or(Color::Auto)
}

impl Color {
    fn choose(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

impl GlobalArgs {
    /// What to read for commands without settings among their flags.
    fn sources(&self) -> Sources {
        Sources { config_file: self.config.clone(), env_file: self.env_file.clone(), ..Sources::default() }
    }
}

/// The configuration, or exit code 78.
fn load(sources: &Sources) -> Result<Loaded> {
    Config::load(sources).map_err(|error| Failure::from_lines(Exit::Config, &error.to_string()).into())
}

/// The same, telling its warnings at once.
fn load_and_warn(sources: &Sources) -> Result<Config> {
    let loaded = load(sources)?;
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    Ok(loaded.config)
}

/// A runtime for commands that wait for more than one thing.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .wrap_err_with(|| Failure::new(Exit::Internal, "cannot start the runtime"))
}

/// Values for `--preset`.
fn preset_parser() -> impl clap::builder::TypedValueParser<Value = crate::translate::quirks::Preset> {
    use crate::translate::quirks::Preset;
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Preset::ALL.map(Preset::name))
        .try_map(|name| Preset::from_name(&name).ok_or("unknown preset"))
}

/// The names of dialects.
fn dialect_parser() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(crate::models::dialect::Wish::NAMES)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_model_of_the_command_line_is_sound() {
        super::command().debug_assert();
    }
}
