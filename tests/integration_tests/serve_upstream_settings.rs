//! `serve`: what one upstream has of its own: members of the body, timeouts, places.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::{Call, Reply};
use crate::support::program::{Program, Server};
use crate::support::serving::{
    Gateway, answer, broken_stream, configured, failure, messages, request_for, streamed,
};
use crate::support::upstream::{Exchange, Request, Upstream};
use crate::support::watched::Gate;
use serde_json::{Value, json};
use std::thread;
use std::time::Instant;

fn hello() -> Exchange {
    Exchange::new().json(completion("Hello"))
}

/// `one` with settings of its own, and `two`, which takes over.
fn two(one: &Upstream, two: &Upstream, settings: &str) -> Server {
    let table = |name: &str, upstream: &Upstream, more: &str| {
        format!("[[upstream]]\nname = \"{name}\"\nbase_url = \"{}/v1\"\n{more}\n", upstream.base_url())
    };
    let toml = table("one", one, settings) + &table("two", two, "") + "[[route]]\nfallback = [\"two\"]\n";
    Server::start(configured(Program::aiapiproxy(), &toml))
}

fn post(server: &Server, stream: bool) -> Reply {
    messages(request("hi", stream)).send(server.base_url())
}

const EXTRA: &str = "[upstream]\nname = \"up\"\n\
    extra_body = { min_p = 0.05, temperature = 0.5, provider = { order = [\"a\", \"b\"] } }\n";

#[test]
fn members_are_added_to_the_body_where_the_request_has_none() {
    let gateway = Gateway::with_config(vec![hello(), hello()], EXTRA);
    gateway.say("hi");
    let mut asked = request("hi", false);
    asked["temperature"] = json!(1);
    answer(gateway.post(asked));
    let bodies: Vec<Value> = gateway.upstream.requests().iter().map(Request::json).collect();
    for (body, temperature) in bodies.iter().zip([json!(0.5), json!(1.0)]) {
        assert_eq!(body["min_p"], 0.05, "{body}");
        assert_eq!(body["provider"], json!({"order": ["a", "b"]}), "{body}");
        assert_eq!(body["temperature"].as_f64(), temperature.as_f64(), "what the client says wins: {body}");
    }
    gateway.end();
}

#[test]
fn forwarded_requests_get_them_too_and_counts_do_not() {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    let script = vec![Exchange::new().json(message), Exchange::new().json(json!({"input_tokens": 7}))];
    let gateway =
        Gateway::with_config(script, &EXTRA.replace("[upstream]", "[upstream]\ndialect = \"messages\""));
    gateway.say("hi");
    let count = Call::post("/v1/messages/count_tokens").json(request("hi", false));
    assert_eq!(answer(gateway.send(&count)), json!({"input_tokens": 7}));
    let bodies: Vec<Value> = gateway.upstream.requests().iter().map(Request::json).collect();
    assert_eq!([&bodies[0]["min_p"], &bodies[1]["min_p"]], [&json!(0.05), &Value::Null]);
    gateway.end();
}

#[test]
fn what_is_added_is_shown_and_what_must_not_be_is_refused() {
    let run = |arguments: &[&str], toml: &str| {
        let program = configured(Program::aiapiproxy().args(arguments.iter().copied()), toml);
        program.env("OPENAI_API_KEY", "k").run()
    };
    let told = run(&["models", "claude-sonnet-5"], EXTRA).stdout;
    assert!(told.contains("\nadded to the body unless it is there: min_p = 0.05\n"), "{told}");
    let told: Value = serde_json::from_str(&run(&["models", "x", "--json"], EXTRA).stdout).unwrap();
    assert_eq!(told["extra_body"]["provider"], json!({"order": ["a", "b"]}));
    let shown = run(&["config", "show", "--origin"], EXTRA).stdout;
    assert!(shown.contains("upstream.extra_body.min_p = 0.05  # file "), "{shown}");
    for member in ["model", "messages", "input", "system", "instructions", "tools", "stream", "n"] {
        let toml = format!("[upstream]\nextra_body = {{ {member} = 1 }}\n");
        let refused = run(&["config", "validate"], &toml);
        assert_eq!(refused.code, Some(78), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("upstream.extra_body.{member}")), "{}", refused.stderr);
    }
}

#[test]
fn an_upstream_has_a_patience_of_its_own() {
    let slow = Upstream::start(vec![Exchange::new().hang()]);
    let gate = Gate::new();
    let late = Upstream::start(vec![Exchange::new().pause(&gate).json(completion("Hello"))]);
    let server = two(&slow, &late, "first_byte_timeout = \"300ms\"");
    thread::scope(|scope| {
        let asked = scope.spawn(|| answer(post(&server, false)));
        // The other one has all the time in the world.
        late.wait_for_requests(1);
        gate.open();
        assert_eq!(asked.join().unwrap()["content"][0]["text"], "Hello");
    });
    slow.finish();
    late.finish();
    assert!(server.interrupt().stderr.contains("upstream.failed=\"one\""));
}

#[test]
fn the_pause_of_a_stream_is_that_of_its_upstream() {
    let events = chunks(&["Hel", "lo"]);
    let silent = Exchange::new().sse(&events[..2]).hang();
    let toml = "[limits]\nstream_idle_timeout = \"1h\"\n[upstream]\nstream_idle_timeout = \"300ms\"\n";
    let gateway = Gateway::with_config(vec![silent], toml);
    let begun = Instant::now();
    let (error, _) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!(error["type"], "timeout_error");
    assert!(begun.elapsed() < crate::support::LIVENESS);
    gateway.end();
}

#[test]
fn an_upstream_that_is_full_makes_way_for_the_next_one() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let full =
        Upstream::start(vec![Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]), hello()]);
    let other = Upstream::start(vec![hello()]);
    let server = two(&full, &other, "max_concurrent_requests = 1");
    let mut running = post(&server, true);
    running.events_until(|event| event.data.contains("Hel"));
    answer(post(&server, false));
    assert_eq!((full.requests().len(), other.requests().len()), (1, 1));
    gate.open();
    running.events();
    // The line of the log gives the place back.
    server.running().wait_for_stderr_times("end=\"complete\"", 2);
    answer(post(&server, false));
    assert_eq!(full.requests().len(), 2, "it has a place again");
    full.finish();
    other.finish();
    let log = server.interrupt().stderr;
    assert_eq!(log.matches("upstream.failed=\"one\"").count(), 1, "{log}");
    assert!(!log.contains("failed five times"), "{log}");
}

#[test]
fn where_nobody_else_can_answer_the_client_is_told_to_come_back() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let toml = "[upstream]\nname = \"up\"\nmax_concurrent_requests = 1\n";
    let first = Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]);
    let gateway = Gateway::with_config(vec![first, hello()], toml);
    let mut running = gateway.post(request("hi", true));
    let mut seen = running.events_until(|event| event.data.contains("Hel"));
    let reply = gateway.post(request_for("claude-haiku-4-5", false));
    assert_eq!(reply.header("retry-after"), Some("1"));
    let error = failure(reply, 529, "overloaded_error");
    assert!(error["message"].as_str().unwrap().contains("upstream.max_concurrent_requests"), "{error}");
    gateway.wait_for_metric("aiapiproxy_shed_total{reason=\"upstream_concurrency\"} 1");
    gate.open();
    seen.extend(running.events());
    assert_eq!(crate::support::sse_rules::check_stream(&seen).text(), "Hello");
    // Who waits gets the place that becomes free.
    gateway.say("hi");
    gateway.end();
}

#[test]
fn settings_are_checked_and_shown_for_each_upstream() {
    let toml = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:1/v1\"\nconnect_timeout = \"5s\"\n\
        [[upstream]]\nname = \"two\"\nbase_url = \"http://127.0.0.1:2/v1\"\nfirst_byte_timeout = 7\n\
        max_concurrent_requests = 3\n";
    let run = |toml: &str| configured(Program::aiapiproxy().args(["config", "show", "--origin"]), toml).run();
    let shown = run(toml).stdout;
    for line in [
        "upstream.connect_timeout = \"5s\"  # file ",
        "upstream.two.first_byte_timeout = \"7s\"  # file ",
        "upstream.two.max_concurrent_requests = 3  # file ",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let by_variable = configured(Program::aiapiproxy().args(["config", "show", "--origin"]), toml);
    let shown = by_variable.env("REQUEST_TIMEOUT", "9").run().stdout;
    assert!(
        shown.contains("upstream.two.first_byte_timeout = \"7s\"  # file "),
        "the variable is the first one's"
    );
    let wrong = run(&toml.replace("max_concurrent_requests = 3", "max_concurrent_requests = 0"));
    assert_eq!(wrong.code, Some(78));
    assert!(
        wrong.stderr.contains("upstream.max_concurrent_requests") && wrong.stderr.contains(":9"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn streams_pass_as_ever_with_all_of_it() {
    let toml = format!(
        "{EXTRA}connect_timeout = \"5s\"\nstream_idle_timeout = \"60s\"\nmax_concurrent_requests = 2\n"
    );
    let gateway = Gateway::with_config(vec![Exchange::new().sse(chunks(&["Hel", "lo"]))], &toml);
    assert_eq!(streamed(gateway.post(request("hi", true))).text(), "Hello");
    gateway.end();
}

/// A port at which connections neither come about nor are refused: its queue is full.
#[cfg(target_os = "linux")]
fn full_port() -> (socket2::Socket, Vec<socket2::Socket>, std::net::SocketAddr) {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting = (0..8).map(|_| {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        // What does not fit into the queue is in progress for ever.
        drop(client.connect(&address));
        client
    });
    let waiting = waiting.collect();
    (listener, waiting, address.as_socket().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn an_upstream_that_takes_no_connection_is_given_up_after_its_own_time() {
    let (_listener, _waiting, address) = full_port();
    let there = Upstream::start(vec![hello()]);
    let toml = format!(
        "[limits]\nconnect_timeout = \"1h\"\n\
         [[upstream]]\nname = \"one\"\nbase_url = \"http://{address}/v1\"\nconnect_timeout = \"200ms\"\n\
         [[upstream]]\nname = \"two\"\nbase_url = \"{}/v1\"\n[[route]]\nfallback = [\"two\"]\n",
        there.base_url()
    );
    let server = Server::start(configured(Program::aiapiproxy(), &toml));
    assert_eq!(answer(post(&server, false))["content"][0]["text"], "Hello");
    there.finish();
    assert!(server.interrupt().stderr.contains("upstream.failed=\"one\""));
}
