//! What the demo upstream answers.

use serde_json::{Value, json};

use super::schema;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// Text, cut off or not.
    Text { text: String, cut: bool },
    /// A call of a tool, with arguments as a JSON text.
    Call { id: String, name: String, arguments: String },
}

/// Of what is quoted.
const QUOTED_CHARS: usize = 80;

impl Reply {
    /// The answer to a request. A forced tool goes before everything, then a schema for the answer, then what
    /// the last message asks for.
    pub(super) fn to(request: &Value, messages: &[Value]) -> Self {
        let said = Said::last(messages);
        let call = |tool: &Value| Self::call(tool, messages);
        if let Some(tool) = forced_tool(request) {
            return call(tool);
        }
        if let Some(schema) = request.pointer("/response_format/json_schema/schema") {
            return Self::text(&schema::example(schema).to_string(), request);
        }
        match said {
            Said::Tool(result) => {
                Self::text(&format!("The tool answered: {} Done.", quote(&result)), request)
            }
            Said::User(text) => match wanted_tool(request, &text) {
                Some(tool) => call(tool),
                None => Self::text(
                    &format!(
                        "This is the demo upstream of aiapiproxy: no model runs here. You said: {} \
                         Ask me to \"use a tool\" and I call the first one offered.",
                        quote(&text)
                    ),
                    request,
                ),
            },
        }
    }

    /// Words stand for tokens.
    fn text(text: &str, request: &Value) -> Self {
        let limit =
            ["max_completion_tokens", "max_tokens"].iter().find_map(|name| request.get(name)?.as_u64());
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let cut = words(text).count() > limit;
        Self::Text { text: words(text).take(limit).collect(), cut }
    }

    fn call(tool: &Value, messages: &[Value]) -> Self {
        let text =
            |pointer: &str| tool.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let schema = tool.pointer("/function/parameters").unwrap_or(&Value::Null);
        let arguments = match schema::example(schema) {
            object @ Value::Object(_) => object.to_string(),
            _ => "{}".to_owned(),
        };
        // Unique within the conversation, and the same each time.
        let id = format!("call_demo_{}", messages.len());
        Self::Call { id, name: text("/function/name"), arguments }
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        match self {
            Self::Text { cut: true, .. } => "length",
            Self::Text { cut: false, .. } => "stop",
            Self::Call { .. } => "tool_calls",
        }
    }

    /// The message of a whole answer.
    pub(super) fn message(&self) -> Value {
        match self {
            Self::Text { text, .. } => json!({"role": "assistant", "content": text, "refusal": null}),
            Self::Call { id, name, arguments } => {
                let function = json!({"name": name, "arguments": arguments});
                let call = json!({"id": id, "type": "function", "function": function});
                json!({"role": "assistant", "content": null, "tool_calls": [call]})
            }
        }
    }

    /// The deltas of a stream: word by word, or a call in pieces.
    pub(super) fn deltas(&self) -> Vec<Value> {
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        match self {
            Self::Text { text, .. } => deltas.extend(words(text).map(|word| json!({"content": word}))),
            Self::Call { id, name, arguments } => {
                let function = json!({"name": name, "arguments": ""});
                let start = json!({"index": 0, "id": id, "type": "function", "function": function});
                deltas.push(json!({"tool_calls": [start]}));
                let piece =
                    |text: String| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
                deltas.extend(pieces(arguments).into_iter().map(piece));
            }
        }
        deltas
    }

    /// Counts that are plausible and always the same: a token for four bytes, or for a word.
    pub(super) fn usage(&self, request_bytes: usize) -> Value {
        let input = request_bytes / 4 + 1;
        let output = match self {
            Self::Text { text, .. } => words(text).count(),
            Self::Call { arguments, .. } => arguments.len() / 4 + 8,
        };
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
    }
}

/// Who spoke last.
enum Said {
    User(String),
    Tool(String),
}

impl Said {
    /// Reminders that agents put beside what a person says or a tool answers are nobody's words.
    fn last(messages: &[Value]) -> Self {
        for message in messages.iter().rev() {
            let text = without_reminders(&text_of(message));
            match message.get("role").and_then(Value::as_str) {
                Some("tool") => return Self::Tool(text),
                Some("user") if !text.is_empty() => return Self::User(text),
                _ => {}
            }
        }
        Self::User(String::new())
    }
}

fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// The text outside of reminders, which may hold others. Where they do not end as they begin, only what stands
/// before the first and after the last of them is surely none.
fn without_reminders(text: &str) -> String {
    const OPEN: &str = "<system-reminder>";
    const CLOSE: &str = "</system-reminder>";
    let mut kept = String::new();
    let mut depth = 0_usize;
    for piece in text.split_inclusive('>') {
        let (words, tag) = match (piece.strip_suffix(OPEN), piece.strip_suffix(CLOSE)) {
            (Some(words), _) => (words, 1),
            (None, Some(words)) => (words, -1),
            (None, None) => (piece, 0),
        };
        if depth == 0 {
            kept.push_str(words);
        }
        depth = depth.saturating_add_signed(tag);
    }
    if depth > 0 {
        let before = text.split_once(OPEN).map_or("", |(before, _)| before);
        let after = text.rsplit_once(CLOSE).map_or("", |(_, after)| after);
        kept = format!("{before}{after}");
    }
    kept.trim().to_owned()
}

fn tools(request: &Value) -> &[Value] {
    request.get("tools").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn name_of(tool: &Value) -> Option<&str> {
    tool.pointer("/function/name")?.as_str()
}

/// The tool that `tool_choice` demands.
fn forced_tool(request: &Value) -> Option<&Value> {
    match request.get("tool_choice")? {
        Value::String(mode) if mode == "required" => tools(request).first(),
        choice => {
            let name = name_of(choice)?;
            tools(request).iter().find(|tool| name_of(tool) == Some(name))
        }
    }
}

/// The tool that the person asks for: the one that is named, or else the first.
fn wanted_tool<'a>(request: &'a Value, text: &str) -> Option<&'a Value> {
    if request.get("tool_choice").and_then(Value::as_str) == Some("none") {
        return None;
    }
    let lower = text.to_lowercase();
    let (_, after) = lower.split_once("use a tool")?;
    let words: Vec<&str> = after.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).collect();
    let named = |tool: &&Value| {
        let name = name_of(tool).unwrap_or_default().to_lowercase();
        !name.is_empty() && words.contains(&name.as_str())
    };
    let tools = tools(request);
    tools.iter().find(named).or_else(|| tools.first())
}

/// Words, each with the space after it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// Pieces that cut JSON in awkward places, as real ones do.
fn pieces(arguments: &str) -> Vec<String> {
    let chars: Vec<char> = arguments.chars().collect();
    chars.chunks(7).map(|piece| piece.iter().collect()).collect()
}

/// The beginning, on one line.
fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(QUOTED_CHARS).collect();
    if short.len() < line.len() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(request: &Value) -> Reply {
        Reply::to(request, request["messages"].as_array().unwrap())
    }

    fn tools() -> Value {
        let tool = |name: &str| {
            json!({"type": "function", "function": {"name": name, "parameters": {
                "type": "object", "required": ["city"],
                "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            }}})
        };
        json!([tool("Agent"), tool("get_weather")])
    }

    fn asked(text: &str) -> Value {
        json!({"messages": [{"role": "user", "content": text}], "tools": tools()})
    }

    #[test]
    fn tools_are_called_only_when_asked_for() {
        assert!(matches!(reply(&asked("hello")), Reply::Text { .. }));
        let Reply::Call { name, arguments, .. } = reply(&asked("Please USE A TOOL now")) else {
            panic!("call")
        };
        assert_eq!((name.as_str(), arguments.as_str()), ("Agent", r#"{"city":"demo"}"#));
        let Reply::Call { name, .. } = reply(&asked("use a tool: Get_Weather")) else { panic!("call") };
        assert_eq!(name, "get_weather");
        let mut none = asked("use a tool");
        none["tool_choice"] = json!("none");
        assert!(matches!(reply(&none), Reply::Text { .. }));
    }

    #[test]
    fn reminders_are_cut_out_nested_or_broken() {
        for (text, expected) in [
            ("a <system-reminder>x</system-reminder>b", "a b"),
            ("<system-reminder>x <system-reminder>y</system-reminder> z</system-reminder>hello", "hello"),
            ("a <system-reminder>tags like <system-reminder> are</system-reminder> b", "a  b"),
            ("1 > 0 and 2 </b>", "1 > 0 and 2 </b>"),
            ("a</system-reminder> b", "a b"),
        ] {
            assert_eq!(without_reminders(text), expected);
        }
    }

    #[test]
    fn reminders_are_nobodys_words() {
        let reminder = "<system-reminder>use a tool</system-reminder>";
        assert!(matches!(reply(&asked(&format!("{reminder}hello"))), Reply::Text { .. }));
        let mut after_tool = asked("use a tool");
        let messages = after_tool["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": []}));
        messages.push(
            json!({"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sunny"}]}),
        );
        messages.push(json!({"role": "user", "content": [{"type": "text", "text": reminder}]}));
        let Reply::Text { text, .. } = reply(&after_tool) else { panic!("text") };
        assert_eq!(text, "The tool answered: sunny Done.");
    }

    #[test]
    fn a_forced_tool_is_called() {
        let mut request = asked("hello");
        request["tool_choice"] = json!("required");
        assert!(matches!(reply(&request), Reply::Call { name, .. } if name == "Agent"));
        request["tool_choice"] = json!({"type": "function", "function": {"name": "get_weather"}});
        assert!(matches!(reply(&request), Reply::Call { name, .. } if name == "get_weather"));
    }

    #[test]
    fn a_schema_is_answered_with_json() {
        let mut request = asked("use a tool");
        request["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": {
            "type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}},
        }}});
        assert_eq!(reply(&request), Reply::Text { text: r#"{"n":1}"#.to_owned(), cut: false });
    }

    #[test]
    fn the_answer_keeps_to_max_tokens() {
        let mut request = asked("hello");
        request["max_tokens"] = json!(3);
        let cut = reply(&request);
        assert_eq!(cut, Reply::Text { text: "This is the ".to_owned(), cut: true });
        assert_eq!(cut.finish_reason(), "length");
        assert_eq!(cut.usage(40)["completion_tokens"], 3);
    }

    #[test]
    fn streamed_arguments_join_to_the_whole() {
        let call = reply(&asked("use a tool"));
        let joined: String = call
            .deltas()
            .iter()
            .filter_map(|delta| {
                delta.pointer("/tool_calls/0/function/arguments")?.as_str().map(str::to_owned)
            })
            .collect();
        assert_eq!(call.message().pointer("/tool_calls/0/function/arguments"), Some(&json!(joined)));
        assert!(call.deltas().len() > 3, "in pieces");
    }

    #[test]
    fn quotes_are_short_and_on_one_line() {
        assert_eq!(quote("a\n b"), "a b");
        let long = quote(&"é".repeat(200));
        assert_eq!(long.chars().count(), QUOTED_CHARS + 1);
    }
}
