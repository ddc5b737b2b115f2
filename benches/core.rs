//! The core without IO: requests, answers, chunks, event streams, tokens. `cargo bench --bench core`.

#![allow(
    clippy::expect_used,
    clippy::allow_attributes,
    missing_docs,
    reason = "a bench may panic, and is no library"
)]

use std::hint::black_box;

use aiapiproxy::{
    protocol::{anthropic::request::Request, json},
    sse::Decoder,
    translate::{
        self, Options,
        context::Context,
        quirks::Preset,
        response::response,
        stream::{End, Stream},
        tokens,
    },
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod samples;

/// The program's own: what a request asks of it is a good part of what a request costs.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn options() -> Options {
    Options::new(Preset::Generic.quirks(), "up", "m")
}

/// What the gateway does with a client's body before it asks the upstream.
fn translated(body: &[u8], options: &Options) -> Vec<u8> {
    let parsed = Request::parse(body).expect("a request");
    let translated = translate::request(parsed, options).expect("a translation");
    json::to_vec(&translated.body, body.len()).expect("JSON")
}

/// What the client gets of a whole stream.
fn streamed(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Stream::new("msg_1".to_owned(), Context::default());
    let (mut decoder, mut events, mut out) =
        (Decoder::new(1 << 20), Vec::new(), Vec::with_capacity(bytes.len()));
    let pushed = decoder.push(bytes, |event| {
        stream.push(&event, &mut events);
        events.drain(..).for_each(|event| translate::encode(&event, &mut out));
    });
    pushed.expect("events within the limit");
    stream.finish(End::Eof, &mut events);
    events.drain(..).for_each(|event| translate::encode(&event, &mut out));
    out
}

/// A completion with a text of so many bytes.
fn completion(bytes: usize) -> Vec<u8> {
    let text = "One line of an answer, with \"quotes\".\n".repeat(bytes / 40 + 1);
    serde_json::json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": text, "refusal": null}, "logprobs": null,
        "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}})
    .to_string()
    .into_bytes()
}

fn bytes(body: &[u8]) -> Throughput {
    Throughput::Bytes(body.len().try_into().unwrap_or(u64::MAX))
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let options = options();
    for size in [1_000, 228_000, 2_000_000] {
        let body = if size < 40_000 {
            br#"{"model":"claude-sonnet-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#
                .to_vec()
        } else {
            samples::request(size)
        };
        group.throughput(bytes(&body));
        group.bench_function(format!("{} bytes", body.len()), |it| {
            it.iter(|| translated(black_box(&body), &options));
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    for size in [1_000, 100_000] {
        let body = completion(size);
        group.throughput(bytes(&body));
        group.bench_function(format!("{} bytes", body.len()), |it| {
            it.iter(|| {
                let (message, _) =
                    response(black_box(&body), "msg_1".to_owned(), Context::default()).expect("a message");
                json::to_vec(&message, body.len())
            });
        });
    }
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream");
    let body = samples::stream(200);
    group.throughput(bytes(&body));
    group.bench_function("decode 200 events", |it| {
        it.iter(|| {
            let mut count = 0_usize;
            let decoded = Decoder::new(1 << 20).push(black_box(&body), |event| count += event.data.len());
            decoded.map(|()| count)
        });
    });
    group.bench_function("translate 200 events", |it| it.iter(|| streamed(black_box(&body))));
    group.finish();
}

fn counts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tokens");
    group.sample_size(10);
    let body = samples::request(228_000);
    let parsed = Request::parse(&body).expect("a request");
    let translated = translate::request(parsed, &options()).expect("a translation");
    group.throughput(bytes(&body));
    group.bench_function("estimate", |it| it.iter(|| tokens::estimate(black_box(&translated.body))));
    group.bench_function("count", |it| it.iter(|| tokens::count(black_box(&translated.body))));
    group.finish();
}

criterion_group!(benches, requests, responses, streams, counts);
criterion_main!(benches);
