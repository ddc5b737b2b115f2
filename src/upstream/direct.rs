//! The direct way to an upstream: hyper's connections, without a task of their own.
//!
//! A pooling client runs each connection in a task of its own, which hands the body over piece by piece: for each
//! HTTP chunk two tasks wake each other, and each chunk then costs the client's connection a write. Here whoever
//! waits for an answer runs the connection itself ([`Wire`]), so everything that one read brought is there at once.
//! Measured, a stream of 200 events costs a twelfth, and less than nginx needs to copy it.

mod body;
mod connect;
mod pool;

use std::{
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{Connection, SendRequest},
};
use tokio::time;
use url::{Position, Url};

pub(super) use self::{body::Body, connect::Unresolved};
use self::{
    connect::{Connector, Io},
    pool::Pool,
};
use super::{
    error::{Error, Unreachable},
    request::Address,
};

/// Connections to one upstream.
#[derive(Debug)]
pub(super) struct Direct {
    connector: Connector,
    connect_timeout: Duration,
    host: HeaderValue,
    pool: Arc<Pool>,
}

/// A connection, and the one that can ask on it.
#[derive(Debug)]
struct Wire {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection<Io, Full<Bytes>>>>,
    /// The connection is closed and must not be run again.
    over: bool,
}

impl Wire {
    /// Runs the connection as far as it gets. Everything it hands over is there afterwards, so whoever takes it need
    /// not be woken for it.
    fn run(&mut self, context: &mut Context<'_>) {
        if !self.over && self.connection.as_mut().poll(context).is_ready() {
            self.over = true;
        }
    }

    /// Whether another request can be sent.
    fn is_ready(&mut self) -> bool {
        self.run(&mut Context::from_waker(Waker::noop()));
        !self.over && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let mut answer = pin!(self.sender.send_request(request));
        let Self { connection, over, .. } = self;
        poll_fn(|context| {
            if !*over && connection.as_mut().poll(context).is_ready() {
                *over = true;
            }
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }
}

impl Direct {
    /// Prepares connections to the host of `base_url`; each is given up after `idle_timeout` without use.
    pub(super) fn new(
        base_url: &Url,
        connect_timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<Self, Error> {
        let host = HeaderValue::from_str(&base_url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| Error::Setup("the base URL's host cannot be sent".to_owned()))?;
        let connector = Connector::new(base_url)?;
        Ok(Self { connector, connect_timeout, host, pool: Pool::new(idle_timeout) })
    }

    /// Sends a request and waits for the head of its answer; on a new connection if it must be `fresh`.
    pub(super) async fn send(
        &self,
        method: Method,
        address: &Address,
        mut headers: HeaderMap,
        body: Bytes,
        fresh: bool,
    ) -> Result<Response<Body>, Error> {
        let authority = || address.url[Position::BeforeHost..Position::AfterPort].to_owned();
        headers.insert(header::HOST, self.host.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = address.path.clone();
        *request.headers_mut() = headers;
        let kept = if fresh { None } else { self.pool.take() };
        let mut wire = match kept {
            Some(wire) => wire,
            // Boxed, because it is rare, and every other call would carry the room for it.
            None => match time::timeout(self.connect_timeout, Box::pin(self.connector.connect())).await {
                Ok(connected) => connected.map_err(|error| Error::Connect {
                    host: authority(),
                    reason: Unreachable::of(&*error),
                })?,
                Err(_) => return Err(Error::Connect { host: authority(), reason: Unreachable::TimedOut }),
            },
        };
        let answer = wire.exchange(request).await;
        let answer = answer.map_err(|error| Error::from_exchange(&error, authority()))?;
        Ok(answer.map(|incoming| Body::new(incoming, wire, Arc::clone(&self.pool))))
    }
}
