//! How much of a text must be held back because it may be the beginning of something searched for.

/// The length in bytes of the longest end of `text` that is a proper beginning of `wanted`.
pub(crate) fn held_back(text: &str, wanted: &str) -> usize {
    let longest = wanted.len().saturating_sub(1).min(text.len());
    let text = text.as_bytes();
    (1..=longest)
        .rev()
        .find(|length| {
            let end = text.get(text.len() - length..).unwrap_or_default();
            wanted.as_bytes().starts_with(end)
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_the_whole_never() {
        assert_eq!(held_back("ab <th", "<think>"), 3);
        assert_eq!(held_back("aaa", "aab"), 2);
        assert_eq!(held_back("<think>", "<think>"), 0);
        assert_eq!(held_back("x", ""), 0);
    }
}
