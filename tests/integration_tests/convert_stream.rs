//! `convert` of streams through the built binary: as they arrive, in constant memory, to their end or their break.
//!
//! Whatever comes out goes through `check_stream`, which knows every rule of a legal stream.

use crate::convert::{bad, convert, good, piped, stream};
use crate::support::bodies;
use crate::support::program::Output;
use crate::support::sse::{Event, parse};
use crate::support::sse_rules::{Folded, check_stream};
use serde_json::{Value, json};
use std::fs;

mod fold;

/// The stream that was written without any failure.
fn whole(output: &Output) -> Folded {
    let message = check_stream(&parse(good(output)));
    assert_eq!(message.error, None);
    message
}

/// The stream that broke off: legal, with an error of this type as its last event, and exit code 65.
fn broken(output: &Output, kind: &str, reason: &str) -> Folded {
    bad(output, 65, reason);
    let message = check_stream(&parse(&output.stdout));
    let error = message.error.as_ref().expect("an error event at the end");
    assert_eq!(error["type"], kind, "{error}");
    assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    assert_eq!(message.stop_reason, None);
    message
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// A chunk with this delta.
fn delta(delta: Value) -> String {
    bodies::chunk(delta, None)
}

/// A piece of the call with this index; its id and name only in the first piece.
fn call(index: u32, first: Option<(&str, &str)>, arguments: &str) -> String {
    let mut call = json!({"index": index, "function": {"arguments": arguments}});
    if let Some((id, name)) = first {
        call["id"] = json!(id);
        call["type"] = json!("function");
        call["function"]["name"] = json!(name);
    }
    delta(json!({"tool_calls": [call]}))
}

/// Reasoning, text and two calls whose pieces come in turns.
fn everything() -> String {
    [
        delta(json!({"role": "assistant", "content": "", "reasoning_content": "Let me "})),
        delta(json!({"reasoning_content": "see."})),
        delta(json!({"content": "Two "})),
        delta(json!({"content": "calls."})),
        call(0, Some(("call_a", "weather")), "{\"z\": 1.50,"),
        call(1, Some(("call_b", "time")), "{\"n\":12345678901234567890"),
        call(0, None, " \"a\": 1e2}"),
        call(1, None, "123}"),
        bodies::chunk(json!({}), Some("tool_calls")),
        bodies::usage_chunk(21, 34),
        bodies::DONE.to_owned(),
    ]
    .concat()
}

#[test]
fn each_event_is_written_before_the_next_chunk_is_read() {
    let pieces = ["one ", "two ", "three"];
    let mut running = convert(&[]).start();
    let chunks = bodies::chunks(&pieces);
    running.write(&chunks[0]);
    for (chunk, piece) in chunks[1..].iter().zip(pieces) {
        running.write(chunk);
        let so_far = running.wait_for_stdout(&format!(r#""text":"{piece}""#));
        assert!(so_far.ends_with("\n\n"), "an event is written whole: {so_far}");
        assert!(!so_far.contains("message_delta"), "{so_far}");
    }
    running.write(chunks[4..].concat());
    assert_eq!(whole(&running.wait()).text(), "one two three");
}

#[test]
fn a_stream_file_grows_as_the_stream_arrives() {
    // The path of stderr stands for a file, because it can be waited for.
    let mut running = convert(&["-o", "/dev/stderr"]).start();
    let chunks = bodies::chunks(&["Hel", "lo"]);
    running.write(chunks[..2].concat());
    running.wait_for_stderr("Hel");
    running.write(chunks[2..].concat());
    let output = running.wait();
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    assert_eq!(check_stream(&parse(&output.stderr)).text(), "Hello");
}

#[test]
fn neither_the_cut_of_the_bytes_nor_the_form_of_the_lines_changes_a_byte() {
    let input = everything();
    let expected = piped(&[], &input);
    whole(&expected);
    assert_eq!(piped(&[], &input), expected, "twice the same");
    for slice_bytes in [1, 7, 1000] {
        let mut running = convert(&[]).start();
        for slice in input.as_bytes().chunks(slice_bytes) {
            running.write(slice);
        }
        assert_eq!(running.wait(), expected, "in slices of {slice_bytes}");
    }
    for (form, input) in [
        ("CR LF", input.replace('\n', "\r\n")),
        ("no space after the colon", input.replace("data: ", "data:")),
        ("a byte order mark", format!("\u{feff}{input}")),
        ("comments, ids and waiting times", format!(": hi\n\nretry: 9\nid: 1\n{input}: bye\n\n")),
        ("no blank line at the end", input.trim_end().to_owned()),
        ("blank lines in front", format!("\n\n{input}")),
    ] {
        assert_eq!(piped(&[], input), expected, "{form}");
    }
}

#[test]
fn reasoning_text_and_interleaved_calls_become_blocks_in_order() {
    let message = whole(&piped(&[], everything()));
    assert_eq!(message.kinds(), ["thinking", "text", "tool_use", "tool_use"]);
    assert_eq!(message.content[0]["thinking"], "Let me see.");
    assert_eq!(message.text(), "Two calls.");
    assert_eq!(
        (&message.content[2]["id"], &message.content[2]["name"]),
        (&json!("call_a"), &json!("weather"))
    );
    assert_eq!((&message.content[3]["id"], &message.content[3]["name"]), (&json!("call_b"), &json!("time")));
    let inputs = [r#"{"z": 1.50, "a": 1e2}"#, r#"{"n":12345678901234567890123}"#];
    assert_eq!(message.tool_inputs, inputs, "arguments keep their bytes");
    assert_eq!(message.stop_reason.as_deref(), Some("tool_use"));
    assert_eq!((&message.usage["input_tokens"], &message.usage["output_tokens"]), (&json!(21), &json!(34)));
}

#[test]
fn a_stream_cut_anywhere_ends_with_its_error_event_and_65() {
    let pieces: Vec<String> = everything().split_inclusive("\n\n").map(str::to_owned).collect();
    let finish = pieces.iter().position(|piece| piece.contains(r#""finish_reason":"tool_calls""#)).unwrap();
    for count in 1..=finish {
        let input = pieces[..count].concat();
        let message = broken(&piped(&[], &input), "api_error", "closed the stream early");
        assert!(!message.content.is_empty(), "what had come was written");
        let folded = piped(&["--aggregate"], &input);
        bad(&folded, 65, "closed the stream early");
        assert_eq!(folded.stdout, "", "half a message must not look like one");
    }
    // The answer is whole with its finish reason; usage and [DONE] may be missing.
    for count in finish + 1..=pieces.len() {
        assert_eq!(whole(&piped(&[], pieces[..count].concat())).content.len(), 4);
    }
    // In the middle of a chunk, which is the fifth.
    let half = format!("{}{}", pieces[..4].concat(), &pieces[4][..40]);
    let output = piped(&[], half);
    bad(&output, 65, "stdin: event 5: ");
    let message = check_stream(&parse(&output.stdout));
    assert_eq!((message.text(), message.error.is_some()), ("Two calls.".to_owned(), true));
}

#[test]
fn a_cut_stream_in_a_file_keeps_what_came_and_its_error_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.sse");
    let cut = bodies::chunks(&["Hel"])[..2].concat();
    let output = piped(&["-o", path.to_str().unwrap()], cut);
    bad(&output, 65, "closed the stream early");
    assert_eq!(output.stdout, "");
    let written = check_stream(&parse(fs::read_to_string(path).unwrap()));
    assert_eq!((written.text(), written.error.is_some()), ("Hel".to_owned(), true));
}

#[test]
fn an_error_of_the_upstream_keeps_its_kind_and_its_words() {
    let begun = bodies::chunks(&["Hel"])[..2].concat();
    for (error, kind) in [
        (json!({"message": "slow down", "code": 429}), "rate_limit_error"),
        (json!({"message": "slow down", "type": "overloaded_error", "code": 529}), "overloaded_error"),
        (json!({"message": "slow down", "type": "server_error"}), "api_error"),
    ] {
        let event = bodies::data(&json!({"error": error}));
        let message = broken(&piped(&[], format!("{begun}{event}")), kind, "slow down");
        assert_eq!(message.text(), "Hel");
        // Nothing was said before the error, so it is all there is to write.
        let alone = piped(&[], &event);
        bad(&alone, 65, "slow down");
        let events = parse(&alone.stdout);
        assert_eq!(events.iter().map(|event| event.name.as_deref()).collect::<Vec<_>>(), [Some("error")]);
        assert_eq!(events[0].json()["error"]["type"], kind);
    }
}

#[test]
fn a_stream_without_an_answer_is_no_answer() {
    for input in [bodies::DONE.to_owned(), ": ping\n\n".to_owned(), bodies::usage_chunk(1, 2) + bodies::DONE]
    {
        let output = piped(&[], &input);
        assert_eq!(output.code, Some(65), "{input:?}: {output:?}");
        let last = parse(&output.stdout).pop();
        assert_eq!(last.and_then(|event: Event| event.name).as_deref(), Some("error"), "{input:?}");
    }
}

#[test]
fn the_request_gives_a_stream_its_model_and_stop_sequence() {
    let request = json!({
        "model": "claude-opus-5-5[1m]", "max_tokens": 9, "stop_sequences": ["END"],
        "messages": [{"role": "user", "content": "hi"}],
    });
    let mut last = parsed(bodies::chunk(json!({}), Some("stop")).trim_start_matches("data: "));
    last["choices"][0]["stop_reason"] = json!("END");
    let input = bodies::chunks(&["Hi"])[..2].concat() + &bodies::data(&last) + bodies::DONE;
    let program = convert(&["--request", "request.json", "--preset", "vllm"]);
    let message = whole(&program.file("request.json", request.to_string()).stdin(&input).run());
    assert_eq!(message.start["model"], "claude-opus-5-5[1m]");
    assert_eq!(message.stop_reason.as_deref(), Some("stop_sequence"));
    assert_eq!(message.stop_sequence.as_deref(), Some("END"));

    let plain = whole(&piped(&["--model", "m"], &input));
    assert_eq!((&plain.start["model"], plain.stop_reason.as_deref()), (&json!("m"), Some("end_turn")));
}

#[test]
fn losses_of_a_stream_are_listed_and_refused_after_it_was_written() {
    let input =
        bodies::chunks(&["Hi"])[..2].concat() + &bodies::chunk(json!({}), Some("weird")) + bodies::DONE;
    let output = piped(&["--report"], &input);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let loss = parsed(&output.stderr);
    assert_eq!(
        (&loss["pointer"], &loss["kind"]),
        (&json!("/choices/0/finish_reason"), &json!("approximated"))
    );
    assert!(loss["reason"].as_str().unwrap().contains("weird"), "{loss}");
    assert_eq!(check_stream(&parse(&output.stdout)).text(), "Hi");

    let strict = piped(&["--strict"], &input);
    bad(&strict, 65, "/choices/0/finish_reason");
    assert_eq!(strict.stdout, output.stdout, "what was sent on cannot be taken back");
    let folded = piped(&["--strict", "--aggregate"], &input);
    assert_eq!((folded.code, folded.stdout.as_str()), (Some(65), ""));
}

#[test]
fn plain_json_for_a_stream_and_a_stream_for_a_response_are_understood() {
    let completion = bodies::completion("Hello").to_string();
    assert_eq!(whole(&piped(&["--kind", "stream"], completion)).text(), "Hello");
    let message = parsed(good(&piped(&["--kind", "response"], stream())));
    assert_eq!(message["content"][0]["text"], "Hello");
}

#[test]
fn a_stream_does_not_empty_its_own_input() {
    let output = convert(&["s.sse", "-o", "s.sse"]).file("s.sse", stream()).run();
    bad(&output, 2, "both input and output");
    bad(&convert(&["a", "-o", "missing/b"]).file("a", stream()).run(), 73, "missing/b");
}

#[test]
fn fifty_megabytes_take_no_more_memory_than_one() {
    // What was written has been read but for the pipe's and the program's buffers, so there is nothing to wait for.
    let mut running = convert(&["-o", "/dev/null"]).start();
    let text = "x".repeat(8 << 10);
    let round = [
        delta(json!({"content": text})).repeat(12),
        delta(json!({"reasoning_content": text})).repeat(3),
        ": a comment\n\n".to_owned(),
    ]
    .concat();
    let rounds_of = |bytes: usize| bytes / round.len();
    for _ in 0..rounds_of(1 << 20) {
        running.write(&round);
    }
    let before = running.resident_kib();
    for _ in 0..rounds_of(50 << 20) {
        running.write(&round);
    }
    if let (Some(before), Some(after)) = (before, running.resident_kib()) {
        assert!(after < before + 2 * 1024, "{before} KiB after 1 MiB, {after} KiB after 51 MiB");
    }
    running.write(bodies::chunk(json!({}), Some("stop")) + bodies::DONE);
    let output = running.wait();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_event_without_end_is_refused_before_it_fills_the_memory() {
    let mut input = bodies::chunks(&["Hi"])[..2].concat().into_bytes();
    input.extend(b"data: {\"choices\":\"");
    input.resize(input.len() + (17 << 20), b'x');
    let message = broken(&piped(&[], input), "api_error", "longer than 16777216 bytes");
    assert_eq!(message.text(), "Hi");
}

#[test]
fn a_reader_that_goes_away_ends_a_long_stream_quietly() {
    let long = delta(json!({"content": "x".repeat(8 << 10)})).repeat(1_000);
    let output = convert(&[]).stdin(long).stdout_closed().run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}
