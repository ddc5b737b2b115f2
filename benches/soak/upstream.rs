//! The upstream: what it answers is written in the model's name, so that any client can ask for any fault.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time,
};

/// The running upstream and what it saw.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

/// What it saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Requests so far.
    pub(crate) requests: AtomicUsize,
    /// Answers that are being given.
    pub(crate) running: AtomicUsize,
    /// When a client closed a request that waited for it, by the number in its model's name.
    pub(crate) closed: Mutex<Vec<(usize, Instant)>>,
    /// Bytes of answers that were written.
    pub(crate) written: AtomicUsize,
}

/// An answer's script: words with numbers, `stream-20-50` for twenty pieces, one every 50 ms.
pub(crate) fn script(model: &str) -> Vec<&str> {
    model.split('-').collect()
}

impl Upstream {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, seen) = (listener.local_addr()?, Arc::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { drop(converse(stream, &shared).await) });
            }
        });
        Ok(Self { address, seen })
    }
}

async fn converse(mut stream: TcpStream, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = true;
    let mut idle = None;
    while let Some(model) = read_model(&mut stream, idle).await? {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        if model.starts_with("reuse") && !first {
            // Closed at the very moment of its second use.
            return Ok(());
        }
        first = false;
        seen.running.fetch_add(1, Ordering::Relaxed);
        let answered = answer(&mut stream, &model, seen).await;
        seen.running.fetch_sub(1, Ordering::Relaxed);
        if !answered? {
            return Ok(());
        }
        idle = model.starts_with("idle").then(|| Duration::from_millis(20));
    }
    Ok(())
}

/// Reads one request; `None` when the connection is over, or idle for too long.
async fn read_model(stream: &mut TcpStream, idle: Option<Duration>) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = vec![0; 64 << 10];
        let reading = stream.read(&mut piece);
        let count = match idle.filter(|_| bytes.is_empty()) {
            Some(idle) => match time::timeout(idle, reading).await {
                Ok(count) => count?,
                Err(_) => return Ok(None),
            },
            None => reading.await?,
        };
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..count]);
        let Some(head) = find(&bytes, b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let length =
            text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        if bytes.len() < head + 4 + length.unwrap_or(0) {
            continue;
        }
        let body = String::from_utf8_lossy(&bytes[head + 4..]);
        let model = body.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next());
        return Ok(Some(model.unwrap_or_default().to_owned()));
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What the pieces of a stream say; the client checks every one of them.
pub(crate) fn word(number: usize) -> String {
    format!("wörd{number} ")
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Answers; `false` if the connection is to be closed.
async fn answer(stream: &mut TcpStream, model: &str, seen: &Seen) -> io::Result<bool> {
    let script = script(model);
    let number = |index: usize| script.get(index).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
    match script[0] {
        "whole" | "idle" | "reuse" => {
            let body = "{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\
                        \"message\":{\"role\":\"assistant\",\"content\":\"whole answer\"},\"finish_reason\":\"stop\"}],\
                        \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}";
            time::sleep(Duration::from_millis(number(1) as u64)).await;
            status(stream, "200 OK", "application/json", body).await?;
            Ok(true)
        }
        "busy" => {
            status(
                stream,
                "503 Service Unavailable",
                "application/json",
                "{\"error\":{\"message\":\"busy\"}}",
            )
            .await?;
            Ok(true)
        }
        "html" => {
            status(stream, "502 Bad Gateway", "text/html", "<html><body>bad gateway</body></html>").await?;
            Ok(true)
        }
        // Waits, before its head or after its first piece, until the client goes away.
        "mute" | "hold" => {
            if script[0] == "hold" {
                stream.write_all(EVENTS.as_bytes()).await?;
                piece(stream, &chunk("{\"content\":\"held\"}", "null"), seen).await?;
            }
            let mut rest = [0; 64];
            let gone = time::timeout(Duration::from_secs(120), stream.read(&mut rest)).await;
            if matches!(gone, Ok(Ok(0) | Err(_))) {
                seen.closed.lock().expect("no panic holds the lock").push((number(1), Instant::now()));
            }
            Ok(false)
        }
        // As much as anybody takes.
        "flood" => {
            stream.write_all(EVENTS.as_bytes()).await?;
            let words = chunk(&format!("{{\"content\":\"{}\"}}", "word ".repeat(1_000)), "null");
            for _ in 0..number(1) {
                piece(stream, &words, seen).await?;
            }
            finish(stream, seen).await?;
            Ok(true)
        }
        // One event of so many KiB.
        "line" => {
            stream.write_all(EVENTS.as_bytes()).await?;
            let event = chunk(&format!("{{\"content\":\"{}\"}}", "x".repeat(number(1) << 10)), "null");
            for part in event.as_bytes().chunks(8 << 10) {
                stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await?;
                stream.write_all(part).await?;
                stream.write_all(b"\r\n").await?;
            }
            finish(stream, seen).await?;
            Ok(true)
        }
        _ => streamed(stream, &script, number(1), number(2), seen).await,
    }
}

/// `stream`, or one that breaks in the middle.
async fn streamed(
    stream: &mut TcpStream,
    script: &[&str],
    pieces: usize,
    gap: usize,
    seen: &Seen,
) -> io::Result<bool> {
    stream.write_all(EVENTS.as_bytes()).await?;
    for number in 0..pieces {
        if number == pieces / 2 {
            match script[0] {
                "reset" => {
                    socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                    return Ok(false);
                }
                "fin" => return Ok(false),
                "stall" => {
                    let mut rest = [0; 64];
                    drop(time::timeout(Duration::from_secs(60), stream.read(&mut rest)).await);
                    return Ok(false);
                }
                "error" => {
                    piece(stream, "data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n", seen).await?;
                }
                "garbage" => piece(stream, "data: {\"choices\":[{\"del\n\n", seen).await?,
                _ => {}
            }
        }
        if gap > 0 {
            time::sleep(Duration::from_millis(gap as u64)).await;
        }
        let text = chunk(&format!("{{\"content\":\"{}\"}}", word(number)), "null");
        if script[0] == "sliced" {
            for part in text.as_bytes().chunks(17) {
                bytes(stream, part, seen).await?;
            }
        } else {
            piece(stream, &text, seen).await?;
        }
    }
    finish(stream, seen).await?;
    Ok(true)
}

async fn finish(stream: &mut TcpStream, seen: &Seen) -> io::Result<()> {
    piece(stream, &chunk("{}", "\"stop\""), seen).await?;
    piece(stream, "data: [DONE]\n\n", seen).await?;
    stream.write_all(b"0\r\n\r\n").await
}

async fn piece(stream: &mut TcpStream, text: &str, seen: &Seen) -> io::Result<()> {
    bytes(stream, text.as_bytes(), seen).await
}

async fn bytes(stream: &mut TcpStream, part: &[u8], seen: &Seen) -> io::Result<()> {
    let mut framed = format!("{:x}\r\n", part.len()).into_bytes();
    framed.extend_from_slice(part);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed).await?;
    seen.written.fetch_add(framed.len(), Ordering::Relaxed);
    Ok(())
}

async fn status(stream: &mut TcpStream, status: &str, kind: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await
}
