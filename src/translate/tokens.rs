//! Token counts without asking the upstream (protocol.md §6).
//!
//! [`estimate`] costs next to nothing and stands in `message_start`; [`count`] uses the o200k tables and answers
//! `count_tokens`. Both count what is sent to the upstream, not what the client sent.

use super::request::{Body, Piece};

/// Tokens that the upstream's template adds to each message, and to begin the answer.
const PER_MESSAGE: u64 = 4;
const PER_ANSWER: u64 = 3;
/// Longest text given to the tokenizer at once.
const MAX_PIECE_BYTES: usize = 64 << 10;
/// Tokens around each tool's definition.
const PER_TOOL: u64 = 8;
/// An image of unknown size.
const PER_IMAGE: u64 = 1_600;
/// Bytes of a PDF for one token: about 2,000 tokens a page of 40 KB.
const PDF_BYTES_PER_TOKEN: u64 = 20;

/// A fast estimate of the input tokens: a fixed number of bytes per token. Deterministic.
pub fn estimate(request: &Body) -> u64 {
    measure(request, &mut estimate_text)
}

/// An estimate of the output tokens of an answer of that many bytes.
pub fn estimate_output(bytes: usize) -> u64 {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    bytes.saturating_mul(10).div_ceil(39)
}

/// A count of the input tokens by OpenAI's o200k tables. Takes some 100 ms on first use and milliseconds per
/// 100 KB after: run it where it may block.
pub fn count(request: &Body) -> u64 {
    let tables = tiktoken_rs::o200k_base_singleton();
    measure(request, &mut |text| pieces(text).map(|piece| length(tables.encode_ordinary(piece).len())).sum())
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

/// About 3.9 bytes of ASCII make a token, and 3 bytes of other scripts (one CJK character).
fn estimate_text(text: &str) -> u64 {
    let bytes = length(text.len());
    let other = length(text.bytes().filter(|byte| !byte.is_ascii()).count());
    ((bytes - other) * 10).div_ceil(39) + other.div_ceil(3)
}

/// Adds up a request, its texts by `text`.
fn measure(request: &Body, text: &mut impl FnMut(&str) -> u64) -> u64 {
    let mut total = PER_ANSWER;
    request.pieces(&mut |piece| {
        total += match piece {
            Piece::Message => PER_MESSAGE,
            Piece::Tool => PER_TOOL,
            Piece::Text(said) => text(said),
            Piece::Image(_) => PER_IMAGE,
            Piece::File(url) => length(url.len()) / PDF_BYTES_PER_TOKEN,
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
        let content = Content::Text(text.to_owned());
        Body::Chat(Request { messages: vec![Message::User { content }], ..Request::default() })
    }

    #[test]
    fn a_megabyte_of_white_space_is_counted() {
        assert!(count(&request(&(" ".repeat(1_000_000) + "é"))) > 100);
    }

    #[test]
    fn the_estimate_is_near_the_count_for_prose_code_and_cjk() {
        let prose =
            "The quick brown fox jumps over the lazy dog, and nobody at the station noticed it. ".repeat(20);
        let code = "fn main() {\n    let x = vec![1, 2, 3];\n    println!(\"{:?}\", x);\n}\n".repeat(20);
        let cjk = "日本語の文章をトークンに分けると、英語とは違う数になります。".repeat(20);
        for text in [prose, code, cjk] {
            let (estimate, count) = (estimate(&request(&text)), count(&request(&text)));
            assert!(estimate * 2 > count && estimate < count * 2, "{estimate} for {count}: {text:.30}");
        }
    }
}
