//! Events and bodies of chat completions to deltas: chunks, `[DONE]`, failures in disguise, and lines that are
//! nothing of the kind (protocol.md §4.3).

mod choice;
mod finish;
mod pattern;
mod reasoning_details;
mod think_tags;
mod tool_calls;
mod whole;

use crate::protocol::openai::chat::chunk::Chunk;
use crate::sse;
use crate::translate::Dialect;
use crate::translate::context::Context;
use crate::translate::delta::Delta;
use crate::translate::reader::faults::{Faults, read_object, without_mark};
use crate::translate::reader::halves::Halves;
use choice::Choices;
use pattern::Pattern;
use std::mem;
use whole::{lowest_choice, with_whole_calls};

/// The reader of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    faults: Faults,
    halves: Halves,
    choices: Choices,
    pattern: Pattern,
}

impl Reader {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            faults: Faults::new(context),
            halves: Halves::default(),
            choices: Choices::new(context),
            pattern: Pattern::default(),
        }
    }

    /// Reads one event of a stream.
    pub(crate) fn event(&mut self, event: &sse::Event<'_>, deltas: &mut Vec<Delta>) {
        let data = event.data.trim();
        if event.name != "error"
            && !self.halves.is_waiting()
            && let Some(message) = self.pattern.read(data)
        {
            self.choices.piece(message, deltas);
        } else if data == "[DONE]" {
            deltas.push(Delta::Done);
        } else if event.name == "error" {
            self.faults.fail_by_body(data.as_bytes(), deltas);
        } else if data.starts_with('{') {
            let (before, waited) = (deltas.len(), self.halves.is_waiting());
            match self.halves.read_object::<Chunk>(data.as_bytes(), deltas) {
                Some(chunk) if chunk.is_error() => self.faults.fail_by_body(data.as_bytes(), deltas),
                Some(chunk) => {
                    // What had to be repaired is no pattern for others.
                    if deltas.len() == before && !waited && !self.halves.is_waiting() {
                        self.pattern.learn(data, &chunk);
                    }
                    self.chunk(chunk, deltas);
                    self.halves.hold(deltas);
                }
                // Its tokens are lost, so what follows cannot be trusted.
                None => self.faults.fail("a chunk of the stream is no valid JSON", deltas),
            }
        } else {
            let broken = "the answer is no event stream of chat completions";
            self.faults.stray(data.as_bytes(), broken, deltas);
        }
    }

    /// Reads a whole completion.
    pub(crate) fn whole(&mut self, body: &[u8], deltas: &mut Vec<Delta>) {
        let body = without_mark(body);
        match read_object::<Chunk>(body, deltas) {
            Some(chunk) if chunk.is_error() => self.faults.fail_by_body(body, deltas),
            Some(mut chunk) => {
                let Some(choice) = lowest_choice(mem::take(&mut chunk.choices), deltas) else {
                    return self.faults.fail(Dialect::Chat.nothing_said(), deltas);
                };
                chunk.choices = vec![with_whole_calls(choice, deltas)];
                self.chunk(chunk, deltas);
                deltas.push(Delta::Done);
            }
            None => self.faults.no_object(body, deltas),
        }
    }

    /// The answer is over: says what was held back.
    pub(crate) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        self.halves.flush(deltas);
        self.choices.flush(deltas);
    }

    fn chunk(&mut self, chunk: Chunk, deltas: &mut Vec<Delta>) {
        match chunk.choices.iter().find_map(|choice| choice.error.as_deref()) {
            Some(error) => self.faults.fail_by_error(error, deltas),
            None => self.choices.read(chunk, deltas),
        }
    }
}
