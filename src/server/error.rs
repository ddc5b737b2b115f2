//! [`ApiError`], the only failure that becomes an HTTP response, and the envelope it is sent in.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::request_log::End;
use crate::{
    config::upstream::Upstream,
    protocol::anthropic::error::{Error, ErrorKind},
    secret::{self, SecretString},
    upstream,
};

/// A failure on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) error: Error,
    /// What the access line says about it.
    pub(crate) end: End,
}

impl ApiError {
    /// The upstream's fault.
    pub(crate) fn upstream(error: Error) -> Self {
        let end = if error.kind == ErrorKind::Timeout { End::Timeout } else { End::UpstreamError };
        Self { error, end }
    }

    /// Too much to do: come back in a second.
    pub(crate) fn shed(message: &str) -> Self {
        let mut error = Error::new(ErrorKind::Overloaded, message);
        error.retry_after_seconds = Some(1);
        Self { error, end: End::Shed }
    }

    /// The server stops before the answer was complete.
    pub(crate) fn stopping() -> Self {
        Self::shed("the gateway is being stopped; try again")
    }

    /// The client asks too often: come back after `wait`, rounded up, for who comes too early is refused again.
    pub(crate) fn come_back(message: impl Into<String>, wait: Duration) -> Self {
        let mut error = Error::new(ErrorKind::RateLimit, message);
        error.retry_after_seconds = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        error.into()
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, message).into()
    }

    /// The answer to a request whose work on another thread panicked; a bug here.
    pub(crate) fn crashed(crash: tokio::task::JoinError) -> Self {
        match crash.try_into_panic() {
            Ok(panic) => Self::panicked(panic.as_ref()),
            Err(_) => Self::stopping(),
        }
    }

    /// The answer to a request whose handler panicked; a bug here. The text of the panic is for the log only.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(
            panic = text.unwrap_or("unknown"),
            "a request handler panicked; please report this bug"
        );
        let error = Error::new(ErrorKind::Api, "internal error of the gateway; its log says more");
        Self { error, end: End::Panicked }
    }
}

/// The client's fault, unless it says otherwise.
impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self { error, end: End::Refused }
    }
}

impl From<upstream::Error> for ApiError {
    fn from(error: upstream::Error) -> Self {
        let kind = match error {
            upstream::Error::Timeout { .. } => ErrorKind::Timeout,
            _ => ErrorKind::Api,
        };
        let message = error.to_string();
        match error {
            upstream::Error::UnusableKey | upstream::Error::Setup(_) => {
                Self::upstream(Error::new(kind, message).with_retry(false))
            }
            upstream::Error::Timeout { .. } => Self::upstream(Error::new(kind, message)),
            // A certificate does not become good by asking again, and an answer not shorter.
            upstream::Error::Connect { reason: upstream::Unreachable::Tls(_), .. }
            | upstream::Error::TooLong { .. } => {
                Self::upstream(Error::new(kind, message).with_status(502).with_retry(false))
            }
            _ => Self::upstream(Error::new(kind, message).with_status(502)),
        }
    }
}

/// The keys that must not appear in what is told to a client: upstreams quote bad keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    /// The client's own.
    client_key: Option<SecretString>,
    configured: Arc<[SecretString]>,
}

impl Mask {
    /// Hides the configured keys, and the values of configured headers, which may be credentials too.
    pub(crate) fn new(upstream: &Upstream) -> Self {
        let keys = upstream.api_key.iter().chain(&upstream.other_keys).cloned();
        let headers = upstream.headers.iter().flat_map(|(_, value)| {
            let after_scheme = value.split_once(' ').map(|(_, credential)| credential);
            [Some(value.as_str()), after_scheme].into_iter().flatten()
        });
        let values = headers.filter(|value| value.len() >= SHORTEST_SECRET_BYTES);
        let values = values.map(|value| SecretString::from(value.to_owned()));
        Self { client_key: None, configured: keys.chain(values).collect() }
    }

    /// Hides the client's own key, too.
    pub(crate) fn with(&self, client_key: Option<&SecretString>) -> Self {
        Self { client_key: client_key.cloned(), configured: Arc::clone(&self.configured) }
    }

    /// The same failure without keys in its message.
    pub(crate) fn error(&self, mut error: Error) -> Error {
        error.message = self.text(&error.message);
        error
    }

    /// The same text without keys.
    pub(crate) fn text(&self, text: &str) -> String {
        let keys: Vec<_> = self.client_key.iter().chain(&*self.configured).collect();
        secret::mask_keys(text, &keys).into_owned()
    }
}

/// Shorter header values are words such as names of teams, which messages may hold.
const SHORTEST_SECRET_BYTES: usize = 8;

/// Without a body: only [`finish`] knows the request's id, which belongs into it.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives a response its `request-id`, and a failure its envelope and headers.
pub(crate) fn finish(mut response: Response, request_id: &str) -> Response {
    if let Some(ApiError { error, .. }) = response.extensions_mut().remove::<ApiError>() {
        let envelope = serde_json::to_vec(&error.envelope(Some(request_id))).unwrap_or_default();
        *response.body_mut() = Body::from(envelope);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = error.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The SDKs obey any wait; beyond a minute a person should hear of it instead.
        let too_long = error.retry_after_seconds.is_some_and(|seconds| seconds > 60);
        if let Some(retry) = error.should_retry.or(if too_long { Some(false) } else { None }) {
            let value = if retry { "true" } else { "false" };
            headers.insert("x-should-retry", HeaderValue::from_static(value));
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_failure_gets_envelope_and_headers() {
        let mut error = Error::new(ErrorKind::RateLimit, "slow down");
        error.retry_after_seconds = Some(61);
        let response = finish(ApiError::from(error).into_response(), "req_1");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "61");
        assert_eq!(response.headers()["x-should-retry"], "false");
        assert_eq!(response.headers()["request-id"], "req_1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let expected = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"},"request_id":"req_1"}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn failures_of_the_upstream_are_not_the_clients() {
        let host = || "h".to_owned();
        let broken = ApiError::from(upstream::Error::Broken { host: host() });
        assert_eq!(
            (broken.error.status, broken.error.kind, broken.end),
            (502, ErrorKind::Api, End::UpstreamError)
        );
        let limit = Duration::from_secs(1);
        let waiting = upstream::Waiting::FirstByte;
        let late = ApiError::from(upstream::Error::Timeout { host: host(), waiting, limit });
        assert_eq!((late.error.status, late.error.kind, late.end), (504, ErrorKind::Timeout, End::Timeout));
    }
}
