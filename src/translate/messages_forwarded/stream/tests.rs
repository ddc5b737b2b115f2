//! Streams as they come and as they should not: every cut gives the same, every end is told.

use super::*;
use proptest::prelude::*;

const LIMIT: usize = 1 << 16;

/// A stream as Anthropic's API sends it, with events and members that nobody knows.
const WHOLE: &str = concat!(
    "event: message_start\n",
    "data: {\"type\":\"message_start\",\"message\":{ \"model\": \"qwen\",\"id\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":7,\"output_tokens\":1},\"new\":1e2}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    ": a comment\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"odd\"}}\n\n",
    "id: 5\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"\\\"model\\\":é😀\"}}\n\n",
    "event: brand_new\ndata: {\"a\":\ndata: 1}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn passed(pieces: &[&[u8]]) -> (Vec<u8>, Stream) {
    let mut stream = Stream::new("claude", "up", LIMIT);
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    stream.finish(End::Eof, &mut out);
    (out, stream)
}

/// Checks a stream in one piece, cut in two everywhere, and byte by byte.
fn check(input: impl AsRef<[u8]>, expected: impl AsRef<[u8]>, failure: Option<&str>) {
    let (input, expected) = (input.as_ref(), String::from_utf8_lossy(expected.as_ref()).into_owned());
    let one = |pieces: &[&[u8]]| {
        let (out, stream) = passed(pieces);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(stream.failure().map(|error| error.message.as_str()), failure);
        assert!(stream.is_over());
    };
    one(&[input]);
    for cut in 0..=input.len() {
        one(&[&input[..cut], &input[cut..]]);
    }
    one(&input.chunks(1).collect::<Vec<_>>());
}

#[test]
fn everything_but_the_model_passes_byte_for_byte() {
    for end in ["\n", "\r\n", "\r"] {
        let input = WHOLE.replace('\n', end);
        check(&input, input.replace("qwen", "claude"), None);
    }
}

#[test]
fn usage_stop_reason_and_progress_are_noted() {
    let (_, stream) = passed(&[WHOLE.as_bytes()]);
    let usage = stream.usage().unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 9));
    assert_eq!(stream.stop_reason(), Some(&StopReason::EndTurn));
    assert!(stream.has_content() && stream.is_started());
    assert_eq!(stream.events(), 7);
}

#[test]
fn what_follows_the_end_goes() {
    let expected = WHOLE.replace("qwen", "claude");
    check(format!("{WHOLE}data: [DONE]\n\n: bye\n\n"), &expected, None);
    check(format!("\u{FEFF}{WHOLE}"), &expected, None);
}

#[test]
fn events_without_a_name_get_theirs() {
    let nameless: Vec<&str> = WHOLE.split('\n').filter(|line| !line.starts_with("event: ")).collect();
    let nameless = nameless.join("\n");
    let (out, stream) = passed(&[nameless.as_bytes()]);
    let out = String::from_utf8(out).unwrap();
    // The one that has no type, and that nobody could name, goes.
    let expected =
        WHOLE.replace("qwen", "claude").replace("event: brand_new\ndata: {\"a\":\ndata: 1}\n\n", "");
    assert_eq!(
        out,
        expected.replace("id: 5\nevent: content_block_delta\n", "event: content_block_delta\nid: 5\n")
    );
    assert!(stream.failure().is_none());
    let browsers = WHOLE.replace("event: content_block_stop", "event: message");
    check(browsers, WHOLE.replace("qwen", "claude"), None);
}

#[test]
fn a_message_start_on_several_lines_or_without_a_model_is_mended() {
    let rest = "event: message_stop\ndata: {}\n\n";
    check(
        format!("event: message_start\ndata: {{\"message\":\ndata: {{\"model\":\"q\"}}}}\n\n{rest}"),
        format!("event: message_start\ndata: {{\"message\": {{\"model\":\"claude\"}}}}\n\n{rest}"),
        None,
    );
    check(
        format!("event:message_start\ndata:{{\"message\":{{\"id\":\"m\"}}}}\n\n{rest}"),
        format!("event:message_start\ndata:{{\"message\":{{\"model\":\"claude\",\"id\":\"m\"}}}}\n\n{rest}"),
        None,
    );
    check("event: message_start\ndata: {}\n\n", "", Some("up: a message_start without a message"));
}

#[test]
fn an_end_without_message_stop_is_a_failure() {
    let (cut, _) = WHOLE.split_once("event: message_stop").unwrap();
    let expected = cut.replace("qwen", "claude");
    check(cut, &expected, Some("up: the upstream closed the stream early"));
    check(
        format!("{cut}data: [DONE]\n\n"),
        &expected,
        Some("up: the upstream ended the stream without message_stop"),
    );
    // Half an event would break the client before it sees the failure.
    check(
        format!("{cut}event: content_block_delta\ndata: {{\"ty"),
        &expected,
        Some("up: the upstream closed the stream early"),
    );
    let nothing = "up: the answer is no stream of the Messages API; does this address serve /v1/messages?";
    check("", "", Some(nothing));
    check("<html>\n\n", "<html>\n\n", Some(nothing));
    let chunk = "data: {\"choices\":[]}\n\n";
    check(chunk.repeat(9), "", Some(nothing));
}

#[test]
fn a_last_event_without_its_blank_line_counts() {
    let expected = WHOLE.replace("qwen", "claude");
    let missing_line = WHOLE.strip_suffix('\n').unwrap();
    check(missing_line, &expected, None);
    check(missing_line.strip_suffix('\n').unwrap(), &expected, None);
}

#[test]
fn failures_are_kept_for_their_teller() {
    let (begun, _) = WHOLE.split_once("event: content_block_start").unwrap();
    let expected = begun.replace("qwen", "claude");
    let own = r#"{"type":"error","error":{"type":"overloaded_error","message":"full"}}"#;
    check(format!("{begun}event: error\ndata: {own}\n\nevent: x\n\n"), &expected, Some("full"));
    check(format!("{begun}data: {own}\n\n"), &expected, Some("full"));
    check(format!("{begun}data: {{\"error\":{{\"message\":\"no\"}}}}\n\n"), &expected, Some("up: no"));
    let (out, stream) =
        passed(&[format!("event: ping\ndata: {{}}\n\nevent: error\ndata: {own}\n\n").as_bytes()]);
    // A ping does not begin an answer: the failure still gets its status.
    assert!(!stream.is_started() && !out.is_empty());
    assert_eq!(stream.failure().unwrap().status, 529);
}

#[test]
fn a_flood_before_the_first_event_begins_the_answer() {
    let mut stream = Stream::new("claude", "up", LIMIT);
    let mut out = Vec::new();
    stream.push(": x\n\n".repeat(MAX_QUIET_BYTES / 5).as_bytes(), &mut out);
    assert!(!stream.is_started());
    stream.push(b": x\n\n", &mut out);
    assert!(stream.is_started());
}

#[test]
fn too_long_an_event_is_a_failure() {
    let mut stream = Stream::new("claude", "up", 100);
    let mut out = Vec::new();
    for _ in 0..20 {
        stream.push(&[b'x'; 10], &mut out);
    }
    assert_eq!(stream.failure().unwrap().message, "up: an event of the stream is longer than 100 bytes");
    assert!(out.is_empty());
}

#[test]
fn a_whole_message_is_told_as_events() {
    let mut stream = Stream::new("claude", "up", LIMIT);
    let mut out = Vec::new();
    let body = br#"{"type":"message","model":"q","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    stream.push_whole(body, &mut out);
    stream.finish(End::Eof, &mut out);
    let text = String::from_utf8(out).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert!(text.contains(r#""model":"claude""#) && stream.failure().is_none());
    assert_eq!(stream.usage().unwrap().output_tokens, 2);
    let mut failing = Stream::new("claude", "up", LIMIT);
    failing.push_whole(br#"{"error":{"message":"no","code":400}}"#, &mut Vec::new());
    assert_eq!(failing.failure().unwrap().message, "up: no");
}

/// Lines that a stream is made of, legal or not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static [u8]> = vec![
        b"",
        b"\n",
        b"\r",
        b"\r\n",
        b"event: message_start",
        b"event: ping",
        b"event: error",
        b"event: message_stop",
        b"event",
        b"data: {\"type\":\"message_start\",\"message\":{\"model\":\"q\"}}",
        b"data: {\"type\":\"message_stop\"}",
        b"data: {\"type\":\"content_block_delta\",\"index\":0}",
        b"data: [DONE]",
        b"data: {",
        b": c",
        b"\xEF\xBB\xBF",
        b"\xFF",
        b"data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}",
        b"data",
    ];
    prop_oneof![4 => prop::sample::select(known).prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..8)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing_and_every_end_is_told(
        lines in prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r\n", "\r", ""])), 0..24),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input: Vec<u8> = lines.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()].concat()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let (out, stream) = passed(&pieces);
        let (expected, whole) = passed(&[&input]);
        prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
        prop_assert_eq!(stream.failure(), whole.failure());
        // Either the client reads the end of a message, or there is a failure to tell.
        let mut stops = 0;
        let mut decoder = sse::Decoder::new(LIMIT);
        decoder.push(&out, |event| stops += usize::from(event.name == "message_stop")).unwrap();
        prop_assert_eq!(stops == 1, stream.failure().is_none(), "{} becomes {}", input.escape_ascii(), out.escape_ascii());
        prop_assert!(stops <= 1);
    }

    #[test]
    fn arbitrary_bytes_harm_nobody(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        passed(&[&bytes]);
        let mut stream = Stream::new("m", "up", 64);
        stream.push_whole(&bytes, &mut Vec::new());
        let _whole = super::super::response(&bytes, "m", "up");
        if let Ok(opened) = super::super::Opened::read(&bytes) {
            let _forwarded = super::super::request(&opened, &super::super::Wishes::model("m"));
        }
    }
}
