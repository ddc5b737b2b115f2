//! Events and bodies of Responses to deltas (protocol.md §7.3, §7.4).

mod item;
mod output;

use crate::protocol::openai::responses::event::Event;
use crate::protocol::openai::responses::response::Response;
use crate::sse;
use crate::translate::Dialect;
use crate::translate::arguments::{self, Arguments};
use crate::translate::context::Context;
use crate::translate::delta::{Delta, Finish};
use crate::translate::error::of_policy;
use crate::translate::reader::faults::{Faults, read_object, without_mark};
use crate::translate::reader::halves::Halves;
use crate::translate::report::Kind;
use crate::translate::usage::usage_of;
use output::{Output, pointer};
use serde_json::value::RawValue;
use std::mem;

/// The reader of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    faults: Faults,
    halves: Halves,
    output: Output,
    /// Estimated input tokens, for upstreams that do not count them.
    input_estimate: u64,
    /// The most tokens that were asked for, if that is known.
    max_tokens: Option<u64>,
}

impl Reader {
    pub(crate) fn new(context: &Context) -> Self {
        let output = Output::new(context.citations);
        Self {
            faults: Faults::new(context),
            halves: Halves::default(),
            output,
            input_estimate: context.input_estimate,
            max_tokens: context.sent.max_tokens,
        }
    }

    /// Reads one event of a stream.
    pub(crate) fn event(&mut self, event: &sse::Event<'_>, deltas: &mut Vec<Delta>) {
        let data = event.data.trim();
        if data == "[DONE]" {
            // Some gateways end every stream with it. Whether the answer is whole only a terminal event tells.
        } else if event.name == "error" {
            self.faults.fail_by_body(data.as_bytes(), deltas);
        } else if data.starts_with('{') {
            match self.halves.read_object::<Event>(data.as_bytes(), deltas) {
                Some(read) => {
                    self.read(read, &event.name, data, deltas);
                    self.halves.hold(deltas);
                }
                // Its tokens are lost, so what follows cannot be trusted.
                None => self.faults.fail("an event of the stream is no valid JSON", deltas),
            }
        } else {
            let broken = "the answer is no event stream of Responses";
            self.faults.stray(data.as_bytes(), broken, deltas);
        }
    }

    /// Reads a whole response.
    pub(crate) fn whole(&mut self, body: &[u8], deltas: &mut Vec<Delta>) {
        let body = without_mark(body);
        let Some(mut response) = read_object::<Response>(body, deltas) else {
            return self.faults.no_object(body, deltas);
        };
        let status = match response.status.take() {
            Some(status) => status,
            None if response.error.is_some() || response.object.as_deref() == Some("error") => {
                return self.faults.fail_by_body(body, deltas);
            }
            None if response.output.is_empty() => {
                return self.faults.fail(Dialect::Responses.nothing_said(), deltas);
            }
            None => "completed".to_owned(),
        };
        let is_cut = status == "incomplete" || self.is_exhausted(&response);
        with_whole_calls(&mut response, is_cut, deltas);
        self.end(response, &status, deltas);
    }

    /// The answer is over: says what was held back.
    pub(crate) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        self.halves.flush(deltas);
        self.output.conclude(Vec::new(), deltas);
    }

    fn read(&mut self, event: Event, name: &str, data: &str, deltas: &mut Vec<Delta>) {
        let kind = event.kind.clone().unwrap_or_else(|| name.to_owned());
        match kind.strip_prefix("response.") {
            None if kind == "error" || event.error.is_some() => {
                self.faults.fail_by_body(data.as_bytes(), deltas);
            }
            None => {}
            Some("error") => self.faults.fail_by_body(data.as_bytes(), deltas),
            Some(status @ ("completed" | "incomplete" | "failed" | "cancelled" | "done")) => {
                let status = if status == "done" { "completed" } else { status };
                let mut response = event.response.unwrap_or_default();
                // vLLM says `response.completed` of what is incomplete.
                let inner = response.status.take();
                let inner = inner.filter(|it| matches!(it.as_str(), "incomplete" | "failed" | "cancelled"));
                self.end(response, inner.as_deref().unwrap_or(status), deltas);
            }
            Some(kind) => {
                self.output.event(kind, event, deltas);
                if self.output.is_overfull() {
                    let what = "the answer has too many items, or one never ends and too much came after it";
                    self.faults.fail(what, deltas);
                }
            }
        }
    }

    /// The response has come to its end.
    fn end(&mut self, mut response: Response, status: &str, deltas: &mut Vec<Delta>) {
        if let Some(usage) = &response.usage {
            let usage = usage_of(usage, response.service_tier.as_deref(), self.input_estimate);
            deltas.extend(usage.map(Delta::Usage));
        }
        for (number, removed) in response.input_transformations.iter().enumerate() {
            let why = removed.reason.as_deref().unwrap_or("no reason");
            let reason = format!("the upstream did not use the reasoning of an earlier turn: {why}");
            deltas.push(Delta::lost(format!("/input_transformations/{number}"), Kind::Ignored, reason));
        }
        let finish = match status {
            "completed" if self.is_exhausted(&response) => Finish::Exhausted,
            "completed" => Finish::Normal,
            "incomplete" => incomplete(&mut response),
            "failed" => match response.error.take() {
                Some(error) => return self.failed(&error, deltas),
                None => return self.faults.fail("the response failed, and does not say why", deltas),
            },
            "cancelled" => return self.faults.fail_with(500, "the response was cancelled", deltas),
            other => {
                return self.faults.fail(&format!("the response is not complete but `{other}`"), deltas);
            }
        };
        self.output.conclude(mem::take(&mut response.output), deltas);
        deltas.extend([Delta::Finish(finish), Delta::Done]);
    }

    /// Whether all tokens that were asked for are used up: llama.cpp calls such an answer completed.
    fn is_exhausted(&self, response: &Response) -> bool {
        let used = response.usage.as_ref().and_then(|usage| usage.output_tokens);
        self.max_tokens.zip(used).is_some_and(|(most, used)| used >= most)
    }

    fn failed(&mut self, error: &RawValue, deltas: &mut Vec<Delta>) {
        let Some(finish) = of_policy(error) else { return self.faults.fail_by_error(error, deltas) };
        self.output.conclude(Vec::new(), deltas);
        deltas.extend([Delta::Finish(finish), Delta::Done]);
    }
}

/// Why a response is not complete.
fn incomplete(response: &mut Response) -> Finish {
    let reason = response.incomplete_details.take().and_then(|details| details.reason).unwrap_or_default();
    match reason.as_str() {
        "max_output_tokens" => Finish::Limit,
        "content_filter" => Finish::Filter(None),
        _ => Finish::Unknown(reason),
    }
}

/// The calls of a whole answer with arguments that are objects. Calls that a limit has cut go: the client could
/// not tell them from whole ones.
fn with_whole_calls(response: &mut Response, is_cut: bool, deltas: &mut Vec<Delta>) {
    for (index, item) in response.output.iter_mut().enumerate() {
        let Some(text) = item.arguments.as_deref().filter(|_| item.kind.as_deref() == Some("function_call"))
        else {
            continue;
        };
        if is_cut && !arguments::is_complete(text) {
            let reason = "the token limit or a filter cut the arguments of a call";
            deltas.push(Delta::lost(pointer(index), Kind::Dropped, reason));
            item.kind = Some(CUT_CALL.to_owned());
            continue;
        }
        let Arguments { json, repair } = arguments::complete(text);
        if let Some(reason) = repair {
            deltas.push(Delta::lost(pointer(index), Kind::Repaired, reason));
        }
        item.arguments = Some(String::from(Box::<str>::from(json)));
    }
    response.output.retain(|item| item.kind.as_deref() != Some(CUT_CALL));
}

/// Marks a call that goes.
const CUT_CALL: &str = "";
