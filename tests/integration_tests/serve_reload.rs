//! `serve` and SIGHUP: a new configuration for new requests, and nothing lost on the way.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::Call;
use crate::support::program::{Program, Server};
use crate::support::serving::{Gateway, answer, configured, failure, no_canary, request_for};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Exchange, Request, Upstream};
use crate::support::watched::Gate;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes the file anew, as editors and `kubectl` do it: never half.
fn rewrite(server: &Server, toml: &str) {
    let folder = server.running().folder();
    fs::write(folder.join("new.toml"), toml).unwrap();
    fs::rename(folder.join("new.toml"), folder.join("aiapiproxy.toml")).unwrap();
}

/// Sends SIGHUP and waits until it has had an effect for the `nth` time.
fn hang_up(server: &Server, effect: &str, nth: usize) {
    server.running().signal("HUP");
    let told = server.running().wait_for_stderr_times(effect, nth);
    no_canary(&told);
}

const RELOADED: &str = "configuration reloaded";
const REFUSED: &str = "configuration not reloaded; the old one stays in force";

fn mapped_to(model: &str) -> String {
    format!("[models]\ndefault = '{model}'\n")
}

#[test]
fn f31_new_requests_get_the_new_configuration_and_running_ones_keep_theirs() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let script = vec![
        Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]),
        Exchange::new().json(completion("new")),
    ];
    let gateway = Gateway::with_config(script, &mapped_to("old-model"));
    let mut running = gateway.post(request("hi", true));
    let mut seen = running.events_until(|event| event.data.contains("Hel"));
    rewrite(&gateway.server, &mapped_to("new-model"));
    hang_up(&gateway.server, RELOADED, 1);
    gateway.say("hi");
    gate.open();
    seen.extend(running.events());
    assert_eq!(check_stream(&seen).text(), "Hello");
    let models: Vec<_> =
        gateway.upstream.requests().iter().map(|request| request.json()["model"].clone()).collect();
    assert_eq!(models, ["old-model", "new-model"]);
    drop(running);
    gateway.end();
}

#[test]
fn f31_a_bad_file_keeps_the_old_configuration_and_says_so() {
    let gateway = Gateway::with_config(vec![Exchange::new().json(completion("hi"))], &mapped_to("good"));
    let mut refused = 0;
    for bad in ["[server\n", "[limits]\nmax_request_sise = 1\n", "[server]\nauth = 'keys'\n"] {
        rewrite(&gateway.server, bad);
        refused += 1;
        hang_up(&gateway.server, REFUSED, refused);
    }
    gateway.say("hi");
    assert_eq!(gateway.request().json()["model"], "good");
    let stderr = gateway.end();
    assert!(stderr.contains("aiapiproxy.toml:2") && stderr.contains("max_request_size"), "{stderr}");
    assert!(!stderr.contains(RELOADED), "{stderr}");
}

#[test]
fn settings_that_need_a_restart_are_named_and_stay() {
    let gateway = Gateway::with_config(vec![Exchange::new().json(completion("hi"))], "");
    let toml = "[server]\nhost = '127.0.0.2'\nport = 1\n[limits]\nmax_connections = 7\n[log]\nformat = 'json'\n\
        [metrics]\nlisten = '127.0.0.1:0'\n";
    rewrite(&gateway.server, toml);
    hang_up(&gateway.server, RELOADED, 1);
    gateway.say("hi");
    let stderr = gateway.end();
    // The port of the command line wins over the file, today and after a restart.
    let named = "settings=\"server.host, limits.max_connections, metrics.listen, log\"";
    assert!(stderr.contains("need a restart") && stderr.contains(named), "{stderr}");
}

#[test]
fn a_reload_opens_no_port_that_was_guarded() {
    let keyed = "[[server.client_keys]]\nid = 'alice'\nkey = 'alice-key-0123456789'\n";
    let upstream = Upstream::always(|_: &Request| Exchange::new().json(completion("hi")));
    let gateway =
        Gateway::before(upstream, |program| configured(program, keyed).env("SERVER_HOST", "0.0.0.0"));
    let base_url = gateway.server.base_url().replace("0.0.0.0", "127.0.0.1");
    rewrite(&gateway.server, "");
    hang_up(&gateway.server, REFUSED, 1);
    let call = Call::post("/v1/messages").json(request("hi", false));
    failure(call.send(&base_url), 401, "authentication_error");
    answer(call.header("x-api-key", "alice-key-0123456789").send(&base_url));
    gateway.end();
}

#[test]
fn a_key_that_was_made_at_start_is_good_after_reloads() {
    let upstream = Upstream::always(|_: &Request| Exchange::new().json(completion("hi")));
    let gateway = Gateway::before(upstream, |program| configured(program, "").env("SERVER_HOST", "0.0.0.0"));
    let base_url = gateway.server.base_url().replace("0.0.0.0", "127.0.0.1");
    let told = gateway.server.running().wait_for_stderr("shown once");
    let key = told.split_once("ANTHROPIC_AUTH_TOKEN=").unwrap().1.lines().next().unwrap().to_owned();
    let say = |key: &str| {
        Call::post("/v1/messages").header("x-api-key", key).json(request("hi", false)).send(&base_url)
    };
    let keyed = "[[server.client_keys]]\nid = 'alice'\nkey = 'alice-key-0123456789'\n";
    hang_up(&gateway.server, RELOADED, 1);
    answer(say(&key));
    rewrite(&gateway.server, keyed);
    hang_up(&gateway.server, RELOADED, 2);
    failure(say(&key), 401, "authentication_error");
    answer(say("alice-key-0123456789"));
    // Neither a file without keys nor one for loopback opens the port.
    for (nth, toml) in [(3, ""), (4, "[server]\nauth = 'none'\n")] {
        rewrite(&gateway.server, toml);
        gateway.server.running().signal("HUP");
        if toml.is_empty() {
            gateway.server.running().wait_for_stderr_times(RELOADED, nth);
        } else {
            gateway.server.running().wait_for_stderr(REFUSED);
        }
        answer(say(&key));
        failure(say("wrong"), 401, "authentication_error");
    }
    let stderr = gateway.server.interrupt().stderr;
    assert_eq!(stderr.matches(&key).count(), 1, "the key is shown once: {stderr}");
}

#[test]
fn f31_a_hundred_reloads_under_load_fail_no_request() {
    let upstream = Upstream::always(|request: &Request| {
        let model = request.json()["model"].as_str().unwrap().to_owned();
        Exchange::new().json(completion(&model))
    });
    let gateway = Gateway::before(upstream, |program| configured(program, &mapped_to("model-0")));
    let done = AtomicBool::new(false);
    let answered: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !done.load(Ordering::Relaxed) {
                        let answer = answer(gateway.post(request_for("anything", false)));
                        let text = answer["content"][0]["text"].as_str().unwrap().to_owned();
                        assert!(text.starts_with("model-"), "{text}");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for nth in 1..=100 {
            rewrite(&gateway.server, &mapped_to(&format!("model-{nth}")));
            hang_up(&gateway.server, RELOADED, nth);
            // What is asked from now on is asked by the new configuration.
            let answer = answer(gateway.post(request_for("anything", false)));
            assert_eq!(answer["content"][0]["text"], format!("model-{nth}"));
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(answered >= 4, "there was no load: {answered}");
    gateway.end();
}

#[test]
fn the_key_file_is_read_again() {
    let upstream = Upstream::start(vec![Exchange::new().json(completion("hi"))]);
    let toml = format!("[upstream]\nbase_url = '{}/v1'\napi_key_file = 'key'\n", upstream.base_url());
    let program = configured(Program::aiapiproxy(), &toml).file("key", "sk-first-0123456789");
    let server = Server::start(program);
    fs::write(server.running().folder().join("key"), "sk-second-0123456789").unwrap();
    hang_up(&server, RELOADED, 1);
    answer(Call::post("/v1/messages").json(request("hi", false)).send(server.base_url()));
    assert_eq!(upstream.requests()[0].header("authorization"), Some("Bearer sk-second-0123456789"));
    server.interrupt();
}
