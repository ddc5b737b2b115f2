//! Refusals that hyper writes on its own, told in the envelope that clients understand.
//!
//! What is no HTTP, or has too long a head, never becomes a request: hyper answers with a bare status and closes
//! the connection. Whoever wrote that request should still hear why, and have an id to ask with.

use memchr::memmem;

use crate::{
    protocol::anthropic::error::{Error, ErrorKind},
    secret,
    telemetry::field,
};

/// A refusal that is being written instead of hyper's.
#[derive(Debug)]
pub(super) struct Refusal {
    bytes: Vec<u8>,
    written: usize,
}

impl Refusal {
    /// What is to be said instead of these bytes, if they are a refusal of hyper's: of all that is answered here,
    /// only those have no `request-id`.
    pub(super) fn instead_of(answer: &[u8]) -> Option<Self> {
        let status = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status: u16 = std::str::from_utf8(status).ok()?.parse().ok()?;
        let is_bare = answer.ends_with(b"\r\n\r\n") && memmem::find(answer, b"request-id").is_none();
        if status < 400 || !is_bare {
            return None;
        }
        let id = secret::request_id();
        tracing::info!({ field::REQUEST_ID } = id, { field::STATUS } = status, "refused what is no request");
        let error = Error::new(ErrorKind::InvalidRequest, reason(status)).with_status(status);
        let body = serde_json::to_string(&error.envelope(Some(&id))).ok()?;
        let phrase = http::StatusCode::from_u16(status).ok()?.canonical_reason().unwrap_or_default();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             request-id: {id}\r\nconnection: close\r\n\r\n"
        );
        Some(Self { bytes: (head + &body).into_bytes(), written: 0 })
    }

    /// What is still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// So many more bytes were written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        414 | 431 => {
            "the request's head is longer than the gateway's limits (limits.max_headers, limits.max_header_size)"
        }
        _ => "the request is no valid HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_refusals_are_replaced() {
        let refused = Refusal::instead_of(b"HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n").unwrap();
        let text = std::str::from_utf8(refused.rest()).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
        assert!(text.contains("\r\nrequest-id: req_") && text.contains("max_header_size"), "{text}");
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\nrequest-id: req_1\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 4",
            b"event: ping\n\n",
        ] {
            assert!(Refusal::instead_of(other).is_none());
        }
    }
}
