//! A beginning that the client has written and that the upstream repeats: the client has it already, and puts the
//! answer behind it (protocol.md §2.2).

/// What may be repeated at the beginning of the visible text.
#[derive(Debug)]
pub(super) struct Echo {
    /// The whole beginning; `None` once it is clear whether it is repeated.
    expected: Option<String>,
    /// What has come of it.
    held: String,
}

impl Echo {
    pub(super) fn new(prefill: Option<String>) -> Self {
        Self { expected: prefill.filter(|text| !text.is_empty()), held: String::new() }
    }

    /// Takes the next piece of text; returns what is the answer's own.
    pub(super) fn cut(&mut self, piece: String) -> String {
        let Some(expected) = &self.expected else { return piece };
        self.held.push_str(&piece);
        if expected.len() > self.held.len() && expected.starts_with(&self.held) {
            return String::new();
        }
        let own = self.held.strip_prefix(expected.as_str()).unwrap_or(&self.held).to_owned();
        (self.expected, self.held) = (None, String::new());
        own
    }

    /// Nothing more comes to what was held back, so it is the answer's own.
    pub(super) fn release(&mut self) -> String {
        if !self.held.is_empty() {
            self.expected = None;
        }
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(prefill: &str, pieces: &[&str]) -> String {
        let mut echo = Echo::new(Some(prefill.to_owned()));
        let mut shown: String = pieces.iter().map(|piece| echo.cut((*piece).to_owned())).collect();
        shown += &echo.release();
        shown
    }

    #[test]
    fn only_the_whole_beginning_is_cut_and_only_once() {
        assert_eq!(shown("The answer is (", &["The ans", "wer is (B", ") or (C)"]), "B) or (C)");
        assert_eq!(shown("{", &["{\"a\":", "{}}"]), "\"a\":{}}");
        assert_eq!(shown("The answer is (", &["B)", "The answer is ("]), "B)The answer is (");
        assert_eq!(shown("The answer is (", &["The answer", " was"]), "The answer was");
        assert_eq!(shown("The answer is (", &["The answer"]), "The answer");
        assert_eq!(shown("ab", &["", "a", "", "b"]), "");
        assert_eq!(shown("", &["a"]), "a");
    }
}
