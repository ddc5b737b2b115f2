//! New connections: names, addresses, TLS.

use std::{
    error::Error as StdError,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use http::Uri;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use tokio::net::{TcpStream, lookup_host};
use tower::{Service, ServiceExt as _};
use url::{Position, Url};

use super::{Error, Wire};

/// A connection's bytes.
pub(super) type Io = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn StdError + Send + Sync>;

/// What one read of a connection brings at most, and how long an answer's head may be, in bytes. It is also what a flood
/// that the client does not read takes here; by hyper's own limit it would be 400 KiB.
const MAX_BUFFER: usize = 32 << 10;

/// Makes connections to one host.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    to: Uri,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// No TLS, so no roots to load: it saves milliseconds and megabytes, and a container without roots can still
    /// talk to a local server.
    Plain(HttpConnector<Resolver>),
    Tls(HttpsConnector<HttpConnector<Resolver>>),
}

impl Connector {
    pub(super) fn new(base_url: &Url) -> Result<Self, Error> {
        let to = base_url[..Position::BeforePath]
            .parse()
            .map_err(|error| Error::Setup(format!("the base URL cannot be called: {error}")))?;
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        // Without it a small request waits 40 ms for the acknowledgement of the one before.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        let way = if base_url.scheme() == "https" {
            let tls = HttpsConnectorBuilder::new()
                .try_with_platform_verifier()
                .map_err(|error| Error::Setup(error.to_string()))?;
            Way::Tls(tls.https_only().enable_http1().wrap_connector(tcp))
        } else {
            Way::Plain(tcp)
        };
        Ok(Self { to, way })
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Wire, BoxError> {
        let to = self.to.clone();
        let io = match &self.way {
            Way::Plain(tcp) => MaybeHttpsStream::Http(tcp.clone().oneshot(to).await?),
            Way::Tls(tls) => tls.clone().oneshot(to).await?,
        };
        let (sender, connection) = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(io).await?;
        Ok(Wire { sender, connection: Box::pin(connection), over: false })
    }
}

/// A host name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(in super::super) struct Unresolved(#[source] io::Error);

/// The system's resolver, whose failures can be told from others.
#[derive(Debug, Clone)]
struct Resolver;

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let addresses = lookup_host((name.as_str(), 0)).await.map_err(Unresolved)?;
            Ok(addresses.collect::<Vec<_>>().into_iter())
        })
    }
}
