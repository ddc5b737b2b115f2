//! What every reader makes of that which is no answer: failures, and lines of an event stream that are nothing of
//! its dialect (protocol.md §4.3, §4.6).

use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::json;
use crate::translate::context::Context;
use crate::translate::delta::Delta;
use crate::translate::error::{Asked, in_band, in_band_body, no_object};
use crate::translate::json_object::Members;
use crate::translate::report::Kind;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Lines of an event stream that are no JSON, and that are skipped before the stream counts as broken.
const MAX_GARBLED: u32 = 8;

/// The failures of one answer.
#[derive(Debug)]
pub(crate) struct Faults {
    /// What was asked, for messages.
    asked: Asked,
    garbled: u32,
}

impl Faults {
    pub(crate) fn new(context: &Context) -> Self {
        Self { asked: Asked::from(context), garbled: 0 }
    }

    /// The answer is broken.
    pub(crate) fn fail(&self, what: &str, deltas: &mut Vec<Delta>) {
        self.fail_with(502, what, deltas);
    }

    /// The same with another status than 502.
    pub(crate) fn fail_with(&self, status: u16, what: &str, deltas: &mut Vec<Delta>) {
        let message = format!("{}: {what}", self.asked.upstream);
        deltas.push(Delta::Failed(Error::new(ErrorKind::Api, message).with_status(status)));
    }

    /// The answer is a failure: the value of an `error` member.
    pub(crate) fn fail_by_error(&self, error: &RawValue, deltas: &mut Vec<Delta>) {
        deltas.push(Delta::Failed(in_band(error, &self.asked)));
    }

    /// The whole body, or the data of an event, is a failure.
    pub(crate) fn fail_by_body(&self, body: &[u8], deltas: &mut Vec<Delta>) {
        deltas.push(Delta::Failed(in_band_body(body, &self.asked)));
    }

    /// A line of an event stream that is no object. `broken` says what the stream is not, should there be many.
    pub(crate) fn stray(&mut self, data: &[u8], broken: &str, deltas: &mut Vec<Delta>) {
        if is_list_of_failures(data) {
            return self.fail_by_body(data, deltas);
        }
        self.garbled += 1;
        if self.garbled > MAX_GARBLED {
            self.fail(broken, deltas);
        }
    }

    /// A whole answer that is no object.
    pub(crate) fn no_object(&self, body: &[u8], deltas: &mut Vec<Delta>) {
        if is_list_of_failures(body) {
            self.fail_by_body(body, deltas);
        } else {
            self.fail(no_object(body), deltas);
        }
    }
}

/// Gemini wraps its failures in an array.
fn is_list_of_failures(data: &[u8]) -> bool {
    let list = serde_json::from_slice::<Vec<&RawValue>>(data).unwrap_or_default();
    let first = list.first().and_then(|first| Members::read(first));
    first.is_some_and(|first| {
        first.get("error").is_some_and(|error| error.get() != "null")
            || first.get("object").is_some_and(|object| object.get() == "\"error\"")
    })
}

/// Reads an object; on failure once more with lone surrogates replaced, which some servers send when they cut an
/// emoji in two.
pub(crate) fn read_object<T: DeserializeOwned>(data: &[u8], deltas: &mut Vec<Delta>) -> Option<T> {
    // Serde would read an array as the members in their order.
    if !data.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    if let Some(object) = json::read(data) {
        return Some(object);
    }
    if let Ok(object) = serde_json::from_slice(data) {
        return Some(object);
    }
    let scanned = json::scan(data).ok().filter(|scanned| scanned.repaired > 0)?;
    let object = serde_json::from_slice(&scanned.text).ok()?;
    deltas.push(repaired());
    Some(object)
}

/// What is told of halves of letters.
pub(super) fn repaired() -> Delta {
    Delta::lost("", Kind::Repaired, "lone surrogate escapes became U+FFFD")
}

/// A body without the mark that some servers begin it with.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}
