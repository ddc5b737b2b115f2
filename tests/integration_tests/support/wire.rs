//! HTTP/1.1 as bytes: heads and body framing, for the scripted upstream and the raw client alike.
//!
//! Written here and not taken from a library, so that the tests share no code with what they test.

use std::io::{self, BufRead, ErrorKind};

/// A start line and its headers.
#[derive(Debug, Clone)]
pub struct Head {
    /// The request line or status line, without its line end.
    pub start: String,
    /// The headers in the order they came.
    pub headers: Headers,
}

/// Headers in order, names as written.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Head {
    /// Reads one head; `None` when the peer closed before its first byte.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(start) = read_line(reader)? else { return Ok(None) };
        let mut headers = Headers::default();
        loop {
            let line = read_line(reader)?.ok_or_else(|| broken("the connection ended inside a head"))?;
            if line.is_empty() {
                return Ok(Some(Self { start, headers }));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken("a header without a colon"))?;
            headers.0.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// How the body after this head ends; `otherwise` when the headers do not say.
    pub fn framing(&self, otherwise: Framing) -> Framing {
        if self.headers.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked { left: 0, first: true };
        }
        let length = self.headers.get("content-length").and_then(|length| length.parse().ok());
        length.map_or(otherwise, Framing::Length)
    }
}

/// How a body ends, and how much of it is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many more bytes.
    Length(usize),
    /// Chunks; `left` bytes of the present one.
    Chunked {
        /// Bytes of the present chunk that were not read yet.
        left: usize,
        /// No chunk was read yet, so no line end precedes the next size.
        first: bool,
    },
    /// Until the connection closes.
    Close,
    /// No body, or all of it has been read.
    Ended,
}

impl Framing {
    /// What is there of the body, as soon as anything is; `None` at its end.
    ///
    /// A connection that closes before the body's end is an error.
    pub fn next_piece(&mut self, reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        if let Self::Chunked { left: 0, first } = *self {
            let size = next_chunk_size(reader, first)?;
            *self = if size == 0 { Self::Ended } else { Self::Chunked { left: size, first: false } };
        }
        let most = match *self {
            Self::Ended | Self::Length(0) => return Ok(None),
            Self::Length(left) | Self::Chunked { left, .. } => left,
            Self::Close => usize::MAX,
        };
        let ready = reader.fill_buf()?;
        let piece = ready[..ready.len().min(most)].to_vec();
        reader.consume(piece.len());
        match self {
            Self::Close if piece.is_empty() => return Ok(None),
            _ if piece.is_empty() => return Err(broken("the connection ended inside a body")),
            Self::Length(left) | Self::Chunked { left, .. } => *left -= piece.len(),
            Self::Close | Self::Ended => {}
        }
        Ok(Some(piece))
    }

    /// The rest of the body.
    pub fn rest(&mut self, reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece(reader)? {
            all.extend(piece);
        }
        Ok(all)
    }
}

fn next_chunk_size(reader: &mut impl BufRead, first: bool) -> io::Result<usize> {
    let cut = || broken("the connection ended between two chunks");
    if !first && !read_line(reader)?.ok_or_else(cut)?.is_empty() {
        return Err(broken("a chunk longer than its size"));
    }
    let line = read_line(reader)?.ok_or_else(cut)?;
    let size =
        usize::from_str_radix(line.trim(), 16).map_err(|_| broken("a chunk size that is no number"))?;
    // After the last chunk come trailers, if any, and a blank line.
    while size == 0 && !read_line(reader)?.ok_or_else(cut)?.is_empty() {}
    Ok(size)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\r\n") {
        return Err(broken("a line that does not end in CR LF"));
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map(Some).map_err(|_| broken("a head that is not UTF-8"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, what)
}
