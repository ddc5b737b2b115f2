//! OpenRouter's `reasoning_details`: put together from the pieces of a stream, to come back as they were
//! (protocol.md §3.4).
//!
//! A vendor checks what comes back: Claude refuses a `reasoning.text` whose signature stands in an entry of its own,
//! as OpenRouter streams it, and Gemini a call whose `reasoning.encrypted` is missing. So pieces of one entry become
//! one entry again, and what is no piece stays as it came.

use super::choice::Extent;
use crate::protocol::openai::chat::chunk::ReasoningDetail;
use crate::translate::json_object::{ObjectText, quoted, raw};
use serde_json::value::RawValue;
use std::mem;

/// More does not fit into a signature.
const MAX_BYTES: usize = 1 << 20;
const MAX_ENTRIES: usize = 1 << 10;

/// The members that grow from piece to piece.
const GROWING: [&str; 2] = ["text", "summary"];

/// The entries of one stretch of reasoning.
#[derive(Debug, Default)]
pub(super) struct ReasoningDetails {
    entries: Vec<Entry>,
    bytes: usize,
    /// Some of it only the vendor can read, so that its text says less.
    is_opaque: bool,
    is_too_much: bool,
}

/// What became of a stretch.
#[derive(Debug)]
pub(super) enum Gathered {
    /// There were no entries, or none that say more than their text.
    Nothing,
    /// The array of entries.
    State(Box<RawValue>),
    /// They are too many or too long to come back.
    TooMuch,
}

impl ReasoningDetails {
    pub(super) fn add(&mut self, piece: ReasoningDetail, extent: Extent) {
        let opaque = |name| piece.get(name).is_some();
        let is_encrypted = opaque("data");
        self.is_opaque |= is_encrypted || opaque("signature");
        self.bytes += piece.members.iter().map(|(name, value)| name.len() + value.get().len()).sum::<usize>();
        self.is_too_much |= self.bytes > MAX_BYTES || self.entries.len() == MAX_ENTRIES;
        if self.is_too_much {
            self.entries.clear();
            return;
        }
        if extent == Extent::Piece {
            if is_encrypted && self.entries.iter().any(|entry| entry.is_same(&piece)) {
                return;
            }
            let numbered = piece.get("index").is_some();
            let mut candidates = self.entries.iter_mut().rev().take(if numbered { MAX_ENTRIES } else { 1 });
            if let Some(entry) = candidates.find(|entry| entry.goes_on_with(&piece)) {
                return entry.grow(piece);
            }
        }
        self.entries.push(Entry::new(piece));
    }

    /// The stretch is over. Entries that are nothing but text are wanted only where the upstream takes its reasoning
    /// back.
    pub(super) fn gather(&mut self, text_is_wanted: bool) -> Gathered {
        let stretch = mem::take(self);
        match () {
            () if !stretch.is_opaque && !text_is_wanted => Gathered::Nothing,
            () if stretch.is_too_much => Gathered::TooMuch,
            () if stretch.entries.is_empty() => Gathered::Nothing,
            () => {
                let entries: Vec<_> = stretch.entries.into_iter().map(Entry::finish).collect();
                let entries: Vec<&str> = entries.iter().map(|entry| entry.get()).collect();
                Gathered::State(raw(format!("[{}]", entries.join(","))))
            }
        }
    }
}

#[derive(Debug)]
struct Entry {
    detail: ReasoningDetail,
    /// The texts of growing members, once they have grown.
    grown: [Option<String>; GROWING.len()],
}

impl Entry {
    fn new(detail: ReasoningDetail) -> Self {
        Self { detail, grown: Default::default() }
    }

    fn is_same(&self, piece: &ReasoningDetail) -> bool {
        let member = |detail: &ReasoningDetail, name| detail.get(name).map(|value| value.get().to_owned());
        ["type", "id", "index", "format", "data"]
            .into_iter()
            .all(|name| member(&self.detail, name) == member(piece, name))
    }

    /// Whether a piece belongs to this entry: the same kind and number, nothing that contradicts, and this one has
    /// not been signed as whole.
    fn goes_on_with(&self, piece: &ReasoningDetail) -> bool {
        let [of_self, of_piece] =
            [&self.detail, piece].map(|detail| move |name: &str| detail.get(name).map(RawValue::get));
        let is = |name| of_self(name) == of_piece(name);
        let may_be = |name| of_self(name).is_none() || of_piece(name).is_none() || is(name);
        let is_whole = of_self("signature").is_some() && GROWING.iter().any(|name| of_piece(name).is_some());
        let is_encrypted = of_self("data").is_some() || of_piece("data").is_some();
        is("type") && is("index") && may_be("id") && may_be("format") && !is_whole && !is_encrypted
    }

    fn grow(&mut self, piece: ReasoningDetail) {
        for (number, name) in GROWING.iter().enumerate() {
            let (Some(more), Some(grown)) = (piece.text(name), self.grown.get_mut(number)) else { continue };
            grown.get_or_insert_with(|| self.detail.text(name).unwrap_or_default()).push_str(&more);
        }
        for (name, value) in piece.members {
            if value.get() == "null" || GROWING.contains(&name.as_str()) && self.detail.get(&name).is_some() {
                continue;
            }
            match self.detail.members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.detail.members.push((name, value)),
            }
        }
    }

    fn finish(self) -> Box<RawValue> {
        let mut object = ObjectText::default();
        for (name, value) in &self.detail.members {
            let grown = GROWING.iter().position(|growing| growing == name);
            match grown.and_then(|at| self.grown.get(at)?.as_deref()) {
                Some(text) => object.member(name, &quoted(text)),
                None => object.member(name, value.get()),
            }
        }
        object.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], extent: Extent, expected: &str) {
        let mut details = ReasoningDetails::default();
        for piece in pieces {
            details.add(serde_json::from_str(piece).unwrap(), extent);
        }
        let Gathered::State(state) = details.gather(true) else { panic!("nothing of {pieces:?}") };
        assert_eq!(state.get(), expected);
        assert!(matches!(details.gather(true), Gathered::Nothing), "the next stretch begins empty");
    }

    #[test]
    fn pieces_become_the_entries_they_were_cut_from() {
        // Claude: the signature comes last and without text.
        check(
            &[
                r#"{"type":"reasoning.text","text":"Let","format":"anthropic-claude-v1","index":0,"signature":null}"#,
                r#"{"type":"reasoning.text","text":" me \"see\"","format":"anthropic-claude-v1","index":0}"#,
                r#"{"type":"reasoning.text","signature":"Et8B","format":"anthropic-claude-v1","index":0}"#,
            ],
            Extent::Piece,
            r#"[{"type":"reasoning.text","text":"Let me \"see\"","format":"anthropic-claude-v1","index":0,"signature":"Et8B"}]"#,
        );
        // OpenAI: a summary and what it summarises, told apart by their kinds.
        check(
            &[
                r#"{"type":"reasoning.summary","summary":"a","index":0}"#,
                r#"{"type":"reasoning.summary","summary":"b","index":0}"#,
                r#"{"type":"reasoning.encrypted","data":"e30","id":"rs_1","index":0}"#,
            ],
            Extent::Piece,
            r#"[{"type":"reasoning.summary","summary":"ab","index":0},{"type":"reasoning.encrypted","data":"e30","id":"rs_1","index":0}]"#,
        );
        check(
            &[r#"{"type":"reasoning.text","text":"a"}"#, r#"{"type":"reasoning.text","text":"b"}"#],
            Extent::Piece,
            r#"[{"type":"reasoning.text","text":"ab"}]"#,
        );
        check(
            &[r#"{"type":"reasoning.text","id":"x"}"#, r#"{"type":"reasoning.text","text":"b"}"#],
            Extent::Piece,
            r#"[{"type":"reasoning.text","id":"x","text":"b"}]"#,
        );
    }

    #[test]
    fn what_is_no_piece_stays_apart() {
        let apart = |one: &str, other: &str| {
            check(&[one, other], Extent::Piece, &format!("[{one},{other}]"));
        };
        // Gemini: one for each of two calls.
        apart(
            r#"{"type":"reasoning.encrypted","data":"A","id":"call_1","index":0}"#,
            r#"{"type":"reasoning.encrypted","data":"B","id":"call_2","index":0}"#,
        );
        apart(
            r#"{"type":"reasoning.text","text":"a","index":0}"#,
            r#"{"type":"reasoning.text","text":"b","index":1}"#,
        );
        apart(
            r#"{"type":"reasoning.text","text":"a","signature":"s","index":0}"#,
            r#"{"type":"reasoning.text","text":"b","index":0}"#,
        );
        let whole = r#"{"type":"reasoning.text","text":"a", "new":[1, 2.0]}"#;
        check(&[whole, whole], Extent::Whole, &format!("[{0},{0}]", whole.replace(", \"", ",\"")));
    }

    #[test]
    fn an_encrypted_entry_that_is_repeated_counts_once() {
        let entry = r#"{"type":"reasoning.encrypted","data":"A","index":0}"#;
        check(&[entry, entry], Extent::Piece, &format!("[{entry}]"));
    }

    #[test]
    fn plain_text_is_kept_only_where_it_is_wanted_and_nothing_without_end() {
        let mut details = ReasoningDetails::default();
        details.add(serde_json::from_str(r#"{"type":"reasoning.text","text":"a"}"#).unwrap(), Extent::Piece);
        assert!(matches!(details.gather(false), Gathered::Nothing));
        let long = format!(r#"{{"type":"reasoning.encrypted","data":"{}"}}"#, "x".repeat(MAX_BYTES));
        details.add(serde_json::from_str(&long).unwrap(), Extent::Piece);
        assert!(matches!(details.gather(false), Gathered::TooMuch));
        for number in 0..2 * MAX_ENTRIES {
            let entry = format!(r#"{{"type":"reasoning.encrypted","data":"{number}"}}"#);
            details.add(serde_json::from_str(&entry).unwrap(), Extent::Piece);
        }
        assert!(matches!(details.gather(false), Gathered::TooMuch));
    }
}
