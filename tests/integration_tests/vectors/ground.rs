//! What the vectors share: a server before an upstream that takes anything, and the plainest conversations.

use crate::support::bodies::{self, completion};
use crate::support::http::Reply;
use crate::support::serving::{Gateway, answer, configured, failure};
use crate::support::upstream::{Exchange, Request, Upstream};
use serde_json::{Value, json};

/// A server whose upstream answers each request in the same way.
pub(super) struct Ground(pub(super) Gateway);

impl Ground {
    /// The upstream says "Hello"; the configuration is TOML.
    pub(super) fn new(toml: &str) -> Self {
        Self::answering(toml, |_| Exchange::new().json(completion("Hello")))
    }

    /// The upstream's answer depends on the request.
    pub(super) fn answering(toml: &str, answer: impl Fn(&Request) -> Exchange + Send + 'static) -> Self {
        Self(Gateway::before(Upstream::always(answer), |program| configured(program, toml)))
    }

    /// What the upstream sees of a request, which must succeed.
    pub(super) fn sees(&self, body: impl ToString) -> Value {
        self.exchange(body).0
    }

    /// What the upstream sees of a request and what was reported as lost, by name.
    pub(super) fn sees_with_warnings(&self, body: impl ToString) -> (Value, Vec<String>) {
        let reply = self.0.post(body);
        let warnings = warnings(&reply);
        answer(reply);
        (self.last_seen(), warnings)
    }

    /// What the upstream sees of a request, and what the client gets.
    pub(super) fn exchange(&self, body: impl ToString) -> (Value, Value) {
        let message = answer(self.0.post(body));
        (self.last_seen(), message)
    }

    /// The `error` of a request that is refused with 400, and never gets to the upstream.
    pub(super) fn refuses(&self, body: impl ToString) -> Value {
        let before = self.0.upstream.requests().len();
        let error = failure(self.0.post(body), 400, "invalid_request_error");
        assert_eq!(self.0.upstream.requests().len(), before, "the upstream was asked all the same");
        error
    }

    /// What the upstream got last, byte for byte.
    pub(super) fn last_bytes(&self) -> String {
        let request = self.0.upstream.requests().pop().expect("a request");
        String::from_utf8(request.body).expect("a body in UTF-8")
    }

    pub(super) fn end(self) {
        self.0.end();
    }

    fn last_seen(&self) -> Value {
        self.0.upstream.requests().last().expect("a request").json()
    }
}

/// The names in `x-aiapiproxy-warning`.
pub(super) fn warnings(reply: &Reply) -> Vec<String> {
    let names = reply.header("x-aiapiproxy-warning").unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The message of an `error` object.
pub(super) fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

/// A request with these messages.
pub(super) fn asking(messages: Value) -> Value {
    let mut request = bodies::request("", false);
    request["messages"] = messages;
    request
}

/// The plain request with one more member.
pub(super) fn with(name: &str, value: Value) -> Value {
    let mut request = bodies::request("hi", false);
    request[name] = value;
    request
}

pub(super) fn user(content: impl Into<Value>) -> Value {
    json!({"role": "user", "content": content.into()})
}

pub(super) fn assistant(content: impl Into<Value>) -> Value {
    json!({"role": "assistant", "content": content.into()})
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(super) fn call(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

pub(super) fn result(id: &str, content: impl Into<Value>) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": content.into()})
}

/// A tool without parameters.
pub(super) fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object", "properties": {}}})
}

/// A completion with this message, and a finish reason to it.
pub(super) fn completed(message: Value, finish_reason: &str) -> Value {
    let mut completed = completion("");
    completed["choices"][0]["message"] = message;
    completed["choices"][0]["finish_reason"] = finish_reason.into();
    completed
}

/// One of the upstream's `tool_calls`.
pub(super) fn called(id: &str, name: &str, arguments: impl Into<Value>) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.into()}})
}

/// The roles of the messages that the upstream sees.
pub(super) fn roles(seen: &Value) -> Vec<&str> {
    seen["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect()
}
