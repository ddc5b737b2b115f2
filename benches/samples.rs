//! What the benches and the budgets of allocations translate: an agent's request, its answer, and a stream.

use std::fmt::Write as _;

use serde_json::json;

/// A coding agent's request of about so many bytes: a system prompt, 20 tools, and turns with results of tools.
pub(crate) fn request(bytes: usize) -> Vec<u8> {
    let line = "  117\tfn parse(token: &str) -> Result<Config, Error> { // \"quoted\" \\ path → ✓\n";
    let prose = "Handler stream token request response parser writer buffer event model tool index state. ";
    let tool = |number: usize| {
        json!({"name": format!("Tool{number}"), "description": prose.repeat(10), "input_schema": {"type": "object",
            "properties": {"path": {"type": "string", "description": prose}, "limit": {"type": "integer"}},
            "required": ["path"], "additionalProperties": false}})
    };
    let mut messages = vec![json!({"role": "user", "content": [{"type": "text", "text": prose.repeat(4)}]})];
    let mut size = 40_000;
    while size < bytes {
        let id = format!("toolu_{size:024}");
        messages.push(json!({"role": "assistant", "content": [{"type": "text", "text": prose},
            {"type": "tool_use", "id": id, "name": "Tool1", "input": {"path": "/src/a.rs", "limit": 7}}]}));
        messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id,
            "content": [{"type": "text", "text": line.repeat(60)}]}]}));
        size += 6_000;
    }
    let tools: Vec<_> = (0..20).map(tool).collect();
    let request = json!({"model": "claude-sonnet-5", "max_tokens": 1024, "stream": true, "tools": tools,
        "system": [{"type": "text", "text": prose.repeat(160)}], "messages": messages});
    request.to_string().into_bytes()
}

/// A stream of so many pieces of text, as OpenAI's servers cut it.
pub(crate) fn stream(pieces: usize) -> Vec<u8> {
    let head = r#"{"id":"chatcmpl-0123456789abcdefghij","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_00001","choices":["#;
    let mut text = String::new();
    let mut chunk = |choice: &str| {
        // Writing to a string cannot fail.
        let _ = write!(text, "data: {head}{choice}]}}\n\n");
    };
    chunk(
        r#"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}"#,
    );
    for piece in 0..pieces {
        let said =
            ["The", " quick", " brown", "\\n", " \\\"fox\\\""].get(piece % 5).copied().unwrap_or_default();
        chunk(&format!(
            r#"{{"index":0,"delta":{{"content":"{said}"}},"logprobs":null,"finish_reason":null}}"#
        ));
    }
    chunk(r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#);
    text.push_str("data: [DONE]\n\n");
    text.into_bytes()
}
