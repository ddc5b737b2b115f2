//! Reloading: SIGHUP brings a new configuration for the requests that come after it.
//!
//! The new one is read and checked whole before it replaces anything; a bad one is told of and changes nothing.
//! Requests that run keep the configuration that they began with, and the listener stays open all the time.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;

use super::{Error, notify, router::Routes, state::Shared, tls::Acceptor};
use crate::{
    config::{Config, Loaded, Sources, server::Auth},
    metrics::Metrics,
};

/// The configuration that holds now.
pub(super) struct Current(ArcSwap<Snapshot>);

/// One configuration, and the routes made for it: what a request keeps from its head to its end.
pub(super) struct Snapshot {
    pub(super) shared: Arc<Shared>,
    pub(super) routes: Routes,
    pub(super) tls: Option<Acceptor>,
}

impl Current {
    pub(super) fn new(config: Config, metrics: Arc<Metrics>) -> Result<Self, Error> {
        metrics.configured_at.set_to_now();
        Ok(Self(ArcSwap::from_pointee(Snapshot::of(Shared::new(config, metrics)?)?)))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    fn replace(&self, config: Config) -> Result<(), Error> {
        let shared = self.snapshot().shared.renewed(config)?;
        self.0.store(Arc::new(Snapshot::of(shared)?));
        Ok(())
    }
}

impl Snapshot {
    fn of(shared: Shared) -> Result<Self, Error> {
        let shared = Arc::new(shared);
        let tls = shared.config.server.tls.as_ref().map(Acceptor::new).transpose()?;
        Ok(Self { routes: Routes::new(&shared), tls, shared })
    }
}

/// What asks for a reload, and where the new configuration is read from.
#[derive(Debug)]
pub struct Reloads {
    requests: Requests,
    sources: Sources,
    made_key: Option<[u8; 32]>,
}

impl Reloads {
    /// Reloads from `sources` on SIGHUP. `made_key` is the digest of the key made at start: its holders must not
    /// be locked out, so it is good again whenever no other key is configured.
    ///
    /// # Errors
    /// When the system takes no signal handler.
    pub fn on_signals(sources: Sources, made_key: Option<[u8; 32]>) -> io::Result<Self> {
        Ok(Self { requests: Requests::new()?, sources, made_key })
    }

    /// Obeys for ever.
    pub(super) async fn follow(mut self, current: &Current, address: SocketAddr) -> Infallible {
        loop {
            self.requests.next().await;
            notify::reloading();
            let metrics = &current.snapshot().shared.metrics;
            match self.reload(current, address).await {
                Ok(()) => {
                    metrics.reloads.count();
                    metrics.configured_at.set_to_now();
                    tracing::info!("configuration reloaded");
                }
                Err(problem) => {
                    metrics.reloads_refused.count();
                    tracing::error!(%problem, "configuration not reloaded; the old one stays in force");
                }
            }
            notify::ready();
        }
    }

    async fn reload(&self, current: &Current, address: SocketAddr) -> Result<(), String> {
        let sources = self.sources.clone();
        // Files are read, and they may be slow to come.
        let loaded = tokio::task::spawn_blocking(move || Config::load(&sources)).await;
        let loaded = loaded.map_err(|error| error.to_string())?.map_err(|error| on_one_line(&error))?;
        let Loaded { mut config, warnings, .. } = loaded;
        self.settle_auth(&mut config, address)?;
        let later = keep_what_needs_a_restart(&mut config, &current.snapshot().shared.config);
        current.replace(config).map_err(|error| on_one_line(&error))?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if !later.is_empty() {
            tracing::warn!(settings = later.join(", "), "changed settings that need a restart");
        }
        Ok(())
    }

    /// The configuration decided by the host that it names; what counts is where the port is open now.
    fn settle_auth(&self, config: &mut Config, address: SocketAddr) -> Result<(), String> {
        let is_loopback = address.ip().to_canonical().is_loopback();
        let server = &mut config.server;
        match (server.auth, self.made_key) {
            (Auth::Generate, Some(digest)) => server.adopt_generated_key(digest),
            (Auth::Generate, None) if is_loopback => server.auth = Auth::None,
            (Auth::None, Some(digest)) if !is_loopback && !server.allow_unauthenticated => {
                server.adopt_generated_key(digest);
            }
            (Auth::Generate, None) => return Err(unguarded(address)),
            (Auth::None, None) if !is_loopback && !server.allow_unauthenticated => {
                return Err(unguarded(address));
            }
            _ => {}
        }
        Ok(())
    }
}

fn unguarded(address: SocketAddr) -> String {
    format!(
        "without client keys everybody who reaches {address} could spend the upstream's key; \
         set server.client_keys, or restart on loopback"
    )
}

/// Errors of the configuration have up to three lines; a log line has one.
fn on_one_line(error: &dyn std::error::Error) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Takes the settings that were read once, at start, from the configuration that runs. Names those that differ.
fn keep_what_needs_a_restart(new: &mut Config, running: &Config) -> Vec<&'static str> {
    let mut later = Vec::new();
    keep(&mut new.server.host, &running.server.host, "server.host", &mut later);
    keep(&mut new.server.port, &running.server.port, "server.port", &mut later);
    let connections = &running.limits.max_connections;
    keep(&mut new.limits.max_connections, connections, "limits.max_connections", &mut later);
    keep(&mut new.metrics, &running.metrics, "metrics.listen", &mut later);
    // A terminal's colours are no setting of the file.
    new.log.no_color = running.log.no_color;
    keep(&mut new.log, &running.log, "log", &mut later);
    later
}

fn keep<T: Clone + PartialEq>(
    new: &mut T,
    running: &T,
    name: &'static str,
    differing: &mut Vec<&'static str>,
) {
    if new != running {
        new.clone_from(running);
        differing.push(name);
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Requests(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Requests {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Nothing asks for a reload here.
#[cfg(not(unix))]
#[derive(Debug)]
struct Requests;

#[cfg(not(unix))]
impl Requests {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
