//! Errors: stub.
use crate::protocol::anthropic::error::Error;

/// An upstream's answer with a status other than 200.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamAnswer<'a> {
    /// The status.
    pub status: u16,
    /// `retry-after`, in seconds or as a date; `now_unix_seconds` is needed for the latter.
    pub retry_after: Option<&'a str>,
    /// `retry-after-ms`.
    pub retry_after_ms: Option<&'a str>,
    /// The time, for dates in `retry-after`.
    pub now_unix_seconds: u64,
    /// The body, or its beginning.
    pub body: &'a [u8],
    /// The key that was refused is the client's own (`auth = "passthrough"`), so a 401 is the client's.
    pub client_key: bool,
}

/// Translates a failure. Status, kind and hints are Anthropic's; the message names the upstream and holds no
/// markup. The caller masks secrets.
pub fn error(answer: &UpstreamAnswer<'_>, upstream: &str, model: &str) -> Error {
    let _ = (answer, upstream, model);
    Error::invalid_request("stub")
}
