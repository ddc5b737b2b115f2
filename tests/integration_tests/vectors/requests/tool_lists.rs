//! Which tools are offered, how, and under which names.

use crate::support::http::Call;
use crate::support::serving::{answer, messages};
use crate::support::upstream::{Exchange, Request};
use crate::vectors::ground::{
    Ground, asking, assistant, call, called, completed, message, result, text, tool, user, warnings, with,
};
use serde_json::{Value, json};

/// What forces chat completions on a route, where another dialect would be chosen.
const CHAT: &str = "dialect = 'chat'\n";

/// An upstream that calls the tools of these places in the list.
fn calls_offered(places: &'static [usize]) -> impl Fn(&Request) -> Exchange + Send {
    move |request| {
        let seen = request.json();
        let calls: Vec<_> = places
            .iter()
            .map(|place| {
                let name = seen["tools"][place]["function"]["name"].as_str().expect("a tool of that place");
                called(&format!("call_{place}"), name, "{}")
            })
            .collect();
        let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
        Exchange::new().json(completed(message, "tool_calls"))
    }
}

pub(crate) fn vector_14_names_of_tools() {
    let long = format!("mcp__very_long_{}", "x".repeat(75));
    assert_eq!(long.len(), 90);
    let same_start = format!("{}_other", &long[..70]);
    let names = [long.as_str(), &same_start, "a.b/c", "plain"];
    let ground = Ground::answering("", calls_offered(&[0, 1, 2, 3]));
    let mut asked = asking(json!([
        user("hi"),
        assistant(json!([call("A", &long, json!({})), call("B", "a.b/c", json!({}))])),
        user(json!([result("A", "ok"), result("B", "ok")])),
    ]));
    asked["tools"] = names.iter().map(|name| tool(name)).collect();
    for (place, name) in names.iter().enumerate() {
        asked["tool_choice"] = json!({"type": "tool", "name": name});
        let (seen, message) = ground.exchange(&asked);
        let sent: Vec<_> = (0..names.len()).map(|at| seen["tools"][at]["function"]["name"].clone()).collect();
        for name in &sent {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            assert!(name.as_str().is_some_and(|name| name.len() <= 64 && name.bytes().all(legal)), "{name}");
        }
        assert_ne!(sent[0], sent[1]);
        assert_eq!(sent[3], "plain");
        assert_eq!(seen["tool_choice"]["function"]["name"], sent[place]);
        let history = &seen["messages"][1]["tool_calls"];
        assert_eq!(
            [&history[0]["function"]["name"], &history[1]["function"]["name"]],
            [&sent[0], &sent[2]],
            "the history has the same names"
        );
        let told: Vec<_> =
            message["content"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
        assert_eq!(told, names);
    }
    ground.end();
}

pub(crate) fn vector_15_schemas() {
    let ground = Ground::new("");
    let alternatives = r#"[{"required":["b"]},{"required":["a"]}]"#;
    let table = [
        ("{}".to_owned(), r#"{"type":"object","properties":{}}"#.to_owned()),
        (r#"{"type":"object"}"#.to_owned(), r#"{"type":"object","properties":{}}"#.to_owned()),
        (
            r#"{"type":"object","properties":null,"required":null}"#.to_owned(),
            r#"{"type":"object","properties":{}}"#.to_owned(),
        ),
        ("true".to_owned(), r#"{"type":"object","properties":{}}"#.to_owned()),
        (
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"z":{"minimum":1.0},"a":{}},"required":["z"]}"#
                .to_owned(),
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"z":{"minimum":1.0},"a":{}},"required":["z"]}"#
                .to_owned(),
        ),
        (
            format!(r#"{{"properties":{{"b":{{}},"a":{{}}}},"anyOf":{alternatives},"$defs":{{"y":{{}},"x":{{}}}}}}"#),
            format!(
                r#"{{"type":"object","properties":{{"b":{{}},"a":{{}}}},"anyOf":{alternatives},"$defs":{{"y":{{}},"x":{{}}}}}}"#
            ),
        ),
    ];
    for (schema, expected) in table {
        let reported = schema == "true" || schema.contains("anyOf");
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}],"tools":[{{"name":"f","input_schema":{schema}}}]}}"#
        );
        let (_, warnings) = ground.sees_with_warnings(body);
        let bytes = ground.last_bytes();
        assert!(bytes.contains(&format!("\"parameters\":{expected}")), "{schema} became {bytes}");
        assert_eq!(!warnings.is_empty(), reported, "{schema}: {warnings:?}");
    }
    ground.end();
}

pub(crate) fn vector_16_no_tools() {
    let ground = Ground::new("");
    let mut asked = with("tools", json!([]));
    asked["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
    let seen = ground.sees(asked);
    for name in ["tools", "tool_choice", "parallel_tool_calls"] {
        assert!(seen.get(name).is_none(), "{seen}");
    }
    ground.end();
}

pub(crate) fn vector_17_one_call() {
    let ground =
        Ground::answering("[upstream.quirks]\nparallel_tool_calls = false\n", calls_offered(&[0, 1]));
    let mut asked = with("tools", json!([tool("one"), tool("two")]));
    asked["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
    let reply = ground.0.post(&asked);
    assert!(!warnings(&reply).is_empty(), "the lost call is reported");
    let message = answer(reply);
    let names: Vec<_> = message["content"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["one"]);
    assert!(!ground.last_bytes().contains("parallel_tool_calls"));
    asked["tool_choice"] = json!({"type": "auto"});
    assert_eq!(ground.exchange(asked).1["content"].as_array().unwrap().len(), 2, "who wants two gets two");
    ground.end();
}

fn with_tools_for(model: &str) -> Value {
    let mut asked = with("tools", json!([tool("look")]));
    asked["model"] = json!(model);
    asked
}

pub(crate) fn vector_22_tools_on_newer_models() {
    let ground = Ground::new(&format!("[upstream]\npreset = 'openai'\n{CHAT}"));
    let error = ground.refuses(with_tools_for("gpt-6-astra"));
    for part in ["gpt-6-astra", "tools", "chat completions"] {
        assert!(message(&error).contains(part), "{part} is not in: {error}");
    }
    let mut asked = with_tools_for("gpt-6-astra");
    asked.as_object_mut().unwrap().remove("tools");
    ground.sees(asked);
    ground.sees(with_tools_for("gpt-4.1"));
    ground.end();
}

pub(crate) fn vector_22_tools_on_newer_models_in_responses() {
    let ground = Ground::answering("[upstream]\npreset = 'openai'\ndialect = 'auto'\n", |_| {
        Exchange::new().expect_path("/v1/responses").json(json!({
            "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-6-astra",
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}],
            "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
        }))
    });
    let (seen, message) = ground.exchange(with_tools_for("gpt-6-astra"));
    assert_eq!(seen["tools"][0]["name"], "look");
    assert_eq!(seen["tools"][0]["strict"], false);
    assert_eq!(message["content"], json!([{"type": "text", "text": "Hello"}]));
    ground.end();
}

pub(crate) fn vector_26_server_tools() {
    let ground = Ground::new("");
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 8});
    let alone = with("tools", json!([search]));
    assert!(message(&ground.refuses(&alone)).contains("tools.0"));
    let mut forced = alone;
    forced["tool_choice"] = json!({"type": "tool", "name": "web_search"});
    assert!(message(&ground.refuses(&forced)).contains("web_search"));
    forced["tools"] = json!([tool("look"), search]);
    assert!(message(&ground.refuses(&forced)).contains("web_search"), "forced among others");
    let mut among = forced;
    among["tool_choice"] = json!({"type": "auto"});
    let (seen, warnings) = ground.sees_with_warnings(among);
    assert_eq!(seen["tools"].as_array().unwrap().len(), 1);
    assert_eq!(seen["tools"][0]["function"]["name"], "look");
    assert_eq!(warnings, ["tools.1"]);
    ground.end();
}

pub(crate) fn vector_27_deferred_tools() {
    let ground = Ground::new("");
    let mut tools: Vec<_> = (0..12).map(|number| tool(&format!("tool_{number}"))).collect();
    for deferred in &mut tools[7..] {
        deferred["defer_loading"] = json!(true);
    }
    let reference = json!({"type": "tool_reference", "tool_name": "tool_9"});
    let mut asked = asking(json!([
        user("hi"),
        assistant(json!([text("I search"), call("A", "tool_0", json!({"query": "nine"}))])),
        user(json!([result("A", json!([reference]))])),
    ]));
    asked["tools"] = json!(tools);
    let call: Call = messages(&asked).header("anthropic-beta", "advanced-tool-use-2025-11-20");
    answer(ground.0.send(&call));
    let seen = ground.0.request().json();
    let names: Vec<_> =
        seen["tools"].as_array().unwrap().iter().map(|it| it["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["tool_0", "tool_1", "tool_2", "tool_3", "tool_4", "tool_5", "tool_6", "tool_9"],
        "eight: seven and the one that was asked for, in the order of the list"
    );
    ground.end();
}
