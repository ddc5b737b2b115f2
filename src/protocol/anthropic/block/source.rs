//! Members that come in more than one form: `source` and `citations`.

use super::{Content, Source, required};
use crate::protocol::json::Escaped;
use crate::protocol::object::Word;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// `source` is an object on images and documents, a string on search results.
#[derive(Debug, Clone)]
pub(super) enum WireSource {
    Name(String),
    Object(Source, Vec<String>),
}

impl<'de> Deserialize<'de> for WireSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SourceVisitor;
        impl<'de> Visitor<'de> for SourceVisitor {
            type Value = WireSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a source object or string")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<WireSource, E> {
                Ok(WireSource::Name(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WireSource, A::Error> {
                let mut members = SourceMembers::deserialize(MapAccessDeserializer::new(map))?;
                let unknown = std::mem::take(&mut members.unknown);
                Ok(WireSource::Object(members.into_source()?, unknown))
            }
        }
        deserializer.deserialize_any(SourceVisitor)
    }
}

object! {
    #[expect(dead_code, reason = "a stored file's id means nothing to another vendor")]
    struct SourceMembers {
        required kind: Word = "type",
        optional media_type: String = "media_type",
        optional data: Escaped = "data",
        optional url: String = "url",
        optional content: Content = "content",
        optional file_id: IgnoredAny = "file_id",
    }
}

impl SourceMembers {
    fn into_source<E: Error>(self) -> Result<Source, E> {
        Ok(match self.kind.as_str() {
            "base64" => Source::Base64 {
                media_type: required(self.media_type, "media_type")?,
                data: required(self.data, "data")?,
            },
            "url" => Source::Url(required(self.url, "url")?),
            "text" => Source::Text(required(self.data, "data")?),
            "content" => Source::Content(required(self.content, "content")?),
            "file" => Source::File,
            _ => Source::Other(self.kind.into_string()),
        })
    }
}

/// `citations`: a list on text blocks, `{"enabled": bool}` on documents and search results.
#[derive(Debug, Clone)]
pub(super) struct Citations {
    pub(super) wanted: bool,
}

impl<'de> Deserialize<'de> for Citations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CitationsVisitor;
        impl<'de> Visitor<'de> for CitationsVisitor {
            type Value = Citations;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of citations or an object")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Citations, A::Error> {
                let mut wanted = false;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    wanted = true;
                }
                Ok(Citations { wanted })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Citations, A::Error> {
                let switch = CitationsSwitch::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Citations { wanted: switch.enabled.unwrap_or(false) })
            }
        }
        deserializer.deserialize_any(CitationsVisitor)
    }
}

#[derive(serde::Deserialize)]
struct CitationsSwitch {
    enabled: Option<bool>,
}
