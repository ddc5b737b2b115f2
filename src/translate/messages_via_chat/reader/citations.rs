//! Sources that the model names, with the part of the text that rests on each (protocol.md §3.5).

use crate::protocol::anthropic::response::Citation;
use crate::protocol::openai::chat::chunk::{Annotation, UrlCitation};
use crate::translate::delta::Delta;
use crate::translate::report::Kind;

/// How much of the text is kept to be quoted.
const MAX_BYTES: usize = 256 << 10;
/// How many sources an answer has at most; each costs a walk through the text.
const MAX_CITATIONS: usize = 1_000;

/// The text so far, to quote from.
#[derive(Debug, Default)]
pub(super) struct Citations {
    text: String,
    count: usize,
}

impl Citations {
    pub(super) fn text(&mut self, more: &str) {
        if self.text.len() + more.len() <= MAX_BYTES {
            self.text.push_str(more);
        }
    }

    pub(super) fn read(&mut self, annotations: Vec<Annotation>, deltas: &mut Vec<Delta>) {
        for page in annotations.into_iter().filter_map(|annotation| annotation.url_citation) {
            self.count += 1;
            if self.count > MAX_CITATIONS {
                if self.count == MAX_CITATIONS + 1 {
                    let reason = "more sources than are passed on";
                    deltas.push(Delta::lost("/choices/0/message/annotations", Kind::Dropped, reason));
                }
                continue;
            }
            let cited_text = self.cited(&page).to_owned();
            let citation = Citation::of_page(page.url.unwrap_or_default(), page.title, cited_text);
            deltas.push(Delta::Citation(citation));
        }
    }

    /// The part that rests on it. Servers count characters in more than one way, and past the end.
    fn cited(&self, page: &UrlCitation) -> &str {
        let (Some(start), Some(end)) = (page.start_index, page.end_index) else { return "" };
        let byte = |index: u64| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            self.text.char_indices().nth(index).map_or(self.text.len(), |(at, _)| at)
        };
        self.text.get(byte(start)..byte(end)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_the_indices_point_something_is_quoted_or_nothing() {
        let mut citations = Citations::default();
        citations.text("aé😀");
        citations.text(" b");
        let cited = |start_index, end_index| {
            citations.cited(&UrlCitation { start_index, end_index, ..UrlCitation::default() }).to_owned()
        };
        assert_eq!(cited(Some(1), Some(3)), "é😀");
        assert_eq!(cited(Some(4), Some(u64::MAX)), "b");
        assert_eq!(cited(Some(3), Some(1)), "");
        assert_eq!(cited(Some(9), Some(10)), "");
        assert_eq!(cited(None, Some(1)), "");
    }
}
