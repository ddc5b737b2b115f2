//! Messages clients on Responses upstreams: OpenAI's newer models, which take tools nowhere else.
//!
//! # What becomes of a request's members
//!
//! What all dialects share is in `translate/request.rs` and below (here `…/`), the rest in `request.rs` here.
//!
//! | Messages | Responses | where |
//! |---|---|---|
//! | – | `store: false`, `truncation: "disabled"`, never `previous_response_id` | `request.rs` |
//! | – | `include: ["reasoning.encrypted_content"]`, unless the model is known not to reason | `request.rs` |
//! | `model` | the upstream's name of it | `request.rs` |
//! | `max_tokens` | `max_output_tokens`, clamped to the route's limit and to 16 at least | `…/settings.rs` |
//! | `system` | `instructions`; a first `developer` message where its cache markers are sent | `request/items.rs` |
//! | messages of role `system` | `developer` messages in place, or by `system_mode` | `…/system.rs` |
//! | `messages` | `message` items: `input_text`, `input_image`, `input_file` (by `file_data` or `file_url`) | `request/items.rs` |
//! | text of the assistant | `message` items with a `phase`: `commentary` beside calls, else `final_answer` | `request/items.rs` |
//! | `tool_use`, `tool_result` | `function_call`, `function_call_output` with its images and files inside | `request/items.rs` |
//! | `thinking` blocks signed here | `reasoning` items, where they were; others are ignored | `…/conversation/assistant.rs` |
//! | `tools`, `tool_choice`, `disable_parallel_tool_use` | `tools` with `strict` said, `tool_choice`, `parallel_tool_calls` | `…/tools.rs` |
//! | `thinking`, `output_config.effort` | `reasoning.effort`; `reasoning.summary: "auto"` unless thinking is not shown | `…/reasoning.rs` |
//! | `output_config.format` | `text.format` | `…/settings.rs` |
//! | `stop_sequences` | searched for in the answer: there is no `stop` | `…/settings.rs`, `stop_scan.rs` |
//! | `temperature`, `top_p` | the same, where the model takes them; there is no `top_k` | `…/settings.rs` |
//! | `metadata.user_id` | `safety_identifier`, hashed | `…/settings.rs` |
//! | `cache_control` | `prompt_cache_breakpoint` where the upstream takes it | `…/markers.rs` |
//!
//! Tools with `defer_loading` are offered once a `tool_reference` has asked for them, as in all dialects. OpenAI's own
//! `defer_loading` would need its own tool search, whose items could not come back through a Messages client.
//!
//! ```
//! use aiapiproxy::protocol::anthropic::request::Request;
//! use aiapiproxy::translate::{self, Dialect, Options, quirks::Preset};
//!
//! let body = br#"{"model":"claude-sonnet-5","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}"#;
//! let options = Options { dialect: Dialect::Responses, ..Options::new(Preset::OpenAi.quirks(), "openai", "gpt-4.1") };
//! let translated = translate::request(Request::parse(body)?, &options)?;
//! assert_eq!(
//!     serde_json::to_string(&translated.body).unwrap(),
//!     r#"{"model":"gpt-4.1","input":[{"type":"message","role":"user","content":"hi"}],"max_output_tokens":99,"#.to_owned()
//!         + r#""store":false,"truncation":"disabled"}"#
//! );
//! # Ok::<(), aiapiproxy::protocol::anthropic::error::Error>(())
//! ```
//!
//! # What becomes of an answer
//!
//! | Responses | Messages |
//! |---|---|
//! | `reasoning` | `thinking`: the summary, or the text where there is none; its signature carries the item |
//! | `message`: `output_text`, `refusal` | `text`, a block for each part; a refusal is the stop reason, too |
//! | `function_call`, `custom_tool_call` | `tool_use` |
//! | other items | dropped and reported |
//! | `completed` | `tool_use` if any tool was called, else `end_turn` |
//! | `incomplete` | `max_tokens`, `refusal` (`content_filter`), else `end_turn` |
//! | `failed`, `cancelled` | an error; a refusal where a policy forbade the answer |
//!
//! Items are told in the order of their `output_index`, one at a time (`reader/output.rs`). An event stream is whole
//! with its terminal event, and broken without one. What follows is the same for every dialect ([`super::stream`]).

mod reader;
mod request;

pub(super) use reader::Reader;
pub(super) use request::{form, pieces, write};
