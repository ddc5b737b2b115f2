//! JSON texts laid out anew: indented, or on one line. Only white space between tokens changes, so numbers,
//! strings and the order of members stay as they are to the last byte.

/// Indents a JSON text by two spaces a level. The text must be JSON.
pub(super) fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut tokens = Tokens { json, at: 0 }.peekable();
    while let Some(token) = tokens.next() {
        match token {
            b"{" | b"[" => {
                out.extend_from_slice(token);
                if let Some(&close @ (b"}" | b"]")) = tokens.peek() {
                    out.extend_from_slice(close);
                    tokens.next();
                } else {
                    depth += 1;
                    new_line(depth, &mut out);
                }
            }
            b"}" | b"]" => {
                depth = depth.saturating_sub(1);
                new_line(depth, &mut out);
                out.extend_from_slice(token);
            }
            b"," => {
                out.push(b',');
                new_line(depth, &mut out);
            }
            b":" => out.extend_from_slice(b": "),
            scalar => out.extend_from_slice(scalar),
        }
    }
    out
}

/// Replaces line ends by spaces: opaque parts may hold some, and lines of JSON must not. Inside of strings JSON
/// has no raw line ends.
pub(super) fn one_line(json: &mut [u8]) {
    let Some(first) = memchr::memchr2(b'\n', b'\r', json) else { return };
    // Every byte is written, so that many can be at once.
    for byte in json.iter_mut().skip(first) {
        *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
    }
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

/// The tokens of a JSON text, without the white space between them.
struct Tokens<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.json.get(self.at..)?;
        let blank = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let rest = rest.get(blank..)?;
        let length = match rest.first()? {
            b'"' => string_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => rest.iter().position(|byte| b" \t\r\n{}[],:\"".contains(byte)).unwrap_or(rest.len()),
        };
        self.at += blank + length;
        rest.get(..length)
    }
}

/// The bytes of a string, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text.get(at) == Some(&b'"') {
            return at + 1;
        }
        at = (at + 2).min(text.len());
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(json: &[u8]) -> Vec<&[u8]> {
        Tokens { json, at: 0 }.collect()
    }

    fn indented(json: &str) -> String {
        String::from_utf8(indent(json.as_bytes())).unwrap()
    }

    #[test]
    fn levels_are_indented_and_empty_ones_closed_at_once() {
        assert_eq!(
            indented(r#"{"a":[1,{"b":{}}],"c": [ ],"d":"x:,{\"\\"}"#),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": {}\n    }\n  ],\n  \"c\": [],\n  \"d\": \"x:,{\\\"\\\\\"\n}"
        );
        assert_eq!(indented(" 7 "), "7");
        assert_eq!(indented("{}"), "{}");
    }

    #[test]
    fn numbers_and_the_order_of_members_stay() {
        let text = r#"{"z":1e2,"a":12345678901234567890123,"m":-0,"z2":1.10}"#;
        let shown = indented(text);
        for part in ["\"z\": 1e2", "\"a\": 12345678901234567890123", "\"m\": -0", "\"z2\": 1.10"] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn text_that_is_no_json_does_no_harm() {
        for text in ["", "\"", "\"\\", "}}}", "{\"a", "[[[", "\u{1}"] {
            indent(text.as_bytes());
        }
    }

    #[test]
    fn one_line_is_one_line() {
        let mut text = b"{\"a\":\r\n 1}".to_vec();
        one_line(&mut text);
        assert_eq!(text, b"{\"a\":   1}");
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn only_white_space_changes(value in json()) {
            let compact = serde_json::to_vec(&value).unwrap();
            let shown = indent(&compact);
            prop_assert_eq!(tokens(&shown), tokens(&compact));
            let expected = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(String::from_utf8(shown).unwrap(), expected);
        }
    }
}
