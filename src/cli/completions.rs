//! `completions`: prints the committed completion scripts, for those who installed the bare binary, or one that asks
//! this program at each press of the key, so that it knows the names of the configuration.

mod names;

use std::io;

use clap_complete::{CompleteEnv, env::Shells};
use color_eyre::{Result, eyre::WrapErr};

pub(super) use self::names::{model_names, upstream_models, upstream_names};
use crate::config::env;

use super::{
    exit::{Exit, Failure},
    output,
};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
    /// A script that asks this program each time, and so knows the models and upstreams of the configuration
    #[arg(long)]
    dynamic: bool,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy completions bash > ~/.local/share/bash-completion/completions/aiapiproxy
  aiapiproxy completions bash --dynamic > ~/.local/share/bash-completion/completions/aiapiproxy
  aiapiproxy completions zsh > \"${fpath[1]}/_aiapiproxy\"
  aiapiproxy completions fish > ~/.config/fish/completions/aiapiproxy.fish
  aiapiproxy completions powershell >> $PROFILE";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    if args.dynamic {
        output::data(&dynamic(args.shell)?)?;
        return Ok(Exit::Success);
    }
    output::data(match args.shell {
        Shell::Bash => include_str!("../../completions/aiapiproxy.bash"),
        Shell::Elvish => include_str!("../../completions/aiapiproxy.elv"),
        Shell::Fish => include_str!("../../completions/aiapiproxy.fish"),
        Shell::Powershell => include_str!("../../completions/_aiapiproxy.ps1"),
        Shell::Zsh => include_str!("../../completions/_aiapiproxy"),
    })?;
    Ok(Exit::Success)
}

/// Set by the scripts of `--dynamic`, to the name of the shell. A variable of our own: other programs use `COMPLETE`,
/// and a server that finds that one set must serve.
const VARIABLE: &str = "_AIAPIPROXY_COMPLETE";
const NAME: &str = "aiapiproxy";

fn dynamic(shell: Shell) -> Result<String> {
    let cannot = || Failure::new(Exit::Internal, "cannot write the script");
    let mut script = Vec::new();
    let written = match Shells::builtins().completer(shell.name()) {
        Some(shell) => shell.write_registration(VARIABLE, NAME, NAME, NAME, &mut script),
        None => Err(io::Error::other("unknown shell")),
    };
    written.wrap_err_with(cannot)?;
    String::from_utf8(script).wrap_err_with(cannot)
}

/// Answers a script of `--dynamic`, if it is one that asks.
pub(super) fn answered() -> bool {
    let completer = CompleteEnv::with_factory(super::command).var(VARIABLE).bin(NAME).completer(NAME);
    // A shell has no use for a message.
    completer.try_complete(env::command_line(), env::working_directory().as_deref()).unwrap_or(true)
}
