//! The HTTP clients: pool, timeouts, proxy, TLS.

use std::{net::IpAddr, sync::OnceLock, time::Duration};

use reqwest::{Client, ClientBuilder, redirect, retry};
use url::{Host, Url};

use super::error::Error;
use crate::config::{limits::Limits, upstream::Upstream as Settings};

/// The client that keeps connections, and the one that does not.
#[derive(Debug)]
pub(super) struct Clients {
    pooled: Client,
    /// Made when it is first needed: it loads the TLS roots once more.
    fresh: OnceLock<Client>,
    base_url: Url,
    connect_timeout: Duration,
}

impl Clients {
    pub(super) fn new(settings: &Settings, limits: &Limits) -> Result<Self, Error> {
        let base_url = settings.base_url.clone();
        let pooled = builder(&base_url, limits.connect_timeout)
            .pool_idle_timeout(limits.pool_idle_timeout.unwrap_or_else(|| pool_idle_timeout(&base_url)))
            .build()
            .map_err(|error| Error::setup(&error))?;
        Ok(Self { pooled, fresh: OnceLock::new(), base_url, connect_timeout: limits.connect_timeout })
    }

    pub(super) fn pooled(&self) -> &Client {
        &self.pooled
    }

    /// The client whose every request opens a connection, for a request whose kept connection died.
    pub(super) fn fresh(&self) -> Result<&Client, Error> {
        if let Some(client) = self.fresh.get() {
            return Ok(client);
        }
        let client = builder(&self.base_url, self.connect_timeout)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| Error::setup(&error))?;
        Ok(self.fresh.get_or_init(|| client))
    }
}

fn builder(base_url: &Url, connect_timeout: Duration) -> ClientBuilder {
    let mut builder = Client::builder()
        // A redirect would carry the key and the prompt to a place that nobody configured.
        .redirect(redirect::Policy::none())
        // What is retried is decided in one place, `retry.rs`.
        .retry(retry::never())
        // One HTTP/2 connection per host would be a ceiling.
        .http1_only()
        // Without it a small request waits 40 ms for the acknowledgement of the one before.
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(15))
        .connect_timeout(connect_timeout);
    #[cfg(target_os = "linux")]
    {
        builder = builder.tcp_user_timeout(Duration::from_secs(30));
    }
    if is_loopback(base_url) {
        builder = builder.no_proxy();
        if base_url.scheme() == "http" {
            // No TLS, so no roots to load: it saves milliseconds and megabytes, and a container without roots
            // can still talk to a local server.
            builder = builder.tls_certs_only([]);
        }
    }
    builder
}

/// Local servers (uvicorn, llama.cpp, Node) close idle connections after about five seconds, hosted ones after a
/// minute or more. A connection must be given up before the other side does.
fn pool_idle_timeout(base_url: &Url) -> Duration {
    if base_url.scheme() == "https" && !is_loopback(base_url) {
        Duration::from_secs(55)
    } else {
        Duration::from_secs(4)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_are_given_up_before_the_server_does() {
        let seconds = |url: &str| pool_idle_timeout(&Url::parse(url).unwrap()).as_secs();
        assert_eq!(seconds("https://api.openai.com/v1"), 55);
        assert_eq!(seconds("http://gpu.lan:8000/v1"), 4);
        assert_eq!(seconds("https://[::1]:8443/"), 4);
        assert_eq!(seconds("http://localhost:11434/v1"), 4);
    }

    #[test]
    fn a_plain_local_upstream_needs_no_tls_roots() {
        let url = Url::parse("http://127.0.0.1:1/v1").unwrap();
        assert!(builder(&url, Duration::from_secs(1)).build().is_ok());
    }
}
