//! OpenAI's dialects, and what servers that follow them really say.

pub mod chat;
mod lenient;
