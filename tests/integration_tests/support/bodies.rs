//! The plainest bodies that the two dialects have, for tests whose matter is something else.

use serde_json::{Value, json};

/// A Messages request with one user message.
pub fn request(text: &str, stream: bool) -> Value {
    json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": 64,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    })
}

/// A chat completion with this text.
pub fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "test-model",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    })
}

/// A streamed completion: the role, one event per piece of text, the finish, the usage, `[DONE]`.
pub fn chunks(pieces: &[&str]) -> Vec<String> {
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    events.extend(pieces.iter().map(|piece| chunk(json!({"content": piece}), None)));
    events.push(chunk(json!({}), Some("stop")));
    events.push(usage_chunk(11, 7));
    events.push(DONE.to_owned());
    events
}

/// One event of a streamed completion.
pub fn chunk(delta: Value, finish_reason: Option<&str>) -> String {
    data(&json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "test-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }))
}

/// The last chunk, which has the usage and no choice.
pub fn usage_chunk(prompt_tokens: u64, completion_tokens: u64) -> String {
    data(&json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "test-model",
        "choices": [],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }))
}

/// Any JSON as an event.
pub fn data(json: &Value) -> String {
    format!("data: {json}\n\n")
}

/// The event that ends a streamed completion.
pub const DONE: &str = "data: [DONE]\n\n";
