//! P1 to P3 over Responses, and the same answer told in both dialects: the client hears the same.

use super::splits::{Answer, answer};
use super::{Dialect, PLAIN, Wishes, config, context_of, cut, folded, legal, places, run, stream_of, wishes};
use aiapiproxy::protocol::anthropic::error::{Error, ErrorKind};
use aiapiproxy::protocol::anthropic::stream::Event;
use aiapiproxy::sse;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::{End, Stream};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// The items of an answer, whole.
fn items(answer: &Answer) -> Vec<Value> {
    let reasoning = json!({
        "type": "reasoning", "id": "rs_1", "encrypted_content": "SECRET",
        "summary": [{"type": "summary_text", "text": answer.reasoning}],
    });
    let text = json!({"type": "output_text", "text": answer.text, "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [text]});
    let calls = answer.calls.iter().enumerate().map(|(number, (id, name, arguments))| {
        json!({
            "type": "function_call", "id": id.as_ref().map(|_| format!("fc_{number}")), "call_id": id,
            "name": name, "arguments": arguments,
        })
    });
    let mut items: Vec<Value> = vec![message];
    if !answer.reasoning.is_empty() {
        items.insert(0, reasoning);
    }
    items.extend(calls);
    items
}

fn whole(answer: &Answer, items: Vec<Value>) -> Value {
    let usage = answer.usage.map_or(
        Value::Null,
        |(input, output)| json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output}),
    );
    let filtered = answer.finish == "content_filter";
    json!({
        "object": "response", "status": if filtered { "incomplete" } else { "completed" }, "error": null,
        "incomplete_details": filtered.then(|| json!({"reason": "content_filter"})),
        "output": items, "usage": usage,
    })
}

/// The events of each item, their texts cut at these places.
fn told(answer: &Answer, places: &[Index]) -> Vec<Vec<Value>> {
    let item = |(index, item): (usize, Value)| {
        let event = |kind: &str, more: Value| {
            let mut event = json!({"type": format!("response.{kind}"), "output_index": index});
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            event
        };
        let mut begun = item.clone();
        let (kind, text, place) = match item["type"].as_str().unwrap() {
            "reasoning" => {
                begun["summary"] = json!([]);
                ("reasoning_summary_text.delta", &item["summary"][0]["text"], json!({"summary_index": 0}))
            }
            "message" => {
                begun["content"] = json!([]);
                ("output_text.delta", &item["content"][0]["text"], json!({"content_index": 0}))
            }
            _ => {
                begun["arguments"] = json!("");
                ("function_call_arguments.delta", &item["arguments"], json!({}))
            }
        };
        let mut events = vec![event("output_item.added", json!({"item": begun}))];
        for piece in cut(text.as_str().unwrap(), places) {
            let mut delta = place.clone();
            delta["delta"] = piece.into();
            events.push(event(kind, delta));
        }
        events.push(event("output_item.done", json!({"item": item})));
        events
    };
    items(answer).into_iter().enumerate().map(item).collect()
}

fn ended(answer: &Answer, mut events: Vec<Value>, items: Vec<Value>) -> Vec<u8> {
    let response = whole(answer, items);
    let kind = format!("response.{}", response["status"].as_str().unwrap());
    events.insert(0, json!({"type": "response.created", "response": {"status": "in_progress"}}));
    events.push(json!({"type": kind, "response": response}));
    let mut body = Vec::new();
    for event in events {
        body.extend(format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()).bytes());
    }
    body
}

/// A stream that tells one item after the other.
fn in_turn(answer: &Answer, places: &[Index]) -> Vec<u8> {
    ended(answer, told(answer, places).concat(), items(answer))
}

/// A stream whose items alternate: they begin in their order, then each place says whose event comes next.
fn alternating(answer: &Answer, places: &[Index]) -> Vec<u8> {
    let mut items = told(answer, places);
    let mut events: Vec<Value> = items.iter_mut().map(|events| events.remove(0)).collect();
    for turn in places.iter().cycle().take(places.len() * 20) {
        items.retain(|events| !events.is_empty());
        if items.is_empty() {
            break;
        }
        let whose = turn.index(items.len());
        events.push(items[whose].remove(0));
    }
    events.extend(items.concat());
    ended(answer, events, Vec::new())
}

fn stream(wishes: Wishes) -> Stream {
    stream_of(Dialect::Responses, wishes)
}

fn message_of(wishes: Wishes, body: &[u8]) -> Result<String, TestCaseError> {
    let events = run(&mut stream(wishes), [body], End::Eof);
    legal(&events)?;
    folded(events).map_err(TestCaseError::fail)
}

/// Usage that both ways of an answer tell: a stream that a stop sequence ends is not read on, up to the usage.
fn tell_usage_alike(answer: &mut Answer) {
    if answer.text.contains("STOP") || answer.text.contains("TOPS") {
        answer.usage = None;
    }
    // An answer that uses up what was asked for counts as cut.
    answer.usage = answer.usage.map(|(input, output)| (input, output % 100));
}

/// What a client goes by: a signature is for the upstream.
fn heard(message: &str) -> Value {
    let mut message: Value = serde_json::from_str(message).unwrap();
    for block in message["content"].as_array_mut().unwrap() {
        block.as_object_mut().unwrap().remove("signature");
    }
    message
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn texts_and_arguments_may_be_cut_anywhere(answer in answer(), places in places(12)) {
        prop_assert_eq!(message_of(PLAIN, &in_turn(&answer, &places))?, message_of(PLAIN, &in_turn(&answer, &[]))?);
    }

    #[test]
    fn items_may_alternate(answer in answer(), places in places(12)) {
        prop_assert_eq!(message_of(PLAIN, &alternating(&answer, &places))?, message_of(PLAIN, &in_turn(&answer, &[]))?);
    }

    #[test]
    fn bytes_may_be_cut_anywhere(answer in answer(), places in places(12)) {
        let body = in_turn(&answer, &[]);
        let mut cuts: Vec<usize> = places.iter().map(|place| place.index(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]);
        let text = |events: Vec<Event>| serde_json::to_string(&events).unwrap();
        let cut = text(run(&mut stream(PLAIN), pieces, End::Eof));
        prop_assert_eq!(cut, text(run(&mut stream(PLAIN), [body.as_slice()], End::Eof)));
    }

    #[test]
    fn a_stream_folds_to_the_whole_answer(
        mut answer in answer(),
        places in places(6),
        omit_thinking in any::<bool>(),
    ) {
        let wishes = Wishes { omit_thinking, ..PLAIN };
        tell_usage_alike(&mut answer);
        let body = whole(&answer, items(&answer)).to_string();
        let context = context_of(Dialect::Responses, wishes);
        let (mut message, report) = response(body.as_bytes(), "msg_1".to_owned(), context)
            .map_err(|error| TestCaseError::fail(error.message))?;
        prop_assert!(!report.is_lossy(), "{:?}", report);
        // Told by whole answers only.
        message.usage.cache_creation = None;
        let whole = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(&message_of(wishes, &in_turn(&answer, &places))?, &whole);
        // A stream may tell all of it in its last event.
        prop_assert_eq!(&message_of(wishes, &ended(&answer, Vec::new(), items(&answer)))?, &whole);
    }

    #[test]
    fn both_dialects_tell_the_client_the_same(mut answer in answer(), places in places(6)) {
        tell_usage_alike(&mut answer);
        // Responses have no stop sequences, so they are always searched for.
        let wishes = Wishes { scan: true, ..PLAIN };
        let chat = run(
            &mut stream_of(Dialect::Chat, wishes),
            [super::body_of(&answer.chunks(&places)).as_slice()],
            End::Eof,
        );
        let chat = folded(chat).map_err(TestCaseError::fail)?;
        let responses = message_of(wishes, &in_turn(&answer, &places))?;
        prop_assert_eq!(heard(&responses), heard(&chat));
    }

    #[test]
    fn every_stream_is_legal(
        wishes in wishes(),
        lines in prop::collection::vec(line(), 0..24),
        cut_off in any::<bool>(),
    ) {
        let end = if cut_off { End::Failed(Error::new(ErrorKind::Timeout, "up: too slow")) } else { End::Eof };
        let mut stream = stream(wishes);
        let mut events = Vec::new();
        for data in &lines {
            stream.push(&sse::Event { name: "".into(), data: data.as_str().into() }, &mut events);
        }
        stream.finish(end, &mut events);
        let failed = stream.failure().is_some();
        prop_assert_ne!(failed, stream.stop_reason().is_some());
        if !stream.is_started() {
            prop_assert!(failed && matches!(events[..], [Event::Error { .. }]), "{:?}", events);
            return Ok(());
        }
        let message = legal(&events)?;
        prop_assert_eq!(message.error.is_some(), failed);
        prop_assert_eq!(folded(events).is_err(), failed, "the fold of the program disagrees");
        if wishes.one_tool_call {
            prop_assert!(message.tool_inputs.len() <= 1);
        }
        if wishes.omit_thinking {
            let shown = |block: &Value| block["thinking"].as_str().is_some_and(|text| !text.is_empty());
            prop_assert!(!message.content.iter().any(shown));
        }
    }
}

/// One event, valid or nearly so, as its data.
fn line() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(
        &[
            "output_item.added",
            "output_item.added",
            "output_item.done",
            "output_text.delta",
            "output_text.done",
            "output_text.annotation.added",
            "refusal.delta",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_text.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "completed",
            "incomplete",
            "failed",
            "hologram",
        ][..],
    );
    let index = prop_oneof![6 => (0..3_u64).prop_map(Value::from), 1 => Just(Value::Null), 1 => Just(json!(u64::MAX))];
    let id =
        prop_oneof![2 => Just(Value::Null), 2 => prop::sample::select(&["a", "b"][..]).prop_map(Value::from)];
    let text = || {
        prop::sample::select(
            &["", "Hi", "é😀", "ST", "OP", "{", "}", "{}", "{\"a\":1}", "\"x", ",", "null"][..],
        )
        .prop_map(Value::from)
    };
    (kind, index, id, item(), text(), text(), any::<bool>()).prop_map(|(kind, index, id, item, delta, text, odd)| {
        let output = if odd { json!([item, 7]) } else { json!([]) };
        json!({
            "type": format!("response.{kind}"), "output_index": index, "item_id": id, "item": item, "delta": delta,
            "text": text, "arguments": text, "input": text, "summary_index": u8::from(odd), "content_index": 0,
            "annotation": {"type": "url_citation", "url": "u", "start_index": 0, "end_index": 2},
            "response": {"status": kind, "output": output, "error": if odd { json!({"code": "x"}) } else { Value::Null }},
        })
        .to_string()
    })
}

fn item() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(
        &["message", "reasoning", "function_call", "function_call", "custom_tool_call", "web_search_call"][..],
    );
    let word = prop::sample::select(vec![Value::Null, json!("f"), json!("a"), json!("used"), json!(7)]);
    let text = prop::sample::select(&["", "Hi", "STOP", "{}", "{\"a\":", "[1]"][..]);
    (kind, word.clone(), word.clone(), word, text).prop_map(|(kind, id, call_id, name, text)| {
        json!({
            "type": kind, "id": id, "call_id": call_id, "name": name, "arguments": text, "input": text,
            "content": [{"type": "output_text", "text": text}, {"type": "refusal", "refusal": name}],
            "summary": [{"text": text}, {"text": name}], "encrypted_content": id,
        })
    })
}

#[test]
fn every_cut_of_an_awkward_body_gives_the_same_events() {
    let body = ": hi\r\n\r\nevent: response.output_text.delta\r\ndata: {\"type\":\"response.output_text.delta\",\r\n\
                data:\"output_index\":0,\"delta\":\"é😀\"}\r\n\r\nevent:response.output_item.done\r\
                data:{\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\r\
                data:\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"ü\\\"}\"}}\r\r\
                data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n";
    let text = |events: Vec<Event>| serde_json::to_string(&events).unwrap();
    let whole = text(run(&mut stream(PLAIN), [body.as_bytes()], End::Eof));
    assert!(whole.contains("é😀") && whole.contains("ü") && whole.contains("message_stop"));
    for at in 0..=body.len() {
        let (left, right) = body.as_bytes().split_at(at);
        assert_eq!(text(run(&mut stream(PLAIN), [left, right], End::Eof)), whole, "cut at {at}");
    }
}

/// A stream that never tells its end, or an item that never does, is no answer, and keeps to its bounds.
#[test]
fn what_waits_for_an_item_that_never_ends_is_bounded() {
    let mut stream = stream(PLAIN);
    let mut events = Vec::new();
    let mut push = |data: String| {
        stream.push(&sse::Event { name: "".into(), data: data.into() }, &mut events);
        stream.failure().map(|error| error.message.clone())
    };
    let added = |index: u8| {
        let item = json!({"type": "message"});
        json!({"type": "response.output_item.added", "output_index": index, "item": item}).to_string()
    };
    assert_eq!(push(added(0)), None);
    assert_eq!(push(added(1)), None);
    let delta =
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "x".repeat(1 << 20)});
    let failure = (0..20).find_map(|_| push(delta.to_string()));
    assert!(failure.is_some_and(|message| message.contains("never ends")));
}
