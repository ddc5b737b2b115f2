//! Messages clients on upstreams that speak Messages themselves: forwarded, not translated.
//!
//! Bytes go through as they are. No types are read on the way, so what this program does not know (new blocks,
//! betas, signatures) arrives as it was sent. What is changed is cut out of the text and put in:
//!
//! | where | what | by |
//! |---|---|---|
//! | request | `model` becomes the upstream's name; lone surrogates become U+FFFD | [`Opened`], [`request()`] |
//! | request, if wished | Claude Code's billing header is left out; system messages find the place that the upstream's template wants | [`Wishes`], `placement.rs` |
//! | request, unless every URL may pass | what names images or documents by URLs that may not pass is refused | `media.rs` |
//! | whole answer | `model` becomes the requested name | [`response()`] |
//! | stream | the same in `message_start`; events get the names that the SDKs need; `data: [DONE]` goes | [`Stream`] |
//! | failure | Anthropic's type and message stay; other shapes are translated as those of any upstream | [`error()`] |
//!
//! A whole answer where a stream was asked for, and a stream where none was, is told in the other form
//! (`retold.rs`), member by member and so without loss.
//!
//! ```
//! use aiapiproxy::translate::messages_forwarded::{self, Opened, Wishes};
//!
//! let body = br#"{"new_member":[1e2], "model":"claude-sonnet-5", "stream":true}"#;
//! let opened = Opened::read(body)?;
//! assert_eq!((opened.model.as_str(), opened.stream), ("claude-sonnet-5", true));
//! let forwarded = messages_forwarded::request(&opened, &Wishes::model("qwen3"))?;
//! assert_eq!(&*forwarded.body, br#"{"new_member":[1e2], "model":"qwen3", "stream":true}"#);
//! # Ok::<(), aiapiproxy::protocol::anthropic::error::Error>(())
//! ```

mod error;
mod media;
mod placement;
mod request;
mod response;
mod retold;
mod splice;
mod stream;
mod usage;

pub use error::error;
pub use request::{Forwarded, Opened, Wishes, request};
pub use response::{Whole, count, response};
pub use stream::Stream;
