//! Members that the configuration adds to the bodies of requests (`extra_body`).

use std::{collections::BTreeSet, fmt};

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The body with each member that it does not have itself. What is no JSON object stays as it is: the upstream will
/// say what is wrong with it.
pub(super) fn added(body: &Bytes, extra: &Map<String, Value>) -> Bytes {
    if extra.is_empty() {
        return body.clone();
    }
    let (Ok(Names(names)), Some(end)) =
        (serde_json::from_slice(body), body.iter().rposition(|byte| *byte == b'}'))
    else {
        return body.clone();
    };
    let (before, after) = body.split_at(end);
    let mut longer = Vec::with_capacity(body.len() + 64 * extra.len());
    longer.extend_from_slice(before);
    let mut is_empty = names.is_empty();
    for (name, value) in extra.iter().filter(|(name, _)| !names.contains(name.as_str())) {
        if !std::mem::replace(&mut is_empty, false) {
            longer.push(b',');
        }
        longer.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
        longer.push(b':');
        longer.extend_from_slice(value.to_string().as_bytes());
    }
    longer.extend_from_slice(after);
    Bytes::from(longer)
}

/// The names of an object's members; their values are not looked at.
struct Names(BTreeSet<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;
        impl<'de> Visitor<'de> for NamesVisitor {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.insert(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(NamesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_added_where_there_are_none_of_their_name() {
        let extra = json!({"top_k": 20, "chat_template_kwargs": {"a": [true, "x\"y"]}, "temperature": 0.5});
        let Value::Object(extra) = extra else { unreachable!() };
        let add = |body: &'static str| {
            String::from_utf8(added(&Bytes::from_static(body.as_bytes()), &extra).to_vec()).unwrap()
        };
        assert_eq!(
            add(r#"{"model":"m","temperature":1,"a":{"top_k":1}} "#),
            r#"{"model":"m","temperature":1,"a":{"top_k":1},"chat_template_kwargs":{"a":[true,"x\"y"]},"top_k":20} "#
        );
        assert_eq!(
            add(r#"{"temperature":1,"top_k":null,"chat_template_kwargs":1}"#).matches("top_k").count(),
            1
        );
        assert!(add("{}").starts_with(r#"{"chat_template_kwargs""#));
        assert_eq!(add("[1]"), "[1]");
        assert_eq!(added(&Bytes::from_static(b"{}"), &Map::new()), "{}");
    }
}
