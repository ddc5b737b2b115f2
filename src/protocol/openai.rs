//! OpenAI's dialects, and what servers that follow them really say.

pub mod chat;
mod lenient;

use serde::Serialize;

/// An explicit cache marker on a part, which both dialects have: the prompt up to its end is cached.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Breakpoint {
    /// Always `explicit`.
    pub mode: &'static str,
}
