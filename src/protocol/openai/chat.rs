//! Chat completions, `POST /v1/chat/completions`.
//!
//! Source: the types of the Python SDK `openai` 3.54.0, read on 2026-11-22, and the deviations of other
//! servers listed in protocol.md §2.13, §3 and §5.4.

pub mod chunk;
pub mod request;
