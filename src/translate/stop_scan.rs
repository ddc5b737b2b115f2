//! Stop sequences, searched for in the visible text while it passes (protocol.md §2.6).
//!
//! Most upstreams take at most four, their reasoning models none, and hardly any says which one matched. So the
//! text is scanned here: only an end that may be the beginning of a sequence is held back. The earliest match
//! wins, of matches at the same place the longest.

use super::held_back::held_back;

/// The scan of one answer.
#[derive(Debug, Default)]
pub(crate) struct StopScan {
    sequences: Vec<String>,
    /// The end of the text that may be the beginning of a sequence.
    held: String,
}

/// What a piece of text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// What may be shown.
    pub(crate) text: String,
    /// The sequence that ended the answer.
    pub(crate) matched: Option<String>,
}

impl StopScan {
    pub(crate) fn new(sequences: Vec<String>) -> Self {
        Self { sequences, held: String::new() }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: String) -> Scanned {
        if self.sequences.is_empty() {
            return Scanned { text: piece, matched: None };
        }
        let mut text = std::mem::take(&mut self.held) + &piece;
        if let Some((at, sequence)) = self.first_match(&text) {
            let matched = Some(sequence.clone());
            text.truncate(at);
            return Scanned { text, matched };
        }
        let held = self.sequences.iter().map(|sequence| held_back(&text, sequence)).max().unwrap_or(0);
        self.held = text.split_off(text.len() - held);
        Scanned { text, matched: None }
    }

    /// What was held back, now that something other than text follows.
    pub(crate) fn release(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// A match may wait for a longer or an earlier one only while the text can still become it; as soon as one is
    /// whole, what comes later cannot begin earlier.
    fn first_match(&self, text: &str) -> Option<(usize, &String)> {
        let found = self.sequences.iter().filter_map(|sequence| Some((text.find(sequence)?, sequence)));
        found.min_by_key(|(at, sequence)| (*at, usize::MAX - sequence.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(sequences: &[&str], pieces: &[&str]) -> (String, Option<String>) {
        let mut scan = StopScan::new(sequences.iter().map(|&sequence| sequence.to_owned()).collect());
        let mut text = String::new();
        for piece in pieces {
            let scanned = scan.push((*piece).to_owned());
            text.push_str(&scanned.text);
            if scanned.matched.is_some() {
                return (text, scanned.matched);
            }
        }
        text.push_str(&scan.release());
        (text, None)
    }

    fn check(sequences: &[&str], text: &str, expected: &str, matched: Option<&str>) {
        let expected = (expected.to_owned(), matched.map(str::to_owned));
        assert_eq!(scan(sequences, &[text]), expected, "whole");
        for (cut, _) in text.char_indices() {
            assert_eq!(scan(sequences, &[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let characters: Vec<&str> = characters.iter().map(String::as_str).collect();
        assert_eq!(scan(sequences, &characters), expected, "character by character");
    }

    #[test]
    fn a_match_ends_the_text_however_it_is_cut() {
        check(&["STOP", "x1", "x2", "x3", "x4", "x5"], "ab STOP cd", "ab ", Some("STOP"));
        check(&["é!"], "aé é! b", "aé ", Some("é!"));
        check(&["aab"], "aaab", "a", Some("aab"));
    }

    #[test]
    fn what_only_looks_like_a_beginning_is_shown() {
        check(&["STOP"], "ab STO cd ST", "ab STO cd ST", None);
        check(&[], "anything", "anything", None);
    }

    #[test]
    fn the_earliest_match_wins() {
        check(&["cd", "b"], "abcd", "a", Some("b"));
    }
}
