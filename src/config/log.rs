//! `[log]`: how much is logged, and in which form. Bodies and keys never are.

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::{
    error::Error,
    file::LogTable,
    layers::{Kind, Layers, SWITCH, Setting},
};

/// What telemetry needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// The form of a line. Default text. `LOG_FORMAT`, `--log-format`.
    pub format: Format,
    /// Which events are written, in the syntax of `RUST_LOG`. Default `warn,aiapiproxy=info`, in development
    /// mode `info,aiapiproxy=debug`.
    pub filter: String,
    /// Development mode: the program's own events from debug upwards, as text, unless format and filter are set
    /// themselves. Changes nothing else. Default false. `DEV_MODE`.
    pub dev_mode: bool,
    /// The user wants no colours even on a terminal. `NO_COLOR`, if it is not empty.
    #[serde(skip)]
    pub no_color: bool,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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

const FORMAT: Kind<Format> =
    Kind { expected: "\"text\" or \"json\"", read: Format::from_name, names: &["text", "json"] };

const FILTER: Kind<String> = Kind {
    expected: "a log filter such as \"info\" or \"warn,aiapiproxy=debug\"",
    read: |text| EnvFilter::try_new(text).is_ok().then(|| text.to_owned()),
    names: &[],
};

impl Log {
    /// Chooses the settings from their layers.
    pub(super) fn resolve(
        table: LogTable,
        flag: Option<Format>,
        layers: &mut Layers<'_>,
    ) -> Result<Self, Error> {
        let dev_mode =
            [layers.env("DEV_MODE", "log.dev_mode", &SWITCH)?, layers.file.setting(table.dev_mode)];
        let dev_mode = layers.choose("log.dev_mode", dev_mode).is_some_and(|it| it.value);
        let format = [
            Setting::flag("--log-format", flag),
            layers.env("LOG_FORMAT", "log.format", &FORMAT)?,
            layers.file(table.format, "log.format", &FORMAT)?,
        ];
        let format = layers.choose("log.format", format).map_or(Format::Text, |it| it.value);
        let filter = [
            layers.env("RUST_LOG", "log.filter", &FILTER)?,
            layers.file(table.filter, "log.filter", &FILTER)?,
        ];
        let default = if dev_mode { DEV_FILTER } else { DEFAULT_FILTER };
        let filter = layers.choose("log.filter", filter).map_or_else(|| default.to_owned(), |it| it.value);
        let no_color = layers.env.get("NO_COLOR")?.is_some();
        Ok(Self { format, filter, dev_mode, no_color })
    }
}
