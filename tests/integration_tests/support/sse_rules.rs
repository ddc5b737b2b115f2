//! Every rule of a legal message stream, and the message that such a stream folds to.
//!
//! The rules are those which the accumulators of the official SDKs and Claude Code need: a message starts
//! once and first; blocks are numbered without gaps, one open at a time, and take only deltas of their own
//! kind; a tool's arguments join to one JSON object; one `message_delta` with usage and a stop reason, then
//! `message_stop`, or else an `error` event as the last one. Written from the protocol alone, as a second
//! opinion on the program's own writer and fold.

use super::sse::Event;
use serde_json::{Map, Value, json};

/// What a legal stream says, as one message.
#[derive(Debug, Clone, Default)]
pub struct Folded {
    /// The `message` of `message_start`.
    pub start: Value,
    /// The blocks; a `tool_use` block's `input` is parsed.
    pub content: Vec<Value>,
    /// The arguments of each `tool_use` block as they were written, byte for byte.
    pub tool_inputs: Vec<String>,
    /// The stop reason; `None` if the stream ended in an error.
    pub stop_reason: Option<String>,
    /// The stop sequence, if one was hit.
    pub stop_sequence: Option<String>,
    /// The usage of `message_start`, overlaid by that of `message_delta`.
    pub usage: Map<String, Value>,
    /// The `error` object of the event that ended the stream.
    pub error: Option<Value>,
    /// How many pings came.
    pub pings: usize,
}

impl Folded {
    /// The text blocks, joined.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(|block| block["text"].as_str()).collect()
    }

    /// The kinds of the blocks, in order.
    pub fn kinds(&self) -> Vec<&str> {
        self.content.iter().filter_map(|block| block["type"].as_str()).collect()
    }
}

/// Fails the test unless the stream is legal; returns what it says.
pub fn check_stream(events: &[Event]) -> Folded {
    fold(events).unwrap_or_else(|fault| panic!("illegal stream: {fault}\n{}", listing(events)))
}

/// What a legal stream says, or the rule that it breaks.
pub fn fold(events: &[Event]) -> Result<Folded, String> {
    let mut reader = Reader::default();
    for (number, event) in events.iter().enumerate() {
        reader.take(event).map_err(|fault| format!("{fault} (event {number})"))?;
    }
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader {
    message: Folded,
    state: State,
    /// The pieces of the open block's `partial_json`.
    arguments: String,
    /// Arguments that are not an object: a fault, unless the answer was cut at its token limit.
    unfinished: Option<String>,
    signed: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Between,
    Open,
    Delta,
    Ended,
}

impl Reader {
    fn take(&mut self, event: &Event) -> Result<(), String> {
        let data: Value =
            serde_json::from_str(&event.data).map_err(|error| format!("data is not JSON: {error}"))?;
        let name = event.name.as_deref().ok_or("no event name: clients would not see this event")?;
        require(data["type"] == name, || {
            format!("event name {name} is not the data's type {}", data["type"])
        })?;
        match (&self.state, name) {
            (State::Ended, _) => Err(format!("{name} after the end")),
            (State::Before, "message_start") => self.message_start(&data["message"]),
            (State::Before, _) => Err(format!("{name} before message_start")),
            (_, "message_start") => Err("second message_start".to_owned()),
            (_, "ping") => {
                self.message.pings += 1;
                Ok(())
            }
            (_, "error") => self.error(&data["error"]),
            (State::Delta, "message_stop") => {
                self.state = State::Ended;
                Ok(())
            }
            (State::Delta, _) => Err(format!("{name} after message_delta")),
            (State::Between, "content_block_start") => self.block_start(&data),
            (State::Open, "content_block_start") => Err("two blocks open at once".to_owned()),
            (State::Open, "content_block_delta") => self.block_delta(&data),
            (State::Open, "content_block_stop") => self.block_stop(&data),
            (State::Between, "message_delta") => self.message_delta(&data),
            (State::Open, "message_delta") => Err("message_delta while a block is open".to_owned()),
            (_, "message_stop") => Err("message_stop without message_delta".to_owned()),
            (_, "content_block_delta" | "content_block_stop") => Err(format!("{name} with no block open")),
            _ => Err(format!("unknown event {name}")),
        }
    }

    fn message_start(&mut self, message: &Value) -> Result<(), String> {
        let text = |key: &str| message[key].as_str().is_some_and(|value| !value.is_empty());
        require(text("id") && text("model"), || "message_start without id or model".to_owned())?;
        let fixed = message["type"] == "message" && message["role"] == "assistant";
        require(fixed, || "message_start of something else than an assistant's message".to_owned())?;
        require(message["content"] == json!([]), || "message_start with content".to_owned())?;
        require(message["stop_reason"].is_null(), || "message_start with a stop reason".to_owned())?;
        self.message.usage = usage(&message["usage"])?;
        self.message.start = message.clone();
        self.state = State::Between;
        Ok(())
    }

    fn block_start(&mut self, data: &Value) -> Result<(), String> {
        let (index, block) = (&data["index"], &data["content_block"]);
        let next = self.message.content.len();
        require(*index == next, || format!("block index {index} where {next} comes next"))?;
        let whole = match block["type"].as_str() {
            Some("text") => block["text"].is_string(),
            Some("thinking") => block["thinking"].is_string() && block["signature"].is_string(),
            Some("redacted_thinking") => block["data"].is_string(),
            Some("tool_use") => {
                ["id", "name"].iter().all(|key| block[key].as_str().is_some_and(|v| !v.is_empty()))
            }
            _ => return Err(format!("unknown kind of block {}", block["type"])),
        };
        require(whole, || format!("content_block_start lacks a field: {block}"))?;
        let tool = block["type"] == "tool_use";
        require(!tool || block["input"] == json!({}), || "tool_use starts with an input".to_owned())?;
        self.message.content.push(block.clone());
        self.arguments.clear();
        self.signed = false;
        self.state = State::Open;
        Ok(())
    }

    fn block_delta(&mut self, data: &Value) -> Result<(), String> {
        self.require_open_index(data)?;
        let block = self.message.content.last_mut().ok_or("no block")?;
        let (kind, delta) = (block["type"].as_str().unwrap_or_default().to_owned(), &data["delta"]);
        let piece = |key: &str| delta[key].as_str().ok_or_else(|| format!("delta without {key}: {delta}"));
        match (kind.as_str(), delta["type"].as_str().unwrap_or_default()) {
            ("text", "text_delta") => append(&mut block["text"], piece("text")?),
            ("text", "citations_delta") => {}
            ("thinking", _) if self.signed => return Err("a delta after the signature".to_owned()),
            ("thinking", "thinking_delta") => append(&mut block["thinking"], piece("thinking")?),
            ("thinking", "signature_delta") => {
                block["signature"] = piece("signature")?.into();
                self.signed = true;
            }
            ("tool_use", "input_json_delta") => self.arguments.push_str(piece("partial_json")?),
            (kind, delta) => return Err(format!("{delta} in a {kind} block")),
        }
        Ok(())
    }

    fn block_stop(&mut self, data: &Value) -> Result<(), String> {
        self.require_open_index(data)?;
        let block = self.message.content.last_mut().ok_or("no block")?;
        if block["type"] == "tool_use" {
            let text = if self.arguments.is_empty() { "{}" } else { &self.arguments };
            match serde_json::from_str::<Map<String, Value>>(text) {
                Ok(input) => block["input"] = Value::Object(input),
                Err(error) => {
                    self.unfinished = Some(format!("partial_json is not an object: {error}: {text}"));
                }
            }
            self.message.tool_inputs.push(text.to_owned());
        }
        self.state = State::Between;
        Ok(())
    }

    fn message_delta(&mut self, data: &Value) -> Result<(), String> {
        let reason =
            data["delta"]["stop_reason"].as_str().ok_or("message_delta without a stop reason")?.to_owned();
        self.message.usage.extend(usage(&data["usage"])?);
        // A limit cuts where it likes, and so does a filter: the real API refuses in mid-call too.
        let cut = matches!(reason.as_str(), "max_tokens" | "model_context_window_exceeded" | "refusal");
        if let Some(fault) = self.unfinished.take().filter(|_| !cut) {
            return Err(fault);
        }
        let calls = self.message.kinds().contains(&"tool_use");
        require(reason != "tool_use" || calls, || "stop reason tool_use without a tool call".to_owned())?;
        require(reason != "end_turn" || !calls, || "stop reason end_turn with a tool call".to_owned())?;
        let empty = self.message.content.is_empty();
        require(!empty || reason == "refusal", || "an answer without any block".to_owned())?;
        let sequence = data["delta"]["stop_sequence"].as_str().map(str::to_owned);
        let named = (reason == "stop_sequence") == sequence.is_some();
        require(named, || format!("stop reason {reason} with stop sequence {sequence:?}"))?;
        (self.message.stop_reason, self.message.stop_sequence) = (Some(reason), sequence);
        self.state = State::Delta;
        Ok(())
    }

    fn error(&mut self, error: &Value) -> Result<(), String> {
        let text = |key: &str| error[key].as_str().is_some_and(|value| !value.is_empty());
        require(text("type") && text("message"), || format!("an error without type or message: {error}"))?;
        require(self.state != State::Delta, || "an error after message_delta".to_owned())?;
        // What was cut off by the error need not be whole; what was closed before it must be.
        if let Some(fault) = self.unfinished.take() {
            return Err(fault);
        }
        self.message.error = Some(error.clone());
        self.state = State::Ended;
        Ok(())
    }

    fn require_open_index(&self, data: &Value) -> Result<(), String> {
        let (index, open) = (&data["index"], self.message.content.len() - 1);
        require(*index == open, || format!("index {index} while block {open} is open"))
    }

    fn finish(self) -> Result<Folded, String> {
        match self.state {
            State::Ended => Ok(self.message),
            state => Err(format!("the stream ends early, in the state {state:?}")),
        }
    }
}

/// The usage object, if its two totals are there and all its counts are integers.
fn usage(usage: &Value) -> Result<Map<String, Value>, String> {
    let counts = usage.as_object().ok_or("no usage")?;
    for key in ["input_tokens", "output_tokens"] {
        require(counts.contains_key(key), || format!("usage without {key}"))?;
    }
    for (key, count) in counts.iter().filter(|(key, _)| key.ends_with("_tokens")) {
        require(count.is_u64(), || format!("{key} is not a count: {count}"))?;
    }
    Ok(counts.clone())
}

fn append(text: &mut Value, piece: &str) {
    *text = format!("{}{piece}", text.as_str().unwrap_or_default()).into();
}

fn require(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

fn listing(events: &[Event]) -> String {
    let line = |(number, event): (usize, &Event)| {
        format!("{number:4} {}: {}\n", event.name.as_deref().unwrap_or("(no name)"), event.data)
    };
    events.iter().enumerate().map(line).collect()
}
