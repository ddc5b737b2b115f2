//! `serve`: reads the configuration, listens, says where, and serves until it is told to stop.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use clap::builder::PossibleValuesParser;
use color_eyre::{Result, eyre::WrapErr};
use listenfd::ListenFd;
use tokio::net::TcpListener;
use url::Url;

use super::{
    Color, GlobalArgs,
    exit::{Exit, Failure},
    load, runtime,
};
use crate::{
    config::{
        Config, Flags, Sources,
        log::Format,
        server::{Auth, Server},
    },
    metrics::Metrics,
    secret,
    server::{Listeners, demo::Demo},
    telemetry,
    translate::quirks::Preset,
};

mod banner;

#[expect(clippy::doc_markdown, reason = "the docs are the help text, which is no markdown")]
/// Run the proxy: listen for clients of Anthropic's API and answer with the upstream's models
///
/// Flags win over the environment, the environment over the configuration file. Without any setting but
/// OPENAI_API_KEY the upstream is OpenAI. Ctrl-C lets running requests finish; a second one does not wait.
/// SIGHUP reads the configuration again: a wrong one is told of and the old one stays.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{VARIABLES}\n\n{EXITS}"))]
pub(super) struct Args {
    /// Address to listen on [default: 127.0.0.1] [env: SERVER_HOST]
    ///
    /// Beyond loopback clients must present a key. If none is configured, one is made and shown once.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Port to listen on; 0 lets the system choose [default: 8082] [env: SERVER_PORT]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The upstream's address [env: OPENAI_BASE_URL]
    ///
    /// What /chat/completions is appended to, such as http://127.0.0.1:8080/v1. Default by preset.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The kind of upstream; default: what the address tells
    #[arg(long, value_name = "NAME", value_parser = super::preset_parser())]
    preset: Option<Preset>,
    /// What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]
    ///
    /// `messages` forwards Anthropic's own API to servers that speak it, such as vLLM and llama.cpp. `auto` is
    /// chat completions, but Responses for the models of OpenAI that take tools only there.
    #[arg(long, value_name = "NAME", value_parser = super::dialect_parser())]
    dialect: Option<String>,
    /// Allow `auth = "none"` beyond loopback: whoever reaches the port spends your key
    #[arg(long)]
    allow_unauthenticated: bool,
    /// The form of log lines [default: text] [env: LOG_FORMAT]
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(["text", "json"]))]
    log_format: Option<String>,
    /// Answer from an upstream inside this program: no key, no network
    ///
    /// For trying things out. All other settings of the upstream are ignored.
    #[arg(long)]
    demo: bool,
}

const EXAMPLES: &str = "\
Examples:
  OPENAI_API_KEY=… aiapiproxy serve
  aiapiproxy serve --base-url http://127.0.0.1:8080/v1
  aiapiproxy serve --demo --port 0
  CLIENT_API_KEYS=… aiapiproxy serve --host 0.0.0.0";

const VARIABLES: &str = "\
Environment:
  OPENAI_API_KEY           the upstream's key
  OPENAI_BASE_URL          the upstream's address [default: https://api.openai.com/v1]
  OPENAI_DIALECT           auto, chat, responses or messages [default: auto]
  OPENAI_API_VERSION       Azure's api-version
  SERVER_HOST              address to listen on [default: 127.0.0.1]
  SERVER_PORT              port to listen on [default: 8082]
  CLIENT_API_KEYS          keys that clients may present, with commas between them
  CLAUDE_HAIKU_MODEL       the upstream model for haiku [default on OpenAI: gpt-6-luna]
  CLAUDE_SONNET_MODEL      the upstream model for sonnet [default on OpenAI: gpt-6-sol]
  CLAUDE_OPUS_MODEL        the upstream model for opus and above [default on OpenAI: gpt-6-astra]
  REQUEST_TIMEOUT          seconds to the first byte [default: 600] and between bytes [default: 300]
  MAX_REQUEST_SIZE         bytes of a request [default: 32MiB]
  MAX_CONCURRENT_REQUESTS  requests at the same time [default: 1000]
  RUST_LOG                 what is logged [default: warn,aiapiproxy=info]
  LOG_FORMAT               text or json [default: text]
  ALLOWED_ORIGINS          web origins that may call, with commas between them [default: *]
  CORS_ENABLED             whether web pages may call at all [default: true]
  ON_LOSSY                 what becomes of lossy requests: warn or refuse [default: warn]
  DEV_MODE                 log debug events of this program, never bodies [default: false]
  AIAPIPROXY_CONFIG        the configuration file
  NO_COLOR                 no colours";

const EXITS: &str = "\
Exit codes:
  0    stopped by a signal, after all requests were through
  69   the port is taken
  77   the port needs privileges
  78   wrong or incomplete configuration, or an address that this machine does not have
  130  stopped by a second signal
  143  stopped by a second SIGTERM";

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let runtime = runtime()?;
    let ended = runtime.block_on(serve(args, global));
    // Whatever still runs in a background thread must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn serve(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let demo = if args.demo { Some(engine::start_demo().await?) } else { None };
    let demo_url = demo.as_ref().map(|demo| demo.base_url.clone());
    let sources = sources(args, global, demo_url);
    let loaded = load(&sources)?;
    let mut config = loaded.config;
    config.log.no_color |= global.color == Color::Never;
    let (listener, address) = bind(&config.server).await?;
    let metrics_listener = bind_metrics(config.metrics.listen).await?;
    let metrics = Arc::new(Metrics::default());
    let logging = telemetry::init(&config.log, Arc::clone(&metrics));
    let _flush = logging.wrap_err_with(|| Failure::new(Exit::Internal, "cannot start logging"))?;

    engine::check(&config)?;

    // Before the first line, so that whoever waits for it may send a signal at once.
    let shutdown = engine::on_signals()?;

    let mut lines = banner::Lines::new(config.log.format);
    for warning in &loaded.warnings {
        lines.warn(warning);
    }
    guard(&mut config.server, address);
    let made_key = make_key(&mut config.server)?;
    let reloads = engine::on_hangup(sources, made_key.as_ref())?;
    lines.start(&config, address, args.demo);
    if let Some((_, address)) = &metrics_listener {
        lines.metrics(*address);
    }
    lines.clients(&config, address, made_key.as_ref());
    let listeners = Listeners { clients: listener, metrics: metrics_listener.map(|(listener, _)| listener) };
    engine::serve(config, listeners, shutdown, reloads, metrics).await
}

fn sources(args: &Args, global: &GlobalArgs, demo: Option<Url>) -> Sources {
    let flags = Flags {
        host: args.host.clone(),
        port: args.port,
        base_url: args.base_url.clone(),
        preset: args.preset,
        dialect: args.dialect.clone(),
        allow_unauthenticated: args.allow_unauthenticated,
        log_format: args.log_format.as_deref().and_then(Format::from_name),
        demo,
        for_one_command: false,
    };
    Sources { flags, read_dot_env: true, ..global.sources() }
}

/// A socket that was handed over (`LISTEN_FDS`) is taken as it is; otherwise one is opened at host and port.
async fn bind(server: &Server) -> Result<(TcpListener, SocketAddr)> {
    let inherited = ListenFd::from_env().take_tcp_listener(0);
    let inherited = inherited.wrap_err_with(|| {
        Failure::new(Exit::Config, "the socket that was handed over is no TCP listener")
            .mend("in the unit of the socket, ListenStream must name a TCP port")
    })?;
    let bound = match inherited {
        Some(listener) => listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)),
        None => TcpListener::bind((server.host.as_str(), server.port)).await,
    };
    let bound = bound.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| cannot_listen(server, &error).into())
}

/// The port that the numbers have to themselves.
async fn bind_metrics(address: Option<SocketAddr>) -> Result<Option<(TcpListener, SocketAddr)>> {
    let Some(wanted) = address else { return Ok(None) };
    let bound = TcpListener::bind(wanted).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    let cannot = |error: io::Error| {
        let exit = if error.kind() == io::ErrorKind::AddrInUse { Exit::Unavailable } else { Exit::Config };
        Failure::new(exit, format!("cannot listen on {wanted} for metrics"))
            .why(error.to_string())
            .mend("choose another port for metrics.listen, or leave it out")
    };
    Ok(Some(bound.map_err(cannot)?))
}

fn cannot_listen(server: &Server, error: &io::Error) -> Failure {
    let Server { host, port, .. } = server;
    let (exit, mend) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            Exit::Unavailable,
            format!(
                "stop what listens there, or choose another port: --port {}",
                port.checked_add(1).unwrap_or(0)
            ),
        ),
        io::ErrorKind::PermissionDenied => {
            (Exit::NoPermission, "ports below 1024 need privileges; choose another: --port 8082".to_owned())
        }
        _ => (Exit::Config, "name an address of this machine: --host 127.0.0.1, or SERVER_HOST".to_owned()),
    };
    Failure::new(exit, format!("cannot listen on {host} port {port}")).why(error.to_string()).mend(mend)
}

/// Who may call was decided by the host that is configured; a socket that was handed over may be open to others.
fn guard(server: &mut Server, address: SocketAddr) {
    let open = !address.ip().to_canonical().is_loopback();
    if open && server.auth == Auth::None && !server.allow_unauthenticated {
        server.auth = Auth::Generate;
    }
}

/// Makes the key that clients must present when the port is open to others and no key is configured.
fn make_key(server: &mut Server) -> Result<Option<secret::SecretString>> {
    if server.auth != Auth::Generate {
        return Ok(None);
    }
    let made = secret::generate_client_key();
    let (key, digest) = made.wrap_err_with(|| {
        Failure::new(Exit::Internal, "cannot make a client key")
            .mend("set CLIENT_API_KEYS to a key of your own")
    })?;
    server.adopt_generated_key(digest);
    Ok(Some(key))
}

/// Where clients on this machine reach the server.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The calls into the server.
mod engine {
    use super::{Arc, Config, Demo, Exit, Failure, Listeners, Metrics, Result, Sources, WrapErr, secret};
    use crate::{
        secret::{ExposeSecret as _, SecretString},
        server::{
            self, demo, descriptors,
            reload::Reloads,
            shutdown::{self, Shutdown, Signal},
        },
    };

    /// Starts the embedded upstream.
    pub(super) async fn start_demo() -> Result<Demo> {
        demo::start()
            .await
            .wrap_err_with(|| Failure::new(Exit::Unavailable, "cannot start the demo upstream"))
    }

    /// Tries the files that serving needs.
    pub(super) fn check(config: &Config) -> Result<()> {
        server::check(config).map_err(|error| Failure::from_lines(Exit::Config, &error.to_string()).into())
    }

    /// Begins to listen to signals.
    pub(super) fn on_signals() -> Result<Shutdown> {
        shutdown::on_signals().wrap_err_with(|| Failure::new(Exit::Internal, "cannot listen to signals"))
    }

    /// Begins to listen to SIGHUP.
    pub(super) fn on_hangup(sources: Sources, made_key: Option<&SecretString>) -> Result<Reloads> {
        let made_key = made_key.map(|key| secret::digest(key.expose_secret()));
        Reloads::on_signals(sources, made_key)
            .wrap_err_with(|| Failure::new(Exit::Internal, "cannot listen to signals"))
    }

    /// Serves until a signal.
    pub(super) async fn serve(
        config: Config,
        listeners: Listeners,
        shutdown: Shutdown,
        reloads: Reloads,
        metrics: Arc<Metrics>,
    ) -> Result<Exit> {
        descriptors::raise_limit(config.limits.max_connections);
        // The configuration was checked, so what is wrong now is wrong with the upstream's part of it.
        let ended = server::run(config, listeners, shutdown, Some(reloads), metrics).await;
        let summary = ended.map_err(|error| Failure::from_lines(Exit::Config, &error.to_string()))?;
        Ok(match summary.signal {
            _ if !summary.forced => Exit::Success,
            Signal::Terminate => Exit::Terminated,
            Signal::Interrupt | Signal::Program => Exit::Interrupted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env;

    #[test]
    fn every_variable_is_in_the_help() {
        for variable in env::VARIABLES {
            assert!(VARIABLES.contains(&format!("\n  {} ", variable.name)), "{}", variable.name);
        }
    }

    #[tokio::test]
    async fn a_taken_port_and_a_bad_address_are_told_apart() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = |host: &str, port| Server { host: host.to_owned(), port, ..Server::default() };
        let exit = |error: color_eyre::Report| error.downcast_ref::<Failure>().unwrap().exit();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(exit(bind(&server("127.0.0.1", port)).await.unwrap_err()), Exit::Unavailable);
        // An address for documentation (RFC 5737), which no machine has.
        assert_eq!(exit(bind(&server("192.0.2.1", 0)).await.unwrap_err()), Exit::Config);
        let (_listener, address) = bind(&server("127.0.0.1", 0)).await.unwrap();
        assert_ne!(address.port(), 0);
    }

    #[test]
    fn a_server_that_listens_everywhere_is_reached_at_home() {
        for (listening, reached) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.7:1", "10.0.0.7:1")]
        {
            assert_eq!(reachable(listening.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
