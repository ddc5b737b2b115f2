//! Stop sequences, searched for in the visible text while it passes (protocol.md §2.6).
//!
//! Most upstreams take at most four, their reasoning models none, and hardly any says which one matched. So the
//! text is scanned here: only an end that may be the beginning of a sequence is held back. The earliest match
//! wins, of matches at the same place the longest; so a match waits while an earlier or a longer one may still
//! come true, and where the text is cut changes nothing. Each byte is looked at once per sequence
//! (Knuth, Morris, Pratt).

/// The scan of one answer.
#[derive(Debug, Default)]
pub(crate) struct StopScan {
    sequences: Vec<Sequence>,
    /// The end of the text that may be the beginning of a sequence, or is one.
    held: String,
    /// The best match so far: where in `held` it begins, and which sequence it is.
    found: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Sequence {
    text: String,
    /// For each length of a beginning: the length of the longest shorter one that it ends with.
    shorter: Vec<usize>,
    /// How many bytes of it the text ends with; never all of them.
    matched: usize,
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
        let sequences = sequences.into_iter().filter(|text| !text.is_empty()).map(Sequence::new).collect();
        Self { sequences, held: String::new(), found: None }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: String) -> Scanned {
        if self.sequences.is_empty() {
            return Scanned { text: piece, matched: None };
        }
        let before = self.held.len();
        self.held.push_str(&piece);
        for (end, byte) in (before + 1..).zip(piece.bytes()) {
            self.step(end, byte);
            if self.found.is_some_and(|(start, _)| start < self.earliest_beginning(end)) {
                return self.release();
            }
        }
        let shown = self.earliest_beginning(self.held.len());
        let shown = self.found.map_or(shown, |(start, _)| shown.min(start));
        self.found = self.found.map(|(start, which)| (start - shown, which));
        let held = self.held.split_off(shown);
        Scanned { text: std::mem::replace(&mut self.held, held), matched: None }
    }

    /// Something other than text follows: what was held back, up to the match if one is in it.
    pub(crate) fn release(&mut self) -> Scanned {
        for sequence in &mut self.sequences {
            sequence.matched = 0;
        }
        let mut text = std::mem::take(&mut self.held);
        let found = self.found.take();
        if let Some((start, _)) = found {
            text.truncate(start);
        }
        let matched = found.and_then(|(_, which)| self.sequences.get(which));
        Scanned { text, matched: matched.map(|sequence| sequence.text.clone()) }
    }

    /// Takes a byte, after which `held` has been scanned up to `end`.
    fn step(&mut self, end: usize, byte: u8) {
        for (which, sequence) in self.sequences.iter_mut().enumerate() {
            if !sequence.step(byte) {
                continue;
            }
            // Of two matches that begin at the same place, the longer one ends later.
            let start = end - sequence.text.len();
            if self.found.is_none_or(|(found, _)| start <= found) {
                self.found = Some((start, which));
            }
        }
    }

    /// Where the earliest beginning of a sequence stands that the text, up to `end`, ends with.
    fn earliest_beginning(&self, end: usize) -> usize {
        let longest = self.sequences.iter().map(|sequence| sequence.matched).max();
        end - longest.unwrap_or(0)
    }
}

impl Sequence {
    fn new(text: String) -> Self {
        let mut sequence = Self { text, shorter: vec![0], matched: 0 };
        let bytes = sequence.text.clone();
        for byte in bytes.bytes().skip(1) {
            sequence.extend(byte);
            sequence.shorter.push(sequence.matched);
        }
        sequence.matched = 0;
        sequence
    }

    /// Takes the next byte of the text; returns whether the sequence is whole.
    fn step(&mut self, byte: u8) -> bool {
        self.extend(byte);
        let whole = self.matched == self.text.len();
        if whole {
            self.matched = self.shorter.last().copied().unwrap_or(0);
        }
        whole
    }

    /// Makes `matched` what it is after the next byte.
    fn extend(&mut self, byte: u8) {
        let text = self.text.as_bytes();
        while self.matched > 0 && text.get(self.matched) != Some(&byte) {
            self.matched = self.shorter.get(self.matched - 1).copied().unwrap_or(0);
        }
        if text.get(self.matched) == Some(&byte) {
            self.matched += 1;
        }
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
        let scanned = scan.release();
        (text + &scanned.text, scanned.matched)
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
    fn the_earliest_match_wins_and_of_two_the_longest() {
        check(&["cd", "b"], "abcd", "a", Some("b"));
        check(&["c", "bcd"], "abcd", "a", Some("bcd"));
        check(&["c", "bcd"], "abce", "ab", Some("c"));
        check(&["ab", "abcd"], "xabcd", "x", Some("abcd"));
        check(&["ab", "abcd"], "xabce", "x", Some("ab"));
        check(&["ab", "abcd"], "xab", "x", Some("ab"));
        check(&["aa"], "baaa", "b", Some("aa"));
        check(&["", "ab"], "ba", "ba", None);
    }
}
