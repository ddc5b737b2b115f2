//! The smallest value that fits a JSON schema, for the demo upstream's tool calls and JSON answers.

use serde_json::{Map, Value, json};

/// Deeper than any schema a person writes; recursive ones end here.
const MAX_DEPTH: usize = 12;
/// `minItems` beyond this is not worth the bytes.
const MAX_ITEMS: u64 = 3;

/// A value that fits. Members that are not required are left out.
pub(super) fn example(schema: &Value) -> Value {
    Generator { root: schema }.value(schema, 0)
}

struct Generator<'a> {
    /// What `#/…` references lead into.
    root: &'a Value,
}

impl Generator<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(told) = told(schema) {
            return told.clone();
        }
        if let Some(target) = self.referenced(schema) {
            return self.value(target, depth + 1);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            let first =
                schema.get(choice).and_then(Value::as_array).and_then(|all| first_that_says_something(all));
            if let Some(first) = first {
                return self.value(first, depth + 1);
            }
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "integer" => integer(least(schema, 1.0).ceil()),
            "number" => json!(least(schema, 1.0)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!(text(schema)),
        }
    }

    /// `{"$ref": "#/$defs/x"}`.
    fn referenced(&self, schema: &Value) -> Option<&Value> {
        self.root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let members = required.iter().filter_map(Value::as_str).map(|name| {
            let member = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
            (name.to_owned(), self.value(member, depth + 1))
        });
        Value::Object(members.collect::<Map<_, _>>())
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(MAX_ITEMS);
        let item = schema.get("items").unwrap_or(&Value::Null);
        (0..count).map(|_| self.value(item, depth + 1)).collect()
    }
}

/// A value that the schema names itself.
fn told(schema: &Value) -> Option<&Value> {
    let first = |name: &str| schema.get(name)?.as_array()?.first();
    schema
        .get("const")
        .or_else(|| first("enum"))
        .or_else(|| schema.get("default"))
        .or_else(|| first("examples"))
}

/// `anyOf` often begins or ends with null.
fn first_that_says_something(choices: &[Value]) -> Option<&Value> {
    choices.iter().find(|choice| type_of(choice) != "null").or_else(|| choices.first())
}

/// The type, the first one but null of several, or what the members suggest.
fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.find(|name| *name != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

fn least(schema: &Value, wish: f64) -> f64 {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let low = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|low| low + 1.0));
    let high = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|high| high - 1.0));
    let value = low.map_or(wish, |low| low.max(wish));
    high.map_or(value, |high| high.min(value))
}

/// `1.0` as `1`.
fn integer(value: f64) -> Value {
    format!("{value:.0}").parse::<i64>().map_or(Value::Null, Value::from)
}

fn text(schema: &Value) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-11-22T00:00:00Z",
        Some("date") => "2026-11-22",
        Some("time") => "00:00:00Z",
        Some("email") => "demo@example.com",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "demo",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &Value, expected: &Value) {
        assert_eq!(&example(schema), expected, "{schema}");
    }

    #[test]
    fn scalars_are_small_and_legal() {
        check(&json!({"type": "string"}), &json!("demo"));
        check(&json!({"type": "string", "enum": ["b", "a"]}), &json!("b"));
        check(&json!({"const": 7}), &json!(7));
        check(&json!({"type": "integer", "default": 5}), &json!(5));
        check(&json!({"type": "integer"}), &json!(1));
        check(&json!({"type": "integer", "minimum": 10}), &json!(10));
        check(&json!({"type": "number", "maximum": 0.5}), &json!(0.5));
        check(&json!({"type": "boolean"}), &json!(true));
        check(&json!({"type": ["null", "string"]}), &json!("demo"));
        check(&json!({"anyOf": [{"type": "null"}, {"type": "integer"}]}), &json!(1));
        check(&json!({}), &json!("demo"));
    }

    #[test]
    fn only_required_members_are_made() {
        let schema = json!({
            "type": "object", "required": ["a", "list", "inner"],
            "properties": {
                "a": {"type": "string"}, "b": {"type": "string"},
                "list": {"type": "array", "items": {"type": "string"}},
                "inner": {"$ref": "#/$defs/inner"},
            },
            "$defs": {"inner": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
        });
        check(&schema, &json!({"a": "demo", "list": [], "inner": {"n": 1}}));
        check(&json!({"type": "array", "minItems": 2, "items": {"type": "boolean"}}), &json!([true, true]));
    }

    #[test]
    fn a_schema_that_contains_itself_comes_to_an_end() {
        let schema = json!({"type": "object", "required": ["me"], "properties": {"me": {"$ref": "#"}}});
        assert!(example(&schema).is_object());
    }
}
