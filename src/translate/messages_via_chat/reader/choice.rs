//! Chunks to deltas: every irregularity of the alternatives and of what they say ends here (protocol.md §3.1, §4.4).

use super::finish::finish_of;
use super::reasoning_details::{Gathered, ReasoningDetails};
use super::think_tags::ThinkTags;
use super::tool_calls::ToolCalls;
use crate::protocol::openai::chat::chunk::{Annotation, AssistantMessage, Choice, Chunk, Content};
use crate::translate::Dialect;
use crate::translate::citations::{Citations, Quotable};
use crate::translate::context::Context;
use crate::translate::delta::Delta;
use crate::translate::report::Kind;
use crate::translate::usage::usage_of;
use std::mem;

/// What must be remembered from chunk to chunk.
#[derive(Debug)]
pub(super) struct Choices {
    /// The upstream's name, for messages.
    upstream: String,
    calls: ToolCalls,
    details: ReasoningDetails,
    /// The upstream takes its reasoning back.
    carry_reasoning: bool,
    /// Only where they are wanted: the sources, and the text so far.
    citations: Option<(Citations, Quotable)>,
    /// Only where the upstream writes its reasoning into the text.
    think_tags: Option<ThinkTags>,
    /// Something has been said, so that a whole message could only repeat it.
    said: bool,
    finished: bool,
    /// Estimated input tokens, for upstreams that do not count them.
    input_estimate: u64,
    /// Reasons of losses that were reported; a stream would repeat them on every chunk.
    reported: Vec<&'static str>,
}

impl Choices {
    pub(super) fn new(context: &Context) -> Self {
        let has_tags = context.think_tags || context.think_opened;
        let think_tags = has_tags.then(|| ThinkTags::new(context.think_opened));
        Self {
            upstream: context.upstream.clone(),
            calls: ToolCalls::new(context.tool_names.upstream_names().clone()),
            details: ReasoningDetails::default(),
            carry_reasoning: context.carry_reasoning,
            citations: context.citations.then(Default::default),
            think_tags,
            said: false,
            finished: false,
            input_estimate: context.input_estimate,
            reported: Vec::new(),
        }
    }

    /// Reads one chunk that is no failure.
    pub(super) fn read(&mut self, mut chunk: Chunk, deltas: &mut Vec<Delta>) {
        if let Some(usage) = chunk.take_usage() {
            let usage = usage_of(&usage, chunk.service_tier.as_deref(), self.input_estimate);
            deltas.extend(usage.map(Delta::Usage));
        }
        for (position, choice) in (0..).zip(chunk.choices) {
            if choice.index.unwrap_or(position) == 0 {
                deltas.push(Delta::Start);
                self.choice(choice, deltas);
            } else {
                self.lose("/choices", Kind::Dropped, "only the first alternative is answered", deltas);
            }
        }
    }

    /// Reads the message of a chunk that has nothing else to say.
    pub(super) fn piece(&mut self, message: AssistantMessage, deltas: &mut Vec<Delta>) {
        deltas.push(Delta::Start);
        let before = deltas.len();
        self.message(message, Extent::Piece, deltas);
        self.said |= deltas.len() > before;
    }

    /// The stream is over: says what was held back.
    pub(super) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        if let Some(tags) = &mut self.think_tags {
            tags.flush(deltas);
        }
        self.calls.flush(deltas);
        self.end_reasoning(deltas.len(), deltas);
    }

    fn choice(&mut self, choice: Choice, deltas: &mut Vec<Delta>) {
        let before = deltas.len();
        if let Some(delta) = choice.delta {
            self.message(delta, Extent::Piece, deltas);
        }
        // Perplexity repeats the whole message so far beside every delta.
        if let Some(message) = choice.message
            && !self.said
            && deltas.len() == before
        {
            self.message(message, Extent::Whole, deltas);
        }
        self.said |= deltas.len() > before;
        if let Some(matched) = choice.stop_reason.or(choice.matched_stop) {
            deltas.push(Delta::StopSequence(matched));
        }
        // Some servers say `tool_calls` and then `stop`: the first one counts. Others say `""` on every chunk.
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty())
            && !self.finished
        {
            self.finished = true;
            deltas.push(Delta::Finish(finish_of(&reason, &self.upstream)));
        }
    }

    fn message(&mut self, mut message: AssistantMessage, extent: Extent, deltas: &mut Vec<Delta>) {
        if let Some(reasoning) = reasoning_of(&message) {
            if let Some(tags) = &mut self.think_tags {
                tags.reasoning_apart();
            }
            deltas.push(Delta::Reasoning(reasoning));
        }
        for detail in mem::take(&mut message.reasoning_details) {
            self.details.add(detail, extent);
        }
        let reasoned = deltas.len();
        self.visible(message, extent, deltas);
        let is_visible =
            |delta: &Delta| matches!(delta, Delta::Text(_) | Delta::Refusal(_) | Delta::ToolStart { .. });
        let first = deltas.iter().skip(reasoned).position(is_visible);
        if let Some(position) = first {
            self.end_reasoning(reasoned + position, deltas);
        }
    }

    /// A stretch of reasoning ends before `at`: what must come back with it.
    fn end_reasoning(&mut self, at: usize, deltas: &mut Vec<Delta>) {
        match self.details.gather(self.carry_reasoning) {
            Gathered::Nothing => {}
            Gathered::State(state) => deltas.insert(at, Delta::ReasoningState(state)),
            Gathered::TooMuch => {
                let reason = "the reasoning is too long to come back in a later turn";
                self.lose("/choices/0/message/reasoning_details", Kind::Dropped, reason, deltas);
            }
        }
    }

    fn visible(&mut self, message: AssistantMessage, extent: Extent, deltas: &mut Vec<Delta>) {
        self.report_losses(&message, deltas);
        match message.content {
            Some(Content::Text(text)) => self.text(text, extent, deltas),
            Some(Content::Parts(parts)) => {
                for part in parts {
                    if let Some(thinking) = part.thinking {
                        push_unless_empty(Delta::Reasoning, text_of(thinking), deltas);
                    } else if let Some(text) = part.text {
                        self.text(text, extent, deltas);
                    } else {
                        let reason = "a part that is neither text nor thinking";
                        self.lose("/choices/0/message/content", Kind::Dropped, reason, deltas);
                    }
                }
            }
            None => {}
        }
        if let Some((citations, text)) = &mut self.citations {
            let pages = message.annotations.into_iter().filter_map(|annotation| annotation.url_citation);
            deltas.extend(pages.filter_map(|page| citations.cite(page, text, Dialect::Chat)));
        }
        if let Some(refusal) = message.refusal {
            push_unless_empty(Delta::Refusal, refusal, deltas);
        }
        if let Some(transcript) = message.audio.and_then(|audio| audio.transcript) {
            push_unless_empty(Delta::Text, transcript, deltas);
        }
        if let Some(tags) = &mut self.think_tags
            && (!message.tool_calls.is_empty() || message.function_call.is_some())
        {
            // A tag does not go on behind a call.
            tags.flush(deltas);
        }
        for call in message.tool_calls {
            self.calls.read(call, extent, deltas);
        }
        if let Some(call) = message.function_call {
            self.calls.read_legacy(call, deltas);
        }
    }

    /// What an answer may hold and a message of Anthropic's cannot.
    fn report_losses(&mut self, message: &AssistantMessage, deltas: &mut Vec<Delta>) {
        let is_read = |annotation: &Annotation| self.citations.is_some() && annotation.url_citation.is_some();
        let cited = message.annotations.iter().all(is_read);
        let uncited = match self.citations {
            Some(_) => "only pages of the web are cited",
            None => "citations are not passed on",
        };
        let mut lose = |present: bool, member: &str, reason| {
            if present {
                self.lose(&format!("/choices/0/message/{member}"), Kind::Dropped, reason, deltas);
            }
        };
        lose(!cited, "annotations", uncited);
        lose(!message.images.is_empty(), "images", "an answer holds no images");
        if let Some(audio) = &message.audio {
            let (kind, reason) = match audio.transcript {
                Some(_) => (Kind::Approximated, "only the transcript is kept"),
                None => (Kind::Dropped, "an answer holds no sound"),
            };
            self.lose("/choices/0/message/audio", kind, reason, deltas);
        }
    }

    /// Reports a loss, once.
    fn lose(&mut self, pointer: &str, kind: Kind, reason: &'static str, deltas: &mut Vec<Delta>) {
        if !self.reported.contains(&reason) {
            self.reported.push(reason);
            deltas.push(Delta::lost(pointer, kind, reason));
        }
    }

    fn text(&mut self, text: String, extent: Extent, deltas: &mut Vec<Delta>) {
        if let Some((_, quotable)) = &mut self.citations {
            quotable.push(&text);
        }
        match &mut self.think_tags {
            Some(tags) if extent == Extent::Whole => tags.push_whole(&text, deltas),
            Some(tags) => tags.push(&text, deltas),
            None => push_unless_empty(Delta::Text, text, deltas),
        }
    }
}

/// Whether a message is whole or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    Piece,
}

/// Exactly one source: servers repeat the same reasoning under several names.
fn reasoning_of(message: &AssistantMessage) -> Option<String> {
    let details: String = message
        .reasoning_details
        .iter()
        .filter_map(|detail| detail.text("text").or_else(|| detail.text("summary")))
        .collect();
    let sources = [&message.reasoning_content, &message.reasoning, &message.thinking];
    Some(details)
        .filter(|text| !text.is_empty())
        .or_else(|| sources.into_iter().flatten().find(|text| !text.is_empty()).cloned())
}

fn text_of(content: Content) -> String {
    match content {
        Content::Text(text) => text,
        Content::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
    }
}

fn push_unless_empty(delta: impl FnOnce(String) -> Delta, text: String, deltas: &mut Vec<Delta>) {
    if !text.is_empty() {
        deltas.push(delta(text));
    }
}
