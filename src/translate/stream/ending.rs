//! How an answer ends: why the model stopped, and the last events (protocol.md §3.2).

use super::Stream;
use super::reasoning::Carried;
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::response::{StopDetails, StopReason, Usage};
use crate::protocol::anthropic::stream::Event;
use crate::translate::delta::Finish;
use crate::translate::message_writer::{BrokenInput, Cut};
use crate::translate::report::Kind;
use crate::translate::tokens;
use std::mem;

/// What is known when the answer is over.
#[derive(Debug, Clone, Copy, Default)]
struct Ending<'a> {
    /// What the upstream said about it, if anything.
    finish: Option<&'a Finish>,
    /// At least one tool call came.
    has_calls: bool,
    /// The model refused.
    refused: bool,
    /// The last of them is not whole.
    awaits_input: bool,
    /// A stop sequence matched.
    stop_sequence_matched: bool,
    /// Nothing more fitted into the model's context.
    window_full: bool,
}

/// # Errors
/// When the upstream said that the answer failed.
fn stop_reason(ending: Ending<'_>) -> Result<StopReason, Error> {
    Ok(match ending.finish {
        Some(Finish::Failed(error)) => return Err(error.clone()),
        Some(Finish::Filter(_)) => StopReason::Refusal,
        _ if ending.refused => StopReason::Refusal,
        Some(Finish::Limit) if ending.window_full => StopReason::ModelContextWindowExceeded,
        Some(Finish::Limit) => StopReason::MaxTokens,
        Some(Finish::Exhausted) if !ending.has_calls || ending.awaits_input => StopReason::MaxTokens,
        // What was produced decides, not what the upstream calls it: a call wants its result.
        _ if ending.has_calls => StopReason::ToolUse,
        _ if ending.stop_sequence_matched => StopReason::StopSequence,
        _ => StopReason::EndTurn,
    })
}

impl Stream {
    /// The upstream is done: writes what was held back, and the end.
    pub(super) fn complete(&mut self, events: &mut Vec<Event>) {
        let mut deltas = mem::take(&mut self.deltas);
        self.reader.flush(&mut deltas);
        self.start(events);
        self.apply(&mut deltas, events);
        if self.ended {
            return;
        }
        self.sign(Carried::Nothing, events);
        self.release(events);
        if self.is_stopped() && !self.writer.awaits_input() {
            self.finish = None;
        }
        let ending = Ending {
            finish: self.finish.as_ref(),
            has_calls: self.writer.calls() > 0,
            awaits_input: self.writer.awaits_input(),
            refused: self.refusal.is_some(),
            stop_sequence_matched: self.stop_sequence.is_some(),
            window_full: self.is_window_full(),
        };
        let reason = match stop_reason(ending) {
            Ok(reason) => reason,
            Err(error) => return self.fail(error, events),
        };
        if let Some(Finish::Unknown(word)) = &self.finish
            && reason != StopReason::Refusal
        {
            let pointer = self.context.dialect.finish();
            self.report.add(pointer, Kind::Approximated, format!("`{word}` is unknown"));
        }
        let is_cut = self.finish.as_ref().is_some_and(Finish::is_cut) || reason == StopReason::MaxTokens;
        let cut = if is_cut { Cut::Yes } else { Cut::No };
        if self.writer.close(cut, &mut self.report, events) == Err(BrokenInput) {
            let error = self.upstream_error("the arguments of a tool call are no valid JSON");
            return self.fail(error, events);
        }
        if !self.writer.has_blocks() && reason != StopReason::Refusal {
            self.writer.empty_text(events);
        }
        // Something was said: who counts no tokens for it did not count.
        if !self.reported_usage || self.usage.output_tokens == 0 && self.said_bytes > 0 {
            self.usage.output_tokens = tokens::estimate_output(self.said_bytes);
        }
        self.end(reason, events);
    }

    /// Whether the context was full before as much was said as was asked for.
    fn is_window_full(&self) -> bool {
        let Usage {
            input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens, ..
        } = self.usage;
        let used = [input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens];
        let used = used.into_iter().fold(0, u64::saturating_add);
        self.reported_usage
            && self.context.context_window.is_some_and(|window| used >= window)
            && self.context.sent.max_tokens.is_some_and(|asked| output_tokens < asked)
    }

    fn end(&mut self, reason: StopReason, events: &mut Vec<Event>) {
        self.ended = true;
        let refusal = self.refusal.take().or_else(|| match &self.finish {
            Some(Finish::Filter(explanation)) => explanation.clone(),
            _ => None,
        });
        events.push(Event::MessageDelta {
            stop_sequence: self.stop_sequence.take().filter(|_| reason == StopReason::StopSequence),
            stop_details: (reason == StopReason::Refusal).then(|| StopDetails::refusal(refusal)),
            stop_reason: Some(reason.clone()),
            usage: Usage { service_tier: None, cache_creation: None, ..self.usage.clone() },
        });
        events.push(Event::MessageStop);
        self.stop_reason = Some(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::anthropic::error::ErrorKind;

    fn reason(finish: Option<&Finish>, has_calls: bool) -> StopReason {
        stop_reason(Ending { finish, has_calls, ..Ending::default() }).unwrap()
    }

    #[test]
    fn what_was_produced_decides_between_end_and_tool_use() {
        for finish in [None, Some(&Finish::Normal), Some(&Finish::Unknown("new".to_owned()))] {
            assert_eq!(reason(finish, true), StopReason::ToolUse, "{finish:?}");
            assert_eq!(reason(finish, false), StopReason::EndTurn, "{finish:?}");
        }
        let matched = Ending { stop_sequence_matched: true, ..Ending::default() };
        assert_eq!(stop_reason(matched).unwrap(), StopReason::StopSequence);
        let with_calls = Ending { has_calls: true, ..matched };
        assert_eq!(stop_reason(with_calls).unwrap(), StopReason::ToolUse);
    }

    #[test]
    fn an_answer_that_used_up_its_tokens_is_cut_unless_it_called_a_tool() {
        assert_eq!(reason(Some(&Finish::Exhausted), false), StopReason::MaxTokens);
        assert_eq!(reason(Some(&Finish::Exhausted), true), StopReason::ToolUse);
        let finish = Some(&Finish::Exhausted);
        let ending = Ending { finish, has_calls: true, awaits_input: true, ..Ending::default() };
        assert_eq!(stop_reason(ending).unwrap(), StopReason::MaxTokens);
    }

    #[test]
    fn limits_filters_and_failures_outweigh_it() {
        assert_eq!(reason(Some(&Finish::Limit), true), StopReason::MaxTokens);
        let full = Ending { finish: Some(&Finish::Limit), window_full: true, ..Ending::default() };
        assert_eq!(stop_reason(full).unwrap(), StopReason::ModelContextWindowExceeded);
        assert_eq!(reason(Some(&Finish::Filter(None)), true), StopReason::Refusal);
        let refused = Ending { finish: Some(&Finish::Normal), refused: true, ..Ending::default() };
        assert_eq!(stop_reason(refused).unwrap(), StopReason::Refusal);
        let failed = Finish::Failed(Error::new(ErrorKind::Overloaded, "m"));
        let refused = Ending { finish: Some(&failed), refused: true, ..Ending::default() };
        assert_eq!(stop_reason(refused).unwrap_err().status, 529);
    }
}
