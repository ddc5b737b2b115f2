//! One exchange of the scripted upstream: what is expected of a request, and the answer step by step.

use super::super::watched::Gate;
use super::Request;
use socket2::SockRef;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// An expected request and its scripted answer.
///
/// Steps run in the order in which they are written. The head goes out with the first piece of the body, or
/// where [`head`](Self::head) stands; so `.pause(&gate)` before any piece holds back the head as well.
#[derive(Debug, Clone)]
#[must_use]
pub struct Exchange {
    method: Option<String>,
    path: Option<String>,
    status: u16,
    headers: Vec<(String, String)>,
    framing: Ends,
    slice_bytes: usize,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Head,
    Piece(Vec<u8>),
    Raw(Vec<u8>),
    Pause(Gate),
    Reset,
    Fin,
    Hang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Length,
    Chunked,
    Close,
}

/// What is left after an exchange was played.
pub(super) struct After {
    pub(super) keep_alive: bool,
    pub(super) client_closed: bool,
    pub(super) fault: Option<String>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            method: None,
            path: None,
            status: 200,
            headers: Vec::new(),
            framing: Ends::Length,
            slice_bytes: usize::MAX,
            steps: Vec::new(),
        }
    }
}

impl Exchange {
    /// Any request; 200 with an empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// The request must have this path (its query is not looked at).
    pub fn expect_path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// The request must have this method.
    pub fn expect_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// The status of the answer.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// A header of the answer; content-length and transfer-encoding are written without asking.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A whole JSON body with its content-type and length.
    pub fn json(self, body: impl ToString) -> Self {
        self.header("content-type", "application/json").piece(body.to_string())
    }

    /// Pieces of an event stream, one HTTP chunk and one write each; may be called several times.
    pub fn sse<P: AsRef<[u8]>>(mut self, pieces: impl IntoIterator<Item = P>) -> Self {
        if !self.headers.iter().any(|(name, _)| name == "content-type") {
            self = self.header("content-type", "text/event-stream");
        }
        if self.framing == Ends::Length {
            self.framing = Ends::Chunked;
        }
        pieces.into_iter().fold(self, Self::piece)
    }

    /// A piece of the body.
    pub fn piece(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Piece(bytes.as_ref().to_vec()));
        self
    }

    /// Bytes on the wire as they are: no head, no framing. For answers that are not HTTP.
    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Raw(bytes.as_ref().to_vec()));
        self
    }

    /// Sends the head here, before any piece of the body.
    pub fn head(mut self) -> Self {
        self.steps.push(Step::Head);
        self
    }

    /// Stops here until the test opens the gate.
    pub fn pause(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Pause(gate.clone()));
        self
    }

    /// The body in chunks, though it has no event stream.
    pub fn chunked(mut self) -> Self {
        self.framing = Ends::Chunked;
        self
    }

    /// No length and no chunks: the body ends where the connection does.
    pub fn close_delimited(mut self) -> Self {
        self.framing = Ends::Close;
        self
    }

    /// Cuts the body into slices of so many bytes: each a write of its own and, in a chunked body, a chunk of
    /// its own, so that the reader sees no more at once however the kernel joins packets.
    pub fn slice(mut self, bytes: usize) -> Self {
        self.slice_bytes = bytes;
        self
    }

    /// Ends with a reset (RST) of the connection.
    pub fn reset(mut self) -> Self {
        self.steps.push(Step::Reset);
        self
    }

    /// Ends by closing the connection (FIN), also in the middle of a body: pieces written after this step count
    /// in the content-length, but are never sent.
    pub fn fin(mut self) -> Self {
        self.steps.push(Step::Fin);
        self
    }

    /// Says nothing more until the client closes; [`Upstream::wait_for_ending`](super::Upstream::wait_for_ending) tells.
    pub fn hang(mut self) -> Self {
        self.steps.push(Step::Hang);
        self
    }

    pub(super) fn mismatch(&self, request: &Request) -> Option<String> {
        let method = self.method.as_deref().unwrap_or(&request.method);
        let path = self.path.as_deref().unwrap_or_else(|| request.path());
        ((method, path) != (&request.method, request.path()))
            .then(|| format!("expected {method} {path}, got {} {}", request.method, request.target))
    }

    pub(super) fn play(
        &self,
        stream: &mut TcpStream,
        reader: &mut BufReader<TcpStream>,
    ) -> io::Result<After> {
        let mut after = After { keep_alive: self.framing != Ends::Close, client_closed: false, fault: None };
        let mut head_sent = self.steps.iter().any(|step| matches!(step, Step::Raw(_)));
        for step in &self.steps {
            if matches!(step, Step::Head | Step::Piece(_)) && !head_sent {
                stream.write_all(self.head_text().as_bytes())?;
                head_sent = true;
            }
            match step {
                Step::Head => {}
                Step::Piece(bytes) => self.write_body(stream, bytes)?,
                Step::Raw(bytes) => stream.write_all(bytes)?,
                Step::Pause(gate) if gate.pass() => {}
                Step::Pause(_) => {
                    let fault = Some("a gate was never opened".to_owned());
                    return Ok(After { keep_alive: false, fault, ..after });
                }
                Step::Hang => {
                    // Ends with the client's FIN or RST; bytes of a pipelined request are not read any more.
                    drop(reader.read_to_end(&mut Vec::new()));
                    return Ok(After { keep_alive: false, client_closed: true, ..after });
                }
                Step::Fin => return Ok(After { keep_alive: false, ..after }),
                Step::Reset => {
                    SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                    return Ok(After { keep_alive: false, ..after });
                }
            }
        }
        if !head_sent {
            stream.write_all(self.head_text().as_bytes())?;
        }
        if self.framing == Ends::Chunked {
            stream.write_all(b"0\r\n\r\n")?;
        }
        after.keep_alive &=
            !self.closes_by_header() && !self.steps.iter().any(|step| matches!(step, Step::Raw(_)));
        Ok(after)
    }

    fn write_body(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        for slice in bytes.chunks(self.slice_bytes) {
            if self.framing == Ends::Chunked {
                let mut chunk = format!("{:x}\r\n", slice.len()).into_bytes();
                chunk.extend(slice);
                chunk.extend(b"\r\n");
                stream.write_all(&chunk)?;
            } else {
                stream.write_all(slice)?;
            }
            thread::yield_now();
        }
        Ok(())
    }

    fn head_text(&self) -> String {
        let mut lines = vec![format!("HTTP/1.1 {} Scripted", self.status)];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(match self.framing {
            Ends::Length => format!("content-length: {}", self.body_bytes()),
            Ends::Chunked => "transfer-encoding: chunked".to_owned(),
            Ends::Close => "connection: close".to_owned(),
        });
        lines.join("\r\n") + "\r\n\r\n"
    }

    fn body_bytes(&self) -> usize {
        let bytes = |step: &Step| if let Step::Piece(bytes) = step { bytes.len() } else { 0 };
        self.steps.iter().map(bytes).sum()
    }

    fn closes_by_header(&self) -> bool {
        self.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("connection") && value == "close")
    }
}
