//! From one process to the next: a socket that is handed over loses no request, signals that insist, and what the
//! service manager and the balancer hear.

use crate::support::LIVENESS;
use crate::support::bodies::{chunks, completion, request};
use crate::support::http::Call;
use crate::support::program::{Program, Running, Server};
use crate::support::serving::{CANARY, Gateway, answer, failure, messages, no_canary};
use crate::support::upstream::{Exchange, Request, Upstream};
use crate::support::watched::Gate;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn hello() -> Upstream {
    Upstream::always(|_: &Request| Exchange::new().json(completion("Hello")))
}

/// A server on a socket that is handed over as systemd hands it over: as descriptor 3, named by variables.
fn on_socket(socket: &TcpListener, upstream: &Upstream, more: &[(&str, &str)]) -> Running {
    let hand_over = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" serve";
    let program = Program::other("/bin/sh").args(["-c", hand_over, env!("CARGO_BIN_EXE_aiapiproxy")]);
    let program = program.upstream(upstream).env("OPENAI_API_KEY", CANARY);
    let program = more.iter().fold(program, |program, (name, value)| program.env(name, *value));
    let running = program.stdin_socket(socket.try_clone().unwrap()).start();
    running.wait_for_stderr("export ANTHROPIC_AUTH_TOKEN=");
    running
}

#[test]
fn restarts_on_a_socket_that_is_handed_over_lose_no_request() {
    let upstream = hello();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", socket.local_addr().unwrap());
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let client = || {
            while !done.load(Ordering::Relaxed) {
                answer(messages(request("hi", false)).send(&base_url));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for _ in 0..10 {
            let before = answered.load(Ordering::Relaxed);
            let running = on_socket(&socket, &upstream, &[]);
            // Each of them serves some requests, and is asked to go in the midst of others.
            let since = std::time::Instant::now();
            while answered.load(Ordering::Relaxed) < before + 10 {
                assert!(since.elapsed() < LIVENESS, "nobody is served");
                std::thread::yield_now();
            }
            running.signal("TERM");
            let output = running.wait();
            assert_eq!(output.code, Some(0), "{}", output.stderr);
            no_canary(&output.stderr);
        }
        let last = on_socket(&socket, &upstream, &[]);
        done.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no request fails");
        }
        last.signal("TERM");
        assert_eq!(last.wait().code, Some(0));
    });
}

#[test]
fn a_socket_open_to_others_demands_a_key_whatever_the_host_says() {
    let upstream = Upstream::start(vec![]);
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let running = on_socket(&socket, &upstream, &[("SERVER_HOST", "127.0.0.1")]);
    running.wait_for_stderr("shown once");
    let base_url = format!("http://127.0.0.1:{}", socket.local_addr().unwrap().port());
    failure(messages(request("hi", false)).send(&base_url), 401, "authentication_error");
    running.signal("TERM");
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn f30_a_second_signal_ends_at_once() {
    for (signals, code) in [(["INT", "INT"], 130), (["TERM", "TERM"], 143), (["TERM", "INT"], 130)] {
        let events = chunks(&["Hel", "lo"]);
        let gateway = Gateway::start(vec![Exchange::new().sse(&events[..2]).hang()]);
        let mut reply = gateway.post(request("hi", true));
        reply.events_until(|event| event.data.contains("Hel"));
        gateway.server.running().signal(signals[0]);
        gateway.server.running().wait_for_stderr("stopping");
        gateway.server.running().signal(signals[1]);
        let output = gateway.server.wait();
        assert_eq!(output.code, Some(code), "{signals:?}: {}", output.stderr);
    }
}

#[test]
fn f30_readiness_ends_before_the_port_closes() {
    let toml = "[limits]\nshutdown_delay = '1h'\n";
    let gateway = Gateway::with_config(vec![Exchange::new().json(completion("Hello"))], toml);
    let ready = || gateway.send(&Call::get("/health/ready")).status;
    assert_eq!(ready(), 200);
    gateway.server.running().signal("TERM");
    gateway.server.running().wait_for_stderr("not ready any more");
    assert_eq!(ready(), 503);
    assert_eq!(gateway.send(&Call::get("/health/live")).status, 200);
    // Who has not heard of it yet is still served.
    gateway.say("hi");
    gateway.server.running().signal("TERM");
    assert_eq!(gateway.server.wait().code, Some(143));
}

#[test]
fn f30_what_still_runs_is_told_while_it_is_waited_for() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let gateway = Gateway::start(vec![Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..])]);
    let mut reply = gateway.post(request("hi", true));
    reply.events_until(|event| event.data.contains("Hel"));
    gateway.server.running().signal("TERM");
    let told = gateway.server.running().wait_for_stderr("these still run");
    assert!(told.contains("streams=1") && told.contains("connections=1"), "{told}");
    gate.open();
    reply.events();
    drop(reply);
    assert_eq!(gateway.server.wait().code, Some(0));
}

#[test]
fn the_service_manager_hears_of_start_reload_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LIVENESS)).unwrap();
    let heard = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).expect("a message to the service manager");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let program = Program::aiapiproxy().arg("--demo").env("NOTIFY_SOCKET", path.as_os_str());
    let server = Server::start(program);
    assert!(heard().contains("READY=1"));
    server.running().signal("HUP");
    let reloading = heard();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(heard().contains("READY=1"));
    server.running().signal("TERM");
    assert!(heard().contains("STOPPING=1"));
    assert_eq!(server.wait().code, Some(0));
}
