//! `check` against scripted upstreams: every step with its mark and its time, cause and cure, exit codes.

use crate::support::bodies;
use crate::support::program::{Output, Program};
use crate::support::upstream::{Exchange, Request, Upstream};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;

fn check(upstream: &Upstream, arguments: &[&str]) -> Output {
    let program = Program::aiapiproxy().arg("check").args(arguments).upstream(upstream);
    program.env("CLAUDE_SONNET_MODEL", "there").run()
}

/// The steps that `--json` prints, and the verdict.
fn findings(output: &Output) -> (String, Vec<Value>) {
    let findings: Value = serde_json::from_str(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", output.stdout, output.stderr));
    assert_eq!(findings.as_object().unwrap().keys().collect::<Vec<_>>(), ["steps", "verdict"]);
    let steps = findings["steps"].as_array().unwrap().clone();
    for step in &steps {
        let keys: Vec<_> = step.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["cause", "cure", "duration_ms", "name", "outcome", "target"], "{step}");
        assert!(step["duration_ms"].is_u64() && step["target"].is_string(), "{step}");
        let outcome = step["outcome"].as_str().unwrap();
        assert!(["ok", "warned", "skipped", "failed"].contains(&outcome), "{step}");
        assert!(outcome == "ok" || step["cause"].is_string(), "{step}");
    }
    (findings["verdict"].as_str().unwrap().to_owned(), steps)
}

/// Name and outcome of each step.
fn outcomes(steps: &[Value]) -> Vec<(&str, &str)> {
    steps.iter().map(|step| (step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap())).collect()
}

fn step<'a>(steps: &'a [Value], name: &str) -> &'a Value {
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no {name} in {steps:?}"))
}

fn list(ids: &[&str]) -> Exchange {
    let data: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
    Exchange::new().json(json!({"object": "list", "data": data}))
}

/// An upstream that lists these models and answers every completion with `answer`.
fn upstream(
    ids: &'static [&'static str],
    answer: impl Fn(&Request) -> Exchange + Send + 'static,
) -> Upstream {
    Upstream::always(move |request| match (request.method.as_str(), request.path()) {
        ("GET", "/v1/models") => list(ids),
        ("POST", "/v1/chat/completions") => answer(request),
        _ => Exchange::new().status(404),
    })
}

fn no_answer(_: &Request) -> Exchange {
    Exchange::new().status(500).json(json!({"error": {"message": "nobody should ask for an answer"}}))
}

fn answer(request: &Request) -> Exchange {
    match request.json()["stream"].as_bool() {
        Some(true) => Exchange::new().sse(bodies::chunks(&["ok"])),
        _ => Exchange::new().json(bodies::completion("ok")),
    }
}

/// A base URL at whose port nobody listens. It is bound as long as the socket lives, so that nobody can come.
pub(crate) fn refusing_url() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, format!("http://{address}/v1"))
}

#[test]
fn all_well_is_0_with_a_mark_and_a_time_per_step() {
    let upstream = upstream(&["there", "other"], no_answer);
    let output = check(&upstream, &[]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", output.stdout);
    for step in ["resolve", "tcp", "key", "model"] {
        let line = output.stdout.lines().find(|line| line.contains(&format!("  {step} "))).unwrap();
        assert!(line.starts_with('✓') && line.contains(" ms"), "{line}");
    }
    assert!(!output.stdout.contains('\u{1b}'), "stdout is no terminal");
    let requests = upstream.requests();
    assert_eq!(requests.len(), 1, "it costs nothing: {requests:?}");
    assert_eq!(requests[0].header("authorization"), Some("Bearer test-upstream-key"));

    let (verdict, steps) = findings(&check(&upstream, &["--json"]));
    assert_eq!(verdict, "ok");
    let expected = [
        ("resolve", "ok"),
        ("tcp", "ok"),
        ("tls", "skipped"),
        ("key", "ok"),
        ("model", "ok"),
        ("dialect", "ok"),
    ];
    assert_eq!(outcomes(&steps), expected);
    assert_eq!(step(&steps, "key")["cause"], "2 models listed");
    assert_eq!(step(&steps, "model")["target"], "there");
}

#[test]
fn an_upstream_without_a_list_of_models_is_not_blamed() {
    for status in [404, 405, 501] {
        let upstream =
            Upstream::always(move |_| Exchange::new().status(status).json(json!({"detail": "no"})));
        let output = check(&upstream, &["--json"]);
        assert_eq!(output.code, Some(0), "{}", output.stdout);
        let (_, steps) = findings(&output);
        assert_eq!(
            outcomes(&steps)[3..],
            [("key", "skipped"), ("model", "skipped"), ("dialect", "ok")],
            "{status}"
        );
    }
}

#[test]
fn a_missing_model_is_1_with_cause_and_cure() {
    let upstream = upstream(&["another"], no_answer);
    let output = check(&upstream, &["--json"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let (verdict, steps) = findings(&output);
    assert_eq!((verdict.as_str(), outcomes(&steps)[4]), ("failed", ("model", "failed")));
    let model = step(&steps, "model");
    assert!(model["cause"].as_str().unwrap().contains("does not list"), "{model}");
    assert!(model["cure"].as_str().unwrap().contains("models --live"), "{model}");

    let table = check(&upstream, &[]);
    assert_eq!(table.code, Some(1));
    let lines: Vec<&str> = table.stdout.lines().collect();
    let failed = lines.iter().position(|line| line.starts_with('✗')).unwrap();
    assert!(lines[failed].contains("  model  ") && lines[failed].contains("does not list"), "{lines:?}");
    assert!(lines[failed + 1].trim_start().starts_with("→ "), "{lines:?}");
}

#[test]
fn a_refused_key_is_77_and_is_not_shown() {
    for status in [401, 403] {
        let echo = json!({"error": {"message": "Incorrect API key provided: test-upstream-key"}});
        let upstream = Upstream::always(move |_| Exchange::new().status(status).json(echo.clone()));
        let output = check(&upstream, &[]);
        assert_eq!(output.code, Some(77), "{}", output.stdout);
        assert!(output.stdout.contains('✗') && output.stdout.contains("env OPENAI_API_KEY"), "{output:?}");
        let (verdict, steps) = findings(&check(&upstream, &["--json", "--complete"]));
        assert_eq!(verdict, "key_refused");
        assert!(step(&steps, "key")["cure"].is_string());
        assert!(!outcomes(&steps).iter().any(|(name, _)| ["completion", "stream"].contains(name)));
        assert!(!format!("{output:?} {steps:?}").contains("test-upstream-key"));
    }
}

#[test]
fn nobody_at_the_port_is_69_and_no_key_is_78() {
    let (_socket, url) = refusing_url();
    let unreachable = |arguments: &[&str]| {
        Program::aiapiproxy().arg("check").args(arguments).env("OPENAI_BASE_URL", &url).run()
    };
    let output = unreachable(&[]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(69), ""), "{}", output.stdout);
    assert!(output.stdout.contains("connection refused") && output.stdout.contains("→ start the server"));
    let (verdict, steps) = findings(&unreachable(&["--json", "--complete"]));
    assert_eq!(verdict, "unreachable");
    assert_eq!(outcomes(&steps), [("resolve", "ok"), ("tcp", "failed")]);
    assert!(step(&steps, "tcp")["cure"].is_string());

    // A label of more than 63 characters is no name, so nobody is asked for its address.
    let program = Program::aiapiproxy().args(["check", "--json"]);
    let nowhere = program.env("OPENAI_BASE_URL", format!("http://{}.invalid/v1", "x".repeat(64))).run();
    assert_eq!(nowhere.code, Some(69), "{}", nowhere.stdout);
    assert_eq!(outcomes(&findings(&nowhere).1), [("resolve", "failed")]);

    let keyless = Program::aiapiproxy().arg("check").run();
    assert_eq!((keyless.code, keyless.stdout.as_str()), (Some(78), ""));
    assert_eq!(keyless.stderr.lines().count(), 3, "{}", keyless.stderr);
}

#[test]
fn something_else_at_the_port_is_a_failure_with_its_reason() {
    let html = || Exchange::new().status(502).header("content-type", "text/html").piece("<html>");
    let upstream = Upstream::always(move |_| html());
    let output = check(&upstream, &["--json"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(step(&findings(&output).1, "key")["cause"].as_str().unwrap().contains("502"));

    let silent = Upstream::always(|_| Exchange::new().raw("").fin());
    let output = check(&silent, &["--json"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    let cause = step(&findings(&output).1, "key")["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains("closed the connection"), "{cause}");
}

#[test]
fn complete_asks_each_mapped_model_once_whole_and_once_as_a_stream() {
    let upstream = upstream(&["there", "small"], answer);
    let program = Program::aiapiproxy().args(["check", "--complete", "--json"]).upstream(&upstream);
    let output = program.env("CLAUDE_SONNET_MODEL", "there").env("CLAUDE_HAIKU_MODEL", "small").run();
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let (_, steps) = findings(&output);
    let all = [("model", "ok"), ("dialect", "ok"), ("completion", "ok"), ("stream", "ok")];
    assert_eq!(outcomes(&steps)[4..], [all, all].concat());

    let requests = upstream.requests();
    let asked: Vec<_> = requests[1..].iter().map(Request::json).collect();
    let models: Vec<_> = asked.iter().map(|body| body["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["small", "small", "there", "there"]);
    for (body, stream) in asked.iter().zip([false, true, false, true]) {
        assert_eq!(body["stream"].as_bool().unwrap_or(false), stream, "{body}");
        assert_eq!(body["stream_options"]["include_usage"].as_bool().unwrap_or(false), stream, "{body}");
        assert!(body["max_tokens"].as_u64().is_some_and(|tokens| tokens <= 16), "it costs little: {body}");
    }
}

#[test]
fn complete_tells_a_bad_answer_from_a_good_one() {
    let without_usage = |request: &Request| match request.json()["stream"].as_bool() {
        Some(true) => {
            let chunks = bodies::chunks(&["ok"]);
            Exchange::new().sse(chunks.iter().filter(|chunk| !chunk.contains("prompt_tokens")))
        }
        _ => answer(request),
    };
    let output = check(&upstream(&["there"], without_usage), &["--complete", "--json"]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let (_, steps) = findings(&output);
    assert_eq!(outcomes(&steps)[6..], [("completion", "ok"), ("stream", "warned")]);
    assert!(step(&steps, "stream")["cause"].as_str().unwrap().contains("usage"));

    let refused = |_: &Request| {
        let message = "no such deployment for test-upstream-key";
        Exchange::new().status(404).json(json!({"error": {"message": message}}))
    };
    let output = check(&upstream(&["there"], refused), &["--complete", "--json"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    let (_, steps) = findings(&output);
    assert_eq!(outcomes(&steps)[6..], [("completion", "failed"), ("stream", "failed")]);
    let cause = step(&steps, "completion")["cause"].as_str().unwrap();
    assert!(cause.contains("404") && cause.contains("no such deployment"), "{cause}");
    assert!(!output.stdout.contains("test-upstream-key"), "{}", output.stdout);

    let nonsense = |_: &Request| Exchange::new().json(json!({"hello": "world"}));
    let output = check(&upstream(&["there"], nonsense), &["--complete", "--json"]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    assert!(step(&findings(&output).1, "completion")["cure"].as_str().unwrap().contains("base URL"));
}

#[test]
fn the_dialect_of_each_model_is_shown_and_tried() {
    let message = json!({"type": "message", "content": [{"type": "text", "text": "ok"}]});
    let stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}\n\n\
                  event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let upstream = Upstream::always(move |request| match (request.method.as_str(), request.path()) {
        ("GET", "/v1/models") => list(&["there", "other"]),
        ("POST", "/v1/messages") if request.json()["stream"] == true => Exchange::new().sse([stream]),
        ("POST", "/v1/messages") => Exchange::new().json(&message),
        ("POST", "/v1/chat/completions") => answer(request),
        _ => Exchange::new().status(404),
    });
    let file = "[upstream]\ndialect = 'messages'\n[models.map]\na = 'there'\nb = { model = 'other', dialect = 'chat' }\n";
    let program = Program::aiapiproxy().args(["check", "--complete", "--json"]).upstream(&upstream);
    let output = program.file("c.toml", file).args(["--config", "c.toml"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let (_, steps) = findings(&output);
    let dialects: Vec<_> = steps.iter().filter(|step| step["name"] == "dialect").collect();
    let told: Vec<_> = dialects.iter().map(|step| (&step["target"], &step["cause"])).collect();
    let expected = [("there", "messages (file c.toml:2)"), ("other", "chat (set for this model)")];
    let expected = expected.map(|(target, cause)| (json!(target), json!(cause)));
    assert_eq!(told, expected.each_ref().map(|(target, cause)| (target, cause)));
    let requests = upstream.requests();
    assert_eq!(requests[0].header("anthropic-version"), Some("2023-06-01"));
    let paths: Vec<_> = requests[1..].iter().map(Request::path).collect();
    let chat = "/v1/chat/completions";
    assert_eq!(paths, ["/v1/messages", "/v1/messages", chat, chat]);
}

#[test]
fn models_of_openai_that_refuse_tools_are_marked() {
    let ids = &["gpt-6-luna", "gpt-4.1", "gpt-6-astra"];
    let upstream = upstream(ids, no_answer);
    let program = |arguments: &[&str]| {
        Program::aiapiproxy()
            .arg("check")
            .args(arguments)
            .upstream(&upstream)
            .file("c.toml", "[upstream]\npreset = \"openai\"\ndialect = \"chat\"\n")
            .args(["--config", "c.toml"])
            .env("CLAUDE_HAIKU_MODEL", ids[0])
            .env("CLAUDE_SONNET_MODEL", ids[1])
            .env("CLAUDE_OPUS_MODEL", ids[2])
            .run()
    };
    let output = program(&["--json"]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let (verdict, steps) = findings(&output);
    assert_eq!(verdict, "ok");
    let models: Vec<_> = steps.iter().filter(|step| step["name"] == "dialect").collect();
    let marks: Vec<_> = models.iter().map(|step| (&step["target"], &step["outcome"])).collect();
    let [luna, gpt_4, astra] = ids.map(|id| json!(id));
    let [warned, ok] = [json!("warned"), json!("ok")];
    assert_eq!(marks, [(&luna, &warned), (&gpt_4, &ok), (&astra, &warned)]);
    assert!(models[0]["cause"].as_str().unwrap().contains("refuses tools"), "{models:?}");
    assert!(models[0]["cure"].as_str().unwrap().contains("gpt-4.1"), "{models:?}");

    let table = program(&[]).stdout;
    let mut lines = table.lines().filter(|line| line.contains("gpt-6-luna"));
    let line = lines.find(|line| line.contains("  dialect  ")).unwrap();
    assert!(line.starts_with('!') && line.contains("agents cannot use it"), "{table}");
}

#[test]
fn one_upstream_can_be_tried_by_its_name() {
    let (near, far) = (upstream(&["there"], no_answer), upstream(&["there"], no_answer));
    let table = |name: &str, upstream: &Upstream| {
        format!("[[upstream]]\nname = \"{name}\"\nbase_url = \"{}/v1\"\n", upstream.base_url())
    };
    let toml = table("near", &near) + &table("far", &far);
    let run = |arguments: &[&str]| {
        let program = Program::aiapiproxy().arg("check").args(arguments).file("c.toml", &toml);
        program.args(["--config", "c.toml"]).run()
    };
    let output = run(&["far"]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let asked = |upstream: &Upstream| upstream.requests().iter().filter(|it| it.method == "GET").count();
    assert_eq!((asked(&near), asked(&far)), (0, 1));
    let output = run(&["fra"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("\"fra\"") && output.stderr.contains("near, far"), "{}", output.stderr);
}
