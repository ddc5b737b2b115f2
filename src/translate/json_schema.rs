//! Schemas: the repairs that upstreams need, and whether a schema fits OpenAI's strict subset (protocol.md §2.8,
//! §2.9). What needs no repair keeps its bytes; nothing is ever reordered.

use super::json_object::{Members, ObjectText, raw};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// A schema fit to be sent, and whether its meaning had to change.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) schema: Box<RawValue>,
    /// Why the meaning changed; `None` if it did not.
    pub(crate) change: Option<&'static str>,
}

/// Makes the root an object schema with `type` and `properties`, without `required: null`.
pub(crate) fn repair(schema: Box<RawValue>) -> Repaired {
    let Some(members) = Members::read(&schema) else {
        let change = Some("a schema that is no object allows any input");
        return Repaired { schema: raw(r#"{"type":"object","properties":{}}"#.to_owned()), change };
    };
    let is_null = |name| members.get(name).is_some_and(|value| value.get() == "null");
    let has = |name| members.get(name).is_some() && !is_null(name);
    let has_alternatives = ["anyOf", "oneOf", "allOf"].into_iter().any(has);
    if has("type") && has("properties") && !is_null("required") {
        return Repaired { schema, change: None };
    }
    let mut text = ObjectText::default();
    if !has("type") {
        text.member("type", "\"object\"");
    }
    for (name, value) in members.iter() {
        match name {
            "type" | "required" if value.get() == "null" => {}
            "properties" if value.get() == "null" => text.member(name, "{}"),
            _ => text.member(name, value.get()),
        }
    }
    if members.get("properties").is_none() {
        text.member("properties", "{}");
    }
    let change = (has_alternatives && !has("type")).then_some("alternatives at the root need `type: object`");
    Repaired { schema: text.finish(), change }
}

/// The schema without `$schema` and `$id` at its root, and which of them it had; `None` if it had neither.
pub(crate) fn without_ids(schema: &RawValue) -> Option<(Box<RawValue>, Vec<&'static str>)> {
    let members = Members::read(schema)?;
    let dropped: Vec<&str> = IDS.into_iter().filter(|name| members.get(name).is_some()).collect();
    if dropped.is_empty() {
        return None;
    }
    let mut text = ObjectText::default();
    for (name, value) in members.iter().filter(|(name, _)| !IDS.contains(name)) {
        text.member(name, value.get());
    }
    Some((text.finish(), dropped))
}

/// Members that name a schema or its dialect.
const IDS: [&str; 2] = ["$schema", "$id"];

/// Whether every object in the schema is closed and requires all of its properties, as OpenAI demands of
/// `strict: true`.
pub(crate) fn fits_strict(schema: &RawValue) -> bool {
    let Some(members) = Members::read(schema) else {
        return items(schema).is_none_or(|items| items.into_iter().all(fits_strict));
    };
    if let Some(properties) = members.get("properties").and_then(Members::read) {
        let closed = members.get("additionalProperties").is_some_and(|value| value.get() == "false");
        let required: HashSet<String> = members
            .get("required")
            .and_then(|required| serde_json::from_str(required.get()).ok())
            .unwrap_or_default();
        let all_required = properties.iter().all(|(name, _)| required.contains(name));
        if !(closed && all_required && properties.iter().all(|(_, schema)| fits_strict(schema))) {
            return false;
        }
    }
    let forbidden = ["oneOf", "allOf", "not", "if", "patternProperties", "prefixItems"];
    let nested = ["items", "anyOf"].into_iter().filter_map(|name| members.get(name));
    let mut named = ["$defs", "definitions"].into_iter().filter_map(|name| members.get(name));
    forbidden.into_iter().all(|name| members.get(name).is_none())
        && nested.into_iter().all(fits_strict)
        && named.all(|named| {
            Members::read(named).is_none_or(|named| named.iter().all(|(_, schema)| fits_strict(schema)))
        })
}

fn items(json: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str, changed: bool) {
        let repaired = repair(raw(input.to_owned()));
        assert_eq!(repaired.schema.get(), expected);
        assert_eq!(repaired.change.is_some(), changed, "{input}");
    }

    #[test]
    fn only_what_is_broken_is_touched() {
        let whole = r#"{"type":"object", "properties":{"b":{"type":"number","minimum":1.0},"a":{}},"required":["a"]}"#;
        check(whole, whole, false);
        check("{}", r#"{"type":"object","properties":{}}"#, false);
        check(r#"{"type":"object"}"#, r#"{"type":"object","properties":{}}"#, false);
        check(
            r#"{"properties":null,"required":null,"$schema":"x"}"#,
            r#"{"type":"object","properties":{},"$schema":"x"}"#,
            false,
        );
        check("true", r#"{"type":"object","properties":{}}"#, true);
        check(r#"{"anyOf":[{}]}"#, r#"{"type":"object","anyOf":[{}],"properties":{}}"#, true);
    }

    #[test]
    fn the_strict_subset_is_recognised() {
        let fits = |text: &str| fits_strict(&raw(text.to_owned()));
        let closed = r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#;
        assert!(fits(closed));
        assert!(!fits(
            r#"{"type":"object","properties":{"a":{}},"required":[],"additionalProperties":false}"#
        ));
        assert!(!fits(r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#));
        assert!(fits(&format!(r#"{{"type":"array","items":{closed}}}"#)));
        assert!(!fits(r#"{"type":"array","items":{"type":"object","properties":{"a":{}}}}"#));
        assert!(fits(&format!(r#"{{"anyOf":[{closed},{{"type":"null"}}],"$defs":{{"x":{closed}}}}}"#)));
        assert!(!fits(r#"{"$defs":{"x":{"properties":{"a":{}}}}}"#));
        assert!(!fits(r#"{"oneOf":[]}"#));
    }
}
