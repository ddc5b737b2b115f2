//! Compact JSON, as `serde_json` writes it, but for its strings: those are searched eight bytes at a time for what
//! must be escaped, and copied in between. Requests and answers are mostly strings.

use serde::Serialize;
use serde::ser::{self, Error as _, Serializer};
use serde_json::Error;

/// Appends a value.
///
/// # Errors
/// When it has no JSON, such as a map whose keys are no strings; what was written until then stays.
pub fn write(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(Writer { out, mode: Mode::Value })
}

/// A value as JSON, in a buffer that is made for `expected` bytes.
///
/// # Errors
/// As [`write()`].
pub fn to_vec(value: &(impl Serialize + ?Sized), expected: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(expected);
    write(value, &mut out)?;
    Ok(out)
}

/// Appends a string in quotes.
pub fn write_str(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, behind) = rest.split_at_checked(plain_length(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = behind.split_first() else { break };
        let (escape, length) = escape(byte);
        out.extend_from_slice(escape.get(..length).unwrap_or_default());
        rest = behind;
    }
    out.push(b'"');
}

/// How many bytes at the beginning stand in a JSON string as they are.
pub fn plain_length(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let start = blocks.iter().take_while(|block| is_plain(block)).count() * 32;
    let (words, rest) = bytes.get(start..).unwrap_or_default().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = escaped_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            // The lowest bit that is set is exact; those above may be carries of it.
            return start + index * 8 + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let is_escaped = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    start + words.len() * 8 + rest.iter().position(is_escaped).unwrap_or(rest.len())
}

/// Whether nothing in a block must be escaped. Without branches, so that the compiler can take many bytes at once.
fn is_plain(block: &[u8; 32]) -> bool {
    let escaped = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    block.iter().fold(0, |found, byte| found | escaped(*byte)) == 0
}

/// The highest bit of each byte that must be escaped: control characters, quotes and backslashes.
const fn escaped_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (controls | zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5C))) & (ONES * 0x80)
}

/// Appends a string as it stands between quotes.
pub(super) fn write_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    loop {
        let (plain, behind) = rest.split_at_checked(plain_length(rest.as_bytes())).unwrap_or((rest, ""));
        out.push_str(plain);
        let Some(byte) = behind.bytes().next() else { break };
        let (escape, length) = escape(byte);
        out.extend(escape.iter().take(length).map(|byte| char::from(*byte)));
        rest = behind.get(1..).unwrap_or_default();
    }
}

/// The escape of a byte, and how many bytes it has.
const fn escape(byte: u8) -> ([u8; 6], usize) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            const fn digit(value: u8) -> u8 {
                if value < 10 { b'0' + value } else { b'a' + value - 10 }
            }
            return ([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)], 6);
        }
    };
    ([b'\\', short, 0, 0, 0, 0], 2)
}

/// What `RawValue` calls itself, and its only member.
pub(super) const RAW: &str = "$serde_json::private::RawValue";

/// Writes one value.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    mode: Mode,
}

/// What the value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Value,
    /// The name of a member; a string, or something that becomes one.
    Key,
    /// The text of a `RawValue`.
    Verbatim,
}

impl<'a> Writer<'a> {
    /// Numbers and their like, which need no escapes.
    fn scalar(self, value: &impl Serialize) -> Result<(), Error> {
        let quotes = self.mode == Mode::Key;
        self.out.extend(quotes.then_some(b'"'));
        serde_json::to_writer(&mut *self.out, value)?;
        self.out.extend(quotes.then_some(b'"'));
        Ok(())
    }

    fn open(self, open: u8, close: &'static [u8]) -> Result<Items<'a>, Error> {
        if self.mode != Mode::Value {
            return Err(Error::custom("key must be a string"));
        }
        self.out.push(open);
        Ok(Items { out: self.out, close, first: true, verbatim: false })
    }

    /// An object with one member, which names an enum's variant.
    fn variant(self, name: &str, open: u8, close: &'static [u8]) -> Result<Items<'a>, Error> {
        let items = self.open(b'{', b"}")?;
        write_str(name, items.out);
        items.out.extend_from_slice(&[b':', open]);
        Ok(Items { close, ..items })
    }
}

macro_rules! scalars {
    ($($method:ident: $kind:ty),*) => { $(
        fn $method(self, value: $kind) -> Result<(), Error> {
            self.scalar(&value)
        }
    )* };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    scalars!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64);

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        if self.mode == Mode::Verbatim {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            write_str(text, self.out);
        }
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        if self.mode != Mode::Value {
            return Err(Error::custom("key must be a string"));
        }
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Error> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut members = self.open(b'{', b"}")?;
        members.member(name, value)?;
        members.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        self.open(b'[', b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Error> {
        self.open(b'[', b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Error> {
        self.open(b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(name, b'[', b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        self.open(b'{', b"}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Items<'a>, Error> {
        if name == RAW {
            return Ok(Items { out: self.out, close: b"", first: true, verbatim: true });
        }
        self.open(b'{', b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(name, b'{', b"}}")
    }
}

/// Writes the elements of an array or the members of an object.
struct Items<'a> {
    out: &'a mut Vec<u8>,
    close: &'static [u8],
    first: bool,
    /// It is a `RawValue`.
    verbatim: bool,
}

impl Items<'_> {
    fn separate(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.separate();
        write(value, self.out)
    }

    fn member(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        if self.verbatim {
            return value.serialize(Writer { out: self.out, mode: Mode::Verbatim });
        }
        self.separate();
        debug_assert_eq!(plain_length(name.as_bytes()), name.len(), "no member of ours needs an escape");
        self.out.reserve(name.len() + 3);
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(value, self.out)
    }

    fn close(self) {
        self.out.extend_from_slice(self.close);
    }
}

macro_rules! compound {
    ($($kind:ident: $method:ident($($name:ident: $type:ty)?) = $what:ident;)*) => { $(
        impl ser::$kind for Items<'_> {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Result<(), Error> {
                self.$what($($name,)? value)
            }
            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )* };
}

compound! {
    SerializeSeq: serialize_element() = element;
    SerializeTuple: serialize_element() = element;
    SerializeTupleStruct: serialize_field() = element;
    SerializeTupleVariant: serialize_field() = element;
    SerializeStruct: serialize_field(name: &'static str) = member;
    SerializeStructVariant: serialize_field(name: &'static str) = member;
}

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        key.serialize(Writer { out: self.out, mode: Mode::Key })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        write(value, self.out)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    fn check(value: &impl Serialize) {
        let (ours, theirs) = (to_vec(value, 0).unwrap(), serde_json::to_vec(value).unwrap());
        assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
    }

    #[derive(Serialize)]
    enum Kinds {
        Unit,
        Newtype(u8),
        Tuple(i64, &'static str),
        Struct { a: f64, b: Option<()> },
    }

    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Tagged {
        One { text: String },
        Two,
    }

    #[derive(Serialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, Tagged>,
        bytes: (u8, char),
        #[serde(skip_serializing_if = "Option::is_none")]
        nothing: Option<u8>,
    }

    #[test]
    fn every_shape_is_written_as_serde_json_writes_it() {
        check(&[
            Kinds::Unit,
            Kinds::Newtype(1),
            Kinds::Tuple(-2, "x"),
            Kinds::Struct { a: 1.5e300, b: None },
        ]);
        let rest =
            [("k\n".to_owned(), Tagged::One { text: "\u{1}é\"".to_owned() }), ("l".to_owned(), Tagged::Two)];
        check(&Flat { rest: rest.into(), bytes: (7, '\\'), nothing: None });
        check(&BTreeMap::from([(1_u64, f64::NAN), (2, 0.1)]));
        check(&(
            Vec::<u8>::new(),
            BTreeMap::<String, u8>::new(),
            Some("x"),
            true,
            f32::MAX,
            u64::MAX,
            i64::MIN,
        ));
        let raw = RawValue::from_string("{ \"a\" : [1.10,  9007199254740993]}".to_owned()).unwrap();
        check(&[&raw]);
        check(&BTreeMap::from([("raw", &raw)]));
        assert!(to_vec(&BTreeMap::from([(vec![1], 1)]), 0).is_err());
    }

    proptest! {
        #[test]
        fn every_string_is_written_as_serde_json_writes_it(text in "(?s)[\\x00-\\x7Fé😀]{0,40}|.{0,40}") {
            check(&text);
            let text = text.repeat(7);
            let bytes = text.as_bytes();
            let is_plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\');
            let plain = bytes.iter().take_while(|byte| is_plain(byte)).count();
            prop_assert_eq!(plain_length(bytes), plain);
        }
    }
}
