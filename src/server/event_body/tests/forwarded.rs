//! The same times for a stream that is forwarded.

use super::*;
use crate::translate::messages_forwarded;

fn forwarded() -> (Upstream, impl Future<Output = Result<EventBody<Fake>, ApiError>>) {
    pair_with(Teller::forwarded(messages_forwarded::Stream::new("claude", "up", 1 << 20)))
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":3}}}\n\n";
const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test(start_paused = true)]
async fn bytes_pass_and_the_end_is_the_upstreams() {
    let (upstream, begin) = forwarded();
    upstream.say(START);
    let mut body = begin.await.unwrap();
    assert_eq!(body.next().await.unwrap(), START);
    upstream.say("event: odd\ndata: 1\n\n: c\n\nevent: o");
    assert_eq!(body.next().await.unwrap(), "event: odd\ndata: 1\n\n: c\n\n");
    upstream.say("dd\ndata: 2\n\n");
    upstream.say(STOP);
    assert_eq!(body.next().await.unwrap(), format!("event: odd\ndata: 2\n\n{STOP}"));
    drop(upstream.pieces);
    assert_eq!(body.next().await, None);
    body.log.clone().note(|notes| assert_eq!(notes.end, Some(End::Complete)));
}

#[tokio::test(start_paused = true)]
async fn silence_is_bridged_and_the_upstreams_own_pings_are_no_progress() {
    let (upstream, begin) = forwarded();
    upstream.say(START);
    let mut body = begin.await.unwrap();
    body.next().await.unwrap();
    let begun = Instant::now();
    assert_eq!(next(&mut body).await.unwrap(), ["ping"]);
    assert_eq!(begun.elapsed().as_secs(), 10);
    let pings = async {
        loop {
            upstream.say(PING);
            time::sleep(Duration::from_secs(100)).await;
        }
    };
    let events = async {
        loop {
            let names = next(&mut body).await.unwrap();
            if names.iter().any(|name| name != "ping") {
                return names;
            }
        }
    };
    let names = tokio::select! { names = events => names, () = pings => unreachable!() };
    assert_eq!((names.as_slice(), begun.elapsed().as_secs()), (&["timeout_error".to_owned()][..], 600));
    assert!(upstream.dropped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_ping_alone_begins_no_answer_for_ten_seconds() {
    let (upstream, begin) = forwarded();
    upstream.say(PING);
    let begun = Instant::now();
    let mut body = begin.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(next(&mut body).await.unwrap(), ["ping", "ping"]);
    upstream.say(START);
    assert_eq!(body.next().await.unwrap(), START);
    let (upstream, begin) = forwarded();
    upstream.say(PING);
    upstream.say("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full\"}}\n\n");
    let failure = begin.await.err().unwrap().error;
    assert_eq!((failure.status, failure.message.as_str()), (529, "full"));
}

#[tokio::test(start_paused = true)]
async fn every_early_end_is_an_error_event() {
    let begun = || async {
        let (upstream, begin) = forwarded();
        upstream.say(START);
        let mut body = begin.await.unwrap();
        body.next().await.unwrap();
        (upstream, body)
    };
    let (upstream, mut body) = begun().await;
    drop(upstream.pieces);
    assert_eq!(next(&mut body).await.unwrap(), ["api_error"]);
    let (upstream, mut body) = begun().await;
    upstream.fail();
    assert_eq!(next(&mut body).await.unwrap(), ["api_error"]);
    let (upstream, mut body) = begun().await;
    upstream.stopping.cut();
    assert_eq!(next(&mut body).await.unwrap(), ["overloaded_error"]);
    assert_eq!(body.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn one_json_text_becomes_a_stream() {
    let (upstream, begin) = forwarded();
    upstream.say(r#"{"type":"message","model":"q","content":[{"type":"te"#);
    upstream
        .say(r#"xt","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#);
    drop(upstream.pieces);
    let mut body = begin.await.unwrap();
    let names = next(&mut body).await.unwrap();
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("message_start", "message_stop"));
}
