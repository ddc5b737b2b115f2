//! The messages of an older turn are, as bytes, the beginning of the next turn's: caches of upstreams match
//! prefixes, and one changed byte costs the whole conversation.

use super::{DIALECTS, config, object_text, options};
use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::{Body, Dialect, Options, request};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The user speaks, perhaps with system texts, then the model; tools answer at the start of the next turn.
#[derive(Debug, Clone)]
struct Turn {
    texts: Vec<String>,
    system: Vec<String>,
    said: String,
    thought: bool,
    /// Each call's id and input, and what the tool answered.
    calls: Vec<(String, String, Answered)>,
}

#[derive(Debug, Clone)]
enum Answered {
    Text(String),
    Image,
    Failed,
    Nothing,
}

fn turn() -> impl Strategy<Value = Turn> {
    let text =
        || prop::sample::select(&["go", " ", "é", "two\nlines", "  spaced  "][..]).prop_map(str::to_owned);
    let answered = prop_oneof![
        text().prop_map(Answered::Text),
        Just(Answered::Image),
        Just(Answered::Failed),
        Just(Answered::Nothing),
    ];
    // Few ids, so that they repeat from turn to turn, and are mistaken for renamed ones.
    let id = prop::sample::select(&["call_0", "call_0_1", "functions.f:0", "toolu_x_ZnVuY3Rpb25zLmY6MA"][..]);
    (
        prop::collection::vec(text(), 1..3),
        prop::collection::vec(text(), 0..3),
        text(),
        any::<bool>(),
        prop::collection::vec((id.prop_map(str::to_owned), object_text(), answered), 0..3),
    )
        .prop_map(|(mut texts, system, said, thought, calls)| {
            // A conversation that begins with a blank message keeps it only while there is no other.
            texts.insert(0, "hi".to_owned());
            // A blank answer is left out, which where messages are merged joins its neighbours.
            let said = format!("ok {said}");
            Turn { texts, system, said, thought, calls }
        })
}

/// The conversation up to and including what the user says in the last turn.
fn messages(turns: &[Turn]) -> Vec<String> {
    let mut messages: Vec<Value> = Vec::new();
    let mut inputs = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let texts = turn.texts.iter().map(|text| json!({"type": "text", "text": text}));
        let content: Vec<Value> = results.drain(..).chain(texts).collect();
        messages.push(json!({"role": "user", "content": content}));
        messages.extend(turn.system.iter().map(|text| json!({"role": "system", "content": text})));
        if number + 1 == turns.len() {
            break;
        }
        let mut said = vec![json!({"type": "text", "text": turn.said})];
        if turn.thought {
            said.insert(0, json!({"type": "thinking", "thinking": "hm", "signature": ""}));
        }
        for (id, input, answered) in &turn.calls {
            // The input goes in as the text it is, once everything is written.
            said.push(
                json!({"type": "tool_use", "id": id, "name": "f", "input": format!("INPUT{}", inputs.len())}),
            );
            inputs.push(input.clone());
            let image = json!([{"type": "image", "source": {"type": "url", "url": "https://e.x/a.png"}}]);
            let mut result = json!({"type": "tool_result", "tool_use_id": id});
            match answered {
                Answered::Text(text) => result["content"] = text.as_str().into(),
                Answered::Image => result["content"] = image,
                Answered::Failed => result["is_error"] = true.into(),
                Answered::Nothing => {}
            }
            results.push(result);
        }
        messages.push(json!({"role": "assistant", "content": said}));
    }
    let mut texts: Vec<String> = messages.iter().map(Value::to_string).collect();
    for (number, input) in inputs.iter().enumerate() {
        for text in &mut texts {
            *text = text.replace(&format!("\"INPUT{number}\""), input);
        }
    }
    texts
}

/// The upstream's messages, serialised, without the closing bracket.
fn upstream_messages(turns: &[Turn], preset: Preset, dialect: Dialect) -> String {
    let messages = messages(turns).join(",");
    let body = format!(r#"{{"model":"m","max_tokens":1,"system":"Lead.","messages":[{messages}]}}"#);
    let parsed = Request::parse(body.as_bytes()).unwrap();
    let options = Options { dialect, ..options(preset) };
    let translated = request(parsed, &options).unwrap_or_else(|error| panic!("{error}: {body}"));
    let text = conversation(&translated.body);
    text.strip_suffix(']').unwrap().to_owned()
}

fn conversation(body: &Body) -> String {
    match body {
        Body::Chat(chat) => serde_json::to_string(&chat.messages).unwrap(),
        Body::Responses(responses) => serde_json::to_string(&responses.input).unwrap(),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_older_turn_is_a_prefix_of_the_next(
        turns in prop::collection::vec(turn(), 1..6),
        // One of each way to place system texts, to name calls, and to merge.
        preset in prop::sample::select(&[Preset::Generic, Preset::Groq, Preset::OpenAi, Preset::Vllm, Preset::Mistral][..]),
        dialect in prop::sample::select(&DIALECTS[..]),
    ) {
        let seen = |count: usize| upstream_messages(&turns[..count], preset, dialect);
        for count in 1..turns.len() {
            let (older, newer) = (seen(count), seen(count + 1));
            prop_assert!(newer.starts_with(&older), "{}\n{}", older, newer);
        }
    }
}

/// Where the prefix breaks, and may: the client asked for it.
#[test]
fn a_cleared_system_message_breaks_the_prefix() {
    let body = |more: &str| {
        format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"a"}},
            {{"role":"system","content":"now","clear_at":"next_user_message"}}{more}]}}"#
        )
    };
    let translated = |body: &str| {
        conversation(&request(Request::parse(body.as_bytes()).unwrap(), &options(Preset::Groq)).unwrap().body)
    };
    let older = translated(&body(""));
    let newer = translated(&body(r#",{"role":"assistant","content":"b"},{"role":"user","content":"c"}"#));
    assert!(older.contains("now") && !newer.contains("now"));
}
