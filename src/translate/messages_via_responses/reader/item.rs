//! One item of an answer: what its events say, and what its end adds to that.
//!
//! Every text comes in pieces, and once more as a whole: at its own end, at its part's, at its item's and at the
//! answer's. What came in pieces is not told again; what did not, is told as soon as it comes as a whole.

use crate::protocol::openai::responses::event::Event;
use crate::protocol::openai::responses::response::{self, Annotation, Part, ReasoningItem, ReasoningText};
use crate::translate::Dialect;
use crate::translate::citations::{Citations, Quotable};
use crate::translate::delta::Delta;
use crate::translate::json_object::quoted;
use crate::translate::report::Kind as Loss;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::mem;

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Kind {
    /// Nobody has said.
    #[default]
    Unknown,
    Message,
    Reasoning,
    Function,
    /// The call of a custom tool, whose input is free text. This program never offers any.
    Custom,
    /// Something that has no place in a message.
    Other,
}

/// What of an item has been said.
#[derive(Debug, Default)]
pub(super) struct Item {
    kind: Kind,
    /// The parts of a message whose text, and whose sources, have been told.
    told: BTreeSet<u64>,
    cited: BTreeSet<u64>,
    /// The part that the last piece of text or reasoning belongs to.
    part: Option<u64>,
    /// That part's text, to quote from.
    quotable: Quotable,
    /// Where the reasoning comes from; what comes from elsewhere repeats it.
    source: Option<Source>,
    call_id: Option<String>,
    name: Option<String>,
    is_announced: bool,
    /// A function's arguments: those that wait for the name, and whether there were any.
    early: String,
    has_arguments: bool,
    /// A custom tool's input so far.
    input: String,
}

/// Where reasoning comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Summary,
    /// The whole of it, from open models.
    Content,
}

impl Item {
    /// Whether events of that type, without `response.`, are about an item and say anything.
    pub(super) fn is_about_one(kind: &str) -> bool {
        matches!(
            kind,
            "output_item.added"
                | "output_item.done"
                | "output_text.delta"
                | "output_text.done"
                | "output_text.annotation.added"
                | "refusal.delta"
                | "refusal.done"
                | "reasoning_summary_part.added"
                | "reasoning_summary_text.delta"
                | "reasoning_summary_text.done"
                | "reasoning_text.delta"
                | "reasoning_text.done"
                | "function_call_arguments.delta"
                | "function_call_arguments.done"
                | "custom_tool_call_input.delta"
                | "custom_tool_call_input.done"
        )
    }

    /// Reads an event; returns whether the item is over.
    pub(super) fn event(
        &mut self,
        kind: &str,
        event: Event,
        citations: Option<&mut Citations>,
        deltas: &mut Vec<Delta>,
    ) -> bool {
        let Event { delta, text, refusal, arguments, input, item, annotation, .. } = event;
        let (part, summary) = (event.content_index.unwrap_or(0), event.summary_index.unwrap_or(0));
        let delta = delta.unwrap_or_default();
        match kind {
            "output_item.added" => return item.is_some_and(|item| self.begin(&item, deltas)),
            "output_item.done" => {
                self.done(item.unwrap_or_default(), citations, deltas);
                return true;
            }
            "output_text.delta" => self.text(part, delta, Delta::Text, deltas),
            "output_text.done" => self.whole_text(part, text, Delta::Text, deltas),
            "refusal.delta" => self.text(part, delta, Delta::Refusal, deltas),
            "refusal.done" => self.whole_text(part, refusal, Delta::Refusal, deltas),
            "output_text.annotation.added" => self.cite(part, annotation, citations, deltas),
            "reasoning_summary_text.delta" => self.reasoning(Source::Summary, summary, &delta, deltas),
            "reasoning_text.delta" => self.reasoning(Source::Content, part, &delta, deltas),
            "reasoning_summary_text.done" => self.whole_reasoning(Source::Summary, summary, text, deltas),
            "reasoning_text.done" => self.whole_reasoning(Source::Content, part, text, deltas),
            "function_call_arguments.delta" => self.arguments(&delta, deltas),
            "function_call_arguments.done" if !self.has_arguments => {
                self.arguments(&arguments.unwrap_or_default(), deltas);
            }
            "custom_tool_call_input.delta" => self.input.push_str(&delta),
            "custom_tool_call_input.done" => self.input = input.unwrap_or_else(|| mem::take(&mut self.input)),
            _ => {}
        }
        false
    }

    /// The item as a whole.
    pub(super) fn done(
        &mut self,
        item: response::Item,
        mut citations: Option<&mut Citations>,
        deltas: &mut Vec<Delta>,
    ) {
        self.learn(&item, deltas);
        match self.kind {
            Kind::Message => {
                for (number, part) in (0..).zip(item.content) {
                    self.message_part(number, part, citations.as_deref_mut(), deltas);
                }
            }
            Kind::Reasoning => {
                let has_text = |part: &Part| part.text.as_ref().is_some_and(|text| !text.is_empty());
                let is_summed_up = item.summary.iter().any(has_text);
                let source = if is_summed_up { Source::Summary } else { Source::Content };
                let parts = match self.source.unwrap_or(source) {
                    Source::Summary => &item.summary,
                    Source::Content => &item.content,
                };
                for (number, part) in (0..).zip(parts) {
                    self.whole_reasoning(self.source.unwrap_or(source), number, part.text.clone(), deltas);
                }
                deltas.extend(state_of(item).map(Delta::ReasoningState));
            }
            Kind::Function if !self.has_arguments => {
                self.arguments(&item.arguments.unwrap_or_default(), deltas);
            }
            Kind::Custom => self.input = item.input.unwrap_or_else(|| mem::take(&mut self.input)),
            Kind::Unknown | Kind::Function | Kind::Other => {}
        }
        self.flush(deltas);
    }

    /// Nothing more is said of the item.
    pub(super) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        if !matches!(self.kind, Kind::Function | Kind::Custom) {
            return;
        }
        if !self.is_announced {
            deltas.push(Delta::lost("", Loss::Dropped, "a call without a name"));
        } else if self.kind == Kind::Custom {
            let json = format!("{{\"input\":{}}}", quoted(&self.input));
            deltas.push(Delta::ToolArguments { call: 0, json });
        }
    }

    /// What of the item waits within it, in bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.early.len() + self.input.len()
    }

    /// Reads the item as it begins; returns whether it is over, because nothing of it is told.
    fn begin(&mut self, item: &response::Item, deltas: &mut Vec<Delta>) -> bool {
        self.learn(item, deltas);
        self.kind == Kind::Other
    }

    fn learn(&mut self, item: &response::Item, deltas: &mut Vec<Delta>) {
        let kind = item.kind.as_deref();
        match kind {
            Some("message") => self.kind = Kind::Message,
            Some("reasoning") => self.kind = Kind::Reasoning,
            Some("function_call") => self.kind = Kind::Function,
            Some("custom_tool_call") => self.kind = Kind::Custom,
            Some(other) if self.kind == Kind::Unknown => {
                self.kind = Kind::Other;
                let reason = format!("an item of type `{other}` has no place in a message");
                deltas.push(Delta::lost("", Loss::Dropped, reason));
            }
            Some(_) | None => {}
        }
        let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        self.call_id = self.call_id.take().or_else(|| known(&item.call_id)).or_else(|| known(&item.id));
        self.name = self.name.take().or_else(|| known(&item.name));
        if matches!(self.kind, Kind::Function | Kind::Custom) {
            self.announce(deltas);
        }
    }

    fn announce(&mut self, deltas: &mut Vec<Delta>) {
        if self.is_announced {
            return;
        }
        let Some(name) = self.name.clone() else { return };
        self.is_announced = true;
        deltas.push(Delta::ToolStart { call: 0, id: self.call_id.clone(), name, extra: None });
        let json = mem::take(&mut self.early);
        if !json.is_empty() {
            deltas.push(Delta::ToolArguments { call: 0, json });
        }
    }

    fn message_part(
        &mut self,
        number: u64,
        part: Part,
        citations: Option<&mut Citations>,
        deltas: &mut Vec<Delta>,
    ) {
        let Part { text, refusal, annotations, kind } = part;
        if text.is_none() && refusal.is_none() {
            let kind = kind.unwrap_or_default();
            let reason = format!("a part of type `{kind}` has no place in a message");
            deltas.push(Delta::lost("", Loss::Dropped, reason));
            return;
        }
        self.whole_text(number, text, Delta::Text, deltas);
        self.whole_text(number, refusal, Delta::Refusal, deltas);
        if self.cited.contains(&number) {
            return;
        }
        let mut citations = citations;
        for annotation in annotations {
            self.cite(number, Some(annotation), citations.as_deref_mut(), deltas);
        }
    }

    fn text(
        &mut self,
        part: u64,
        text: String,
        delta: impl FnOnce(String) -> Delta,
        deltas: &mut Vec<Delta>,
    ) {
        if text.is_empty() {
            return;
        }
        if self.part != Some(part) {
            self.part = Some(part);
            self.quotable = Quotable::default();
            deltas.push(Delta::Break);
        }
        self.told.insert(part);
        self.quotable.push(&text);
        deltas.push(delta(text));
    }

    fn whole_text(
        &mut self,
        part: u64,
        text: Option<String>,
        delta: impl FnOnce(String) -> Delta,
        deltas: &mut Vec<Delta>,
    ) {
        if !self.told.contains(&part) {
            self.text(part, text.unwrap_or_default(), delta, deltas);
        }
    }

    fn cite(
        &mut self,
        part: u64,
        annotation: Option<Annotation>,
        citations: Option<&mut Citations>,
        deltas: &mut Vec<Delta>,
    ) {
        self.cited.insert(part);
        let annotations = Dialect::Responses.annotations();
        let lost = |reason| Delta::lost(annotations, Loss::Dropped, reason);
        let Some(citations) = citations else { return deltas.push(lost("citations are not passed on")) };
        match annotation.and_then(Annotation::into_page) {
            Some(page) => deltas.extend(citations.cite(page, &self.quotable, Dialect::Responses)),
            None => deltas.push(lost("only pages of the web are cited")),
        }
    }

    fn reasoning(&mut self, source: Source, part: u64, text: &str, deltas: &mut Vec<Delta>) {
        if text.is_empty() || self.source.is_some_and(|known| known != source) {
            return;
        }
        self.source = Some(source);
        match self.part.replace(part) {
            None => deltas.push(Delta::Break),
            Some(before) if before != part => deltas.push(Delta::Reasoning("\n\n".to_owned())),
            Some(_) => {}
        }
        self.told.insert(part);
        deltas.push(Delta::Reasoning(text.to_owned()));
    }

    fn whole_reasoning(&mut self, source: Source, part: u64, text: Option<String>, deltas: &mut Vec<Delta>) {
        if !self.told.contains(&part) {
            self.reasoning(source, part, &text.unwrap_or_default(), deltas);
        }
    }

    fn arguments(&mut self, json: &str, deltas: &mut Vec<Delta>) {
        if json.is_empty() {
            return;
        }
        self.has_arguments = true;
        if self.is_announced {
            deltas.push(Delta::ToolArguments { call: 0, json: json.to_owned() });
        } else {
            self.early.push_str(json);
        }
    }
}

/// What must come back with reasoning in a later turn, if the upstream could read it then: by its id alone nothing
/// can be found, for nothing is stored.
fn state_of(item: response::Item) -> Option<Box<RawValue>> {
    let texts = |parts: Vec<Part>, kind: &str| -> Vec<ReasoningText> {
        let texts = parts.into_iter().filter_map(|part| part.text).filter(|text| !text.is_empty());
        texts.map(|text| ReasoningText { kind: kind.to_owned(), text }).collect()
    };
    let encrypted_content = item.encrypted_content.filter(|it| !it.is_empty());
    let content = match encrypted_content {
        // It holds the text, too.
        Some(_) => Vec::new(),
        None => texts(item.content, "reasoning_text"),
    };
    if encrypted_content.is_none() && content.is_empty() {
        return None;
    }
    let summary = texts(item.summary, "summary_text");
    to_raw_value(&ReasoningItem { id: item.id.unwrap_or_default(), summary, content, encrypted_content }).ok()
}
