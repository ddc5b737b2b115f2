//! `aiapiproxy`: every client of Anthropic's Messages API on any model.
pub mod protocol;
pub mod sse;
pub mod translate;
pub mod config;
pub mod models;
pub mod secret;
pub mod telemetry;
pub mod upstream;
pub mod server;
pub mod cli;
