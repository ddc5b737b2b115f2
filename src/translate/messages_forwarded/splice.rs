//! Edits of a text at known places; everything else keeps its bytes.

use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// Edits of one text.
#[derive(Debug, Default)]
pub(super) struct Splices(Vec<(Range<usize>, String)>);

impl Splices {
    /// Puts `new` in the place of that range. Ranges do not overlap.
    pub(super) fn replace(&mut self, range: Range<usize>, new: impl Into<String>) {
        self.0.push((range, new.into()));
    }

    /// Puts `new` before that position.
    pub(super) fn insert(&mut self, at: usize, new: impl Into<String>) {
        self.replace(at..at, new);
    }

    /// The text with all edits.
    pub(super) fn apply(mut self, text: &[u8]) -> Cow<'_, [u8]> {
        if self.0.is_empty() {
            return Cow::Borrowed(text);
        }
        self.0.sort_by_key(|(range, _)| range.start);
        let more: usize = self.0.iter().map(|(_, new)| new.len()).sum();
        let mut edited = Vec::with_capacity(text.len() + more);
        let mut done = 0;
        for (range, new) in self.0 {
            edited.extend_from_slice(text.get(done..range.start).unwrap_or_default());
            edited.extend_from_slice(new.as_bytes());
            done = range.end;
        }
        edited.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(edited)
    }
}

/// Where a value stands in the text it was read from without copying.
pub(super) fn place(value: &RawValue, text: &[u8]) -> Range<usize> {
    let start = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + value.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_leave_everything_else_alone() {
        let mut splices = Splices::default();
        splices.replace(4..5, "four");
        splices.insert(0, "<");
        splices.replace(1..3, "");
        assert_eq!(&*splices.apply(b"012345"), b"<03four5");
        assert!(matches!(Splices::default().apply(b"a"), Cow::Borrowed(b"a")));
    }
}
