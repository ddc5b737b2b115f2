//! How `serve` starts and ends: its first lines, the key it makes, its exit codes.

use crate::support::bodies;
use crate::support::http::{Call, Connection};
use crate::support::program::{Program, Server};
use crate::support::upstream::{Exchange, Upstream};

#[test]
fn f39_a_taken_port_and_a_bad_address_are_told_with_their_codes() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (host, port, code) in [("127.0.0.1", port.as_str(), 69), ("192.0.2.1", "0", 78)] {
        let serve = Program::aiapiproxy().args(["serve", "--demo", "--host", host, "--port", port]);
        let output = serve.env("CLIENT_API_KEYS", "a-key-of-a-client").run();
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        assert!(output.stderr.starts_with(&format!("error: cannot listen on {host} port {port}\n")));
        assert_eq!(output.stderr.lines().count(), 3, "{}", output.stderr);
    }
}

#[test]
fn the_start_lines_tell_clients_how_to_connect_and_show_no_configured_key() {
    let server = Server::start(
        Program::aiapiproxy()
            .env("OPENAI_API_KEY", "sk-upstream-canary-0123456789")
            .env("CLIENT_API_KEYS", "client-canary-0123456789"),
    );
    server.running().wait_for_stderr("ANTHROPIC_AUTH_TOKEN");
    let said = server.stderr();
    let url = server.base_url();
    let start = format!("listening on {url} -> https://api.openai.com/v1 (key from env OPENAI_API_KEY)\n");
    assert!(said.starts_with(&start), "{said}");
    assert!(said.contains(&format!("\nexport ANTHROPIC_BASE_URL={url}\n")), "{said}");
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn a_made_key_is_shown_once_and_opens_the_server() {
    let server = Server::start(Program::aiapiproxy().args(["--demo", "--host", "0.0.0.0"]));
    server.running().wait_for_stderr("shown once");
    let said = server.stderr();
    let key = said.split_once("ANTHROPIC_AUTH_TOKEN=").unwrap().1.lines().next().unwrap();
    assert!(key.starts_with("aap_"), "{said}");
    assert_eq!(said.matches(key).count(), 1, "{said}");

    let url = said.split_once("ANTHROPIC_BASE_URL=").unwrap().1.lines().next().unwrap();
    let call = || Call::post("/v1/messages").json(bodies::request("hi", false));
    assert_eq!(call().send(url).status, 401);
    assert_eq!(call().header("x-api-key", key).send(url).status, 200);
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn json_logs_are_json_from_the_first_line() {
    let server = Server::start(Program::aiapiproxy().args(["--demo", "--log-format", "json"]));
    server.running().wait_for_stderr("ANTHROPIC_AUTH_TOKEN");
    let output = server.interrupt();
    assert_eq!(output.code, Some(0));
    for line in output.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn a_second_signal_does_not_wait_and_is_130() {
    let upstream = Upstream::start(vec![Exchange::new().head().hang()]);
    let server = Server::start(Program::aiapiproxy().upstream(&upstream));
    let body = bodies::request("hi", false).to_string();
    let mut client = Connection::open(server.base_url());
    let head = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    client.write(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    upstream.wait_for_requests(1);
    server.running().signal("INT");
    server.running().wait_for_stderr("stopping");
    server.running().signal("INT");
    assert_eq!(server.wait().code, Some(130));
}
