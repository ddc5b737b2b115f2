//! `config init`: a commented configuration file to begin with.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use color_eyre::{Result, eyre::WrapErr};

use crate::{
    cli::{
        exit::{Exit, Failure},
        output,
    },
    config::{self, Config, upstream::default_base_url},
    translate::quirks::Preset,
};

#[expect(clippy::doc_markdown, reason = "the docs are the help text, which is no markdown")]
/// Write a commented configuration file to begin with
///
/// Asks on a terminal for what no flag says. Only the owner may read the file. Keys are not asked for: the file
/// names the variable that holds the upstream's.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The kind of upstream
    #[arg(long, value_name = "NAME", value_parser = crate::cli::preset_parser())]
    preset: Option<Preset>,
    /// The upstream's address
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The variable that holds the upstream's key [default: OPENAI_API_KEY]
    #[arg(long, value_name = "VARIABLE")]
    api_key_env: Option<String>,
    /// The upstream's model for haiku
    #[arg(long, value_name = "MODEL")]
    haiku: Option<String>,
    /// The upstream's model for sonnet
    #[arg(long, value_name = "MODEL")]
    sonnet: Option<String>,
    /// The upstream's model for opus
    #[arg(long, value_name = "MODEL")]
    opus: Option<String>,
    /// The file to write, or - for stdout; default: where the program looks for it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    /// Ask nothing, even on a terminal
    #[arg(short, long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy config init
  aiapiproxy config init --preset ollama --sonnet qwen3-coder --haiku qwen3-coder
  aiapiproxy config init --preset groq --api-key-env GROQ_API_KEY --output -";

/// What goes into the file.
#[derive(Default)]
struct Wishes {
    preset: Option<Preset>,
    base_url: Option<String>,
    api_key_env: Option<String>,
    haiku: Option<String>,
    sonnet: Option<String>,
    opus: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let mut wishes = Wishes {
        preset: args.preset,
        base_url: args.base_url.clone(),
        api_key_env: args.api_key_env.clone(),
        haiku: args.haiku.clone(),
        sonnet: args.sonnet.clone(),
        opus: args.opus.clone(),
    };
    if !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal() {
        ask(&mut wishes)?;
    }
    let text = config::with_values(&wishes.values());
    // What was asked for is checked as if it had been written by hand.
    Config::of_text(&text).map_err(|error| Failure::from_lines(Exit::Config, &error.to_string()))?;
    let path = args.output.clone().or_else(config::user_file);
    match path {
        Some(path) if path.as_os_str() == "-" => output::data(&text)?,
        Some(path) => {
            write(&path, &text, args.force)?;
            output::data(&format!("wrote {}; next: `aiapiproxy check`\n", path.display()))?;
        }
        None => {
            return Err(Failure::new(Exit::CannotCreate, "no place for the file")
                .mend("name one: --output FILE")
                .into());
        }
    }
    Ok(Exit::Success)
}

impl Wishes {
    /// The keys to set, in TOML.
    fn values(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.as_ref().map(|value| config::quoted(value));
        let values = [
            ("upstream.preset", self.preset.map(|preset| config::quoted(preset.name()))),
            ("upstream.base_url", text(&self.base_url)),
            ("upstream.api_key_env", text(&self.api_key_env)),
            ("models.haiku", text(&self.haiku)),
            ("models.sonnet", text(&self.sonnet)),
            ("models.opus", text(&self.opus)),
        ];
        values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// Asks for what is not known yet. An empty answer leaves the default.
fn ask(wishes: &mut Wishes) -> Result<()> {
    while wishes.preset.is_none() {
        let names = Preset::ALL.map(Preset::name).join(", ");
        let Some(answer) = question(&format!("Kind of upstream ({names})"), "openai")? else { break };
        wishes.preset = Preset::from_name(&answer);
    }
    let preset = wishes.preset.unwrap_or(Preset::OpenAi);
    let address = default_base_url(preset);
    while wishes.base_url.is_none() {
        wishes.base_url = question("Its address", address.unwrap_or("none known"))?;
        if wishes.base_url.is_some() || address.is_some() {
            break;
        }
    }
    if wishes.api_key_env.is_none() && preset.needs_key() {
        wishes.api_key_env = question("Variable that holds the key", "OPENAI_API_KEY")?;
    }
    let as_is = if preset == Preset::OpenAi { "the newest" } else { "Claude's name, unchanged" };
    for (name, wish) in
        [("sonnet", &mut wishes.sonnet), ("opus", &mut wishes.opus), ("haiku", &mut wishes.haiku)]
    {
        if wish.is_none() {
            *wish = question(&format!("Model for {name}"), as_is)?;
        }
    }
    Ok(())
}

/// One question on the terminal; `None` for an empty answer.
fn question(text: &str, default: &str) -> Result<Option<String>> {
    let lost = || Failure::new(Exit::InputOutput, "cannot ask on the terminal").mend("use flags and --yes");
    let mut answer = String::new();
    write!(anstream::stderr(), "{text} [{default}]: ")
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .wrap_err_with(lost)?;
    let answer = answer.trim();
    Ok((!answer.is_empty()).then(|| answer.to_owned()))
}

fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let cannot = || Failure::new(Exit::CannotCreate, format!("cannot write {}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).wrap_err_with(cannot)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(force).create(force).create_new(!force);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        let mend = if is_there {
            "--force writes over it, --output FILE elsewhere"
        } else {
            "name another place: --output FILE"
        };
        cannot().why(error.to_string()).mend(mend).into()
    })
}
