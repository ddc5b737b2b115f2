//! Reasoning that a server writes into the visible text, between `<think>` and `</think>`.

use crate::translate::delta::Delta;
use crate::translate::held_back::held_back;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Tells reasoning from text, however the tags are cut.
#[derive(Debug)]
pub(super) struct ThinkTags {
    inside: bool,
    /// Nothing but white space has been said.
    at_start: bool,
    /// The beginning of what may become a tag.
    held: String,
}

impl ThinkTags {
    /// `opened`: the template has opened the tag in the prompt, so that the answer begins inside of it.
    pub(super) const fn new(opened: bool) -> Self {
        Self { inside: opened, at_start: true, held: String::new() }
    }

    /// The upstream tells its reasoning apart, so that the text does not begin with it.
    pub(super) const fn reasoning_apart(&mut self) {
        if self.at_start {
            (self.inside, self.at_start) = (false, false);
        }
    }

    /// Takes all of the text, or all of a part: what stands before a closing tag alone is reasoning.
    pub(super) fn push_whole(&mut self, text: &str, deltas: &mut Vec<Delta>) {
        if self.at_start && self.next_tag(text).is_some_and(|(_, tag, _)| tag == CLOSE) {
            self.inside = true;
        }
        self.push(text, deltas);
    }

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

    /// What stands before the next tag that means something here, the tag, and what follows. Models repeat the
    /// opening tag at the beginning; a closing one without it is dropped.
    fn next_tag<'a>(&self, text: &'a str) -> Option<(&'a str, &'static str, &'a str)> {
        text.match_indices('<').find_map(|(at, _)| {
            let (before, rest) = text.split_at_checked(at)?;
            let repeated = self.at_start && before.trim().is_empty();
            let tags: &[&'static str] = if self.inside && !repeated { &[CLOSE] } else { &[OPEN, CLOSE] };
            tags.iter().find_map(|tag| Some((before, *tag, rest.strip_prefix(tag)?)))
        })
    }

    fn say(&mut self, text: &str, deltas: &mut Vec<Delta>) {
        if !text.is_empty() {
            self.at_start &= text.trim().is_empty();
            let text = text.to_owned();
            deltas.push(if self.inside { Delta::Reasoning(text) } else { Delta::Text(text) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> (String, String) {
        read_by(ThinkTags::new(false), pieces)
    }

    fn read_by(mut tags: ThinkTags, pieces: &[&str]) -> (String, String) {
        let mut deltas = Vec::new();
        for piece in pieces {
            tags.push(piece, &mut deltas);
        }
        tags.flush(&mut deltas);
        said(deltas)
    }

    fn said(deltas: Vec<Delta>) -> (String, String) {
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
    fn a_tag_that_the_template_opened_need_not_be_there() {
        for text in ["plan</think>text", "<think>plan</think>text", "\n<think>plan</think>text"] {
            for cut in 0..text.len() {
                let (reasoning, said) = read_by(ThinkTags::new(true), &[&text[..cut], &text[cut..]]);
                assert_eq!((reasoning.trim(), said.as_str()), ("plan", "text"), "{text:?} cut at {cut}");
            }
        }
        let mut apart = ThinkTags::new(true);
        apart.reasoning_apart();
        assert_eq!(read_by(apart, &["text"]), (String::new(), "text".to_owned()));
    }

    #[test]
    fn before_a_closing_tag_alone_a_whole_text_is_reasoning() {
        let whole = |text: &str| {
            let (mut tags, mut deltas) = (ThinkTags::new(false), Vec::new());
            tags.push_whole(text, &mut deltas);
            tags.flush(&mut deltas);
            said(deltas)
        };
        assert_eq!(whole("plan</think>text"), ("plan".to_owned(), "text".to_owned()));
        assert_eq!(whole("a<think>plan</think>text"), ("plan".to_owned(), "atext".to_owned()));
        assert_eq!(whole("text"), (String::new(), "text".to_owned()));
    }

    #[test]
    fn unfinished_tags_are_said_at_the_end() {
        assert_eq!(read(&["a <thi"]), (String::new(), "a <thi".to_owned()));
        assert_eq!(read(&["<think>a</thi"]), ("a</thi".to_owned(), String::new()));
    }
}
