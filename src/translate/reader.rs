//! The readers: what an upstream says, in its dialect, as [`Delta`]s. A further dialect is a further variant here.

pub(super) mod faults;
pub(super) mod halves;

use super::Dialect;
use super::context::Context;
use super::delta::Delta;
use super::{messages_via_chat, messages_via_responses};
use crate::sse;

/// The reader of the dialect that the upstream speaks.
///
/// A reader is total: whatever it is given, it says deltas. It says [`Delta::Start`] before anything visible and
/// [`Delta::Finish`] at most once, and numbers calls from 0 without gaps.
#[derive(Debug)]
pub(super) enum Reader {
    /// Chat completions.
    Chat(messages_via_chat::Reader),
    /// Responses.
    Responses(messages_via_responses::Reader),
}

impl Reader {
    pub(super) fn new(context: &Context) -> Self {
        match context.dialect {
            Dialect::Chat => Self::Chat(messages_via_chat::Reader::new(context)),
            Dialect::Responses => Self::Responses(messages_via_responses::Reader::new(context)),
        }
    }

    /// Reads one event of a stream.
    pub(super) fn event(&mut self, event: &sse::Event<'_>, deltas: &mut Vec<Delta>) {
        match self {
            Self::Chat(reader) => reader.event(event, deltas),
            Self::Responses(reader) => reader.event(event, deltas),
        }
    }

    /// Reads a whole answer.
    pub(super) fn whole(&mut self, body: &[u8], deltas: &mut Vec<Delta>) {
        match self {
            Self::Chat(reader) => reader.whole(body, deltas),
            Self::Responses(reader) => reader.whole(body, deltas),
        }
    }

    /// The answer is over: says what was held back.
    pub(super) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        match self {
            Self::Chat(reader) => reader.flush(deltas),
            Self::Responses(reader) => reader.flush(deltas),
        }
    }
}
