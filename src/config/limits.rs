//! `[limits]`: how long anything may take and how much of it there may be.

use std::time::Duration;

/// Timeouts and sizes. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connecting to the upstream, TLS included. Default 10 s.
    pub connect_timeout: Duration,
    /// From the request to the upstream's first byte; also the longest stretch of a stream without a data
    /// event. Default 600 s: reasoning models are silent for minutes. `REQUEST_TIMEOUT`.
    pub first_byte_timeout: Duration,
    /// Between two bytes of the upstream's stream. Default 300 s. `REQUEST_TIMEOUT`.
    pub stream_idle_timeout: Duration,
    /// For a client's request head. Default 10 s.
    pub header_read_timeout: Duration,
    /// Between two pieces of a client's request body. Default 30 s.
    pub body_read_timeout: Duration,
    /// For which an idle client connection is kept. Default 75 s, longer than common load balancers' 60 s.
    pub keep_alive_idle: Duration,
    /// For which a client may read nothing while bytes wait for it. Default 120 s.
    pub client_write_timeout: Duration,
    /// Silence of the upstream after which the client gets a `ping` event. Default 10 s.
    pub ping_interval: Duration,
    /// For which running requests may go on after the signal to stop; may be 0. Default 30 s.
    pub shutdown_grace: Duration,
    /// A client's request body, in bytes. Default 32 MiB. `MAX_REQUEST_SIZE`.
    pub max_request_size: usize,
    /// One event of the upstream's stream, in bytes. Default 16 MiB.
    pub max_event_size: usize,
    /// A whole answer of the upstream outside a stream, in bytes. Default 64 MiB.
    pub max_response_size: usize,
    /// Requests translated at the same time. Default 1,000. `MAX_CONCURRENT_REQUESTS`.
    pub max_concurrent_requests: usize,
    /// Client connections open at the same time. Default 4,096.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(600),
            stream_idle_timeout: Duration::from_secs(300),
            header_read_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(30),
            keep_alive_idle: Duration::from_secs(75),
            client_write_timeout: Duration::from_secs(120),
            ping_interval: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(30),
            max_request_size: 32 << 20,
            max_event_size: 16 << 20,
            max_response_size: 64 << 20,
            max_concurrent_requests: 1_000,
            max_connections: 4_096,
        }
    }
}
