//! A scripted upstream on a raw TCP socket: it answers what a test wrote down, byte for byte.
//!
//! One [`Exchange`] per expected request, served in the order in which requests arrive, whichever connection
//! they come on. What was not asked for, and what was asked for but not expected, fails the test in
//! [`Upstream::finish`] or when the upstream is dropped.

use super::watched::Watched;
use super::wire::{Framing, Head, Headers};
pub use exchange::Exchange;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

mod exchange;

/// The running upstream; stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    state: Watched<State>,
}

/// One request as the upstream received it.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`, `GET`, …
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Headers, as sent.
    pub headers: Headers,
    /// The body's bytes, without chunk framing.
    pub body: Vec<u8>,
}

/// How an exchange ended, from the upstream's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was played to its end.
    Played,
    /// The client closed the connection first.
    ClientClosed,
}

impl Upstream {
    /// Serves the exchanges, each once, in this order.
    pub fn start(script: Vec<Exchange>) -> Self {
        Self::with(Answers::Script(script.into()))
    }

    /// Serves any number of requests with the exchange that `answer` makes of each.
    pub fn always(answer: impl Fn(&Request) -> Exchange + Send + 'static) -> Self {
        Self::with(Answers::Always(Box::new(answer)))
    }

    /// `http://127.0.0.1:PORT`, without a path.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests received so far, in the order they arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.state.read(|state| state.requests.clone())
    }

    /// Waits until `count` requests have arrived, and returns them.
    pub fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        self.state
            .wait(|state| (state.requests.len() >= count).then(|| state.requests.clone()))
            .unwrap_or_else(|| panic!("waited for request {count}, have {}", self.requests().len()))
    }

    /// Waits until the exchange of the `index`th request (from 0) has ended, and tells how.
    pub fn wait_for_ending(&self, index: usize) -> Ending {
        self.state
            .wait(|state| state.endings.get(index).copied().flatten())
            .unwrap_or_else(|| panic!("exchange {index} has not ended"))
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.state.read(|state| state.accepted)
    }

    /// Fails the test unless everything expected was asked for, played to its end, and nothing else was.
    pub fn finish(self) {
        drop(self);
    }

    fn with(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().unwrap();
        let state = Watched::new(State::new(answers));
        let shared = state.clone();
        thread::spawn(move || accept(&listener, &shared));
        Self { address, state }
    }

    fn verdict(&self) -> Result<(), String> {
        let at_rest = |state: &State| (state.unserved() == 0 && !state.endings.contains(&None)).then_some(());
        // A script whose requests never came will not be asked for later: the client is gone by now.
        let done =
            if self.state.read(|state| state.unserved() > 0) { None } else { self.state.wait(at_rest) };
        self.state.read(|state| match (&state.failures[..], done) {
            ([], Some(())) => Ok(()),
            ([], None) if state.unserved() > 0 => {
                Err(format!("{} exchanges never asked for", state.unserved()))
            }
            ([], None) => Err("an exchange is still being played".to_owned()),
            (failures, _) => Err(failures.join("; ")),
        })
    }

    fn stop(&self) {
        self.state.update(|state| {
            state.stopped = true;
            for stream in state.open.iter().flatten() {
                drop(stream.shutdown(Shutdown::Both));
            }
        });
        // Wakes the accept loop, which then sees that it has been stopped.
        drop(TcpStream::connect(self.address));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let verdict = if thread::panicking() { Ok(()) } else { self.verdict() };
        self.stop();
        if let Err(fault) = verdict {
            panic!("scripted upstream: {fault}");
        }
    }
}

impl Request {
    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the request's body is JSON")
    }

    fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let Some(head) = Head::read(reader)? else { return Ok(None) };
        let body = head.framing(Framing::Ended).rest(reader)?;
        let mut words = head.start.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Ok(Some(Self { method, target, headers: head.headers, body }))
    }
}

enum Answers {
    Script(VecDeque<Exchange>),
    Always(Box<dyn Fn(&Request) -> Exchange + Send>),
}

struct State {
    answers: Answers,
    requests: Vec<Request>,
    /// One per request; `None` while its exchange is being played.
    endings: Vec<Option<Ending>>,
    failures: Vec<String>,
    /// One per accepted connection, `None` once it is closed.
    open: Vec<Option<TcpStream>>,
    accepted: usize,
    stopped: bool,
}

impl State {
    fn new(answers: Answers) -> Self {
        let (requests, endings, failures, open) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { answers, requests, endings, failures, open, accepted: 0, stopped: false }
    }

    fn unserved(&self) -> usize {
        match &self.answers {
            Answers::Script(script) => script.len(),
            Answers::Always(_) => 0,
        }
    }

    /// Notes the request, and says what to answer under which number.
    fn take(&mut self, request: Request) -> (usize, Exchange) {
        let index = self.requests.len();
        let exchange = match &mut self.answers {
            Answers::Always(answer) => answer(&request),
            Answers::Script(script) => script.pop_front().unwrap_or_else(|| {
                self.failures.push(format!("unexpected request {} {}", request.method, request.target));
                Exchange::new().status(500).json(r#"{"error":{"message":"the script has no answer left"}}"#)
            }),
        };
        self.failures.extend(exchange.mismatch(&request));
        self.requests.push(request);
        self.endings.push(None);
        (index, exchange)
    }
}

fn accept(listener: &TcpListener, state: &Watched<State>) {
    loop {
        let Ok((stream, _)) = listener.accept() else { return };
        let Ok(copy) = stream.try_clone() else { return };
        let slot = state.update(|state| {
            state.accepted += 1;
            state.open.push(Some(copy));
            (!state.stopped).then(|| state.open.len() - 1)
        });
        let Some(slot) = slot else { return };
        let shared = state.clone();
        thread::spawn(move || {
            // An error here is the client's doing; the ending that was noted says what matters of it.
            drop(converse(stream, slot, &shared));
            shared.update(|state| state.open[slot] = None);
        });
    }
}

fn converse(mut stream: TcpStream, slot: usize, state: &Watched<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = Request::read(&mut reader)? {
        let (index, exchange) = state.update(|state| state.take(request));
        let played = exchange.play(&mut stream, &mut reader);
        let ending = if matches!(&played, Ok(after) if !after.client_closed) {
            Ending::Played
        } else {
            Ending::ClientClosed
        };
        let keep = match played {
            Ok(after) => {
                state.update(|state| state.failures.extend(after.fault));
                after.keep_alive
            }
            Err(_) => false,
        };
        if !keep {
            // The copy kept for `stop` must go first, or dropping the stream would not close it.
            state.update(|state| state.open[slot] = None);
            drop((stream, reader));
            state.update(|state| state.endings[index] = Some(ending));
            return Ok(());
        }
        state.update(|state| state.endings[index] = Some(ending));
    }
    Ok(())
}
