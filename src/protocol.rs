//! The dialects: what can be said in each, as types, without IO and without opinion.
//!
//! Types mirror the vendors' documents; each file names its source and the date it was read. Requests of
//! clients are read strictly (a wrong type is an error that names the place, an unknown member is remembered
//! by name); answers of upstreams are read leniently, because many servers that say "OpenAI-compatible" deviate.
//! What is only carried (tool schemas, tool inputs) stays `RawValue`: its bytes are never touched. Texts of requests
//! stay escaped ([`json::Escaped`]).

#[macro_use]
pub(crate) mod object;

pub mod anthropic;
mod call_id;
pub mod json;
pub mod openai;

pub use call_id::CallId;
