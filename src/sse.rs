//! Server-sent events: bytes to events and back.
//!
//! [`Decoder`] is pushed with bytes, however they were cut, and borrows from them where it can; `serve` and
//! `convert` drive it. [`events`] does the same for an asynchronous stream with the crate `eventsource-stream`,
//! for ordinary clients such as `check`, and is the oracle the decoder is tested against. Both stand on the
//! block cutter of [`lines`], which makes them linear in time and bounded in memory for any input.

pub mod lines;

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_core::Stream;
use futures_util::StreamExt;
use lines::{Blocks, TooLong};
use serde::Serialize;
use std::borrow::Cow;

/// One event. Comments, ids and retry times are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event:` field, empty if there was none.
    pub name: Cow<'a, str>,
    /// The `data:` lines, joined by line feeds. Invalid UTF-8 has become U+FFFD.
    pub data: Cow<'a, str>,
}

impl Event<'_> {
    /// The same event, owning its text.
    pub fn into_owned(self) -> Event<'static> {
        Event { name: Cow::Owned(self.name.into_owned()), data: Cow::Owned(self.data.into_owned()) }
    }
}

/// Bytes in, events out.
#[derive(Debug)]
pub struct Decoder {
    blocks: Blocks,
    invalid_events: u64,
}

impl Decoder {
    /// A decoder that refuses events longer than `max_event_bytes`.
    pub fn new(max_event_bytes: usize) -> Self {
        Self { blocks: Blocks::new(max_event_bytes), invalid_events: 0 }
    }

    /// Takes the next bytes and hands over every event they complete.
    ///
    /// # Errors
    /// [`TooLong`] once an unfinished event exceeds the limit; the decoder is of no use after that.
    pub fn push(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        let Self { blocks, invalid_events } = self;
        blocks.push(bytes, |block| {
            if let Some(event) = parse(block) {
                *invalid_events += u64::from(is_invalid(block, &event));
                on_event(event);
            }
        })
    }

    /// Events so far that held bytes which are no UTF-8.
    pub fn invalid_events(&self) -> u64 {
        self.invalid_events
    }

    /// Hands over a last event that lacks its blank line; the bytes are over.
    pub fn finish(&mut self, mut on_event: impl FnMut(Event<'_>)) {
        let Self { blocks, invalid_events } = self;
        blocks.finish(|block| {
            if let Some(event) = parse(block) {
                *invalid_events += u64::from(is_invalid(block, &event));
                on_event(event);
            }
        });
    }
}

/// Whether bytes had to be replaced in the event. Only text that was changed is no longer borrowed.
fn is_invalid(block: &[u8], event: &Event<'_>) -> bool {
    matches!(event.data, Cow::Owned(_)) && std::str::from_utf8(block).is_err()
}

/// Reads the fields of one block that [`lines::Blocks`] has cut out. A block without data is no event.
pub fn parse(block: &[u8]) -> Option<Event<'_>> {
    let mut name: Cow<'_, str> = Cow::Borrowed("");
    let mut data: Option<Cow<'_, str>> = None;
    for line in lines::split(block) {
        if let Some(value) = field(line, b"data") {
            let value = text(value);
            match &mut data {
                None => data = Some(value),
                Some(before) => {
                    let before = before.to_mut();
                    before.push('\n');
                    before.push_str(&value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            name = text(value);
        }
    }
    data.filter(|data| !data.is_empty()).map(|data| Event { name, data })
}

/// Bytes as text. Nearly all are valid, which is found out faster on its own.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The value of a field line: what follows the colon and at most one space. A line without colon is a field
/// without value.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if line == name {
        return Some(b"");
    }
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Whether a whole body is server-sent events, whatever its content type says.
pub fn is_event_stream(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    [b"data:".as_slice(), b"event:", b":", b"id:", b"retry:"].iter().any(|field| body.starts_with(field))
}

/// Appends one event, written in a single `data:` line.
pub fn encode(name: &str, data: &impl Serialize, out: &mut Vec<u8>) {
    encode_with(name, out, |out| serde_json::to_writer(out, data));
}

/// The same, of data that `write` appends without line ends.
pub fn encode_with<E>(name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) {
    let start = out.len();
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    if write(out).is_err() {
        // Our own types always serialise; should one ever not, nothing is better than half an event.
        out.truncate(start);
        return;
    }
    out.extend_from_slice(b"\n\n");
}

/// Why an asynchronous stream of events ended early.
#[derive(Debug, thiserror::Error)]
pub enum EventsError<E> {
    /// The bytes could not be read.
    #[error(transparent)]
    Read(E),
    /// An event was too long.
    #[error(transparent)]
    TooLong(TooLong),
    /// The bytes are no event stream.
    #[error("the bytes are no event stream")]
    Malformed,
}

/// Decodes a stream of bytes with `eventsource-stream`, guarded by the block cutter: the crate alone panics
/// on a byte order mark, goes silent after an invalid byte and takes quadratic time on long lines.
pub fn events<S, E>(
    bytes: S,
    max_event_bytes: usize,
) -> impl Stream<Item = Result<Event<'static>, EventsError<E>>>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let guarded = futures_util::stream::unfold(Some((bytes, Blocks::new(max_event_bytes))), |state| async {
        let (mut bytes, mut blocks) = state?;
        let mut whole = Vec::new();
        let mut append = |block: &[u8]| {
            whole.extend_from_slice(String::from_utf8_lossy(block).as_bytes());
            whole.extend_from_slice(b"\n\n");
        };
        match bytes.next().await {
            Some(Ok(piece)) => match blocks.push(&piece, &mut append) {
                Ok(()) => Some((Ok(Bytes::from(whole)), Some((bytes, blocks)))),
                Err(error) => Some((Err(EventsError::TooLong(error)), None)),
            },
            Some(Err(error)) => Some((Err(EventsError::Read(error)), None)),
            None => {
                blocks.finish(&mut append);
                Some((Ok(Bytes::from(whole)), None))
            }
        }
    });
    Box::pin(guarded).eventsource().map(|event| match event {
        Ok(event) => Ok(Event {
            // The crate names events without a name `message`.
            name: if event.event == "message" { Cow::Borrowed("") } else { Cow::Owned(event.event) },
            data: Cow::Owned(event.data),
        }),
        Err(eventsource_stream::EventStreamError::Transport(error)) => Err(error),
        Err(_) => Err(EventsError::Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = Decoder::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            decoder
                .push(piece, |event| events.push((event.name.into_owned(), event.data.into_owned())))
                .unwrap();
        }
        decoder.finish(|event| events.push((event.name.into_owned(), event.data.into_owned())));
        events
    }

    fn check(input: &[u8], expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
        assert_eq!(decode(&[input]), expected, "in one piece");
        for cut in 0..=input.len() {
            assert_eq!(decode(&[&input[..cut], &input[cut..]]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode(&bytes), expected, "byte by byte");
    }

    #[test]
    fn line_ends_of_every_kind_and_any_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let text =
                ": hi\ndata: {\"a\":1}\n\nevent: x\ndata:b\ndata: c\n\n\n\ndata: é😀\n\n".replace('\n', end);
            check(text.as_bytes(), &[("", "{\"a\":1}"), ("x", "b\nc"), ("", "é😀")]);
        }
    }

    #[test]
    fn byte_order_mark_missing_blank_line_and_missing_newline() {
        check(b"\xEF\xBB\xBFdata: a\n\n", &[("", "a")]);
        check(b"data: a\n\ndata: b\n", &[("", "a"), ("", "b")]);
        check(b"data: a\n\ndata: b", &[("", "a"), ("", "b")]);
    }

    #[test]
    fn invalid_bytes_harm_their_own_event_only() {
        let input = b"data: a\n\ndata: \xFF\n\ndata: b\ndata: c\n\n";
        check(input, &[("", "a"), ("", "\u{FFFD}"), ("", "b\nc")]);
        let mut decoder = Decoder::new(100);
        decoder.push(input, |_| {}).unwrap();
        assert_eq!(decoder.invalid_events(), 1);
    }

    #[test]
    fn comments_and_empty_data_are_no_events() {
        check(
            b": OPENROUTER PROCESSING\n\nevent: ping\n\ndata:\n\nretry: 3\nid: 4\n\ndata: x\n\n",
            &[("", "x")],
        );
    }

    #[test]
    fn an_endless_line_is_refused_within_the_limit() {
        let mut decoder = Decoder::new(1000);
        let mut refused = false;
        for _ in 0..20 {
            refused |= decoder.push(&[b'x'; 100], |_| {}).is_err();
        }
        assert!(refused);
    }

    #[test]
    fn an_encoded_event_decodes_to_itself() {
        let mut bytes = Vec::new();
        encode("ping", &"a\nb", &mut bytes);
        assert_eq!(bytes, b"event: ping\ndata: \"a\\nb\"\n\n");
        assert_eq!(decode(&[&bytes]), [("ping".to_owned(), "\"a\\nb\"".to_owned())]);
    }
}
