//! A strict reader of the event streams that the program writes.
//!
//! It takes only what the real clients are known to need: named events, one line of data, LF, a blank line.

use serde_json::Value;

/// One event as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field; clients ignore an event without one.
    pub name: Option<String>,
    /// The `data:` field.
    pub data: String,
}

impl Event {
    /// An event as the program would write it, from its data; the name is the data's `type`.
    pub fn of(data: &Value) -> Self {
        let name = data["type"].as_str().map(str::to_owned);
        Self { name, data: data.to_string() }
    }

    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in the event {self:?}"))
    }
}

/// Cuts bytes into events as they come.
#[derive(Debug, Default)]
pub struct EventReader {
    waiting: Vec<u8>,
}

impl EventReader {
    /// Takes bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next event, if it is complete.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let end = self.waiting.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.waiting.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("an event stream in UTF-8");
            if let Some(event) = read_block(block.trim_end_matches('\n')) {
                return Some(event);
            }
        }
    }

    /// Fails the test if the stream ended inside an event.
    pub fn assert_at_end(&self) {
        let rest = String::from_utf8_lossy(&self.waiting);
        assert!(rest.is_empty(), "the stream ended inside an event: {rest:?}");
    }
}

/// The events of a whole stream.
pub fn parse(stream: impl AsRef<[u8]>) -> Vec<Event> {
    let mut reader = EventReader::default();
    reader.push(stream.as_ref());
    let events = std::iter::from_fn(|| reader.next_event()).collect();
    reader.assert_at_end();
    events
}

// `None` for a block of comments alone.
fn read_block(block: &str) -> Option<Event> {
    let (mut name, mut data) = (None, None);
    for line in block.split('\n') {
        if line.starts_with(':') {
            continue;
        }
        let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field in the line {line:?}"));
        let slot = match field {
            "event" => &mut name,
            "data" => &mut data,
            _ => panic!("unknown field in the line {line:?}"),
        };
        assert!(slot.replace(value.to_owned()).is_none(), "two fields {field:?} in one event: {block:?}");
    }
    let data = data.or_else(|| name.is_some().then(|| panic!("an event without data: {block:?}")))?;
    Some(Event { name, data })
}
