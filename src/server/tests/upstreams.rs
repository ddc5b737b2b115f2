//! What upstreams see and do, played by the test.

use super::*;
use crate::models::dialect::{Spoken, Wish};

#[tokio::test]
async fn a_client_that_goes_away_takes_the_upstream_call_with_it() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start_before(&upstream, |config| config.limits.max_concurrent_requests = 1).await;
    let mut body = request("hello");
    for stream in [json!(false), json!(true)] {
        body["stream"] = stream;
        // Before the upstream has answered anything.
        let client = open_request(running.address, &body).await;
        let (mut call, _) = take_request(&upstream).await;
        drop(client);
        assert!(is_closed(&mut call).await, "{body}");
        // After the head, before the first event or the end of the body.
        let client = open_request(running.address, &body).await;
        let (mut call, _) = take_request(&upstream).await;
        call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        drop(client);
        assert!(is_closed(&mut call).await, "{body}");
    }
    // In the middle of a stream.
    let mut client = open_request(running.address, &body).await;
    let (mut call, _) = take_request(&upstream).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\n";
    let chunk = r#"data: {"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    call.write_all(format!("{head}{chunk}\n\n").as_bytes()).await.unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).await.unwrap();
    drop(client);
    assert!(is_closed(&mut call).await);
}

#[tokio::test]
async fn a_token_passes_before_the_next_one_comes() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start_before(&upstream, |_| ()).await;
    let mut body = request("hello");
    body["stream"] = json!(true);
    let mut client = open_request(running.address, &body).await;
    let (mut call, _) = take_request(&upstream).await;
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    for word in ["one", "two", "three"] {
        let chunk =
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n");
        call.write_all(chunk.as_bytes()).await.unwrap();
        while !seen.contains(&format!("\"text\":\"{word}\"")) {
            let mut bytes = [0; 4096];
            let count = timeout(PATIENCE, client.read(&mut bytes)).await.expect(word).unwrap();
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }
}

#[tokio::test]
async fn failures_of_the_upstream_reach_the_client_without_its_key() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start_before(&upstream, |config| {
        config.upstream.api_key = Some("sk-very-secret-key".to_owned().into());
    })
    .await;
    let mut client = open_request(running.address, &request("hello")).await;
    let (mut call, sent) = take_request(&upstream).await;
    assert!(sent.contains("authorization: Bearer sk-very-secret-key"));
    assert!(!sent.contains("x-api-key"), "{sent}");
    let said = r#"{"error":{"message":"Incorrect API key provided: sk-very-secret-key"}}"#;
    let head = format!(
        "HTTP/1.1 401 No\r\nx-request-id: up-1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        said.len()
    );
    call.write_all(format!("{head}{said}").as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let count = timeout(PATIENCE, client.read(&mut bytes)).await.unwrap().unwrap();
    let answer = parse(&bytes[..count]);
    answer.check_error(500, "api_error");
    assert!(!answer.body.contains("very-secret"), "{answer:?}");
    assert_eq!(answer.header("x-upstream-request-id"), Some("up-1"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn passthrough_forwards_the_clients_key() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start_before(&upstream, |config| config.server.auth = Auth::Passthrough).await;
    let client = open_request(running.address, &request("hello")).await;
    let (_call, sent) = take_request(&upstream).await;
    assert!(sent.contains("authorization: Bearer secret\r\n"), "{sent}");
    drop(client);
    let head = "POST /v1/messages HTTP/1.1\nhost: localhost\ncontent-type: application/json";
    send(running.address, head, "{}").await.check_error(401, "authentication_error");
}

#[tokio::test]
async fn tools_for_a_model_that_refuses_them_never_reach_the_upstream() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start_before(&upstream, |config| {
        config.upstream.quirks = Preset::OpenAi.quirks();
        config.upstream.dialect = Wish::Only(Spoken::Chat);
        config.models = ModelMap::openai_defaults();
    })
    .await;
    let mut body = request("hello");
    body["tools"] = json!([{"name": "a", "input_schema": {"type": "object"}}]);
    let refused = post(running.address, "/v1/messages", &body).await;
    refused.check_error(400, "invalid_request_error");
    assert!(refused.body.contains("gpt-6-sol"));
}

#[tokio::test]
async fn nothing_is_served_beyond_the_limit_but_health_is() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start_before(&upstream, |config| config.limits.max_concurrent_requests = 1).await;
    let _first = open_request(running.address, &request("hello")).await;
    let _call = take_request(&upstream).await;
    let second = post(running.address, "/v1/messages", &request("hello")).await;
    second.check_error(529, "overloaded_error");
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(get(running.address, "/health").await.status, 200);
}
