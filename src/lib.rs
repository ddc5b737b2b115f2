//! `aiapiproxy`: every client of Anthropic's Messages API on any model.
pub mod cli;
pub mod config;
pub mod models;
pub mod protocol;
pub mod secret;
pub mod server;
pub mod sse;
pub mod telemetry;
pub mod translate;
pub mod upstream;
