//! `POST /v1/messages/count_tokens`: who counts, and by how much the count is multiplied.

use crate::support::bodies::request;
use crate::support::http::Call;
use crate::support::serving::{Gateway, answer};
use crate::support::upstream::Exchange;
use serde_json::json;

fn count(gateway: &Gateway) -> u64 {
    let mut body = request("Count these words, please.", false);
    body["tools"] = json!([{"name": "look", "input_schema": {"type": "object", "properties": {}}}]);
    let reply = gateway.send(&Call::post("/v1/messages/count_tokens").json(body));
    answer(reply)["input_tokens"].as_u64().unwrap()
}

fn counted_by(settings: &str) -> u64 {
    let gateway = Gateway::with_config(vec![], settings);
    let counted = count(&gateway);
    gateway.end();
    counted
}

fn ours() -> u64 {
    counted_by("[upstream]\npreset = \"llama.cpp\"")
}

#[test]
fn the_count_may_be_multiplied_for_an_upstream_and_for_a_model() {
    let plain = ours();
    let with = |factor: &str| {
        counted_by(&format!("[upstream]\npreset = \"llama.cpp\"\ncount_multiplier = {factor}\n"))
    };
    assert_eq!(with("1"), plain);
    assert_eq!(with("1.5"), (plain * 3).div_ceil(2));
    let model = "[upstream]\npreset = \"llama.cpp\"\ncount_multiplier = 3\n[models]\n\
                 sonnet = { model = \"m\", count_multiplier = 2.0 }";
    assert_eq!(counted_by(model), plain * 2);
}

#[test]
fn the_tables_may_be_left_out() {
    let by_length = counted_by("[upstream]\npreset = \"llama.cpp\"\ncount_tokens = \"chars\"");
    assert!((ours() / 2..ours() * 2).contains(&by_length), "{by_length}");
}

#[test]
fn llama_cpp_counts_its_own_prompt() {
    let script = vec![
        Exchange::new().expect_method("POST").expect_path("/apply-template").json(json!({"prompt": "<s>Hi"})),
        Exchange::new().expect_method("POST").expect_path("/tokenize").json(json!({"tokens": [1, 2, 3]})),
    ];
    let settings = "[upstream]\npreset = \"llama.cpp\"\ncount_tokens = \"upstream\"\ncount_multiplier = 2";
    let gateway = Gateway::with_config(script, settings);
    assert_eq!(count(&gateway), 6);
    let [asked, prompt] = &gateway.upstream.requests()[..] else { panic!("two requests") };
    assert_eq!(asked.json()["messages"][0]["content"], "Count these words, please.");
    assert_eq!(asked.json()["tools"][0]["function"]["name"], "look");
    assert_eq!(prompt.json(), json!({"content": "<s>Hi", "add_special": true, "parse_special": true}));
    gateway.end();
}

#[test]
fn vllm_counts_the_request_itself() {
    let script = vec![Exchange::new().expect_path("/tokenize").json(json!({"count": 42, "tokens": []}))];
    let settings = "[upstream]\npreset = \"vllm\"\ncount_tokens = \"upstream\"";
    let gateway = Gateway::with_config(script, settings);
    assert_eq!(count(&gateway), 42);
    let sent = gateway.request().json();
    assert_eq!(sent["messages"][0]["content"], "Count these words, please.");
    gateway.end();
}

#[test]
fn where_the_upstream_does_not_count_the_tables_do() {
    let settings = "[upstream]\npreset = \"vllm\"\ncount_tokens = \"upstream\"";
    let plain = ours();
    for refusal in [
        Exchange::new().status(404).json(json!({"detail": "Not Found"})),
        Exchange::new().json(json!({"other": 1})),
        Exchange::new().header("content-type", "text/plain").piece("no JSON"),
    ] {
        let gateway = Gateway::with_config(vec![refusal], settings);
        assert_eq!(count(&gateway), plain);
        gateway.end();
    }
    // An upstream that is not known to count is not asked.
    assert_eq!(counted_by("[upstream]\npreset = \"ollama\"\ncount_tokens = \"upstream\""), plain);
}
