//! Letters in two halves: servers that cut a text by UTF-16 units end one event with `\ud83d` and begin the next with
//! `\ude00` (protocol.md §4.3). JSON knows neither alone.
//!
//! U+FFFD stands for the first half while its event is read. What the reader makes of that is held back until the next
//! event, which has the other half or has not.

use super::faults::{read_object, repaired};
use crate::protocol::json;
use crate::translate::delta::Delta;
use serde::de::DeserializeOwned;

/// The first half of a letter, as long as its second may come.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    first: Option<First>,
}

#[derive(Debug)]
struct First {
    /// Its escape, as it stood at the end of a text.
    escape: Vec<u8>,
    /// U+FFFD, said as the text was that it ended.
    instead: Option<Delta>,
}

impl Halves {
    /// Whether a second half is waited for.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.first.is_some()
    }

    /// Reads an object of an event stream, in which a half without the other is U+FFFD. What is made of it is for
    /// [`Halves::hold`].
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
        let escape = waiting.as_ref().map(|first| first.escape.as_slice());
        let (mended, joined) = self.mend(data, &places, escape);
        if let Some(first) = waiting.filter(|_| !joined) {
            first.give_up(deltas);
        }
        read_object(&mended, deltas)
    }

    /// Holds back the U+FFFD of a half that waits, which `deltas` of its event end with. Where they do not, because
    /// the reader keeps its text to itself, the half waits no longer.
    pub(crate) fn hold(&mut self, deltas: &mut Vec<Delta>) {
        let Some(first) = &mut self.first else { return };
        let ends_with_it = |delta: &mut Delta| text_of(delta).is_some_and(|text| text.ends_with(LONE));
        let said = deltas.iter_mut().rposition(ends_with_it);
        let Some((at, said)) = said.and_then(|at| Some((at, deltas.get_mut(at)?))) else {
            deltas.push(repaired());
            self.first = None;
            return;
        };
        let mut instead = said.clone();
        if let Some(text) = text_of(&mut instead) {
            LONE.clone_into(text);
        }
        first.instead = Some(instead);
        let rest = text_of(said).map(|text| {
            text.pop();
            text.is_empty()
        });
        if rest == Some(true) {
            deltas.remove(at);
        }
    }

    /// The stream is over.
    pub(crate) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        if let Some(first) = self.first.take() {
            first.give_up(deltas);
        }
    }

    /// The text with the waiting half before its other one, and U+FFFD for the half that has to wait now.
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
                _ if is_high && ends_text && self.first.is_none() => {
                    self.first = Some(First { escape: escape.to_owned(), instead: None });
                    mended.extend_from_slice(LONE.as_bytes());
                }
                // The reader makes U+FFFD of it.
                _ => mended.extend_from_slice(escape),
            }
        }
        mended.extend_from_slice(data.get(from..).unwrap_or_default());
        (mended, joined)
    }
}

impl First {
    /// The other half does not come.
    fn give_up(self, deltas: &mut Vec<Delta>) {
        deltas.extend(self.instead);
        deltas.push(repaired());
    }
}

/// The text of a delta that has one.
fn text_of(delta: &mut Delta) -> Option<&mut String> {
    match delta {
        Delta::Text(text) | Delta::Refusal(text) | Delta::Reasoning(text) => Some(text),
        Delta::ToolArguments { json, .. } => Some(json),
        _ => None,
    }
}

/// What stands for a half.
const LONE: &str = "\u{FFFD}";
/// The bytes of an escape of a UTF-16 unit.
const ESCAPE: usize = 6;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What is said of some events, one text each, and how many losses are told of.
    fn check(events: &[&str], expected: &str, losses: usize) {
        let (mut halves, mut deltas) = (Halves::default(), Vec::new());
        for text in events {
            let data = format!(r#"{{"a":"{text}","b":[1]}}"#);
            let value: Value = halves.read_object(data.as_bytes(), &mut deltas).unwrap();
            deltas.push(Delta::Text(value["a"].as_str().unwrap().to_owned()));
            halves.hold(&mut deltas);
        }
        halves.flush(&mut deltas);
        let said: String = deltas.iter_mut().filter_map(text_of).map(|text| &**text).collect();
        let told = deltas.iter().filter(|delta| matches!(delta, Delta::Lost(_))).count();
        assert_eq!((said.as_str(), told), (expected, losses), "{events:?}");
    }

    #[test]
    fn halves_of_two_events_are_joined() {
        check(&[r"a\ud83d", r"\ude00b"], "a\u{1F600}b", 0);
        check(&[r"\ud83d", r"\ude00\uD83D", r"\uDE01"], "\u{1F600}\u{1F601}", 0);
        check(&["a", "b", r"\ud83d\ude00"], "ab\u{1F600}", 0);
    }

    #[test]
    fn what_has_no_other_half_is_told_of() {
        check(&[r"a\ud83d", "b"], "a\u{fffd}b", 1);
        check(&[r"a\ud83d"], "a\u{fffd}", 1);
        check(&[r"a\ud83d b"], "a\u{fffd} b", 1);
        check(&[r"\ude00"], "\u{fffd}", 1);
        check(&[r"a\ud83d", r"b\ude00"], "a\u{fffd}b\u{fffd}", 2);
        check(&[r"a\ud83d", r#"\"\ude00"#], "a\u{fffd}\"\u{fffd}", 2);
        check(&[r"\ud83d\ud83d", r"\ude00"], "\u{fffd}\u{1F600}", 1);
    }

    #[test]
    fn a_half_that_the_reader_keeps_waits_for_nothing() {
        let (mut halves, mut deltas) = (Halves::default(), Vec::new());
        halves.read_object::<Value>(br#"{"a":"\ud83d"}"#, &mut deltas).unwrap();
        halves.hold(&mut deltas);
        assert!(!halves.is_waiting() && matches!(*deltas, [Delta::Lost(_)]));
    }
}
