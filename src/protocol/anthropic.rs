//! Anthropic's Messages API.
//!
//! Source: the types of the Python SDK `anthropic` 2.12.0 and of `@anthropic-ai/sdk` 1.12.0, and the requests
//! of Claude Code 2.1.330, all read on 2026-11-22.

pub mod block;
pub mod error;
pub mod request;
pub mod response;
pub mod stream;
