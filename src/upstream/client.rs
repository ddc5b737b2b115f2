//! The HTTP clients: pool, timeouts, proxy, TLS.

use std::{fs, future::ready, net::IpAddr, path::Path, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};
use tower::ServiceExt as _;
use tower_http::decompression::Decompression;
use url::{Host, Url};

use super::{
    body::Inner,
    direct::{self, Direct},
    error::Error,
    request::Address,
};
use crate::config::{limits::Limits, upstream::Upstream as Settings};

/// The way to the upstream.
#[derive(Debug)]
pub(super) enum Clients {
    /// Without anything between.
    Direct(Direct),
    /// Through the proxy that the system names, with further roots, or over HTTP/2.
    Proxied(Proxied),
}

/// The client that keeps connections, and the one that does not.
#[derive(Debug)]
pub(super) struct Proxied {
    pooled: Client,
    /// Made when it is first needed: it loads the TLS roots once more.
    fresh: OnceLock<Client>,
    connect_timeout: Duration,
    /// It is on this machine, where no proxy leads.
    is_local: bool,
    /// Beside those that the system trusts.
    roots: Vec<Certificate>,
    protocol: Protocol,
}

/// What is spoken below the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    /// HTTP/2 as it is negotiated by TLS.
    Http2,
    /// HTTP/2 without TLS, which must be known beforehand.
    Http2Plain,
}

impl Protocol {
    fn of(settings: &Settings) -> Self {
        match settings.base_url.scheme() {
            _ if !settings.http2 => Self::Http1,
            "https" => Self::Http2,
            _ => Self::Http2Plain,
        }
    }
}

/// One request, whatever the way.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) address: &'a Address,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// It must have a connection of its own, because a kept one died.
    pub(super) fresh: bool,
}

impl<'a> Request<'a> {
    /// A request with nothing in it.
    pub(super) fn new(method: Method, address: &'a Address) -> Self {
        Self { method, address, headers: HeaderMap::new(), body: Bytes::new(), fresh: false }
    }
}

impl Clients {
    pub(super) fn new(settings: &Settings, limits: &Limits) -> Result<Self, Error> {
        let base_url = &settings.base_url;
        let connect_timeout = limits.connect_timeout;
        let idle_timeout = limits.pool_idle_timeout.unwrap_or_else(|| pool_idle_timeout(base_url));
        let protocol = Protocol::of(settings);
        if is_direct(base_url) && settings.ca_file.is_none() && protocol == Protocol::Http1 {
            return Direct::new(base_url, connect_timeout, idle_timeout).map(Self::Direct);
        }
        let roots = settings.ca_file.as_deref().map_or(Ok(Vec::new()), roots)?;
        let is_local = is_loopback(base_url);
        let pooled =
            builder(connect_timeout, is_local, &roots, protocol).pool_idle_timeout(idle_timeout).build();
        let pooled = pooled.map_err(|error| Error::setup(&error))?;
        let fresh = OnceLock::new();
        Ok(Self::Proxied(Proxied { pooled, fresh, connect_timeout, is_local, roots, protocol }))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&self, request: Request<'_>, host: &str) -> Result<Response<Inner>, Error> {
        let Request { method, address, mut headers, body, fresh } = request;
        match self {
            Self::Direct(direct) => {
                headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
                headers.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ENCODINGS));
                decompressed(direct.send(method, address, headers, body, fresh).await?, host).await
            }
            Self::Proxied(proxied) => {
                let client = if fresh { proxied.fresh()? } else { &proxied.pooled };
                let sent =
                    client.request(method, address.url.clone()).headers(headers).body(body).send().await;
                let answer = sent.map_err(|error| Error::from_send(&error, host.to_owned()))?;
                Ok(Response::from(answer).map(Inner::Proxied))
            }
        }
    }
}

/// What [`decompressed`] understands.
const ENCODINGS: &str = "gzip, br, zstd, deflate";

/// Undoes the compression of an answer, if it has any.
async fn decompressed(answer: Response<direct::Body>, host: &str) -> Result<Response<Inner>, Error> {
    if !answer.headers().contains_key(header::CONTENT_ENCODING) {
        return Ok(answer.map(Inner::Direct));
    }
    let mut answer = Some(answer);
    let answered = tower::service_fn(move |_: http::Request<()>| ready(answer.take().ok_or(Taken)));
    let answer = Decompression::new(answered).oneshot(http::Request::new(())).await;
    // It is asked for once only.
    let answer = answer.map_err(|Taken| Error::NoAnswer { host: host.to_owned() })?;
    Ok(answer.map(|body| Inner::Decompressed(Box::pin(body))))
}

/// An answer that was taken before.
#[derive(Debug)]
struct Taken;

impl Proxied {
    /// The client whose every request opens a connection, for a request whose kept connection died.
    fn fresh(&self) -> Result<&Client, Error> {
        if let Some(client) = self.fresh.get() {
            return Ok(client);
        }
        let client = builder(self.connect_timeout, self.is_local, &self.roots, self.protocol)
            .pool_max_idle_per_host(0);
        let client = client.build().map_err(|error| Error::setup(&error))?;
        Ok(self.fresh.get_or_init(|| client))
    }
}

/// Whether nothing stands between: no proxy, and no credentials in the URL, which reqwest makes a header of.
fn is_direct(base_url: &Url) -> bool {
    let has_credentials = !base_url.username().is_empty() || base_url.password().is_some();
    let proxy = || {
        let url = base_url.as_str().parse().ok()?;
        Matcher::from_system().intercept(&url)
    };
    !has_credentials && (is_loopback(base_url) || proxy().is_none())
}

/// The certificates of a PEM file.
fn roots(path: &Path) -> Result<Vec<Certificate>, Error> {
    let unusable = |why: String| Error::Setup(format!("upstream.ca_file {}: {why}", path.display()));
    let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let roots =
        Certificate::from_pem_bundle(&pem).map_err(|_| unusable("it is no sound PEM file".to_owned()))?;
    if roots.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

fn builder(
    connect_timeout: Duration,
    is_local: bool,
    roots: &[Certificate],
    protocol: Protocol,
) -> ClientBuilder {
    let builder = match protocol {
        Protocol::Http1 => Client::builder().http1_only().retry(retry::never()),
        // A server that closes its connection says which requests it has not looked at; those are sent again below.
        Protocol::Http2 => Client::builder(),
        Protocol::Http2Plain => Client::builder().http2_prior_knowledge(),
    };
    let mut builder = builder
        // A redirect would carry the key and the prompt to a place that nobody configured.
        .redirect(redirect::Policy::none())
        // Without it a small request waits 40 ms for the acknowledgement of the one before.
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(15))
        .connect_timeout(connect_timeout);
    #[cfg(target_os = "linux")]
    {
        builder = builder.tcp_user_timeout(Duration::from_secs(30));
    }
    if is_local {
        builder = builder.no_proxy();
    }
    builder.tls_certs_merge(roots.iter().cloned())
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
    fn what_has_credentials_in_its_url_is_left_to_reqwest() {
        let direct = |url: &str| is_direct(&Url::parse(url).unwrap());
        assert!(direct("http://127.0.0.1:1/v1") && direct("https://[::1]/v1"));
        assert!(!direct("http://user:word@127.0.0.1:1/v1") && !direct("http://user@localhost/v1"));
    }
}
