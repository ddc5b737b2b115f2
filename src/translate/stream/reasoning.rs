//! Stretches of reasoning, and the signatures that bring them back in a later turn (protocol.md §3.4).

use super::Stream;
use crate::protocol::anthropic::stream::Event;
use crate::translate::context::Context;
use crate::translate::report::Kind;
use crate::translate::signature::Signature;
use serde_json::value::RawValue;

/// What a signature carries beside the text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carried<'a> {
    Nothing,
    /// What must come back with the call of that id.
    Call(&'a str, &'a RawValue),
    /// What must come back with the reasoning.
    State(&'a RawValue),
}

impl Stream {
    pub(super) fn reasoning(&mut self, text: String, events: &mut Vec<Event>) {
        self.release(events);
        if self.is_stopped() {
            return;
        }
        self.said_bytes += text.len();
        let waiting = self.reasoning.get_or_insert_default();
        if !self.context.omit_thinking {
            self.writer.thinking(text, events);
            return;
        }
        if self.context.carry_reasoning {
            waiting.push_str(&text);
        }
        self.writer.thinking(String::new(), events);
    }

    /// Ends a stretch of reasoning with its signature, which brings it back in a later turn.
    pub(super) fn sign(&mut self, carried: Carried<'_>, events: &mut Vec<Event>) {
        if !matches!(carried, Carried::Nothing) && self.reasoning.is_none() {
            // A block without thinking, only to carry something.
            self.reasoning(String::new(), events);
        }
        let Some(text) = self.reasoning.take() else { return };
        let Context { upstream, upstream_model: model, dialect, .. } = &self.context;
        let plain = |text| Signature::of_text(dialect.name(), upstream, model, text);
        let whole = plain(Some(text).filter(|text| !text.is_empty()));
        let whole = match carried {
            Carried::Nothing => whole,
            Carried::Call(id, extra) => whole.with_call(id.to_owned(), extra.to_owned()),
            Carried::State(state) => whole.with_state(dialect.state_kind(), state.to_owned()),
        };
        let signature = whole.encode().or_else(|| {
            let reason = "the reasoning is too long to come back in a later turn";
            self.report.add(dialect.reasoning(), Kind::Dropped, reason);
            let Carried::Call(id, extra) = carried else { return plain(None).encode() };
            plain(None).with_call(id.to_owned(), extra.to_owned()).encode()
        });
        self.writer.signature(signature.unwrap_or_default(), events);
    }

    /// What must come back with a call came after its beginning: a further block carries it.
    pub(super) fn tool_extra(&mut self, call: usize, extra: &RawValue, events: &mut Vec<Event>) {
        // Calls that the client does not take have no id.
        let Some(id) = self.call_ids.get(call).cloned() else { return };
        self.sign(Carried::Nothing, events);
        self.sign(Carried::Call(&id, extra), events);
    }
}
