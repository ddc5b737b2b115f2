//! `keys`: makes keys for clients. What is kept is a hash, so a key is shown once.

use color_eyre::{Result, eyre::WrapErr};
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output,
};
use crate::secret::{self, ExposeSecret as _};

/// Make keys that clients present to the server
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(New),
}

/// Make a key: print it once, and the table for the configuration file, which holds only its hash
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
struct New {
    /// What logs call the client; up to 64 letters, digits, `-`, `_`, `.`, `@`
    #[arg(long, value_name = "ID", default_value = "client", value_parser = id)]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy keys new --id alice
  aiapiproxy keys new --id ci --json

The first line is the key, for the client; the rest goes into the configuration file. Nobody can show the key again.";

/// A new key.
#[derive(Serialize)]
struct Made<'a> {
    id: &'a str,
    key: &'a str,
    sha256: &'a str,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let Command::New(New { id, json }) = &args.command;
    let made = secret::generate_client_key();
    let (key, digest) = made.wrap_err_with(|| Failure::new(Exit::Internal, "cannot make a client key"))?;
    let (key, sha256) = (key.expose_secret(), secret::hex(&digest));
    if *json {
        output::json(&Made { id, key, sha256: &sha256 })?;
    } else {
        output::data(&format!("{key}\n\n[[server.client_keys]]\nid = \"{id}\"\nsha256 = \"{sha256}\"\n"))?;
    }
    Ok(Exit::Success)
}

/// Ids stand in TOML and in log lines.
fn id(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("an id has 1 to 64 letters, digits, `-`, `_`, `.` or `@`")
}
