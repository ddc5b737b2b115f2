//! Errors: kinds, statuses and the envelope every failure has.

use serde::{Deserialize, Serialize};

/// What kind of failure it is, in Anthropic's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// 400: the request is wrong.
    #[serde(rename = "invalid_request_error")]
    InvalidRequest,
    /// 401: no valid key.
    #[serde(rename = "authentication_error")]
    Authentication,
    /// 402: no credit.
    #[serde(rename = "billing_error")]
    Billing,
    /// 403: the key may not do this.
    #[serde(rename = "permission_error")]
    Permission,
    /// 404: no such path or model.
    #[serde(rename = "not_found_error")]
    NotFound,
    /// 408, 504: it took too long.
    #[serde(rename = "timeout_error")]
    Timeout,
    /// 413: the body is too large.
    #[serde(rename = "request_too_large")]
    TooLarge,
    /// 429: too many requests.
    #[serde(rename = "rate_limit_error")]
    RateLimit,
    /// 529: overloaded.
    #[serde(rename = "overloaded_error")]
    Overloaded,
    /// 5xx: anything else that is not the client's fault.
    #[serde(rename = "api_error", other)]
    Api,
}

impl ErrorKind {
    /// The status that Anthropic's API answers with.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Authentication => 401,
            Self::Billing => 402,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::Timeout => 504,
            Self::TooLarge => 413,
            Self::RateLimit => 429,
            Self::Overloaded => 529,
            Self::Api => 500,
        }
    }

    /// The kind that fits a status nobody explained.
    pub const fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Api,
        }
    }
}

/// A failure as a client is told of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The HTTP status, when nothing has been sent yet.
    pub status: u16,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, whose fault it is, and what to do. Holds no secret and no markup.
    pub message: String,
    /// A code that SDKs act upon (`error.details`).
    pub details: Option<ErrorDetails>,
    /// The upstream's `retry-after`, in seconds.
    pub retry_after_seconds: Option<u64>,
    /// `x-should-retry`: overrides what the SDKs would do by status.
    pub should_retry: Option<bool>,
}

/// `error.details`: a code that SDKs act upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorDetails {
    /// The code.
    pub error_code: &'static str,
    /// Names of the members that are not supported.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub unsupported: &'static [&'static str],
}

impl Error {
    /// A failure of that kind, with the kind's own status.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            status: kind.status(),
            kind,
            message: message.into(),
            details: None,
            retry_after_seconds: None,
            should_retry: None,
        }
    }

    /// The client's request is wrong.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// The same failure under another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same failure, saying whether a retry makes sense.
    #[must_use]
    pub fn with_retry(mut self, should_retry: bool) -> Self {
        self.should_retry = Some(should_retry);
        self
    }

    /// The envelope to send.
    pub fn envelope<'a>(&'a self, request_id: Option<&'a str>) -> Envelope<'a> {
        Envelope {
            kind: "error",
            error: Body { kind: self.kind, message: &self.message, details: self.details.as_ref() },
            request_id,
        }
    }
}

/// `{"type":"error","error":{…},"request_id":…}`.
#[derive(Debug, Clone, Serialize)]
pub struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: ErrorKind,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a ErrorDetails>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_anthropics_shape() {
        let error = Error::invalid_request("no");
        assert_eq!(
            serde_json::to_string(&error.envelope(Some("req_1"))).unwrap(),
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_1"}"#
        );
    }
}
