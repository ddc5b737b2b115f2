//! One event of a stream, read leniently: which members there are depends on its type.

use super::response::{Annotation, Item, Part, Response};
use crate::protocol::openai::lenient;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Event {
    /// `response.created` …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// Which item it is about, by its place in the output.
    #[serde(deserialize_with = "lenient::count")]
    pub output_index: Option<u64>,
    /// Which item it is about, by its id.
    #[serde(deserialize_with = "lenient::text")]
    pub item_id: Option<String>,
    /// Which part of the item's content.
    #[serde(deserialize_with = "lenient::count")]
    pub content_index: Option<u64>,
    /// Which part of the item's summary.
    #[serde(deserialize_with = "lenient::count")]
    pub summary_index: Option<u64>,
    /// More of a text.
    #[serde(deserialize_with = "lenient::text")]
    pub delta: Option<String>,
    /// A whole text.
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// A whole refusal.
    #[serde(deserialize_with = "lenient::text")]
    pub refusal: Option<String>,
    /// A call's arguments as a whole.
    #[serde(deserialize_with = "lenient::json_text")]
    pub arguments: Option<String>,
    /// A custom call's input as a whole.
    #[serde(deserialize_with = "lenient::text")]
    pub input: Option<String>,
    /// An item, at its beginning or as a whole.
    #[serde(deserialize_with = "lenient::object")]
    pub item: Option<Item>,
    /// A part of an item, at its beginning or as a whole.
    #[serde(deserialize_with = "lenient::object")]
    pub part: Option<Part>,
    /// A source the text rests on.
    #[serde(deserialize_with = "lenient::object")]
    pub annotation: Option<Annotation>,
    /// The response as far as it is known.
    #[serde(deserialize_with = "lenient::object")]
    pub response: Option<Response>,
    /// A failure, in any shape.
    pub error: Option<Box<RawValue>>,
}
