//! How JSON is read ([`read()`]) and written ([`write()`]), and strings that stay escaped in between ([`Escaped`]); what
//! is checked on a JSON text before `serde_json` reads it, nesting depth and lone surrogates ([`scan`]).
//!
//! `serde_json` limits depth only in typed parts and refuses a lone surrogate escape (`"\ud83d"`), which
//! clients written in JavaScript really send. One linear scan does both for every part, also for those that
//! are only carried. [`read()`] checks the same while it reads, and leaves to scan and `serde_json` what it finds amiss.

mod escaped;
mod read;
mod string_end;
mod write;

use std::borrow::Cow;

use escaped::{is_high, is_low, unit_at};

pub(crate) use escaped::OrElse;
pub use escaped::{Chars, Escaped};
pub use read::read;
pub use write::{plain_length, to_vec, write, write_str};

/// Deepest nesting of arrays and objects that is accepted, as in `serde_json`.
pub const MAX_DEPTH: usize = 128;

/// The text nests too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("JSON nests deeper than {limit} levels")]
pub struct TooDeep {
    /// The levels that are accepted.
    pub limit: usize,
}

/// A scanned text: the bytes to parse, and how many lone surrogates were replaced in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The input itself, or a copy in which each lone surrogate escape became U+FFFD.
    pub text: Cow<'a, [u8]>,
    /// Number of replaced escapes.
    pub repaired: usize,
}

/// Checks the depth of a JSON text and replaces lone surrogate escapes by U+FFFD.
///
/// # Errors
/// [`TooDeep`] when arrays and objects nest deeper than [`MAX_DEPTH`]. Malformed JSON is no error here; the
/// parser that follows reports it.
pub fn scan(text: &[u8]) -> Result<Scanned<'_>, TooDeep> {
    scan_within(text, MAX_DEPTH)
}

/// The same with another limit of depth.
///
/// # Errors
/// [`TooDeep`] when arrays and objects nest deeper than `limit`.
pub fn scan_within(text: &[u8], limit: usize) -> Result<Scanned<'_>, TooDeep> {
    let repairs = lone_surrogates_within(text, limit)?;
    Ok(Scanned { repaired: repairs.len(), text: replace_escapes(text, &repairs) })
}

/// Where the lone surrogate escapes of a JSON text begin.
///
/// # Errors
/// [`TooDeep`] when arrays and objects nest deeper than [`MAX_DEPTH`].
pub fn lone_surrogates(text: &[u8]) -> Result<Vec<usize>, TooDeep> {
    lone_surrogates_within(text, MAX_DEPTH)
}

fn lone_surrogates_within(text: &[u8], limit: usize) -> Result<Vec<usize>, TooDeep> {
    let mut depth = 0_usize;
    let mut repairs: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = skip_string(text, at + 1, &mut repairs),
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return Err(TooDeep { limit });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(repairs)
}

/// Returns the position of the closing quote (or the end), noting where lone surrogate escapes begin.
fn skip_string(text: &[u8], mut at: usize, repairs: &mut Vec<usize>) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else { return text.len() };
        at += found;
        if text.get(at) == Some(&b'"') {
            return at;
        }
        match escaped_unit(text, at) {
            Some(unit) if is_high(unit) => {
                if escaped_unit(text, at + 6).is_some_and(is_low) {
                    at += 12;
                } else {
                    repairs.push(at);
                    at += 6;
                }
            }
            Some(unit) => {
                if is_low(unit) {
                    repairs.push(at);
                }
                at += 6;
            }
            None => at += 2,
        }
    }
}

/// The UTF-16 unit of a `\uXXXX` escape that begins at `at`.
fn escaped_unit(text: &[u8], at: usize) -> Option<u16> {
    unit_at(text.get(at..)?)
}

fn replace_escapes<'a>(text: &'a [u8], escapes: &[usize]) -> Cow<'a, [u8]> {
    if escapes.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut repaired = text.to_vec();
    for &at in escapes {
        if let Some(escape) = repaired.get_mut(at..at + 6) {
            escape.copy_from_slice(b"\\ufffd");
        }
    }
    Cow::Owned(repaired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str, repaired: usize) {
        let scanned = scan(input.as_bytes()).unwrap();
        assert_eq!(std::str::from_utf8(&scanned.text).unwrap(), expected);
        assert_eq!(scanned.repaired, repaired);
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        check(r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#, 1);
        check(r#"["\ude00 x","\ud83d\ud83d\ude00"]"#, r#"["\ufffd x","\ufffd\ud83d\ude00"]"#, 2);
        check(r#"["\uD83D"]"#, r#"["\ufffd"]"#, 1);
    }

    #[test]
    fn pairs_and_escaped_backslashes_stay() {
        for text in
            [r#"["\ud83d\ude00"]"#, r#"["\\ud83d"]"#, r#"["\\\\ud83d\""]"#, "[\"\u{1F600}\"]", r#""\u12"#]
        {
            check(text, text, 0);
        }
    }

    #[test]
    fn depth_is_limited_outside_of_strings_only() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(scan(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(scan(nested(MAX_DEPTH + 1).as_bytes()), Err(TooDeep { limit: MAX_DEPTH }));
        assert!(scan(format!("\"{}\"", nested(1000)).as_bytes()).is_ok());
    }
}
