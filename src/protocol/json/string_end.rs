//! Finds where a JSON string ends and whether it is sound, 64 bytes at a time and without a branch for each escape:
//! the texts of agents are source code, with an escape every dozen bytes.

use super::escaped::{is_high, is_low, unit_at};
use wide::u8x16;

/// The end of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The bytes before the closing quote.
    pub(super) length: usize,
    pub(super) has_escapes: bool,
}

/// Where the string ends that the text begins with, behind its opening quote. `None` if it has no end, a control
/// character, an escape that JSON does not know, or half a surrogate pair.
pub(super) fn string_end(text: &[u8]) -> Option<End> {
    if let Some(first) = text.first_chunk() {
        let first = u8x16::new(*first);
        let quotes = first.simd_eq(u8x16::splat(b'"')).to_bitmask();
        let others = (first.simd_eq(u8x16::splat(b'\\')) | controls(first)).to_bitmask();
        // A quote before anything else.
        if quotes.trailing_zeros() < others.trailing_zeros() {
            let length = usize::try_from(quotes.trailing_zeros()).ok()?;
            return Some(End { length, has_escapes: false });
        }
    }
    let mut escapes = Escapes { text, ..Escapes::default() };
    let (blocks, rest) = text.as_chunks();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(length) = escapes.take(block, index * BLOCK)? {
            return Some(End { length, has_escapes: escapes.any });
        }
    }
    end_in_last(escapes, rest, blocks.len() * BLOCK)
}

/// The end in what is left of the text, which is less than a block. Few strings end there.
#[cold]
fn end_in_last(mut escapes: Escapes<'_>, rest: &[u8], at: usize) -> Option<End> {
    // Zeros, which may not stand in a string, fill the block.
    let mut last = [0; BLOCK];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let length = escapes.take(&last, at)??;
    Some(End { length, has_escapes: escapes.any })
}

const BLOCK: usize = 64;

fn controls(bytes: u8x16) -> u8x16 {
    bytes.min(u8x16::splat(b' ' - 1)).simd_eq(bytes)
}

fn has_controls(block: &[u8; BLOCK]) -> bool {
    let (parts, _) = block.as_chunks();
    let least = parts.iter().fold(u8x16::splat(u8::MAX), |least, part| least.min(u8x16::new(*part)));
    controls(least).to_bitmask() != 0
}

/// One bit for each byte of a block.
fn bits(block: &[u8; BLOCK], is: impl Fn(u8x16) -> u8x16) -> u64 {
    let (parts, _) = block.as_chunks();
    let parts = parts.iter().enumerate();
    parts.fold(0, |bits, (index, part)| bits | u64::from(is(u8x16::new(*part)).to_bitmask()) << (index * 16))
}

/// The escapes of a string, as far as they were looked at.
#[derive(Debug, Default)]
struct Escapes<'a> {
    text: &'a [u8],
    /// The block before ended with a backslash that escapes the first byte of this one: 1, else 0.
    carried: u64,
    any: bool,
    /// Where the `u` of a low surrogate stands that was looked at together with the high one before it.
    low_at: Option<usize>,
}

impl Escapes<'_> {
    /// Looks at the next block, which begins at a place in the text; where the string ends, if it does so in it.
    #[expect(clippy::option_option, reason = "the outer one is for `?`")]
    #[inline]
    fn take(&mut self, block: &[u8; BLOCK], at: usize) -> Option<Option<usize>> {
        let quotes = bits(block, |bytes| bytes.simd_eq(u8x16::splat(b'"')));
        let backslashes = bits(block, |bytes| bytes.simd_eq(u8x16::splat(b'\\')));
        let escaped = if backslashes | self.carried == 0 { 0 } else { self.escaped(backslashes) };
        let closing = quotes & !escaped;
        // All bits below the lowest one.
        let inside = closing.wrapping_sub(1) & !closing;
        // A control character is rare enough in a block to look for it in all of it at first.
        if has_controls(block) && bits(block, controls) & inside != 0 {
            return None;
        }
        let escaped = escaped & inside;
        if escaped != 0 {
            self.any = true;
            let usual = |bytes: u8x16| bytes.simd_eq(u8x16::splat(b'n')) | bytes.simd_eq(u8x16::splat(b't'));
            let rare = escaped & !(quotes | backslashes | bits(block, usual));
            if rare != 0 {
                self.check_all(rare, at)?;
            }
        }
        if closing == 0 {
            return Some(None);
        }
        Some(Some(at + usize::try_from(closing.trailing_zeros()).ok()?))
    }

    /// Which bytes are escaped: those behind each first, third, … of a run of backslashes. A subtraction carries
    /// through the run (as simdjson does it, Langdale and Lemire 2019).
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let carried = self.carried;
        let starts = backslashes & !carried;
        let behind = (starts << 1 | ODD).wrapping_sub(starts) ^ ODD;
        self.carried = (behind & backslashes) >> (BLOCK - 1);
        behind ^ (backslashes | carried)
    }

    /// Checks the escapes that are not the usual ones, of which few texts have any: apart, so that a block without
    /// them costs no more than it must.
    #[cold]
    fn check_all(&mut self, mut rare: u64, at: usize) -> Option<()> {
        while rare != 0 {
            self.check(at + usize::try_from(rare.trailing_zeros()).ok()?)?;
            rare &= rare - 1;
        }
        Some(())
    }

    /// Checks an escape by the place of what is escaped.
    fn check(&mut self, at: usize) -> Option<()> {
        match self.text.get(at)? {
            b'r' | b'/' | b'b' | b'f' => Some(()),
            b'u' => {
                let unit = unit_at(self.text.get(at.checked_sub(1)?..)?)?;
                if is_high(unit) {
                    let low = unit_at(self.text.get(at + 5..)?).filter(|low| is_low(*low));
                    self.low_at = low.map(|_| at + 6);
                    return low.map(|_| ());
                }
                (!is_low(unit) || self.low_at == Some(at)).then_some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One byte after the other.
    fn slowly(text: &[u8]) -> Option<End> {
        let (mut at, mut has_escapes) = (0, false);
        loop {
            match text.get(at)? {
                b'"' => return Some(End { length: at, has_escapes }),
                0..b' ' => return None,
                b'\\' => {
                    has_escapes = true;
                    at += match (text.get(at + 1)?, unit_at(&text[at..])) {
                        (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', _) => 2,
                        (b'u', Some(unit)) if is_high(unit) => {
                            unit_at(text.get(at + 6..)?).filter(|low| is_low(*low))?;
                            12
                        }
                        (b'u', Some(unit)) if !is_low(unit) => 6,
                        _ => return None,
                    };
                }
                _ => at += 1,
            }
        }
    }

    proptest! {
        #[test]
        fn the_end_is_found_as_byte_by_byte(
            pieces in prop::collection::vec(prop::sample::select(&[
                "\\\\", "\\", "\\\"", "a", "some text of code ", "\\n", "\\t", "\\u00e9", "\\ud83d\\ude00", "\\ud83d",
                "\\ude00", "é", "\\/", "\\r", "                                                              ",
            ][..]), 0..40),
            more in prop::sample::select(&["\"", "\",\"b\":1}", "", "\\\"", "\n\"", "\\x\"", "\\u12\"", "\\u\""][..]),
            at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut text = (pieces.concat() + more).into_bytes();
            prop_assert_eq!(string_end(&text), slowly(&text));
            text.extend([b'x'; 64]);
            prop_assert_eq!(string_end(&text), slowly(&text));
            let at = at.index(text.len());
            text[at] = byte;
            prop_assert_eq!(string_end(&text), slowly(&text));
        }

        #[test]
        fn runs_of_backslashes_cross_blocks(before in 0_usize..140, run in 0_usize..140) {
            let text = format!("{}{}\"\\\"", " ".repeat(before), "\\".repeat(run));
            prop_assert_eq!(string_end(text.as_bytes()), slowly(text.as_bytes()));
        }
    }
}
