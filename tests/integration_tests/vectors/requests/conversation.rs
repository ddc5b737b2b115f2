//! Who speaks when: system messages, turns, and what stays the same from turn to turn.

use crate::vectors::ground::{Ground, asking, assistant, call, message, result, roles, text, tool, user};
use serde_json::{Value, json};

const FOLD: &str = "[upstream.quirks]\nsystem_mode = 'fold'\n";
const IN_PLACE: &str = "[upstream.quirks]\nsystem_mode = 'system'\n";
const DEVELOPER: &str = "[upstream.quirks]\nsystem_mode = 'developer'\n";

fn system(content: &str) -> Value {
    json!({"role": "system", "content": content})
}

/// A conversation that a system message with an effort interrupts.
fn interrupted() -> Value {
    let mut now = system("be careful");
    now["output_config"] = json!({"effort": "high"});
    let mut asked = asking(json!([user("first"), now, assistant("yes"), user("second"), system("be brief")]));
    asked["system"] = json!("the rules");
    asked
}

pub(crate) fn vector_03_system_folded() {
    let ground = Ground::new(FOLD);
    let seen = ground.sees(interrupted());
    assert_eq!(roles(&seen), ["system", "user", "assistant", "user"]);
    assert_eq!(seen["messages"][0]["content"], "the rules");
    for (place, said, folded) in [(1, "first", "be careful"), (3, "second", "be brief")] {
        let turn = seen["messages"][place]["content"].as_str().unwrap();
        assert!(turn.starts_with(said) && turn.contains(folded), "{turn}");
    }
    assert_eq!(seen["reasoning_effort"], "high");
    // Without a system prompt, too, there is one leading system message at most.
    let mut asked = interrupted();
    asked.as_object_mut().unwrap().remove("system");
    assert_eq!(roles(&ground.sees(asked)), ["user", "assistant", "user"]);
    ground.end();
}

pub(crate) fn vector_04_system_as_developer() {
    let ground = Ground::new(DEVELOPER);
    let seen = ground.sees(interrupted());
    assert_eq!(roles(&seen), ["developer", "user", "developer", "assistant", "user", "developer"]);
    let contents = [0, 2, 5].map(|place: usize| seen["messages"][place]["content"].as_str().unwrap());
    assert_eq!(contents, ["the rules", "be careful", "be brief"]);
    assert_eq!(seen["reasoning_effort"], "high");
    ground.end();
}

pub(crate) fn vector_05_effort_without_content() {
    for mode in [FOLD, IN_PLACE] {
        let ground = Ground::new(mode);
        let effort = json!({"role": "system", "output_config": {"effort": "low"}});
        let mut asked = asking(json!([user("hi"), effort]));
        asked["output_config"] = json!({"effort": "high"});
        let seen = ground.sees(asked);
        assert_eq!(seen["messages"], json!([{"role": "user", "content": "hi"}]));
        assert_eq!(seen["reasoning_effort"], "low");
        ground.end();
    }
}

pub(crate) fn vector_06_cleared_system_message() {
    let ground = Ground::new(IN_PLACE);
    let mut passing = system("only for now");
    passing["clear_at"] = json!("next_user_message");
    ground.sees(asking(json!([user("a"), passing, assistant("b"), user("c")])));
    assert!(!ground.last_bytes().contains("only for now"));
    ground.sees(asking(json!([user("a"), passing])));
    assert!(ground.last_bytes().contains("only for now"));
    ground.end();
}

pub(crate) fn vector_07_results_before_text() {
    let ground = Ground::new("");
    let calls = assistant(json!([call("A", "one", json!({})), call("B", "two", json!({}))]));
    let results = user(json!([text("go"), result("B", "from B"), result("A", "from A")]));
    let seen = ground.sees(asking(json!([user("hi"), calls, results])));
    assert_eq!(roles(&seen), ["user", "assistant", "tool", "tool", "user"]);
    let calls = &seen["messages"][1]["tool_calls"];
    for (place, content) in [(0, "from A"), (1, "from B")] {
        assert_eq!(seen["messages"][2 + place]["content"], content);
        assert_eq!(seen["messages"][2 + place]["tool_call_id"], calls[place]["id"]);
    }
    assert_eq!(seen["messages"][4]["content"], "go");
    ground.end();
}

pub(crate) fn vector_08_system_between_call_and_result() {
    let calls = assistant(json!([call("A", "one", json!({}))]));
    let asked = asking(json!([user("hi"), calls, system("a word"), user(json!([result("A", "done")]))]));
    for (mode, expected) in [
        (IN_PLACE, &["user", "assistant", "tool", "system"][..]),
        (DEVELOPER, &["user", "assistant", "tool", "developer"]),
        (FOLD, &["user", "assistant", "tool"]),
    ] {
        let ground = Ground::new(mode);
        let seen = ground.sees(&asked);
        assert_eq!(roles(&seen), expected);
        assert!(seen["messages"][2]["content"].as_str().unwrap().starts_with("done"));
        let last = seen["messages"].as_array().unwrap().last().unwrap();
        assert!(last["content"].as_str().unwrap().contains("a word"), "{seen}");
        ground.end();
    }
}

pub(crate) fn vector_29_prefix() {
    let calls = |id: &str| assistant(json!([text("look"), call(id, "read", json!({"b": 1, "a": [1.50]}))]));
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let answered = |id: &str| user(json!([result(id, json!([text("page"), image])), text("go on")]));
    let mut said =
        vec![user("hi"), system("mind the gap"), calls("toolu_1"), answered("toolu_1"), calls("toolu_2")];
    said.push(answered("toolu_2"));
    for mode in [FOLD, IN_PLACE, DEVELOPER] {
        let ground = Ground::new(mode);
        let bytes = |messages: &[Value]| {
            let mut asked = asking(json!(messages));
            asked["system"] = json!([text("the rules"), text("more rules")]);
            asked["tools"] = json!([tool("read"), tool("write")]);
            ground.sees(asked);
            let body = ground.last_bytes();
            let from = body.find("\"messages\":[").expect("messages");
            let to = from + body[from..].find("}],\"").expect("something after the messages");
            (body[..from].to_owned(), body[from..=to].to_owned(), body[to + 1..].to_owned())
        };
        let (before, shorter, after) = bytes(&said[..4]);
        let (before_too, longer, after_too) = bytes(&said);
        assert_eq!((before, after), (before_too, after_too), "{mode}");
        assert!(longer.starts_with(&shorter) && longer.len() > shorter.len(), "{mode}\n{shorter}\n{longer}");
        ground.end();
    }
}

pub(crate) fn vector_30_billing_header() {
    let ground = Ground::new("");
    let header = text("x-anthropic-billing-header: cc_version=2.1.330; cch=00000;");
    let mut asked = asking(json!([user("hi")]));
    asked["system"] = json!([header, text("the rules")]);
    let seen = ground.sees(asked);
    assert_eq!(seen["messages"][0], json!({"role": "system", "content": "the rules"}));
    assert!(!ground.last_bytes().contains("billing"));
    ground.end();
}

pub(crate) fn vector_32_foreign_thinking() {
    for preset in ["generic", "deepseek", "openrouter"] {
        let ground = Ground::new(&format!("[upstream]\npreset = '{preset}'\n"));
        let thought =
            json!({"type": "thinking", "thinking": "secret plan", "signature": "ErUBCkYIBRgCIkDs=="});
        let redacted = json!({"type": "redacted_thinking", "data": "EmwKAhgBEgy3"});
        let seen = ground.sees(asking(json!([
            user("hi"),
            assistant(json!([thought, redacted, text("done")])),
            user("and now?"),
        ])));
        assert_eq!(seen["messages"][1]["content"], "done");
        let bytes = ground.last_bytes();
        for foreign in ["secret plan", "ErUBCkYIBRgCIkDs", "EmwKAhgBEgy3"] {
            assert!(!bytes.contains(foreign), "{preset}: {bytes}");
        }
        ground.end();
    }
    let ground = Ground::new("");
    let misplaced = user(json!([{"type": "thinking", "thinking": "x", "signature": "y"}]));
    assert!(message(&ground.refuses(asking(json!([misplaced])))).contains("messages.0.content.0"));
    ground.end();
}
