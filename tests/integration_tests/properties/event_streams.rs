//! Both readers of event streams, ours and the crate's, find the same events.

use super::{EVENT_LIMIT, config, places};
use aiapiproxy::sse::{Decoder, events};
use bytes::Bytes;
use futures_util::StreamExt;
use proptest::prelude::*;
use std::convert::Infallible;

/// Events as pairs of name and data; no name and `message` are the same. Events without data, which say nothing to
/// us, are dropped by our reader and not by the crate.
type Pairs = Vec<(String, String)>;

fn by_decoder(pieces: &[&[u8]]) -> Pairs {
    let mut decoder = Decoder::new(EVENT_LIMIT);
    let mut found = Pairs::new();
    let mut take = |name: &str, data: &str| {
        found.push((if name == "message" { "" } else { name }.to_owned(), data.to_owned()));
    };
    for piece in pieces {
        decoder.push(piece, |event| take(&event.name, &event.data)).unwrap();
    }
    decoder.finish(|event| take(&event.name, &event.data));
    found
}

fn by_crate(pieces: &[&[u8]]) -> Pairs {
    let pieces: Vec<Result<Bytes, Infallible>> =
        pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let found = events(futures_util::stream::iter(pieces), EVENT_LIMIT)
        .map(|event| event.map(|event| (event.name.into_owned(), event.data.into_owned())).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(found.filter(|(_, data)| std::future::ready(!data.is_empty())).collect())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"data: ",
        b"data:",
        b"data",
        b"event: ",
        b"event:",
        b"id: 1",
        b"retry: 3",
        b": comment",
        b"x",
        b"{\"a\":1}",
        b" ",
        b":",
        b"\n",
        b"\n",
        b"\n",
        b"\n\n",
        b"\r\n",
        b"\r",
        "é😀".as_bytes(),
        b"\xFF",
        b"\xF0\x9F",
        b"[DONE]",
        b"error",
    ];
    let body = prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat());
    (prop::bool::weighted(0.1), body).prop_map(|(marked, body)| {
        let mark: &[u8] = if marked { b"\xEF\xBB\xBF" } else { b"" };
        [mark, &body].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..config() })]

    #[test]
    fn both_readers_find_the_same_events(body in body(), places in places(6)) {
        let mut cuts: Vec<usize> = places.iter().map(|place| place.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        let whole = by_decoder(&[&body]);
        prop_assert_eq!(&by_decoder(&pieces), &whole);
        prop_assert_eq!(&by_decoder(&body.chunks(1).collect::<Vec<_>>()), &whole);
        prop_assert_eq!(&by_crate(&pieces), &whole);
    }
}
