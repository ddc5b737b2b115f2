//! What becomes of one field, as the translation tells.

use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::report::{Kind, Loss};
use aiapiproxy::translate::{Dialect, Options, request};
use serde_json::{Value, json};

/// A field and a request that has it.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Where it stands, with the kinds of objects on the way in brackets, and a literal's value behind `=`.
    pub(super) path: String,
    body: Value,
    /// A JSON pointer to it.
    pointer: String,
    /// Where its member stands: the pointer, without places in a list at its end.
    member: String,
    dialect: Dialect,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its value is in what the upstream sees, or what the upstream sees is another thing without it.
    Carried,
    /// It is reported as lost or changed.
    Lossy,
    /// It is reported as a hint without effect.
    Hint,
    /// The request is refused, by its name.
    Refused,
    /// It is refused, under a name that the client does not know it by.
    Misnamed,
    /// None of these.
    Lost,
}

impl Field {
    /// From a path and the one member at the top of a request that holds the field.
    pub(super) fn new(path: &str, member: &str) -> Self {
        let member: Value = serde_json::from_str(member).unwrap();
        let (body, message) = whole_request(member);
        let (pointer, member) = pointers(path, &body, message);
        Self { path: path.to_owned(), body, pointer, member, dialect: Dialect::Chat }
    }

    /// The same before an upstream that speaks this dialect.
    pub(super) fn over(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// What such an upstream sees of a request with the field.
    pub(super) fn seen(&self, preset: Preset) -> String {
        self.translate(&self.body, preset).unwrap_or_else(|error| panic!("{}: {error}", self.path)).0
    }

    /// The places of which something is reported before such an upstream.
    pub(super) fn reported(&self, preset: Preset) -> Vec<String> {
        let (_, report) =
            self.translate(&self.body, preset).unwrap_or_else(|error| panic!("{}: {error}", self.path));
        report.into_iter().map(|loss| loss.pointer).collect()
    }

    /// What becomes of the field before such an upstream.
    pub(super) fn outcome(&self, preset: Preset) -> Outcome {
        let (seen, report) = match self.translate(&self.body, preset) {
            Ok(translated) => translated,
            Err(error) if self.is_named_in(&error) => return Outcome::Refused,
            Err(_) => return Outcome::Misnamed,
        };
        let value =
            self.body.pointer(&self.pointer).unwrap_or_else(|| panic!("{}: no such place", self.path));
        if sentinels(value).is_some_and(|words| words.iter().all(|word| seen.contains(word.as_str()))) {
            return Outcome::Carried;
        }
        match self.told(&report) {
            Some(Kind::Ignored) => Outcome::Hint,
            Some(_) => Outcome::Lossy,
            None if self.changes(&seen, preset) => Outcome::Carried,
            None => Outcome::Lost,
        }
    }

    /// What is reported of the field or of something in it; else of the nearest thing around it.
    fn told(&self, report: &[Loss]) -> Option<Kind> {
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let inside = report.iter().filter(|loss| within(&loss.pointer, &self.pointer));
        let mut inside = inside.map(|loss| loss.kind).collect::<Vec<_>>();
        inside.sort_by_key(|kind| *kind == Kind::Ignored);
        let around =
            report.iter().filter(|loss| !loss.pointer.is_empty() && within(&self.pointer, &loss.pointer));
        let nearest = around.max_by_key(|loss| loss.pointer.len()).map(|loss| loss.kind);
        inside.first().copied().or(nearest)
    }

    /// Whether the upstream sees something else without the field, or with another literal in its place.
    fn changes(&self, seen: &str, preset: Preset) -> bool {
        let mut without = self.body.clone();
        let (parent, name) = self.member.rsplit_once('/').expect("a member");
        let parent = without.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        let value = parent.remove(name);
        if let Ok((other, _)) = self.translate(&without, preset) {
            return other != seen;
        }
        let mut another = self.body.clone();
        *another.pointer_mut(&self.pointer).expect("the field") = match value {
            Some(Value::String(text)) => json!(other_literal(&text)),
            Some(Value::Object(_)) => json!({"other": "value"}),
            _ => json!(false),
        };
        // What can neither be missing nor be otherwise is heeded.
        self.translate(&another, preset).map_or(true, |(other, _)| other != seen)
    }

    fn translate(&self, body: &Value, preset: Preset) -> Result<(String, Vec<Loss>), String> {
        let parsed = Request::parse(body.to_string().as_bytes()).map_err(|error| error.message)?;
        // A model that reasons, and takes tools on chat completions.
        let options = Options { dialect: self.dialect, ..Options::new(preset.quirks(), "up", "gpt-5") };
        let translated = request(parsed, &options).map_err(|error| error.message)?;
        let seen = serde_json::to_string(&translated.body).unwrap();
        Ok((seen, translated.report.entries().to_vec()))
    }

    /// Whether the error names the field or something around it; of a message, at least its place.
    fn is_named_in(&self, error: &str) -> bool {
        let steps: Vec<_> = self.pointer.trim_start_matches('/').split('/').collect();
        let least = if steps[0] == "messages" { 2 } else { 1 };
        (least..=steps.len()).any(|length| error.contains(&steps[..length].join(".")))
    }
}

/// What the upstream sees and what is reported, or why the request is refused.
/// The member among those that every request needs; and the place of the message that the field is in.
fn whole_request(member: Value) -> (Value, usize) {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [user(json!("hi"))]});
    let mut place = 0;
    for (name, value) in member.as_object().unwrap() {
        if name == "messages" {
            let messages = conversation(&value[0]);
            place = messages.iter().position(|message| message.get("here").is_some()).unwrap();
            body["messages"] = json!(messages);
            body["messages"][place].as_object_mut().unwrap().remove("here");
        } else {
            body[name] = value.clone();
        }
    }
    if let Some(name) = referred_tool(&body["messages"][place])
        && body.get("tools").is_none()
    {
        let added = body["messages"][place]["content"][0]["type"] == "tool_addition";
        body["tools"] = json!([{"name": name, "input_schema": {"type": "object"}, "defer_loading": added}]);
    }
    if body.get("tool_choice").is_some() && body.get("tools").is_none() {
        let name = body["tool_choice"]["name"].as_str().unwrap_or("called");
        body["tools"] = json!([{"name": name, "input_schema": {"type": "object"}}]);
    }
    (body, place)
}

/// The tool that a message adds or removes by its name.
fn referred_tool(message: &Value) -> Option<Value> {
    let tool = &message["content"][0]["tool"];
    (tool["type"] == "tool_reference").then(|| tool["name"].clone())
}

/// The message, marked, among those that it needs.
fn conversation(message: &Value) -> Vec<Value> {
    let mut message = message.clone();
    message["here"] = json!(true);
    let blocks = message["content"].as_array().cloned().unwrap_or_default();
    let of_kind = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
    match message["role"].as_str() {
        Some("assistant") => {
            let mut next: Vec<_> = of_kind("tool_use")
                .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"]}))
                .collect();
            next.push(json!({"type": "text", "text": "go"}));
            vec![user(json!("hi")), message, user(json!(next))]
        }
        Some("system") => {
            if message.get("content").is_none() && message.get("output_config").is_none() {
                message["content"] = json!("a word");
            }
            vec![user(json!("hi")), message]
        }
        _ => match of_kind("tool_result").next() {
            Some(result) => {
                let call = json!({"type": "tool_use", "id": result["tool_use_id"], "name": "f", "input": {}});
                vec![user(json!("hi")), json!({"role": "assistant", "content": [call]}), message]
            }
            None => vec![message],
        },
    }
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

/// The JSON pointers of a path: every list has one item, but for that of the messages.
fn pointers(path: &str, body: &Value, message: usize) -> (String, String) {
    let path = path.split_once('=').map_or(path, |(path, _)| path);
    let (mut pointer, mut member, mut value) = (String::new(), String::new(), body);
    for step in path.trim_start_matches('/').split('/') {
        let name = step.split_once('[').map_or(step, |(name, _)| name);
        pointer = format!("{pointer}/{name}");
        member.clone_from(&pointer);
        value = value.get(name).unwrap_or_else(|| panic!("{path}: no {name}"));
        while let Some(list) = value.as_array() {
            let place = if pointer == "/messages" { message } else { 0 };
            pointer = format!("{pointer}/{place}");
            value = list.get(place).unwrap_or_else(|| panic!("{path}: an empty list"));
        }
    }
    (pointer, member)
}

/// The words and numbers in a value that stand nowhere else; `None` for a value without any.
fn sentinels(value: &Value) -> Option<Vec<String>> {
    let mut words = Vec::new();
    collect(value, &mut words);
    (!words.is_empty()).then_some(words)
}

fn collect(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) if text.to_ascii_lowercase().contains("zq") => words.push(text.clone()),
        Value::Number(number) if number.as_f64().is_some_and(|it| it > 1_000_000.0 || it.fract() > 0.0) => {
            words.push(number.to_string());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(members) => members.values().for_each(|member| collect(member, words)),
        _ => {}
    }
}

/// A literal that may stand where another stands, to see whether it makes a difference.
fn other_literal(value: &str) -> &'static str {
    match value {
        "image/png" => "image/jpeg",
        "image/jpeg" | "image/gif" | "image/webp" => "image/png",
        _ => "another",
    }
}
