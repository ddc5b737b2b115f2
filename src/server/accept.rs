//! The accept loop: connections in, each served by a task of its own, all of them ended when the server stops.

use std::{
    convert::Infallible,
    future, io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{body::Body, response::IntoResponse as _};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, rt::TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
    time,
};
use tower::ServiceExt as _;

use super::{
    Summary,
    client_address::ClientAddress,
    client_io::{Busy, ClientIo, Patience, Requests},
    error::{self, ApiError},
    limits, notify,
    reload::Current,
    router,
    shutdown::{Shutdown, Signal},
    state::Shared,
    tls::Acceptor,
};
use crate::{config::limits::Limits, metrics::Metrics, secret};

/// Accepts until told to stop, then drains.
pub(super) async fn serve(listener: TcpListener, current: Arc<Current>, shutdown: Shutdown) -> Summary {
    let max_connections = current.snapshot().shared.config.limits.max_connections;
    let places = Arc::new(Semaphore::new(max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let metrics = Arc::clone(&current.snapshot().shared.metrics);
    let mut complaint = Complaint::default();
    let closing = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop_wanted(&current, shutdown.clone()));
    let signal = loop {
        tokio::select! {
            signal = &mut stop => break signal,
            (stream, peer, place) = accept(&listener, &places, &metrics, &mut complaint) => {
                let open = metrics.connections_open.hold(1);
                let closing = closing.subscribe();
                let current = Arc::clone(&current);
                connections.spawn(async move {
                    if let Err(error) = connection(&current, stream, peer, closing).await {
                        tracing::debug!(error, %peer, "a client's connection ended with an error");
                    }
                    drop((place, open));
                });
            }
            Some(ended) = connections.join_next() => note_panic(&ended, &metrics),
        }
    };
    drop(listener);
    let shared = Arc::clone(&current.snapshot().shared);
    closing.send_replace(true);
    drain(&shared, shutdown, signal, connections).await
}

/// Waits until somebody wants to stop. Readiness says so at once; the port stays open for `shutdown_delay`, so that
/// balancers have time to hear of it and nobody meets a closed door.
async fn stop_wanted(current: &Current, mut shutdown: Shutdown) -> Signal {
    let signal = shutdown.draining().await;
    notify::stopping();
    let shared = Arc::clone(&current.snapshot().shared);
    shared.stopping.drain();
    let delay = shared.config.limits.shutdown_delay;
    if !delay.is_zero() {
        tracing::info!(delay_ms = delay.as_millis(), "not ready any more; the port stays open for a while");
        tokio::select! {
            () = time::sleep(delay) => {}
            _ = shutdown.ended() => {}
        }
    }
    signal
}

/// Serves one connection to its end.
async fn connection(
    current: &Current,
    stream: TcpStream,
    peer: SocketAddr,
    closing: watch::Receiver<bool>,
) -> Result<(), String> {
    let snapshot = current.snapshot();
    let limits = &snapshot.shared.config.limits;
    let settings = (Patience::from(limits), http(limits));
    let Some(Acceptor(acceptor)) = snapshot.tls.clone() else {
        drop(snapshot);
        return requests(current, stream, peer, settings, closing).await;
    };
    // Who says nothing gets as long for it as for a head.
    let handshake = time::timeout(limits.header_read_timeout, acceptor.accept(stream));
    drop(snapshot);
    let shaken = handshake.await.map_err(|_| "no TLS handshake in time".to_owned())?;
    let stream = shaken.map_err(|error| error.to_string())?;
    // Boxed, so that connections without TLS have no room for its state.
    Box::pin(requests(current, stream, peer, settings, closing)).await
}

/// Serves the requests of one connection.
async fn requests<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    current: &Current,
    stream: S,
    peer: SocketAddr,
    (patience, http): (Patience, http1::Builder),
    mut closing: watch::Receiver<bool>,
) -> Result<(), String> {
    let requests = Requests::default();
    let service = service_fn(|request| answer(current, request, peer, requests.begin()));
    let io = TokioIo::new(ClientIo::new(stream, requests.clone(), patience));
    let mut connection = pin!(http.serve_connection(io, service));
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        // The sender lives until everything is over.
        _ = closing.wait_for(|closing| *closing) => None,
    };
    let ended = match ended {
        None => first_words(connection.as_mut(), &requests).await,
        ended => ended,
    };
    let ended = match ended {
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        Some(ended) => ended,
    };
    ended.map_err(|error| error.to_string())
}

/// hyper closes a connection that has not said anything when it is asked to end. But who has just connected is about
/// to say it, and would lose a request: it may begin one, if it does so soon. `None` once it has, or the time is over.
async fn first_words<T>(mut connection: Pin<&mut impl Future<Output = T>>, requests: &Requests) -> Option<T> {
    let words = future::poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if requests.have_begun() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    time::timeout(FIRST_WORDS, words).await.ok().flatten()
}

const FIRST_WORDS: Duration = Duration::from_secs(1);

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
        .half_close(false);
    // Room for another number than its own hyper makes for each request anew.
    if limits.max_headers != HYPERS_MAX_HEADERS {
        http.max_headers(limits.max_headers);
    }
    http
}

/// Of `hyper::server::conn::http1::Builder`, as its documentation says (1.12).
const HYPERS_MAX_HEADERS: usize = 100;

fn answer(
    current: &Current,
    request: Request<Incoming>,
    peer: SocketAddr,
    busy: Busy,
) -> impl Future<Output = Result<Response<Served>, Infallible>> + use<> {
    // From here to its end the request knows no other configuration.
    let snapshot = current.snapshot();
    let routes = snapshot.routes.of(&request);
    let too_long = limits::head_too_long(&request, snapshot.shared.config.limits.max_header_size);
    let mut request = request.map(Body::new);
    router::normalise(&mut request);
    let trusted = &snapshot.shared.config.server.trusted_proxies;
    let address = ClientAddress::of(peer, request.headers(), trusted);
    request.extensions_mut().insert(address);
    async move {
        let response = match too_long {
            Some(error) => refuse(error),
            None => routes.oneshot(request).await?,
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

/// Says every few seconds what is still waited for.
async fn tell_what_runs(metrics: &Metrics) -> Infallible {
    loop {
        time::sleep(TOLD_EVERY).await;
        tracing::info!(
            connections = metrics.connections_open.get(),
            requests = metrics.requests_in_flight.get(),
            streams = metrics.streams_open.get(),
            "stopping; these still run"
        );
    }
}

const TOLD_EVERY: Duration = Duration::from_secs(5);

/// After the deadline streams get an error event and need a moment to hand it over.
const LAST_WORDS: Duration = Duration::from_secs(2);

async fn drain(
    shared: &Shared,
    mut shutdown: Shutdown,
    signal: Signal,
    mut connections: JoinSet<()>,
) -> Summary {
    let begun = Instant::now();
    tracing::info!(
        connections = connections.len(),
        grace_s = shared.config.limits.shutdown_grace.as_secs(),
        "stopping; running requests may finish"
    );
    let finished = tokio::select! {
        biased;
        signal = shutdown.ended() => Err(signal),
        late = finish(shared, &mut connections) => Ok(late),
    };
    while connections.try_join_next().is_some() {}
    let (cut, forced, signal) = match finished {
        Ok(late) => (late, false, signal),
        Err(signal) => (connections.len(), true, signal),
    };
    connections.shutdown().await;
    Summary { signal, forced, cut, drained_for: begun.elapsed() }
}

/// Waits for all connections, and ends those that take too long; how many these were.
async fn finish(shared: &Shared, connections: &mut JoinSet<()>) -> usize {
    let Shared { metrics, stopping, config, .. } = shared;
    let in_time = tokio::select! {
        all = time::timeout(config.limits.shutdown_grace, all_of(connections, metrics)) => all.is_ok(),
        never = tell_what_runs(metrics) => match never {},
    };
    if in_time {
        return 0;
    }
    while connections.try_join_next().is_some() {}
    let late = connections.len();
    tracing::warn!(connections = late, "the time to finish is over; what still runs is ended");
    stopping.cut();
    // Whether their last words were heard or not, the count is the same.
    time::timeout(LAST_WORDS, all_of(connections, metrics)).await.ok();
    late
}

async fn all_of(connections: &mut JoinSet<()>, metrics: &Metrics) {
    while let Some(ended) = connections.join_next().await {
        note_panic(&ended, metrics);
    }
}
