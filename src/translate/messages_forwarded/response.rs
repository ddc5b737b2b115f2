//! Whole answers: the requested model's name is put in, usage and stop reason are read on the way.

use super::error::in_band;
use super::retold;
use super::splice::{Splices, place};
use super::usage::overlay;
use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::anthropic::response::{StopReason, Usage};
use crate::sse;
use crate::translate::error::no_object;
use crate::translate::json_object::{Members, quoted};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An answer for the client, and what the access line says about it.
#[derive(Debug)]
pub struct Whole<'a> {
    /// Its body.
    pub body: Cow<'a, [u8]>,
    /// Tokens, as far as the upstream says.
    pub usage: Usage,
    /// Why the model stopped.
    pub stop_reason: Option<StopReason>,
}

/// Forwards a whole answer: the body of an upstream's reply with status 200. Events in its place are folded.
///
/// # Errors
/// When the body is a failure in disguise, or no message at all.
pub fn response<'a>(body: &'a [u8], requested_model: &str, upstream: &str) -> Result<Whole<'a>, Error> {
    if sse::is_event_stream(body) {
        let folded = retold::fold(body, upstream)?;
        let Whole { body, usage, stop_reason } = whole(folded.as_bytes(), requested_model, upstream)?;
        return Ok(Whole { body: Cow::Owned(body.into_owned()), usage, stop_reason });
    }
    whole(body, requested_model, upstream)
}

fn whole<'a>(body: &'a [u8], requested_model: &str, upstream: &str) -> Result<Whole<'a>, Error> {
    let members = message(body, upstream)?;
    let mut splices = Splices::default();
    let models = members.iter().filter(|(name, _)| *name == "model").map(|(_, value)| place(value, body));
    models.for_each(|range| splices.replace(range, quoted(requested_model)));
    if members.get("model").is_none() {
        let inside = body.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
        splices.insert(inside, format!("\"model\":{},", quoted(requested_model)));
    }
    let mut usage = Usage::default();
    if let Some(said) = members.get("usage") {
        overlay(&mut usage, said);
    }
    Ok(Whole { body: splices.apply(body), usage, stop_reason: stop_reason(members.get("stop_reason")) })
}

/// The count in an answer to `count_tokens`, if it is one.
pub fn count(body: &[u8]) -> Option<u64> {
    let members = serde_json::from_slice::<Members<'_>>(body).ok()?;
    members.get("input_tokens")?.get().parse().ok()
}

/// The members of a message.
pub(super) fn message<'a>(body: &'a [u8], upstream: &str) -> Result<Members<'a>, Error> {
    let broken = |what: &str| Err(Error::new(ErrorKind::Api, format!("{upstream}: {what}")).with_status(502));
    let Ok(members) = serde_json::from_slice::<Members<'_>>(body) else {
        // Gemini wraps its failures in an array.
        return if body.trim_ascii_start().starts_with(b"[") {
            Err(in_band(body, upstream))
        } else {
            broken(no_object(body))
        };
    };
    if is_failure(&members) {
        return Err(in_band(body, upstream));
    }
    if members.get("content").is_none() {
        return broken("the answer is no message; does this address serve the Messages API (/v1/messages)?");
    }
    Ok(members)
}

/// Whether an object tells of a failure.
pub(super) fn is_failure(members: &Members<'_>) -> bool {
    members.get("error").is_some_and(|error| error.get() != "null")
        || members.get("type").is_some_and(|kind| kind.get() == "\"error\"")
}

pub(super) fn stop_reason(value: Option<&RawValue>) -> Option<StopReason> {
    serde_json::from_str(value?.get()).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_changes() {
        let body = br#" {"type":"message", "model" : "q" ,"content":[{"model":"q","n":1.0}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2,"x":{}},"new":[]}
"#;
        let whole = response(body, "claude", "up").unwrap();
        let expected = String::from_utf8_lossy(body).replacen("\"q\"", "\"claude\"", 1);
        assert_eq!(String::from_utf8_lossy(&whole.body), expected);
        assert_eq!((whole.usage.input_tokens, whole.usage.output_tokens), (3, 2));
        assert_eq!(whole.stop_reason, Some(StopReason::EndTurn));
    }

    #[test]
    fn a_missing_model_is_put_in() {
        let whole = response(br#"{"content":[],"stop_reason":null}"#, "c", "up").unwrap();
        assert_eq!(&*whole.body, br#"{"model":"c","content":[],"stop_reason":null}"#);
        assert_eq!(whole.stop_reason, None);
    }

    #[test]
    fn failures_and_other_dialects_are_errors() {
        let error = |body: &str| response(body.as_bytes(), "c", "up").unwrap_err();
        let failure = error(r#"{"type":"error","error":{"type":"overloaded_error","message":"full"}}"#);
        assert_eq!((failure.status, failure.message.as_str()), (529, "full"));
        assert_eq!(error(r#"[{"error":{"code":400,"message":"no"}}]"#).message, "up: no");
        assert_eq!(error("five").message, "up: the answer is no JSON object");
        let other = error(r#"{"choices":[]}"#);
        assert!(other.status == 502 && other.message.contains("/v1/messages"));
    }

    #[test]
    fn a_count_is_a_number_in_its_place() {
        assert_eq!(count(br#"{"input_tokens": 12,"new":[]}"#), Some(12));
        for other in [r#"{"input_tokens":null}"#, r#"{"content":[]}"#, "[1]", "12"] {
            assert_eq!(count(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn events_are_folded() {
        let body = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"q\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        let whole = response(body.as_bytes(), "c", "up").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&whole.body),
            r#"{"id":"m","model":"c","content":[],"usage":{"input_tokens":1}}"#
        );
    }
}
