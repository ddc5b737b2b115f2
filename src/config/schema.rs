//! The configuration file's JSON Schema, for editors: what `config schema` prints.
//!
//! Nothing here is a second description of the file. The keys are [`KEYS`], what each takes is asked of the parser
//! itself, which names it allows is read from the message that refuses a wrong one, and what it means stands in
//! `config.example.toml`. (A schema derived from the types would know none of that: to serde a duration, a size
//! and the name of a preset are all text.)

use serde_json::{Map, Value, json};

use super::{
    Config, Error,
    example::{self, Described},
    file::{self, KEYS},
};

/// The schema, as draft 7 has it, which every editor knows.
pub fn schema() -> Value {
    let described = example::described();
    let mut root = Table::default();
    for key in KEYS.iter().filter(|key| !key.contains(".*.")) {
        let description = described.iter().find(|described| described.key == *key);
        root.place(key.split('.'), leaf(key, description));
    }
    let mut schema = root.into_object();
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("Configuration of aiapiproxy"));
    Value::Object(schema)
}

/// A table of the file, while its keys come together.
#[derive(Default)]
struct Table(Vec<(String, Entry)>);

enum Entry {
    Leaf(Value),
    Table(Table),
}

impl Table {
    /// Puts a leaf where its key says, below tables that are made on the way.
    fn place<'k>(&mut self, mut path: impl Iterator<Item = &'k str>, leaf: Value) {
        let (Some(name), mut path) = (path.next(), path.peekable()) else { return };
        if path.peek().is_none() {
            self.0.push((name.to_owned(), Entry::Leaf(leaf)));
            return;
        }
        if !self.0.iter().any(|(known, _)| known == name) {
            self.0.push((name.to_owned(), Entry::Table(Self::default())));
        }
        let below = self.0.iter_mut().find(|(known, _)| known == name);
        if let Some((_, Entry::Table(below))) = below {
            below.place(&mut path as &mut dyn Iterator<Item = &'k str>, leaf);
        }
    }

    fn into_object(self) -> Map<String, Value> {
        let property = |(name, entry): (String, Entry)| {
            let value = match entry {
                Entry::Leaf(leaf) => leaf,
                Entry::Table(table) => table.into_schema(&name),
            };
            (name, value)
        };
        let properties: Map<String, Value> = self.0.into_iter().map(property).collect();
        Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("additionalProperties".to_owned(), json!(false)),
            ("properties".to_owned(), Value::Object(properties)),
        ])
    }

    fn into_schema(self, name: &str) -> Value {
        let table = Value::Object(self.into_object());
        let list = json!({"type": "array", "items": table});
        match () {
            () if file::ALONE.contains(&name) => {
                json!({"anyOf": [table, list]})
            }
            () if file::LISTS.contains(&name) => list,
            () => table,
        }
    }
}

/// What one key takes and means.
fn leaf(key: &str, described: Option<&Described>) -> Value {
    let accepts = |literal: &str| file::accepts(key, literal);
    let mut types = Vec::new();
    if accepts("{ a = true, b = [1] }") {
        types.push(json!({"type": "object"}));
    } else if accepts("{ a = { model = \"m\" } }") {
        types.push(json!({"type": "object", "additionalProperties": target()}));
    } else if accepts("{ model = \"m\" }") && !accepts("{ a = \"b\" }") {
        types.extend([json!({"type": "string"}), target()]);
    } else if accepts("{ a = \"b\" }") {
        types.push(json!({"type": "object", "additionalProperties": {"type": "string"}}));
    }
    if types.is_empty() {
        types.extend(scalars(key, accepts));
    }
    let mut leaf = match (types.pop(), types.is_empty()) {
        (Some(Value::Object(only)), true) => only,
        (last, _) => Map::from_iter([("anyOf".to_owned(), types.into_iter().chain(last).collect())]),
    };
    if let Some(Described { text, default, .. }) = described {
        leaf.insert("description".to_owned(), json!(text));
        leaf.extend(default.clone().map(|default| ("default".to_owned(), default)));
    }
    Value::Object(leaf)
}

fn scalars(key: &str, accepts: impl Fn(&str) -> bool) -> Vec<Value> {
    let mut types = Vec::new();
    if accepts("true") {
        types.push(json!({"type": "boolean"}));
    }
    if accepts("1") {
        types.push(json!({"type": "integer"}));
    }
    if accepts("\"text\"") {
        let mut text = Map::from_iter([("type".to_owned(), json!("string"))]);
        text.extend(allowed_names(key).map(|names| ("enum".to_owned(), json!(names))));
        types.push(Value::Object(text));
    }
    if accepts("[\"text\"]") {
        types.push(json!({"type": "array", "items": {"type": "string"}}));
    }
    types
}

/// An upstream model: its name, or a table.
fn target() -> Value {
    let keys = KEYS.iter().filter_map(|key| key.strip_prefix("models.map.*."));
    let kind = |name: &str| if name.ends_with("tokens") { "integer" } else { "string" };
    let properties: Map<String, Value> =
        keys.map(|name| (name.to_owned(), json!({"type": kind(name)}))).collect();
    let table = json!({"type": "object", "additionalProperties": false, "required": ["model"], "properties": properties});
    json!({"anyOf": [{"type": "string"}, table]})
}

/// The names that a key allows, if there is a list of them, as the message that refuses another one tells.
fn allowed_names(key: &str) -> Option<Vec<String>> {
    let text = file::with_key(key, "\"no such name\"");
    let Err(Error::Value(refused)) = Config::of_text(&text) else { return None };
    let list = refused.expected.strip_prefix("one of ").unwrap_or(&refused.expected);
    let unquoted = refused.expected.starts_with("one of ");
    let names = list.split(", ").flat_map(|names| names.split(" or ")).map(|name| {
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        quoted.or_else(|| unquoted.then_some(name)).map(str::to_owned)
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_schema_with_its_type() {
        let schema = schema();
        let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path} in {schema:#}"));
        for (path, expected) in [
            ("/properties/server/properties/port/type", json!("integer")),
            ("/properties/server/properties/on_lossy/enum", json!(["warn", "refuse"])),
            ("/properties/server/properties/cors/properties/enabled/type", json!("boolean")),
            ("/properties/server/properties/cors/properties/enabled/default", json!(true)),
            ("/properties/server/properties/client_keys/items/properties/id/type", json!("string")),
            ("/properties/upstream/anyOf/0/properties/extra_body/type", json!("object")),
            ("/properties/models/properties/map/additionalProperties/anyOf/0/type", json!("string")),
        ] {
            assert_eq!(at(path), &expected, "{path}");
        }
        let timeout = at("/properties/limits/properties/connect_timeout");
        assert_eq!(timeout["anyOf"], json!([{"type": "integer"}, {"type": "string"}]));
        assert_eq!(timeout["description"], "Connecting to the upstream, TLS included.");
    }

    #[test]
    fn no_key_is_without_a_type_or_a_description() {
        let described = example::described();
        for key in KEYS.iter().filter(|key| !key.contains(".*.")) {
            let description = described.iter().find(|it| it.key == *key);
            let leaf = leaf(key, description);
            assert!(leaf.get("type").is_some() || leaf["anyOf"][0].is_object(), "{key}: {leaf}");
            assert!(leaf.get("description").is_some(), "{key} has no description in config.example.toml");
        }
    }
}
