//! `[log]`: how much is logged, and in which form. Bodies and keys never are.

/// What [`crate::telemetry::init`] needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The form of a line. Default text. `LOG_FORMAT`, `--log-format`.
    pub format: Format,
    /// Which events are written, in the syntax of `RUST_LOG`. Default `warn,aiapiproxy=info`, in development
    /// mode `info,aiapiproxy=debug`.
    pub filter: String,
    /// Development mode: other defaults for logging, nothing else. Default false. `DEV_MODE`.
    pub dev_mode: bool,
    /// The user wants no colours even on a terminal. `NO_COLOR`, if it is not empty.
    pub no_color: bool,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// The format of that name: `text` or `json`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// The filter outside development mode: this program's ordinary events and everybody's warnings.
pub const DEFAULT_FILTER: &str = "warn,aiapiproxy=info";
/// The filter in development mode.
pub const DEV_FILTER: &str = "info,aiapiproxy=debug";

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, filter: DEFAULT_FILTER.to_owned(), dev_mode: false, no_color: false }
    }
}
