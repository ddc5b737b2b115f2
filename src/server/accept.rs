//! The accept loop: connections in, each served by a task of its own, all of them ended when the server stops.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{body::Body, response::IntoResponse as _};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, rt::TokioTimer, server::graceful::GracefulShutdown};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time,
};
use tower::ServiceExt as _;

use super::{
    Summary,
    client_address::ClientAddress,
    client_io::{Busy, ClientIo, Patience, Requests},
    error::{self, ApiError},
    limits,
    reload::Current,
    router,
    shutdown::{Shutdown, Signal},
    state::Shared,
};
use crate::{config::limits::Limits, metrics::Metrics, secret};

/// Accepts until told to stop, then drains.
pub(super) async fn serve(listener: TcpListener, current: Arc<Current>, mut shutdown: Shutdown) -> Summary {
    let max_connections = current.snapshot().shared.config.limits.max_connections;
    let places = Arc::new(Semaphore::new(max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let metrics = Arc::clone(&current.snapshot().shared.metrics);
    let mut complaint = Complaint::default();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let signal = loop {
        tokio::select! {
            signal = shutdown.draining() => break signal,
            (stream, peer, place) = accept(&listener, &places, &metrics, &mut complaint) => {
                let open = metrics.connections_open.hold(1);
                let watcher = graceful.watcher();
                let current = Arc::clone(&current);
                let snapshot = current.snapshot();
                let limits = &snapshot.shared.config.limits;
                let (patience, http) = (Patience::from(limits), http(limits));
                connections.spawn(async move {
                    let requests = Requests::default();
                    let service = service_fn(|request| answer(&current, request, peer, requests.begin()));
                    let io = TokioIo::new(ClientIo::new(stream, requests.clone(), patience));
                    let connection = http.serve_connection(io, service);
                    if let Err(error) = watcher.watch(connection).await {
                        tracing::debug!(%error, %peer, "a client's connection ended with an error");
                    }
                    drop((place, open));
                });
            }
            Some(ended) = connections.join_next() => note_panic(&ended, &metrics),
        }
    };
    let shared = Arc::clone(&current.snapshot().shared);
    shared.stopping.drain();
    drop(listener);
    drain(&shared, shutdown, signal, graceful, connections).await
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    metrics: &Metrics,
    complaint: &mut Complaint,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there is always a permit in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                metrics.connections_accepted.count();
                // Without it a small event waits for the acknowledgement of the one before.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY is not to be had");
                }
                return (stream, peer, place);
            }
            // The client's fault, and over.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                metrics.accept_errors.count();
                complaint.make(&error);
                // Out of descriptors, mostly: trying again at once would only burn a core.
                time::sleep(RETRY_ACCEPT).await;
            }
        }
    }
}

/// After which another connection is tried, when one could not be accepted.
const RETRY_ACCEPT: Duration = Duration::from_millis(100);

/// What the log is told of connections that cannot be accepted, once a second.
#[derive(Debug, Default)]
struct Complaint {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    fn make(&mut self, error: &io::Error) {
        self.unsaid += 1;
        if self.last.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            return;
        }
        self.last = Some(Instant::now());
        let failures = std::mem::take(&mut self.unsaid);
        tracing::error!(
            %error,
            failures,
            "no connection can be accepted; raise the limit of open files (ulimit -n, LimitNOFILE)"
        );
    }
}

/// A panic in the middle of an answer ends its connection, and nothing else.
fn note_panic(ended: &Result<(), JoinError>, metrics: &Metrics) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        metrics.panics.count();
        tracing::error!("a connection ended in a panic; please report this bug");
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // `ClientIo` knows idle from slow.
        .header_read_timeout(None)
        // Bounds a request's head, and what is buffered for a client that does not read.
        .max_buf_size(limits.max_header_size)
        .max_headers(limits.max_headers)
        .half_close(false);
    http
}

fn answer(
    current: &Current,
    request: Request<Incoming>,
    peer: SocketAddr,
    busy: Busy,
) -> impl Future<Output = Result<Response<Served>, Infallible>> + use<> {
    // From here to its end the request knows no other configuration.
    let snapshot = current.snapshot();
    let router = snapshot.router.clone();
    let too_long = limits::head_too_long(&request, snapshot.shared.config.limits.max_header_size);
    let mut request = request.map(Body::new);
    router::normalise(&mut request);
    let trusted = &snapshot.shared.config.server.trusted_proxies;
    let address = ClientAddress::of(peer, request.headers(), trusted);
    request.extensions_mut().insert(address);
    async move {
        let response = match too_long {
            Some(error) => refuse(error),
            None => router.oneshot(request).await?,
        };
        Ok(response.map(|body| Served { body, _busy: busy }))
    }
}

/// The answer to a request that does not come as far as the routes.
fn refuse(error: ApiError) -> Response<Body> {
    let mut response = error::finish(error.into_response(), &secret::request_id());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer's body; the connection is busy as long as it lives.
struct Served {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// After the deadline streams get an error event and need a moment to hand it over.
const LAST_WORDS: Duration = Duration::from_secs(2);

async fn drain(
    shared: &Shared,
    mut shutdown: Shutdown,
    signal: Signal,
    graceful: GracefulShutdown,
    mut connections: JoinSet<()>,
) -> Summary {
    let begun = Instant::now();
    let grace = shared.config.limits.shutdown_grace;
    let orderly = async {
        let mut closed = std::pin::pin!(graceful.shutdown());
        // The first poll tells the connections, so that the log says what is true.
        let none_runs = closed.as_mut().now_or_never().is_some();
        tracing::info!(
            connections = connections.len(),
            grace_s = grace.as_secs(),
            "stopping; running requests may finish"
        );
        if none_runs || time::timeout(grace, closed.as_mut()).await.is_ok() {
            return 0;
        }
        while connections.try_join_next().is_some() {}
        tracing::warn!(
            connections = connections.len(),
            "the time to finish is over; what still runs is ended"
        );
        shared.stopping.cut();
        let late = connections.len();
        // Whether their last words were heard or not, the count is the same.
        time::timeout(LAST_WORDS, closed).await.ok();
        late
    };
    let (cut, forced, signal) = tokio::select! {
        late = orderly => (late, false, signal),
        signal = shutdown.ended() => (0, true, signal),
    };
    while connections.try_join_next().is_some() {}
    let cut = if forced { connections.len() } else { cut };
    connections.shutdown().await;
    Summary { signal, forced, cut, drained_for: begun.elapsed() }
}
