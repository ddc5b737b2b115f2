//! Properties of the translation that hold for every input, checked on arbitrary ones (house.md §3.6, P1 to P4).
//!
//! | property | module |
//! |---|---|
//! | P1 every stream that goes out is legal | `streams` |
//! | P2 where text, arguments and bytes are cut changes nothing | `splits` |
//! | P3 a stream folds to what the whole answer becomes | `splits` |
//! | P1 to P3 over Responses; both dialects tell the same | `responses` |
//! | P4 nothing panics, and memory stays within its cap | `totality` |
//! | opaque JSON keeps its bytes | `opaque` |
//! | how a client escapes its texts changes nothing | `escapes` |
//! | an older turn's bytes are a prefix of the next turn's | `prefix` |
//! | both readers of event streams agree | `event_streams` |

mod escapes;
mod event_streams;
mod opaque;
mod prefix;
mod responses;
mod splits;
mod streams;
mod totality;

use crate::support::sse::{self, parse};
use crate::support::sse_rules;
use aiapiproxy::protocol::anthropic::error::{Error, ErrorKind};
use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::protocol::anthropic::stream::Event;
use aiapiproxy::sse::{Decoder, encode};
use aiapiproxy::translate::context::Context;
use aiapiproxy::translate::message_fold::MessageFold;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::stream::{End, Stream};
use aiapiproxy::translate::{Dialect, Options, request};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Enough to find what is wrong, few enough for every `cargo test`.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

/// Longest event that the tests' streams may have, in bytes.
const EVENT_LIMIT: usize = 1 << 20;

fn options(preset: Preset) -> Options {
    Options::new(preset.quirks(), "up", "upstream-model")
}

/// What a request may have said that changes how its answer is read.
#[derive(Debug, Clone, Copy)]
struct Wishes {
    one_tool_call: bool,
    omit_thinking: bool,
    think_tags: bool,
    think_opened: bool,
    citations: bool,
    lenient_eof: bool,
    /// Stop sequences are searched for here; else the upstream names them.
    scan: bool,
}

fn wishes() -> impl Strategy<Value = Wishes> {
    any::<[bool; 7]>().prop_map(
        |[one_tool_call, omit_thinking, think_tags, think_opened, citations, lenient_eof, scan]| Wishes {
            one_tool_call,
            omit_thinking,
            think_tags,
            think_opened,
            citations,
            lenient_eof,
            scan,
        },
    )
}

const PLAIN: Wishes = Wishes {
    one_tool_call: false,
    omit_thinking: false,
    think_tags: false,
    think_opened: false,
    citations: false,
    lenient_eof: false,
    scan: false,
};

/// Both dialects that answers are read in.
const DIALECTS: [Dialect; 2] = [Dialect::Chat, Dialect::Responses];

fn context(wishes: Wishes) -> Context {
    context_of(Dialect::Chat, wishes)
}

fn context_of(dialect: Dialect, wishes: Wishes) -> Context {
    let mut body = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "used", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "used"}]},
        ],
        "tools": [{"name": "f", "input_schema": {}}, {"name": "a.b", "input_schema": {}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": wishes.one_tool_call},
        // One begins another, one begins inside of another, one is found inside of another.
        "stop_sequences": ["STOP", "STOPPED", "TOPS", "xSTOPx"],
    });
    if wishes.omit_thinking {
        body["thinking"] = json!({"type": "adaptive", "display": "omitted"});
    }
    let mut options = options(if wishes.scan { Preset::Generic } else { Preset::Vllm });
    options.quirks.think_tags = wishes.think_tags;
    options.quirks.think_opened = wishes.think_opened;
    options.quirks.citations = wishes.citations;
    options.quirks.lenient_eof = wishes.lenient_eof;
    options.dialect = dialect;
    request(Request::parse(body.to_string().as_bytes()).unwrap(), &options).unwrap().context
}

fn stream(wishes: Wishes) -> Stream {
    stream_of(Dialect::Chat, wishes)
}

fn stream_of(dialect: Dialect, wishes: Wishes) -> Stream {
    Stream::new("msg_1".to_owned(), context_of(dialect, wishes))
}

/// A body of events, one a line.
fn body_of<'a>(chunks: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend(format!("data: {chunk}\n\n").bytes());
    }
    body.extend(b"data: [DONE]\n\n");
    body
}

/// Sends bytes through decoder and stream, piece by piece.
fn run<'a>(stream: &mut Stream, pieces: impl IntoIterator<Item = &'a [u8]>, end: End) -> Vec<Event> {
    let mut decoder = Decoder::new(EVENT_LIMIT);
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(error) = decoder.push(piece, |event| stream.push(&event, &mut events)) {
            stream.finish(End::Failed(Error::new(ErrorKind::Api, error.to_string())), &mut events);
            return events;
        }
    }
    decoder.finish(|event| stream.push(&event, &mut events));
    stream.finish(end, &mut events);
    events
}

/// The events as they go over the wire, read back.
fn wire(events: &[Event]) -> Vec<sse::Event> {
    let mut bytes = Vec::new();
    for event in events {
        encode(event.name(), event, &mut bytes);
    }
    parse(&bytes)
}

/// The message the events tell, by our own fold, as JSON text.
fn folded(events: Vec<Event>) -> Result<String, String> {
    let mut fold = MessageFold::default();
    for event in events {
        fold.push(event).map_err(|error| error.message)?;
    }
    let message = fold.finish().map_err(|error| error.message)?;
    Ok(serde_json::to_string(&message).unwrap())
}

/// Cuts a text into pieces, between characters; the places are fractions of its length.
fn cut<'a>(text: &'a str, places: &[prop::sample::Index]) -> Vec<&'a str> {
    let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut cuts: Vec<usize> = places.iter().map(|place| borders[place.index(borders.len())]).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// Places to cut at.
fn places(most: usize) -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..=most)
}

/// JSON objects as texts, with the spacing, the numbers and the escapes that a rewrite would change.
fn object_text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        prop::sample::select(
            &["1.10", "9007199254740993", "1e2", "-0.0", "123456789012345678901234567890"][..]
        )
        .prop_map(str::to_owned),
        string_text(),
    ];
    let value = scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (space(), prop::collection::vec((inner.clone(), space()), 0..4)).prop_map(|(space, items)| {
                let items: Vec<String> = items.into_iter().map(|(item, space)| item + space).collect();
                format!("[{space}{}]", items.join(","))
            }),
            members(inner),
        ]
    });
    members(value)
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (space(), prop::collection::vec((string_text(), space(), value, space()), 0..4)).prop_map(
        |(space, members)| {
            let members: Vec<String> = members
                .into_iter()
                .enumerate()
                // A number keeps the names apart.
                .map(|(number, (name, before, value, after))| {
                    format!("\"{number}{}:{before}{value}{after}", &name[1..])
                })
                .collect();
            format!("{{{space}{}}}", members.join(","))
        },
    )
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["", "", " ", "  ", "\n\t"][..])
}

/// A JSON string as text, escapes included.
fn string_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "a",
            "Z9",
            " ",
            "é",
            "😀",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u00e9",
            "\\ud83d\\ude00",
            "{",
            "]",
            ",",
        ][..],
    );
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Fails the case unless the stream is legal; returns what it says.
fn legal(events: &[Event]) -> Result<sse_rules::Folded, TestCaseError> {
    sse_rules::fold(&wire(events)).map_err(|fault| {
        let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        TestCaseError::fail(format!("{fault}\n{}", lines.join("\n")))
    })
}
