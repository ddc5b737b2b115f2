//! What is fuzzed: each entry takes any bytes, and panics where a promise is broken.
//!
//! `cargo test` runs them on seeded inputs (`tests/integration_tests/fuzz.rs`), libFuzzer on those that it finds
//! (`Cargo.toml` beside this file). Both give them the reader of event streams and its rules.

use super::{sse, sse_rules};
use aiapiproxy::config::env::Surroundings;
use aiapiproxy::config::server::Auth;
use aiapiproxy::config::{Config, Sources};
use aiapiproxy::protocol::anthropic::error::{Error, ErrorKind};
use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::secret::{ClientKey, ClientKeys, digest};
use aiapiproxy::server::auth::authenticate;
use aiapiproxy::sse::{Decoder, encode};
use aiapiproxy::translate::context::Context;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::{End, Stream};
use aiapiproxy::translate::{
    Asked, Options, UpstreamAnswer, error as translate_error, request as translate_request,
};
use http::{HeaderMap, HeaderValue};
use std::path::Path;
use std::time::SystemTime;

/// One way in.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Its name; `targets/NAME.rs` gives it to libFuzzer.
    pub(crate) name: &'static str,
    /// What is done with the bytes.
    pub(crate) run: fn(&[u8]),
}

/// Every way in.
pub(crate) const ENTRIES: [Entry; 7] = [
    Entry { name: "request", run: request },
    Entry { name: "answer", run: answer },
    Entry { name: "stream", run: stream },
    Entry { name: "decoder", run: decoder },
    Entry { name: "error", run: error },
    Entry { name: "config", run: config },
    Entry { name: "auth", run: auth },
];

/// Longest event that is taken, in bytes.
const EVENT_LIMIT: usize = 1 << 16;

/// A client's request: refused, or written as JSON with a bounded report.
pub(crate) fn request(bytes: &[u8]) {
    let (choice, bytes) = split_choice(bytes);
    let preset = Preset::ALL[choice % Preset::ALL.len()];
    let Ok(parsed) = Request::parse(bytes) else { return };
    let options = Options::new(preset.quirks(), "up", "upstream-model");
    let Ok(translated) = translate_request(parsed, &options) else { return };
    let text = serde_json::to_string(&translated.body).expect("a body that can be written");
    serde_json::from_str::<serde_json::Value>(&text).expect("a body that is JSON");
    assert!(translated.report.header().is_none_or(|header| header.len() <= 1_024));
}

/// An upstream's whole answer: a failure, or a message that can be written.
pub(crate) fn answer(bytes: &[u8]) {
    let (choice, bytes) = split_choice(bytes);
    if let Ok((message, _)) = response(bytes, "msg_1".to_owned(), context(choice)) {
        serde_json::to_string(&message).expect("a message that can be written");
    }
}

/// An upstream's stream, cut anywhere: the events that come of it are legal.
pub(crate) fn stream(bytes: &[u8]) {
    let (choice, bytes) = split_choice(bytes);
    let mut stream = Stream::new("msg_1".to_owned(), context(choice));
    let mut decoder = Decoder::new(EVENT_LIMIT);
    let mut events = Vec::new();
    let mut end = End::Eof;
    for piece in bytes.chunks(1 + choice % 61) {
        if let Err(error) = decoder.push(piece, |event| stream.push(&event, &mut events)) {
            end = End::Failed(Error::new(ErrorKind::Api, error.to_string()));
            break;
        }
    }
    if matches!(end, End::Eof) {
        decoder.finish(|event| stream.push(&event, &mut events));
    }
    stream.finish(end, &mut events);
    if !stream.is_started() {
        // Nothing has been sent: the failure becomes a status.
        assert!(events.len() <= 1 && stream.failure().is_some(), "{events:?}");
        return;
    }
    let mut written = Vec::new();
    for event in &events {
        encode(event.name(), event, &mut written);
    }
    if let Err(fault) = sse_rules::fold(&sse::parse(&written)) {
        panic!("illegal stream: {fault}\n{}", String::from_utf8_lossy(&written));
    }
}

/// The decoder of event streams: where it is cut changes nothing.
pub(crate) fn decoder(bytes: &[u8]) {
    let (choice, bytes) = split_choice(bytes);
    let read = |size: usize| {
        let mut decoder = Decoder::new(EVENT_LIMIT);
        let mut events = Vec::new();
        for piece in bytes.chunks(size) {
            decoder.push(piece, |event| events.push(event.into_owned())).expect("within the limit");
        }
        decoder.finish(|event| events.push(event.into_owned()));
        events
    };
    if bytes.len() < EVENT_LIMIT {
        assert_eq!(read(EVENT_LIMIT), read(1 + choice % 7));
    }
}

/// An upstream's failure: an error with a status and a bounded message.
pub(crate) fn error(bytes: &[u8]) {
    let (choice, body) = split_choice(bytes);
    let status = [200, 400, 401, 404, 413, 429, 500, 503, 529][choice % 9];
    let told =
        translate_error(&UpstreamAnswer { status, body, ..UpstreamAnswer::default() }, &Asked::of("up"));
    assert!((400..600).contains(&told.status) && !told.message.is_empty());
    assert!(told.message.chars().count() < 2_200, "{} bytes", told.message.len());
}

/// A configuration file: refused in a few lines, or taken.
pub(crate) fn config(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, bytes).expect("a file that can be written");
    let surroundings = Surroundings {
        variables: Box::new(|_| None),
        dot_env: Path::new("/nonexistent/.env").to_owned(),
        config_files: Vec::new(),
    };
    let sources = Sources { config_file: Some(path), key_optional: true, ..Sources::default() };
    if let Err(error) = Config::load_from(&sources, &surroundings) {
        let told = error.to_string();
        assert!(!told.is_empty() && told.lines().count() <= 3, "{told}");
    }
}

/// The headers that carry a client's key, the real key among other bytes: only the whole key opens.
pub(crate) fn auth(bytes: &[u8]) {
    const KEY: &str = "aap_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let (choice, bytes) = split_choice(bytes);
    let (before, after) = bytes.split_at(bytes.len().min(choice % 8));
    let key = &KEY[..KEY.len() - usize::from(choice & 8 != 0)];
    let value = [before, key.as_bytes(), &after[..after.len().min(choice >> 4)]].concat();
    let name = if choice & 16 == 0 { "x-api-key" } else { "authorization" };
    let Ok(value) = HeaderValue::from_bytes(&value) else { return };
    let mut headers = HeaderMap::from_iter([(name.parse().expect("a name"), value.clone())]);
    let keys = ClientKeys::from_iter([ClientKey::new("alice", digest(KEY))]);
    let opens =
        |headers: &HeaderMap| authenticate(Auth::Keys, &keys, headers, SystemTime::UNIX_EPOCH).is_ok();
    if opens(&headers) {
        let told = value.to_str().expect("keys are ASCII");
        assert_eq!(told.split_ascii_whitespace().next_back(), Some(KEY), "{name}: {told:?}");
    }
    headers.insert("x-api-key", HeaderValue::from_static(KEY));
    assert!(opens(&headers), "another header took the key away: {value:?}");
    assert!(authenticate(Auth::Keys, &ClientKeys::default(), &headers, SystemTime::UNIX_EPOCH).is_err());
}

/// The first byte chooses a variant.
fn split_choice(bytes: &[u8]) -> (usize, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest))
}

/// What the request said; each bit of the choice is a wish.
fn context(choice: usize) -> Context {
    let wish = |bit: usize| choice & (1 << bit) != 0;
    let display = if wish(0) { "omitted" } else { "summarized" };
    let one_call = wish(1);
    let body = format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":100,"stop_sequences":["STOP","STOPPED","TOPS"],
        "thinking":{{"type":"adaptive","display":"{display}"}},
        "tools":[{{"name":"f","input_schema":{{}}}},{{"name":"a.b","input_schema":{{}}}}],
        "tool_choice":{{"type":"auto","disable_parallel_tool_use":{one_call}}},
        "messages":[{{"role":"user","content":"a"}}]}}"#
    );
    let preset = if wish(2) { Preset::Vllm } else { Preset::Generic };
    let mut options = Options::new(preset.quirks(), "up", "upstream-model");
    options.quirks.think_tags = wish(3);
    options.quirks.think_opened = wish(4);
    options.quirks.citations = wish(5);
    options.quirks.lenient_eof = wish(6);
    let parsed = Request::parse(body.as_bytes()).expect("a good request");
    translate_request(parsed, &options).expect("a good request").context
}
