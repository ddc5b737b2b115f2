//! Vectors of requests: what the client asks, and what the upstream sees of it.

mod content;
mod conversation;
mod settings;
mod tool_calls;
mod tool_lists;

pub(super) use content::*;
pub(super) use conversation::*;
pub(super) use settings::*;
pub(super) use tool_calls::*;
pub(super) use tool_lists::*;
