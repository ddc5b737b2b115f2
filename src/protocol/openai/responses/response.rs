//! What an upstream answers, read leniently: a member of an unexpected type counts as absent.

use crate::protocol::openai::{UrlCitation, lenient};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A response: a whole answer, or what an event says of one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Response {
    /// `response`.
    #[serde(deserialize_with = "lenient::text")]
    pub object: Option<String>,
    /// `completed`, `incomplete`, `failed`, `cancelled`, `in_progress` or `queued`.
    #[serde(deserialize_with = "lenient::text")]
    pub status: Option<String>,
    /// What the model said and did, in its order.
    #[serde(deserialize_with = "lenient::list")]
    pub output: Vec<Item>,
    /// Why it failed, in any shape.
    pub error: Option<Box<RawValue>>,
    /// Why it is not complete.
    #[serde(deserialize_with = "lenient::object")]
    pub incomplete_details: Option<IncompleteDetails>,
    /// Tokens.
    #[serde(deserialize_with = "lenient::object")]
    pub usage: Option<Usage>,
    /// Which tier served the request.
    #[serde(deserialize_with = "lenient::text")]
    pub service_tier: Option<String>,
    /// Reasoning of earlier turns that was not used.
    #[serde(deserialize_with = "lenient::list")]
    pub input_transformations: Vec<InputTransformation>,
}

/// Why a response is not complete.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct IncompleteDetails {
    /// `max_output_tokens`, `content_filter` …
    #[serde(deserialize_with = "lenient::text")]
    pub reason: Option<String>,
}

/// Reasoning of an earlier turn that was not used.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct InputTransformation {
    /// `model_mismatch` …
    #[serde(deserialize_with = "lenient::text")]
    pub reason: Option<String>,
}

/// One thing the model said or did. Which members there are depends on the kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    /// `message`, `reasoning`, `function_call` …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// The item's id. Gateways are known that change it from event to event.
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// Of a call: its id, which its result names.
    #[serde(deserialize_with = "lenient::text")]
    pub call_id: Option<String>,
    /// Of a call: the tool's name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// Of a function's call: a JSON text. An object is read as its text.
    #[serde(deserialize_with = "lenient::json_text")]
    pub arguments: Option<String>,
    /// Of a custom tool's call: free text.
    #[serde(deserialize_with = "lenient::text")]
    pub input: Option<String>,
    /// Of a message: what was said. Of reasoning: the whole of it, where the model is an open one.
    #[serde(deserialize_with = "lenient::parts")]
    pub content: Vec<Part>,
    /// Of reasoning: what may be shown of it.
    #[serde(deserialize_with = "lenient::parts")]
    pub summary: Vec<Part>,
    /// Of reasoning: the whole of it, for the upstream only.
    #[serde(deserialize_with = "lenient::text")]
    pub encrypted_content: Option<String>,
}

/// One part of a message or of reasoning.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Part {
    /// `output_text`, `refusal`, `summary_text`, `reasoning_text` …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// Its text.
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// What a refusal says.
    #[serde(deserialize_with = "lenient::text")]
    pub refusal: Option<String>,
    /// Sources the text rests on.
    #[serde(deserialize_with = "lenient::list")]
    pub annotations: Vec<Annotation>,
}

/// Servers are known that write a text where a list of parts belongs.
impl From<String> for Part {
    fn from(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }
}

/// A source that the model names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Annotation {
    /// `url_citation`, `file_citation` …
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// The address of a page.
    #[serde(deserialize_with = "lenient::text")]
    url: Option<String>,
    /// Its title.
    #[serde(deserialize_with = "lenient::text")]
    title: Option<String>,
    /// Where the part of the text begins that rests on it, in characters.
    #[serde(deserialize_with = "lenient::count")]
    start_index: Option<u64>,
    /// Where it ends.
    #[serde(deserialize_with = "lenient::count")]
    end_index: Option<u64>,
}

impl Annotation {
    /// The page of the web that it names, if that is what it names.
    pub fn into_page(self) -> Option<UrlCitation> {
        let Self { kind, url, title, start_index, end_index } = self;
        (kind.as_deref() == Some("url_citation")).then_some(UrlCitation {
            url,
            title,
            start_index,
            end_index,
        })
    }
}

/// Reasoning as it goes back to the upstream in a later turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningItem {
    /// The upstream's id of it.
    #[serde(default)]
    pub id: String,
    /// What was shown of it.
    #[serde(default)]
    pub summary: Vec<ReasoningText>,
    /// The whole of it, where the model is an open one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<ReasoningText>,
    /// The whole of it, for the upstream only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_content: Option<String>,
}

/// One text of reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningText {
    /// `summary_text` or `reasoning_text`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    pub text: String,
}

/// Tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input, cached tokens included.
    #[serde(deserialize_with = "lenient::count")]
    pub input_tokens: Option<u64>,
    /// How the input divides.
    #[serde(deserialize_with = "lenient::object")]
    pub input_tokens_details: Option<InputTokensDetails>,
    /// Output, reasoning included.
    #[serde(deserialize_with = "lenient::count")]
    pub output_tokens: Option<u64>,
    /// How the output divides.
    #[serde(deserialize_with = "lenient::object")]
    pub output_tokens_details: Option<OutputTokensDetails>,
    /// Sum.
    #[serde(deserialize_with = "lenient::count")]
    pub total_tokens: Option<u64>,
}

/// How the input divides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InputTokensDetails {
    /// Read from a cache.
    #[serde(deserialize_with = "lenient::count")]
    pub cached_tokens: Option<u64>,
    /// Written to a cache.
    #[serde(deserialize_with = "lenient::count")]
    pub cache_write_tokens: Option<u64>,
    /// How the written tokens divide.
    #[serde(deserialize_with = "lenient::object")]
    pub cache_write_tokens_details: Option<CacheWriteTokensDetails>,
}

/// Written cache tokens by lifetime.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CacheWriteTokensDetails {
    /// Kept for twelve hours; the others are kept for half an hour.
    #[serde(deserialize_with = "lenient::count")]
    pub ttl_12h_tokens: Option<u64>,
}

/// How the output divides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OutputTokensDetails {
    /// Spent on reasoning.
    #[serde(deserialize_with = "lenient::count")]
    pub reasoning_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Response {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn unexpected_types_count_as_absent() {
        let response = read(
            r#"{"status":7,"output":[null,{"type":"message","content":"a"},{"content":{"text":"b"},"summary":null,
                "arguments":{"a":  1.10},"id":[]}],"error":null,"usage":[],"incomplete_details":"x"}"#,
        );
        assert!(response.status.is_none() && response.error.is_none() && response.usage.is_none());
        let texts: Vec<_> = response.output.iter().map(|item| item.content[0].text.as_deref()).collect();
        assert_eq!(texts, [Some("a"), Some("b")]);
        assert_eq!(response.output[1].arguments.as_deref(), Some(r#"{"a":  1.10}"#));
        for text in [r#"{"output":null}"#, r#"{"output":{}}"#, "{}"] {
            assert!(read(text).output.is_empty());
        }
    }

    #[test]
    fn only_pages_are_pages() {
        let page = |text: &str| serde_json::from_str::<Annotation>(text).unwrap().into_page();
        let found = page(r#"{"type":"url_citation","url":"u","start_index":1,"end_index":2}"#).unwrap();
        assert_eq!((found.url.as_deref(), found.start_index, found.end_index), (Some("u"), Some(1), Some(2)));
        assert!(page(r#"{"type":"file_citation","file_id":"f"}"#).is_none());
    }
}
