//! What the machine does: no place for logs, no descriptors, panics, and clocks that jump.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::{Call, Connection};
use crate::support::program::{Program, Server};
use crate::support::serving::{CANARY, Gateway, answer, failure, messages};
use crate::support::sse_rules::check_stream;
use crate::support::upstream::{Exchange, Upstream};
use crate::support::watched::Gate;
use std::fs;
use std::path::Path;

/// The program, started by a shell after some words of it.
fn by_shell(words: &str, upstream: &Upstream) -> Program {
    let script = format!("{words} \"$0\" serve --port 0");
    Program::other("/bin/sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_aiapiproxy")])
        .upstream(upstream)
        .env("OPENAI_API_KEY", CANARY)
}

#[cfg(target_os = "linux")]
#[test]
fn f40_nobody_takes_the_log_and_all_requests_are_served() {
    for stderr in ["/dev/full", "&-"] {
        let upstream = Upstream::always(|_| Exchange::new().json(completion("Hello")));
        let running = by_shell(&format!("exec 2>{stderr};exec"), &upstream).start();
        let port = crate::support::linux::wait_for_listening_port(running.id());
        let base_url = format!("http://127.0.0.1:{port}");
        for _ in 0..20 {
            answer(messages(request("hi", false)).send(&base_url));
        }
        running.signal("TERM");
        assert_eq!(running.wait().code, Some(0), "{stderr}");
    }
}

#[test]
fn f40_a_reader_of_the_log_that_stands_still_stops_no_request() {
    let upstream = Upstream::always(|_| Exchange::new().json(completion("Hello")));
    // What the pipe holds is read until the address is known, and then no more. When the test is over, so is its end
    // of the shell's stdin, and the reader ends the program, which nothing else would tell.
    let script = "sh -c 'echo $$; exec \"$0\" serve --port 0' \"$0\" 2>&1 | { read -r pid; while read -r line; \
                  do printf '%s\\n' \"$line\" >&2; case $line in *ANTHROPIC_BASE_URL*) break;; esac; done; \
                  read -r _ <&3; kill \"$pid\"; }";
    let program = Program::other("/bin/sh")
        .args(["-c", &format!("exec 3<&0; {script}"), env!("CARGO_BIN_EXE_aiapiproxy")])
        .upstream(&upstream)
        .env("RUST_LOG", "trace");
    let server = Server::start_as_is(program);
    // Each request logs kilobytes; the pipe holds 64 KiB, and a megabyte may wait.
    for _ in 0..300 {
        answer(messages(request("hi", false)).send(server.base_url()));
    }
    drop(server);
}

#[cfg(target_os = "linux")]
#[test]
fn f41_without_descriptors_running_streams_live_and_nothing_spins() {
    let gate = Gate::new();
    let held = gate.clone();
    let upstream = Upstream::always(move |_| {
        Exchange::new().sse(&chunks(&["Hel", "lo"])[..2]).pause(&held).sse(&chunks(&["lo"])[1..])
    });
    let server = Server::start_as_is(by_shell("ulimit -n 40; exec", &upstream));
    let mut reply = messages(request("hi", true)).send(server.base_url());
    let mut events = reply.events_until(|event| event.data.contains("Hel"));
    // More than there are descriptors; the system holds those that are not accepted.
    let crowd: Vec<Connection> = (0..60).map(|_| Connection::open(server.base_url())).collect();
    let before = crate::support::linux::processor_time(server.running().id());
    let told = server.running().wait_for_stderr_times("no connection can be accepted", 2);
    let used = crate::support::linux::processor_time(server.running().id()).saturating_sub(before);
    assert!(used < std::time::Duration::from_millis(500), "{used:?} of processor time to wait for a second");
    assert!(told.contains("ulimit"), "{told}");
    gate.open();
    events.extend(reply.events());
    assert_eq!(check_stream(&events).text(), "Hello");
    drop((reply, crowd));
    assert_eq!(Call::get("/health").send(server.base_url()).status, 200);
    let output = server.interrupt();
    assert!(output.code == Some(0) && output.stderr.contains("too low"), "{}", output.stderr);
}

#[test]
fn f42_a_panic_ends_its_own_request_and_no_other() {
    if !cfg!(debug_assertions) {
        // Only programs built for tests have fail points.
        return;
    }
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let whole = || Exchange::new().sse(chunks(&["Hel", "lo"])).slice(40);
    let running = Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]);
    let gateway = Gateway::start(vec![running, whole(), Exchange::new().json(completion("after"))]);
    let mut other = gateway.post(request("hi", true));
    let mut seen = other.events_until(|event| event.data.contains("Hel"));

    let failing = |place| messages(request("hi", true)).header("x-aiapiproxy-fail-point", place);
    let reply = gateway.send(&failing("handler"));
    let error = failure(reply, 500, "api_error");
    assert!(!error.to_string().contains("fail point"), "{error}");

    let mut broken = gateway.send(&failing("body"));
    let told = check_stream(&broken.events());
    assert_eq!(told.error.expect("an error event")["type"], "api_error");
    drop(broken);

    gate.open();
    seen.extend(other.events());
    assert_eq!(check_stream(&seen).text(), "Hello");
    drop(other);
    assert_eq!(gateway.say("hi")["content"][0]["text"], "after");
    let stderr = gateway.end();
    assert_eq!(stderr.matches("end=\"panicked\"").count(), 2, "{stderr}");
}

/// Wall time jumps; only these files may ask for it, for dates that are told or were given, never to measure or wait.
const WALL_TIME: &[&str] = &[
    // Dates after which a key is no longer good.
    "config/server/client_keys.rs",
    "secret/client_keys.rs",
    "server/auth.rs",
    "server/routes/health.rs",
    // Dates in headers.
    "server/clients/headers.rs",
    "server/routes/messages/refusal.rs",
    // When a configuration came into force, and in a test when the process began: for metrics.
    "metrics.rs",
    "metrics/process.rs",
    // The time of creation in answers.
    "cli/convert/route.rs",
];

#[test]
fn f43_nothing_that_waits_looks_at_the_wall_clock() {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&root, &mut files);
    let using: Vec<String> = files
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("SystemTime"))
        .map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
        .filter(|name| !WALL_TIME.contains(&name.as_str()))
        .collect();
    assert!(using.is_empty(), "wall time in {using:?}");
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
