//! Token counts without asking the upstream (protocol.md §6).
//!
//! [`estimate`] costs next to nothing and stands in `message_start`; [`count`] uses the o200k tables and answers
//! `count_tokens`, [`count_by_chars`] does where the tables are not wanted. All count what is sent to the
//! upstream, not what the client sent.

use super::request::{Body, Piece};

mod estimate;
mod image;
mod pdf;
mod sample;

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
        if let Piece::Text(text) = piece {
            bytes += text.len();
        }
    });
    let mut sample = Sample::new(bytes);
    let others = measure(request, &mut |text| {
        sample.take(text);
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
    measure(request, &mut count_text)
}

/// A count of the input tokens by the length of the texts alone: [`chars_text`].
pub fn count_by_chars(request: &Body) -> u64 {
    measure(request, &mut chars_text)
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

/// Adds up a request, its texts by `text`.
fn measure(request: &Body, text: &mut impl FnMut(&str) -> u64) -> u64 {
    let model = request.model();
    let mut total = PER_ANSWER;
    request.pieces(&mut |piece| {
        total += match piece {
            Piece::Message => PER_MESSAGE,
            Piece::Tool => PER_TOOL,
            Piece::Text(said) => text(said),
            Piece::Image(url) => image::tokens(url, model),
            Piece::File(url) => pdf::tokens(url),
        }
    });
    total
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// By how much counts are multiplied before clients see them: 1 unless configured. Upstreams with other
/// vocabularies need more tokens than o200k, and a client that counts too few compacts too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiplier {
    thousandths: u32,
}

impl Default for Multiplier {
    fn default() -> Self {
        Self { thousandths: 1_000 }
    }
}

impl Multiplier {
    /// Reads a decimal number from 0.1 to 10 with at most three digits behind the point.
    pub fn from_text(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || fraction.len() > 3 {
            return None;
        }
        let thousandths: u32 = format!("{whole}{fraction:0<3}").parse().ok()?;
        (100..=10_000).contains(&thousandths).then_some(Self { thousandths })
    }

    /// The multiple, rounded up.
    pub fn of(self, tokens: u64) -> u64 {
        tokens.saturating_mul(u64::from(self.thousandths)).div_ceil(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::openai::chat::request::{Content, Message, Request};

    fn request(text: &str) -> Body {
        let content = Content::Text(text.to_owned());
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

    #[test]
    fn multipliers_are_decimal_numbers_within_reason() {
        let multiple = |text: &str| Multiplier::from_text(text).map(|it| it.of(1_000));
        for (text, expected) in
            [("1", 1_000), ("1.15", 1_150), ("0.1", 100), ("10", 10_000), ("10.000", 10_000), ("2.5", 2_500)]
        {
            assert_eq!(multiple(text), Some(expected), "{text}");
        }
        for text in ["", ".5", "1.", "0", "0.09", "10.001", "-1", "1e3", "1.1234", "99999999999", "inf"] {
            assert_eq!(multiple(text), None, "{text}");
        }
        assert_eq!(Multiplier::default().of(7), 7);
        assert_eq!(Multiplier::from_text("1.15").unwrap().of(1), 2);
    }
}
