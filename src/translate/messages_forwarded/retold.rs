//! The same message in the other form: a whole one as events, events as a whole one. Members that this program does
//! not know are carried.

use super::error::in_band;
use super::response::is_failure;
use crate::protocol::anthropic::error::{Error, ErrorKind};
use crate::sse;
use crate::translate::json_object::{Members, ObjectText, quoted, raw};
use serde_json::value::RawValue;

/// Tells a whole message as the stream of events that would have told it, each block with one delta.
pub(super) fn explode(message: &Members<'_>, requested_model: &str, out: &mut Vec<u8>) {
    let mut begun = ObjectText::default();
    for (name, value) in message.iter().filter(|(name, _)| *name != "model") {
        match name {
            "content" => begun.member(name, "[]"),
            "stop_reason" | "stop_sequence" | "stop_details" => begun.member(name, "null"),
            _ => begun.member(name, value.get()),
        }
    }
    begun.member("model", &quoted(requested_model));
    if message.get("usage").is_none() {
        begun.member("usage", NO_USAGE);
    }
    event("message_start", &[("message", begun.finish().get())], out);
    let content = message.get("content").and_then(|content| serde_json::from_str(content.get()).ok());
    let blocks: Vec<&RawValue> = content.unwrap_or_default();
    for (index, block) in blocks.into_iter().enumerate() {
        let index = index.to_string();
        let (empty, deltas) = taken_apart(block);
        event("content_block_start", &[("index", &index), ("content_block", empty.get())], out);
        for delta in deltas {
            event("content_block_delta", &[("index", &index), ("delta", delta.get())], out);
        }
        event("content_block_stop", &[("index", &index)], out);
    }
    let mut delta = ObjectText::default();
    for name in ["stop_reason", "stop_sequence", "stop_details"] {
        delta.member(name, message.get(name).map_or("null", RawValue::get));
    }
    let usage = message.get("usage").map_or(NO_USAGE, RawValue::get);
    event("message_delta", &[("delta", delta.finish().get()), ("usage", usage)], out);
    event("message_stop", &[], out);
}

/// Both SDKs read the counts without asking whether there are any.
const NO_USAGE: &str = r#"{"input_tokens":0,"output_tokens":0}"#;

fn event(name: &str, members: &[(&str, &str)], out: &mut Vec<u8>) {
    let mut data = ObjectText::default();
    data.member("type", &quoted(name));
    for (name, json) in members {
        // Line ends of a text that was laid out for people would end the line of the event.
        data.member(name, &json.replace(['\n', '\r'], " "));
    }
    sse::encode(name, &data.finish(), out);
}

/// What stands in a block at its start, and the deltas that fill it. Blocks of unknown types come whole.
fn taken_apart(block: &RawValue) -> (Box<RawValue>, Vec<Box<RawValue>>) {
    let Some(members) = Members::read(block) else { return (block.to_owned(), Vec::new()) };
    let mut empty = ObjectText::default();
    let mut deltas = Vec::new();
    for (name, value) in members.iter() {
        let filler = FILLERS.iter().find(|filler| filler.member == name && filler.fills(&members));
        let Some(filler) = filler else {
            empty.member(name, value.get());
            continue;
        };
        empty.member(name, filler.empty);
        if value.get() != filler.empty {
            let mut delta = ObjectText::default();
            delta.member("type", &quoted(filler.delta));
            let json = if filler.is_text { value.get().to_owned() } else { quoted(value.get()) };
            delta.member(filler.piece, &json);
            deltas.push(delta.finish());
        }
    }
    (empty.finish(), deltas)
}

/// A member of a block that arrives by deltas.
struct Filler {
    /// The block's type.
    kind: &'static str,
    member: &'static str,
    /// Its value at the start.
    empty: &'static str,
    delta: &'static str,
    /// The member of the delta.
    piece: &'static str,
    /// A text grows; JSON grows as a text that is JSON at its end.
    is_text: bool,
    /// Each delta says the whole of it.
    replaces: bool,
}

const FILLERS: [Filler; 4] = [
    Filler {
        kind: "text",
        member: "text",
        empty: "\"\"",
        delta: "text_delta",
        piece: "text",
        is_text: true,
        replaces: false,
    },
    Filler {
        kind: "thinking",
        member: "thinking",
        empty: "\"\"",
        delta: "thinking_delta",
        piece: "thinking",
        is_text: true,
        replaces: false,
    },
    Filler {
        kind: "thinking",
        member: "signature",
        empty: "\"\"",
        delta: "signature_delta",
        piece: "signature",
        is_text: true,
        replaces: true,
    },
    Filler {
        kind: "tool_use",
        member: "input",
        empty: "{}",
        delta: "input_json_delta",
        piece: "partial_json",
        is_text: false,
        replaces: false,
    },
];

impl Filler {
    fn fills(&self, block: &Members<'_>) -> bool {
        let kind = text(block, "type").unwrap_or_default();
        // `server_tool_use` and its kin are filled as `tool_use` is.
        kind == self.kind || self.kind == "tool_use" && kind.ends_with("_tool_use")
    }
}

/// Folds a stream into the message that it tells.
///
/// # Errors
/// The failure that the stream tells, or `api_error` when it is not whole or does not fit together.
pub(super) fn fold(body: &[u8], upstream: &str) -> Result<String, Error> {
    let mut fold = Fold::default();
    let mut result = Ok(());
    let mut decoder = sse::Decoder::new(body.len());
    let mut take = |event: sse::Event<'_>| {
        if result.is_ok() {
            result = fold.push(&event.data, upstream);
        }
    };
    // An event cannot be longer than the body that holds it.
    let _ = decoder.push(body, &mut take);
    decoder.finish(&mut take);
    result?;
    if !fold.stopped {
        return Err(broken(upstream, "the upstream closed the stream early"));
    }
    fold.text().ok_or_else(|| broken(upstream, "the stream has no message_start"))
}

fn broken(upstream: &str, what: &str) -> Error {
    Error::new(ErrorKind::Api, format!("{upstream}: {what}")).with_status(502)
}

#[derive(Default)]
struct Fold {
    /// Members of the message.
    message: Vec<(String, String)>,
    blocks: Vec<Block>,
    stopped: bool,
}

#[derive(Default)]
struct Block {
    members: Vec<(String, String)>,
    /// Texts that grow, by their filler.
    grown: [Option<String>; FILLERS.len()],
    citations: Vec<String>,
}

impl Fold {
    fn push(&mut self, data: &str, upstream: &str) -> Result<(), Error> {
        let Some(members) = serde_json::from_str(data).ok().and_then(Members::read) else { return Ok(()) };
        if self.stopped {
            return Ok(());
        }
        if is_failure(&members) {
            return Err(in_band(data.as_bytes(), upstream));
        }
        match text(&members, "type").unwrap_or_default().as_str() {
            "message_start" => {
                self.message = owned(members.get("message"));
            }
            "content_block_start" => {
                self.blocks.push(Block { members: owned(members.get("content_block")), ..Block::default() });
            }
            "content_block_delta" => {
                let index = members.get("index").and_then(|index| index.get().parse::<usize>().ok());
                let block = index.and_then(|index| self.blocks.get_mut(index));
                let delta = members.get("delta").and_then(Members::read);
                let (Some(block), Some(delta)) = (block, delta) else {
                    return Err(broken(upstream, "the stream is malformed: a delta without its block"));
                };
                if !block.grow(&delta) {
                    let kind = text(&delta, "type").unwrap_or_default();
                    let message = format!("the stream cannot be told as one message: {kind} is unknown");
                    return Err(broken(upstream, &message));
                }
            }
            "message_delta" => self.message_delta(&members),
            "message_stop" => self.stopped = true,
            _ => {}
        }
        Ok(())
    }

    /// What it says replaces what `message_start` said, count by count.
    fn message_delta(&mut self, event: &Members<'_>) {
        for (name, value) in event.iter() {
            match name {
                "type" => {}
                "delta" => set_all(&mut self.message, Some(value)),
                "usage" => {
                    let before = self.message.iter().find(|(name, _)| name == "usage");
                    let before = before.and_then(|(_, json)| serde_json::from_str(json).ok());
                    let mut usage = owned(before);
                    set_all(&mut usage, Some(value));
                    set(&mut self.message, "usage", object(&usage));
                }
                _ => set(&mut self.message, name, value.get().to_owned()),
            }
        }
    }

    fn text(mut self) -> Option<String> {
        if self.message.is_empty() {
            return None;
        }
        let blocks: Vec<String> = self.blocks.into_iter().map(Block::text).collect();
        set(&mut self.message, "content", format!("[{}]", blocks.join(",")));
        Some(object(&self.message))
    }
}

impl Block {
    fn grow(&mut self, delta: &Members<'_>) -> bool {
        let kind = text(delta, "type").unwrap_or_default();
        if kind == "citations_delta" {
            self.citations.extend(delta.get("citation").map(|citation| citation.get().to_owned()));
            return true;
        }
        let filler = FILLERS.iter().zip(&mut self.grown).find(|(filler, _)| filler.delta == kind);
        let Some((filler, grown)) = filler else { return false };
        let piece = text(delta, filler.piece).unwrap_or_default();
        match grown {
            Some(text) if !filler.replaces => text.push_str(&piece),
            _ => *grown = Some(piece),
        }
        true
    }

    fn text(mut self) -> String {
        for (filler, grown) in FILLERS.iter().zip(self.grown) {
            let Some(grown) = grown else { continue };
            if filler.is_text {
                let begun = self.members.iter().find(|(name, _)| name == filler.member);
                let begun = begun.and_then(|(_, json)| serde_json::from_str::<String>(json).ok());
                let before = begun.filter(|_| !filler.replaces).unwrap_or_default();
                set(&mut self.members, filler.member, quoted(&(before + &grown)));
            } else if !grown.trim().is_empty() {
                // An input that a limit has cut is none; `raw` gives an empty one.
                set(&mut self.members, filler.member, raw(grown).get().to_owned());
            }
        }
        if !self.citations.is_empty() {
            set(&mut self.members, "citations", format!("[{}]", self.citations.join(",")));
        }
        object(&self.members)
    }
}

fn owned(object: Option<&RawValue>) -> Vec<(String, String)> {
    let members = object.and_then(Members::read);
    let pairs = members.iter().flat_map(Members::iter);
    pairs.map(|(name, value)| (name.to_owned(), value.get().to_owned())).collect()
}

fn set(members: &mut Vec<(String, String)>, name: &str, json: String) {
    match members.iter_mut().find(|(known, _)| known == name) {
        Some((_, value)) => *value = json,
        None => members.push((name.to_owned(), json)),
    }
}

fn set_all(members: &mut Vec<(String, String)>, news: Option<&RawValue>) {
    for (name, json) in owned(news) {
        set(members, &name, json);
    }
}

fn object(members: &[(String, String)]) -> String {
    let mut object = ObjectText::default();
    for (name, json) in members {
        object.member(name, json);
    }
    object.finish().get().to_owned()
}

fn text(members: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"id":"m","type":"message","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"a\nb","citations":[{"x":1.0}]},{"type":"tool_use","id":"t","name":"n","input":{"b":1e2,"a":[]},"caller":{"type":"direct"}},{"type":"server_tool_use","id":"u","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"u","content":[]},{"type":"redacted_thinking","data":"d"},{"type":"tool_use","id":"v","name":"n","input":{}}],"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"usage":{"input_tokens":3,"output_tokens":5,"server_tool_use":{"web_search_requests":1}},"model":"c"}"#;

    fn exploded(message: &str) -> String {
        let mut out = Vec::new();
        explode(&serde_json::from_str(message).unwrap(), "c", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_told_as_events_folds_back_to_itself() {
        assert_eq!(fold(exploded(MESSAGE).as_bytes(), "up").unwrap(), MESSAGE);
    }

    #[test]
    fn a_message_laid_out_for_people_stays_on_the_lines_of_its_events() {
        let pretty = "{\n \"content\": [\n  {\"type\": \"tool_use\",\r\n \"input\": {\n \"a\": 1 } } ]\n}";
        let events = exploded(pretty);
        assert_eq!(events.lines().filter(|line| line.starts_with("data: {")).count(), 6);
        assert!(
            events
                .lines()
                .all(|line| line.is_empty() || line.starts_with("event: ") || line.starts_with("data: {"))
        );
        assert!(events.contains(r#""partial_json":"{\n \"a\": 1 }""#), "{events}");
    }

    #[test]
    fn a_stream_that_tells_no_whole_message_is_an_error() {
        let events = exploded(MESSAGE);
        let error = |body: &str| fold(body.as_bytes(), "up").unwrap_err().message;
        let cut = events.rsplit_once("event: message_stop").unwrap().0;
        assert_eq!(error(cut), "up: the upstream closed the stream early");
        assert!(
            error("data: {\"type\":\"content_block_delta\",\"index\":0}\n\n").contains("without its block")
        );
        let failure = r#"data: {"type":"error","error":{"type":"overloaded_error","message":"full"}}"#;
        assert_eq!(error(&format!("{cut}{failure}\n\n")), "full");
        assert!(error("data: {\"type\":\"message_stop\"}\n\n").contains("message_start"));
        let unknown = events.replace("text_delta", "odd_delta");
        assert!(error(&unknown).contains("odd_delta is unknown"));
    }
}
