//! The gateway: connections of clients in, answers out.
//!
//! [`run`] serves a bound listener until it is told to stop. What a request passes on its way stands in
//! `router.rs`, what becomes of it in `routes/`.

mod accept;
pub mod auth;
mod client_address;
mod client_io;
mod clients;
mod content_encoding;
pub mod demo;
pub mod descriptors;
mod dispatch;
mod error;
mod event_body;
#[cfg(debug_assertions)]
mod fail_point;
mod gate;
mod lessons;
mod limits;
mod metrics_port;
mod notify;
pub mod reload;
mod request_log;
mod router;
mod routes;
pub mod shutdown;
mod state;
mod sums;
pub mod tls;

use std::{future, io, sync::Arc, time::Duration};

use tokio::net::TcpListener;

use self::{
    reload::{Current, Reloads},
    shutdown::{Shutdown, Signal},
};
use crate::{config::Config, metrics::Metrics, upstream};

/// How serving ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Who stopped it.
    pub signal: Signal,
    /// A second signal ended it before the requests were through.
    pub forced: bool,
    /// Connections that were cut off, by the second signal or at the end of `shutdown_grace`.
    pub cut: usize,
    /// From the first request to stop to the end.
    pub drained_for: Duration,
}

/// Why there is nothing to serve with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The upstream's settings cannot be used.
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The listener has no address.
    #[error("the listener cannot be used: {0}")]
    Listener(#[from] io::Error),
}

/// Whether the files that serving needs can be used, so that the user hears of it before clients come.
///
/// # Errors
/// As [`run`].
pub fn check(config: &Config) -> Result<(), Error> {
    config.server.tls.as_ref().map(tls::Acceptor::new).transpose()?;
    if config.upstream.ca_file.is_some() {
        upstream::Upstream::new(&config.upstream, &config.limits, Arc::default())?;
    }
    Ok(())
}

/// Where it is listened.
#[derive(Debug)]
pub struct Listeners {
    /// To clients.
    pub clients: TcpListener,
    /// To who asks for the numbers alone, on loopback.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(clients: TcpListener) -> Self {
        Self { clients, metrics: None }
    }
}

/// Serves `listeners` until `shutdown` says so; then running requests may finish for `shutdown_grace`. `reloads`
/// may bring other configurations meanwhile; what happens is counted in `metrics` over all of them.
///
/// # Errors
/// When the upstream's settings cannot be used, or the listener has no address; nothing has been served then.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: Shutdown,
    reloads: Option<Reloads>,
    metrics: Arc<Metrics>,
) -> Result<Summary, Error> {
    let Listeners { clients: listener, metrics: metrics_listener } = listeners.into();
    let address = listener.local_addr()?;
    let current = Arc::new(Current::new(config, metrics)?);
    let reloading = async {
        match reloads {
            Some(reloads) => reloads.follow(&current, address).await,
            None => future::pending().await,
        }
    };
    let telling = async {
        match metrics_listener {
            Some(listener) => metrics_port::serve(listener, Arc::clone(&current)).await,
            None => future::pending().await,
        }
    };
    notify::ready();
    tokio::select! {
        summary = accept::serve(listener, Arc::clone(&current), shutdown) => Ok(summary),
        never = reloading => match never {},
        never = telling => match never {},
    }
}

#[cfg(test)]
mod tests;
