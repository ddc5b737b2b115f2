//! Reasoning that a server writes into the visible text, between `<think>` and `</think>`.

use crate::translate::delta::Delta;
use crate::translate::held_back::held_back;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Tells reasoning from text, however the tags are cut.
#[derive(Debug, Default)]
pub(super) struct ThinkTags {
    inside: bool,
    /// The beginning of what may become a tag.
    held: String,
}

impl ThinkTags {
    pub(super) fn push(&mut self, text: &str, deltas: &mut Vec<Delta>) {
        let text = std::mem::take(&mut self.held) + text;
        let mut rest = text.as_str();
        while let Some((before, tag, after)) = self.next_tag(rest) {
            self.say(before, deltas);
            self.inside = tag == OPEN;
            rest = after;
        }
        let held = [OPEN, CLOSE].into_iter().map(|tag| held_back(rest, tag)).max().unwrap_or(0);
        let (said, held) = rest.split_at_checked(rest.len() - held).unwrap_or((rest, ""));
        self.say(said, deltas);
        held.clone_into(&mut self.held);
    }

    pub(super) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        let held = std::mem::take(&mut self.held);
        self.say(&held, deltas);
    }

    /// What stands before the next tag that means something here, the tag, and what follows. A closing tag
    /// without an opening one is dropped too: some templates open it in the prompt.
    fn next_tag<'a>(&self, text: &'a str) -> Option<(&'a str, &'static str, &'a str)> {
        text.match_indices('<').find_map(|(at, _)| {
            let (before, rest) = text.split_at_checked(at)?;
            let tags: &[&'static str] = if self.inside { &[CLOSE] } else { &[OPEN, CLOSE] };
            tags.iter().find_map(|tag| Some((before, *tag, rest.strip_prefix(tag)?)))
        })
    }

    fn say(&self, text: &str, deltas: &mut Vec<Delta>) {
        if !text.is_empty() {
            let text = text.to_owned();
            deltas.push(if self.inside { Delta::Reasoning(text) } else { Delta::Text(text) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> (String, String) {
        let mut tags = ThinkTags::default();
        let mut deltas = Vec::new();
        for piece in pieces {
            tags.push(piece, &mut deltas);
        }
        tags.flush(&mut deltas);
        let mut said = (String::new(), String::new());
        for delta in deltas {
            match delta {
                Delta::Reasoning(text) => said.0.push_str(&text),
                Delta::Text(text) => said.1.push_str(&text),
                other => panic!("{other:?}"),
            }
        }
        said
    }

    #[test]
    fn tags_are_found_however_they_are_cut() {
        let text = "<think>plan a < b</think>text <b>";
        let expected = ("plan a < b".to_owned(), "text <b>".to_owned());
        assert_eq!(read(&[text]), expected);
        for cut in 0..text.len() {
            assert_eq!(read(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn unfinished_tags_are_said_at_the_end() {
        assert_eq!(read(&["a <thi"]), (String::new(), "a <thi".to_owned()));
        assert_eq!(read(&["<think>a</thi"]), ("a</thi".to_owned(), String::new()));
    }
}
