//! The kinds of values that the file holds beside TOML's own.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use toml::Spanned;

use super::{TargetTable, UpstreamTable};
use crate::{models::counting::Multiplier, secret::SecretString};

/// An upstream model: its name, or a table.
#[derive(Debug)]
pub(in crate::config) struct TargetValue(pub(in crate::config) TargetTable);

/// A whole number, kept as text until its range is checked.
#[derive(Debug)]
pub(in crate::config) struct Integer(pub(in crate::config) String);

/// A duration or a size: text with a unit, or a bare number.
#[derive(Debug)]
pub(in crate::config) struct Quantity(pub(in crate::config) String);

/// A moment: one of TOML's dates, or text. Kept as text until it is read.
#[derive(Debug)]
pub(in crate::config) struct Moment(pub(in crate::config) String);

/// A number that may have digits behind the point, as text.
#[derive(Debug)]
pub(in crate::config) struct Decimal(pub(in crate::config) String);

/// Text that no message shows.
#[derive(Debug, Clone)]
pub(in crate::config) struct SecretText(pub(in crate::config) SecretString);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Scalar { text: false, fraction: false, expecting: "a whole number" })
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a number, or text with a unit such as \"30s\" or \"32MiB\"";
        deserializer.deserialize_any(Scalar { text: true, fraction: false, expecting }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Date(toml::value::Datetime),
            Text(String),
            Number(i64),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Date(date) => date.to_string(),
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        }))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar { text: false, fraction: true, expecting: "a number" }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Multiplier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Decimal(text) = Decimal::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| de::Error::custom(format_args!("`{text}` is not {MULTIPLIER}")))
    }
}

/// What a multiplier must be, for messages.
pub(in crate::config) const MULTIPLIER: &str =
    "a number from 0.1 to 10 with at most three digits behind the point";

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

impl From<Integer> for String {
    fn from(number: Integer) -> Self {
        number.0
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl From<Decimal> for String {
    fn from(number: Decimal) -> Self {
        number.0
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

/// Reads an integer, and text or a fraction if allowed, as text.
struct Scalar {
    text: bool,
    fraction: bool,
    expecting: &'static str,
}

impl de::Visitor<'_> for Scalar {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
        if self.fraction {
            Ok(number.to_string())
        } else {
            Err(E::invalid_type(de::Unexpected::Float(number), &self))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if self.text { Ok(text.to_owned()) } else { Err(E::invalid_type(de::Unexpected::Str(text), &self)) }
    }
}

impl<'de> Deserialize<'de> for TargetValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor).map(Self)
    }
}

/// `[upstream]`, or each of `[[upstream]]`.
#[derive(Debug, Default)]
pub(in crate::config) struct UpstreamTables(pub(in crate::config) Vec<Spanned<UpstreamTable>>);

impl<'de> Deserialize<'de> for UpstreamTables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpstreamVisitor).map(Self)
    }
}

struct UpstreamVisitor;

impl<'de> de::Visitor<'de> for UpstreamVisitor {
    type Value = Vec<Spanned<UpstreamTable>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table [upstream], or tables [[upstream]]")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let table = UpstreamTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
        // A table that stands alone is never told by its place.
        Ok(vec![Spanned::new(0..0, table)])
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut tables = Vec::new();
        while let Some(table) = seq.next_element()? {
            tables.push(table);
        }
        Ok(tables)
    }
}

/// One text, or several.
#[derive(Debug)]
pub(in crate::config) struct OneOrMore(pub(in crate::config) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(Self)
    }
}

struct TextsVisitor;

impl<'de> de::Visitor<'de> for TextsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}

struct TargetVisitor;

impl<'de> de::Visitor<'de> for TargetVisitor {
    type Value = TargetTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a model, or a table with `model`")
    }

    fn visit_str<E: de::Error>(self, model: &str) -> Result<TargetTable, E> {
        Ok(TargetTable { model: model.to_owned(), ..TargetTable::default() })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TargetTable, A::Error> {
        TargetTable::deserialize(de::value::MapAccessDeserializer::new(map))
    }
}
