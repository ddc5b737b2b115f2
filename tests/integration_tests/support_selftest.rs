//! The support proves itself: what its upstream is told to do reaches a client, and broken streams are refused.

use crate::support::http::{Call, Connection};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Ending, Exchange, Upstream};
use crate::support::watched::Gate;
use crate::support::{bodies, sse};
use std::panic::{AssertUnwindSafe, catch_unwind};

mod golden_files;
mod programs;
mod stream_rules;

fn fails(what: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(what)).expect_err("this should have failed");
    payload.downcast::<String>().map_or_else(|_| String::new(), |text| *text)
}

#[test]
fn a_json_answer_arrives_whole_and_the_request_is_recorded() {
    let upstream = Upstream::start(vec![
        Exchange::new().expect_path("/v1/x").status(418).header("x-a", "b").json("{\"a\":1}"),
    ]);
    let mut reply =
        Call::post("/v1/x?beta=true").header("X-Key", "k").json("{\"n\": 1e2}").send(&upstream.base_url());
    assert_eq!((reply.status, reply.header("X-A")), (418, Some("b")));
    assert_eq!(reply.json()["a"], 1);
    let [request] = &upstream.requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/x?beta=true"));
    assert_eq!(request.header("x-key"), Some("k"));
    assert_eq!(request.body, b"{\"n\": 1e2}");
    upstream.finish();
}

#[test]
fn one_connection_serves_many_requests() {
    let upstream = Upstream::start(vec![Exchange::new().json("1"), Exchange::new().sse(["data: 2\n\n"])]);
    let mut first = Connection::open(&upstream.base_url()).send(&Call::get("/1"));
    assert_eq!(first.text(), "1");
    let mut second = first.into_connection().send(&Call::get("/2"));
    assert_eq!(second.text(), "data: 2\n\n");
    assert_eq!(upstream.connections(), 1);
    upstream.finish();
}

#[test]
fn a_gate_holds_back_what_comes_after_it() {
    let (head, rest) = (Gate::new(), Gate::new());
    let upstream = Upstream::start(vec![
        Exchange::new().pause(&head).sse(["data: 1\n\n"]).pause(&rest).sse(["data: 2\n\n"]),
    ]);
    let mut connection = Connection::open(&upstream.base_url());
    connection.write(b"GET / HTTP/1.1\r\n\r\n");
    head.wait_reached();
    head.open();
    let mut reply = connection.reply(false);
    assert_eq!(reply.next_event().unwrap().data, "1");
    rest.open();
    assert_eq!(reply.events().len(), 1);
    upstream.finish();
}

#[test]
fn slices_are_the_most_that_a_reader_sees_at_once() {
    let chunks = bodies::chunks(&["a€b"]);
    for slice in [1, 2, 3, 7] {
        let upstream = Upstream::start(vec![Exchange::new().sse(&chunks).slice(slice)]);
        let mut reply = Call::get("/").send(&upstream.base_url());
        let mut pieces = Vec::new();
        while let Some(piece) = reply.next_piece().unwrap() {
            pieces.push(piece);
        }
        assert_eq!(pieces.iter().map(Vec::len).max(), Some(slice));
        assert_eq!(pieces.concat(), chunks.concat().as_bytes());
        upstream.finish();
    }
}

#[test]
fn a_close_delimited_body_ends_with_its_connection() {
    let upstream = Upstream::start(vec![Exchange::new().close_delimited().sse(["data: 1\n\n"]).slice(2)]);
    let mut reply = Call::get("/").send(&upstream.base_url());
    assert_eq!(reply.header("transfer-encoding"), None);
    assert_eq!(sse::parse(reply.text()).len(), 1);
    upstream.finish();
}

#[test]
fn a_fin_in_the_middle_is_not_the_end_of_a_body() {
    let upstream = Upstream::start(vec![
        Exchange::new().sse(["data: 1\n\n"]).fin(),
        Exchange::new().piece("half").fin().piece("never sent"),
    ]);
    for _ in 0..2 {
        let mut reply = Call::get("/").send(&upstream.base_url());
        reply.next_piece().unwrap();
        assert_eq!(reply.try_bytes().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    }
    upstream.finish();
}

#[test]
fn a_reset_reaches_the_client_as_a_reset() {
    let gate = Gate::new();
    let upstream = Upstream::start(vec![Exchange::new().sse(["data: 1\n\n"]).pause(&gate).reset()]);
    let mut reply = Call::get("/").send(&upstream.base_url());
    reply.next_piece().unwrap();
    gate.open();
    assert_eq!(reply.try_bytes().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    upstream.finish();
}

#[test]
fn a_hanging_upstream_sees_its_client_close() {
    let upstream = Upstream::start(vec![Exchange::new().sse(["data: 1\n\n"]).hang()]);
    let mut reply = Call::get("/").send(&upstream.base_url());
    reply.next_piece().unwrap();
    drop(reply);
    assert_eq!(upstream.wait_for_ending(0), Ending::ClientClosed);
    upstream.finish();
}

#[test]
fn an_answer_need_not_be_http() {
    let upstream = Upstream::start(vec![Exchange::new().raw("SSH-2.0-nonsense\r\n")]);
    let mut connection = Connection::open(&upstream.base_url());
    connection.write(b"GET / HTTP/1.1\r\n\r\n");
    assert!(fails(|| drop(connection.reply(false))).contains("the head of an answer"));
    upstream.finish();
}

#[test]
fn a_rule_answers_any_number_of_requests() {
    let upstream = Upstream::always(|request| Exchange::new().json(request.target.len()));
    for target in ["/", "/12", "/123"] {
        assert_eq!(Call::get(target).send(&upstream.base_url()).json(), target.len());
    }
    assert_eq!(upstream.wait_for_requests(3).len(), 3);
    upstream.finish();
}

#[test]
fn an_expectation_that_does_not_hold_fails_the_test() {
    let unserved = Upstream::start(vec![Exchange::new()]);
    assert!(fails(|| unserved.finish()).contains("1 exchanges never asked for"));

    let unexpected = Upstream::start(vec![]);
    assert_eq!(Call::get("/x").send(&unexpected.base_url()).status, 500);
    assert!(fails(|| drop(unexpected)).contains("unexpected request GET /x"));

    let other_path = Upstream::start(vec![Exchange::new().expect_method("POST").expect_path("/a")]);
    Call::post("/b").send(&other_path.base_url()).text();
    assert!(fails(|| other_path.finish()).contains("expected POST /a, got POST /b"));
}

#[test]
fn the_usual_bodies_are_what_they_say() {
    let stream = bodies::chunks(&["Hel", "lo"]).concat();
    let events = sse::parse(stream);
    assert_eq!(events.last().unwrap().data, "[DONE]");
    assert_eq!(events[1].json()["choices"][0]["delta"]["content"], "Hel");
    assert_eq!(bodies::completion("Hello")["choices"][0]["message"]["content"], "Hello");
    assert_eq!(bodies::request("hi", true)["messages"][0]["content"], "hi");
}

#[test]
fn a_legal_stream_folds_to_its_message() {
    let message = check_stream(&stream_rules::legal());
    assert_eq!(message.kinds(), ["thinking", "text", "tool_use"]);
    assert_eq!(message.text(), "Hello");
    assert_eq!(message.content[0]["signature"], "sig");
    assert_eq!(message.content[2]["input"]["city"], "Oslo");
    assert_eq!(message.tool_inputs, [r#"{"city": "Oslo"}"#]);
    assert_eq!(message.stop_reason.as_deref(), Some("tool_use"));
    assert_eq!(
        (message.usage["input_tokens"].as_u64(), message.usage["output_tokens"].as_u64()),
        (Some(9), Some(5))
    );
    assert_eq!((message.pings, message.error.is_none(), message.stop_sequence), (1, true, None));
    assert_eq!(message.start["model"], "m");
}
