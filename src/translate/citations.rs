//! Sources that the model names, with the part of the text that rests on each (protocol.md §3.5).

use super::Dialect;
use super::delta::Delta;
use super::report::Kind;
use crate::protocol::anthropic::response::Citation;
use crate::protocol::openai::UrlCitation;

/// How much of a text is kept to be quoted.
const MAX_BYTES: usize = 256 << 10;
/// How many sources an answer has at most; each costs a walk through the text.
const MAX_CITATIONS: usize = 1_000;

/// The beginning of a text, to quote from.
#[derive(Debug, Default)]
pub(crate) struct Quotable(String);

impl Quotable {
    pub(crate) fn push(&mut self, more: &str) {
        if self.0.len() + more.len() <= MAX_BYTES {
            self.0.push_str(more);
        }
    }

    /// The part that rests on a page. Servers count characters in more than one way, and past the end.
    fn cited(&self, page: &UrlCitation) -> &str {
        let (Some(start), Some(end)) = (page.start_index, page.end_index) else { return "" };
        let byte = |index: u64| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            self.0.char_indices().nth(index).map_or(self.0.len(), |(at, _)| at)
        };
        self.0.get(byte(start)..byte(end)).unwrap_or_default()
    }
}

/// The sources of one answer.
#[derive(Debug, Default)]
pub(crate) struct Citations {
    count: usize,
}

impl Citations {
    /// What a page that the text names becomes; nothing from the second on that is too much.
    pub(crate) fn cite(&mut self, page: UrlCitation, text: &Quotable, dialect: Dialect) -> Option<Delta> {
        self.count += 1;
        if self.count > MAX_CITATIONS {
            let reason = "more sources than are passed on";
            return (self.count == MAX_CITATIONS + 1)
                .then(|| Delta::lost(dialect.annotations(), Kind::Dropped, reason));
        }
        let cited_text = text.cited(&page).to_owned();
        Some(Delta::Citation(Citation::of_page(page.url.unwrap_or_default(), page.title, cited_text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_the_indices_point_something_is_quoted_or_nothing() {
        let mut text = Quotable::default();
        text.push("aé😀");
        text.push(" b");
        let cited = |start_index, end_index| {
            text.cited(&UrlCitation { start_index, end_index, ..UrlCitation::default() }).to_owned()
        };
        assert_eq!(cited(Some(1), Some(3)), "é😀");
        assert_eq!(cited(Some(4), Some(u64::MAX)), "b");
        assert_eq!(cited(Some(3), Some(1)), "");
        assert_eq!(cited(Some(9), Some(10)), "");
        assert_eq!(cited(None, Some(1)), "");
    }
}
