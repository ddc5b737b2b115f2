//! What an input is, by its content.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::{Dialect, Kind, route::Found};
use crate::protocol::json;

/// What an input looks like from its first characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A stream of events.
    Events,
    /// JSON, or something that is neither.
    Document,
}

/// The shape, as soon as the beginning of the input tells; at its end it always does.
pub(super) fn shape(beginning: &[u8], is_all: bool) -> Option<Shape> {
    let text = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning).trim_ascii_start();
    if FIELDS.iter().any(|field| text.starts_with(field)) {
        return Some(Shape::Events);
    }
    let undecided = FIELDS.iter().any(|field| field.starts_with(text)) || BYTE_ORDER_MARK.starts_with(text);
    (is_all || !undecided).then_some(Shape::Document)
}

/// How a line of a stream of events begins.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b":", b"id:", b"retry:"];

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The members of a JSON object that tell what it is. The last of several members of one name counts.
#[derive(Debug)]
pub(super) struct Members<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// Those of an object, or of the first object in an array, in which Gemini wraps its errors.
    pub(super) fn of(document: &'a [u8]) -> Option<Self> {
        if let Some(members) = json::read(document) {
            return Some(Self(members));
        }
        if let Ok(members) = serde_json::from_slice(document) {
            return Some(Self(members));
        }
        let elements: Vec<&RawValue> = serde_json::from_slice(document).ok()?;
        let [first, ..] = elements.as_slice() else { return None };
        serde_json::from_str(first.get()).ok().map(Self)
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// A member that is a status of a failed call: 400 to 599.
    pub(super) fn status(&self, name: &str) -> Option<u16> {
        let status = serde_json::from_str(self.0.get(name)?.get()).ok()?;
        (400..=599).contains(&status).then_some(status)
    }

    /// The members of a member.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        serde_json::from_str(self.0.get(name)?.get()).ok().map(Self)
    }

    /// Whether a member is there and not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.get() != "null")
    }

    /// What the object is, if that can be told.
    pub(super) fn found(&self) -> Option<Found> {
        let found = |kind, dialect| Some(Found { kind, dialect });
        match self.text("type").as_deref() {
            Some("error") if self.has("error") => return found(Kind::Error, Some(Dialect::Messages)),
            Some("message") if self.has("content") => return found(Kind::Response, Some(Dialect::Messages)),
            _ => {}
        }
        if self.text("object").as_deref() == Some("response") || self.has("output") {
            return found(Kind::Response, Some(Dialect::Responses));
        }
        if self.has("input") && self.has("model") {
            return found(Kind::Request, Some(Dialect::Responses));
        }
        if self.has("messages") {
            // Requests of both dialects have this member, and nothing tells them apart for sure.
            return found(Kind::Request, None);
        }
        if self.has("choices") {
            return found(Kind::Response, Some(Dialect::Chat));
        }
        let is_error = self.has("error")
            || self.text("object").as_deref() == Some("error")
            || self.text("type").as_deref() == Some("error");
        if is_error { found(Kind::Error, Some(Dialect::Chat)) } else { None }
    }
}

/// In whose words a stream is that begins with that event. What shows nothing is taken for chat.
pub(super) fn dialect_of_event(name: &str, data: &str) -> Dialect {
    let kind = Members::of(data.as_bytes()).and_then(|members| members.text("type")).unwrap_or_default();
    match name {
        _ if kind.starts_with("response.") => Dialect::Responses,
        "" | "message_start" | "ping" if matches!(kind.as_str(), "message_start" | "ping") => {
            Dialect::Messages
        }
        _ => Dialect::Chat,
    }
}

/// In whose words a whole answer is, that stands where a stream was announced.
pub(super) fn dialect_of_document(document: &[u8]) -> Dialect {
    let found = Members::of(document).and_then(|members| members.found()).and_then(|found| found.dialect);
    if found == Some(Dialect::Responses) { Dialect::Responses } else { Dialect::Chat }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_by_the_first_line_that_is_not_blank() {
        for text in ["data: x", "\n\r\n  data:", ": ping", "event: a", "id:1", "retry: 1", "\u{FEFF}data:x"] {
            assert_eq!(shape(text.as_bytes(), false), Some(Shape::Events), "{text:?}");
        }
        for text in ["{", "  [", "data x", "x", "\u{FEFF}{", "<html>"] {
            assert_eq!(shape(text.as_bytes(), false), Some(Shape::Document), "{text:?}");
        }
        for text in ["", " \n", "da", "retr", "\u{FEFF}", "\u{FEFF}ev"] {
            assert_eq!(shape(text.as_bytes(), false), None, "{text:?}");
            assert_eq!(shape(text.as_bytes(), true), Some(Shape::Document), "{text:?}");
        }
        assert_eq!(shape(b"\xEF", false), None);
    }

    #[test]
    fn documents_are_known_by_their_members() {
        let found = |text: &str| Members::of(text.as_bytes()).and_then(|members| members.found());
        let is = |kind, dialect| Some(Found { kind, dialect });
        for (text, expected) in [
            (r#"{"model":"m","messages":[]}"#, is(Kind::Request, None)),
            (r#"{"choices":[],"error":{}}"#, is(Kind::Response, Some(Dialect::Chat))),
            (r#"{"type":"message","content":[]}"#, is(Kind::Response, Some(Dialect::Messages))),
            (r#"{"object":"response","error":{}}"#, is(Kind::Response, Some(Dialect::Responses))),
            (r#"{"status":"completed","output":[]}"#, is(Kind::Response, Some(Dialect::Responses))),
            (r#"{"model":"m","input":"hi"}"#, is(Kind::Request, Some(Dialect::Responses))),
            (r#"{"error":{"message":"x"}}"#, is(Kind::Error, Some(Dialect::Chat))),
            (r#"{"error":"x"}"#, is(Kind::Error, Some(Dialect::Chat))),
            (r#"{"object":"error","code":400}"#, is(Kind::Error, Some(Dialect::Chat))),
            (r#"{"type":"error","error":{"type":"x"}}"#, is(Kind::Error, Some(Dialect::Messages))),
            (r#"{"type":"error","message":"x"}"#, is(Kind::Error, Some(Dialect::Chat))),
            (r#"[{"error":{"code":429}}]"#, is(Kind::Error, Some(Dialect::Chat))),
            (r#"{"object":"list","error":null}"#, None),
            ("[]", None),
            ("7", None),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn a_stream_is_known_by_its_first_event() {
        let is = |name, data, dialect| assert_eq!(dialect_of_event(name, data), dialect, "{name} {data}");
        is("message_start", r#"{"type":"message_start"}"#, Dialect::Messages);
        is("", r#"{"type":"ping"}"#, Dialect::Messages);
        is("", r#"{"choices":[]}"#, Dialect::Chat);
        is("error", r#"{"type":"error"}"#, Dialect::Chat);
        is("response.created", r#"{"type":"response.created"}"#, Dialect::Responses);
        is("", r#"{"type":"response.failed"}"#, Dialect::Responses);
    }
}
