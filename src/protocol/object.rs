//! The `object!` macro: JSON objects read member by member, unknown members remembered by name.
//!
//! `#[derive(Deserialize)]` would drop unknown members without a trace, and `#[serde(flatten)]` buffers the
//! whole object (twice the time, and `RawValue` fails inside it). This reads in one pass: a missing or
//! duplicate member is an error that names it, an unknown one is skipped and its name kept for the loss report.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Declares a struct and how it is read from a JSON object.
///
/// Each field is `required` or `optional` (an `Option`; absent and `null` are the same) and says the name of
/// its member. The struct gets one more field, `unknown`, and, where a type of `rare_members!` is named, `rare`.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(, rarely $rare:ident)? {
            $( $(#[$field_meta:meta])* $mode:ident $field:ident : $ty:ty = $key:literal ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[$field_meta])* $vis $field: object!(@type $mode $ty), )+
            $( /// Members that few have.
            $vis rare: Option<Box<$rare>>, )?
            /// Names of members that this type does not know, in the order in which they came.
            $vis unknown: Vec<String>,
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> ::serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        use ::serde::de::Error as _;
                        $( let mut $field: Option<object!(@type $mode $ty)> = None; )+
                        $( let mut rare: Option<Box<$rare>> = None; )?
                        let mut unknown = Vec::new();
                        while let Some(name) = map.next_key::<$crate::protocol::object::Name<'de>>()? {
                            match name.as_str() {
                                $( $key => {
                                    if $field.is_some() {
                                        return Err(A::Error::duplicate_field($key));
                                    }
                                    $field = Some(map.next_value()?);
                                } )+
                                $( other if $rare::read(&mut rare, other, &mut map)? => {} )?
                                _ => {
                                    map.next_value::<::serde::de::IgnoredAny>()?;
                                    unknown.push(name.into_string());
                                }
                            }
                        }
                        Ok($name {
                            $( $field: object!(@finish $mode $field $key), )+
                            $( rare: rare as Option<Box<$rare>>, )?
                            unknown,
                        })
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
    (@type required $ty:ty) => { $ty };
    (@type optional $ty:ty) => { Option<$ty> };
    (@finish required $field:ident $key:literal) => {
        match $field {
            Some(value) => value,
            None => return Err(A::Error::missing_field($key)),
        }
    };
    (@finish optional $field:ident $key:literal) => { $field.flatten() };
}

/// Declares the members that few objects of a kind have: they are read into a box, which all others do without.
macro_rules! rare_members {
    (
        $(#[$meta:meta])*
        struct $name:ident { $( $field:ident : $ty:ty = $key:literal ),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        struct $name {
            $( $field: Option<$ty>, )+
            /// The names of those that came, `null` or not.
            seen: Vec<&'static str>,
        }

        impl $name {
            /// Reads the member of that name if it is one of these; returns whether it is.
            fn read<'de, A: ::serde::de::MapAccess<'de>>(
                rare: &mut Option<Box<Self>>,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                use ::serde::de::Error as _;
                match name {
                    $( $key => {
                        let rare = rare.get_or_insert_default();
                        if rare.seen.contains(&$key) {
                            return Err(A::Error::duplicate_field($key));
                        }
                        rare.seen.push($key);
                        rare.$field = map.next_value()?;
                    } )+
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

/// A member's name, borrowed from the input unless it holds an escape.
#[derive(Debug)]
pub(crate) struct Name<'de>(Cow<'de, str>);

impl Name<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// A word that is mostly one of a few, and then takes no memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Word(Cow<'static, str>);

impl Word {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// The types of blocks and sources that conversations are made of, and who speaks in them.
const KNOWN: [&str; 8] =
    ["text", "tool_use", "tool_result", "user", "assistant", "thinking", "image", "base64"];

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;
        impl Visitor<'_> for WordVisitor {
            type Value = Word;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<Word, E> {
                let known = KNOWN.into_iter().find(|known| *known == word);
                Ok(Word(known.map_or_else(|| Cow::Owned(word.to_owned()), Cow::Borrowed)))
            }
        }
        deserializer.deserialize_str(WordVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    object! {
        /// A test object.
        struct Sample {
            /// Needed.
            required kind: String = "type",
            /// Not needed.
            optional count: u64 = "count",
            /// Carried.
            optional raw: Box<RawValue> = "raw",
        }
    }

    #[test]
    fn unknown_members_are_kept_by_name_and_opaque_ones_byte_for_byte() {
        let read: Sample =
            serde_json::from_str(r#"{"b":1,"raw":{ "z":1.0, "a":1e2},"type":"x","count":null,"c\u0041":[]}"#)
                .unwrap();
        assert_eq!((read.kind.as_str(), read.count), ("x", None));
        assert_eq!(read.raw.unwrap().get(), r#"{ "z":1.0, "a":1e2}"#);
        assert_eq!(read.unknown, ["b", "cA"]);
    }

    #[test]
    fn missing_duplicate_and_mistyped_members_are_named() {
        let error = |text: &str| serde_json::from_str::<Sample>(text).unwrap_err().to_string();
        assert!(error(r#"{"count":1}"#).starts_with("missing field `type`"));
        assert!(error(r#"{"type":"a","type":"b"}"#).starts_with("duplicate field `type`"));
        assert!(error("[]").starts_with("invalid type: sequence, expected an object"));
    }
}
