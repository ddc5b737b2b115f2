//! The gateway: connections of clients in, answers out.
//!
//! [`run`] serves a bound listener until it is told to stop. What a request passes on its way stands in
//! `router.rs`, what becomes of it in `routes/`.

mod accept;
mod auth;
mod client_io;
mod content_encoding;
pub mod demo;
mod error;
mod event_body;
mod lessons;
mod limits;
mod request_log;
mod router;
mod routes;
pub mod shutdown;
mod state;

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;

use self::{
    shutdown::{Shutdown, Signal},
    state::Shared,
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
}

/// Serves `listener` until `shutdown` says so; then running requests may finish for `shutdown_grace`. What happens is
/// counted in `metrics`.
///
/// # Errors
/// When the upstream's settings cannot be used; nothing has been served then.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
) -> Result<Summary, Error> {
    let shared = Arc::new(Shared::new(config, metrics)?);
    let router = router::router(Arc::clone(&shared));
    Ok(accept::serve(listener, router, shared, shutdown).await)
}

#[cfg(test)]
mod tests;
