//! What upstreams do: dead lines, endless lines, and everything that must not be asked twice.

use super::send_only;
use crate::support::bodies::{chunk, chunks, completion, request};
use crate::support::serving::{Gateway, broken_stream, failure, streamed};
use crate::support::upstream::{Ending, Exchange, Upstream};
use crate::support::watched::Gate;
use serde_json::json;

#[test]
fn f09_a_last_event_without_its_blank_line_is_read() {
    let events = chunks(&["Hel", "lo"]);
    let (last, whole) = events.split_last().unwrap();
    for end in ["\n", ""] {
        let last = format!("{}{end}", last.trim_end());
        let gateway = Gateway::start(vec![Exchange::new().sse(whole).sse([last])]);
        assert_eq!(gateway.stream("hi").text(), "Hello");
        gateway.end();
    }
    // The finish reason itself is in that event.
    let last = events[3].trim_end().to_owned();
    let gateway = Gateway::start(vec![Exchange::new().sse(&events[..3]).sse([last])]);
    assert_eq!(gateway.stream("hi").stop_reason.as_deref(), Some("end_turn"));
    gateway.end();
}

#[cfg(target_os = "linux")]
#[test]
fn f10_a_silent_connection_is_asked_whether_it_lives() {
    let gateway = Gateway::start(vec![Exchange::new().hang()]);
    let client = send_only(&gateway, &request("hi", true));
    gateway.upstream.wait_for_requests(1);
    // The timer of an idle connection (2: keepalive) runs out within the 15 seconds that were set, and not after
    // the system's two hours.
    let port: u16 = gateway.upstream.base_url().rsplit(':').next().unwrap().parse().unwrap();
    let timer = crate::support::linux::wait_for_tcp_timer(port, 2);
    assert!(timer <= std::time::Duration::from_secs(15), "{timer:?}");
    drop(client);
    assert_eq!(gateway.upstream.wait_for_ending(0), Ending::ClientClosed);
    gateway.end();
}

#[test]
fn f13_a_line_without_end_is_cut_at_the_limit() {
    let endless = || vec!["x".repeat(10_000); 20];
    let script = vec![
        Exchange::new().sse(["data: "]).sse(endless()).hang(),
        Exchange::new().sse(&chunks(&["Hel"])[..2]).sse(endless()).hang(),
        Exchange::new().sse(&chunks(&["Hel"])[..2]).sse([": "]).sse(endless()).hang(),
    ];
    let gateway = Gateway::with_config(script, "[limits]\nmax_event_size = '64KiB'\n");
    failure(gateway.post(request("hi", true)), 502, "api_error");
    for number in [1, 2] {
        let (error, message) = broken_stream(gateway.post(request("hi", true)));
        assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("api_error"), "Hel"));
        assert_eq!(gateway.upstream.wait_for_ending(number), Ending::ClientClosed);
    }
    gateway.end();
}

#[test]
fn f06_comments_alone_do_not_keep_a_stream_alive() {
    let gate = Gate::new();
    let mut upstream = Exchange::new().sse(&chunks(&["Hel"])[..2]);
    for _ in 0..1_000 {
        upstream = upstream.sse([": keep-alive\n\n"]);
    }
    let limits = "[limits]\nfirst_byte_timeout = '600ms'\nstream_idle_timeout = '10s'\n";
    let gateway = Gateway::with_config(vec![upstream.pause(&gate).hang()], limits);
    let (error, message) = broken_stream(gateway.post(request("hi", true)));
    assert_eq!((error["type"].as_str(), message.text().as_str()), (Some("timeout_error"), "Hel"));
    gate.open();
    gateway.end();
}

#[test]
fn f16_half_a_surrogate_pair_of_an_upstream_is_mended() {
    let broken = chunk(json!({"content": "PLACE"}), None).replace("PLACE", "a\\ud83d b");
    let events = chunks(&["c"]);
    let gateway = Gateway::start(vec![Exchange::new().sse([broken]).sse(&events[1..])]);
    assert_eq!(gateway.stream("hi").text(), "a\u{fffd} bc");
    gateway.end();
}

#[test]
fn f16_halves_of_clients_are_told_once() {
    let gateway = Gateway::before(Upstream::always(|_| Exchange::new().json(completion("Hello"))), |it| it);
    for _ in 0..3 {
        let body = request("PLACE", false).to_string().replace("PLACE", "\\ud83d");
        assert_eq!(gateway.post(body).status, 200);
    }
    let stderr = gateway.end();
    assert_eq!(stderr.matches("half a surrogate pair").count(), 1, "{stderr}");
}

#[test]
fn f33_the_upstream_is_not_asked_three_times_as_much_by_everybody() {
    let upstream = Upstream::always(|_| Exchange::new().status(503).header("retry-after", "0").json("{}"));
    let gateway = Gateway::before(upstream, |program| program);
    let calls = 60;
    for _ in 0..calls {
        failure(gateway.post(request("hi", false)), 503, "api_error");
    }
    // Ten retries are always allowed, and a fifth of the calls of ten seconds.
    let asked = gateway.upstream.requests().len();
    assert!((calls + 10..=calls + 10 * 3).contains(&asked), "{asked} for {calls}");
    gateway.end();
}

#[test]
fn f36_nothing_is_asked_twice_to_be_faster() {
    let gate = Gate::new();
    let script = vec![Exchange::new().pause(&gate).sse(chunks(&["Hello"]))];
    let gateway = Gateway::start(script);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| streamed(gateway.post(request("hi", true))));
        gate.wait_reached();
        gate.open();
        assert_eq!(slow.join().unwrap().text(), "Hello");
    });
    assert_eq!(gateway.upstream.connections(), 1);
    gateway.end();
}
