//! Translation between dialects, without IO: no clock, no randomness, no environment.
//!
//! Pairs are named client-then-upstream; each is a folder with the same two parts. [`request()`] reads a request
//! once for all dialects, and each dialect writes it down in a file that is a readable table. Answers pass a narrow waist: the *reader* of the upstream's dialect turns its irregular events, or a
//! whole body, into `Delta`s; [`stream`] decides what they mean for the client, and the one `message_writer.rs` turns
//! that into events; it alone opens and closes blocks. A whole answer ([`mod@response`]) is the fold of its stream.
//!
//! A further dialect is one folder (`request` with the verbs `form`, `write` and `pieces`, a reader with the verbs
//! `event`, `whole` and `flush`), one variant of [`Dialect`], one of [`Body`] and one of `reader.rs`; stream and writer
//! stay as they are. `messages_via_responses` is the one to follow; the map in `src/lib.rs` tells what is beside it.
//!
//! What an upstream refuses is told by [`error()`], and mended by [`mod@remedy`] where it says how: both read the
//! wordings of all servers, for they are not the dialect's.
//!
//! Loss rules: what cannot be carried over is refused with an error that names the member, or stands in the
//! [`report::Report`]. Nothing is dropped without either.

mod arguments;
mod citations;
pub mod context;
mod delta;
mod dialect;
mod digest;
mod error;
mod held_back;
mod json_object;
mod json_scanner;
mod json_schema;
pub mod message_explode;
pub mod message_fold;
mod message_writer;
pub mod messages_forwarded;
pub mod messages_via_chat;
pub mod messages_via_responses;
pub mod quirks;
mod reader;
pub mod remedy;
pub mod report;
mod request;
pub mod response;
mod signature;
mod stop_scan;
pub mod stream;
pub mod tokens;
pub mod tool_ids;
mod tool_names;
mod usage;
mod wording;

use crate::protocol::anthropic::stream::Event;
use crate::sse;

pub use dialect::Dialect;
pub use error::{Asked, UpstreamAnswer, error, filtered};
pub use request::{Body, Piece, Translated, request};

/// Appends one event of a client's stream.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    sse::encode_with(event.name(), out, |out| event.write(out));
}

/// What a translation needs to know about the upstream and the call, beside the request.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the upstream deviates.
    pub quirks: quirks::Quirks,
    /// The upstream's name, for messages.
    pub upstream: String,
    /// The upstream's name of the model.
    pub model: String,
    /// The name that tells what the model can do, where its own is that of a deployment (Azure).
    pub model_family: Option<String>,
    /// The most tokens that model answers with, if known; larger wishes are clamped.
    pub max_output_tokens: Option<u64>,
    /// The tokens that fit into that model's context, if known.
    pub context_window: Option<u64>,
    /// Who looks for stop sequences.
    pub stop_sequences: StopSequences,
    /// The conversation's id, if the client names one. It steers prompt caching and is never sent as it is.
    pub session: Option<String>,
    /// Which URLs of images and documents may be passed on.
    pub media_urls: quirks::MediaUrls,
    /// What the upstream speaks.
    pub dialect: Dialect,
    /// The most tokens to ask for this time, because more do not fit beside the input.
    pub room_for_output: Option<u64>,
    /// The efforts this model takes, if fewer than the upstream knows; none at all if there are none.
    pub efforts: Option<Vec<&'static str>>,
    /// This model takes neither `temperature` nor `top_p`.
    pub no_sampling: bool,
    /// This model gives no summaries of its reasoning.
    pub no_summary: bool,
}

impl Options {
    /// A model of an upstream, with nothing else known: chat completions, no limit, stop sequences looked for in
    /// the answer, URLs passed on.
    pub fn new(quirks: quirks::Quirks, upstream: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            quirks,
            upstream: upstream.into(),
            model: model.into(),
            model_family: None,
            max_output_tokens: None,
            context_window: None,
            stop_sequences: StopSequences::Answer,
            session: None,
            media_urls: quirks::MediaUrls::Pass,
            dialect: Dialect::Chat,
            room_for_output: None,
            efforts: None,
            no_sampling: false,
            no_summary: false,
        }
    }

    /// The name that tells what the model can do.
    pub fn family(&self) -> &str {
        self.model_family.as_deref().unwrap_or(&self.model)
    }

    /// Whether stop sequences are looked for in the answer, because the upstream would stop without saying at which.
    pub fn scans_for_stop(&self) -> bool {
        self.stop_sequences == StopSequences::Answer && !self.quirks.reports_stop
    }
}

/// Who looks for stop sequences in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSequences {
    /// The upstream: `stop` is sent, the first four of them. The answer seldom says which one matched.
    Upstream,
    /// The translation of the answer, unless the upstream names the one that matched
    /// ([`quirks::Quirks::reports_stop`]).
    Answer,
}
