//! Why there was no answer, or not a whole one: what happened, whose fault it is, what to do.

use std::{error::Error as StdError, fmt, io, time::Duration};

use super::direct::Unresolved;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("the upstream {host} cannot be reached: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        reason: Unreachable,
    },
    /// It took too long.
    #[error("the upstream {host} {waiting} within {} s", .limit.as_secs_f64())]
    Timeout {
        /// Host and port.
        host: String,
        /// What did not come.
        waiting: Waiting,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection died before anything was answered.
    #[error("the upstream {host} closed the connection without an answer")]
    NoAnswer {
        /// Host and port.
        host: String,
    },
    /// The connection died within the answer.
    #[error("the upstream {host} closed the connection in the middle of its answer")]
    Broken {
        /// Host and port.
        host: String,
    },
    /// What came was no HTTP, or compressed in a way that cannot be undone.
    #[error("the upstream {host} sent an answer that cannot be read: {reason}")]
    Unreadable {
        /// Host and port.
        host: String,
        /// Why.
        reason: String,
    },
    /// The answer is longer than allowed.
    #[error("the upstream {host} sent an answer longer than {limit} bytes (limits.max_response_size)")]
    TooLong {
        /// Host and port.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The key holds characters that no header may hold.
    #[error(
        "the upstream's key holds characters that cannot be sent in a header; check it for line ends and spaces"
    )]
    UnusableKey,
    /// The client cannot be set up as configured.
    #[error("the connection to the upstream cannot be set up: {0}")]
    Setup(String),
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// The name has no address.
    NoSuchHost,
    /// Nothing listens there.
    Refused,
    /// Nobody answered.
    TimedOut,
    /// The certificate or the handshake.
    Tls(String),
    /// Anything else, in the system's words.
    Other(String),
}

/// What did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The head of the answer.
    FirstByte,
    /// More of the answer.
    NextBytes,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchHost => f.write_str(
                "the host name does not resolve (DNS); check the base URL's spelling and the network",
            ),
            Self::Refused => f.write_str(
                "connection refused; nothing listens at that port, start the server or correct the base URL",
            ),
            Self::TimedOut => {
                f.write_str("nobody answered in time; check the network, a firewall and the base URL")
            }
            Self::Tls(reason) => write!(
                f,
                "TLS failed ({reason}); check that the base URL names a TLS port and that this machine trusts the certificate's issuer (upstream.ca_file names further ones, SSL_CERT_FILE others)"
            ),
            Self::Other(reason) => write!(f, "{reason}; check the base URL and the network"),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstByte => "did not begin to answer",
            Self::NextBytes => "sent nothing more",
        })
    }
}

impl Error {
    pub(super) fn setup(error: &reqwest::Error) -> Self {
        Self::Setup(root_cause(inside(error)))
    }

    /// A request that got no answer through a proxy.
    pub(super) fn from_send(error: &reqwest::Error, host: String) -> Self {
        if error.is_connect() {
            let reason = match () {
                () if error.is_dns() => Unreachable::NoSuchHost,
                () if error.is_timeout() => Unreachable::TimedOut,
                () => Unreachable::of(inside(error)),
            };
            return Self::Connect { host, reason };
        }
        if error.is_builder() {
            return Self::setup(error);
        }
        Self::from_exchange(inside(error), host)
    }

    /// A request that got no answer over its connection.
    pub(super) fn from_exchange(error: &(dyn StdError + 'static), host: String) -> Self {
        if died(error) {
            return Self::NoAnswer { host };
        }
        Self::Unreadable { host, reason: root_cause(error) }
    }

    /// An answer that broke off. `is_decode`: it came, but could not be decompressed.
    pub(super) fn from_body(error: &(dyn StdError + 'static), is_decode: bool, host: String) -> Self {
        if died(error) || !is_decode {
            return Self::Broken { host };
        }
        Self::Unreadable { host, reason: root_cause(error) }
    }
}

impl Unreachable {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        if chain(error).any(<dyn StdError>::is::<Unresolved>) {
            return Self::NoSuchHost;
        }
        let root = root_cause(error);
        match io_kinds(error).last() {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            // rustls hands its errors over as invalid data; a plain HTTP port breaks the handshake off.
            Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => Self::Tls(root),
            _ => Self::Other(root),
        }
    }
}

/// Whether the other side went away, in contrast to saying something that makes no sense.
fn died(error: &(dyn StdError + 'static)) -> bool {
    let incomplete = chain(error).filter_map(|it| it.downcast_ref::<hyper::Error>());
    let mut gone = io_kinds(error).filter(|kind| {
        matches!(
            kind,
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
        )
    });
    incomplete.into_iter().any(|it| it.is_incomplete_message() || it.is_closed() || it.is_canceled())
        || gone.next().is_some()
}

/// The kinds of all IO errors, the outermost first. An IO error that wraps another hides it from `source`.
fn io_kinds<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = io::ErrorKind> + 'a {
    let outer = chain(error).filter_map(|it| it.downcast_ref::<io::Error>());
    outer.flat_map(|error| std::iter::successors(Some(error), |&error| inner(error))).map(io::Error::kind)
}

fn inner(error: &io::Error) -> Option<&io::Error> {
    error.get_ref()?.downcast_ref()
}

/// What reqwest wraps; its own words repeat the URL.
pub(super) fn inside(error: &reqwest::Error) -> &(dyn StdError + 'static) {
    error.source().unwrap_or(error)
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The innermost reason. The outer ones say less.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let root = chain(error).last().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    // rustls adds pages of detail about certificates.
    root.chars().filter(|c| !c.is_control()).take(200).collect()
}
