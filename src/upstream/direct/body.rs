//! The body of an answer, which runs the connection it comes on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Wire, pool::Pool};

/// The body. Read to its end it gives its connection back; dropped before, it closes it, unless the end has come.
#[derive(Debug)]
pub(in super::super) struct Body {
    incoming: Incoming,
    wire: Option<Wire>,
    pool: Arc<Pool>,
}

impl Body {
    pub(super) fn new(incoming: Incoming, wire: Wire, pool: Arc<Pool>) -> Self {
        Self { incoming, wire: Some(wire), pool }
    }

    /// The next piece, without waiting for it.
    fn poll_incoming(&mut self) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        if matches!(polled, Poll::Ready(None))
            && let Some(mut wire) = self.wire.take()
            && wire.is_ready()
        {
            self.pool.give_back(wire);
        }
        polled
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // What was read already costs nothing more.
        let there = self.poll_incoming();
        if there.is_ready() {
            return there;
        }
        let Some(wire) = &mut self.wire else { return Poll::Ready(None) };
        wire.run(context);
        self.poll_incoming()
    }

    fn is_end_stream(&self) -> bool {
        self.wire.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Body {
    /// A refusal that is not read has mostly come in whole: then its connection can serve again.
    fn drop(&mut self) {
        for _ in 0..MAX_WASTED_PIECES {
            let Some(wire) = &mut self.wire else { return };
            wire.run(&mut Context::from_waker(Waker::noop()));
            if !matches!(self.poll_incoming(), Poll::Ready(Some(Ok(_)))) {
                return;
            }
        }
    }
}

/// What is read of a body that nobody wants. More is cheaper to get rid of with its connection.
const MAX_WASTED_PIECES: usize = 4;
