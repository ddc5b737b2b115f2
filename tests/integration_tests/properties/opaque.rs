//! Opaque JSON keeps its bytes: key order, number text, spacing, escapes.

use super::{DIALECTS, PLAIN, body_of, config, context, cut, object_text, options, places, run, stream};
use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::protocol::anthropic::response::ContentBlock;
use aiapiproxy::protocol::anthropic::stream::{BlockDelta, Event};
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::End;
use aiapiproxy::translate::{Options, request};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A request whose history holds that input and whose tool has that schema, as text.
fn body(input: &str, schema: &str) -> String {
    format!(
        r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"a"}},
        {{"role":"assistant","content":[{{"type":"tool_use","id":"A","name":"f","input":{input}}}]}},
        {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"A","content":"b"}}]}}],
        "tools":[{{"name":"f","input_schema":{schema}}}],
        "output_config":{{"format":{{"type":"json_schema","schema":{schema}}}}}}}"#
    )
}

fn whole_answer(arguments: &str) -> Value {
    let call = json!({"id": "x", "function": {"name": "f", "arguments": arguments}});
    json!({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn inputs_and_schemas_of_requests(
        input in object_text(),
        properties in object_text(),
        preset in preset(),
        dialect in prop::sample::select(&DIALECTS[..]),
    ) {
        let schema = format!(r#"{{ "zeta":1.10,"type":"object" , "properties":{properties},"required":[]}}"#);
        let parsed = Request::parse(body(&input, &schema).as_bytes()).unwrap();
        let options = Options { dialect, ..options(preset) };
        let body = request(parsed, &options).unwrap().body;
        let text = serde_json::to_string(&body).unwrap();
        let arguments = format!("\"arguments\":{}", serde_json::to_string(&input).unwrap());
        prop_assert!(text.contains(&arguments), "{input} in {text}");
        // Where the upstream takes no schema for its answer, a text holds it.
        let in_text = serde_json::to_string(&schema).unwrap();
        let times = text.matches(&schema).count() + text.matches(in_text.trim_matches('"')).count();
        prop_assert_eq!(times, 2, "{} in {}", schema, text);
    }

    #[test]
    fn arguments_of_whole_answers(arguments in object_text(), as_object in any::<bool>()) {
        let text = if as_object {
            whole_answer("ARGUMENTS").to_string().replace("\"ARGUMENTS\"", &arguments)
        } else {
            whole_answer(&arguments).to_string()
        };
        let (message, report) = response(text.as_bytes(), "msg_1".to_owned(), context(PLAIN)).unwrap();
        let [ContentBlock::ToolUse { input, .. }] = &message.content[..] else { panic!("{message:?}") };
        prop_assert_eq!(input.get(), arguments);
        prop_assert!(report.entries().is_empty());
    }

    #[test]
    fn arguments_of_streams(arguments in object_text(), places in places(8)) {
        let piece = |index: u8, text: &str| {
            let call = json!({"index": index, "function": {"name": "f", "arguments": text}});
            json!({"choices": [{"delta": {"tool_calls": [call]}}]})
        };
        let chunks: Vec<Value> = cut(&arguments, &places).into_iter().map(|text| piece(0, text)).collect();
        let events = run(&mut stream(PLAIN), [body_of(&chunks).as_slice()], End::Eof);
        let written: String = events
            .iter()
            .filter_map(|event| match event {
                Event::ContentBlockDelta { delta: BlockDelta::InputJsonDelta { partial_json }, .. } => {
                    Some(partial_json.as_str())
                }
                _ => None,
            })
            .collect();
        prop_assert_eq!(written, arguments);
    }
}

fn preset() -> impl Strategy<Value = Preset> {
    prop::sample::select(&Preset::ALL[..])
}
