//! Letters in two halves: servers that cut a text by UTF-16 units end one event with `\ud83d` and begin the next with
//! `\ude00` (protocol.md §4.3). JSON knows neither alone.

use super::faults::read_object;
use crate::protocol::json;
use crate::translate::delta::Delta;
use crate::translate::report::Kind;
use serde::de::DeserializeOwned;

/// The first half of a letter, as long as its second may come.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// Its escape, as it stood at the end of a text.
    first: Option<Vec<u8>>,
}

impl Halves {
    /// Whether a second half is waited for.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.first.is_some()
    }

    /// Reads an object of an event stream. A half at the end of a text waits for the next event; what has no other half
    /// becomes U+FFFD, or nothing if it was waited for in vain.
    pub(crate) fn read_object<T: DeserializeOwned>(
        &mut self,
        data: &[u8],
        deltas: &mut Vec<Delta>,
    ) -> Option<T> {
        let waiting = self.first.take();
        if waiting.is_none()
            && let Some(object) = json::read(data)
        {
            return Some(object);
        }
        let places = json::lone_surrogates(data).unwrap_or_default();
        let (mended, joined) = self.mend(data, &places, waiting.as_deref());
        let object = read_object(&mended, deltas);
        if waiting.is_some() && !joined {
            deltas.push(Delta::lost("", Kind::Dropped, "the other half of a letter never came"));
        }
        object
    }

    /// The stream is over.
    pub(crate) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        if self.first.take().is_some() {
            deltas.push(Delta::lost("", Kind::Dropped, "the other half of a letter never came"));
        }
    }

    /// The text with the waiting half before its other one, and without the half that has to wait now.
    fn mend(&mut self, data: &[u8], places: &[usize], waiting: Option<&[u8]>) -> (Vec<u8>, bool) {
        let mut mended = Vec::with_capacity(data.len() + ESCAPE);
        let (mut from, mut joined) = (0, false);
        for &at in places {
            let (before, escape) = (data.get(..at), data.get(at..at + ESCAPE));
            let (Some(before), Some(escape)) = (before, escape) else { break };
            mended.extend_from_slice(data.get(from..at).unwrap_or_default());
            from = at + ESCAPE;
            let begins_text = before.ends_with(b"\"") && !before.ends_with(b"\\\"");
            let ends_text = data.get(from..).is_some_and(|rest| rest.starts_with(b"\""));
            let is_high = matches!(escape, [_, _, b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B', ..]);
            match waiting {
                Some(first) if !joined && !is_high && begins_text => {
                    joined = true;
                    mended.extend_from_slice(first);
                    mended.extend_from_slice(escape);
                }
                _ if is_high && ends_text && self.first.is_none() => self.first = Some(escape.to_owned()),
                // The reader makes U+FFFD of it.
                _ => mended.extend_from_slice(escape),
            }
        }
        mended.extend_from_slice(data.get(from..).unwrap_or_default());
        (mended, joined)
    }
}

/// `\uXXXX`.
const ESCAPE: usize = 6;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What is read of some events, one text each, and how many losses are told of.
    fn check(events: &[&str], expected: &[&str], losses: usize) {
        let (mut halves, mut deltas) = (Halves::default(), Vec::new());
        let read = events.iter().map(|text| {
            let data = format!(r#"{{"a":"{text}","b":[1]}}"#);
            let value: Value = halves.read_object(data.as_bytes(), &mut deltas).unwrap();
            value["a"].as_str().unwrap().to_owned()
        });
        let read: Vec<_> = read.collect();
        halves.flush(&mut deltas);
        assert_eq!((read, deltas.len()), (expected.iter().map(ToString::to_string).collect(), losses));
    }

    #[test]
    fn halves_of_two_events_are_joined() {
        check(&[r"a\ud83d", r"\ude00b"], &["a", "\u{1F600}b"], 0);
        check(&[r"\ud83d", r"\ude00\uD83D", r"\uDE01"], &["", "\u{1F600}", "\u{1F601}"], 0);
        check(&["a", "b", r"\ud83d\ude00"], &["a", "b", "\u{1F600}"], 0);
    }

    #[test]
    fn what_has_no_other_half_is_told_of() {
        check(&[r"a\ud83d", "b"], &["a", "b"], 1);
        check(&[r"a\ud83d"], &["a"], 1);
        check(&[r"a\ud83d b"], &["a\u{fffd} b"], 1);
        check(&[r"\ude00"], &["\u{fffd}"], 1);
        check(&[r"a\ud83d", r"b\ude00"], &["a", "b\u{fffd}"], 2);
        check(&[r"a\ud83d", r#"\"\ude00"#], &["a", "\"\u{fffd}"], 2);
        check(&[r"\ud83d\ud83d", r"\ude00"], &["\u{fffd}", "\u{1F600}"], 1);
    }
}
