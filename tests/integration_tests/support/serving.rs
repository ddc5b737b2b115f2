//! A server in front of a scripted upstream: started, asked and ended in a line each.
//!
//! The upstream's key is a canary. Whatever a test reads by these functions, and all that the server has said
//! when it ends, is searched for it.

use super::LIVENESS;
use super::bodies;
use super::http::{Call, Reply};
use super::program::{Program, Server};
use super::sse_rules::{Folded, check_stream};
use super::upstream::{Exchange, Request, Upstream};
use serde_json::Value;
use std::thread;
use std::time::Instant;

/// The key for the upstream, which must never be seen anywhere else.
pub const CANARY: &str = "sk-CANARY-0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The path that a base URL ending in `/v1` makes.
pub const CHAT: &str = "/v1/chat/completions";

/// The server and its upstream.
#[must_use]
pub struct Gateway {
    /// What the server asks.
    pub upstream: Upstream,
    /// The server.
    pub server: Server,
}

impl Gateway {
    /// A server on loopback, without client keys, before an upstream with this script.
    pub fn start(script: Vec<Exchange>) -> Self {
        Self::with(script, |program| program)
    }

    /// The same, with more variables, arguments or files.
    pub fn with(script: Vec<Exchange>, change: impl FnOnce(Program) -> Program) -> Self {
        Self::before(Upstream::start(script), change)
    }

    /// The same, with a configuration file.
    pub fn with_config(script: Vec<Exchange>, toml: &str) -> Self {
        Self::with(script, |program| configured(program, toml))
    }

    /// The same before an upstream that answers each request by its model's name: the first exchange whose name
    /// that is, as often as it is asked for.
    pub fn by_model(cases: impl IntoIterator<Item = (String, Exchange)>) -> Self {
        let cases: Vec<(String, Exchange)> = cases.into_iter().collect();
        let upstream = Upstream::always(move |request: &Request| {
            let model = request.json()["model"].clone();
            let case = cases.iter().find(|(name, _)| model == name.as_str());
            case.unwrap_or_else(|| panic!("no answer for the model {model}")).1.clone()
        });
        Self::before(upstream, |program| program)
    }

    /// A server before any upstream.
    pub fn before(upstream: Upstream, change: impl FnOnce(Program) -> Program) -> Self {
        let program = Program::aiapiproxy().upstream(&upstream).env("OPENAI_API_KEY", CANARY);
        let server = Server::start(change(program));
        Self { upstream, server }
    }

    /// Sends to the server and waits for the head of the answer.
    pub fn send(&self, call: &Call) -> Reply {
        call.send(self.server.base_url())
    }

    /// `POST /v1/messages`.
    pub fn post(&self, body: impl ToString) -> Reply {
        self.send(&messages(body))
    }

    /// The answer to a plain request for a whole message.
    pub fn say(&self, text: &str) -> Value {
        answer(self.post(bodies::request(text, false)))
    }

    /// The answer to a plain request for a stream.
    pub fn stream(&self, text: &str) -> Folded {
        streamed(self.post(bodies::request(text, true)))
    }

    /// Asks for the metrics until they hold this line.
    pub fn wait_for_metric(&self, line: &str) {
        let begun = Instant::now();
        loop {
            let metrics = body(&mut self.send(&Call::get("/metrics")));
            if metrics.lines().any(|it| it == line) {
                return;
            }
            assert!(begun.elapsed() < LIVENESS, "{line} did not come: {metrics}");
            thread::yield_now();
        }
    }

    /// The one request that the upstream got.
    pub fn request(&self) -> Request {
        let requests = self.upstream.requests();
        assert_eq!(requests.len(), 1, "the upstream was asked so many times");
        requests.into_iter().next().unwrap()
    }

    /// Ends both and returns the server's stderr. Fails unless all of the script was asked for and nothing else,
    /// the server ends well, and has not told the canary.
    pub fn end(self) -> String {
        self.upstream.finish();
        let output = self.server.interrupt();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(output.stdout, "", "stdout is for data, and a server has none");
        no_canary(&output.stderr);
        output.stderr
    }
}

/// A program with a configuration file.
pub fn configured(program: Program, toml: &str) -> Program {
    program.file("aiapiproxy.toml", toml).args(["--config", "aiapiproxy.toml"])
}

/// `POST /v1/messages` with this body.
pub fn messages(body: impl ToString) -> Call {
    Call::post("/v1/messages").json(body)
}

/// The plain request for another model.
pub fn request_for(model: &str, stream: bool) -> Value {
    let mut request = bodies::request("hi", stream);
    request["model"] = model.into();
    request
}

/// A good answer in JSON.
pub fn answer(mut reply: Reply) -> Value {
    let text = body(&mut reply);
    assert_eq!(reply.status, 200, "{text}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in the body: {text}"))
}

/// A legal stream that ends well.
pub fn streamed(reply: Reply) -> Folded {
    let message = any_stream(reply);
    assert_eq!(message.error, None);
    message
}

/// A legal stream that ends in an error, whose `error` object is returned with what came before.
pub fn broken_stream(reply: Reply) -> (Value, Folded) {
    let mut message = any_stream(reply);
    let error = message.error.take().unwrap_or_else(|| panic!("no error: {message:?}"));
    (error, message)
}

/// A failure in Anthropic's envelope; its `error` object.
pub fn failure(mut reply: Reply, status: u16, kind: &str) -> Value {
    let text = body(&mut reply);
    assert_eq!(reply.status, status, "{text}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{text}");
    let envelope: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(envelope["type"], "error", "{text}");
    assert_eq!(envelope["request_id"], request_id(&reply), "{text}");
    let error = &envelope["error"];
    assert_eq!(error["type"], kind, "{text}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    error.clone()
}

/// The `request-id` of an answer, which every one has.
pub fn request_id(reply: &Reply) -> String {
    let id = reply.header("request-id").unwrap_or_else(|| panic!("no request-id: {:?}", reply.headers));
    assert!(id.starts_with("req_"), "{id}");
    id.to_owned()
}

/// The body of an answer as text, without the canary.
pub fn body(reply: &mut Reply) -> String {
    let text = reply.text();
    no_canary(&text);
    no_canary(&format!("{:?}", reply.headers));
    text
}

/// Fails if the upstream's key is in the text, even a part of it.
pub fn no_canary(text: &str) {
    assert!(!text.contains(&CANARY[..24]), "the upstream's key was told: {text}");
}

/// What gzip makes of the bytes, without compressing them.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut zipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        zipped.push(u8::from(blocks.peek().is_none()));
        zipped.extend(length.to_le_bytes());
        zipped.extend((!length).to_le_bytes());
        zipped.extend(block);
    }
    zipped.extend(crc32(bytes).to_le_bytes());
    zipped.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    zipped
}

fn any_stream(mut reply: Reply) -> Folded {
    let status = reply.status;
    assert!(status == 200, "status {status} instead of a stream: {}", body(&mut reply));
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    request_id(&reply);
    let events = reply.events();
    for event in &events {
        no_canary(&event.data);
    }
    check_stream(&events)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}
