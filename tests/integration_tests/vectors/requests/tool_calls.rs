//! Calls and their results in the history: words for failures, empty contents, ids.

use crate::support::upstream::Exchange;
use crate::vectors::ground::{Ground, asking, assistant, call, called, completed, result, roles, text, user};
use serde_json::{Value, json};

/// A conversation with one call, whose result has these members beside its id.
fn answered(members: Value) -> Value {
    let mut result = json!({"type": "tool_result", "tool_use_id": "A"});
    result.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asking(json!([user("hi"), assistant(json!([call("A", "f", json!({}))])), user(json!([result]))]))
}

pub(crate) fn vector_10_failed_tools() {
    let ground = Ground::new("");
    let told = |members| ground.sees(answered(members))["messages"][2]["content"].clone();
    let failed = told(json!({"is_error": true, "content": "boom"}));
    assert!(failed.as_str().unwrap().starts_with("Error: boom"), "{failed}");
    let failed = told(json!({"is_error": true, "content": [text("boom")]}));
    assert!(failed.as_str().unwrap().starts_with("Error: boom"), "{failed}");
    assert_eq!(told(json!({"is_error": true, "content": ""})), "Error");
    assert_eq!(told(json!({"is_error": true, "content": []})), "Error");
    assert_eq!(told(json!({"is_error": true})), "Error");
    assert_eq!(told(json!({"is_error": false, "content": "boom"})), "boom");
    ground.end();
}

pub(crate) fn vector_11_empty_contents() {
    let ground = Ground::new("");
    for members in [json!({}), json!({"content": null}), json!({"content": ""}), json!({"content": []})] {
        let seen = ground.sees(answered(members));
        assert_eq!(seen["messages"][2]["content"], "");
        let calling = seen["messages"][1].as_object().unwrap();
        assert_eq!(calling.get("content"), Some(&Value::Null), "there, and null");
    }
    ground.end();
}

pub(crate) fn vector_12_same_ids() {
    let ground = Ground::new("");
    let turn = |result_text: &str| {
        [assistant(json!([call("call_0", "f", json!({}))])), user(json!([result("call_0", result_text)]))]
    };
    let [first_call, first_result] = turn("one");
    let [second_call, second_result] = turn("two");
    let said = json!([user("hi"), first_call, first_result, second_call, second_result]);
    let seen = ground.sees(asking(said));
    assert_eq!(roles(&seen), ["user", "assistant", "tool", "assistant", "tool"]);
    let id = |place: usize| seen["messages"][place]["tool_calls"][0]["id"].as_str().unwrap();
    assert_ne!(id(1), id(3));
    for (place, content) in [(1, "one"), (3, "two")] {
        let told = &seen["messages"][place + 1];
        assert_eq!((told["tool_call_id"].as_str(), &told["content"]), (Some(id(place)), &json!(content)));
    }
    ground.end();
}

pub(crate) fn vector_13_ids_for_mistral() {
    let calling = json!({"role": "assistant", "content": "", "tool_calls": [called("D681PevKs", "f", "{}")]});
    let ground = Ground::answering("[upstream]\npreset = 'mistral'\n", move |_| {
        Exchange::new().json(completed(calling.clone(), "tool_calls"))
    });
    let round = |id: &str| {
        let history = json!([
            user("hi"),
            assistant(json!([call(id, "f", json!({}))])),
            user(json!([result(id, "ok")])),
        ]);
        let (seen, message) = ground.exchange(asking(history));
        let sent = seen["messages"][1]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(seen["messages"][2]["tool_call_id"], sent.as_str());
        assert!(sent.len() == 9 && sent.bytes().all(|b| b.is_ascii_alphanumeric()), "{sent}");
        (sent, message["content"][0]["id"].as_str().unwrap().to_owned())
    };
    // An id from elsewhere, such as Anthropic's, becomes one of Mistral's form.
    let (_, clients) = round("toolu_01A09q90qw90lq917835lq9");
    // Mistral's own goes to the client and comes back.
    assert_eq!(clients, "D681PevKs");
    assert_eq!(round(&clients).0, "D681PevKs");
    ground.end();
}
