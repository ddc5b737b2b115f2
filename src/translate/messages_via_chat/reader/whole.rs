//! Whole completions: which alternative counts, and calls whose arguments are objects (protocol.md §3.1, §3.2).
//!
//! In a stream the arguments are checked as they pass; here all of them are known, so that nothing needs to fail.

use super::finish::finish_of;
use crate::protocol::openai::chat::chunk::{Choice, FunctionCall, ToolCall};
use crate::translate::arguments::{self, Arguments};
use crate::translate::delta::Delta;
use crate::translate::report::Kind;

/// The alternative with the lowest index.
pub(super) fn lowest_choice(choices: Vec<Choice>, deltas: &mut Vec<Delta>) -> Option<Choice> {
    if choices.len() > 1 {
        let reason = "only the first alternative is answered";
        deltas.push(Delta::lost("/choices", Kind::Dropped, reason));
    }
    let lowest = choices.into_iter().min_by_key(|choice| choice.index.unwrap_or(0))?;
    Some(Choice { index: Some(0), ..lowest })
}

/// The calls of a whole answer with arguments that are objects. Calls that a limit has cut go: the client
/// could not tell them from whole ones.
pub(super) fn with_whole_calls(mut choice: Choice, deltas: &mut Vec<Delta>) -> Choice {
    let Some(message) = &mut choice.message else { return choice };
    let is_cut = choice.finish_reason.as_deref().is_some_and(|word| finish_of(word, "").is_cut());
    if is_cut {
        let is_whole = |call: &ToolCall| call.function.as_ref().is_none_or(has_whole_arguments);
        let before = message.tool_calls.len();
        message.tool_calls.retain(is_whole);
        let legacy = message.function_call.take();
        let had_legacy = legacy.is_some();
        message.function_call = legacy.filter(has_whole_arguments);
        if message.tool_calls.len() < before || had_legacy && message.function_call.is_none() {
            let reason = "the token limit or a filter cut the arguments of a call";
            deltas.push(Delta::lost("/choices/0/message/tool_calls", Kind::Dropped, reason));
        }
    }
    let functions = message.tool_calls.iter_mut().filter_map(|call| call.function.as_mut());
    for (number, function) in functions.chain(&mut message.function_call).enumerate() {
        let Some(text) = &function.arguments else { continue };
        let Arguments { json, repair } = arguments::complete(text);
        if let Some(reason) = repair {
            let pointer = format!("/choices/0/message/tool_calls/{number}/function/arguments");
            deltas.push(Delta::lost(pointer, Kind::Repaired, reason));
        }
        function.arguments = Some(String::from(Box::<str>::from(json)));
    }
    choice
}

fn has_whole_arguments(function: &FunctionCall) -> bool {
    arguments::is_complete(function.arguments.as_deref().unwrap_or_default())
}
