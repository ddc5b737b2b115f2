//! Tool arguments as upstreams send them: an object, nothing, a string in a string, or garbage (protocol.md §3.1).

use super::json_object::{quoted, raw};
use super::json_scanner::JsonScanner;
use serde_json::value::RawValue;

/// Arguments fit for a client, which always gets an object.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) json: Box<RawValue>,
    /// What had to be done, if anything.
    pub(crate) repair: Option<&'static str>,
}

/// Makes an object of the text of some arguments. An object stays as it is, byte for byte; brackets are added only
/// where nothing else can be missing; everything else is kept under `_raw`, never guessed at: a truncated command
/// must not become a whole one.
pub(crate) fn complete(text: &str) -> Arguments {
    let done = |json: String, repair| Arguments { json: raw(json), repair };
    let trimmed = text.trim();
    if matches!(trimmed, "" | "null") {
        return done("{}".to_owned(), None);
    }
    if let Some(json) = object(trimmed) {
        return json;
    }
    // Some models encode their arguments twice.
    if let Ok(inner) = serde_json::from_str::<String>(trimmed)
        && let Some(json) = object(inner.trim())
    {
        return Arguments { repair: Some("the arguments were encoded twice"), ..json };
    }
    let json = format!("{{\"_raw\":{}}}", quoted(text));
    done(json, Some("the arguments are no JSON object; they stand under `_raw`"))
}

/// Whether the text is one whole object.
pub(crate) fn is_complete(text: &str) -> bool {
    let trimmed = text.trim();
    matches!(trimmed, "" | "null") || object(trimmed).is_some_and(|object| object.repair != Some(CLOSED))
}

const CLOSED: &str = "closing brackets were missing";

fn object(text: &str) -> Option<Arguments> {
    if !text.starts_with('{') {
        return None;
    }
    let mut scanner = JsonScanner::default();
    let mut json = String::with_capacity(text.len());
    let read = scanner.push(text, &mut json);
    let repair = if scanner.is_done() {
        if read < text.len() { Some("text after the arguments was dropped") } else { scanner.mended() }
    } else {
        json.push_str(&scanner.closers()?);
        Some(CLOSED)
    };
    let json = RawValue::from_string(json.trim_end().to_owned()).ok()?;
    Some(Arguments { json, repair })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, repaired: bool) {
        let arguments = complete(text);
        assert_eq!((arguments.json.get(), arguments.repair.is_some()), (expected, repaired), "{text}");
    }

    #[test]
    fn every_shape_becomes_an_object() {
        check(r#"{"z":1.10, "a":9007199254740993}"#, r#"{"z":1.10, "a":9007199254740993}"#, false);
        check("", "{}", false);
        check(" null ", "{}", false);
        check("{}", "{}", false);
        check(r#""{\"a\":1}""#, r#"{"a":1}"#, true);
        check("[1]", r#"{"_raw":"[1]"}"#, true);
        check("7", r#"{"_raw":"7"}"#, true);
        check(r#"{"a":[1,"x""#, r#"{"a":[1,"x"]}"#, true);
        check(r#"{"a":"#, r#"{"_raw":"{\"a\":"}"#, true);
        check(r#"{"command":"rm -rf /tm"#, r#"{"_raw":"{\"command\":\"rm -rf /tm"}"#, true);
        check(r#"{"a":1}{"a":1}"#, r#"{"a":1}"#, true);
        check("{\"a\":\"x\ny\"}", r#"{"a":"x\ny"}"#, true);
        check(r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#, true);
    }

    #[test]
    fn whole_arguments_are_told_from_cut_ones() {
        assert!(is_complete("{}") && is_complete("") && is_complete(r#"{"a":1}"#));
        assert!(!is_complete(r#"{"a":1"#) && !is_complete(r#"{"a":"x"#) && !is_complete("[1]"));
    }
}
