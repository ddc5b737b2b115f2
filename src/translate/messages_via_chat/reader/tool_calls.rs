//! Which call a piece belongs to, its name, and its arguments (protocol.md §4.4).
//!
//! Servers number calls by index, by id, or not at all; send index 0 for every call; repeat the name on every
//! chunk, or send it in pieces, or after the arguments; begin with `{}` and then send the real object.

use super::choice::Extent;
use crate::protocol::openai::chat::chunk::{FunctionCall, ToolCall};
use crate::translate::delta::Delta;
use crate::translate::json_object::quoted;
use crate::translate::json_scanner::JsonScanner;
use crate::translate::report::Kind;
use serde_json::value::RawValue;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
    /// The last call with an index, and with an id.
    by_index: HashMap<u64, usize>,
    by_id: HashMap<String, usize>,
    /// The call that the last piece belonged to.
    last: Option<usize>,
    /// How many calls have been announced.
    started: usize,
    /// The call whose name may go on, if any has not begun for that.
    waiting: Option<usize>,
    /// The names that the request offers, by which a name in pieces is told from a repeated one.
    offered: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    /// What must come back with it.
    extra: Option<Box<RawValue>>,
    /// Its number among the announced calls; set once its name is known.
    number: Option<usize>,
    /// Arguments that came before the name.
    early: String,
    /// Arguments have been handed on.
    sent: bool,
    /// A leading `{}` is held back: it may be a placeholder.
    placeholder: bool,
    /// Follows the arguments of a call without index and id, where only their end tells the next call.
    scanner: JsonScanner,
}

/// The names that begin so.
fn begun_by<'a>(beginning: &'a str, names: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
    let from = (Bound::Included(beginning), Bound::Unbounded);
    names.range::<str, _>(from).take_while(move |name| name.starts_with(beginning))
}

impl Call {
    /// Takes a name, or what follows of one: the whole must then be, or begin, a name that is offered.
    fn take_name(&mut self, piece: String, offered: &BTreeSet<String>) {
        match &mut self.name {
            None => self.name = Some(piece),
            Some(name) if self.number.is_none() => {
                let longer = format!("{name}{piece}");
                if begun_by(&longer, offered).next().is_some() {
                    *name = longer;
                }
            }
            Some(_) => {}
        }
    }

    /// Whether more of the name may come.
    fn may_go_on(&self, offered: &BTreeSet<String>) -> bool {
        let Some(name) = &self.name else { return false };
        begun_by(name, offered).any(|longer| longer.len() > name.len())
    }

    /// Says that the call begins, if its name is known.
    fn announce(&mut self, started: &mut usize, deltas: &mut Vec<Delta>) {
        let Some(name) = self.name.clone() else { return };
        let (call, id, extra) = (*started, self.id.clone(), self.extra.clone());
        *started += 1;
        self.number = Some(call);
        deltas.push(Delta::ToolStart { call, id, name, extra });
    }

    /// Whether nothing can be missing from the arguments.
    fn is_over(&self) -> bool {
        self.scanner.is_done() || self.scanner.is_broken()
    }
}

impl ToolCalls {
    pub(super) fn new(offered: BTreeSet<String>) -> Self {
        Self { offered, ..Self::default() }
    }

    pub(super) fn read(&mut self, call: ToolCall, extent: Extent, deltas: &mut Vec<Delta>) {
        let id = call.id.filter(|id| !id.is_empty());
        let function = match (call.function, call.custom) {
            (Some(function), _) => function,
            (None, Some(custom)) => FunctionCall {
                name: custom.name,
                arguments: custom.input.map(|input| format!("{{\"input\":{}}}", quoted(&input))),
            },
            (None, None) => FunctionCall::default(),
        };
        let name = function.name.filter(|name| !name.is_empty());
        let at = match extent {
            Extent::Whole => self.add(call.index),
            Extent::Piece => {
                self.find(call.index, id.as_deref(), name.as_deref()).unwrap_or_else(|| self.add(call.index))
            }
        };
        self.last = Some(at);
        if let (Some(extra), Some(call)) = (call.extra_content, self.calls.get_mut(at)) {
            // Some servers repeat it on every chunk.
            let is_new = call.extra.as_ref().is_none_or(|known| known.get() != extra.get());
            if let Some(number) = call.number.filter(|_| is_new) {
                deltas.push(Delta::ToolExtra { call: number, extra: extra.clone() });
            }
            call.extra = Some(extra);
        }
        self.grow(at, id, name, function.arguments, deltas);
    }

    /// The legacy form knows one call per answer.
    pub(super) fn read_legacy(&mut self, call: FunctionCall, deltas: &mut Vec<Delta>) {
        let at = self.last.unwrap_or_else(|| self.add(None));
        self.last = Some(at);
        self.grow(at, None, call.name.filter(|name| !name.is_empty()), call.arguments, deltas);
    }

    /// Says what was held back, and reports calls that never got a name.
    pub(super) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        for call in &mut self.calls {
            if call.number.is_none() {
                call.announce(&mut self.started, deltas);
            }
            match call.number {
                Some(number) if call.placeholder => {
                    call.placeholder = false;
                    deltas.push(Delta::ToolArguments { call: number, json: "{}".to_owned() });
                }
                Some(_) => {}
                None => {
                    deltas.push(Delta::lost(
                        "/choices/0/message/tool_calls",
                        Kind::Dropped,
                        "a call without a name",
                    ));
                }
            }
        }
    }

    fn add(&mut self, index: Option<u64>) -> usize {
        let at = self.calls.len();
        self.calls.push(Call { index, ..Call::default() });
        if let Some(index) = index {
            self.by_index.insert(index, at);
        }
        at
    }

    /// The call that a piece belongs to, if it is not a new one.
    fn find(&self, index: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        let with_id = |id: &str| self.by_id.get(id).copied();
        if let Some(index) = index {
            let at = self.by_index.get(&index).copied()?;
            let call = self.calls.get(at)?;
            // Servers that send the same index for every call still give each its own id and name.
            let other_id = id.is_some() && call.id.is_some() && call.id.as_deref() != id;
            return if other_id && name.is_some() {
                id.and_then(with_id)
                    .filter(|at| self.calls.get(*at).is_some_and(|call| call.index == Some(index)))
            } else {
                Some(at)
            };
        }
        if let Some(id) = id {
            return with_id(id);
        }
        let at = self.last?;
        let call = self.calls.get(at)?;
        // Without index and id, a name begins a new call once the last one has its own, and all arguments if it
        // is the same name, which some servers repeat on every chunk.
        let is_new =
            name.is_some() && call.name.is_some() && (call.is_over() || call.name.as_deref() != name);
        (!is_new).then_some(at)
    }

    fn grow(
        &mut self,
        at: usize,
        id: Option<String>,
        name: Option<String>,
        arguments: Option<String>,
        deltas: &mut Vec<Delta>,
    ) {
        // Calls begin in their order: another's name that waits for more has no more to come now.
        if let Some(other) = self.waiting.take().filter(|waiting| *waiting != at)
            && let Some(other) = self.calls.get_mut(other)
        {
            other.announce(&mut self.started, deltas);
        }
        let Some(call) = self.calls.get_mut(at) else { return };
        if call.id.is_none()
            && let Some(id) = id
        {
            self.by_id.insert(id.clone(), at);
            call.id = Some(id);
        }
        if let Some(piece) = name {
            call.take_name(piece, &self.offered);
        }
        let arguments = arguments.unwrap_or_default();
        if call.index.is_none() && call.id.is_none() {
            call.scanner.push(&arguments, &mut String::new());
        }
        let is_beginning = arguments.is_empty() && call.early.is_empty() && call.may_go_on(&self.offered);
        if call.number.is_none() && !is_beginning {
            call.announce(&mut self.started, deltas);
        }
        let Some(number) = call.number else {
            self.waiting = Some(at).filter(|_| is_beginning);
            call.early.push_str(&arguments);
            return;
        };
        let json = std::mem::take(&mut call.early) + &arguments;
        if !call.sent && json.trim() == "{}" {
            call.placeholder = true;
        } else if call.placeholder && json.trim().is_empty() {
            // White space after a placeholder tells nothing.
        } else if !json.is_empty() {
            call.placeholder = false;
            call.sent = true;
            deltas.push(Delta::ToolArguments { call: number, json });
        }
    }
}
