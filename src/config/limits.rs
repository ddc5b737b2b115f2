//! `[limits]`: how long anything may take and how much of it there may be.

use std::time::Duration;

use serde::Serialize;

use super::{
    error::Error,
    file::LimitsTable,
    layers::{COUNT, Kind, Layers},
    upstream::Upstream,
};
use crate::protocol::json::MAX_DEPTH;

/// Timeouts and sizes. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// For the whole of a client's request body. Default 300 s: megabytes over slow lines are legal.
    pub body_total_timeout: Duration,
    /// For which an idle client connection is kept. Default 75 s, longer than common load balancers' 60 s.
    pub keep_alive_idle: Duration,
    /// For which a client may read nothing while bytes wait for it. Default 120 s.
    pub client_write_timeout: Duration,
    /// For which an idle connection to the upstream is kept. It must be less than the upstream keeps it. By default 4 s
    /// to local servers and those without TLS, which mostly close after 5 s, and 55 s to others.
    pub pool_idle_timeout: Option<Duration>,
    /// For which a streamed answer waits for the upstream before it begins without it, so that what goes wrong later is
    /// an `error` event and no status. Unset by default: never, as long as the upstream has not answered.
    pub commit_after: Option<Duration>,
    /// Silence of the upstream after which the client gets a `ping` event. Default 10 s.
    pub ping_interval: Duration,
    /// For which the port stays open after the signal to stop, while readiness already says no; may be 0. Default 0.
    pub shutdown_delay: Duration,
    /// For which running requests may go on after the signal to stop; may be 0. Default 30 s.
    pub shutdown_grace: Duration,
    /// A client's request body, in bytes. Default 32 MiB. `MAX_REQUEST_SIZE`.
    pub max_request_size: usize,
    /// The request bodies that are held at the same time, in bytes. Default 512 MiB.
    pub max_buffered_bytes: usize,
    /// Nesting of arrays and objects in a request. Default and most: 128.
    pub max_json_depth: usize,
    /// Header lines of a client's request. Default 100.
    pub max_headers: usize,
    /// A client's request head, in bytes; a client that does not read holds as much of its answer. Default 64 KiB.
    pub max_header_size: usize,
    /// One event of the upstream's stream, in bytes. Default 16 MiB.
    pub max_event_size: usize,
    /// A whole answer of the upstream outside a stream, in bytes. Default 64 MiB.
    pub max_response_size: usize,
    /// For which an upstream that failed five times in a row is left alone, where others can answer. Default 10 s.
    pub eject_for: Duration,
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
            body_total_timeout: Duration::from_secs(300),
            keep_alive_idle: Duration::from_secs(75),
            client_write_timeout: Duration::from_secs(120),
            pool_idle_timeout: None,
            commit_after: None,
            ping_interval: Duration::from_secs(10),
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(30),
            max_request_size: 32 << 20,
            max_buffered_bytes: 512 << 20,
            max_json_depth: MAX_DEPTH,
            max_headers: 100,
            max_header_size: 64 << 10,
            max_event_size: 16 << 20,
            max_response_size: 64 << 20,
            eject_for: Duration::from_secs(10),
            max_concurrent_requests: 1_000,
            max_connections: 4_096,
        }
    }
}

/// A timeout.
pub(super) const DURATION: Kind<Duration> = Kind {
    expected: "a duration from 1ms to 24h, such as \"30s\", \"250ms\", \"5m\" or whole seconds",
    read: |text| duration(text).filter(|duration| !duration.is_zero()),
    names: &[],
};

/// A time that may be nothing.
const GRACE: Kind<Duration> = Kind {
    expected: "a duration from 0 to 24h, such as \"30s\" or whole seconds",
    read: duration,
    names: &[],
};

/// A number of bytes.
const SIZE: Kind<usize> = Kind {
    expected: "a size from 1 byte to 1 TiB, such as \"32MiB\", \"10MB\" or plain bytes",
    read: size,
    names: &[],
};

/// A number of levels.
const DEPTH: Kind<usize> = Kind {
    expected: "a whole number from 8 to 128",
    read: |text| text.parse().ok().filter(|depth| (8..=MAX_DEPTH).contains(depth)),
    names: &[],
};

/// A number of header lines.
const HEADERS: Kind<usize> = Kind {
    expected: "a whole number from 16 to 10000",
    read: |text| text.parse().ok().filter(|count| (16..=10_000).contains(count)),
    names: &[],
};

/// A number of bytes for a head.
const HEADER_SIZE: Kind<usize> = Kind {
    expected: "a size from 8KiB to 1MiB, such as \"64KiB\" or plain bytes",
    read: |text| size(text).filter(|size| (8 << 10..=1 << 20).contains(size)),
    names: &[],
};

impl Limits {
    /// Those that hold for calls of this upstream.
    #[must_use]
    pub fn of(&self, upstream: &Upstream) -> Self {
        Self {
            connect_timeout: upstream.connect_timeout.unwrap_or(self.connect_timeout),
            first_byte_timeout: upstream.first_byte_timeout.unwrap_or(self.first_byte_timeout),
            stream_idle_timeout: upstream.stream_idle_timeout.unwrap_or(self.stream_idle_timeout),
            ..self.clone()
        }
    }

    /// Chooses each limit from its layers.
    pub(super) fn resolve(table: LimitsTable, layers: &mut Layers<'_>) -> Result<Self, Error> {
        let defaults = Self::default();
        let request_timeout = layers.env("REQUEST_TIMEOUT", "REQUEST_TIMEOUT", &DURATION)?;
        let max_request = layers.env("MAX_REQUEST_SIZE", "limits.max_request_size", &SIZE)?;
        let max_concurrent = "limits.max_concurrent_requests";
        let concurrent = layers.env("MAX_CONCURRENT_REQUESTS", max_concurrent, &COUNT)?;
        macro_rules! limit {
            ($field:ident, $kind:expr) => {
                limit!($field, $kind, None)
            };
            ($field:ident, $kind:expr, $env:expr) => {{
                let key = concat!("limits.", stringify!($field));
                let file = layers.file(table.$field, key, &$kind)?;
                layers.choose(key, [$env, file]).map_or(defaults.$field, |setting| setting.value)
            }};
        }
        macro_rules! optional {
            ($field:ident) => {{
                let key = concat!("limits.", stringify!($field));
                let file = layers.file(table.$field, key, &DURATION)?;
                layers.choose(key, [file]).map(|setting| setting.value)
            }};
        }
        Ok(Self {
            connect_timeout: limit!(connect_timeout, DURATION),
            first_byte_timeout: limit!(first_byte_timeout, DURATION, request_timeout.clone()),
            stream_idle_timeout: limit!(stream_idle_timeout, DURATION, request_timeout),
            header_read_timeout: limit!(header_read_timeout, DURATION),
            body_read_timeout: limit!(body_read_timeout, DURATION),
            body_total_timeout: limit!(body_total_timeout, DURATION),
            keep_alive_idle: limit!(keep_alive_idle, DURATION),
            client_write_timeout: limit!(client_write_timeout, DURATION),
            pool_idle_timeout: optional!(pool_idle_timeout),
            commit_after: optional!(commit_after),
            ping_interval: limit!(ping_interval, DURATION),
            shutdown_delay: limit!(shutdown_delay, GRACE),
            shutdown_grace: limit!(shutdown_grace, GRACE),
            max_request_size: limit!(max_request_size, SIZE, max_request),
            max_buffered_bytes: limit!(max_buffered_bytes, SIZE),
            max_json_depth: limit!(max_json_depth, DEPTH),
            max_headers: limit!(max_headers, HEADERS),
            max_header_size: limit!(max_header_size, HEADER_SIZE),
            max_event_size: limit!(max_event_size, SIZE),
            max_response_size: limit!(max_response_size, SIZE),
            eject_for: limit!(eject_for, DURATION),
            max_concurrent_requests: limit!(max_concurrent_requests, COUNT, concurrent),
            max_connections: limit!(max_connections, COUNT),
        })
    }
}

/// `250ms`, `30s`, `5m`, `1h`; without a unit, seconds. At most a day.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let duration = Duration::from_millis(number.checked_mul(milliseconds)?);
    (duration <= Duration::from_secs(24 * 3_600)).then_some(duration)
}

/// `32MiB` (2^20), `10MB` (10^6); without a unit, bytes. At most 2^40.
fn size(text: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(text)?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    let total = number.checked_mul(bytes).filter(|total| (1..=1 << 40).contains(total))?;
    usize::try_from(total).ok()
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let ms = Duration::from_millis;
        let table = [
            ("30", Some(ms(30_000))),
            ("30s", Some(ms(30_000))),
            (" 30 s ", Some(ms(30_000))),
            ("250ms", Some(ms(250))),
            ("5m", Some(ms(300_000))),
            ("5min", Some(ms(300_000))),
            ("24h", Some(ms(86_400_000))),
            ("0", Some(ms(0))),
            ("25h", None),
            ("99999999999999999999", None),
            ("99999999999999999h", None),
            ("1.5s", None),
            ("-1", None),
            ("s", None),
            ("", None),
            ("30 seconds", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text), expected, "{text:?}");
        }
        assert_eq!((DURATION.read)("0s"), None);
    }

    #[test]
    fn an_upstream_has_limits_of_its_own() {
        let seconds = Duration::from_secs;
        let own = Upstream {
            connect_timeout: Some(seconds(1)),
            stream_idle_timeout: Some(seconds(2)),
            ..Upstream::default()
        };
        let limits = Limits::default().of(&own);
        assert_eq!((limits.connect_timeout, limits.stream_idle_timeout), (seconds(1), seconds(2)));
        let others = Limits { connect_timeout: seconds(10), stream_idle_timeout: seconds(300), ..limits };
        assert_eq!(others, Limits::default());
    }

    #[test]
    fn sizes_have_units() {
        let table = [
            ("10485760", Some(10_485_760)),
            ("32MiB", Some(33_554_432)),
            ("32 mib", Some(33_554_432)),
            ("10MB", Some(10_000_000)),
            ("64kB", Some(64_000)),
            ("64KiB", Some(65_536)),
            ("1GiB", Some(1 << 30)),
            ("1GB", Some(1_000_000_000)),
            ("5B", Some(5)),
            ("0", None),
            ("10M", None),
            ("2000GiB", None),
            ("1e6", None),
            ("-1", None),
        ];
        for (text, expected) in table {
            assert_eq!(size(text), expected, "{text:?}");
        }
    }
}
