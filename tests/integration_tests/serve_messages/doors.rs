//! All the ways in which clients write the address and the request.

use super::{hello, request};
use crate::support::http::{Call, Connection};
use crate::support::serving::{Gateway, answer, messages, request_id};
use crate::support::upstream::Upstream;

#[test]
fn f49_every_spelling_of_the_address_arrives() {
    let gateway = Gateway::before(Upstream::always(|_| hello()), |program| program);
    let absolute = format!("{}/v1/messages", gateway.server.base_url());
    let targets = [
        "/v1/messages",
        "/v1/messages?beta=true",
        "/v1/messages?beta=true&unknown=1",
        "//v1/messages",
        "/v1/v1/messages?beta=true",
        &absolute,
    ];
    for target in targets {
        let message = answer(gateway.send(&Call::post(target).json(request("hi", false))));
        assert_eq!(message["content"][0]["text"], "Hello", "{target}");
    }
    assert!(gateway.upstream.requests().iter().all(|seen| seen.target == "/v1/chat/completions"));
    gateway.end();
}

#[test]
fn every_version_of_the_api_is_served() {
    let gateway = Gateway::before(Upstream::always(|_| hello()), |program| program);
    for version in ["2023-06-01", "2026-10-21", "2099-01-01", ""] {
        answer(gateway.send(&messages(request("hi", false)).header("anthropic-version", version)));
    }
    let parameters = Call::post("/v1/messages")
        .header("content-type", "Application/JSON; charset=UTF-8")
        .body(request("hi", false).to_string());
    answer(gateway.send(&parameters));
    gateway.end();
}

#[test]
fn f49_http_1_0_is_answered() {
    let gateway = Gateway::start(vec![hello()]);
    let body = request("hi", false).to_string();
    let mut connection = Connection::open(gateway.server.base_url());
    let head = format!(
        "POST /v1/messages HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write(format!("{head}{body}").as_bytes());
    // The test's client reads answers of HTTP/1.1 and 1.0 alike.
    let mut reply = connection.reply(false);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["content"][0]["text"], "Hello");
    assert!(reply.into_connection().closed_by_server());
    gateway.end();
}

#[test]
fn f49_a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let gateway = Gateway::start(vec![hello()]);
    let body = request("hi", false).to_string();
    let mut connection = Connection::open(gateway.server.base_url());
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write(head.as_bytes());
    connection.wait_for_interim("HTTP/1.1 100");
    connection.write(body.as_bytes());
    let reply = connection.reply(false);
    assert_eq!(answer(reply)["content"][0]["text"], "Hello");
    gateway.end();
}

#[test]
fn a_body_in_chunks_is_read() {
    let gateway = Gateway::start(vec![hello()]);
    let body = request("hi ☃", false).to_string();
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
          transfer-encoding: chunked\r\n\r\n",
    );
    for piece in body.as_bytes().chunks(5) {
        connection.write(format!("{:x}\r\n", piece.len()).as_bytes());
        connection.write(piece);
        connection.write(b"\r\n");
    }
    connection.write(b"0\r\n\r\n");
    answer(connection.reply(false));
    assert_eq!(gateway.request().json()["messages"][0]["content"], "hi ☃");
    gateway.end();
}

#[test]
fn every_answer_has_an_id_of_its_own() {
    let gateway = Gateway::before(Upstream::always(|_| hello()), |program| program);
    let calls = [
        messages(request("hi", false)),
        messages("{"),
        Call::get("/v1/messages"),
        Call::get("/nowhere"),
        Call::post("/v1/messages").body("x"),
        Call::get("/"),
        Call::new("HEAD", "/"),
        Call::new("HEAD", "/v1/messages"),
        Call::get("/v1/models"),
        Call::get("/health"),
    ];
    let mut ids: Vec<_> = calls.iter().map(|call| request_id(&gateway.send(call))).collect();
    let stream = gateway.post(request("hi", true));
    ids.push(request_id(&stream));
    drop(stream);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), calls.len() + 1, "ids repeat: {ids:?}");
    gateway.end();
}
