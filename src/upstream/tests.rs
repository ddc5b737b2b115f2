//! Calls to hand-written servers on loopback ports.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;
use crate::translate::quirks::Preset;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn model_lists_are_read_in_both_shapes() {
    let page = model_ids(br#"{"object":"list","data":[{"id":"a","x":1},{"id":"models/b"}]}"#);
    let listing = Listing { status: 200, ids: page };
    assert!(listing.has("a") && listing.has("b") && listing.has("models/b") && !listing.has("c"));
    assert_eq!(model_ids(br#"[{"id":"a"}]"#), Some(vec!["a".to_owned()]));
    assert_eq!(model_ids(b"<html>"), None);
}

/// A server that hands each connection to the test.
async fn listen() -> (Upstream, mpsc::UnboundedReceiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (upstream(&base), receiver)
}

fn upstream(base: &str) -> Upstream {
    let mut settings = Settings::new(Preset::Generic, base.parse().unwrap());
    settings.api_key = Some("sk-upstream".to_owned().into());
    Upstream::new(&settings, &Limits::default(), Arc::default()).unwrap()
}

async fn ask(upstream: &Upstream) -> Result<Answer, Error> {
    let call = Call::new(Endpoint::ChatCompletions, "m", Bytes::from_static(b"{}"), Accept::Events);
    time::timeout(PATIENCE, upstream.post(&call)).await.expect("an answer in time")
}

async fn text(answer: Answer) -> Result<String, Error> {
    let bytes = answer.body.collect(1 << 20, PATIENCE).await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Reads one request with the body `{}`.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n{}") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "the request broke off: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_request_holds_what_it_should_and_no_more() {
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        let request = request(&mut stream).await;
        stream.write_all(answer("ok").as_bytes()).await.unwrap();
        request
    };
    let (result, request) = tokio::join!(ask(&upstream), server);
    assert_eq!(text(result.unwrap()).await.unwrap(), "ok");
    let (first, headers) = request.split_once("\r\n").unwrap();
    assert_eq!(first, "POST /v1/chat/completions HTTP/1.1");
    let mut names: Vec<&str> = headers.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, expected);
    assert!(headers.contains("authorization: Bearer sk-upstream\r\n"));
    assert!(headers.contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn a_kept_connection_that_dies_on_use_is_replaced() {
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut kept = connections.recv().await.unwrap();
        request(&mut kept).await;
        kept.write_all(answer("first").as_bytes()).await.unwrap();
        // The second request comes on the same connection, and is met by its end.
        request(&mut kept).await;
        drop(kept);
        let mut fresh = connections.recv().await.unwrap();
        request(&mut fresh).await;
        fresh.write_all(answer("second").as_bytes()).await.unwrap();
    };
    let client = async {
        assert_eq!(text(ask(&upstream).await.unwrap()).await.unwrap(), "first");
        let second = ask(&upstream).await.unwrap();
        assert_eq!(second.retries, 1);
        assert_eq!(text(second).await.unwrap(), "second");
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn a_server_that_never_answers_a_connection_is_tried_twice_only() {
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut count = 0;
        while let Some(mut stream) = connections.recv().await {
            request(&mut stream).await;
            drop(stream);
            count += 1;
            if count == 2 {
                break;
            }
        }
    };
    let (result, ()) = tokio::join!(ask(&upstream), server);
    assert!(matches!(result, Err(Error::NoAnswer { .. })), "{result:?}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_long_wait_is_the_clients() {
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        for (retry_after, status) in [("0", "503 Busy"), ("0.01", "429 Slow Down"), ("7", "429 Slow Down")] {
            request(&mut stream).await;
            let head =
                format!("HTTP/1.1 {status}\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
        }
        stream
    };
    let (result, _stream) = tokio::join!(ask(&upstream), server);
    let last = result.unwrap();
    assert_eq!((last.status, last.retries, last.header("retry-after")), (429, 2, Some("7")));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        request(&mut stream).await;
        let head = "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let (result, _stream) = tokio::join!(ask(&upstream), server);
    assert_eq!(result.unwrap().status, 307);
}

#[tokio::test]
async fn compression_that_nobody_asked_for_is_undone() {
    // "hi\n" by gzip -n.
    const HI: &[u8] =
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0xc8, 0xe4, 2, 0, 0x7a, 0x7a, 0x6f, 0xed, 3, 0, 0, 0];
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        request(&mut stream).await;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", HI.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(HI).await.unwrap();
        stream
    };
    let (result, _stream) = tokio::join!(ask(&upstream), server);
    assert_eq!(text(result.unwrap()).await.unwrap(), "hi\n");
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_too_long_is_an_error() {
    let (upstream, mut connections) = listen().await;
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        drop(stream);
        let mut stream = connections.recv().await.unwrap();
        request(&mut stream).await;
        stream.write_all(answer("12345").as_bytes()).await.unwrap();
        stream
    };
    let client = async {
        let broken = text(ask(&upstream).await.unwrap()).await;
        assert!(matches!(broken, Err(Error::Broken { .. })), "{broken:?}");
        let long = ask(&upstream).await.unwrap().body.collect(4, PATIENCE).await;
        assert!(matches!(long, Err(Error::TooLong { limit: 4, .. })), "{long:?}");
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let (upstream, mut connections) = listen().await;
    let client = async {
        let call = Call::new(Endpoint::ChatCompletions, "m", Bytes::from_static(b"{}"), Accept::Json);
        let silent = time::timeout(Duration::from_millis(100), upstream.post(&call)).await;
        assert!(silent.is_err());
    };
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        request(&mut stream).await;
        let mut byte = [0];
        let end = time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("the end in time");
        assert!(matches!(end, Ok(0) | Err(_)));
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    let error = ask(&upstream(&refused)).await.unwrap_err();
    assert!(matches!(error, Error::Connect { reason: Unreachable::Refused, .. }), "{error:?}");
    assert!(error.to_string().contains("nothing listens"));
    let error = ask(&upstream("http://no-such-host.invalid/v1")).await.unwrap_err();
    assert!(matches!(error, Error::Connect { reason: Unreachable::NoSuchHost, .. }), "{error:?}");
}

#[tokio::test]
async fn a_plain_port_is_no_tls_port() {
    let (plain, mut connections) = listen().await;
    let port = plain.settings().base_url.port().unwrap();
    let server = async {
        let mut stream = connections.recv().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream
    };
    let upstream = upstream(&format!("https://127.0.0.1:{port}/v1"));
    let (result, _stream) = tokio::join!(ask(&upstream), server);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Connect { reason: Unreachable::Tls(_), .. }), "{error:?}");
}
