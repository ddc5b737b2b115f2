//! Events and bodies of chat completions to deltas: chunks, `[DONE]`, failures in disguise, and lines that are
//! nothing of the kind (protocol.md §4.3).

mod choice;
mod citations;
mod finish;
mod pattern;
mod reasoning_details;
mod think_tags;
mod tool_calls;
mod usage;
mod whole;

use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::protocol::json;
use crate::protocol::openai::chat::chunk::Chunk;
use crate::sse;
use crate::translate::Dialect;
use crate::translate::context::Context;
use crate::translate::delta::Delta;
use crate::translate::error::{Asked, in_band, in_band_body};
use crate::translate::report::Kind;
use choice::Choices;
use pattern::Pattern;
use std::mem;
use whole::{lowest_choice, with_whole_calls};

/// Lines of an event stream that are no JSON, and that are skipped before the stream counts as broken.
const MAX_GARBLED: u32 = 8;

/// The reader of one answer.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What was asked, for messages.
    asked: Asked,
    choices: Choices,
    pattern: Pattern,
    garbled: u32,
}

impl Reader {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            asked: Asked::from(context),
            choices: Choices::new(context),
            pattern: Pattern::default(),
            garbled: 0,
        }
    }

    /// Reads one event of a stream.
    pub(crate) fn event(&mut self, event: &sse::Event<'_>, deltas: &mut Vec<Delta>) {
        let data = event.data.trim();
        if event.name != "error"
            && let Some(message) = self.pattern.read(data)
        {
            self.choices.piece(message, deltas);
        } else if data == "[DONE]" {
            deltas.push(Delta::Done);
        } else if event.name == "error" {
            self.fail_by_body(data.as_bytes(), deltas);
        } else if data.starts_with('{') {
            let before = deltas.len();
            match read_chunk(data.as_bytes(), deltas) {
                Some(chunk) if chunk.is_error() => self.fail_by_body(data.as_bytes(), deltas),
                Some(chunk) => {
                    // What had to be repaired is no pattern for others.
                    if deltas.len() == before {
                        self.pattern.learn(data, &chunk);
                    }
                    self.chunk(chunk, deltas);
                }
                // Its tokens are lost, so what follows cannot be trusted.
                None => self.fail("a chunk of the stream is no valid JSON", deltas),
            }
        } else if is_list_of_failures(data.as_bytes()) {
            self.fail_by_body(data.as_bytes(), deltas);
        } else {
            self.garbled += 1;
            if self.garbled > MAX_GARBLED {
                self.fail("the answer is no event stream of chat completions", deltas);
            }
        }
    }

    /// Reads a whole completion.
    pub(crate) fn whole(&mut self, body: &[u8], deltas: &mut Vec<Delta>) {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        match read_chunk(body, deltas) {
            Some(chunk) if chunk.is_error() => self.fail_by_body(body, deltas),
            Some(mut chunk) => {
                let Some(choice) = lowest_choice(mem::take(&mut chunk.choices), deltas) else {
                    return self.fail(Dialect::Chat.nothing_said(), deltas);
                };
                chunk.choices = vec![with_whole_calls(choice, deltas)];
                self.chunk(chunk, deltas);
                deltas.push(Delta::Done);
            }
            None if is_list_of_failures(body) => self.fail_by_body(body, deltas),
            None => self.fail("the answer is no JSON object", deltas),
        }
    }

    /// The answer is over: says what was held back.
    pub(crate) fn flush(&mut self, deltas: &mut Vec<Delta>) {
        self.choices.flush(deltas);
    }

    fn chunk(&mut self, chunk: Chunk, deltas: &mut Vec<Delta>) {
        match chunk.choices.iter().find_map(|choice| choice.error.as_deref()) {
            Some(error) => deltas.push(Delta::Failed(in_band(error, &self.asked))),
            None => self.choices.read(chunk, deltas),
        }
    }

    fn fail(&self, what: &str, deltas: &mut Vec<Delta>) {
        let message = format!("{}: {what}", self.asked.upstream);
        deltas.push(Delta::Failed(Error::new(ErrorKind::Api, message).with_status(502)));
    }

    /// The body, or the data of an event, is a failure.
    fn fail_by_body(&self, body: &[u8], deltas: &mut Vec<Delta>) {
        deltas.push(Delta::Failed(in_band_body(body, &self.asked)));
    }
}

/// Gemini wraps its failures in an array.
fn is_list_of_failures(data: &[u8]) -> bool {
    let list = serde_json::from_slice::<Vec<Chunk>>(data);
    list.is_ok_and(|list| list.first().is_some_and(Chunk::is_error))
}

/// Reads a chunk; on failure once more with lone surrogates replaced, which some servers send when they cut an
/// emoji in two.
fn read_chunk(data: &[u8], deltas: &mut Vec<Delta>) -> Option<Chunk> {
    // Serde would read an array as the members in their order.
    if !data.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    if let Ok(chunk) = serde_json::from_slice(data) {
        return Some(chunk);
    }
    let scanned = json::scan(data).ok().filter(|scanned| scanned.repaired > 0)?;
    let chunk = serde_json::from_slice(&scanned.text).ok()?;
    deltas.push(Delta::lost("", Kind::Repaired, "lone surrogate escapes became U+FFFD"));
    Some(chunk)
}
