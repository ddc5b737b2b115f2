//! `aiapiproxy`: every client of Anthropic's Messages API on any model.
//!
//! Clients (Claude Code, the official SDKs and what is built on them) speak `POST /v1/messages` to this program;
//! it speaks chat completions, Responses or Messages to an upstream: OpenAI, Azure, OpenRouter, vLLM, llama.cpp,
//! Ollama and their kin.
//! `serve` does it live, `convert` offline, `check` tells whether an upstream works, `models` shows the mapping.
//! All four stand on the same core.
//!
//! # The house
//!
//! Six floors; a module names only modules on lower floors, and the two lowest know no IO, clock, environment or
//! randomness (a test, `floors.rs`, reads the sources and holds this).
//!
//! | floor | modules | what lives there |
//! |---|---|---|
//! | 5 | [`cli`] | arguments, what is printed, exit codes |
//! | 4 | [`server`] | routes, authentication, limits, the streamed body, the demo upstream |
//! | 3½ | [`routing`] | which upstream gets a request, and which are left alone for a while |
//! | 3 | [`upstream`] | the HTTP client: URLs, keys, timeouts, retries, the steps of `check` |
//! | 2 | [`config`], [`models`], [`secret`], [`metrics`], [`telemetry`] | settings and where they came from, which model answers, keys, numbers, logs |
//! | 1 | [`translate`] | dialect to dialect: requests, answers, streams, errors, and what is lost |
//! | 0 | [`protocol`], [`sse`] | what can be said in each dialect, and event streams |
//!
//! # Reading order
//!
//! [`translate::messages_via_chat`] and [`translate::messages_via_responses`] (the tables of what becomes of what) →
//! `translate/delta.rs` (the narrow waist of answers) → [`translate::stream`] → `translate/message_writer.rs` (the only
//! place that opens and closes blocks) → `server/routes/messages.rs` → `cli/convert.rs`.
//!
//! # Invariants
//!
//! - A stream is legal whatever the upstream sends: one `message_start`; blocks 0, 1, 2 … one at a time; then
//!   either `message_delta` and `message_stop`, or an `error` as the last event. A break never looks like an end.
//! - What cannot be carried over is refused, or stands in the [`translate::report::Report`].
//! - Opaque JSON (schemas, tool inputs) keeps its bytes: it travels as `RawValue`. Texts of requests stay as the client
//!   escaped them ([`protocol::json::Escaped`]); only what must be read is unescaped.
//! - Dropping the answer's body ends the call to the upstream: no task is spawned for a request.
//! - Quirks of upstreams are data ([`translate::quirks`]); no code asks for a vendor's name.
//! - Nothing is retried once a byte has gone to the client.
//!
//! # In and out of scope
//!
//! In: the Messages API over chat completions, over OpenAI's Responses, and forwarded to upstreams that speak it
//! themselves. [`models::dialect`] chooses among them for each model.
//!
//! A further dialect of upstreams that must be translated is
//!
//! - its types under `protocol/`: requests as they are written, answers read leniently;
//! - a folder under `translate/` like [`translate::messages_via_responses`]: a `request` with the verbs `form` (what
//!   the dialect can hold, so that the shared reading rearranges, drops or refuses the rest), `write` and `pieces`
//!   (what costs tokens), and a `reader` with the verbs `event`, `whole` and `flush`, which says deltas;
//! - a variant of [`translate::Dialect`], after which the compiler names every place that must know it: the two
//!   enums of bodies and readers, what a refusal may be about ([`translate::remedy::Sent`]), the names of `convert`;
//! - a variant of [`models::dialect::Spoken`], which names the rest: its name in the configuration, the upstream's path,
//!   and the question of `check`.
//!
//! The stream, the writer, the fold, the scan for stop sequences, estimates and the report are the same for all, and
//! stay as they are; so do the errors, whose shapes servers mix.
//!
//! Out: embeddings, batches, stored files, a management interface.

pub mod cli;
pub mod config;
pub mod metrics;
pub mod models;
pub mod protocol;
pub mod routing;
pub mod secret;
pub mod server;
pub mod sse;
pub mod telemetry;
pub mod translate;
pub mod upstream;
