//! One pass over a JSON text into typed values: checks depth and surrogates while it reads, borrows what needs no
//! unescaping, and gives strings as they stand in the text to whoever wants them so ([`super::Escaped`]).
//!
//! It knows no errors: what it does not read, for whatever reason, `serde_json` is asked about, which says what is
//! wrong and where. It never reads what `serde_json` would not, which a property test holds.

use super::escaped::{LITERAL, unescaped};
use super::string_end::{End, string_end};
use super::write::RAW;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

/// Reads a value, which must be all there is; `None` where `serde_json` must be asked: of malformed and mistyped
/// texts, of such as nest deeper than 126 levels, and of half a surrogate pair.
pub fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Option<T> {
    let text = simdutf8::basic::from_utf8(text).ok()?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = T::deserialize(&mut reader).ok()?;
    (reader.peek().is_err() && reader.at == text.len()).then_some(value)
}

/// The deepest nesting that is read; what is deeper is left to `serde_json`.
const MOST_DEPTH: u32 = 126;

/// A text on its way to be read.
#[derive(Debug)]
pub(super) struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: u32,
}

/// It was not read.
#[derive(Debug)]
pub(super) struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not read")
    }
}

impl std::error::Error for Unread {}

impl Error for Unread {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self
    }

    fn missing_field(_: &'static str) -> Self {
        Self
    }
}

/// A string in the text, of which the reader stands behind the closing quote.
#[derive(Debug, Clone, Copy)]
struct Literal {
    /// Where its opening quote is.
    start: usize,
    has_escapes: bool,
}

impl<'de> Reader<'de> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn since(&self, start: usize) -> Result<&'de str, Unread> {
        self.text.get(start..self.at).ok_or(Unread)
    }

    /// The next byte that is not white space; it stays the next.
    fn peek(&mut self) -> Result<u8, Unread> {
        loop {
            match self.byte(self.at).ok_or(Unread)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Ok(byte),
            }
        }
    }

    fn take(&mut self, expected: u8) -> Result<(), Unread> {
        if self.peek()? != expected {
            return Err(Unread);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Unread> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(Unread);
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads a string, whose opening quote is the next byte.
    fn string(&mut self) -> Result<Literal, Unread> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start + 1..).unwrap_or_default();
        let End { length, has_escapes } = string_end(rest).ok_or(Unread)?;
        self.at += length + 2;
        Ok(Literal { start, has_escapes })
    }

    fn digits(&mut self) -> Result<(), Unread> {
        let start = self.at;
        while self.byte(self.at).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(Unread) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'de str, Unread> {
        let start = self.at;
        if self.byte(self.at) == Some(b'-') {
            self.at += 1;
        }
        if self.byte(self.at) == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte(self.at) == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.since(start)
    }

    fn open(&mut self) -> Result<(), Unread> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MOST_DEPTH { Err(Unread) } else { Ok(()) }
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// Passes over a value of any kind, and looks at all of it.
    fn skip(&mut self) -> Result<(), Unread> {
        let base = self.depth;
        // Which of the open levels are objects, the innermost last.
        let mut objects = 0_u128;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                open @ (b'{' | b'[') => {
                    self.open()?;
                    objects = objects << 1 | u128::from(open == b'{');
                    let next = self.peek()?;
                    if next != open + 2 {
                        if open == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                    self.close();
                    objects >>= 1;
                }
                _ => return Err(Unread),
            }
            // A value has ended, and with it perhaps what it is in.
            loop {
                if self.depth == base {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => self.close(),
                    b']' if !is_object => self.close(),
                    _ => return Err(Unread),
                }
                objects >>= 1;
            }
        }
    }

    /// A member's name and the colon.
    fn name(&mut self) -> Result<(), Unread> {
        if self.peek()? != b'"' {
            return Err(Unread);
        }
        self.string()?;
        self.take(b':')
    }

    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Unread> {
        let Literal { start, has_escapes } = self.string()?;
        let inner = self.text.get(start + 1..self.at - 1).ok_or(Unread)?;
        if !has_escapes {
            return visitor.visit_borrowed_str(inner);
        }
        match unescaped(inner) {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    /// Visits what is in an array or an object; all of it must be taken.
    fn visit_items<V>(
        &mut self,
        visit: impl FnOnce(Items<'_, 'de>) -> Result<V, Unread>,
    ) -> Result<V, Unread> {
        let depth = self.depth;
        self.open()?;
        let value = visit(Items { reader: self, is_first: true })?;
        if self.depth == depth { Ok(value) } else { Err(Unread) }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self.peek()? {
            b'"' => self.visit_string(visitor),
            b'{' => self.visit_items(|items| visitor.visit_map(items)),
            b'[' => self.visit_items(|items| visitor.visit_seq(items)),
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word("false").and_then(|()| visitor.visit_bool(false)),
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            _ => {
                let number = self.number()?;
                serde_json::Deserializer::from_str(number).deserialize_any(visitor).map_err(|_| Unread)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if self.peek()? == b'n' {
            return self.word("null").and_then(|()| visitor.visit_none());
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        match name {
            LITERAL if self.peek()? == b'"' => {
                let Literal { start, .. } = self.string()?;
                visitor.visit_borrowed_str(self.since(start)?)
            }
            RAW => {
                self.peek()?;
                let start = self.at;
                self.skip()?;
                visitor.visit_map(Raw { text: Some(self.since(start)?) })
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if self.peek()? == b'"' { self.visit_string(visitor) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.skip()?;
        visitor.visit_unit()
    }

    // Nothing that clients say is read into an enum by its variants' names.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Unread> {
        Err(Unread)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// What is in an array or an object.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
}

impl Items<'_, '_> {
    /// Whether one more follows; it is the next then.
    fn is_next(&mut self, close: u8) -> Result<bool, Unread> {
        let next = self.reader.peek()?;
        if next == close {
            self.reader.close();
            return Ok(false);
        }
        if !std::mem::replace(&mut self.is_first, false) {
            self.reader.take(b',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Unread;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unread> {
        if self.is_next(b']')? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        if !self.is_next(b'}')? {
            return Ok(None);
        }
        if self.reader.peek()? != b'"' {
            return Err(Unread);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unread> {
        self.reader.take(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

/// What a `RawValue` wants to be given: an object with one member.
struct Raw<'de> {
    text: Option<&'de str>,
}

impl<'de> MapAccess<'de> for Raw<'de> {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        seed.deserialize(BorrowedStrDeserializer::new(RAW)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unread> {
        seed.deserialize(BorrowedStrDeserializer::new(self.text.take().ok_or(Unread)?))
    }
}

#[cfg(test)]
mod tests;
