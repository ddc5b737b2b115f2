//! Messages clients on chat completions upstreams.

mod error;
mod reader;
mod request;
mod response;
mod stream;

pub use error::{UpstreamAnswer, error};
pub use request::{Translated, request};
pub use response::response;
pub use stream::{End, Stream};
