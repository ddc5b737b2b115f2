//! System text: the leading one, and where texts in mid-conversation go (protocol.md §2.3).

use super::place::Place;
use super::{Part, Translation};
use crate::protocol::anthropic::block::{BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::json::Escaped;
use crate::translate::report::Kind;

/// Begins a text that Claude Code puts first and that differs from conversation to conversation, which would
/// spoil every prefix cache of the upstream. It says nothing to the model.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";

impl Translation<'_> {
    /// The system prompt's texts, without Claude Code's billing header.
    pub(super) fn system_texts(&mut self, system: Content) -> Result<Vec<Part>, Error> {
        self.only_texts(system, &Place::top("system"))
    }

    /// System content, which may hold nothing but text, without Claude Code's billing header.
    pub(super) fn only_texts(&mut self, mut content: Content, place: &Place) -> Result<Vec<Part>, Error> {
        let mut emptied = Vec::new();
        match &mut content {
            Content::Text(text) => {
                self.cut_billing_header(text, place);
            }
            Content::Blocks(blocks) => {
                for (index, block) in blocks.iter_mut().enumerate() {
                    if let BlockKind::Text { text, .. } = &mut block.kind
                        && self.cut_billing_header(text, &place.child(index))
                    {
                        emptied.push(index);
                    }
                }
            }
        }
        let parts = self.parts_without(&emptied, content, place)?;
        if !parts.iter().all(Part::is_text) {
            return Err(place.refuse("system text holds nothing but text"));
        }
        Ok(parts)
    }

    /// Cuts the header's own line: what stands below it is for the model. Returns whether nothing does.
    fn cut_billing_header(&mut self, text: &mut Escaped, place: &Place) -> bool {
        if !text.starts_with(BILLING_HEADER) {
            return false;
        }
        let reason = "a billing header, which differs every time and would spoil every prefix cache";
        self.report.add(place, Kind::Ignored, reason);
        let whole = text.unescaped();
        let below = whole.split_once('\n').map_or("", |(_, below)| below);
        let below = Escaped::from(below.trim_start_matches(['\r', '\n']));
        *text = below;
        text.is_blank()
    }
}

/// A system text in the turn of a user, where templates take no system message but the first.
pub(super) fn reminder(parts: Vec<Part>) -> Part {
    let mut joined = Part::joined(parts, "\n\n");
    if let Some(text) = joined.text_mut() {
        text.prepend("<system-reminder>\n");
        text.push_str("\n</system-reminder>");
    }
    joined
}

/// Appends a text to what a user said or a tool answered; a lone text stays one.
pub(super) fn append(text: Part, parts: &mut Vec<Part>) {
    parts.push(text);
    if parts.len() == 2 && parts.iter().all(Part::is_text) {
        *parts = vec![Part::joined(std::mem::take(parts), "\n\n")];
    }
}
