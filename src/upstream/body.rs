//! The body of an answer, as it arrives.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt as _;
use http_body::{Body as _, Frame};
use tokio::time;
use tower_http::decompression::DecompressionBody;

use super::{
    direct,
    error::{Error, Waiting, inside},
};

/// The bytes of an answer, decompressed. Dropping it ends the call.
#[derive(Debug)]
pub struct Body {
    /// What was read ahead.
    head: Option<Bytes>,
    inner: Inner,
    host: Arc<str>,
}

/// The bytes, by the way they come.
pub(super) enum Inner {
    Direct(direct::Body),
    /// The same, compressed on the way.
    Decompressed(Pin<Box<DecompressionBody<direct::Body>>>),
    Proxied(reqwest::Body),
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Decompressed(_) => "Decompressed",
            Self::Proxied(_) => "Proxied",
        })
    }
}

impl Inner {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        host: &str,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self {
            Self::Direct(body) => {
                let polled = Pin::new(body).poll_frame(context);
                polled.map_err(|error| Error::from_body(&error, false, host.to_owned()))
            }
            Self::Decompressed(body) => {
                let polled = body.as_mut().poll_frame(context);
                polled.map_err(|error| Error::from_body(&*error, true, host.to_owned()))
            }
            Self::Proxied(body) => {
                let polled = Pin::new(body).poll_frame(context);
                polled.map_err(|error| Error::from_body(inside(&error), error.is_decode(), host.to_owned()))
            }
        }
    }
}

impl Body {
    pub(super) fn new(inner: Inner, host: Arc<str>) -> Self {
        Self { head: None, inner, host }
    }

    /// The first piece, which is read again afterwards; empty if none comes within `patience`.
    pub(super) async fn peek(&mut self, patience: Duration) -> &[u8] {
        if self.head.is_none() {
            self.head = time::timeout(patience, self.next()).await.ok().flatten().and_then(Result::ok);
        }
        self.head.as_deref().unwrap_or_default()
    }

    /// Reads everything, but not more than `limit` bytes, and waits at most `idle` for each piece.
    ///
    /// # Errors
    /// When reading fails, waits too long, or the body is longer.
    pub async fn collect(self, limit: usize, idle: Duration) -> Result<Bytes, Error> {
        self.collect_until(limit, idle, |_| Progress::Open).await
    }

    /// Reads like [`Body::collect`], but only as far as `progress` says of the pieces.
    ///
    /// # Errors
    /// When reading fails, waits too long, or the body is longer, before what is wanted is there.
    pub async fn collect_until(
        self,
        limit: usize,
        idle: Duration,
        progress: impl FnMut(&[u8]) -> Progress,
    ) -> Result<Bytes, Error> {
        let host = Arc::clone(&self.host);
        let (bytes, end) = self.read(limit, idle, progress).await;
        match end {
            End::Whole => Ok(bytes),
            End::Failed(error) => Err(error),
            End::Cut => Err(Error::TooLong { host: host.as_ref().to_owned(), limit }),
        }
    }

    /// Reads the beginning, for the message of an error: what came within the limits counts, however it ended.
    pub async fn prefix(self, limit: usize, idle: Duration) -> Bytes {
        self.read(limit, idle, |_| Progress::Open).await.0
    }

    /// A byte order mark at the beginning is no part of the text, and JSON parsers refuse it.
    async fn read(
        self,
        limit: usize,
        idle: Duration,
        progress: impl FnMut(&[u8]) -> Progress,
    ) -> (Bytes, End) {
        let (mut bytes, end) = self.read_all(limit, idle, progress).await;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.advance(BYTE_ORDER_MARK.len());
        }
        (bytes, end)
    }

    async fn read_all(
        mut self,
        limit: usize,
        idle: Duration,
        mut progress: impl FnMut(&[u8]) -> Progress,
    ) -> (Bytes, End) {
        let mut bytes = BytesMut::new();
        let mut so_far = Progress::Open;
        loop {
            let patience = match so_far {
                Progress::Open => idle,
                Progress::Enough(patience) => patience.min(idle),
            };
            match time::timeout(patience, self.next()).await {
                Ok(None) => return (bytes.freeze(), End::Whole),
                Ok(Some(Ok(piece))) => {
                    let room = limit - bytes.len();
                    bytes.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
                    if piece.len() > room {
                        return (bytes.freeze(), End::Cut);
                    }
                    so_far = progress(&piece);
                }
                Ok(Some(Err(_))) | Err(_) if so_far != Progress::Open => return (bytes.freeze(), End::Whole),
                Ok(Some(Err(error))) => return (bytes.freeze(), End::Failed(error)),
                Err(_) => {
                    let host = self.host.as_ref().to_owned();
                    let error = Error::Timeout { host, waiting: Waiting::NextBytes, limit: idle };
                    return (bytes.freeze(), End::Failed(error));
                }
            }
        }
    }
}

/// How much of a body is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The rest is needed.
    Open,
    /// What comes within that time is welcome; what does not is not missed.
    Enough(Duration),
}

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

enum End {
    Whole,
    Cut,
    Failed(Error),
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(head)));
        }
        loop {
            let Self { inner, host, .. } = &mut *self;
            return Poll::Ready(match ready!(inner.poll_frame(context, host)) {
                None => None,
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => Some(Ok(bytes)),
                    // Trailers say nothing to us.
                    Err(_) => continue,
                },
            });
        }
    }
}
