//! The layer that gives each request its id, each answer its envelope, and the log its line, and that answers for a
//! handler that panics.
//!
//! A service of its own and no `axum::middleware::from_fn`: each of those boxes a copy of all that is below it, for
//! every request.

use std::{
    any::Any,
    convert::Infallible,
    io,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header;
use http_body::{Body as _, Frame, SizeHint};
use tower::Service;

use super::{Books, Line, Log};
use crate::{
    protocol::anthropic::stream::Event,
    server::{client_address::ClientAddress, error, error::ApiError},
    sse,
};

/// Puts [`Recorded`] around all routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecordLayer(pub(crate) Books);

impl<S> tower::Layer<S> for RecordLayer {
    type Service = Recorded<S>;

    fn layer(&self, routes: S) -> Recorded<S> {
        Recorded { routes, books: self.0.clone() }
    }
}

/// Routes whose requests are written down.
#[derive(Debug, Clone)]
pub(crate) struct Recorded<S> {
    routes: S,
    books: Books,
}

impl<S> Service<Request> for Recorded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // The accept loop has put the address there.
        let log = Log::new(request.extensions().get::<ClientAddress>().copied(), self.books.clone());
        let line = Line::new(&request, log.clone());
        request.extensions_mut().insert(log);
        let begun = panic::catch_unwind(AssertUnwindSafe(|| self.routes.call(request)));
        Box::pin(async move {
            let answer = match begun {
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            Ok(line.follow(match answer {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(panic) => ApiError::panicked(panic.as_ref()).into_response(),
            }))
        })
    }
}

impl Line {
    /// The answer with its id and its envelope, which carries the line to its end.
    fn follow(self, response: Response) -> Response {
        let failure = response.extensions().get::<ApiError>().map(|failure| failure.end);
        let response = error::finish(response, self.log.id());
        let status = response.status().as_u16();
        self.log.note(|notes| {
            notes.end = notes.end.or(failure);
            notes.status = Some(status);
        });
        let is_events = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        response.map(|body| Body::new(Logged { body, line: self, is_events, is_broken: false }))
    }
}

/// The answer's body, which carries the line to its end.
struct Logged {
    body: Body,
    line: Line,
    is_events: bool,
    /// It panicked.
    is_broken: bool,
}

impl Logged {
    /// A panic in the middle of an answer: a stream ends in an error event, and of anything else the client sees that
    /// it broke off.
    fn panicked(&mut self, panic: &(dyn Any + Send)) -> Result<Frame<Bytes>, axum::Error> {
        let ApiError { error, end } = ApiError::panicked(panic);
        self.is_broken = true;
        let log = &self.line.log;
        log.note(|notes| notes.end = Some(end));
        if !self.is_events {
            return Err(axum::Error::new(io::Error::other("internal error")));
        }
        let event = Event::Error { error, request_id: Some(log.id().to_owned()) };
        let mut bytes = Vec::new();
        sse::encode(event.name(), &event, &mut bytes);
        Ok(Frame::data(bytes.into()))
    }
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_broken {
            return Poll::Ready(None);
        }
        let body = &mut self.body;
        let polled = panic::catch_unwind(AssertUnwindSafe(|| {
            let polled = Pin::new(&mut *body).poll_frame(context);
            (body.is_end_stream(), polled)
        }));
        match polled {
            Ok((is_end, polled)) => {
                if let Poll::Ready(Some(Ok(frame))) = &polled {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    self.line.answer_bytes += u64::try_from(bytes).unwrap_or(0);
                }
                self.line.delivered |= is_end || matches!(polled, Poll::Ready(None));
                polled
            }
            Err(panic) => Poll::Ready(Some(self.panicked(panic.as_ref()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_broken || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        // Empty bodies are never asked for.
        self.line.delivered |= !self.is_broken && self.body.is_end_stream();
    }
}
