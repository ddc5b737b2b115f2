//! Tool calls and their results: which result belongs to which call, under which id, in which order
//! (protocol.md §2.2, §2.5, §2.12).

use super::super::place::Place;
use super::super::{Part, Translation};
use super::{Conversation, Item};
use crate::protocol::CallId;
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::translate::quirks::ToolIds;
use crate::translate::report::{Kind, Report};
use crate::translate::tool_ids::{self, UsedIds};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::mem;

/// What stands for a result that never came.
const NO_RESULT: &str = "[no result]";

/// The calls of one assistant message, which wait for their results.
#[derive(Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Which of them have a client's id; weak servers give the same to several.
    by_id: BTreeMap<CallId, SameId>,
    any_answered: bool,
}

struct Call {
    client_id: CallId,
    upstream_id: CallId,
    place: Place,
    /// Where it stands among what its message says.
    saying: usize,
    /// The next call of the same id.
    same_after: Option<usize>,
    result: Option<ToolResult>,
}

/// The calls of one id.
struct SameId {
    /// The first that waits for a result, or the last if none does.
    waiting: usize,
    last: usize,
}

/// The result of a call.
pub(super) struct ToolResult {
    parts: Vec<Part>,
    /// Images and files that follow all results in a user message.
    media: Vec<Part>,
}

impl Calls {
    pub(super) fn add(&mut self, client_id: CallId, upstream_id: CallId, saying: usize, place: &Place) {
        let call = self.calls.len();
        match self.by_id.entry(client_id.clone()) {
            Entry::Vacant(free) => drop(free.insert(SameId { waiting: call, last: call })),
            Entry::Occupied(mut same) => {
                let before = mem::replace(&mut same.get_mut().last, call);
                if let Some(before) = self.calls.get_mut(before) {
                    before.same_after = Some(call);
                }
            }
        }
        let place = place.clone();
        self.calls.push(Call { client_id, upstream_id, place, saying, same_after: None, result: None });
    }

    pub(super) fn count(&self) -> usize {
        self.calls.len()
    }

    /// Where the last call of that id stands in its message, if it is none of the first so many.
    pub(super) fn saying_of(&self, client_id: &str, first: usize) -> Option<usize> {
        let last = self.by_id.get(client_id)?.last;
        self.calls.get(last).filter(|_| last >= first).map(|call| call.saying)
    }

    /// Gives a result to every call without one.
    pub(super) fn repair(&mut self, report: &mut Report) {
        for call in self.calls.iter_mut().filter(|call| call.result.is_none()) {
            report.add(&call.place, Kind::Repaired, "the call had no result");
            let parts = vec![Part::text(NO_RESULT)];
            call.result = Some(ToolResult { parts, media: Vec::new() });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn is_any_answered(&self) -> bool {
        self.any_answered
    }

    /// The call that the next result for that id answers: the first without one, else the last.
    fn next(&mut self, client_id: &str) -> Option<usize> {
        let same = self.by_id.get_mut(client_id)?;
        let next = same.waiting;
        same.waiting = self.calls.get(next)?.same_after.unwrap_or(next);
        Some(next)
    }

    fn upstream_id(&self, call: usize) -> Option<CallId> {
        self.calls.get(call).map(|call| call.upstream_id.clone())
    }

    /// Notes the result; returns whether it took the place of another.
    fn answer(&mut self, call: usize, result: ToolResult) -> bool {
        self.any_answered = true;
        self.calls.get_mut(call).is_some_and(|call| call.result.replace(result).is_some())
    }

    /// Emits the results in the order of the calls; returns what follows them in a user message.
    pub(super) fn emit(self, items: &mut Vec<Item>) -> Result<Vec<Part>, Error> {
        let without_result = || self.calls.iter().filter(|call| call.result.is_none());
        if let Some(first) = without_result().next() {
            let missing: Vec<&str> = without_result().map(|call| &*call.client_id).collect();
            // Anthropic's words, which Claude Code knows and tells its user how to recover from.
            return Err(first.place.message().refuse(format_args!(
                "`tool_use` ids were found without `tool_result` blocks immediately after: {}. \
                 Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                missing.join(", ")
            )));
        }
        let mut media = Vec::new();
        for call in self.calls {
            let Some(mut result) = call.result else { continue };
            media.append(&mut result.media);
            items.push(Item::Result { call_id: call.upstream_id, parts: result.parts });
        }
        Ok(media)
    }
}

/// The upstream's ids of all calls so far, each standing for one call only.
#[derive(Default)]
pub(super) struct UpstreamIds {
    /// The client's ids, and how often each has been tried.
    pub(super) used: UsedIds,
    taken: HashSet<CallId>,
}

impl UpstreamIds {
    /// With room for so many.
    pub(super) fn with_capacity(ids: usize) -> Self {
        Self { used: UsedIds::with_capacity(ids), taken: HashSet::with_capacity(ids) }
    }

    /// An id that no call before has. It depends on what stands before it alone, so that the same history always
    /// serialises to the same bytes.
    pub(super) fn next(&mut self, client_id: &CallId, rule: ToolIds) -> CallId {
        let occurrence = self.used.tries(client_id);
        loop {
            let id = tool_ids::to_upstream(client_id, *occurrence, rule);
            *occurrence += 1;
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}

impl Translation<'_> {
    pub(super) fn tool_result(
        &mut self,
        mut block: Block,
        place: &Place,
        parts: &mut Vec<Part>,
        conversation: &mut Conversation,
    ) -> Result<(), Error> {
        let kind = mem::replace(&mut block.kind, BlockKind::Marker);
        let BlockKind::ToolResult { tool_use_id, content, is_error } = kind else { return Ok(()) };
        let marker = self.extras(&block, place);
        let Some(answered) = conversation.calls.next(&tool_use_id) else {
            if self.options.quirks.repair_tool_results {
                let reason = "the result of no call became text of the user";
                self.report.add(place, Kind::Repaired, reason);
                parts.push(Part::text(format!("[result of the unknown tool call {tool_use_id}]")));
                let result = self.result_parts(content, is_error, place)?;
                let before = parts.len();
                parts.extend(result);
                self.mark(marker, parts.get_mut(before..).unwrap_or_default());
                return Ok(());
            }
            return Err(place.refuse(format_args!(
                "unexpected `tool_use_id` found in `tool_result` blocks: {tool_use_id}. \
                 Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        };
        let upstream_id = conversation.calls.upstream_id(answered);
        let parts = self.result_parts(content, is_error, place)?;
        let mut result = self.tool_content(upstream_id.as_deref().unwrap_or_default(), parts, place);
        self.mark(marker, &mut result.parts);
        if conversation.calls.answer(answered, result) {
            let reason = "an earlier result of the same call gave way to this one";
            self.report.add(place, Kind::Dropped, reason);
        }
        Ok(())
    }

    fn result_parts(
        &mut self,
        content: Option<Content>,
        is_error: bool,
        place: &Place,
    ) -> Result<Vec<Part>, Error> {
        let mut parts = match content {
            Some(content) => self.parts(content, &place.child("content"))?,
            None => Vec::new(),
        };
        if is_error {
            mark_as_error(&mut parts);
        }
        Ok(parts)
    }

    fn tool_content(&mut self, id: &str, mut parts: Vec<Part>, place: &Place) -> ToolResult {
        let mut media = Vec::new();
        if !self.form.media_in_results {
            for part in parts.iter_mut().filter(|part| !part.is_text()) {
                let (name, number) = (part.name(), media.len() / 2 + 1);
                let marker = Part::text(format!("[{name} {number} of tool result {id}, shown below]"));
                media.push(Part::text(format!("[{name} {number} of tool result {id}]")));
                media.push(mem::replace(part, marker));
            }
        }
        if !media.is_empty() {
            let reason = "images and files of a tool result follow it in a user message";
            self.report.add(place, Kind::Rewritten, reason);
        }
        if parts.iter().all(Part::is_text) && parts.len() > 1 {
            parts = vec![Part::joined(parts, "\n")];
        }
        ToolResult { parts, media }
    }
}

/// No dialect has a member for a failed tool, so the text says it.
fn mark_as_error(parts: &mut Vec<Part>) {
    match parts.iter_mut().find_map(Part::text_mut) {
        Some(text) if text.starts_with("Error:") || *text == *"Error" => {}
        Some(text) => text.prepend("Error: "),
        None => parts.insert(0, Part::text("Error")),
    }
}
