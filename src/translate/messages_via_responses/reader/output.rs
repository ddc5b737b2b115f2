//! The items of an answer in their order: which item an event belongs to, and whose turn it is.
//!
//! Items may be written at the same time, and their pieces alternate. The client hears one after the other, in the
//! order of `output_index`: the first that is not over is told as it comes, the others wait. Servers number items
//! not at all, all with 0, or give an item another id in every event; so the place counts first, then the id.

use super::item::Item;
use crate::protocol::openai::responses::event::Event;
use crate::protocol::openai::responses::response;
use crate::translate::citations::Citations;
use crate::translate::delta::Delta;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem;

/// What may wait for its turn over a whole answer, in bytes.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// More items than any answer has.
const MAX_ITEMS: usize = 100_000;
/// What a delta that waits takes beside its text.
const DELTA_BYTES: usize = size_of::<Delta>();

/// The items of one answer.
#[derive(Debug)]
pub(super) struct Output {
    slots: Vec<Slot>,
    /// The last slot with an index, and with an index and an id, and with an id.
    by_index: HashMap<u64, usize>,
    by_both: HashMap<(u64, String), usize>,
    by_id: HashMap<String, usize>,
    /// The slots whose turn has not come, by their order.
    waiting: BTreeSet<(u64, usize)>,
    /// The slot that is being told.
    live: Option<usize>,
    /// The slot that the last event was about.
    last: Option<usize>,
    waiting_bytes: usize,
    /// How many calls have been announced.
    calls: usize,
    /// Only where they are wanted.
    citations: Option<Citations>,
    /// Reasons of losses that were reported; a stream would repeat them.
    reported: HashSet<String>,
}

#[derive(Debug, Default)]
struct Slot {
    index: u64,
    id: Option<String>,
    item: Item,
    /// What is said before its turn.
    waiting: Vec<Delta>,
    /// Its number among the announced calls, if it is one.
    call: usize,
    is_over: bool,
}

impl Output {
    pub(super) fn new(citations: bool) -> Self {
        Self {
            slots: Vec::new(),
            by_index: HashMap::new(),
            by_both: HashMap::new(),
            by_id: HashMap::new(),
            waiting: BTreeSet::new(),
            live: None,
            last: None,
            waiting_bytes: 0,
            calls: 0,
            citations: citations.then(Citations::default),
            reported: HashSet::new(),
        }
    }

    /// Reads an event about an item; `kind` is its type without `response.`. Others, and unknown ones, say nothing.
    pub(super) fn event(&mut self, kind: &str, event: Event, deltas: &mut Vec<Delta>) {
        if !Item::is_about_one(kind) {
            return;
        }
        let id = event.item.as_ref().and_then(|item| item.id.clone()).or_else(|| event.item_id.clone());
        let at = self.slot(event.output_index, id, kind == "output_item.added");
        self.last = Some(at);
        deltas.push(Delta::Start);
        let Some(slot) = self.slots.get_mut(at).filter(|slot| !slot.is_over) else { return };
        let (mut said, kept) = (Vec::new(), slot.item.kept_bytes());
        slot.is_over = slot.item.event(kind, event, self.citations.as_mut(), &mut said);
        self.waiting_bytes += slot.item.kept_bytes().saturating_sub(kept);
        self.say(at, said, deltas);
    }

    /// The answer is over. `whole` are its items as they are told in the end: all of them in a whole answer, and
    /// those that were not told before in a stream.
    pub(super) fn conclude(&mut self, whole: Vec<response::Item>, deltas: &mut Vec<Delta>) {
        let (is_new, is_longer) = (self.slots.is_empty(), whole.len() > self.slots.len());
        for (index, item) in (0..).zip(whole) {
            let known = if is_new { None } else { self.told_before(index, item.id.as_deref()) };
            let Some(at) = known.or_else(|| is_longer.then(|| self.add(index, item.id.clone()))) else {
                continue;
            };
            deltas.push(Delta::Start);
            let Some(slot) = self.slots.get_mut(at).filter(|slot| !slot.is_over) else { continue };
            let mut said = Vec::new();
            slot.item.done(item, self.citations.as_mut(), &mut said);
            slot.is_over = true;
            self.say(at, said, deltas);
        }
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(at).filter(|slot| !slot.is_over) else { continue };
            let mut said = Vec::new();
            slot.item.flush(&mut said);
            slot.is_over = true;
            self.say(at, said, deltas);
        }
    }

    /// Whether there are more items, or more waits for its turn, than may be kept.
    pub(super) fn is_overfull(&self) -> bool {
        self.waiting_bytes > MAX_WAITING_BYTES || self.slots.len() > MAX_ITEMS
    }

    /// The slot of an item; a new one if it is not known, or begins or goes on where another has begun or ended.
    fn slot(&mut self, index: Option<u64>, id: Option<String>, begins: bool) -> usize {
        let known = self.known(index, id.as_deref()).filter(|at| {
            let Some(slot) = self.slots.get(*at) else { return false };
            let (is_same, is_nameless) = (slot.id == id, slot.id.is_none() || id.is_none());
            match (begins, slot.is_over) {
                (true, is_over) => !is_over && (is_same || slot.id.is_none()),
                (false, true) => is_same || is_nameless,
                // Whatever its id now.
                (false, false) => true,
            }
        });
        known.unwrap_or_else(|| {
            let next = self.slots.last().map_or(0, |slot| slot.index + 1);
            self.add(index.unwrap_or(next), id)
        })
    }

    fn known(&self, index: Option<u64>, id: Option<&str>) -> Option<usize> {
        // Most events are about the same item as the one before.
        if let Some(last) = self.last.and_then(|last| self.slots.get(last))
            && index.is_none_or(|index| index == last.index)
            && (id.is_none() || last.id.as_deref() == id)
        {
            return self.last;
        }
        let Some(index) = index else { return id.and_then(|id| self.by_id.get(id)).copied().or(self.last) };
        let by_both = id.and_then(|id| self.by_both.get(&(index, id.to_owned())));
        by_both.or_else(|| self.by_index.get(&index)).copied()
    }

    /// The slot of an item that stands there in the end. A server that numbers all items with 0 tells their ids.
    fn told_before(&self, index: u64, id: Option<&str>) -> Option<usize> {
        let by_both = id.and_then(|id| self.by_both.get(&(index, id.to_owned())));
        let by_index = || self.by_index.get(&index);
        by_both.or_else(by_index).or_else(|| self.by_id.get(id?)).copied()
    }

    fn add(&mut self, index: u64, id: Option<String>) -> usize {
        // A place beyond all that fits into memory is as good as the last one.
        let index = index.min(u64::MAX - 1);
        let at = self.slots.len();
        self.slots.push(Slot { index, id: id.clone(), ..Slot::default() });
        self.by_index.insert(index, at);
        if let Some(id) = id {
            self.by_both.insert((index, id.clone()), at);
            self.by_id.insert(id, at);
        }
        self.waiting.insert((index, at));
        at
    }

    /// Says what an item says, once its turn has come, and what has waited for that.
    fn say(&mut self, at: usize, said: Vec<Delta>, deltas: &mut Vec<Delta>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if self.live.is_some_and(|live| live != at) {
            self.waiting_bytes += said.iter().map(|delta| DELTA_BYTES + text_bytes(delta)).sum::<usize>();
        }
        slot.waiting.extend(said);
        loop {
            let live = match self.live {
                Some(live) => live,
                None => match self.waiting.pop_first() {
                    Some((_, next)) => next,
                    None => return,
                },
            };
            let Some(slot) = self.slots.get_mut(live) else { return };
            let (said, is_over) = (mem::take(&mut slot.waiting), slot.is_over);
            self.live = (!is_over).then_some(live);
            for delta in said {
                self.push(live, delta, deltas);
            }
            if !is_over {
                return;
            }
        }
    }

    /// Calls are numbered in the order in which they are told.
    fn push(&mut self, at: usize, mut delta: Delta, deltas: &mut Vec<Delta>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        match &mut delta {
            Delta::ToolStart { call, .. } => {
                slot.call = self.calls;
                self.calls += 1;
                *call = slot.call;
            }
            Delta::ToolArguments { call, .. } => *call = slot.call,
            Delta::Lost(loss) => {
                if !self.reported.insert(loss.reason.to_string()) {
                    return;
                }
                if loss.pointer.is_empty() {
                    loss.pointer = pointer(usize::try_from(slot.index).unwrap_or(usize::MAX));
                }
            }
            _ => {}
        }
        deltas.push(delta);
    }
}

/// Where an item stands in the answer.
pub(super) fn pointer(index: usize) -> String {
    format!("/output/{index}")
}

fn text_bytes(delta: &Delta) -> usize {
    match delta {
        Delta::Text(text) | Delta::Refusal(text) | Delta::Reasoning(text) => text.len(),
        Delta::ReasoningState(state) => state.get().len(),
        Delta::ToolArguments { json, .. } => json.len(),
        Delta::Citation(citation) => citation.url.len() + citation.cited_text.len(),
        _ => 0,
    }
}
