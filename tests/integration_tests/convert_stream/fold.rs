//! `--aggregate` and `--explode`: a stream becomes one message, a message becomes a stream, and back.

use super::{everything, parsed, whole};
use crate::convert::{bad, good, piped};
use crate::support::bodies;
use serde_json::json;

#[test]
fn what_is_folded_is_what_the_stream_says() {
    let stream = whole(&piped(&[], everything()));
    let output = piped(&["--aggregate"], everything());
    let message = parsed(good(&output));
    assert_eq!(message["content"], json!(stream.content));
    assert_eq!(message["id"], stream.start["id"]);
    assert_eq!(message["stop_reason"], json!(stream.stop_reason));
    assert_eq!(message["usage"], json!(stream.usage));
    for input in stream.tool_inputs {
        assert!(output.stdout.contains(&format!(r#""input":{input}"#)), "{}", output.stdout);
    }
    let pretty = piped(&["--aggregate", "--pretty"], everything());
    assert!(good(&pretty).starts_with("{\n  \"id\""), "{}", pretty.stdout);
    assert!(pretty.stdout.contains("\"z\": 1.50,\n"), "{}", pretty.stdout);
    assert_eq!(parsed(&pretty.stdout), message);
}

#[test]
fn a_stream_of_messages_folds_explodes_and_folds_to_the_same_message() {
    let folded = piped(&["--aggregate"], FOREIGN);
    let message = parsed(good(&folded));
    assert_eq!((&message["id"], &message["model"]), (&json!("msg_1"), &json!("claude-x")));
    let content = json!([
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1.5, "a": 100.0}},
    ]);
    assert_eq!(message["content"], content);
    assert!(folded.stdout.contains(r#""input":{"b": 1.50, "a": 1e2}"#), "{}", folded.stdout);
    assert_eq!((&message["stop_reason"], &message["usage"]["input_tokens"]), (&json!("tool_use"), &json!(7)));

    let exploded = piped(&["--explode"], &folded.stdout);
    let told = whole(&exploded);
    assert_eq!((json!(told.content), told.stop_reason.as_deref()), (content, Some("tool_use")));
    assert_eq!((&told.usage["input_tokens"], &told.usage["output_tokens"]), (&json!(7), &json!(15)));
    for again in [&["--aggregate"][..], &["--aggregate", "--from", "messages", "--to", "messages"]] {
        assert_eq!(piped(again, &exploded.stdout), folded);
    }
}

#[test]
fn a_completion_explodes_into_the_stream_of_its_message() {
    let completion = bodies::completion("Hello").to_string();
    let message = parsed(good(&piped(&[], &completion)));
    let exploded = piped(&["--explode"], &completion);
    let told = whole(&exploded);
    assert_eq!((told.text(), &told.start["id"]), ("Hello".to_owned(), &message["id"]));
    assert_eq!(json!(told.stop_reason), message["stop_reason"]);
    for (name, count) in &told.usage {
        assert_eq!(message["usage"][name], *count, "{name}");
    }
}

#[test]
fn an_unknown_event_is_reported_and_a_wrong_one_refused() {
    let unknown = FOREIGN.replacen("event: ping", "event: news\ndata: {\"type\":\"news\"}\n\nevent: ping", 1);
    let output = piped(&["--aggregate", "--report"], unknown.clone());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let loss = parsed(&output.stderr);
    assert_eq!((&loss["pointer"], &loss["kind"]), (&json!("/1"), &json!("dropped")));
    let strict = piped(&["--aggregate", "--strict"], unknown);
    bad(&strict, 65, "/1 dropped");
    assert_eq!(strict.stdout, "");

    for (wrong, reason) in [
        (FOREIGN.replacen(r#""index":0,"delta""#, r#""index":7,"delta""#, 1), "event 4: "),
        (FOREIGN.replacen(r#""delta":{"type":"input_json_delta","partial_json":""}"#, "", 1), "event 8"),
        (FOREIGN.split_inclusive("\n\n").take(5).collect(), "message_stop"),
    ] {
        let output = piped(&["--aggregate"], wrong);
        bad(&output, 65, reason);
        assert_eq!(output.stdout, "", "half a message must not look like one");
    }
}

/// A stream of messages as another writer than this program may write it.
const FOREIGN: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}}

event: ping
data: {"type": "ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"b\": 1.50,"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" \"a\": 1e2}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":7,"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#;
