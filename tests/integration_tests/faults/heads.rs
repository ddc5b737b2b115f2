//! Heads that are too long, too many, or that two readers would read differently.

use super::{post, post_head};
use crate::support::bodies::{completion, request};
use crate::support::http::Connection;
use crate::support::serving::{Gateway, answer, messages, no_canary};
use crate::support::upstream::{Exchange, Upstream};

/// A gateway that gives up idle connections soon, so that whatever it says can be read to its end.
fn gateway() -> Gateway {
    let upstream = Upstream::always(|_| Exchange::new().json(completion("Hello")));
    let limits =
        "[limits]\nheader_read_timeout = '500ms'\nkeep_alive_idle = '500ms'\nbody_read_timeout = '500ms'\n";
    Gateway::before(upstream, |program| crate::support::serving::configured(program, limits))
}

/// Sends bytes and reads until the connection closes; the statuses of the answers, and all of it.
fn talk(gateway: &Gateway, bytes: &[u8]) -> (Vec<u16>, String) {
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(bytes);
    let said = String::from_utf8_lossy(&connection.read_to_close()).into_owned();
    no_canary(&said);
    let status = |line: &str| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok();
    let lines = said.split("\r\n").flat_map(|line| line.rsplit_once('}').map_or([line, ""], |(a, b)| [a, b]));
    (lines.filter_map(status).collect(), said)
}

fn with(headers: &str, rest: &str) -> Vec<u8> {
    format!("{}{headers}\r\n{rest}", post_head()).into_bytes()
}

#[test]
fn f25_what_two_readers_would_read_differently_is_refused_and_asks_nobody() {
    let body = request("hi", false).to_string();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let smuggled = post(&body);
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("two lengths", with(&format!("content-length: {length}\r\ncontent-length: 1\r\n"), &body)),
        ("a list of lengths", with(&format!("content-length: {length}, 1\r\n"), &body)),
        ("a signed length", with(&format!("content-length: +{length}\r\n"), &body)),
        ("a negative length", with("content-length: -1\r\n", &body)),
        ("a length in hex", with("content-length: 0x10\r\n", &body)),
        ("an unknown coding", with("transfer-encoding: xchunked\r\n", &chunked)),
        ("chunked is not the last coding", with("transfer-encoding: chunked, identity\r\n", &chunked)),
        ("chunks that have no size", with("transfer-encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n")),
        ("chunks with a negative size", with("transfer-encoding: chunked\r\n", "-1\r\nabc\r\n0\r\n\r\n")),
        ("a size beyond all numbers", with("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\nabc\r\n")),
        (
            "a chunk that is longer than its size",
            with("transfer-encoding: chunked\r\n", "1\r\nabc\r\n0\r\n\r\n"),
        ),
        ("a space before the colon", with(&format!("content-length : {length}\r\n"), &body)),
        ("a folded line", with(&format!("x-a: b\r\n c\r\ncontent-length: {length}\r\n"), &body)),
        ("a NUL", with(&format!("x-a: b\0c\r\ncontent-length: {length}\r\n"), &body)),
        ("a lone CR", with(&format!("x-a: b\rc\r\ncontent-length: {length}\r\n"), &body)),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec()),
        ("another version", b"GET / HTTP/3.7\r\n\r\n".to_vec()),
    ];
    let gateway = gateway();
    for (name, mut bytes) in table {
        // Whoever reads less than was sent would take this for a request of its own.
        bytes.extend_from_slice(smuggled.as_bytes());
        let (statuses, said) = talk(&gateway, &bytes);
        if name == "HTTP/2" {
            // Whoever opens like that could not read an answer in HTTP/1.1.
            assert_eq!(said, "");
            continue;
        }
        assert!(matches!(statuses[..], [400 | 505]), "{name}: {statuses:?}: {said}");
        assert!(said.contains("\"type\":\"error\"") && said.contains("request-id: req_"), "{name}: {said}");
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    gateway.end();
}

#[test]
fn f25_of_two_ways_to_tell_the_length_chunks_count_and_the_connection_ends() {
    let body = request("hi", false).to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let gateway = gateway();
    let mut bytes = with("content-length: 4\r\ntransfer-encoding: chunked\r\n", &chunked);
    bytes.extend_from_slice(post(&body).as_bytes());
    let (statuses, said) = talk(&gateway, &bytes);
    assert!(matches!(statuses[..], [200 | 400]), "{statuses:?}: {said}");
    assert!(gateway.upstream.requests().len() <= 1, "what stood behind was taken for a request");
    gateway.end();
}

#[test]
fn f25_floods_of_headers_are_431() {
    let gateway = gateway();
    let lines =
        |count: usize| (0..count).map(|number| format!("x-{number}: a\r\n")).collect::<Vec<_>>().concat();
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(100_000));
    for (name, bytes) in [
        ("lines", with(&lines(101), "")),
        ("one long line", with(&format!("x-a: {}\r\n", "b".repeat(100_000)), "")),
        ("a long path", long_path.into_bytes()),
        ("a line without end", format!("{}x-a: {}", post_head(), "b".repeat(200_000)).into_bytes()),
    ] {
        let (statuses, said) = talk(&gateway, &bytes);
        assert!(matches!(statuses[..], [431 | 414]), "{name}: {statuses:?}: {said}");
        assert!(said.contains("\"type\":\"error\"") && said.contains("request-id: req_"), "{name}: {said}");
    }
    let some = lines(90);
    let body = request("hi", false).to_string();
    let (statuses, _) = talk(&gateway, &with(&format!("{some}content-length: {}\r\n", body.len()), &body));
    assert_eq!(statuses, [200]);
    gateway.end();
}

#[test]
fn f25_an_upgrade_is_no_tunnel_and_nothing_of_it_reaches_the_upstream() {
    let gateway = gateway();
    for (connection, upgrade) in [("upgrade", "websocket"), ("Upgrade, HTTP2-Settings", "h2c")] {
        let call = messages(request("hi", false)).header("connection", connection).header("upgrade", upgrade);
        answer(
            gateway.send(&call.header("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA").header("te", "trailers")),
        );
    }
    let hops = messages(request("hi", false)).header("connection", "close, authorization, content-type");
    answer(gateway.send(&hops));
    for request in gateway.upstream.requests() {
        for name in ["upgrade", "http2-settings", "te", "connection"] {
            assert_eq!(request.header(name), None, "{name}");
        }
        assert!(request.header("authorization").is_some() && request.header("content-type").is_some());
    }
    gateway.end();
}

#[test]
fn f25_pipelined_requests_are_answered_one_by_one() {
    let gateway = gateway();
    let body = request("hi", false).to_string();
    let (statuses, said) = talk(&gateway, post(&body).repeat(3).as_bytes());
    assert_eq!(statuses, [200; 3], "{said}");
    assert_eq!(gateway.upstream.requests().len(), 3);
    gateway.end();
}

#[test]
fn f26_slow_clients_do_not_hold_up_others() {
    let limits = "[limits]\nheader_read_timeout = '20s'\n";
    let upstream = Upstream::always(|_| Exchange::new().json(completion("Hello")));
    let gateway = Gateway::before(upstream, |program| crate::support::serving::configured(program, limits));
    let slow: Vec<Connection> = (0..200)
        .map(|_| {
            let mut connection = Connection::open(gateway.server.base_url());
            connection.write(b"POST /v1/messages HTTP/1.1\r\nhost: loc");
            connection
        })
        .collect();
    for _ in 0..10 {
        gateway.say("hi");
    }
    drop(slow);
    gateway.end();
}
