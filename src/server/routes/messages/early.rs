//! `limits.commit_after`: an answer that begins before the upstream has said anything.
//!
//! For proxies before this one, and clients, that give up on a connection on which nothing happens. The price is that
//! the status is said: what goes wrong afterwards is an `error` event of an answer with status 200, which clients that
//! look at the status do not ask for again. The headers are gone too, so what was lost in translation, and the upstream's
//! id of the request, stand in the log alone. Retries and fallbacks go on behind it.

use std::{convert::Infallible, pin::Pin, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use memchr::memmem;
use serde::Deserialize;
use tokio::time;

use super::answer::event_stream;
use crate::{
    protocol::anthropic::{
        error::{Error, ErrorKind},
        response::{Message, Usage},
        stream::Event,
    },
    secret,
    server::{error::ApiError, request_log::Log, state::Deadline},
    translate,
};

/// An answer on its way.
pub(super) type Awaited = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// What begins a streamed answer, read of the request without reading all of it.
#[derive(Debug, Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: bool,
}

/// The times that count.
pub(super) struct Pace {
    /// For which the real answer is waited for.
    pub(super) commit_after: Duration,
    /// Between two pings.
    pub(super) ping: Duration,
    /// When the server stops waiting.
    pub(super) stopping: Deadline,
}

/// The answer if it comes in time, or if it is no stream; otherwise one that has begun.
pub(super) async fn begin(
    body: &Bytes,
    mut answer: Awaited,
    pace: Pace,
    log: &Log,
) -> Result<Response, ApiError> {
    // What cannot be read is told of by whoever has to translate it.
    let Ok(Asked { model, stream: true }) = serde_json::from_slice(body) else { return answer.await };
    if let Ok(answer) = time::timeout(pace.commit_after, answer.as_mut()).await {
        return answer;
    }
    let message = Message::empty(secret::message_id(), model, Usage::default());
    let begun = encoded(&Event::MessageStart(message));
    let rest = stream::unfold(State::Waiting(answer, pace), {
        let log = log.clone();
        move |state| {
            let log = log.clone();
            async move { state.next(&log).await }
        }
    });
    let bytes = stream::once(async { begun }).chain(rest).map(Ok::<_, Infallible>);
    Ok(event_stream(Body::from_stream(bytes)))
}

enum State {
    /// For the real answer.
    Waiting(Awaited, Pace),
    /// The real answer comes, the beginning of which is not told again.
    Answering(Body, Beginning),
    Over,
}

impl State {
    async fn next(mut self, log: &Log) -> Option<(Bytes, Self)> {
        loop {
            self = match self {
                Self::Over => return None,
                Self::Waiting(mut answer, mut pace) => {
                    tokio::select! {
                        biased;
                        answered = answer.as_mut() => match answered.map_err(Box::new).and_then(told) {
                            Ok(body) => Self::Answering(body, Beginning::default()),
                            Err(failure) => return Some((failed(*failure, log), Self::Over)),
                        },
                        () = pace.stopping.passed() => {
                            return Some((failed(ApiError::stopping(), log), Self::Over));
                        }
                        () = time::sleep(pace.ping) => {
                            log.metrics().pings.count();
                            return Some((encoded(&Event::Ping), Self::Waiting(answer, pace)));
                        }
                    }
                }
                Self::Answering(mut body, mut beginning) => {
                    let piece = match next_piece(&mut body).await {
                        Some(Ok(piece)) => beginning.leave_out(piece),
                        Some(Err(_)) => return Some((failed(broken(), log), Self::Over)),
                        None => return None,
                    };
                    let state = Self::Answering(body, beginning);
                    if !piece.is_empty() {
                        return Some((piece, state));
                    }
                    state
                }
            }
        }
    }
}

async fn next_piece(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    use http_body_util::BodyExt as _;
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(piece) = frame.into_data() {
                    return Some(Ok(piece));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// The body of an answer that is one.
fn told(mut response: Response) -> Result<Body, Box<ApiError>> {
    match response.extensions_mut().remove::<ApiError>() {
        Some(failure) => Err(Box::new(failure)),
        None => Ok(response.into_body()),
    }
}

fn broken() -> ApiError {
    Error::new(ErrorKind::Api, "the answer broke off").with_status(502).into()
}

fn failed(ApiError { error, end }: ApiError, log: &Log) -> Bytes {
    log.note(|notes| notes.end = Some(end));
    encoded(&Event::Error { error, request_id: Some(log.id().to_owned()) })
}

fn encoded(event: &Event) -> Bytes {
    let mut bytes = Vec::new();
    translate::encode(event, &mut bytes);
    bytes.into()
}

/// The first events of the real answer, up to its `message_start`, which the client has had already.
#[derive(Debug, Default)]
struct Beginning {
    held: Vec<u8>,
    is_over: bool,
}

impl Beginning {
    /// A piece without the event that is left out, which may come in several.
    fn leave_out(&mut self, piece: Bytes) -> Bytes {
        if self.is_over {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        let mut told = Vec::new();
        while !self.is_over
            && let Some(end) = event_end(&self.held)
        {
            let rest = self.held.split_off(end);
            let event = std::mem::replace(&mut self.held, rest);
            self.is_over = memmem::find(&event, b"\"message_start\"").is_some();
            if !self.is_over {
                told.extend(event);
            }
        }
        if self.is_over {
            told.append(&mut self.held);
        }
        told.into()
    }
}

/// Where the first event ends, behind its empty line.
fn event_end(bytes: &[u8]) -> Option<usize> {
    let after = |end: &'static [u8]| memmem::find(bytes, end).map(|at| at + end.len());
    [after(b"\n\n"), after(b"\r\n\r\n")].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_left_out_however_it_is_cut() {
        let stream = b": hello\n\nevent: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: ping\ndata: {}\n\n";
        for size in 1..=stream.len() {
            let mut beginning = Beginning::default();
            let pieces = stream.chunks(size).map(|piece| beginning.leave_out(Bytes::copy_from_slice(piece)));
            assert_eq!(
                pieces.collect::<Vec<_>>().concat(),
                b": hello\n\nevent: ping\ndata: {}\n\n",
                "{size}"
            );
        }
    }
}
