//! Every setting with its value and where it came from: what `config show` prints.
//!
//! The values are those of the resolved [`Config`](super::Config), as serde sees it; nothing is listed by hand, so a setting
//! that a section gains appears by itself. Secrets cannot appear: their types do not serialise, and the fields
//! that hold them say [`REDACTED`].

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    Loaded,
    file::KEYS,
    layers::{Origin, Origins},
    upstream::Upstream,
};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The dotted key.
    pub key: String,
    /// The value; null if there is none.
    pub value: Value,
    /// Where it came from, in words.
    pub origin: String,
}

impl Loaded {
    /// Every setting, in the order of `config.example.toml`.
    pub fn settings(&self) -> Vec<Shown> {
        let tree = serde_json::to_value(&self.config).unwrap_or_default();
        let mut rows = Vec::new();
        flatten(String::new(), tree, &mut rows);
        let named = rows.into_iter().filter_map(|(key, value)| Some((as_in_the_file(key, &value)?, value)));
        let mut shown: Vec<Shown> =
            named.map(|(key, value)| Shown { origin: self.origin(&key), value, key }).collect();
        // A stable sort keeps the file's order where the user chooses the names.
        shown.sort_by_key(|shown| position(&shown.key));
        shown
    }

    fn origin(&self, key: &str) -> String {
        let origin = nearest_origin(&self.origins, key);
        let by_preset = key.starts_with("upstream.") && (key.contains(".quirks.") || is_of_preset(key));
        let is_of = |upstream: &&Upstream| key.starts_with(&format!("upstream.{}.", upstream.name));
        let preset = self.config.other_upstreams.iter().find(is_of).unwrap_or(&self.config.upstream).preset;
        match origin {
            Some(origin) => origin.to_string(),
            None if by_preset => format!("preset {preset}"),
            None => Origin::Default.to_string(),
        }
    }
}

/// The file calls each further upstream and each route by its own name; no further ones are no setting.
fn as_in_the_file(key: String, value: &Value) -> Option<String> {
    if let Some(rest) = key.strip_prefix("other_upstreams") {
        return (*value != Value::Array(Vec::new())).then(|| format!("upstream{rest}"));
    }
    Some(key.strip_prefix("routes").map(|rest| format!("route{rest}")).unwrap_or(key))
}

/// Settings of an upstream whose default its preset knows.
fn is_of_preset(key: &str) -> bool {
    [".name", ".base_url", ".auth_style"].iter().any(|name| key.ends_with(name))
}

/// The origin of the key itself, or of the list or table that it was set in.
fn nearest_origin<'o>(origins: &'o Origins, key: &str) -> Option<&'o Origin> {
    let mut key = key;
    loop {
        if let Some(origin) = origins.get(key) {
            return Some(origin);
        }
        (key, _) = key.rsplit_once('.')?;
        if !key.contains('.') {
            return None;
        }
    }
}

/// Takes a tree apart into its leaves. A list of tables becomes a table by their ids.
fn flatten(key: String, value: Value, rows: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(table) if is_leaf(&table) => rows.push((key, leaf(table))),
        Value::Object(table) if table.is_empty() => rows.push((key, Value::Object(table))),
        Value::Object(table) => {
            for (name, value) in table {
                flatten(below(&key, &name), value, rows);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (number, item) in (1..).zip(items) {
                let name = ["id", "name"].into_iter().find_map(|name| item.get(name)?.as_str());
                let name = name.map_or_else(|| format!("#{number}"), str::to_owned);
                flatten(below(&key, &name), item, rows);
            }
        }
        value => rows.push((key, value)),
    }
}

fn below(key: &str, name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name = if name.chars().all(is_bare) { name.to_owned() } else { format!("{name:?}") };
    if key.is_empty() { name } else { format!("{key}.{name}") }
}

/// Durations, and models with what is known of them.
fn is_leaf(table: &Map<String, Value>) -> bool {
    table.contains_key("model") || duration(table).is_some()
}

fn leaf(table: Map<String, Value>) -> Value {
    match duration(&table) {
        Some(duration) => Value::String(in_words(duration)),
        None => Value::Object(table.into_iter().filter(|(_, value)| !value.is_null()).collect()),
    }
}

/// serde's form of a [`Duration`].
fn duration(table: &Map<String, Value>) -> Option<Duration> {
    let nanos = table.get("nanos").filter(|_| table.len() == 2)?.as_u64()?;
    Some(Duration::new(table.get("secs")?.as_u64()?, u32::try_from(nanos).ok()?))
}

/// As the file writes it.
fn in_words(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

/// The place among [`KEYS`], where the user's own names stand for one.
fn position(key: &str) -> usize {
    let exact = KEYS.iter().position(|known| *known == key);
    let fits = |known: &&str| {
        let is_below =
            |longer: &str, shorter| longer.strip_prefix(shorter).is_some_and(|it| it.starts_with('.'));
        is_below(key, *known)
            || is_below(known, key)
            || known
                .rsplit_once('.')
                .is_some_and(|(table, name)| key.starts_with(table) && key.rsplit('.').next() == Some(name))
    };
    let of_further =
        || KEYS.iter().position(|known| *known == "models.haiku").filter(|_| key.starts_with("upstream."));
    exact.or_else(|| KEYS.iter().position(fits)).or_else(of_further).unwrap_or(KEYS.len())
}

impl fmt::Display for Shown {
    /// `key = value` in TOML's notation, as a comment if there is no value or it is not to be seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, .. } = self;
        match value {
            Value::Null => write!(f, "# {key} is unset"),
            Value::String(text) if text == REDACTED => write!(f, "# {key} is set and not shown"),
            Value::Number(bytes) if key.ends_with("_size") => write!(f, "{key} = {}", size(bytes)),
            value => write!(f, "{key} = {}", Toml(value)),
        }
    }
}

/// `"32MiB"` where that is exact.
fn size(bytes: &serde_json::Number) -> String {
    match bytes.as_u64() {
        Some(bytes) if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("\"{}MiB\"", bytes >> 20),
        Some(bytes) if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => format!("\"{}KiB\"", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// A value in TOML's notation. JSON's strings, numbers and lists are TOML's too.
struct Toml<'a>(&'a Value);

impl fmt::Display for Toml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value::Object(table) = self.0 else { return write!(f, "{}", self.0) };
        f.write_str("{")?;
        for (number, (name, value)) in table.iter().enumerate() {
            let comma = if number == 0 { " " } else { ", " };
            write!(f, "{comma}{} = {}", below("", name), Toml(value))?;
        }
        f.write_str(if table.is_empty() { "}" } else { " }" })
    }
}

/// For fields that hold a secret, or none.
#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
pub(super) fn redacted<T, S: Serializer>(secret: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| REDACTED).serialize(serializer)
}

/// For headers, whose values may be secrets.
pub(super) fn redacted_values<S: Serializer>(
    headers: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, _)| (name, REDACTED)))
}

/// For values that are told as they print.
pub(super) fn printed<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// The same for each of several.
pub(super) fn each_printed<T: fmt::Display, S: Serializer>(
    values: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn values_are_written_as_the_file_has_them() {
        let table = [
            ("limits.ping_interval", json!("10s"), "limits.ping_interval = \"10s\""),
            ("limits.max_request_size", json!(33_554_432), "limits.max_request_size = \"32MiB\""),
            ("limits.max_event_size", json!(1000), "limits.max_event_size = 1000"),
            ("server.allowed_hosts", json!(["a", "b"]), "server.allowed_hosts = [\"a\",\"b\"]"),
            ("upstream.api_key", json!(REDACTED), "# upstream.api_key is set and not shown"),
            ("upstream.api_version", json!(null), "# upstream.api_version is unset"),
            (
                "models.sonnet",
                json!({"model": "m", "a b": 1}),
                "models.sonnet = { \"a b\" = 1, model = \"m\" }",
            ),
        ];
        for (key, value, expected) in table {
            let shown = Shown { key: key.to_owned(), value, origin: String::new() };
            assert_eq!(shown.to_string(), expected);
        }
    }

    /// Where a value was read from, which the resolved configuration knows as origin only; and what is shown as one
    /// list, `route.NAME.to`.
    const SOURCES: [&str; 6] = [
        "upstream.api_key_file",
        "upstream.api_key_command",
        "upstream.api_key_env",
        "route.upstream",
        "route.model",
        "route.fallback",
    ];

    #[test]
    fn every_key_of_the_file_is_shown() {
        let text = "[[server.client_keys]]\nid = \"alice\"\nkey = \"0123456789\"\n\
                    [upstream]\nheaders = { x-a = \"b\" }\n[models.map]\na = \"b\"\n[[route]]\nname = \"r\"\n";
        let settings = Config::of_text(text).unwrap().settings();
        let shown: Vec<_> = settings.iter().map(|shown| shown.key.as_str()).collect();
        let user_named = |key: &str| {
            let key = key
                .replace("client_keys.", "client_keys.alice.")
                .replace("upstream.headers", "upstream.headers.x-a");
            key.replace("models.map", "models.map.a").replace("route.", "route.r.")
        };
        for key in KEYS.iter().filter(|key| !SOURCES.contains(key) && !key.contains(".*.")) {
            // A key is kept as its digest.
            let key = user_named(key).replace("alice.key", "alice.sha256");
            assert!(shown.contains(&key.as_str()), "{key} is not in {shown:?}");
        }
    }

    #[test]
    fn trees_are_taken_apart() {
        let tree = json!({"a": {"b": 1, "t": {"secs": 2, "nanos": 500_000_000}}, "k": [{"id": "x y", "v": 1}], "l": []});
        let mut rows = Vec::new();
        flatten(String::new(), tree, &mut rows);
        let keys: Vec<_> = rows.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(keys, ["a.b=1", "a.t=\"2500ms\"", "k.\"x y\".id=\"x y\"", "k.\"x y\".v=1", "l=[]"]);
    }
}
