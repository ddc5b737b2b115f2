//! `GET /metrics`: what happened, by the names and labels that deploy/ and operations.md have for it.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::{Call, Connection};
use crate::support::program::Program;
use crate::support::serving::{Gateway, answer, broken_stream, configured, failure, messages, request_for};
use crate::support::upstream::Exchange;
use crate::support::watched::Gate;

fn hello() -> Exchange {
    Exchange::new().json(completion("Hello"))
}

fn busy(status: u16) -> Exchange {
    Exchange::new().status(status).header("retry-after", "0").json(r#"{"error":{"message":"busy"}}"#)
}

const NAMED: &str = "[upstream]\nname = \"up\"\n[models]\nsonnet = \"m-sonnet\"\n\
    [models.map]\n\"gpt-4*\" = \"m-gpt\"\n\"o3\" = \"m-o3\"\n";

fn text(gateway: &Gateway) -> String {
    gateway.send(&Call::get("/metrics")).text()
}

/// The value of the one sample with this name and these labels.
fn value(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {metrics}")).parse().unwrap()
}

#[test]
fn models_are_told_apart_by_the_names_that_are_configured() {
    let gateway = Gateway::with_config(vec![hello(), hello(), hello(), hello()], NAMED);
    for model in ["claude-sonnet-5", "gpt-4.1-mini", "o3", "made-up-by-a-client"] {
        answer(gateway.post(request_for(model, false)));
    }
    for (requested, answered) in
        [("sonnet", "m-sonnet"), ("gpt-4*", "m-gpt"), ("o3", "m-o3"), ("other", "other")]
    {
        let models = format!("request_model=\"{requested}\",response_model=\"{answered}\"");
        let labels = format!("operation=\"chat\",provider=\"up\",{models}");
        gateway.wait_for_metric(&format!(
            "gen_ai_server_request_duration_seconds_count{{{labels},error_type=\"\"}} 1"
        ));
        gateway
            .wait_for_metric(&format!("gen_ai_client_token_usage_sum{{{labels},token_type=\"input\"}} 11"));
    }
    assert!(!text(&gateway).contains("made-up-by-a-client"));
    gateway.end();
}

#[test]
fn reasoning_and_cached_tokens_have_types_of_their_own() {
    let mut thought: serde_json::Value = serde_json::from_str(&completion("Hello").to_string()).unwrap();
    thought["usage"] = serde_json::json!({
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 20},
    });
    let gateway = Gateway::with_config(vec![Exchange::new().json(thought), hello()], NAMED);
    gateway.say("hi");
    let sum = |kind: &str, tokens: u64| {
        gateway.wait_for_metric(&format!(
            "gen_ai_client_token_usage_sum{{operation=\"chat\",provider=\"up\",request_model=\"sonnet\",\
             response_model=\"m-sonnet\",token_type=\"{kind}\"}} {tokens}"
        ));
    };
    sum("input", 100);
    sum("output", 30);
    sum("cached_input", 80);
    sum("reasoning", 20);
    // Who says nothing of reasoning has not said that there was none.
    gateway.say("hi");
    sum("output", 37);
    let metrics = text(&gateway);
    for (kind, requests) in [("output", 2), ("reasoning", 1)] {
        let labels =
            "operation=\"chat\",provider=\"up\",request_model=\"sonnet\",response_model=\"m-sonnet\"";
        let line = format!("gen_ai_client_token_usage_count{{{labels},token_type=\"{kind}\"}} {requests}");
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    gateway.end();
}

#[test]
fn own_work_is_told_without_the_time_of_others() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let slow = Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]);
    let gateway = Gateway::with_config(vec![slow, hello()], NAMED);
    let mut reply = gateway.post(request("hi", true));
    reply.events_until(|event| event.data.contains("Hel"));
    std::thread::sleep(std::time::Duration::from_millis(300));
    gate.open();
    reply.events();
    gateway.say("hi");
    gateway.wait_for_metric("aiapiproxy_overhead_seconds_count{phase=\"request\"} 2");
    let metrics = text(&gateway);
    // At least: before the pause, after it, and the whole answer.
    assert!(
        value(&metrics, "aiapiproxy_overhead_seconds_count{phase=\"response_chunk\"}") >= 3.0,
        "{metrics}"
    );
    let waited = value(
        &metrics,
        "gen_ai_server_request_duration_seconds_sum{operation=\"chat\",provider=\"up\",request_model=\"sonnet\",\
         response_model=\"m-sonnet\",error_type=\"\"}",
    );
    let worked = value(&metrics, "aiapiproxy_overhead_seconds_sum{phase=\"response_chunk\"}")
        + value(&metrics, "aiapiproxy_overhead_seconds_sum{phase=\"request\"}");
    assert!(waited >= 0.3 && worked > 0.0, "{waited} {worked}");
    assert!(worked < waited - 0.25, "the pause is not ours: {worked} of {waited}");
    gateway.end();
}

#[test]
fn retries_say_why() {
    let gateway = Gateway::with(vec![busy(503), busy(529), hello()], |program| program);
    gateway.say("hi");
    for line in [
        "aiapiproxy_retries_total{reason=\"503\"} 1",
        "aiapiproxy_retries_total{reason=\"529\"} 1",
        "aiapiproxy_retries_total{reason=\"429\"} 0",
        "aiapiproxy_retries_total{reason=\"not_connected\"} 0",
    ] {
        gateway.wait_for_metric(line);
    }
    gateway.end();
}

#[test]
fn clients_that_leave_say_what_they_left() {
    let hanging = Exchange::new().hang();
    let events = chunks(&["Hel", "lo"]);
    let streaming = Exchange::new().sse(&events[..2]).hang();
    let gateway = Gateway::start(vec![hanging, streaming]);
    let mut waiting = Connection::open(gateway.server.base_url());
    let body = request("hi", false).to_string();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    waiting.write(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    gateway.upstream.wait_for_requests(1);
    gateway.wait_for_metric("aiapiproxy_connections{state=\"active\"} 2");
    drop(waiting);
    gateway.wait_for_metric("aiapiproxy_client_cancelled_total{phase=\"waiting\"} 1");
    let mut reply = gateway.post(request("hi", true));
    reply.events_until(|event| event.data.contains("Hel"));
    drop(reply);
    gateway.wait_for_metric("aiapiproxy_client_cancelled_total{phase=\"streaming\"} 1");
    gateway.wait_for_metric("aiapiproxy_client_cancelled_total{phase=\"receiving\"} 0");
    gateway.end();
}

#[test]
fn a_silent_stream_is_counted() {
    let events = chunks(&["Hel", "lo"]);
    let silent = Exchange::new().sse(&events[..2]).hang();
    let gateway = Gateway::with_config(vec![silent], "[limits]\nstream_idle_timeout = \"1s\"\n");
    broken_stream(gateway.post(request("hi", true)));
    gateway.wait_for_metric("aiapiproxy_stream_idle_timeouts_total 1");
    gateway.end();
}

#[test]
fn refusals_are_counted_by_client_and_reason() {
    let key = "key-of-alice-0123456789abcdef0123";
    let toml = format!("[[server.client_keys]]\nid = \"alice\"\nkey = \"{key}\"\nrequests_per_minute = 1\n");
    let gateway = Gateway::with_config(vec![hello()], &toml);
    let call = messages(request("hi", false)).header("x-api-key", key);
    answer(gateway.send(&call));
    failure(gateway.send(&call), 429, "rate_limit_error");
    failure(gateway.send(&Call::get("/metrics")), 401, "authentication_error");
    let metrics = gateway.send(&Call::get("/metrics").header("x-api-key", key)).text();
    for line in [
        "aiapiproxy_rate_limited_total{client=\"alice\"} 1",
        "aiapiproxy_rate_limited_total{client=\"\"} 0",
        "aiapiproxy_auth_failures_total 1",
        "aiapiproxy_shed_total{reason=\"concurrency\"} 0",
        "aiapiproxy_shed_total{reason=\"memory\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    gateway.end();
}

#[test]
fn reloads_and_the_process_are_told() {
    let gateway = Gateway::with_config(vec![], "");
    let told = |line: &str| gateway.wait_for_metric(line);
    told("aiapiproxy_config_reloads_total{result=\"ok\"} 0");
    let begun = value(&text(&gateway), "aiapiproxy_config_last_reload_success_timestamp_seconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 3600.0..now + 2.0).contains(&begun), "{begun} at {now}");
    gateway.server.running().signal("HUP");
    told("aiapiproxy_config_reloads_total{result=\"ok\"} 1");
    std::fs::write(gateway.server.running().folder().join("aiapiproxy.toml"), "[server\n").unwrap();
    gateway.server.running().signal("HUP");
    told("aiapiproxy_config_reloads_total{result=\"refused\"} 1");
    if cfg!(target_os = "linux") {
        let metrics = text(&gateway);
        assert!(value(&metrics, "process_resident_memory_bytes") > 1e6);
        assert!(value(&metrics, "process_open_fds") < value(&metrics, "process_max_fds"));
        assert!(value(&metrics, "process_cpu_seconds_total") >= 0.0);
        assert!(value(&metrics, "process_start_time_seconds") <= begun + 2.0);
    }
    gateway.end();
}

/// The names, labels and buckets that dashboards are made for.
#[test]
fn names_and_buckets_are_those_of_the_convention() {
    let gateway = Gateway::with_config(vec![hello()], NAMED);
    gateway.say("hi");
    gateway.wait_for_metric("aiapiproxy_overhead_seconds_count{phase=\"request\"} 1");
    let metrics = text(&gateway);
    for (name, bounds) in [
        (
            "gen_ai_server_request_duration_seconds",
            "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92 160 320 640 +Inf",
        ),
        (
            "gen_ai_server_time_to_first_token_seconds",
            "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 15 20 30 45 60 120 300 +Inf",
        ),
        (
            "gen_ai_server_time_per_output_token_seconds",
            "0.001 0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5 +Inf",
        ),
        (
            "gen_ai_client_token_usage",
            "1 4 16 64 256 1024 4096 16384 65536 262144 1048576 4194304 16777216 67108864 +Inf",
        ),
        (
            "aiapiproxy_overhead_seconds",
            "0.00005 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.05 0.25 +Inf",
        ),
    ] {
        assert!(metrics.contains(&format!("# TYPE {name} histogram\n")), "{name}");
        let prefix = format!("{name}_bucket{{");
        let lines = metrics.lines().filter(|line| line.starts_with(&prefix));
        let mut seen: Vec<&str> =
            lines.map(|line| line.split_once("le=\"").unwrap().1.split('"').next().unwrap()).collect();
        seen.truncate(bounds.split(' ').count());
        assert_eq!(seen.join(" "), bounds, "{name}");
    }
    for name in [
        "requests_total",
        "inflight_requests",
        "inflight_streams",
        "connections",
        "queue_depth",
        "shed_total",
        "rate_limited_total",
        "retries_total",
        "retry_budget_exhausted_total",
        "upstream_errors_total",
        "upstream_circuit_state",
        "client_cancelled_total",
        "stream_idle_timeouts_total",
        "sse_invalid_total",
        "panics_total",
        "log_dropped_total",
        "config_reloads_total",
        "config_last_reload_success_timestamp_seconds",
        "build_info",
    ] {
        assert!(metrics.contains(&format!("# TYPE aiapiproxy_{name} ")), "{name}");
    }
    gateway.end();
}

/// Where the numbers have a port of their own.
fn metrics_port(gateway: &Gateway) -> String {
    let stderr = gateway.server.stderr();
    let (_, rest) = stderr.split_once("metrics on http://").unwrap_or_else(|| panic!("{stderr}"));
    format!("http://{}", rest.split('/').next().unwrap())
}

#[test]
fn a_port_of_its_own_on_loopback_needs_no_key() {
    let key = "0123456789abcdef0123456789abcdef";
    let gateway = Gateway::with(vec![hello()], |program| {
        configured(program, "[metrics]\nlisten = \"127.0.0.1:0\"\n").env("CLIENT_API_KEYS", key)
    });
    gateway.server.running().wait_for_stderr("/metrics");
    let port = metrics_port(&gateway);
    answer(gateway.send(&messages(request("hi", false)).header("x-api-key", key)));
    gateway.send(&Call::get("/metrics").header("x-api-key", key)).text();
    let mut reply = Call::get("/metrics").send(&port);
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    assert!(reply.text().contains("aiapiproxy_build_info{version="));
    for (call, status) in [
        (Call::get("/health"), 404),
        (messages(request("hi", false)), 404),
        (Call::post("/metrics"), 405),
        (Call::get("/metrics").header("origin", "https://page.example"), 403),
    ] {
        assert_eq!(call.send(&port).status, status, "{call:?}");
    }
    let mut rebound = Connection::open(&port);
    rebound.write(b"GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    let answered = String::from_utf8(rebound.read_to_close()).unwrap();
    assert!(answered.starts_with("HTTP/1.1 403"), "{answered}");
    failure(gateway.send(&Call::get("/metrics")), 401, "authentication_error");
    // What comes there is no client's.
    let metrics = Call::get("/metrics").send(&port).text();
    assert!(metrics.contains("aiapiproxy_connections_accepted_total 3\n"), "{metrics}");
    gateway.end();
}

#[test]
fn a_port_for_metrics_that_cannot_be_is_told_before_anybody_comes() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (listen, code, parts) in [
        ("0.0.0.0:9464", 78, ["metrics.listen", "aiapiproxy.toml:2"]),
        ("9464", 78, ["metrics.listen", "127.0.0.1:9464"]),
        (&taken, 69, ["metrics.listen", "another port"]),
    ] {
        let toml = format!("[metrics]\nlisten = \"{listen}\"\n");
        let program = configured(Program::aiapiproxy().args(["serve", "--port", "0"]), &toml);
        let output = program.env("OPENAI_API_KEY", "k").run();
        assert_eq!(output.code, Some(code), "{listen}: {}", output.stderr);
        for part in parts {
            assert!(output.stderr.contains(part), "{listen}: {}", output.stderr);
        }
    }
    let shown = configured(
        Program::aiapiproxy().args(["config", "show", "--origin"]),
        "[metrics]\nlisten = \"127.0.0.1:9464\"\n",
    );
    let shown = shown.run().stdout;
    assert!(shown.contains("metrics.listen = \"127.0.0.1:9464\"  # file "), "{shown}");
}
