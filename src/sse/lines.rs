//! Cuts a byte stream into blocks, the pieces between blank lines, before anything interprets them.
//!
//! It ends lines at LF, CRLF and CR, strips a byte order mark, limits the length of an unfinished block, and
//! gives the last block even without its blank line. Bytes are scanned once, however they arrive.

use std::{iter, mem};

/// An event exceeded the limit before it was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit in bytes.
    pub limit: usize,
}

/// The cutter.
#[derive(Debug)]
pub struct Blocks {
    /// The unfinished block.
    carry: Vec<u8>,
    /// How far `carry` has been scanned; `line_start <= scanned <= carry.len()`.
    scanned: usize,
    /// Where the last line of `carry` begins.
    line_start: usize,
    /// The bytes so far ended in CR; a LF that follows belongs to it.
    skip_line_feed: bool,
    /// No block has been handed over yet, so a byte order mark may stand first.
    at_start: bool,
    limit: usize,
}

impl Blocks {
    /// A cutter that refuses unfinished blocks longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { carry: Vec::new(), scanned: 0, line_start: 0, skip_line_feed: false, at_start: true, limit }
    }

    /// Takes the next bytes and hands over every block they complete, without its blank line.
    ///
    /// # Errors
    /// [`TooLong`] once the unfinished block exceeds the limit.
    pub fn push(&mut self, bytes: &[u8], mut on_block: impl FnMut(&[u8])) -> Result<(), TooLong> {
        self.push_with_ends(bytes, |block, _| {
            if !block.is_empty() {
                on_block(block);
            }
        })
    }

    /// The same for a reader that passes bytes on: hands over each block, which may be empty, and the line end that
    /// ended it. But for a byte order mark, these are all the bytes that came.
    ///
    /// # Errors
    /// [`TooLong`] once the unfinished block exceeds the limit.
    pub fn push_with_ends(
        &mut self,
        bytes: &[u8],
        on_block: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), TooLong> {
        if self.carry.is_empty() {
            let consumed = self.scan(bytes, on_block);
            self.carry.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
        } else {
            let mut carry = mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            let consumed = self.scan(&carry, on_block);
            carry.drain(..consumed);
            self.carry = carry;
        }
        if self.carry.len() > self.limit { Err(TooLong { limit: self.limit }) } else { Ok(()) }
    }

    /// Hands over what is left; the bytes are over.
    pub fn finish(&mut self, mut on_block: impl FnMut(&[u8])) {
        let rest = mem::take(&mut self.carry);
        (self.scanned, self.line_start) = (0, 0);
        self.hand_over(&rest, b"", &mut |block: &[u8], _: &[u8]| {
            if !block.is_empty() {
                on_block(block);
            }
        });
    }

    /// Scans what is new in `text`, which begins with the unfinished block; returns the length of all
    /// complete blocks.
    fn scan(&mut self, text: &[u8], mut on_block: impl FnMut(&[u8], &[u8])) -> usize {
        let mut block_start = 0;
        let mut line_start = self.line_start;
        let mut at = self.scanned;
        if self.skip_line_feed && at < text.len() {
            self.skip_line_feed = false;
            if text.get(at) == Some(&b'\n') {
                at += 1;
                if line_start + 1 == at && line_start == block_start {
                    on_block(b"", b"\n");
                    block_start = at;
                }
                line_start = at;
            }
        }
        while let Some(found) = memchr::memchr2(b'\n', b'\r', text.get(at..).unwrap_or_default()) {
            let end = at + found;
            at = end + 1;
            if text.get(end) == Some(&b'\r') {
                match text.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.skip_line_feed = true,
                }
            }
            if end == line_start {
                let block = text.get(block_start..line_start).unwrap_or_default();
                self.hand_over(block, text.get(end..at).unwrap_or_default(), &mut on_block);
                block_start = at;
            }
            line_start = at;
        }
        self.scanned = text.len() - block_start;
        self.line_start = line_start - block_start;
        block_start
    }

    fn hand_over(&mut self, block: &[u8], end: &[u8], on_block: &mut impl FnMut(&[u8], &[u8])) {
        let mut block = block;
        if self.at_start && !block.is_empty() {
            self.at_start = false;
            block = block.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(block);
        }
        on_block(block, end);
    }
}

/// The lines of a block, without their ends.
pub fn split(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(block);
    iter::from_fn(move || {
        let text = rest.take()?;
        // A CRLF yields an empty line in between, which has no field name and is ignored by every reader.
        let Some((line, behind)) =
            memchr::memchr2(b'\n', b'\r', text).and_then(|at| text.split_at_checked(at))
        else {
            return Some(text);
        };
        rest = behind.get(1..);
        Some(line)
    })
}
