//! What messages hold: media, documents, numbers, and reasoning that comes back.

use crate::support::serving::answer;
use crate::support::upstream::Exchange;
use crate::vectors::ground::{
    Ground, asking, assistant, call, called, completed, message, result, roles, text, user, with,
};
use serde_json::{Value, json};

/// What a route adds to its configuration for the Responses dialect.
const RESPONSES: &str = "[upstream]\ndialect = 'responses'\n";

fn image(data: &str) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
}

fn shown() -> Value {
    let calls = assistant(json!([call("A", "look", json!({})), call("B", "look", json!({}))]));
    let results = user(json!([
        result("A", json!([text("the left one"), image("iVBORw0KGgoA")])),
        result("B", json!([image("iVBORw0KGgoB")])),
    ]));
    asking(json!([user("hi"), calls, results]))
}

pub(crate) fn vector_09_media_of_results() {
    let ground = Ground::new("");
    let seen = ground.sees(shown());
    assert_eq!(roles(&seen), ["user", "assistant", "tool", "tool", "user"]);
    let ids = [0, 1].map(|place: usize| seen["messages"][1]["tool_calls"][place]["id"].as_str().unwrap());
    let media = seen["messages"][4]["content"].as_array().unwrap();
    let (mut named, mut shown) = (Vec::new(), Vec::new());
    for part in media {
        match part["type"].as_str() {
            Some("text") => named.push(part["text"].as_str().unwrap()),
            _ => shown.push(part["image_url"]["url"].as_str().unwrap()),
        }
    }
    assert_eq!(shown, ["data:image/png;base64,iVBORw0KGgoA", "data:image/png;base64,iVBORw0KGgoB"]);
    for (place, id) in ids.into_iter().enumerate() {
        let told = seen["messages"][2 + place]["content"].as_str().unwrap();
        assert!(told.contains("image 1") && told.contains(id), "a marker stands where the image was: {told}");
        assert!(named[place].contains(id), "each image is named: {named:?}");
    }
    assert!(seen["messages"][2]["content"].as_str().unwrap().starts_with("the left one"));
    ground.end();
}

pub(crate) fn vector_09_media_of_results_in_responses() {
    let ground = Ground::answering(RESPONSES, |_| {
        Exchange::new().json(json!({"id": "resp_1", "object": "response", "status": "completed", "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]}))
    });
    let seen = ground.sees(shown());
    let outputs: Vec<_> =
        seen["input"].as_array().unwrap().iter().filter(|it| it["type"] == "function_call_output").collect();
    let kinds = |output: &Value| -> Vec<String> {
        let parts = output["output"].as_array().unwrap();
        parts.iter().map(|part| part["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(outputs[0]), ["input_text", "input_image"]);
    assert_eq!(outputs[0]["output"][1]["image_url"], "data:image/png;base64,iVBORw0KGgoA");
    assert_eq!(kinds(outputs[1]), ["input_image"]);
    ground.end();
}

pub(crate) fn vector_24_pdf() {
    let pdf = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}});
    let asked = asking(json!([user(json!([text("read this"), pdf]))]));
    let ground = Ground::new("");
    let seen = ground.sees(&asked);
    let file = &seen["messages"][0]["content"][1];
    assert_eq!(file["type"], "file");
    assert_eq!(file["file"]["file_data"], "data:application/pdf;base64,JVBERi0=");
    assert_eq!(file["file"]["filename"], "document.pdf");
    ground.end();
    let ground = Ground::new("[upstream.quirks]\nfiles = false\n");
    assert!(message(&ground.refuses(&asked)).contains("messages.0.content.1"));
    ground.end();
}

pub(crate) fn vector_28_numbers() {
    let ground = Ground::new("");
    let input = r#"{"z":9007199254740993,"price":1.10, "list":[1e400,-0]}"#;
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},
            {{"role":"assistant","content":[{{"type":"tool_use","id":"A","name":"f","input":{input}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"A","content":"ok"}}]}}]}}"#
    );
    let seen = ground.sees(body);
    assert_eq!(seen["messages"][1]["tool_calls"][0]["function"]["arguments"], input);
    ground.end();
}

pub(crate) fn vector_31_reasoning_echo() {
    let thoughtful = json!({"role": "assistant", "content": null, "reasoning_content": "first the map",
        "tool_calls": [called("call_1", "look", "{}")]});
    let ground = Ground::answering("[upstream]\npreset = 'deepseek'\n", move |_| {
        Exchange::new().json(completed(thoughtful.clone(), "tool_calls"))
    });
    let bare = assistant(json!([call("A", "look", json!({}))]));
    let seen = ground.sees(asking(json!([user("hi"), bare, user(json!([result("A", "ok")]))])));
    assert_eq!(seen["messages"][1]["reasoning_content"], "");
    for display in ["omitted", "summarized"] {
        let thinking = json!({"type": "adaptive", "display": display});
        let message = answer(ground.0.post(with("thinking", thinking)));
        let shown = message["content"][0]["thinking"].as_str().unwrap();
        assert_eq!(shown, if display == "omitted" { "" } else { "first the map" });
        let id = message["content"][1]["id"].as_str().unwrap();
        let next = asking(json!([
            user("hi"),
            assistant(message["content"].clone()),
            user(json!([result(id, "ok")])),
        ]));
        assert_eq!(ground.sees(next)["messages"][1]["reasoning_content"], "first the map", "{display}");
    }
    ground.end();
}
