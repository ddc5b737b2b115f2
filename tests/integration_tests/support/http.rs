//! A small raw HTTP/1.1 client: what it sends is what the test wrote, what it reads it shows at once.

use super::LIVENESS;
use super::sse::{Event, EventReader};
use super::wire::{Framing, Head, Headers};
use serde_json::Value;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A request to be sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct Call {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// A connection; closed when dropped.
#[derive(Debug)]
pub struct Connection {
    host: String,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// An answer whose head has been read, and whose body comes as it comes.
///
/// Dropping it closes the connection, which is how a client gives up.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, as sent.
    pub headers: Headers,
    framing: Framing,
    events: EventReader,
    connection: Connection,
}

impl Call {
    /// A request without headers (but `host`) and without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// A GET request.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST request.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A JSON body, from a `Value` or from text that is sent as it is.
    pub fn json(self, body: impl ToString) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// A body; its content-length is written without asking.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends on a connection of its own and waits for the head of the answer.
    pub fn send(&self, base_url: &str) -> Reply {
        Connection::open(base_url).send(self)
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            lines.push(format!("host: {host}"));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if let Some(body) = &self.body {
            lines.push(format!("content-length: {}", body.len()));
        }
        let head = lines.join("\r\n") + "\r\n\r\n";
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

impl Connection {
    /// Connects to `http://HOST:PORT`.
    pub fn open(base_url: &str) -> Self {
        let host = base_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream =
            TcpStream::connect(&host).unwrap_or_else(|error| panic!("cannot connect to {host}: {error}"));
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIVENESS)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { host, stream, reader }
    }

    /// Sends a request and waits for the head of its answer.
    pub fn send(mut self, call: &Call) -> Reply {
        self.write(&call.bytes(&self.host));
        self.reply(call.method == "HEAD")
    }

    /// Sends bytes as they are. That the server has closed already is no fault here: its answer may be waiting.
    pub fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Closes this side's half: a FIN, after which answers could still be read. As with [`Self::write`], the server may
    /// have been quicker.
    pub fn end_writing(&self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
        }
    }

    /// Everything until the server closes.
    pub fn read_to_close(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        if let Err(error) = self.reader.read_to_end(&mut all) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
        all
    }

    /// Waits for the head of an answer; `bodiless` for the answer to HEAD.
    pub fn reply(mut self, bodiless: bool) -> Reply {
        let head = loop {
            let head = Head::read(&mut self.reader).expect("the head of an answer");
            let head = head.expect("the server closed the connection without an answer");
            if !head.start.starts_with("HTTP/1.1 1") {
                break head;
            }
        };
        let status = head.start.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {}", head.start));
        let bodiless = bodiless || status == 204 || status == 304;
        let framing = if bodiless { Framing::Ended } else { head.framing(Framing::Close) };
        Reply { status, headers: head.headers, framing, events: EventReader::default(), connection: self }
    }

    /// Waits for an interim answer (a head whose status line begins so), and leaves the final one unread.
    pub fn wait_for_interim(&mut self, start: &str) {
        let head = Head::read(&mut self.reader).expect("an interim answer").expect("an interim answer");
        assert!(head.start.starts_with(start), "{}", head.start);
    }

    /// Whether the server closes this connection, rather than keeping it open for longer than a test waits.
    pub fn closed_by_server(mut self) -> bool {
        matches!(Head::read(&mut self.reader), Ok(None))
    }
}

impl Reply {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// What has come of the body, as soon as anything has; `None` at its proper end.
    pub fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.framing.next_piece(&mut self.connection.reader)
    }

    /// The next event as soon as it is complete; `None` at the end of the body.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.next_event() {
                return Some(event);
            }
            let Some(piece) = self.next_piece().expect("the body of an event stream") else {
                self.events.assert_at_end();
                return None;
            };
            self.events.push(&piece);
        }
    }

    /// The events up to and with the first one that `is_last` names.
    pub fn events_until(&mut self, mut is_last: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next_event().unwrap_or_else(|| panic!("the stream ended after {events:#?}"));
            events.push(event);
            if events.last().is_some_and(&mut is_last) {
                return events;
            }
        }
    }

    /// The rest of the events.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next_event()).collect()
    }

    /// The rest of the body, or how it broke off.
    pub fn try_bytes(&mut self) -> io::Result<Vec<u8>> {
        self.framing.rest(&mut self.connection.reader)
    }

    /// The rest of the body as text.
    pub fn text(&mut self) -> String {
        String::from_utf8(self.try_bytes().expect("a whole body")).expect("a body in UTF-8")
    }

    /// The rest of the body as JSON.
    pub fn json(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in the body: {text}"))
    }

    /// The connection, for another request; the body must have been read.
    pub fn into_connection(self) -> Connection {
        assert!(
            matches!(self.framing, Framing::Ended | Framing::Length(0)),
            "the body was not read to its end"
        );
        self.connection
    }
}
