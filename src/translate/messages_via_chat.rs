//! Messages clients on chat completions upstreams.
//!
//! # What becomes of a request's members
//!
//! What all dialects share is in `translate/request.rs` and below (here `…/`), the rest in `request.rs` here.
//!
//! | Messages | chat completions | where |
//! |---|---|---|
//! | `model` | the upstream's name of it | `request.rs` |
//! | `max_tokens` | `max_tokens` or `max_completion_tokens`, clamped to the route's limit | `…/settings.rs` |
//! | `system`, messages of role `system` | by `system_mode`: `system`, `developer`, folded, hoisted | `…/system.rs` |
//! | `messages`, `tool_use`, `tool_result` | messages, `tool_calls`, `tool` messages | `…/conversation.rs`, `request/messages.rs` |
//! | `image`, `document`, `search_result` … | parts: `text`, `image_url`, `file` | `…/blocks.rs` |
//! | `thinking` blocks | `reasoning_content` or `reasoning` where the upstream takes it back, else ignored | `…/conversation/assistant.rs` |
//! | `tools`, `tool_choice`, `disable_parallel_tool_use` | `tools`, `tool_choice`, `parallel_tool_calls` | `…/tools.rs` |
//! | `thinking`, `output_config.effort` | `reasoning_effort`, `reasoning`, `thinking`, `chat_template_kwargs` | `…/reasoning.rs` |
//! | `output_config.format` | `response_format` | `…/settings.rs` |
//! | `stop_sequences` | searched for in the answer; or `stop`: the first four, the rest is reported | `…/settings.rs`, `stop_scan.rs` |
//! | `temperature`, `top_p`, `top_k` | the same, where the upstream takes them | `…/settings.rs` |
//! | `stream` | `stream`, `stream_options.include_usage` | `request.rs` |
//! | `metadata.user_id` | `safety_identifier`, hashed | `…/settings.rs` |
//! | `cache_control`, `context_management`, `diagnostics` … | hints: ignored | `…/hints.rs` |
//! | `thread`, `mcp_servers`, `compaction`, skills, stored files | refused | `…/hints.rs` |
//! | unknown members | dropped and reported | everywhere |
//!
//! The full table with its reasons is protocol.md §2 of the design; a member that is not listed here and not
//! known to the types is reported as unknown.
//!
//! ```
//! use aiapiproxy::protocol::anthropic::request::Request;
//! use aiapiproxy::translate::{self, Options, quirks::Preset};
//!
//! let body = br#"{"model":"claude-sonnet-5","max_tokens":9,"top_k":3,"messages":[{"role":"user","content":"hi"}]}"#;
//! let options = Options::new(Preset::Generic.quirks(), "local", "qwen3");
//! let translated = translate::request(Request::parse(body)?, &options)?;
//! assert_eq!(
//!     serde_json::to_string(&translated.body).unwrap(),
//!     r#"{"model":"qwen3","messages":[{"role":"user","content":"hi"}],"max_tokens":9}"#
//! );
//! assert_eq!(translated.report.header().as_deref(), Some("top_k"));
//! # Ok::<(), aiapiproxy::protocol::anthropic::error::Error>(())
//! ```
//!
//! # What becomes of an answer
//!
//! Chunks, and whole completions read as one chunk, go through `reader.rs` into deltas; what follows is the same
//! for every dialect ([`super::stream`]). So a whole answer and a stream give the same message.

mod reader;
mod request;

pub(super) use reader::Reader;
pub(super) use request::{form, pieces, write};
// Requests are translated by the one verb for all dialects.
pub use super::request::{Translated, request};
