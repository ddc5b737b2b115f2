//! The demo upstream: an OpenAI-compatible server without a model, for `serve --demo`.
//!
//! It listens on a loopback port of its own, so that a request takes the whole real way. Its answers follow from
//! the request alone: text that says so, a tool call when asked to "use a tool", JSON when a schema is given.

mod reply;
mod schema;

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
    serve::ListenerExt as _,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time};
use url::Url;

use self::reply::Reply;

/// The running demo upstream; it ends when this is dropped.
#[derive(Debug)]
pub struct Demo {
    /// Where it listens.
    pub address: SocketAddr,
    /// What to configure as the upstream's base URL.
    pub base_url: Url,
    task: JoinHandle<()>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The one model it lists; it answers to every name.
pub const MODEL: &str = "demo";

/// Starts it on a free loopback port.
///
/// # Errors
/// When there is no port to be had.
pub async fn start() -> io::Result<Demo> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let base_url = Url::parse(&format!("http://{address}/v1")).map_err(io::Error::other)?;
    // A connection that cannot be hurried is slow and nothing worse.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let router = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(complete))
        // The gateway in front has limited it already.
        .layer(DefaultBodyLimit::disable());
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the demo upstream stopped");
        }
    });
    Ok(Demo { address, base_url, task })
}

async fn models() -> Json<Value> {
    let model = json!({"id": MODEL, "object": "model", "created": CREATED, "owned_by": "aiapiproxy"});
    Json(json!({"object": "list", "data": [model]}))
}

async fn complete(body: Bytes) -> Response {
    let request: Value = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse(&format!("the body is not valid JSON: {error}")),
    };
    let Some(messages) = request.get("messages").and_then(Value::as_array) else {
        return refuse("messages: missing");
    };
    let reply = Reply::to(&request, messages);
    let usage = reply.usage(body.len());
    if request.get("stream") != Some(&Value::Bool(true)) {
        return Json(whole(&request, &reply, &usage)).into_response();
    }
    let wants_usage = request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    event_stream(events(&request, &reply, wants_usage.then_some(&usage)))
}

fn refuse(message: &str) -> Response {
    let error =
        json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// The same for every answer, so that answers can be compared.
const CREATED: u64 = 1_763_769_600;
const ID: &str = "chatcmpl-demo";

fn model(request: &Value) -> &str {
    request.get("model").and_then(Value::as_str).unwrap_or(MODEL)
}

fn whole(request: &Value, reply: &Reply, usage: &Value) -> Value {
    let choice = json!({"index": 0, "message": reply.message(), "finish_reason": reply.finish_reason()});
    json!({
        "id": ID, "object": "chat.completion", "created": CREATED, "model": model(request),
        "choices": [choice], "usage": usage,
    })
}

/// The data of each event.
fn events(request: &Value, reply: &Reply, usage: Option<&Value>) -> Vec<String> {
    let chunk = |choices: Value, usage: Option<&Value>| {
        json!({
            "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": model(request),
            "choices": choices, "usage": usage,
        })
        .to_string()
    };
    let choice = |delta: &Value, finish: Option<&str>| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), None)
    };
    let mut events: Vec<String> = reply.deltas().iter().map(|delta| choice(delta, None)).collect();
    events.push(choice(&json!({}), Some(reply.finish_reason())));
    events.extend(usage.map(|usage| chunk(json!([]), Some(usage))));
    events.push("[DONE]".to_owned());
    events
}

/// Between two events, so that a stream can be seen to flow.
const PAUSE: Duration = Duration::from_millis(15);

fn event_stream(events: Vec<String>) -> Response {
    let bytes =
        futures_util::stream::unfold((events.into_iter(), false), |(mut events, paused)| async move {
            let data = events.next()?;
            if paused {
                time::sleep(PAUSE).await;
            }
            Some((Ok::<_, Infallible>(Bytes::from(format!("data: {data}\n\n"))), (events, true)))
        });
    let mut response = Response::new(Body::from_stream(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_says_the_same_as_a_whole_answer() {
        let request = json!({"model": "m", "messages": [{"role": "user", "content": "one two three"}]});
        let messages = request["messages"].as_array().unwrap();
        let reply = Reply::to(&request, messages);
        let usage = reply.usage(100);
        let events = events(&request, &reply, Some(&usage));
        let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
        let text: String =
            chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str()).collect();
        let whole = whole(&request, &reply, &usage);
        assert_eq!(text, whole["choices"][0]["message"]["content"]);
        assert!(text.contains("one two three"));
        assert_eq!(events.last().unwrap(), "[DONE]");
        assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    }
}
