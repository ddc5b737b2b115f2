//! `run`: starts the proxy on a free port, runs a command that uses it, and ends when the command ends.
//!
//! The command keeps the terminal and is the only one that writes to stdout. What the proxy has to say goes to a
//! file, which is named only when something failed and removed otherwise.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, sync::Arc};

use color_eyre::{Result, eyre::WrapErr};
use tokio::{net::TcpListener, task::JoinHandle};

use self::{environment::Environment, log_file::LogFile};
use super::{
    GlobalArgs,
    exit::{Exit, Failure},
    load, output, runtime,
};
use crate::{
    config::{Config, Flags, Sources},
    secret::{self, SecretString},
    server::{
        self,
        demo::{self, Demo},
        shutdown::{self, Signal},
    },
    telemetry::{self, Failures},
    translate::quirks::Preset,
};

mod child;
mod environment;
mod log_file;

#[expect(clippy::doc_markdown, reason = "the docs are the help text, which is no markdown")]
/// Run a command, such as claude, with a proxy of its own
///
/// The proxy listens on a free port of this machine, accepts only a key made for this run, and ends with the
/// command. The command finds it by ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN; it keeps the terminal, and its
/// exit code becomes this program's.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{VARIABLES}\n\n{EXITS}"))]
pub(super) struct Args {
    /// The upstream's address [env: OPENAI_BASE_URL]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The kind of upstream; default: what the address tells
    #[arg(long, value_name = "NAME", value_parser = super::preset_parser())]
    preset: Option<Preset>,
    /// What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]
    #[arg(long, value_name = "NAME", value_parser = super::dialect_parser())]
    dialect: Option<String>,
    /// Answer from an upstream inside this program: no key, no network
    #[arg(long)]
    demo: bool,
    /// Leave ANTHROPIC_API_KEY and the upstream's key in the command's environment
    ///
    /// Otherwise they are taken out, so that nothing the command runs can read them or go past the proxy.
    #[arg(long)]
    keep_env: bool,
    /// Write the proxy's log to this file and keep it
    ///
    /// Otherwise it goes to a file in the temporary directory, which is named if something failed, and removed
    /// if nothing did.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy run -- claude
  aiapiproxy run --demo -- claude -p 'say hi'
  aiapiproxy run --base-url http://127.0.0.1:8080/v1 -- claude --model sonnet
  OPENAI_API_KEY=… aiapiproxy run -- python agent.py";

const VARIABLES: &str = "\
The command's environment:
  ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN   the proxy and the key for it
  CLAUDE_CODE_MAX_CONTEXT_TOKENS             the models' context window, if it is configured
  CLAUDE_CODE_MAX_OUTPUT_TOKENS              the most tokens of an answer, if that is configured
  CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK  1: a broken stream is not paid for a second time
  NO_PROXY                                   with 127.0.0.1 in it, where an HTTP proxy is set
  ANTHROPIC_API_KEY, CLIENT_API_KEYS,        taken out unless --keep-env is given, and so is
  OPENAI_API_KEY or its like                 the variable that holds the upstream's key
  CLAUDE_CODE_USE_BEDROCK and its like       taken out: they lead past every base URL";

const EXITS: &str = "\
Exit codes:
  the command's own, or 128 and the number of the signal that ended it
  73   the log file cannot be created
  78   wrong or incomplete configuration
  126  the command cannot be run
  127  there is no such command";

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let runtime = runtime()?;
    let ended = runtime.block_on(supervise(args, global));
    // Whatever still runs in a background thread must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn supervise(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let demo = if args.demo { Some(start_demo().await?) } else { None };
    let mut config = configuration(args, global, demo.as_ref())?;
    let (listener, address) = listen().await?;
    let key = make_key(&mut config)?;
    let log_file = LogFile::create(args.log_file.clone())?;
    let failures = telemetry::init_file(&config.log, log_file.handle()?)
        .wrap_err_with(|| Failure::new(Exit::Internal, "cannot start logging"))?;
    let environment = Environment::new(&config, address, key, args.keep_env);
    tracing::info!(%address, upstream = %config.upstream.base_url, "serving one command");

    let (trigger, shutdown) = shutdown::channel();
    let server = tokio::spawn(server::run(config, listener, shutdown, None, Arc::default()));
    let ended = child::run(&args.command, &environment).await;
    // Whoever asked is gone, so nothing is left to be finished.
    trigger.advance(Signal::Program);
    trigger.advance(Signal::Program);
    let served = end_of(server).await;
    tell(log_file, &failures, served.is_err());
    served?;
    ended
}

fn configuration(args: &Args, global: &GlobalArgs, demo: Option<&Demo>) -> Result<Config> {
    let flags = Flags {
        host: Some("127.0.0.1".to_owned()),
        port: Some(0),
        base_url: args.base_url.clone(),
        preset: args.preset,
        dialect: args.dialect.clone(),
        demo: demo.map(|demo| demo.base_url.clone()),
        for_one_command: true,
        ..Flags::default()
    };
    // `./.env` is not read: the command is most often started inside somebody's repository, whose file would
    // then say where all of its prompts go.
    let loaded = load(&Sources { flags, ..global.sources() })?;
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    Ok(loaded.config)
}

async fn start_demo() -> Result<Demo> {
    demo::start().await.wrap_err_with(|| Failure::new(Exit::Unavailable, "cannot start the demo upstream"))
}

async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(("127.0.0.1", 0)).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.wrap_err_with(|| Failure::new(Exit::Unavailable, "cannot listen on 127.0.0.1"))
}

fn make_key(config: &mut Config) -> Result<SecretString> {
    let made = secret::generate_client_key();
    let (key, digest) = made.wrap_err_with(|| Failure::new(Exit::Internal, "cannot make a client key"))?;
    config.server.adopt_generated_key(digest);
    Ok(key)
}

/// Waits for the server. It can only fail at its start, over settings that cannot be used.
async fn end_of(server: JoinHandle<Result<server::Summary, server::Error>>) -> Result<()> {
    match server.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Failure::from_lines(Exit::Config, &error.to_string()).into()),
        Err(error) => Err(error).wrap_err_with(|| Failure::new(Exit::Internal, "the proxy broke down")),
    }
}

/// Names the log if something in it explains a failure, and removes it otherwise.
fn tell(log_file: LogFile, failures: &Failures, broke_down: bool) {
    let what = match (failures.requests(), failures.warned()) {
        (0, false) if !broke_down => return,
        (0, _) => "the proxy has something to say about this run".to_owned(),
        (1, _) => "1 request failed".to_owned(),
        (many, _) => format!("{many} requests failed"),
    };
    output::note(&format!("aiapiproxy: {what}; the log is {}", log_file.keep().display()));
}
