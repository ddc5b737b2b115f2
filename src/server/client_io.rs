//! A client's connection with patience: nothing on it may take for ever.
//!
//! hyper has one timeout for a request's head, which also ends idle connections, and none for writing. Here an
//! idle connection, a head that does not come to its end, and a client that does not read have a limit each.
//! What was not read of a refused request is read and thrown away for a moment before the connection closes;
//! otherwise the system would reset it, and the client might never see the answer.

mod refusal;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use self::refusal::Refusal;
use crate::config::limits::Limits;

/// The connection.
#[derive(Debug)]
pub(super) struct ClientIo<S> {
    stream: S,
    requests: Requests,
    patience: Patience,
    reading: Reading,
    /// The requests that had begun when `reading` was last settled.
    begun: usize,
    /// What is being written instead of a bare refusal.
    refusal: Option<Refusal>,
    /// The task was woken for the timer of an idle connection.
    woken: bool,
    read_timer: Timer,
    write_timer: Timer,
    linger_timer: Timer,
}

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    head: Duration,
    idle: Duration,
    write: Duration,
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self {
            head: limits.header_read_timeout,
            idle: limits.keep_alive_idle,
            write: limits.client_write_timeout,
        }
    }
}

/// Counts the requests of a connection. Their handlers have limits of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// One request; ends on drop.
#[derive(Debug)]
pub(super) struct Busy(Requests);

impl Requests {
    pub(super) fn begin(&self) -> Busy {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether there was any.
    pub(super) fn have_begun(&self) -> bool {
        self.begun() > 0
    }

    fn is_busy(&self) -> bool {
        self.begun() != self.0.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is being waited for while no request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The first head.
    Fresh,
    /// The first byte of another head.
    Idle,
    /// The rest of a head.
    Head,
    /// Nothing: a request runs.
    Request,
}

/// How long, and how much, is read from a client that was already answered.
const LINGER: Duration = Duration::from_secs(1);

impl<S> ClientIo<S> {
    pub(super) fn new(stream: S, requests: Requests, patience: Patience) -> Self {
        Self {
            stream,
            requests,
            patience,
            reading: Reading::Fresh,
            begun: 0,
            refusal: None,
            woken: false,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            linger_timer: Timer::default(),
        }
    }

    /// Bytes came, or more are waited for.
    fn turn(&mut self, bytes_came: bool) {
        let begun = self.requests.begun();
        let next = match self.reading {
            _ if self.requests.is_busy() => Reading::Request,
            // A request was answered, perhaps between two reads.
            _ if begun != self.begun => Reading::Idle,
            Reading::Idle if bytes_came => Reading::Head,
            same => same,
        };
        if next != Reading::Request {
            self.begun = begun;
        }
        if next != self.reading {
            self.reading = next;
            self.woken = false;
            self.read_timer.stop();
        }
    }

    /// Has the connection read once more after an answer. hyper does not, as it is waiting for bytes already; but
    /// then no timer would run for the idle connection.
    fn wake_when_idle(&mut self, context: &Context<'_>) {
        if self.reading == Reading::Request && !self.requests.is_busy() && !self.woken {
            self.woken = true;
            context.waker().wake_by_ref();
        }
    }

    fn read_limit(&self) -> Option<Duration> {
        match self.reading {
            Reading::Fresh | Reading::Head => Some(self.patience.head),
            Reading::Idle => Some(self.patience.idle),
            Reading::Request => None,
        }
    }

    /// An error once a write has waited too long.
    fn check_write<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer.stop();
            return written;
        }
        ready!(self.write_timer.poll(self.patience.write, context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: AsyncWrite + Unpin> ClientIo<S> {
    /// Writes what is to be said instead of a bare refusal. `Ready(true)` when it has been written.
    fn poll_refusal(&mut self, context: &mut Context<'_>, answer: &[u8]) -> Poll<io::Result<bool>> {
        let is_of_no_request =
            matches!(self.reading, Reading::Fresh | Reading::Head) && self.requests.begun() == self.begun;
        if self.refusal.is_none() && is_of_no_request {
            self.refusal = Refusal::instead_of(answer);
        }
        let Some(mut refusal) = self.refusal.take() else { return Poll::Ready(Ok(false)) };
        while !refusal.rest().is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(context, refusal.rest());
            match self.check_write(context, written) {
                Poll::Ready(Ok(count @ 1..)) => refusal.advance(count),
                Poll::Ready(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.refusal = Some(refusal);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes_came = buffer.filled().len() > before;
        self.turn(bytes_came);
        if polled.is_ready() {
            return polled;
        }
        let Some(limit) = self.read_limit() else { return Poll::Pending };
        ready!(self.read_timer.poll(limit, context));
        // As if the client had closed: there is nothing to answer.
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if ready!(self.poll_refusal(context, bytes))? {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = buffers.first().map(|buffer| &**buffer).unwrap_or_default();
        if ready!(self.poll_refusal(context, first))? {
            return Poll::Ready(Ok(first.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.check_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.wake_when_idle(context);
        }
        self.check_write(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let mut waste = [0_u8; 16 << 10];
        loop {
            if self.linger_timer.poll(LINGER, context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// A timer that is only made when something really waits.
#[derive(Debug, Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    runs: bool,
}

impl Timer {
    fn stop(&mut self) {
        self.runs = false;
    }

    /// Starts the timer if it does not run; ready when it has run out.
    fn poll(&mut self, limit: Duration, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.runs {
            self.runs = true;
            sleep.as_mut().reset(Instant::now() + limit);
        }
        sleep.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(120),
    };

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_given_up_in_time() {
        let (mut client, server) = duplex(64);
        let mut io = ClientIo::new(server, Requests::default(), PATIENCE);
        let drip = async {
            for _ in 0..20 {
                if client.write_all(b"x").await.is_err() {
                    return;
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        let begun = Instant::now();
        let read = async {
            let mut byte = [0];
            while io.read(&mut byte).await.unwrap() > 0 {}
            begun.elapsed()
        };
        let elapsed = tokio::select! { elapsed = read => elapsed, () = drip => panic!("never given up") };
        assert_eq!(elapsed.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_longer_and_a_busy_one_for_ever() {
        let (_client, server) = duplex(64);
        let requests = Requests::default();
        let mut io = ClientIo::new(server, requests.clone(), PATIENCE);
        let mut byte = [0];
        let busy = requests.begin();
        let waited = tokio::time::timeout(Duration::from_secs(1000), io.read(&mut byte)).await;
        assert!(waited.is_err(), "a busy connection has no limit");
        drop(busy);
        let begun = Instant::now();
        assert_eq!(io.read(&mut byte).await.unwrap(), 0);
        assert_eq!(begun.elapsed().as_secs(), 75);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_request_came_and_went_between_two_reads_is_idle() {
        let (_client, server) = duplex(64);
        let requests = Requests::default();
        let mut io = ClientIo::new(server, requests.clone(), PATIENCE);
        let mut byte = [0];
        let waited = tokio::time::timeout(Duration::from_secs(9), io.read(&mut byte)).await;
        assert!(waited.is_err());
        drop(requests.begin());
        let begun = Instant::now();
        assert_eq!(io.read(&mut byte).await.unwrap(), 0);
        assert_eq!(begun.elapsed().as_secs(), 75);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let (_client, server) = duplex(4);
        let mut io = ClientIo::new(server, Requests::default(), PATIENCE);
        let begun = Instant::now();
        let error = io.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 120);
    }
}
