//! P4: no input makes the translation panic, run away or grow without bound.

use super::{DIALECTS, PLAIN, config, context_of, options, run, stream_of};
use aiapiproxy::protocol::anthropic::request::Request;
use aiapiproxy::sse::Decoder;
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::response::response;
use aiapiproxy::translate::stream::End;
use aiapiproxy::translate::{Asked, Options, UpstreamAnswer, error, request};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Every input of the golden files: good starting points for spoiling.
static INPUTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut inputs = Vec::new();
    for folder in [
        "messages_via_chat/requests",
        "messages_via_chat/responses",
        "messages_via_chat/streams",
        "messages_via_responses/requests",
        "messages_via_responses/responses",
        "messages_via_responses/streams",
        "messages_via_responses/errors",
        "errors",
    ] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().contains(".expected.") {
                inputs.push(fs::read(path).unwrap());
            }
        }
    }
    inputs.sort();
    inputs
});

/// One input after a few cuts, swaps and changed bytes.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let spoiler = (any::<Index>(), any::<Index>(), any::<u8>(), 0..5_u8);
    (any::<Index>(), any::<Index>(), prop::collection::vec(spoiler, 0..4)).prop_map(
        |(which, other, spoilers)| {
            let mut input = INPUTS[which.index(INPUTS.len())].clone();
            let other = &INPUTS[other.index(INPUTS.len())];
            for (from, to, byte, how) in spoilers {
                let (a, b) = (from.index(input.len() + 1), to.index(input.len() + 1));
                let (a, b) = (a.min(b), a.max(b));
                match how {
                    0 => drop(input.drain(a..b)),
                    1 => input.truncate(b),
                    2 => input.insert(a, byte),
                    // A part of the input, or of another, once more.
                    3 => drop(input.splice(a..a, input[a..b].to_vec())),
                    _ => drop(input.splice(a..a, other[..to.index(other.len() + 1)].to_vec())),
                }
            }
            input
        },
    )
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => spoilt(), 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

/// Everything that reads bytes from outside.
fn read_everywhere(bytes: &[u8], preset: Preset) {
    read_request(bytes, preset);
    read_answer(bytes);
    for status in [200, 400, 401, 429, 503] {
        let answer = UpstreamAnswer { status, body: bytes, ..UpstreamAnswer::default() };
        let error = error(&answer, &Asked::of("up"));
        assert!((400..600).contains(&error.status) && !error.message.is_empty());
        assert!(error.message.chars().count() < 2_200, "{}", error.message.len());
    }
}

fn read_request(bytes: &[u8], preset: Preset) {
    for dialect in DIALECTS {
        let options = Options { dialect, ..options(preset) };
        if let Ok(parsed) = Request::parse(bytes)
            && let Ok(translated) = request(parsed, &options)
        {
            let text = serde_json::to_string(&translated.body).unwrap();
            // What is written is always JSON.
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            assert!(translated.report.header().is_none_or(|header| header.len() <= 1_024));
        }
    }
}

fn read_answer(bytes: &[u8]) {
    let odd = super::Wishes { think_tags: true, one_tool_call: true, citations: true, ..PLAIN };
    for (dialect, wishes) in DIALECTS.into_iter().flat_map(|dialect| [(dialect, PLAIN), (dialect, odd)]) {
        let answer = response(bytes, "msg_1".to_owned(), context_of(dialect, wishes));
        if let Ok((message, _)) = answer {
            serde_json::to_string(&message).unwrap();
        }
        run(&mut stream_of(dialect, wishes), [bytes], End::Eof);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..config() })]

    #[test]
    fn nothing_panics(bytes in any_bytes(), preset in prop::sample::select(&Preset::ALL[..])) {
        read_everywhere(&bytes, preset);
    }

    #[test]
    fn a_decoder_keeps_to_its_limit(pieces in prop::collection::vec(any_bytes(), 0..6), limit in 0..400_usize) {
        let mut decoder = Decoder::new(limit);
        for piece in &pieces {
            let mut longest = 0;
            let taken = decoder.push(piece, |event| longest = longest.max(event.data.len()));
            // An event that came in one piece may be as long as the piece; lossy text may grow threefold.
            prop_assert!(longest <= 3 * (limit + piece.len()));
            if taken.is_err() {
                return Ok(());
            }
        }
        let mut rest = 0;
        decoder.finish(|event| rest += event.data.len());
        prop_assert!(rest <= 3 * limit);
    }
}

#[test]
fn deep_nesting_is_refused_or_carried_but_never_overflows_the_stack() {
    for depth in [127, 128, 129, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let quoted = serde_json::to_string(&nested).unwrap();
            for text in [
                nested.clone(),
                format!(r#"{{"model":"m","max_tokens":1,"messages":{nested}}}"#),
                format!(
                    r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"a"}}],
                    "tools":[{{"name":"f","strict":true,"input_schema":{nested}}}],
                    "output_config":{{"format":{{"type":"json_schema","schema":{nested}}}}}}}"#
                ),
                format!(r#"{{"choices":[{{"message":{{"content":{nested}}},"finish_reason":"stop"}}]}}"#),
                format!(
                    r#"{{"choices":[{{"message":{{"tool_calls":[{{"function":{{"name":"f","arguments":{quoted}}}}}]}}}}]}}"#
                ),
                format!("data: {nested}\n\n"),
                format!(r#"{{"error":{{"message":{nested}}}}}"#),
            ] {
                read_everywhere(text.as_bytes(), Preset::OpenAi);
            }
        }
    }
}

/// Four times as much of anything takes about four times as long; were a loop nested in another, sixteen times.
#[test]
fn much_of_anything_takes_linear_time() {
    for (few, many) in much(5_000).into_iter().zip(much(20_000)) {
        let (few_ms, many_ms) = (cpu_ms_of(&few.1), cpu_ms_of(&many.1));
        assert!(many_ms <= 8 * few_ms + 100, "{}: {few_ms} ms became {many_ms} ms", few.0);
    }
}

/// The time it takes to read a body, as milliseconds of this thread on a processor, so that a busy machine does
/// not matter. Always 0 where the system does not tell.
fn cpu_ms_of(body: &str) -> u64 {
    let on_cpu_ms = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).map_or(0, |ns| ns / 1_000_000)
    };
    let begun = on_cpu_ms();
    if body.starts_with(r#"{"model""#) {
        read_request(body.as_bytes(), Preset::Mistral);
    } else {
        read_answer(body.as_bytes());
    }
    on_cpu_ms() - begun
}

/// Bodies with that many of something.
fn much(count: usize) -> Vec<(&'static str, String)> {
    let list = |item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
    let request = |messages: &str, more: &str| {
        format!(r#"{{"model":"m","max_tokens":1,"messages":[{messages}]{more}}}"#)
    };
    let user = r#"{"role":"user","content":"a"}"#;
    let uses = list(&|n| format!(r#"{{"type":"tool_use","id":"call_{n}","name":"f","input":{{}}}}"#));
    let results = list(&|n| format!(r#"{{"type":"tool_result","tool_use_id":"call_{}"}}"#, count - 1 - n));
    let same = list(&|_| r#"{"type":"tool_use","id":"c","name":"f","input":{}}"#.to_owned());
    let same_results = list(&|_| r#"{"type":"tool_result","tool_use_id":"c"}"#.to_owned());
    let turn = |uses: &str, results: &str| {
        format!(r#"{user},{{"role":"assistant","content":[{uses}]}},{{"role":"user","content":[{results}]}}"#)
    };
    let in_turn = list(&|n| {
        format!(
            r#"{{"role":"assistant","content":[{{"type":"tool_use","id":"call_{n}","name":"f","input":{{}}}}]}}"#
        )
    });
    let properties = list(&|n| format!(r#""p{n}":{{}}"#));
    let required = list(&|n| format!(r#""p{}""#, count - 1 - n));
    let schema = format!(
        r#"{{"type":"object","properties":{{{properties}}},"required":[{required}],"additionalProperties":false}}"#
    );
    let calls =
        list(&|n| format!(r#"{{"index":{n},"id":"i{n}","function":{{"name":"f","arguments":"{{}}"}}}}"#));
    let chunk = |n| {
        let call = format!(r#"{{"index":{n},"function":{{"name":"f","arguments":"{{}}"}}}}"#);
        format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{call}]}}}}]}}\n\n")
    };
    let chunks = (0..count).map(chunk).collect::<Vec<_>>().concat();
    let item = |n| {
        format!(r#"{{"type":"function_call","id":"i{n}","call_id":"c{n}","name":"f","arguments":"{{}}"}}"#)
    };
    let events = |event: &dyn Fn(usize) -> String| {
        (0..count).map(|n| format!("data: {}\n\n", event(n))).collect::<Vec<_>>().concat()
    };
    let begun =
        |n| format!(r#"{{"type":"response.output_item.added","output_index":{n},"item":{}}}"#, item(n));
    let delta = |kind: &str, more: &str| {
        format!(r#"{{"type":"response.{kind}.delta","output_index":0,"delta":"a"{more}}}"#)
    };
    let tags = "<think>a</think>".repeat(count) + &"</think>".repeat(count);
    vec![
        ("calls and results", request(&turn(&uses, &results), "")),
        ("the same id", request(&turn(&same, &same_results), "")),
        (
            "calls in turn",
            request(&format!("{user},{in_turn},{{\"role\":\"user\",\"content\":[{results}]}}"), ""),
        ),
        (
            "system texts",
            request(&format!("{user},{}", list(&|_| r#"{"role":"system","content":"s"}"#.to_owned())), ""),
        ),
        ("user messages", request(&list(&|_| user.to_owned()), "")),
        ("unknown members", request(user, &format!(",{properties}"))),
        (
            "tools",
            request(
                user,
                &format!(r#","tools":[{}]"#, list(&|n| format!(r#"{{"name":"f{n}","input_schema":{{}}}}"#))),
            ),
        ),
        (
            "a wide schema",
            request(
                user,
                &format!(r#","output_config":{{"format":{{"type":"json_schema","schema":{schema}}}}}"#),
            ),
        ),
        ("a whole answer's calls", format!(r#"{{"choices":[{{"message":{{"tool_calls":[{calls}]}}}}]}}"#)),
        ("a stream's calls", chunks),
        ("a response's items", format!(r#"{{"status":"completed","output":[{}]}}"#, list(&item))),
        ("items that begin", events(&begun)),
        ("items of unknown types", events(&|n| begun(n).replace("function_call", &format!("x{n}")))),
        ("parts of a text", events(&|n| delta("output_text", &format!(r#","content_index":{n}"#)))),
        (
            "parts of a summary",
            events(&|n| delta("reasoning_summary_text", &format!(r#","summary_index":{n}"#))),
        ),
        (
            "items that end in reverse",
            events(&begun) + &events(&|n| begun(count - 1 - n).replace("added", "done")),
        ),
        ("tags", format!(r#"{{"choices":[{{"message":{{"content":"{tags}"}}}}]}}"#)),
        ("data lines", "data:\n".repeat(count * 4)),
        (
            "an open string",
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}", "x".repeat(count * 10)),
        ),
    ]
}
