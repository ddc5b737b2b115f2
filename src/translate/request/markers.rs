//! Cache markers (`cache_control`): dropped, or put on the parts that may carry one (protocol.md §2.11).
//!
//! A marker says that the prompt up to its block is worth caching. Where its block becomes no part that may carry
//! one (definitions of tools, what the model said), it waits for the next part that does.

use super::Translation;
use super::conversation::{Item, Transcript};
use super::part::{Marker, Part};
use super::place::Place;
use crate::protocol::anthropic::request::CacheControl;
use crate::translate::report::Kind;

/// Where an upstream takes markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Markers {
    /// Nowhere.
    Nowhere,
    /// On texts, as many as there are.
    OnTexts,
    /// On all parts, so many.
    OnParts {
        /// The most that a request may carry.
        most: usize,
    },
}

impl Markers {
    fn may_stand_on(self, part: &Part) -> bool {
        match self {
            Self::Nowhere => false,
            Self::OnTexts => part.is_text(),
            Self::OnParts { .. } => true,
        }
    }
}

impl Translation<'_> {
    /// Reads a marker; one that the upstream takes nowhere is reported.
    pub(super) fn marker(&mut self, said: Option<&CacheControl>, place: &Place) -> Option<Marker> {
        let said = said?;
        let pointer = place.child("cache_control").to_string();
        if self.form.markers == Markers::Nowhere {
            self.report.add(pointer, Kind::Ignored, "the upstream caches by itself");
            return None;
        }
        Some(Marker { pointer, ttl: said.ttl.clone() })
    }

    /// Puts the marker that waits on the first of some new parts, and their own on the last; what fits on none
    /// waits for the next ones.
    pub(super) fn mark(&mut self, own: Option<Marker>, parts: &mut [Part]) {
        let markers = self.form.markers;
        if let Some(waiting) = self.waiting_marker.take() {
            match parts.iter_mut().find(|part| markers.may_stand_on(part)) {
                Some(part) => part.marker = Some(Box::new(waiting)),
                None => self.waiting_marker = Some(waiting),
            }
        }
        let Some(own) = own else { return };
        match parts.iter_mut().rfind(|part| markers.may_stand_on(part)) {
            Some(part) => part.marker = Some(Box::new(own)),
            // Nothing stands between it and another that waits, so that both mean the same.
            None => self.waiting_marker = Some(own),
        }
    }

    /// Takes away what is too much: the last markers are worth most.
    pub(super) fn limit_markers(&mut self, transcript: &mut Transcript) {
        if let Some(marker) = self.waiting_marker.take() {
            self.report.add(marker.pointer, Kind::Ignored, "nothing follows that could carry it");
        }
        let Markers::OnParts { most } = self.form.markers else { return };
        let Transcript { leading, items, .. } = transcript;
        let mut marked: Vec<&mut Option<Box<Marker>>> = Vec::new();
        let in_items = items.iter_mut().filter_map(|item| match item {
            Item::System(parts) | Item::User(parts) | Item::Result { parts, .. } => Some(parts),
            Item::Assistant(_) => None,
        });
        for part in [leading].into_iter().chain(in_items).flatten().filter(|part| part.marker.is_some()) {
            marked.push(&mut part.marker);
        }
        let too_many = marked.len().saturating_sub(most);
        for marker in marked.into_iter().take(too_many).filter_map(Option::take) {
            let reason = format!("only the last {most} of the request are sent");
            self.report.add(marker.pointer, Kind::Ignored, reason);
        }
    }
}
