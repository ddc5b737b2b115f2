//! How often memory is asked for, per request and per chunk: budgets, so that what was saved stays saved.
//!
//! A target of its own, because it counts the allocations of its whole process.

#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test may panic")]

use aiapiproxy::{
    protocol::{anthropic::request::Request, json},
    sse::Decoder,
    translate::{self, Options, context::Context, quirks::Preset, stream::Stream},
};

#[path = "../benches/samples.rs"]
mod samples;

/// Allocations of what `run` does, and what it returns.
fn counted<T>(run: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(run()));
    (counted.count_total, result.unwrap())
}

/// Allocations while a stream of so many pieces is translated.
fn of_stream(pieces: usize) -> u64 {
    let bytes = samples::stream(pieces);
    let mut stream = Stream::new("msg_1".to_owned(), Context::default());
    let mut decoder = Decoder::new(1 << 20);
    let (mut events, mut out) = (Vec::with_capacity(8), Vec::with_capacity(2 * bytes.len()));
    let (count, ()) = counted(|| {
        let pushed = decoder.push(&bytes, |event| {
            stream.push(&event, &mut events);
            for event in events.drain(..) {
                translate::encode(&event, &mut out);
            }
        });
        pushed.unwrap();
    });
    assert!(out.len() > pieces * 100);
    count
}

#[test]
fn a_chunk_of_text_costs_one_allocation_and_escapes_another() {
    // Two of five pieces hold escapes.
    let (few, many) = (of_stream(100), of_stream(1_100));
    assert_eq!(many - few, 1_000 + 400, "{few} allocations for 100 pieces, {many} for 1100");
}

#[test]
fn a_turn_of_the_conversation_costs_a_fixed_number_of_allocations() {
    let of = |bytes: usize| {
        let body = samples::request(bytes);
        let options = Options::new(Preset::Generic.quirks(), "up", "m");
        let (count, written) = counted(|| {
            let translated = translate::request(Request::parse(&body).unwrap(), &options).unwrap();
            json::to_vec(&translated.body, body.len() + 1024).unwrap()
        });
        assert!(written.len() > body.len() / 2);
        count
    };
    // A turn is a call of a tool and its result, 6 KB.
    let (few, many) = (of(60_000), of(660_000));
    assert_eq!((many - few) / 100, TURN, "{few} allocations for few turns, {many} for 100 more");
}

/// Ids, names, texts and inputs of a turn.
const TURN: u64 = 14;
