//! Stretches of reasoning, and the signatures that bring them back in a later turn (protocol.md §3.4).

use super::Stream;
use crate::protocol::anthropic::stream::Event;
use crate::translate::context::Context;
use crate::translate::report::Kind;
use crate::translate::signature::Signature;
use serde_json::value::RawValue;

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

    /// Ends a stretch of reasoning with its signature, which brings it back in a later turn, and with it what
    /// belongs to a call.
    pub(super) fn sign(&mut self, call: Option<(&str, &RawValue)>, events: &mut Vec<Event>) {
        if call.is_some() && self.reasoning.is_none() {
            // A block without thinking, only to carry what belongs to the call.
            self.reasoning(String::new(), events);
        }
        let Some(text) = self.reasoning.take() else { return };
        let Context { upstream, upstream_model: model, dialect, .. } = &self.context;
        let sign = |text| {
            let signature = Signature::of_text(dialect.name(), upstream, model, text);
            match call {
                Some((id, extra)) => signature.with_call(id.to_owned(), extra.to_owned()).encode(),
                None => signature.encode(),
            }
        };
        let signature = sign(Some(text).filter(|text| !text.is_empty())).or_else(|| {
            let reason = "the reasoning is too long to come back in a later turn";
            self.report.add(dialect.reasoning(), Kind::Dropped, reason);
            sign(None)
        });
        self.writer.signature(signature.unwrap_or_default(), events);
    }
}
