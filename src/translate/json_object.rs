//! The members of a JSON object as raw texts, for the few repairs that carried JSON needs.

use crate::protocol::json;
use crate::protocol::object::Name;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The members in their order, duplicates included. Values are untouched.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object; `None` if the text is anything else.
    pub(crate) fn read(json: &'a RawValue) -> Option<Self> {
        json::read(json.get().as_bytes()).or_else(|| serde_json::from_str(json.get()).ok())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| *value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Writes an object of raw members.
#[derive(Debug, Default)]
pub(crate) struct ObjectText(String);

impl ObjectText {
    /// Appends a member whose value is a JSON text.
    pub(crate) fn member(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
    }

    /// The object.
    pub(crate) fn finish(mut self) -> Box<RawValue> {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        raw(self.0)
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A text that is JSON by construction. Should it ever not be, it becomes an empty object.
pub(crate) fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap_or_else(|_| empty_object())
}

/// `{}`.
pub(crate) fn empty_object() -> Box<RawValue> {
    // `to_raw_value` of an empty map cannot fail; `null` never leaves this function.
    serde_json::value::to_raw_value(&std::collections::BTreeMap::<String, bool>::new())
        .unwrap_or_else(|_| Box::<RawValue>::default())
}
