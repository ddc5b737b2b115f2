//! Token counts without asking the upstream (protocol.md §6).
//!
//! [`estimate()`] costs next to nothing and stands in `message_start`; [`count`] uses the o200k tables and answers
//! `count_tokens`, [`count_by_chars`] does where the tables are not wanted. All count what is sent to the
//! upstream, not what the client sent.

use super::request::{Body, Piece};
use crate::protocol::json::Escaped;
use std::borrow::Cow;

mod estimate;
mod image;
mod pdf;
mod sample;

use estimate::estimate_escaped;
pub use estimate::estimate_text;
use sample::Sample;

/// Tokens that the upstream's template adds to each message, and to begin the answer.
const PER_MESSAGE: u64 = 4;
const PER_ANSWER: u64 = 3;
/// Tokens around each tool's definition.
const PER_TOOL: u64 = 8;
/// Longest text given to the tokenizer at once.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// A fast estimate of the input tokens: no tables, and of long requests a sample, so that the first byte of an
/// answer does not wait for it.
pub fn estimate(request: &Body) -> u64 {
    let mut bytes = 0;
    request.pieces(&mut |piece| {
        bytes += match piece {
            Piece::Text(text) => text.len(),
            Piece::Said(text) => text.inner().len(),
            _ => 0,
        };
    });
    let mut sample = Sample::new(bytes);
    let others = measure(request, &mut |text| {
        match text {
            Text::Plain(text) => sample.take(text, estimate_text),
            Text::Escaped(text) => sample.take(text.inner(), estimate_escaped),
        }
        0
    });
    others + sample.tokens()
}

/// An estimate of the output tokens of an answer of that many bytes.
pub fn estimate_output(bytes: usize) -> u64 {
    length(bytes).saturating_mul(10).div_ceil(39)
}

/// A count of the input tokens by OpenAI's o200k tables. Takes some 100 ms on first use and milliseconds per
/// 100 KB after: run it where it may block.
pub fn count(request: &Body) -> u64 {
    measure(request, &mut |text| count_text(&text.plain()))
}

/// A count of the input tokens by the length of the texts alone: [`chars_text`].
pub fn count_by_chars(request: &Body) -> u64 {
    measure(request, &mut |text| chars_text(&text.plain()))
}

/// The o200k tokens of a text. Blocks as [`count`] does.
pub fn count_text(text: &str) -> u64 {
    let tables = tiktoken_rs::o200k_base_singleton();
    pieces(text).map(|piece| length(tables.encode_ordinary(piece).len())).sum()
}

/// 3.6 bytes of ASCII make a token, and every other letter one: right for code and CJK, high for the rest.
pub fn chars_text(text: &str) -> u64 {
    let ascii = length(text.bytes().filter(u8::is_ascii).count());
    // The bytes that begin a character of several.
    let others = length(text.bytes().filter(|byte| *byte >= 0xC0).count());
    (ascii * 10).div_ceil(36) + others
}

/// A text in pieces that the tokenizer's regular expressions bear: they give up, by a panic, on a megabyte of
/// white space.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut end = text.len().min(MAX_PIECE_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = text.split_at_checked(end)?;
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A text in a request.
enum Text<'a> {
    Plain(&'a str),
    Escaped(&'a Escaped),
}

impl<'a> Text<'a> {
    fn plain(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Escaped(text) => text.unescaped(),
        }
    }
}

/// Adds up a request, its texts by `text`.
fn measure(request: &Body, text: &mut impl FnMut(Text<'_>) -> u64) -> u64 {
    let model = request.model();
    let mut total = PER_ANSWER;
    request.pieces(&mut |piece| {
        total += match piece {
            Piece::Message => PER_MESSAGE,
            Piece::Tool => PER_TOOL,
            Piece::Text(said) => text(Text::Plain(said)),
            Piece::Said(said) => text(Text::Escaped(said)),
            // Four letters of base64 hide three bytes.
            Piece::Sealed(base64) => estimate_output(base64.len() / 4 * 3),
            Piece::Image(url) => image::tokens(&url.unescaped(), model),
            Piece::File(url) => pdf::tokens(&url.unescaped()),
        }
    });
    total
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::openai::chat::request::{Content, Message, Request};

    fn request(text: &str) -> Body {
        let content = Content::Text(text.into());
        Body::Chat(Request { messages: vec![Message::User { content }], ..Request::default() })
    }

    #[test]
    fn a_megabyte_of_white_space_is_counted() {
        assert!(count(&request(&(" ".repeat(1_000_000) + "é"))) > 100);
    }

    #[test]
    fn a_text_costs_the_same_in_a_request_as_alone() {
        let text = "fn main() { println!(\"{}\", 42); }";
        let frame = PER_MESSAGE + PER_ANSWER;
        assert_eq!(count(&request(text)), frame + count_text(text));
        assert_eq!(estimate(&request(text)), frame + estimate_text(text));
        assert_eq!(count_by_chars(&request(text)), frame + chars_text(text));
    }

    #[test]
    fn chars_counts_letters_beyond_ascii_one_by_one() {
        assert_eq!(chars_text(&"a".repeat(36)), 10);
        assert_eq!(chars_text("日本語"), 3);
        assert_eq!(chars_text("🦀é"), 2);
        assert_eq!(chars_text(""), 0);
    }
}
