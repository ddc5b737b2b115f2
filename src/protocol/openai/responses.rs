//! OpenAI's Responses, `POST /v1/responses`.
//!
//! Source: the types of the Python SDK `openai` 3.54.0, read on 2026-11-25. Of their many members those are here
//! that a request of this program has, and those of an answer that it uses.

pub mod event;
pub mod request;
pub mod response;
