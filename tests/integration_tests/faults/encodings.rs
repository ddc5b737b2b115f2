//! Compressed answers, which nobody asked for, and those that unpack to far too much.

use crate::support::bodies::{chunks, completion, request};
use crate::support::packing::{brotli, zstd, zstd_run};
use crate::support::serving::{Gateway, failure, gzip, request_for, streamed};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::Exchange;
use std::io::Write as _;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

type Packer = fn(&[u8]) -> Vec<u8>;
const ENCODINGS: [(&str, Packer); 4] = [("gzip", gzip), ("deflate", deflate), ("br", brotli), ("zstd", zstd)];

#[test]
fn f18_every_encoding_is_understood_though_none_was_asked_for() {
    let stream = chunks(&["Hel", "lo"]).concat();
    let cases = ENCODINGS.into_iter().flat_map(|(name, pack)| {
        let whole =
            Exchange::new().header("content-type", "application/json").header("content-encoding", name);
        let events = Exchange::new().header("content-encoding", name).sse([pack(stream.as_bytes())]).slice(7);
        [
            (format!("{name}-whole"), whole.piece(pack(completion("Hello").to_string().as_bytes()))),
            (format!("{name}-stream"), events),
        ]
    });
    let gateway = Gateway::by_model(cases);
    for (name, _) in ENCODINGS {
        let mut reply = gateway.post(request_for(&format!("{name}-whole"), false));
        let said = reply.json();
        assert_eq!((reply.status, &said["content"][0]["text"]), (200, &"Hello".into()), "{name}: {said}");
        assert_eq!(
            streamed(gateway.post(request_for(&format!("{name}-stream"), true))).text(),
            "Hello",
            "{name}"
        );
    }
    for request in gateway.upstream.requests() {
        let events = request.json()["stream"] == true;
        assert!(!events || request.header("accept-encoding") == Some("identity"), "{:?}", request.headers);
    }
    gateway.end();
}

#[test]
fn f18_a_compressed_stream_is_told_as_it_comes() {
    let gate = crate::support::watched::Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(events[..2].concat().as_bytes()).unwrap();
    packer.flush().unwrap();
    let first = std::mem::take(packer.get_mut());
    packer.write_all(events[2..].concat().as_bytes()).unwrap();
    let second = packer.finish().unwrap();
    let upstream = Exchange::new().header("content-encoding", "gzip").sse([first]).pause(&gate).sse([second]);
    let gateway = Gateway::start(vec![upstream]);
    let mut reply = gateway.post(request("hi", true));
    let mut seen = reply.events_until(|event| event.data.contains("Hel"));
    gate.open();
    seen.extend(reply.events());
    assert_eq!(check_stream(&seen).text(), "Hello");
    drop(reply);
    gateway.end();
}

#[test]
fn f19_a_bomb_in_a_whole_answer_ends_at_the_limit() {
    // A gigabyte in 32 KiB.
    let bomb = zstd_run(b' ', 1 << 30);
    assert!(bomb.len() < 64 << 10);
    let upstream = Exchange::new()
        .header("content-type", "application/json")
        .header("content-encoding", "zstd")
        .piece(&bomb);
    let gateway = Gateway::with_config(vec![upstream], "[limits]\nmax_response_size = '4MiB'\n");
    let reply = gateway.post(request("hi", false));
    assert_eq!(reply.header("x-should-retry"), Some("false"), "it will be as long again");
    let error = failure(reply, 502, "api_error");
    assert!(error["message"].as_str().unwrap().contains("max_response_size"), "{error}");
    if let Some(memory) = gateway.server.running().resident_kib() {
        assert!(memory < 100_000, "{memory} KiB for a limit of 4 MiB");
    }
    gateway.end();
}
