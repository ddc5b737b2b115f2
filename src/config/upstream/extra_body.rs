//! `extra_body`: what an upstream wants in every request beside what the protocol has.

use serde_json::{Map, Value};
use toml::Spanned;

use crate::config::{
    error::{BadValue, Error},
    layers::Layers,
};

/// Members that make a request what it is. Another value would break the reading of the answer, or nothing would be
/// left of what the client said.
const OURS: [&str; 8] = ["model", "messages", "input", "system", "instructions", "tools", "stream", "n"];

/// The table as JSON.
pub(super) fn resolve(
    table: Option<Spanned<toml::Table>>,
    layers: &mut Layers<'_>,
) -> Result<Map<String, Value>, Error> {
    let Some(setting) = layers.file.setting(table) else { return Ok(Map::new()) };
    let mut members = Map::new();
    for (name, value) in setting.value.clone() {
        let bad = |expected: &str| {
            Error::from(BadValue {
                key: format!("upstream.extra_body.{name}"),
                expected: expected.to_owned(),
                value: None,
                origin: setting.origin.clone(),
                nearest: None,
            })
        };
        if OURS.contains(&name.as_str()) {
            return Err(bad("a member that may be added: none that the program sets in every request"));
        }
        let value = json(value).ok_or_else(|| bad("a value that JSON has: neither inf nor nan"))?;
        members.insert(name, value);
    }
    layers.choose("upstream.extra_body", [Some(setting)]);
    Ok(members)
}

fn json(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<Option<_>>()?),
        toml::Value::Table(table) => {
            let members = table.into_iter().map(|(name, value)| Some((name, json(value)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
    })
}
