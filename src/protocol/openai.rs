//! OpenAI's dialects, and what servers that follow them really say.

pub mod chat;
mod lenient;
pub mod responses;

use serde::{Deserialize, Serialize};

/// An explicit cache marker on a part, which both dialects have: the prompt up to its end is cached.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Breakpoint {
    /// Always `explicit`.
    pub mode: &'static str,
}

/// A page of the web, and the part of the text that rests on it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UrlCitation {
    /// The address.
    #[serde(deserialize_with = "lenient::text")]
    pub url: Option<String>,
    /// The title.
    #[serde(deserialize_with = "lenient::text")]
    pub title: Option<String>,
    /// Where that part begins, in characters.
    #[serde(deserialize_with = "lenient::count")]
    pub start_index: Option<u64>,
    /// Where it ends.
    #[serde(deserialize_with = "lenient::count")]
    pub end_index: Option<u64>,
}
