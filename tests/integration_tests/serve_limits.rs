//! What is let in: how much, of which kind, how slowly, and how many at once.

use crate::support::bodies::{chunk, completion, request};
use crate::support::http::{Call, Connection};
use crate::support::serving::{Gateway, answer, failure, messages};
use crate::support::upstream::{Exchange, Upstream};
use crate::support::watched::Gate;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn hello() -> Exchange {
    Exchange::new().json(completion("Hello"))
}

fn small() -> Gateway {
    Gateway::before(Upstream::always(|_| hello()), |program| program.env("MAX_REQUEST_SIZE", "1000"))
}

/// A request of exactly so many bytes.
fn of_size(bytes: usize) -> String {
    let empty = request("", false).to_string().len();
    request(&"x".repeat(bytes - empty), false).to_string()
}

#[test]
fn a_body_may_be_as_long_as_the_limit_and_not_a_byte_longer() {
    let gateway = small();
    answer(gateway.post(of_size(1_000)));
    let error = failure(gateway.post(of_size(1_001)), 413, "request_too_large");
    assert!(error["message"].as_str().unwrap().contains("1000"), "{error}");
    failure(
        gateway.send(&Call::post("/v1/messages/count_tokens").json(of_size(1_001))),
        413,
        "request_too_large",
    );
    let stderr = gateway.end();
    assert!(stderr.contains("security.event=\"body_too_large\""), "{stderr}");
}

#[test]
fn f21_a_body_that_is_announced_too_long_is_refused_before_it_comes() {
    let gateway = small();
    for length in ["1001", "34603008", "9223372036854775807"] {
        let mut connection = Connection::open(gateway.server.base_url());
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.write(head.as_bytes());
        let error = failure(connection.reply(false), 413, "request_too_large");
        assert!(error["message"].as_str().unwrap().contains("1000"), "{error}");
    }
    gateway.end();
}

#[test]
fn f21_a_body_in_chunks_is_refused_when_it_crosses_the_limit() {
    let gateway = small();
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
          transfer-encoding: chunked\r\n\r\n",
    );
    for _ in 0..11 {
        connection.write(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes());
    }
    // The body never ends.
    let mut reply = connection.reply(false);
    assert_eq!(reply.status, 413);
    assert_eq!(reply.json()["error"]["type"], "request_too_large");
    assert!(reply.into_connection().closed_by_server(), "nobody waits for the rest");
    gateway.end();
}

#[test]
fn only_json_is_read() {
    let gateway = small();
    let body = request("hi", false).to_string();
    let typed = |kind: &str| Call::post("/v1/messages").header("content-type", kind).body(body.clone());
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let error = failure(gateway.send(&typed(kind)), 415, "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains("application/json"), "{error}");
    }
    failure(gateway.send(&Call::post("/v1/messages").body(body.clone())), 415, "invalid_request_error");
    failure(
        gateway.send(&Call::post("/v1/messages/count_tokens").body(body.clone())),
        415,
        "invalid_request_error",
    );
    for kind in ["application/json", "application/json;charset=utf-8", "application/vnd.api+json"] {
        answer(gateway.send(&typed(kind)));
    }
    gateway.end();
}

#[test]
fn encodings_other_than_gzip_are_refused_with_a_code_that_the_sdks_know() {
    let gateway = Gateway::start(vec![]);
    for encoding in ["br", "zstd", "deflate"] {
        let call = messages(request("hi", false)).header("content-encoding", encoding);
        let error = failure(gateway.send(&call), 400, "invalid_request_error");
        assert_eq!(error["details"]["error_code"], "request_body_encoding_unsupported", "{error}");
    }
    gateway.end();
}

#[test]
fn a_body_packed_by_gzip_is_read_within_the_limit() {
    let gateway = Gateway::with(vec![hello()], |program| program.env("MAX_REQUEST_SIZE", "1MiB"));
    let packed = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        messages("").header("content-encoding", "gzip").body(gzip.finish().unwrap())
    };
    answer(gateway.send(&packed(&request("hi", false).to_string())));
    assert_eq!(gateway.request().json()["messages"][0]["content"], "hi");

    let bomb = packed(&request(&"x".repeat(2 << 20), false).to_string());
    let error = failure(gateway.send(&bomb), 413, "request_too_large");
    assert_eq!(error["details"]["error_code"], "request_body_too_large_after_decoding", "{error}");

    let wrong = messages(request("hi", false)).header("content-encoding", "gzip");
    let error = failure(gateway.send(&wrong), 400, "invalid_request_error");
    assert_eq!(error["details"]["error_code"], "request_body_encoding_invalid", "{error}");
    gateway.end();
}

#[test]
fn what_is_wrong_with_a_body_is_told_with_its_place() {
    let gateway = Gateway::start(vec![]);
    let with = |key: &str, value: Value| {
        let mut body = request("hi", false);
        body[key] = value;
        body.to_string()
    };
    let without = |key: &str| {
        let mut body = request("hi", false);
        body.as_object_mut().unwrap().remove(key);
        body.to_string()
    };
    let table = [
        (String::new(), "JSON"),
        ("{".to_owned(), "line 1 column 1"),
        ("[]".to_owned(), ""),
        ("\"text\"".to_owned(), ""),
        (format!("{}x", request("hi", false)), "trailing"),
        (without("model"), "model"),
        (without("messages"), "messages"),
        (without("max_tokens"), "max_tokens"),
        (with("max_tokens", json!("many")), "max_tokens"),
        (with("max_tokens", json!(-1)), "max_tokens"),
        (with("temperature", json!("hot")), "temperature"),
        (with("messages", json!([{"role": "user"}])), "messages"),
        (with("messages", json!([{"role": "alien", "content": "x"}])), "messages.0"),
        (
            with("messages", json!([{"role": "user", "content": [{"type": "text", "text": 1}]}])),
            "messages.0.content",
        ),
        (
            with("messages", json!([{"role": "user", "content": [{"type": "hologram"}]}])),
            "messages.0.content.0",
        ),
        (with("messages", json!([])), "messages"),
        (with("tools", json!([{"input_schema": {}}])), "tools.0"),
        (with("tool_choice", json!({"type": "some"})), "tool_choice"),
        (
            request("hi", false)
                .to_string()
                .replace("\"max_tokens\":64", "\"max_tokens\":1,\"max_tokens\":64"),
            "max_tokens",
        ),
        (request("hi", false).to_string().replace("64", "1e999"), "range"),
        (request("hi", false).to_string().replace("64", "NaN"), "line 1"),
    ];
    for (body, place) in table {
        let reply = gateway.post(&body);
        assert_eq!(reply.status, 400, "{body}");
        let error = failure(reply, 400, "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(place), "{place:?} for {body}: {error}");
    }
    gateway.end();
}

#[test]
fn f22_deep_nesting_is_refused_wherever_it_is() {
    let gateway = Gateway::before(Upstream::always(|_| hello()), |program| program);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let in_schema = |depth: usize| {
        format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"hi"}}],"tools":[{{"name":"f","input_schema":{{"type":"object","x":{}}}}}]}}"#,
            nested(depth)
        )
    };
    let in_input = |depth: usize| {
        format!(
            r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"f","input":{{"x":{}}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t"}}]}}]}}"#,
            nested(depth)
        )
    };
    answer(gateway.post(in_schema(100)));
    answer(gateway.post(in_input(100)));
    for body in [in_schema(200), in_input(200), nested(200), nested(5_000_000), "[".repeat(5_000_000)] {
        let error = failure(gateway.post(body), 400, "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains("128"), "{error}");
    }
    gateway.end();
}

#[test]
fn f23_unknown_members_may_stand_twice() {
    let gateway = Gateway::before(Upstream::always(|_| hello()), |program| program);
    let body =
        request("hi", false).to_string().replace("\"max_tokens\"", "\"zzz\":1,\"zzz\":2,\"max_tokens\"");
    answer(gateway.post(body));
    gateway.end();
}

#[test]
fn f26_a_head_that_does_not_come_to_its_end_is_given_up() {
    let gateway = Gateway::with_config(vec![], "[limits]\nheader_read_timeout = '200ms'\n");
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(b"POST /v1/messages HTTP/1.1\r\nhost: loc");
    assert!(connection.closed_by_server());
    assert!(Connection::open(gateway.server.base_url()).closed_by_server(), "nor one that never begins");
    gateway.end();
}

#[test]
fn an_idle_connection_is_given_up_but_not_as_soon_as_a_slow_head() {
    let limits = "[limits]\nheader_read_timeout = '50ms'\nkeep_alive_idle = '600ms'\n";
    let gateway = Gateway::with_config(vec![], limits);
    let mut reply = gateway.send(&Call::get("/health"));
    let answered = Instant::now();
    reply.text();
    assert!(reply.into_connection().closed_by_server());
    assert!(answered.elapsed() >= Duration::from_millis(500), "after {:?}", answered.elapsed());
    gateway.end();
}

#[test]
fn f26_a_body_that_stops_coming_is_given_up() {
    let gateway = Gateway::with_config(vec![], "[limits]\nbody_read_timeout = '200ms'\n");
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"mo",
    );
    failure(connection.reply(false), 408, "timeout_error");
    gateway.end();
}

#[test]
fn f28_beyond_the_limit_of_requests_clients_are_sent_away_and_health_is_told() {
    let gate = Gate::new();
    let slow = Exchange::new()
        .sse([chunk(json!({"content": "a"}), None)])
        .pause(&gate)
        .sse([chunk(json!({}), Some("stop"))]);
    let gateway = Gateway::with(vec![slow, hello()], |program| program.env("MAX_CONCURRENT_REQUESTS", "1"));
    let mut running = gateway.post(request("hi", true));
    running.events_until(|event| event.data.contains("text_delta"));
    std::thread::scope(|scope| {
        // One of them waits its second in the queue, the other is sent away at once.
        for _ in 0..2 {
            scope.spawn(|| {
                let reply = gateway.post(request("hi", false));
                assert_eq!(reply.header("retry-after"), Some("1"));
                failure(reply, 529, "overloaded_error");
            });
        }
        for path in ["/health", "/health/live", "/health/ready", "/v1/models"] {
            assert_eq!(gateway.send(&Call::get(path)).status, 200, "{path}");
        }
    });
    gate.open();
    running.events();
    drop(running);
    gateway.say("there is a place again");
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"shed\"").count(), 2, "{stderr}");
    assert_eq!(stderr.matches("rate_limited").count(), 2, "{stderr}");
}

#[test]
fn f28_a_request_in_the_queue_gets_the_place_that_becomes_free() {
    let gate = Gate::new();
    let gateway =
        Gateway::with(vec![Exchange::new().pause(&gate).json(completion("first")), hello()], |program| {
            program.env("MAX_CONCURRENT_REQUESTS", "1")
        });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| gateway.say("first"));
        gate.wait_reached();
        let second = scope.spawn(|| gateway.say("second"));
        gate.open();
        assert_eq!(first.join().unwrap()["content"][0]["text"], "first");
        assert_eq!(second.join().unwrap()["content"][0]["text"], "Hello");
    });
    gateway.end();
}

#[test]
fn f27_beyond_the_limit_of_connections_clients_wait() {
    let gateway = Gateway::with_config(vec![], "[limits]\nmax_connections = 1\n");
    let mut first = gateway.send(&Call::get("/health"));
    first.text();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| gateway.send(&Call::get("/health")).status);
        // The first connection is still good while the other one waits for its place.
        let mut again = first.into_connection().send(&Call::get("/health"));
        again.text();
        drop(again);
        assert_eq!(second.join().unwrap(), 200);
    });
    gateway.end();
}

#[test]
fn names_and_stop_sequences_are_bounded() {
    let gateway = Gateway::start(vec![]);
    let mut long = request("hi", false);
    long["model"] = json!("x".repeat(257));
    failure(gateway.post(long), 400, "invalid_request_error");
    let mut many = request("hi", false);
    many["stop_sequences"] = json!(vec!["x"; 257]);
    failure(gateway.post(many), 400, "invalid_request_error");
    gateway.end();
}

#[test]
fn a_megabyte_of_white_space_is_counted() {
    let gateway = Gateway::start(vec![]);
    let body = request(&(" ".repeat(1_000_000) + "x"), false);
    let mut reply = gateway.send(&Call::post("/v1/messages/count_tokens").json(body));
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 100);
    gateway.end();
}
