//! The client: raw HTTP, every answer judged.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time,
};

use super::upstream::{script, word};

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The body came to its proper end.
    pub(crate) is_whole: bool,
}

fn request(model: &str, stream: bool, text: &str) -> Vec<u8> {
    let body = format!(
        "{{\"model\":\"{model}\",\"max_tokens\":64,\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
    );
    let length = body.len();
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends a request and returns the connection.
pub(crate) async fn send(gateway: SocketAddr, model: &str, stream: bool) -> io::Result<TcpStream> {
    let mut connection = TcpStream::connect(gateway).await?;
    connection.set_nodelay(true)?;
    connection.write_all(&request(model, stream, "hi")).await?;
    Ok(connection)
}

/// Sends a request with a text of so many bytes, and reads the answer.
pub(crate) async fn ask_long(gateway: SocketAddr, model: &str, bytes: usize) -> io::Result<Answer> {
    let mut connection = TcpStream::connect(gateway).await?;
    connection.write_all(&request(model, false, &"x".repeat(bytes))).await?;
    read(&mut connection).await
}

/// Sends a request and reads the answer, within two minutes.
pub(crate) async fn ask(gateway: SocketAddr, model: &str, stream: bool) -> io::Result<Answer> {
    let mut connection = send(gateway, model, stream).await?;
    let patience = Duration::from_secs(1_800);
    time::timeout(patience, read(&mut connection)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Waits until the text has come.
pub(crate) async fn wait_for(connection: &mut TcpStream, text: &str) -> io::Result<()> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(text) {
        let count = connection.read(&mut piece).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        all.extend_from_slice(&piece[..count]);
    }
    Ok(())
}

/// Reads to the end of the connection.
pub(crate) async fn read(connection: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).await?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no whole head");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(broken)?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let rest = &bytes[end + 4..];
    let (body, is_whole) = if head.contains("transfer-encoding: chunked") {
        unchunk(rest)
    } else {
        let length =
            head.split("content-length: ").nth(1).and_then(|it| it.lines().next()?.trim().parse().ok());
        (rest.to_vec(), length == Some(rest.len()))
    };
    Ok(Answer { status, body, is_whole })
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let Ok(size) = usize::from_str_radix(&String::from_utf8_lossy(&rest[..line]), 16) else {
            return (body, false);
        };
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, true);
        }
        if rest.len() < size + 2 {
            return (body, false);
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

/// What is wrong with the answer to this model, if anything is.
pub(crate) fn fault(model: &str, stream: bool, answer: &io::Result<Answer>) -> Option<String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Some(format!("{model}: {error}")),
    };
    let script = script(model);
    let text = String::from_utf8_lossy(&answer.body);
    let says = |what: &str| {
        Some(format!(
            "{model}: {what}: status {} {}",
            answer.status,
            text.chars().take(300).collect::<String>()
        ))
    };
    if !answer.is_whole {
        return says("broken off");
    }
    match script[0] {
        "busy" | "html" => {
            let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let is_error =
                answer.status >= 500 && envelope["type"] == "error" && envelope["request_id"].is_string();
            if is_error { None } else { says("no envelope") }
        }
        "whole" | "idle" | "reuse" if !stream => {
            let message: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let is_right = answer.status == 200 && message["content"][0]["text"] == "whole answer";
            if is_right { None } else { says("another answer") }
        }
        kind => {
            let pieces: usize = script[1].parse().unwrap_or(0);
            stream_fault(kind, pieces, answer.status, &text).and_then(|what| says(&what))
        }
    }
}

/// Follows a stream: every word in its order, and the end that the script has.
fn stream_fault(kind: &str, pieces: usize, status: u16, text: &str) -> Option<String> {
    if status != 200 {
        return Some("no stream".to_owned());
    }
    let is_broken = !matches!(kind, "stream" | "sliced");
    let (mut said, mut names) = (String::new(), Vec::new());
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let name = block.lines().find_map(|line| line.strip_prefix("event: ")).unwrap_or_default();
        let data = block.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            return Some(format!("no JSON in {block}"));
        };
        if let Some(text) = event["delta"]["text"].as_str() {
            said.push_str(text);
        }
        if name != "ping" {
            names.push(name.to_owned());
        }
    }
    let count = if is_broken { pieces / 2 } else { pieces };
    let expected: String = (0..count).map(word).collect();
    let count_of = |name: &str| names.iter().filter(|it| *it == name).count();
    let last = names.last().map(String::as_str);
    if said != expected {
        return Some(format!("said {said:?} instead of {expected:?}"));
    }
    if names.first().map(String::as_str) != Some("message_start") || count_of("message_start") != 1 {
        return Some("no proper beginning".to_owned());
    }
    let is_right = if is_broken {
        last == Some("error") && count_of("message_stop") == 0 && count_of("error") == 1
    } else {
        last == Some("message_stop") && count_of("message_stop") == 1 && count_of("error") == 0
    };
    if is_right { None } else { Some(format!("ends {:?}", &names[names.len().saturating_sub(3)..])) }
}
