//! System text: the leading one, and where texts in mid-conversation go (protocol.md §2.3).

use super::blocks::Place;
use super::{Part, Translation};
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::translate::report::Kind;

/// Begins a block that Claude Code puts first and that differs from conversation to conversation, which would
/// spoil every prefix cache of the upstream. It says nothing to the model.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";

impl Translation<'_> {
    /// The system prompt's texts, without Claude Code's billing header.
    pub(super) fn system_texts(&mut self, mut system: Content) -> Result<Vec<Part>, Error> {
        let place = Place("/system".to_owned());
        let (first, pointer) = match &mut system {
            Content::Text(text) => (Some(text), "/system"),
            Content::Blocks(blocks) => (blocks.first_mut().and_then(text_of), "/system/0"),
        };
        let mut skipped = 0;
        if let Some(text) = first.filter(|text| text.starts_with(BILLING_HEADER)) {
            let reason = "a billing header, which differs every time and would spoil every prefix cache";
            self.report.add(pointer, Kind::Ignored, reason);
            // Only the header's own line: what stands below it is for the model.
            let below = text.split_once('\n').map_or("", |(_, below)| below);
            *text = below.trim_start_matches(['\r', '\n']).to_owned();
            skipped = usize::from(text.trim().is_empty());
        }
        let parts = self.parts_after(skipped, system, &place)?;
        only_texts(parts, &place)
    }

    /// Content that may hold nothing but text.
    pub(super) fn only_texts(&mut self, content: Content, place: &Place) -> Result<Vec<Part>, Error> {
        let parts = self.parts(content, place)?;
        only_texts(parts, place)
    }
}

/// A system text in the turn of a user, where templates take no system message but the first.
pub(super) fn reminder(parts: Vec<Part>) -> Part {
    let mut joined = Part::joined(parts, "\n\n");
    if let Some(text) = joined.text_mut() {
        *text = format!("<system-reminder>\n{text}\n</system-reminder>");
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

fn only_texts(parts: Vec<Part>, place: &Place) -> Result<Vec<Part>, Error> {
    if !parts.iter().all(Part::is_text) {
        return Err(place.refuse("system text holds nothing but text"));
    }
    Ok(parts)
}

fn text_of(block: &mut Block) -> Option<&mut String> {
    match &mut block.kind {
        BlockKind::Text { text, .. } => Some(text),
        _ => None,
    }
}
