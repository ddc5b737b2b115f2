//! P2 and P3: where an answer is cut changes nothing, and both ways of an answer give the same message.

use super::{PLAIN, Wishes, body_of, config, context, cut, folded, legal, object_text, places, run, stream};
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::End;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// An answer in canonical order: reasoning, text, calls.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) reasoning: String,
    pub(super) text: String,
    /// Id, name and arguments.
    pub(super) calls: Vec<(Option<String>, String, String)>,
    pub(super) finish: &'static str,
    pub(super) usage: Option<(u64, u64)>,
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    let text = || {
        let words = &[
            "Hello", " ", "é", "😀", "\n", "<", "</think>", "<think>", "data: ", "\\", "\"", "ST", "OP",
            "STOP", "PED", "x",
        ][..];
        prop::collection::vec(prop::sample::select(words), 0..8).prop_map(|words| words.concat())
    };
    let id = prop::option::weighted(0.8, prop::sample::select(&["used", "functions.f:0", "x", "y", "z"][..]));
    let call = (id, prop::sample::select(&["f", "g", "other"][..]), object_text());
    let finish = prop::sample::select(&["stop", "tool_calls", "content_filter", "eos"][..]);
    (
        text(),
        text(),
        prop::collection::vec(call, 0..4),
        finish,
        prop::option::of((0..5_000_u64, 0..5_000_u64)),
    )
        .prop_map(|(reasoning, text, calls, finish, usage)| Answer {
            reasoning,
            text,
            calls: calls
                .into_iter()
                .enumerate()
                // Ids of one answer differ; that they need not is another test's matter.
                .map(|(number, (id, name, arguments))| {
                    (id.map(|id| format!("{id}{number}")), name.to_owned(), arguments)
                })
                .collect(),
            finish,
            usage,
        })
}

impl Answer {
    fn usage(&self) -> Value {
        self.usage.map_or(
            Value::Null,
            |(prompt, completion)| json!({"prompt_tokens": prompt, "completion_tokens": completion}),
        )
    }

    fn completion(&self) -> Value {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(
                |(id, name, arguments)| json!({"id": id, "function": {"name": name, "arguments": arguments}}),
            )
            .collect();
        let message = json!({
            "role": "assistant", "reasoning_content": self.reasoning, "content": self.text, "tool_calls": calls,
        });
        json!({
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}], "usage": self.usage(),
        })
    }

    /// The chunks of a stream whose texts are cut at these places.
    pub(super) fn chunks(&self, places: &[Index]) -> Vec<Value> {
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        deltas
            .extend(cut(&self.reasoning, places).into_iter().map(|text| json!({"reasoning_content": text})));
        deltas.extend(cut(&self.text, places).into_iter().map(|text| json!({"content": text})));
        for (index, (id, name, arguments)) in self.calls.iter().enumerate() {
            deltas.push(call_start(index, id.as_deref(), name));
            deltas.extend(cut(arguments, places).into_iter().map(|piece| call_piece(index, piece)));
        }
        self.finished(deltas)
    }

    /// The chunks of a stream whose calls alternate: all begin, then each place says whose piece comes next.
    fn interleaved(&self, places: &[Index]) -> Vec<Value> {
        let mut deltas = vec![
            json!({"role": "assistant", "reasoning_content": self.reasoning}),
            json!({"content": self.text}),
        ];
        let starts = self.calls.iter().enumerate();
        deltas.extend(starts.map(|(index, (id, name, _))| call_start(index, id.as_deref(), name)));
        let mut waiting: Vec<(usize, Vec<&str>)> =
            (self.calls.iter()).map(|(_, _, arguments)| cut(arguments, places)).enumerate().collect();
        for turn in places.iter().cycle().take(places.len() * 20) {
            waiting.retain(|(_, pieces)| !pieces.is_empty());
            if waiting.is_empty() {
                break;
            }
            let whose = turn.index(waiting.len());
            let (index, pieces) = &mut waiting[whose];
            deltas.push(call_piece(*index, pieces.remove(0)));
        }
        for (index, pieces) in waiting {
            deltas.extend(pieces.into_iter().map(|piece| call_piece(index, piece)));
        }
        self.finished(deltas)
    }

    /// Whether `</think>` comes before any `<think>`.
    fn closes_a_tag_first(&self) -> bool {
        let [opened, closed] = ["<think>", "</think>"].map(|tag| self.text.find(tag));
        self.reasoning.is_empty() && closed.is_some_and(|at| opened.is_none_or(|opened| at < opened))
    }

    fn finished(&self, deltas: Vec<Value>) -> Vec<Value> {
        let chunk = |delta: Value, finish: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        let mut chunks: Vec<Value> = deltas.into_iter().map(|delta| chunk(delta, Value::Null)).collect();
        chunks.push(chunk(json!({}), self.finish.into()));
        chunks.push(json!({"choices": [], "usage": self.usage()}));
        chunks
    }
}

fn call_start(index: usize, id: Option<&str>, name: &str) -> Value {
    json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": ""}}]})
}

fn call_piece(index: usize, piece: &str) -> Value {
    json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
}

fn message_of(wishes: Wishes, chunks: &[Value]) -> Result<String, TestCaseError> {
    let events = run(&mut stream(wishes), [body_of(chunks).as_slice()], End::Eof);
    legal(&events)?;
    folded(events).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn texts_and_arguments_may_be_cut_anywhere(
        answer in answer(),
        places in places(12),
        think_tags in any::<bool>(),
        scan in any::<bool>(),
    ) {
        let wishes = Wishes { think_tags, scan, ..PLAIN };
        prop_assert_eq!(message_of(wishes, &answer.chunks(&places))?, message_of(wishes, &answer.chunks(&[]))?);
    }

    #[test]
    fn calls_may_alternate(answer in answer(), places in places(12)) {
        prop_assert_eq!(message_of(PLAIN, &answer.interleaved(&places))?, message_of(PLAIN, &answer.chunks(&[]))?);
    }

    #[test]
    fn bytes_may_be_cut_anywhere(
        answer in answer(),
        places in places(12),
        line_end in prop::sample::select(&["\n", "\r\n", "\r"][..]),
    ) {
        let body = String::from_utf8(body_of(&answer.chunks(&[]))).unwrap().replace('\n', line_end);
        let whole = run(&mut stream(PLAIN), [body.as_bytes()], End::Eof);
        let mut cuts: Vec<usize> = places.iter().map(|place| place.index(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &body.as_bytes()[pair[0]..pair[1]]);
        let cut = run(&mut stream(PLAIN), pieces, End::Eof);
        let text = |events| serde_json::to_string(&events).unwrap();
        prop_assert_eq!(text(cut), text(whole));
    }

    #[test]
    fn a_stream_folds_to_the_whole_answer(
        mut answer in answer(),
        places in places(6),
        think_tags in any::<bool>(),
        omit_thinking in any::<bool>(),
        scan in any::<bool>(),
    ) {
        let wishes = Wishes { omit_thinking, think_tags, scan, ..PLAIN };
        if scan {
            // A stream that is stopped early never hears of usage.
            answer.usage = None;
        }
        // A stream cannot know that the tag was opened in the prompt.
        prop_assume!(!think_tags || !answer.closes_a_tag_first());
        let body = answer.completion().to_string();
        let (mut message, report) = response(body.as_bytes(), "msg_1".to_owned(), context(wishes))
            .map_err(|error| TestCaseError::fail(error.message))?;
        prop_assert!(!report.is_lossy(), "{:?}", report);
        // Told by whole answers only.
        message.usage.cache_creation = None;
        prop_assert_eq!(message_of(wishes, &answer.chunks(&places))?, serde_json::to_string(&message).unwrap());
    }

    #[test]
    fn a_stream_for_a_whole_answer_is_the_same_answer(answer in answer(), places in places(6)) {
        let message = |body: &[u8]| {
            let answer = response(body, "msg_1".to_owned(), context(PLAIN));
            answer.map(|(message, _)| serde_json::to_string(&message).unwrap()).map_err(|error| error.message)
        };
        let json = answer.completion().to_string();
        prop_assert_eq!(message(&body_of(&answer.chunks(&places))), message(json.as_bytes()));
    }
}

#[test]
fn every_cut_of_an_awkward_body_gives_the_same_events() {
    let body = ": hi\r\n\r\ndata: {\"choices\":\r\ndata:[{\"delta\":{\"content\":\"é😀\"}}]}\r\n\r\n\
                event: message\rdata:{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":\r\
                data:{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\\\"ü\\\"}\"}}]}}]}\r\rdata: [DONE]\n\n";
    let text = |events| serde_json::to_string(&events).unwrap();
    let whole = text(run(&mut stream(PLAIN), [body.as_bytes()], End::Eof));
    assert!(whole.contains("é😀") && whole.contains("ü"));
    for at in 0..=body.len() {
        let (left, right) = body.as_bytes().split_at(at);
        assert_eq!(text(run(&mut stream(PLAIN), [left, right], End::Eof)), whole, "cut at {at}");
    }
}

/// Where both ways differ, and why.
#[test]
fn a_stream_cannot_take_back_what_a_whole_answer_repairs() {
    for (arguments, whole) in [
        // All of it is known, so what cannot be completed stands under `_raw`; the stream has sent the beginning.
        (r#"{"a":"#, r#""input":{"_raw":"{\"a\":"}"#),
        (r#"{"command":"rm -rf /tm"#, r#""input":{"_raw":"{\"command\":\"rm -rf /tm"}"#),
    ] {
        let answer = Answer {
            reasoning: String::new(),
            text: String::new(),
            calls: vec![(None, "f".to_owned(), arguments.to_owned())],
            finish: "stop",
            usage: None,
        };
        let body = answer.completion().to_string();
        let (message, report) = response(body.as_bytes(), "msg_1".to_owned(), context(PLAIN)).unwrap();
        assert!(serde_json::to_string(&message).unwrap().contains(whole) && report.is_lossy());
        let events = run(&mut stream(PLAIN), [body_of(&answer.chunks(&[])).as_slice()], End::Eof);
        assert_eq!(folded(events), Err("up: the arguments of a tool call are no valid JSON".to_owned()));
    }
}
