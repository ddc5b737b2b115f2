//! What clients see, with the demo upstream behind.

use super::*;

#[tokio::test]
async fn every_failure_has_the_envelope_and_an_id() {
    let running = start(|_| ()).await;
    let address = running.address;
    get(address, "/nowhere").await.check_error(404, "not_found_error");
    get(address, "/v1/messages").await.check_error(405, "invalid_request_error");
    get(address, "/v1/files/x").await.check_error(404, "not_found_error");
    post(address, "/v1/messages/batches", &json!({})).await.check_error(404, "not_found_error");
    post(address, "/v1/messages", &json!({"model": 1})).await.check_error(400, "invalid_request_error");
    let head = "POST /v1/messages HTTP/1.1\nhost: localhost\nx-api-key: secret";
    send(address, head, "{}").await.check_error(415, "invalid_request_error");
    let head =
        "POST /v1/messages HTTP/1.1\nhost: localhost\nx-api-key: wrong\ncontent-type: application/json";
    let refused = send(address, head, "not even JSON").await;
    refused.check_error(401, "authentication_error");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    get(address, "/v1/models/none?").await;
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_however_they_come() {
    let running = start(|config| config.limits.max_request_size = 1000).await;
    let long = request(&"x".repeat(200_000));
    post(running.address, "/v1/messages", &long).await.check_error(413, "request_too_large");
    let head = "POST /v1/messages HTTP/1.1\nhost: localhost\nx-api-key: secret\ncontent-type: application/json\ntransfer-encoding: chunked\nconnection: close\n\n";
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(format!("200\r\n{}\r\n", "y".repeat(512)).as_bytes()).await.unwrap();
    }
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    parse(&bytes).check_error(413, "request_too_large");
}

#[tokio::test]
async fn health_needs_no_key_and_tells_details_only_with_one() {
    let running = start(|_| ()).await;
    let address = running.address;
    let open = |path: &str| format!("GET {path} HTTP/1.1\nhost: localhost");
    assert_eq!(send(address, &open("/health"), "").await.json(), json!({"status": "ok"}));
    let live = send(address, &open("/health/live"), "").await.json();
    assert!(live["uptime_seconds"].is_u64());
    let ready = send(address, &open("/health/ready"), "").await;
    assert_eq!((ready.status, ready.json()), (200, json!({"status": "ok", "upstream": "unknown"})));
    let required = get(address, "/health/ready?upstream=required").await;
    assert_eq!((required.status, required.json()["upstream"].as_str()), (200, Some("ok")));
    assert!(required.json()["details"]["upstreams"][0]["host"].is_string());
    assert_eq!(send(address, "HEAD / HTTP/1.1\nhost: localhost", "").await.status, 200);
    assert_eq!(send(address, "HEAD /v1/messages HTTP/1.1\nhost: localhost", "").await.status, 200);
}

#[tokio::test]
async fn without_keys_only_own_names_and_no_web_pages() {
    let running = start(|config| config.server.auth = Auth::None).await;
    let address = running.address;
    let asked = |host: &str, more: &str| format!("GET /v1/models HTTP/1.1\nhost: {host}{more}");
    assert_eq!(send(address, &asked("localhost:1", ""), "").await.status, 200);
    let refused = send(address, &asked("evil.example", ""), "").await;
    refused.check_error(421, "invalid_request_error");
    assert!(refused.body.contains("CLIENT_API_KEYS") && refused.body.contains("server.allowed_hosts"));
    let page = send(address, &asked("localhost", "\norigin: https://evil.example"), "").await;
    page.check_error(403, "permission_error");
    assert_eq!(page.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn listed_web_pages_may_call_and_read() {
    let origin = "https://app.example";
    let origins = Origins::Listed(vec![origin.to_owned()]);
    let running = start(|config| config.server.cors = Cors { enabled: true, origins }).await;
    let head = format!(
        "OPTIONS /v1/messages HTTP/1.1\nhost: localhost\norigin: {origin}\naccess-control-request-method: POST\n\
         access-control-request-headers: x-api-key,content-type"
    );
    let preflight = send(running.address, &head, "").await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some(origin));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("x-api-key,content-type"));
    let other = head.replace("app.example", "evil.example");
    send(running.address, &other, "").await.check_error(403, "permission_error");
}

#[tokio::test]
async fn every_listed_model_is_found_also_under_names_with_slashes() {
    let running = start(|config| {
        let demo = || Target { model: demo::MODEL.to_owned(), ..Target::default() };
        let default = Mapped { target: demo(), origin: "test".to_owned() };
        let map = vec![("openai/gpt-6".to_owned(), demo())];
        config.models = ModelMap::new(map, crate::models::Families::default(), Some(default));
    })
    .await;
    let listed = get(running.address, "/v1/models?limit=1000").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 4);
    for model in listed["data"].as_array().unwrap() {
        let path = format!("/v1/models/{}", model["id"].as_str().unwrap());
        assert_eq!(&get(running.address, &path).await.json(), model);
    }
    get(running.address, "/v1/models/unheard-of").await.check_error(404, "not_found_error");
    for path in ["/v1/models/openai%2Fgpt-6", "/v1/models/openai/gpt-6", "/v1/v1/models/openai/gpt-6"] {
        assert_eq!(get(running.address, path).await.json()["id"], "openai/gpt-6", "{path}");
    }
}

#[tokio::test]
async fn a_whole_answer_and_a_stream_tell_the_same() {
    let running = start(|_| ()).await;
    let whole = post(running.address, "/v1/messages?beta=true", &request("hello")).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let message = whole.json();
    assert_eq!(message["model"], "claude-sonnet-5");
    assert!(whole.header("request-id").unwrap().starts_with("req_"));
    let text = message["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("hello"));
    let mut streamed = request("hello");
    streamed["stream"] = json!(true);
    let stream = post(running.address, "//v1/messages", &streamed).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let data = stream.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let told: String = events.iter().filter_map(|event| event.pointer("/delta/text")?.as_str()).collect();
    assert_eq!(told, text);
    assert_eq!(events.last().unwrap()["type"], "message_stop");
}

#[tokio::test]
async fn max_tokens_zero_is_answered_here() {
    let running = start(|_| ()).await;
    let mut body = request("hello");
    body["max_tokens"] = json!(0);
    let message = post(running.address, "/v1/messages", &body).await.json();
    assert_eq!((&message["content"], &message["stop_reason"]), (&json!([]), &json!("max_tokens")));
}

#[tokio::test]
async fn stopping_lets_a_stream_finish() {
    let mut running = start(|_| ()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let mut body = request("hello");
    body["stream"] = json!(true);
    let body = body.to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: secret\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = vec![0; 1];
    stream.read_exact(&mut bytes).await.unwrap();
    running.trigger.advance(Signal::Terminate);
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(parse(&bytes).body.contains("message_stop"));
    let summary = timeout(PATIENCE, &mut running.task).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.signal, summary.forced, summary.cut), (Signal::Terminate, false, 0));
}

#[tokio::test]
async fn at_the_end_of_the_grace_a_stream_gets_an_error_event() {
    let mut running = start(|config| config.limits.shutdown_grace = Duration::ZERO).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let mut body = request("hello");
    body["stream"] = json!(true);
    let body = body.to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: secret\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = vec![0; 1];
    stream.read_exact(&mut bytes).await.unwrap();
    running.trigger.advance(Signal::Interrupt);
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let answer = parse(&bytes);
    let last = answer.body.trim().rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["error"]["type"], "overloaded_error");
    assert_eq!(last["request_id"].as_str(), answer.header("request-id"));
    let summary = timeout(PATIENCE, &mut running.task).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.forced, summary.cut), (false, 1));
}

#[tokio::test]
async fn unusual_requests_are_answered() {
    let running = start(|_| ()).await;
    let address = running.address;
    let raw = |head: &'static str| send(address, head, "");
    assert_eq!(raw("GET http://localhost/health HTTP/1.1\nhost: localhost").await.status, 200);
    assert_eq!(raw("GET /health HTTP/1.0").await.status, 200);
    assert_eq!(raw("CONNECT localhost:1 HTTP/1.1\nhost: localhost").await.status, 404);
    assert_eq!(raw("TRACE / HTTP/1.1\nhost: localhost").await.status, 405);
    let swallowed = "POST /api/event_logging/batch HTTP/1.1\nhost: localhost\ncontent-type: application/json";
    assert_eq!(send(address, swallowed, "{\"events\":[]}").await.json(), json!({}));
}
