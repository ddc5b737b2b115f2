//! An upstream that is called over HTTP/2 (`upstream.http2`).

use crate::support::bodies::{chunks, completion, request};
use crate::support::program::{Program, Server};
use crate::support::serving::{CANARY, answer, configured, messages, no_canary, streamed};
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// A server of HTTP/2 without TLS, which says that it goes away with each answer; its port, and its connections.
fn upstream() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let answered = Arc::new(Notify::new());
                    let heard = Arc::clone(&answered);
                    let service = service_fn(move |request| say(request, Arc::clone(&heard)));
                    let serving =
                        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                    let mut serving = std::pin::pin!(serving);
                    tokio::select! {
                        _ = serving.as_mut() => return,
                        () = answered.notified() => serving.as_mut().graceful_shutdown(),
                    }
                    serving.await.ok();
                });
            }
        });
    });
    (port, connections)
}

async fn say(request: Request<Incoming>, answered: Arc<Notify>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
    answered.notify_one();
    let (kind, body) = match asked["stream"].as_bool() {
        Some(true) => ("text/event-stream", chunks(&["Hel", "lo"]).concat()),
        _ => ("application/json", completion("Hello").to_string()),
    };
    Ok(Response::builder().header("content-type", kind).body(Full::from(body)).unwrap())
}

#[test]
fn f46_an_upstream_may_be_called_over_http2_and_go_away_after_each_answer() {
    let (port, connections) = upstream();
    let toml = format!("[upstream]\nbase_url = 'http://127.0.0.1:{port}/v1'\nhttp2 = true\n");
    let program = Program::aiapiproxy().env("OPENAI_API_KEY", CANARY);
    let server = Server::start(configured(program, &toml));
    for _ in 0..20 {
        let whole = messages(request("hi", false)).send(server.base_url());
        assert_eq!(answer(whole)["content"][0]["text"], "Hello");
        let stream = messages(request("hi", true)).send(server.base_url());
        assert_eq!(streamed(stream).text(), "Hello");
    }
    assert!(connections.load(Ordering::SeqCst) > 1, "it went away");
    no_canary(&server.interrupt().stderr);
}
