//! The numbers on a port of their own, which is on loopback and asks for no key.
//!
//! A web page can make a browser call any port of its machine, so here as well nobody is answered who calls by another
//! name than loopback's, or from a page at all. Nothing of it is counted among the connections and requests of clients.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, extract::Request, middleware::from_fn, response::IntoResponse as _, routing::get};
use http::{StatusCode, header};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time};
use tower::ServiceExt as _;

use super::{auth, reload::Current, routes::metrics};

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, current: Arc<Current>) -> Infallible {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "no connection for metrics can be accepted");
                time::sleep(RETRY_ACCEPT).await;
                continue;
            }
        };
        let current = Arc::clone(&current);
        tokio::spawn(async move {
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                let routes = routes(&current);
                async move { routes.oneshot(request.map(axum::body::Body::new)).await }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection for metrics ended with an error");
            }
            drop(place);
        });
    }
}

/// A scraper has one or two.
const MAX_CONNECTIONS: usize = 64;
/// For a request's head, and for the next one on a connection.
const PATIENCE: Duration = Duration::from_secs(75);
/// After which another connection is tried, when one could not be accepted.
const RETRY_ACCEPT: Duration = Duration::from_millis(100);

fn routes(current: &Current) -> Router {
    let shared = Arc::clone(&current.snapshot().shared);
    Router::new().route("/metrics", get(metrics::metrics)).with_state(shared).layer(from_fn(
        |request: Request, next: axum::middleware::Next| async move {
            let is_of_page = request.headers().contains_key(header::ORIGIN);
            if is_of_page || !auth::host_allowed(&request, &[]) {
                return StatusCode::FORBIDDEN.into_response();
            }
            next.run(request).await
        },
    ))
}
