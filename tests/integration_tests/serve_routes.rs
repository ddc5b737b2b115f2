//! `serve` with several upstreams: routes by what a request is, chains of fallback, several keys (operations.md F35).

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::{Call, Reply};
use crate::support::program::{Program, Server};
use crate::support::serving::{answer, configured, messages, request_for, streamed};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

/// A server before two upstreams, `one` and `two`, with these further lines of configuration.
struct Two {
    one: Upstream,
    two: Upstream,
    server: Server,
}

impl Two {
    fn start(one: Upstream, two: Upstream, toml: &str) -> Self {
        let upstream = |name: &str, upstream: &Upstream| {
            let url = upstream.base_url();
            format!("[[upstream]]\nname = \"{name}\"\nbase_url = \"{url}/v1\"\napi_key = \"key-of-{name}\"\n")
        };
        let toml = upstream("one", &one) + &upstream("two", &two) + toml;
        let program = configured(Program::aiapiproxy(), &toml);
        Self { one, two, server: Server::start(program) }
    }

    fn scripted(one: Vec<Exchange>, two: Vec<Exchange>, toml: &str) -> Self {
        Self::start(Upstream::start(one), Upstream::start(two), toml)
    }

    fn post(&self, body: Value) -> Reply {
        messages(body).send(self.server.base_url())
    }

    /// Ends everything and returns the log.
    fn end(self) -> String {
        self.one.finish();
        self.two.finish();
        self.server.interrupt().stderr
    }
}

fn hello() -> Exchange {
    Exchange::new().json(completion("Hello"))
}

fn busy(status: u16) -> Exchange {
    Exchange::new().status(status).json(r#"{"error":{"message":"busy"}}"#)
}

const CHAIN: &str = "[[route]]\nname = \"all\"\nmodel = \"m-one\"\nfallback = [\"two/m-two\"]\n";

#[test]
fn the_next_upstream_answers_at_once_where_one_fails() {
    for status in [429, 500, 502, 503, 504, 529] {
        let two = Two::scripted(vec![busy(status)], vec![hello()], CHAIN);
        assert_eq!(answer(two.post(request("hi", false)))["content"][0]["text"], "Hello", "{status}");
        let (first, second) = (two.one.requests().remove(0), two.two.requests().remove(0));
        assert_eq!([&first.json()["model"], &second.json()["model"]], [&json!("m-one"), &json!("m-two")]);
        assert_eq!(first.header("authorization"), Some("Bearer key-of-one"));
        assert_eq!(second.header("authorization"), Some("Bearer key-of-two"));
        let log = two.end();
        for part in [
            "routed.by=\"all\"",
            "upstream.failed=\"one\"",
            "upstream.name=\"two\"",
            "model.upstream=\"m-two\"",
        ] {
            assert!(log.contains(part), "{part} in {log}");
        }
        assert!(!log.contains("key-of"), "{log}");
    }
}

#[test]
fn streams_go_on_to_the_next_upstream_before_their_first_byte() {
    let two = Two::scripted(vec![busy(503)], vec![Exchange::new().sse(chunks(&["Hel", "lo"]))], CHAIN);
    assert_eq!(streamed(two.post(request("hi", true))).text(), "Hello");
    two.end();
}

#[test]
fn nobody_else_is_asked_once_the_stream_has_begun() {
    let broken = Exchange::new().sse([chunks(&["Hel"]).remove(0)]).reset();
    let two = Two::scripted(vec![broken], vec![], CHAIN);
    let text = two.post(request("hi", true)).text();
    assert!(text.contains("event: error") && !text.contains("message_stop"), "{text}");
    two.end();
}

#[test]
fn what_is_the_clients_fault_is_nobody_elses_to_answer() {
    for status in [400, 401, 403, 404, 413] {
        let two = Two::scripted(vec![busy(status)], vec![], CHAIN);
        assert!(two.post(request("hi", false)).status >= 400, "{status}");
        two.end();
    }
}

#[test]
fn the_last_failure_is_the_clients_and_is_waited_out() {
    let two = Two::scripted(vec![busy(500)], vec![busy(529), busy(529), busy(529)], CHAIN);
    assert_eq!(two.post(request("hi", false)).status, 529);
    two.end();
}

#[test]
fn an_upstream_that_is_not_there_makes_way() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let there = Upstream::start(vec![hello()]);
    let toml = format!(
        "[[upstream]]\nname = \"one\"\nbase_url = \"http://{address}/v1\"\n\
         [[upstream]]\nname = \"two\"\nbase_url = \"{}/v1\"\n[[route]]\nfallback = [\"two\"]\n",
        there.base_url()
    );
    let server = Server::start(configured(Program::aiapiproxy(), &toml));
    let reply = messages(request("hi", false)).send(server.base_url());
    assert_eq!(answer(reply)["content"][0]["text"], "Hello");
    there.finish();
    assert!(server.interrupt().stderr.contains("upstream.failed=\"one\""));
}

#[test]
fn f35_a_failing_upstream_is_left_alone_and_comes_back() {
    let sick = Upstream::always({
        let asked = std::sync::atomic::AtomicUsize::new(0);
        move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0..5 => busy(500),
            _ => hello(),
        }
    });
    let well = Upstream::always(|_| hello());
    let toml = format!("{CHAIN}[limits]\neject_for = \"2s\"\n");
    let two = Two::start(sick, well, &toml);
    let ask = || assert_eq!(two.post(request("hi", false)).status, 200);
    for _ in 0..5 {
        ask();
    }
    assert_eq!((two.one.requests().len(), two.two.requests().len()), (5, 5));
    ask();
    assert_eq!(two.one.requests().len(), 5, "it is left alone");
    two.server.running().wait_for_stderr("failed five times in a row");
    let metrics = Call::get("/metrics").send(two.server.base_url()).text();
    for line in [
        "aiapiproxy_upstream_circuit_state{upstream=\"one\"} 2",
        "aiapiproxy_upstream_circuit_state{upstream=\"two\"} 0",
        "aiapiproxy_upstream_errors_total{upstream=\"one\",kind=\"passed_on\"} 6",
        "aiapiproxy_requests_total{route=\"/v1/messages\",status=\"200\",outcome=\"complete\"} 6",
        "gen_ai_server_request_duration_seconds_count{operation=\"chat\",provider=\"two\",request_model=\"sonnet\",response_model=\"m-two\",error_type=\"\"} 6",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    // Whoever comes after the two seconds finds it well again.
    let started = std::time::Instant::now();
    while two.one.requests().len() == 5 && started.elapsed() < crate::support::LIVENESS {
        ask();
    }
    two.server.running().wait_for_stderr("the upstream is back");
    let before = two.two.requests().len();
    ask();
    assert_eq!(two.two.requests().len(), before, "it answers again");
    two.end();
}

#[test]
fn routes_look_at_what_a_request_is() {
    let routes = "[models]\nsonnet = \"usual\"\nhaiku = \"usual\"\n\
        [[route]]\nname = \"search\"\nweb_search = true\nupstream = \"two\"\nmodel = \"searching\"\n\
        [[route]]\nname = \"images\"\nimages = true\nupstream = \"two\"\nmodel = \"seeing\"\n\
        [[route]]\nname = \"long\"\nmin_tokens = 2000\nupstream = \"two\"\nmodel = \"long\"\n\
        [[route]]\nname = \"think\"\nthinking = true\nupstream = \"two\"\nmodel = \"thinking\"\n\
        [[route]]\nname = \"small\"\nbackground = true\nupstream = \"two\"\nmodel = \"small\"\n\
        [[route]]\nname = \"named\"\nmodels = \"gpt-*\"\nupstream = \"two\"\n";
    let two = Two::start(Upstream::always(|_| hello()), Upstream::always(|_| hello()), routes);
    let with = |key: &str, value: Value| {
        let mut request = request("hi", false);
        request[key] = value;
        request
    };
    let image = json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]);
    for (body, expected) in [
        (
            with(
                "tools",
                json!([{"type": "web_search_20250305", "name": "web_search"}, {"name": "a", "input_schema": {}}]),
            ),
            "searching",
        ),
        (with("messages", json!([{"role": "user", "content": image}])), "seeing"),
        (with("messages", json!([{"role": "user", "content": "many words ".repeat(2_000)}])), "long"),
        (with("thinking", json!({"type": "adaptive"})), "thinking"),
        (request_for("claude-haiku-4-5", false), "small"),
        (request_for("gpt-5", false), "gpt-5"),
    ] {
        let before = two.two.requests().len();
        answer(two.post(body));
        let requests = two.two.requests();
        assert_eq!(requests.len(), before + 1, "{expected}");
        assert_eq!(requests[before].json()["model"], expected);
    }
    answer(two.post(request("hi", false)));
    assert_eq!(two.one.requests()[0].json()["model"], "usual", "without a route, the first upstream");
    two.end();
}

#[test]
fn several_keys_take_turns_and_make_way_for_each_other() {
    let upstream = Upstream::start(vec![hello(), busy(429), hello(), hello()]);
    let program = Program::aiapiproxy().upstream(&upstream).env("OPENAI_API_KEY", "sk-one-0123, sk-two-0123");
    let server = Server::start(program);
    for _ in 0..3 {
        answer(messages(request("hi", false)).send(server.base_url()));
    }
    let keys: Vec<_> =
        upstream.requests().iter().map(|it| it.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(
        keys,
        ["Bearer sk-one-0123", "Bearer sk-two-0123", "Bearer sk-one-0123", "Bearer sk-one-0123"],
        "the second was answered 429"
    );
    upstream.finish();
    assert!(!server.interrupt().stderr.contains("sk-"));
}

#[test]
fn the_decision_is_explained_before_it_is_made() {
    let config = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
        [[upstream]]\nname = \"two\"\nbase_url = \"http://127.0.0.1:2/v1\"\n\
        [[route]]\nname = \"small\"\nbackground = true\nupstream = \"two\"\nmodel = \"tiny\"\nfallback = [\"one/big\"]\n";
    let run =
        |arguments: &[&str]| configured(Program::aiapiproxy().args(arguments.iter().copied()), config).run();
    let told = run(&["models", "claude-haiku-4-5"]).stdout;
    for line in [
        "claude-haiku-4-5 is sent as tiny to two at http://127.0.0.1:2/v1",
        "by route: small",
        "if that fails: one/big",
    ] {
        assert!(told.lines().any(|it| it == line), "{line} in {told}");
    }
    let told: Value = serde_json::from_str(&run(&["models", "claude-haiku-4-5", "--json"]).stdout).unwrap();
    assert_eq!(
        [&told["route"], &told["upstream"], &told["fallback"]],
        [&json!("small"), &json!("two"), &json!(["one/big"])]
    );
    let shown = run(&["config", "show", "--origin"]).stdout;
    assert!(shown.contains("route.small.to = [\"two/tiny\",\"one/big\"]  # file "), "{shown}");
    assert!(shown.contains("upstream.two.base_url = \"http://127.0.0.1:2/v1\"  # file "), "{shown}");
}

#[test]
fn mistakes_in_routes_are_told_with_their_line() {
    let base = "[[upstream]]\nname = \"one\"\nbase_url = \"http://127.0.0.1:1/v1\"\n";
    for (more, line, text) in [
        ("[[route]]\nupstream = \"oen\"\n", 5, "did you mean \"one\"?"),
        ("[[route]]\nfallback = [\"two/m\"]\n", 5, "name of an upstream (one)"),
        ("[[route]]\nmin_tokns = 5\n", 5, "`route.min_tokens`"),
        ("[[upstream]]\nbase_url = \"http://127.0.0.1:1/v1\"\n", 4, "has no name"),
        ("[[upstream]]\nname = \"one\"\n", 4, "two upstreams are called \"one\""),
        ("[[upstream]]\nname = \"g\"\npreset = \"groq\"\n", 0, "no key for the upstream \"g\""),
    ] {
        let output =
            configured(Program::aiapiproxy().args(["serve", "--port", "0"]), &format!("{base}{more}")).run();
        assert_eq!(output.code, Some(78), "{more}: {}", output.stderr);
        let place = format!("aiapiproxy.toml:{line}");
        assert!(
            output.stderr.contains(text) && (line == 0 || output.stderr.contains(&place)),
            "{more}: {}",
            output.stderr
        );
    }
}
