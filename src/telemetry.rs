//! Telemetry: the subscriber that writes log lines to stderr, and the names of their fields.

/// Names of log fields, one spelling for everybody. Values are fields, never part of the message.
pub mod field {
    /// Our id of the request, as the `request-id` header gives it.
    pub const REQUEST_ID: &str = "request.id";
    /// The id of the client's key; absent without authentication.
    pub const CLIENT_ID: &str = "client.id";
    /// The client's address.
    pub const CLIENT_ADDRESS: &str = "client.address";
    /// The route, as a pattern and not as the client wrote it.
    pub const ROUTE: &str = "route";
    /// The model that the client asked for.
    pub const MODEL_REQUESTED: &str = "model.requested";
    /// The model that the upstream was asked for.
    pub const MODEL_UPSTREAM: &str = "model.upstream";
    /// The upstream's configured name.
    pub const UPSTREAM_NAME: &str = "upstream.name";
    /// The upstream's own id of the request.
    pub const UPSTREAM_REQUEST_ID: &str = "upstream.request_id";
    /// The status that the client got.
    pub const STATUS: &str = "status";
    /// Whether the answer was a stream.
    pub const STREAM: &str = "stream";
    /// Milliseconds to the first content.
    pub const TTFT_MS: &str = "ttft_ms";
    /// Milliseconds from the request's head to the answer's end.
    pub const DURATION_MS: &str = "duration_ms";
    /// Input tokens, cached ones included.
    pub const INPUT_TOKENS: &str = "tokens.input";
    /// Output tokens.
    pub const OUTPUT_TOKENS: &str = "tokens.output";
    /// Input tokens that were read from a cache.
    pub const CACHED_TOKENS: &str = "tokens.cached";
    /// Attempts beyond the first.
    pub const RETRIES: &str = "retries";
    /// How the request ended: `complete`, `client_closed`, `upstream_error`, `timeout` or `shed`.
    pub const END: &str = "end";
    /// The kind of a security event: `auth_failed`, `origin_refused`, `host_refused`, `rate_limited`,
    /// `body_too_large`.
    pub const SECURITY_EVENT: &str = "security.event";
}
