//! The whole server in one process, called by hand-written HTTP.

mod clients;
mod upstreams;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{
    config::{
        server::{Auth, Cors, Origins},
        upstream::Upstream,
    },
    models::{Mapped, ModelMap, Target},
    secret::{ClientKey, digest},
    server::{demo::Demo, shutdown::Trigger},
    translate::quirks::Preset,
};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    trigger: Trigger,
    task: JoinHandle<Result<Summary, Error>>,
    _demo: Demo,
}

/// A server that needs the key `secret`, in front of the demo upstream.
async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let demo = demo::start().await.unwrap();
    let target = Target { model: demo::MODEL.to_owned(), ..Target::default() };
    let default = Mapped { target, origin: "--demo".to_owned() };
    let mut config = Config {
        upstream: Upstream::new(Preset::Generic, demo.base_url.clone()),
        models: ModelMap::new(Vec::new(), crate::models::Families::default(), Some(default)),
        ..Config::default()
    };
    config.server.auth = Auth::Keys;
    config.server.client_keys.push(ClientKey::new("tester", digest("secret")));
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let task = tokio::spawn(run(config, listener, shutdown, None, Arc::default()));
    Running { address, trigger, task, _demo: demo }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// An error in Anthropic's envelope, with the id that the header has.
    fn check_error(&self, status: u16, kind: &str) {
        let json = self.json();
        assert_eq!((self.status, json["error"]["type"].as_str()), (status, Some(kind)), "{self:?}");
        assert_eq!(json["type"], "error");
        assert_eq!(json["request_id"].as_str(), self.header("request-id"));
    }
}

/// Sends a request of these lines and reads until the connection closes.
async fn send(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = head.trim().replace('\n', "\r\n");
    request.push_str("\r\nconnection: close\r\n");
    if !body.is_empty() {
        request = format!("{request}content-length: {}\r\n", body.len());
    }
    request = request + "\r\n" + body;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = dechunk(body);
    }
    answer
}

fn dechunk(mut body: &str) -> String {
    let mut text = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return text;
        }
        text.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\nhost: localhost\nx-api-key: secret"), "").await
}

async fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    let head =
        format!("POST {path} HTTP/1.1\nhost: localhost\nx-api-key: secret\ncontent-type: application/json");
    send(address, &head, &body.to_string()).await
}

fn request(text: &str) -> Value {
    json!({"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}]})
}

/// A server in front of an upstream that the test plays itself.
async fn start_before(upstream: &TcpListener, change: impl FnOnce(&mut Config)) -> Running {
    let base_url = format!("http://{}/v1", upstream.local_addr().unwrap()).parse().unwrap();
    start(|config| {
        config.upstream = Upstream::new(Preset::Generic, base_url);
        change(config);
    })
    .await
}

async fn open_request(address: SocketAddr, body: &Value) -> TcpStream {
    let body = body.to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: secret\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

/// Takes a request, up to the end of its body.
async fn take_request(upstream: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = timeout(PATIENCE, upstream.accept()).await.unwrap().unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(count > 0);
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            return (stream, text);
        }
    }
}

/// Whether the other side goes away.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    let end = timeout(PATIENCE, stream.read(&mut bytes)).await.expect("the end in time");
    matches!(end, Ok(0) | Err(_))
}
