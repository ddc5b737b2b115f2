//! Probes of an attacker, each of which has worked against a gateway like this one: web pages that spend the
//! operator's key, and requests that want to reach anything but the configured upstream.

use crate::support::bodies::{completion, request};
use crate::support::http::{Call, Connection};
use crate::support::program::{Program, Server};
use crate::support::serving::{CANARY, Gateway, answer, body, configured, failure, messages, no_canary};
use crate::support::upstream::{Exchange, Request, Upstream};
use serde_json::{Value, json};

fn open_door() -> Gateway {
    Gateway::before(Upstream::always(|_: &Request| Exchange::new().json(completion("Hello"))), |it| it)
}

/// The status, when the upstream heard nothing of it and no page may read the answer.
fn refused(gateway: &Gateway, call: &Call) -> u16 {
    let mut reply = gateway.send(call);
    assert_eq!(reply.header("access-control-allow-origin"), None, "{call:?}");
    body(&mut reply);
    assert_eq!(gateway.upstream.requests().len(), 0, "{call:?} reached the upstream");
    reply.status
}

/// Scorecard 26: a page in the operator's browser, while no client key is required.
#[test]
fn twelve_probes_of_a_web_page() {
    let gateway = open_door();
    let evil = |call: Call| call.header("origin", "https://evil.example");
    let text = request("hi", false).to_string();
    let typed = |media_type: &str| Call::post("/v1/messages").header("content-type", media_type).body(&*text);
    let preflight = |path: &str| {
        let call = Call::new("OPTIONS", path).header("access-control-request-method", "POST");
        evil(call.header("access-control-request-headers", "content-type,x-api-key"))
    };
    let probes: [(&str, Call, u16); 12] = [
        ("JSON from another origin", evil(messages(&text)), 403),
        ("a form's type", evil(typed("application/x-www-form-urlencoded")), 403),
        ("a simple type without an origin", typed("text/plain"), 415),
        ("a form without an origin", typed("multipart/form-data; boundary=x"), 415),
        ("a blob without a type", Call::post("/v1/messages").body(&*text), 415),
        ("the origin of a sandboxed frame", messages(&text).header("origin", "null"), 403),
        ("another port of this machine", messages(&text).header("origin", "http://localhost:3000"), 403),
        ("a preflight", preflight("/v1/messages"), 403),
        ("a preflight of the counter", preflight("/v1/messages/count_tokens"), 403),
        ("a name bent to this address", messages(&text).header("host", "evil.example:8082"), 421),
        ("the list of models by a bent name", Call::get("/v1/models").header("host", "rebind.example"), 421),
        ("health by a page", evil(Call::get("/health")), 403),
    ];
    for (name, call, expected) in probes {
        assert_eq!(refused(&gateway, &call), expected, "{name}");
    }
    gateway.end();
}

/// The last of the probes of scorecard 26: a port that others reach, without any key configured.
#[test]
fn a_keyless_start_beyond_loopback_demands_the_made_key() {
    let upstream = Upstream::start(vec![]);
    let server = Server::start(
        Program::aiapiproxy().upstream(&upstream).env("OPENAI_API_KEY", CANARY).env("SERVER_HOST", "0.0.0.0"),
    );
    let base_url = server.base_url().replace("0.0.0.0", "127.0.0.1");
    failure(messages(request("hi", false)).send(&base_url), 401, "authentication_error");
    failure(Call::get("/v1/models").send(&base_url), 401, "authentication_error");
    no_canary(&server.interrupt().stderr);
}

/// What the upstream was asked for by a request that was let through: nothing of the probe may be in it.
fn harmless(request: &Request) {
    assert_eq!(request.path(), "/v1/chat/completions");
    let seen = format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body));
    for trace in ["attacker", "169.254", "smuggled"] {
        assert!(!seen.contains(trace), "{trace} reached the upstream: {seen}");
    }
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {CANARY}")));
}

/// Scorecard 27, first part: members and headers that choose an upstream elsewhere.
#[test]
fn no_member_and_no_header_chooses_where_a_request_goes() {
    let gateway = open_door();
    let elsewhere = "http://attacker.example:1/v1";
    let with_member = |name: &str| {
        let mut body = request("hi", false);
        body[name] = json!(elsewhere);
        messages(body)
    };
    let with_header = |name: &str, value: &str| messages(request("hi", false)).header(name, value);
    let probes = [
        with_member("api_base"),
        with_member("base_url"),
        with_member("custom_llm_provider"),
        with_header("x-forwarded-host", "attacker.example"),
        with_header("forwarded", "for=169.254.169.254;host=attacker.example"),
        with_header("x-forwarded-for", "169.254.169.254"),
        with_header("x-original-url", "http://attacker.example/"),
        with_header("x-upstream-url", elsewhere),
        with_header("connection", "close, authorization, x-attacker"),
        with_header("proxy-authorization", "Basic YXR0YWNrZXI6YXR0YWNrZXI="),
        with_header("te", "trailers, attacker"),
        with_header("cookie", "session=attacker"),
        with_header("authorization", "Bearer attacker"),
        with_header("traceparent", "00-attacker-attacker-00"),
    ];
    for probe in &probes {
        let reply = gateway.send(probe);
        // A strange member may be refused; what is let through goes to the one upstream.
        assert!(matches!(reply.status, 200 | 400), "{probe:?}: {}", reply.status);
    }
    let requests = gateway.upstream.requests();
    assert!(requests.len() >= probes.len() - 3, "{} went through", requests.len());
    requests.iter().for_each(harmless);
    gateway.end();
}

/// A model's name is a name, wherever it looks like an address.
#[test]
fn a_models_name_is_no_address() {
    let gateway = open_door();
    for name in ["http://attacker.example/v1", "../../admin", "gpt-4@attacker.example", "//attacker.example"]
    {
        let mut body = request("hi", false);
        body["model"] = json!(name);
        gateway.send(&messages(body));
    }
    for request in gateway.upstream.requests() {
        assert_eq!(request.path(), "/v1/chat/completions");
    }
    gateway.end();
}

/// Scorecard 27, second part: the upstream sends the request on, with key and prompt.
#[test]
fn redirects_of_the_upstream_are_never_followed() {
    let elsewhere = Upstream::start(vec![]);
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/v1/chat/completions", elsewhere.base_url());
        let redirect = Exchange::new().status(status).header("location", &target).json("{}");
        let gateway = Gateway::start(vec![redirect]);
        let mut reply = gateway.post(request("hi", false));
        let text = body(&mut reply);
        assert!(reply.status >= 400, "{status} became {}: {text}", reply.status);
        assert_eq!(reply.header("location"), None);
        gateway.end();
    }
    assert_eq!(elsewhere.connections(), 0, "somebody was sent the key");
}

/// Scorecard 27, third part: framing that two parsers understand differently.
#[test]
fn smuggled_requests_reach_nobody() {
    let body = request("hi", false).to_string();
    let length = body.len();
    let head = "host: localhost\r\ncontent-type: application/json\r\n";
    let second = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let probes = [
        format!(
            "POST /v1/messages HTTP/1.1\r\n{head}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{second}"
        ),
        format!(
            "POST /v1/messages HTTP/1.1\r\n{head}content-length: 5\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
        format!("POST /v1/messages HTTP/1.1\r\n{head}content-length: +{length}\r\n\r\n{body}"),
        format!("POST /v1/messages HTTP/1.1\r\n{head}transfer-encoding: xchunked\r\n\r\n{body}"),
        format!(
            "POST /v1/messages HTTP/1.1\r\n{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{body}"
        ),
        format!("POST /v1/messages HTTP/1.1\r\n{head}content-length : {length}\r\n\r\n{body}"),
        format!("POST /v1/messages HTTP/1.1\r\n{head} folded: x\r\ncontent-length: {length}\r\n\r\n{body}"),
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nhost: attacker.example\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    ];
    let gateway = open_door();
    for probe in &probes {
        let mut connection = Connection::open(gateway.server.base_url());
        connection.write(probe.as_bytes());
        connection.end_writing();
        let text = String::from_utf8_lossy(&connection.read_to_close()).into_owned();
        // Whatever became of the first request, there is no second.
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{probe}\n{text}");
        assert!(!text.starts_with("HTTP/1.1 200"), "{probe}\n{text}");
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    gateway.end();
}

#[test]
fn connect_trace_and_upgrades_open_nothing() {
    let gateway = open_door();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: YQ==\r\n";
    let h2c =
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    for (line, headers) in [
        ("CONNECT attacker.example:443 HTTP/1.1", ""),
        ("CONNECT localhost:22 HTTP/1.1", ""),
        ("TRACE /v1/messages HTTP/1.1", ""),
        ("TRACE / HTTP/1.1", ""),
        ("GET /v1/messages HTTP/1.1", upgrade),
        ("GET /v1/messages HTTP/1.1", h2c),
        ("GET http://attacker.example/ HTTP/1.1", ""),
    ] {
        let mut connection = Connection::open(gateway.server.base_url());
        connection.write(format!("{line}\r\nhost: localhost\r\n{headers}x-probe: seen\r\n\r\n").as_bytes());
        let reply = connection.reply(true);
        assert!(reply.status >= 400, "{line}: {}", reply.status);
        assert_eq!(reply.header("upgrade"), None, "{line}");
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    gateway.end();
}

/// Headers that the upstream means for its own connection, or for a browser, end here.
#[test]
fn of_the_upstreams_headers_only_known_ones_reach_the_client() {
    let exchange = Exchange::new()
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("set-cookie", "session=upstream")
        .header("server", "nginx/1.0")
        .header("access-control-allow-origin", "*")
        .header("location", "http://attacker.example/")
        .header("x-internal-host", "10.0.0.7")
        .header("x-request-id", "up-1");
    let gateway = Gateway::start(vec![exchange.json(completion("Hello"))]);
    let reply = gateway.post(request("hi", false));
    for name in [
        "x-hop",
        "keep-alive",
        "set-cookie",
        "server",
        "access-control-allow-origin",
        "location",
        "x-internal-host",
    ] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!(reply.header("x-upstream-request-id"), Some("up-1"));
    answer(reply);
    gateway.end();
}

fn with_image(url: &str) -> Value {
    let mut body = request("hi", false);
    body["messages"][0]["content"] =
        json!([{"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": "What?"}]);
    body
}

#[test]
fn images_by_url_lead_into_no_private_network() {
    let gateway = open_door();
    for url in [
        "http://example.com/cat.png",
        "https://169.254.169.254/latest/meta-data/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost:9200/",
        "https://metadata.google.internal/",
        "https://user@127.0.0.1/",
        "file:///etc/passwd",
    ] {
        let error = failure(gateway.post(with_image(url)), 400, "invalid_request_error");
        assert!(error["message"].as_str().unwrap().starts_with("messages.0.content.0"), "{error}");
    }
    assert_eq!(gateway.upstream.requests().len(), 0);
    answer(gateway.post(with_image("https://example.com/cat.png")));
    gateway.end();
}

#[test]
fn forwarded_requests_name_no_private_hosts_either() {
    let upstream =
        Upstream::always(|_: &Request| Exchange::new().json(json!({"type": "message", "content": []})));
    let toml = "[upstream]\ndialect = 'messages'\n";
    let gateway = Gateway::before(upstream, |program| configured(program, toml));
    let error = failure(gateway.post(with_image("http://169.254.169.254/")), 400, "invalid_request_error");
    assert!(error["message"].as_str().unwrap().contains("images.url"), "{error}");
    assert_eq!(gateway.upstream.requests().len(), 0);
    answer(gateway.post(with_image("https://example.com/cat.png")));
    gateway.end();
}

#[test]
fn images_by_url_are_the_operators_choice() {
    let upstream = || Upstream::always(|_: &Request| Exchange::new().json(completion("Hello")));
    let with = |rule: &str| {
        let toml = format!("[images]\nurl = '{rule}'\n");
        Gateway::before(upstream(), |program| configured(program, &toml))
    };
    let gateway = with("pass");
    answer(gateway.post(with_image("http://127.0.0.1/cat.png")));
    gateway.end();
    let gateway = with("block");
    let error =
        failure(gateway.post(with_image("https://example.com/cat.png")), 400, "invalid_request_error");
    assert!(error["message"].as_str().unwrap().contains("images.url"), "{error}");
    gateway.end();
}
