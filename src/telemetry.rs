//! Telemetry: the subscriber that writes log lines to stderr, and the names of their fields.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    sync::Arc,
};

use tracing::{Subscriber, subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, fmt, fmt::MakeWriter, layer::SubscriberExt as _, registry::LookupSpan,
};

pub use self::{failures::Failures, writer::Flush};
use crate::{
    config::log::{Format, Log},
    metrics::Metrics,
};

mod failures;
mod writer;

/// Starts writing log lines to stderr, for the rest of the process. Lines that stderr does not take in time are
/// dropped and counted; what is returned waits, when it is dropped, until those that are left are written.
///
/// # Errors
/// When it was started before, there is no thread to be had, or the filter cannot be read; `Config::load` has checked
/// that one.
pub fn init(log: &Log, metrics: Arc<Metrics>) -> Result<Flush, Error> {
    let colours = !log.no_color && io::stderr().is_terminal();
    let tell_dropped = match log.format {
        Format::Text => dropped_in_text,
        Format::Json => dropped_in_json,
    };
    let (writer, flush) = writer::start(io::stderr(), metrics, tell_dropped).map_err(Error::NoThread)?;
    let subscriber = subscriber(log, colours, writer)?;
    subscriber::set_global_default(subscriber).map_err(|_| Error::StartedTwice)?;
    Ok(flush)
}

fn dropped_in_text(count: u64) -> String {
    format!(" WARN aiapiproxy::telemetry: {count} log lines were dropped, for stderr takes them too slowly\n")
}

fn dropped_in_json(count: u64) -> String {
    format!(
        "{{\"level\":\"WARN\",\"message\":\"log lines were dropped, for stderr takes them too slowly\",\"dropped\":{count},\
         \"target\":\"aiapiproxy::telemetry\"}}\n"
    )
}

/// Starts writing log lines to a file, for the rest of the process; what is returned knows whether they tell of
/// failures.
///
/// # Errors
/// Those of [`init`].
pub fn init_file(log: &Log, file: File) -> Result<Failures, Error> {
    let failures = Failures::default();
    let lines = subscriber(log, false, Arc::new(file))?;
    let watched = lines.with(failures.watch().with_filter(tracing::level_filters::LevelFilter::INFO));
    subscriber::set_global_default(watched).map_err(|_| Error::StartedTwice)?;
    Ok(failures)
}

/// Why no log lines can be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Logging was started before.
    #[error("logging was started twice in one process")]
    StartedTwice,
    /// No thread writes the lines.
    #[error("no thread can be started that writes log lines")]
    NoThread(#[source] io::Error),
    /// The filter cannot be read.
    #[error("the log filter cannot be read; set RUST_LOG to something like \"info\"")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
}

fn subscriber<W>(
    log: &Log,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + for<'s> LookupSpan<'s> + use<W>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&log.filter).map_err(Error::Filter)?;
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(colours)
        // A log line that cannot be written is lost; talking about it on stderr would fail the same way.
        .log_internal_errors(false);
    let lines = match log.format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    Ok(Registry::default().with(lines.with_filter(filter)))
}

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
    /// The route of the configuration that decided where the request went.
    pub const ROUTED_BY: &str = "routed.by";
    /// The upstreams that failed before, or were left alone because they had failed or were full, with commas between them.
    pub const FAILED_UPSTREAMS: &str = "upstream.failed";
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
    /// The conversation's id, as Claude Code sends it (`x-claude-code-session-id`).
    pub const SESSION_ID: &str = "session.id";
    /// Input tokens of the conversation so far, this request's among them.
    pub const SESSION_INPUT_TOKENS: &str = "session.tokens.input";
    /// Its output tokens.
    pub const SESSION_OUTPUT_TOKENS: &str = "session.tokens.output";
    /// Input tokens of the client's key since the start, this request's among them.
    pub const CLIENT_INPUT_TOKENS: &str = "client.tokens.input";
    /// Its output tokens.
    pub const CLIENT_OUTPUT_TOKENS: &str = "client.tokens.output";
    /// Attempts beyond the first.
    pub const RETRIES: &str = "retries";
    /// How the request ended: `complete`, `client_closed`, `upstream_error`, `timeout` or `shed`.
    pub const END: &str = "end";
    /// The kind of a security event: `auth_failed`, `origin_refused`, `host_refused`, `rate_limited`,
    /// `body_too_large`.
    pub const SECURITY_EVENT: &str = "security.event";
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What one event by `log` looks like.
    fn written(log: &Log, colours: bool, event: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Memory(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Memory {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(log, colours, move || writer.clone()).unwrap();
        subscriber::with_default(subscriber, event);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn json() -> Log {
        Log { format: Format::Json, filter: "info".to_owned(), ..Log::default() }
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let line = written(&json(), false, || {
            tracing::info!({ field::REQUEST_ID } = "req_1", { field::STATUS } = 200, "two\nlines");
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["message"], "two\nlines");
        assert_eq!(object["request.id"], "req_1");
        assert_eq!(object["status"], 200);
        assert_eq!(object["level"], "INFO");
    }

    #[test]
    fn text_has_colours_only_when_told() {
        let log = Log { filter: "info".to_owned(), ..Log::default() };
        let event = || tracing::info!(model.requested = "\u{1b}[31mred\nline", "said");
        let plain = written(&log, false, event);
        assert!(!plain.contains('\u{1b}') && plain.trim_end().lines().count() == 1, "{plain:?}");
        assert!(plain.contains("said model.requested="), "{plain}");
        assert!(written(&log, true, event).contains('\u{1b}'));
    }

    #[test]
    fn the_default_filter_lets_our_ordinary_events_through_and_others_warnings() {
        let events = || {
            tracing::info!(target: "aiapiproxy::server", "ours");
            tracing::debug!(target: "aiapiproxy::server", "our details");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "their warning");
        };
        let text = written(&Log::default(), false, events);
        let seen =
            ["ours", "our details", "theirs", "their warning"].map(|it| text.contains(&format!("{it}\n")));
        assert_eq!(seen, [true, false, false, true], "{text}");
    }

    #[test]
    fn a_bad_filter_is_an_error_and_no_panic() {
        let log = Log { filter: "a=b=c".to_owned(), ..Log::default() };
        assert!(matches!(init(&log, Arc::default()), Err(Error::Filter(_))));
    }
}
