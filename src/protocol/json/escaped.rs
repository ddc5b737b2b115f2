//! Strings that stay as they stand in JSON: what nobody reads on its way need not be unescaped and escaped again.

use super::write::{RAW, plain_length, write_escaped};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A string as JSON writes it: escaped, in its quotes.
///
/// It is sound by construction: every escape in it is complete, half a surrogate pair is nowhere, and no control
/// character stands in it as it is. Two are equal that mean the same, however they are escaped.
#[derive(Clone)]
pub struct Escaped(String);

/// What [`super::read()`] is asked for by that name: the string as it stands in the text.
pub(super) const LITERAL: &str = "$aiapiproxy::Escaped";

impl Escaped {
    /// An empty one with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut literal = String::with_capacity(bytes + 2);
        literal.push_str("\"\"");
        Self(literal)
    }

    /// The string in its quotes, as JSON has it.
    pub fn literal(&self) -> &str {
        &self.0
    }

    /// What stands between the quotes.
    pub fn inner(&self) -> &str {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    /// What the string means; copied only if it holds an escape.
    pub fn unescaped(&self) -> Cow<'_, str> {
        unescaped(self.inner())
    }

    /// The characters that the string means.
    pub fn chars(&self) -> Chars<'_> {
        Chars::new(self.inner())
    }

    /// Whether there is no character in it.
    pub fn is_empty(&self) -> bool {
        self.inner().is_empty()
    }

    /// Whether there is nothing but white space in it.
    pub fn is_blank(&self) -> bool {
        self.chars().all(char::is_whitespace)
    }

    /// Whether it begins with that text.
    pub fn starts_with(&self, text: &str) -> bool {
        let mut chars = self.chars();
        text.chars().all(|expected| chars.next() == Some(expected))
    }

    /// Its last character.
    pub fn last(&self) -> Option<char> {
        Chars::new(self.inner().get(self.last_at()?..)?).next()
    }

    /// Cuts the white space at its end.
    pub fn trim_end(&mut self) {
        let mut end = self.0.len().saturating_sub(1);
        while let Some(at) = self.last_at().filter(|_| self.last().is_some_and(char::is_whitespace)) {
            end = at + 1;
            self.0.truncate(end);
            self.0.push('"');
        }
        debug_assert!(end < self.0.len(), "the closing quote stays");
    }

    /// Where the last character begins, counted from the opening quote's end.
    fn last_at(&self) -> Option<usize> {
        let inner = self.inner();
        let bytes = inner.as_bytes();
        let is_escape = |at: usize| {
            // Of a run of backslashes each second one is escaped by the one before.
            let before = bytes.get(..=at).unwrap_or_default();
            before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
        };
        let unit = |end: usize| {
            let at = end.checked_sub(UNIT_BYTES)?;
            (bytes.get(at..at + 2) == Some(b"\\u") && is_escape(at)).then_some(at)
        };
        if let Some(at) = unit(inner.len()) {
            let is_low = bytes.get(at..).and_then(unit_at).is_some_and(is_low);
            return if is_low { unit(at) } else { Some(at) };
        }
        match inner.len().checked_sub(2) {
            Some(at) if is_escape(at) => Some(at),
            _ => inner.char_indices().next_back().map(|(at, _)| at),
        }
    }

    /// Appends a text.
    pub fn push_str(&mut self, text: &str) {
        self.0.pop();
        write_escaped(text, &mut self.0);
        self.0.push('"');
    }

    /// Appends another.
    pub fn push(&mut self, other: &Self) {
        self.0.pop();
        self.0.push_str(other.inner());
        self.0.push('"');
    }

    /// Puts a text before it.
    pub fn prepend(&mut self, text: &str) {
        let mut whole = Self::from(text);
        whole.push(self);
        *self = whole;
    }

    /// All of them with that text in between; one alone is not copied.
    pub fn join(texts: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut texts = texts.into_iter();
        let Some(mut joined) = texts.next() else { return Self::default() };
        for text in texts {
            joined.push_str(separator);
            joined.push(&text);
        }
        joined
    }
}

impl Default for Escaped {
    fn default() -> Self {
        Self("\"\"".to_owned())
    }
}

impl From<&str> for Escaped {
    fn from(text: &str) -> Self {
        let mut literal = String::with_capacity(text.len() + text.len() / 32 + 2);
        literal.push('"');
        write_escaped(text, &mut literal);
        literal.push('"');
        Self(literal)
    }
}

impl From<String> for Escaped {
    fn from(text: String) -> Self {
        if plain_length(text.as_bytes()) < text.len() {
            return Self::from(text.as_str());
        }
        let mut literal = text;
        literal.reserve_exact(2);
        literal.insert(0, '"');
        literal.push('"');
        Self(literal)
    }
}

impl PartialEq for Escaped {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.chars().eq(other.chars())
    }
}

impl Eq for Escaped {}

impl PartialEq<str> for Escaped {
    fn eq(&self, text: &str) -> bool {
        self.chars().eq(text.chars())
    }
}

impl fmt::Debug for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.unescaped(), f)
    }
}

/// Verbatim, in the way of `RawValue`, which `serde_json` and [`super::write()`] know.
impl Serialize for Escaped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut raw = serializer.serialize_struct(RAW, 1)?;
        raw.serialize_field(RAW, &self.0)?;
        raw.end()
    }
}

impl<'de> Deserialize<'de> for Escaped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EscapedVisitor;
        impl<'de> Visitor<'de> for EscapedVisitor {
            type Value = Escaped;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, literal: &'de str) -> Result<Escaped, E> {
                Ok(Escaped::of_literal(literal))
            }
            // Readers that know nothing of the name give what the string means.
            fn visit_newtype_struct<D: Deserializer<'de>>(self, plain: D) -> Result<Escaped, D::Error> {
                String::deserialize(plain).map(Escaped::from)
            }
        }
        deserializer.deserialize_newtype_struct(LITERAL, EscapedVisitor)
    }
}

/// A string, or what else may stand in its place, which a visitor of its own reads.
pub(crate) trait OrElse<'de>: Sized {
    /// The string.
    fn text(text: Escaped) -> Self;

    /// What is not a string, or a string that was unescaped already.
    fn other<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Reads one or the other.
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: OrElse<'de>> Visitor<'de> for EitherVisitor<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or something else")
            }
            fn visit_borrowed_str<E: Error>(self, literal: &'de str) -> Result<T, E> {
                Ok(T::text(Escaped::of_literal(literal)))
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<T, D::Error> {
                T::other(other)
            }
        }
        deserializer.deserialize_newtype_struct(LITERAL, EitherVisitor(std::marker::PhantomData))
    }
}

impl Escaped {
    /// Takes what [`super::read()`] found to be a string.
    fn of_literal(literal: &str) -> Self {
        debug_assert!(serde_json::from_str::<serde::de::IgnoredAny>(literal).is_ok(), "the reader checks it");
        let is_quoted = literal.len() >= 2 && literal.starts_with('"') && literal.ends_with('"');
        if is_quoted { Self(literal.to_owned()) } else { Self::from(literal) }
    }
}

/// The bytes of a `\uXXXX`.
const UNIT_BYTES: usize = 6;

/// The UTF-16 unit of a `\uXXXX` that the bytes begin with.
pub(super) fn unit_at(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.get(..UNIT_BYTES)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0_u16, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

pub(super) const fn is_high(unit: u16) -> bool {
    matches!(unit, 0xD800..0xDC00)
}

pub(super) const fn is_low(unit: u16) -> bool {
    matches!(unit, 0xDC00..0xE000)
}

/// What a text between quotes means. Something that is no whole escape means itself.
pub(super) fn unescaped(inner: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', inner.as_bytes()) else { return Cow::Borrowed(inner) };
    let (mut text, mut rest) = (String::with_capacity(inner.len()), inner);
    let mut at = Some(first);
    while let Some((plain, escaped)) = at.and_then(|at| rest.split_at_checked(at)) {
        text.push_str(plain);
        let mut chars = Chars::new(escaped);
        text.extend(chars.next());
        rest = chars.rest;
        at = memchr::memchr(b'\\', rest.as_bytes());
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The characters that an escaped text means. Something that is no whole escape means itself, so that a text may be
/// cut anywhere.
#[derive(Debug, Clone)]
pub struct Chars<'a> {
    rest: &'a str,
}

impl<'a> Chars<'a> {
    /// Those of a text that stood between quotes.
    pub const fn new(inner: &'a str) -> Self {
        Self { rest: inner }
    }

    /// What was not read yet, escaped as it is.
    pub const fn rest(&self) -> &'a str {
        self.rest
    }

    /// The character of the escape that the rest begins with, and the bytes it has.
    fn escape(&self) -> Option<(char, usize)> {
        let bytes = self.rest.as_bytes();
        let short = match bytes.get(1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let unit = unit_at(bytes)?;
                if !is_high(unit) {
                    return Some((char::from_u32(u32::from(unit))?, UNIT_BYTES));
                }
                let low = bytes.get(UNIT_BYTES..).and_then(unit_at)?;
                let both = char::decode_utf16([unit, low]).next()?.ok()?;
                return Some((both, 2 * UNIT_BYTES));
            }
            &itself @ (b'"' | b'\\' | b'/') => char::from(itself),
            _ => return None,
        };
        Some((short, 2))
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut plain = self.rest.chars();
        let first = plain.next()?;
        if first == '\\'
            && let Some((escaped, length)) = self.escape()
        {
            self.rest = self.rest.get(length..).unwrap_or_default();
            return Some(escaped);
        }
        self.rest = plain.as_str();
        Some(first)
    }
}

#[cfg(test)]
mod tests;
