//! The TOML file: its shape, and where in it a value stands.
//!
//! One struct per table, every key optional, unknown keys refused. What the keys mean stands in the sections'
//! modules and in `config.example.toml`; [`KEYS`] lists them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    error::{Error, nearest},
    layers::{Origin, Setting},
    paths,
};
use crate::{models::counting::Multiplier, secret};

mod keys;
mod tables;
mod values;

pub(super) use keys::{ALONE, KEYS, LISTS, TABLES};
pub(super) use tables::{ClientKeyTable, ImagesTable, MetricsTable, TlsTable};
pub(super) use values::{
    Decimal, Integer, MULTIPLIER, Moment, OneOrMore, Quantity, SecretText, TargetValue, UpstreamTables,
};

/// A file that was read, or none, which sets nothing.
#[derive(Default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The byte at which each line but the first begins.
    line_starts: Vec<usize>,
    pub(super) tables: Tables,
}

impl File {
    /// Reads a configuration file.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = paths::read_text(path, "the configuration file")?;
        Self::parse(path, &text)
    }

    /// Reads the text of a configuration file.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let line_starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let mut file = Self { path: path.to_owned(), line_starts, tables: Tables::default() };
        file.tables = toml::from_str(text).map_err(|error| file.explain(error))?;
        Ok(file)
    }

    /// Where a path that the file names leads: one that is not absolute starts at the file's directory.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or_else(|| Path::new("")).join(path)
    }

    /// The value with its line.
    pub(super) fn setting<T>(&self, value: Option<Spanned<T>>) -> Option<Setting<T>> {
        let value = value?;
        let origin = self.origin(&value);
        Some(Setting { value: value.into_inner(), origin })
    }

    /// Where a value stands.
    pub(super) fn origin<T>(&self, value: &Spanned<T>) -> Origin {
        Origin::File { path: self.path.clone(), line: self.line(value.span().start) }
    }

    fn line(&self, byte: usize) -> usize {
        1 + self.line_starts.partition_point(|start| *start <= byte)
    }

    fn explain(&self, mut error: toml::de::Error) -> Error {
        let path = self.path.clone();
        let line = self.line(error.span().map_or(0, |span| span.start));
        // Without its input the error prints no line of the file, which may hold a key, but the dotted key.
        error.set_input(None);
        let printed = error.to_string();
        let table = printed.rsplit_once("\nin `").map_or("", |(_, key)| key.trim_end().trim_end_matches('`'));
        let unknown = error.message().strip_prefix("unknown field `").and_then(|it| it.split('`').next());
        if let Some(unknown) = unknown {
            // The dotted key that serde knows ends in the unknown field itself or before it.
            let table = table.strip_suffix(unknown).unwrap_or(table).trim_end_matches('.');
            let key = secret::mask_keys(&dotted(table, unknown), &[]).into_owned();
            return Error::UnknownKey { path, line, key, nearest: nearest_key(table, unknown) };
        }
        let (message, mend) = if is_secret(table) {
            ("not a string", "put it in quotes")
        } else if error.message() == "missing field `id`" {
            ("a key without id", "write a line id = …, the name by which logs call the client")
        } else if table == "server.client_keys" {
            ("not a list of tables", "write [[server.client_keys]], then a line id = … and a line key = …")
        } else {
            (error.message(), "config.example.toml shows every key in its right form")
        };
        let message = secret::mask_keys(message, &[]).replace('\n', ", ");
        Error::Toml { path, line, key: table.to_owned(), message, mend }
    }
}

/// Whether messages must not show the value of this key.
fn is_secret(key: &str) -> bool {
    ["api_key", "key", "sha256"].contains(&key.rsplit('.').next().unwrap_or(key))
        || key.starts_with("upstream.headers")
}

/// The known key for a mistyped one: of the same name in another table, of a like name in the same table, or of
/// a like name anywhere.
fn nearest_key(table: &str, name: &str) -> Option<String> {
    let split = |key: &'static str| key.rsplit_once('.').unwrap_or(("", key));
    let known = || TABLES.into_iter().chain(KEYS.iter().copied()).map(split);
    if let Some((parent, _)) = known().find(|(_, known)| *known == name) {
        return Some(dotted(parent, name));
    }
    // Targets of models are tables whose names the user chooses.
    let parent = if table.starts_with("models.") && table != "models.map" { "models.map.*" } else { table };
    let siblings = known().filter(|(other, _)| *other == parent).map(|(_, name)| name);
    if let Some(sibling) = nearest(name, siblings) {
        return Some(dotted(table, sibling));
    }
    let anywhere = nearest(name, known().map(|(_, name)| name))?;
    known().find(|(_, known)| *known == anywhere).map(|(parent, name)| dotted(parent, name))
}

/// Whether a key takes a value of that kind; the value is TOML.
pub(super) fn accepts(key: &str, value: &str) -> bool {
    toml::from_str::<Tables>(&with_key(key, value)).is_ok()
}

/// A file that sets one key.
pub(super) fn with_key(key: &str, value: &str) -> String {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    match (table, name) {
        ("server.client_keys", "id") | ("route", _) => format!("[[{table}]]\n{name} = {value}\n"),
        ("server.client_keys", _) => format!("[[{table}]]\nid = \"x\"\n{name} = {value}\n"),
        _ => format!("[{table}]\n{name} = {value}\n"),
    }
}

/// A TOML value, for those who write JSON.
pub(super) fn literal(value: &str) -> Option<serde_json::Value> {
    let mut table: serde_json::Value = toml::from_str(&format!("value = {value}")).ok()?;
    Some(table.get_mut("value")?.take())
}

fn dotted(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tables {
    pub(super) server: ServerTable,
    pub(super) upstream: UpstreamTables,
    pub(super) models: ModelsTable,
    pub(super) images: ImagesTable,
    pub(super) route: Vec<Spanned<RouteTable>>,
    pub(super) limits: LimitsTable,
    pub(super) log: LogTable,
    pub(super) metrics: MetricsTable,
}

impl UpstreamTable {
    /// Whether a secret stands in it literally: a key, or a header that by its name holds one.
    pub(super) fn holds_secret(&self) -> bool {
        let is_secret = |name: &str| {
            let name = name.to_ascii_lowercase();
            ["key", "token", "secret", "auth", "password", "cookie"].iter().any(|word| name.contains(word))
        };
        self.api_key.is_some() || self.headers.keys().any(|name| is_secret(name.get_ref()))
    }
}

/// `[server]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServerTable {
    pub(super) host: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<Integer>>,
    pub(super) auth: Option<Spanned<String>>,
    pub(super) allowed_hosts: Option<Spanned<Vec<String>>>,
    pub(super) trusted_proxies: Option<Spanned<Vec<String>>>,
    pub(super) on_lossy: Option<Spanned<String>>,
    pub(super) tls: TlsTable,
    pub(super) cors: CorsTable,
    pub(super) client_keys: Vec<Spanned<ClientKeyTable>>,
}

/// `[server.cors]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CorsTable {
    pub(super) enabled: Option<Spanned<bool>>,
    pub(super) allowed_origins: Option<Spanned<Vec<String>>>,
}

/// `[upstream]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UpstreamTable {
    pub(super) name: Option<Spanned<String>>,
    pub(super) preset: Option<Spanned<String>>,
    pub(super) dialect: Option<Spanned<String>>,
    pub(super) base_url: Option<Spanned<String>>,
    pub(super) api_key: Option<Spanned<SecretText>>,
    pub(super) api_key_file: Option<Spanned<PathBuf>>,
    pub(super) api_key_command: Option<Spanned<Vec<String>>>,
    pub(super) api_key_env: Option<Spanned<String>>,
    pub(super) auth_style: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) http2: Option<Spanned<bool>>,
    pub(super) api_version: Option<Spanned<String>>,
    pub(super) model_family: Option<Spanned<String>>,
    pub(super) strip_billing_header: Option<Spanned<bool>>,
    pub(super) content_filter: Option<Spanned<String>>,
    pub(super) max_output_tokens: Option<Spanned<Integer>>,
    pub(super) context_window: Option<Spanned<Integer>>,
    pub(super) count_tokens: Option<Spanned<String>>,
    pub(super) count_multiplier: Option<Spanned<Decimal>>,
    pub(super) headers: BTreeMap<Spanned<String>, SecretText>,
    pub(super) extra_body: Option<Spanned<toml::Table>>,
    pub(super) connect_timeout: Option<Spanned<Quantity>>,
    pub(super) first_byte_timeout: Option<Spanned<Quantity>>,
    pub(super) stream_idle_timeout: Option<Spanned<Quantity>>,
    pub(super) max_concurrent_requests: Option<Spanned<Integer>>,
    pub(super) quirks: QuirksTable,
}

/// `[upstream.quirks]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QuirksTable {
    pub(super) max_tokens_field: Option<Spanned<String>>,
    pub(super) system_mode: Option<Spanned<String>>,
    pub(super) system_parts: Option<Spanned<bool>>,
    pub(super) stream_usage: Option<Spanned<bool>>,
    pub(super) top_k: Option<Spanned<bool>>,
    pub(super) no_sampling_on_reasoning_models: Option<Spanned<bool>>,
    pub(super) reasoning_request: Option<Spanned<String>>,
    pub(super) efforts: Option<Spanned<Vec<String>>>,
    pub(super) reasoning_echo: Option<Spanned<String>>,
    pub(super) parallel_tool_calls: Option<Spanned<bool>>,
    pub(super) strict_tools: Option<Spanned<bool>>,
    pub(super) json_schema: Option<Spanned<bool>>,
    pub(super) tool_images: Option<Spanned<bool>>,
    pub(super) images: Option<Spanned<bool>>,
    pub(super) files: Option<Spanned<bool>>,
    pub(super) file_urls: Option<Spanned<bool>>,
    pub(super) tool_ids: Option<Spanned<String>>,
    pub(super) prefill: Option<Spanned<String>>,
    pub(super) merge_consecutive: Option<Spanned<bool>>,
    pub(super) reports_stop: Option<Spanned<bool>>,
    pub(super) cache_control: Option<Spanned<String>>,
    pub(super) explicit_cache: Option<Spanned<bool>>,
    pub(super) schema_ids: Option<Spanned<bool>>,
    pub(super) input_examples: Option<Spanned<bool>>,
    pub(super) history_needs_tools: Option<Spanned<bool>>,
    pub(super) repair_tool_results: Option<Spanned<bool>>,
    pub(super) safety_identifier: Option<Spanned<bool>>,
    pub(super) prompt_cache_key: Option<Spanned<bool>>,
    pub(super) service_tier: Option<Spanned<bool>>,
    pub(super) newer_models_need_responses: Option<Spanned<bool>>,
    pub(super) think_tags: Option<Spanned<bool>>,
    pub(super) think_opened: Option<Spanned<bool>>,
    pub(super) citations: Option<Spanned<bool>>,
    pub(super) lenient_eof: Option<Spanned<bool>>,
    pub(super) token_counting: Option<Spanned<String>>,
}

/// `[models]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModelsTable {
    pub(super) haiku: Option<Spanned<TargetValue>>,
    pub(super) sonnet: Option<Spanned<TargetValue>>,
    pub(super) opus: Option<Spanned<TargetValue>>,
    pub(super) default: Option<Spanned<TargetValue>>,
    pub(super) map: BTreeMap<Spanned<String>, Spanned<TargetValue>>,
}

/// An upstream model with what clients may know about it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetTable {
    pub(super) model: String,
    pub(super) display_name: Option<String>,
    pub(super) max_input_tokens: Option<u64>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) count_multiplier: Option<Multiplier>,
    pub(super) dialect: Option<String>,
    pub(super) model_family: Option<String>,
}

/// One of `[[route]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RouteTable {
    pub(super) name: Option<String>,
    pub(super) models: Option<OneOrMore>,
    pub(super) background: Option<bool>,
    pub(super) thinking: Option<bool>,
    pub(super) min_tokens: Option<Spanned<Integer>>,
    pub(super) images: Option<bool>,
    pub(super) web_search: Option<bool>,
    pub(super) upstream: Option<Spanned<String>>,
    pub(super) model: Option<Spanned<TargetValue>>,
    pub(super) fallback: Vec<Spanned<String>>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) connect_timeout: Option<Spanned<Quantity>>,
    pub(super) first_byte_timeout: Option<Spanned<Quantity>>,
    pub(super) stream_idle_timeout: Option<Spanned<Quantity>>,
    pub(super) header_read_timeout: Option<Spanned<Quantity>>,
    pub(super) body_read_timeout: Option<Spanned<Quantity>>,
    pub(super) body_total_timeout: Option<Spanned<Quantity>>,
    pub(super) keep_alive_idle: Option<Spanned<Quantity>>,
    pub(super) client_write_timeout: Option<Spanned<Quantity>>,
    pub(super) pool_idle_timeout: Option<Spanned<Quantity>>,
    pub(super) commit_after: Option<Spanned<Quantity>>,
    pub(super) ping_interval: Option<Spanned<Quantity>>,
    pub(super) shutdown_delay: Option<Spanned<Quantity>>,
    pub(super) shutdown_grace: Option<Spanned<Quantity>>,
    pub(super) max_request_size: Option<Spanned<Quantity>>,
    pub(super) max_buffered_bytes: Option<Spanned<Quantity>>,
    pub(super) max_json_depth: Option<Spanned<Integer>>,
    pub(super) max_headers: Option<Spanned<Integer>>,
    pub(super) max_header_size: Option<Spanned<Quantity>>,
    pub(super) max_event_size: Option<Spanned<Quantity>>,
    pub(super) max_response_size: Option<Spanned<Quantity>>,
    pub(super) eject_for: Option<Spanned<Quantity>>,
    pub(super) max_concurrent_requests: Option<Spanned<Integer>>,
    pub(super) max_connections: Option<Spanned<Integer>>,
}

/// `[log]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogTable {
    pub(super) format: Option<Spanned<String>>,
    pub(super) filter: Option<Spanned<String>>,
    pub(super) dev_mode: Option<Spanned<bool>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// serde names the fields that it knows when it meets one that it does not.
    fn fields(table: &str) -> Vec<String> {
        let text = match table {
            "server.client_keys" | "route" => format!("[[{table}]]\nzzz = 1"),
            "models.map.*" => "[models.map]\na = { zzz = 1 }".to_owned(),
            table => format!("[{table}]\nzzz = 1"),
        };
        let error = toml::from_str::<Tables>(&text).unwrap_err();
        let (_, expected) = error.message().split_once("expected ").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_list_of_keys_is_complete() {
        for table in TABLES.into_iter().chain(["models.map.*"]) {
            let subtables = TABLES.iter().filter_map(|it| it.strip_prefix(table)?.strip_prefix('.'));
            let keys = KEYS.iter().filter_map(|it| it.strip_prefix(table)?.strip_prefix('.'));
            let mut expected: Vec<_> = keys.filter(|key| !key.contains('.')).chain(subtables).collect();
            let mut found = fields(table);
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "[{table}]");
        }
    }
}
