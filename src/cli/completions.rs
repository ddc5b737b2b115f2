//! `completions`: prints the committed completion scripts, for those who installed the bare binary.

use color_eyre::Result;

use super::{exit::Exit, output};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy completions bash > ~/.local/share/bash-completion/completions/aiapiproxy
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

pub(super) fn run(args: &Args) -> Result<Exit> {
    output::data(match args.shell {
        Shell::Bash => include_str!("../../completions/aiapiproxy.bash"),
        Shell::Elvish => include_str!("../../completions/aiapiproxy.elv"),
        Shell::Fish => include_str!("../../completions/aiapiproxy.fish"),
        Shell::Powershell => include_str!("../../completions/_aiapiproxy.ps1"),
        Shell::Zsh => include_str!("../../completions/_aiapiproxy"),
    })?;
    Ok(Exit::Success)
}
