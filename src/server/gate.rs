//! The layer behind which only requests come that were meant for this server.
//!
//! What it asks waits for nothing, so that it needs neither a box nor a copy of what is below it, as
//! `axum::middleware::from_fn` does for every request.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use futures_util::future::Either;
use tower::Service;

use super::{auth, state::Shared};

/// Puts [`Gated`] around routes.
#[derive(Debug, Clone)]
pub(crate) struct GateLayer(pub(crate) Arc<Shared>);

impl<S> tower::Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, routes: S) -> Gated<S> {
        Gated { routes, shared: Arc::clone(&self.0) }
    }
}

/// Routes that not every request comes to.
#[derive(Debug, Clone)]
pub(crate) struct Gated<S> {
    routes: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for Gated<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match auth::guard_origin(&self.shared, &request) {
            Ok(()) => Either::Left(self.routes.call(request)),
            Err(refused) => Either::Right(ready(Ok(refused.into_response()))),
        }
    }
}
