//! Who may call: client keys, the name that was called, web pages, and ports that others can reach.

use crate::support::bodies::{completion, request};
use crate::support::http::{Call, Connection, Reply};
use crate::support::program::{Program, Server};
use crate::support::serving::{CANARY, Gateway, answer, body, configured, failure, messages, no_canary};
use crate::support::upstream::{Exchange, Upstream};

fn hello(_: &crate::support::upstream::Request) -> Exchange {
    Exchange::new().json(completion("Hello"))
}

fn with_keys() -> Gateway {
    Gateway::before(Upstream::always(hello), |program| {
        program.env("CLIENT_API_KEYS", "key-of-alice, key-of-bob")
    })
}

fn plain() -> Call {
    messages(request("hi", false))
}

fn refused(reply: Reply) {
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    failure(reply, 401, "authentication_error");
}

#[test]
fn a_key_is_taken_in_either_header() {
    let gateway = with_keys();
    let good = [
        plain().header("x-api-key", "key-of-alice"),
        plain().header("X-Api-Key", "key-of-bob"),
        plain().header("authorization", "Bearer key-of-alice"),
        plain().header("authorization", "bearer key-of-bob"),
        plain().header("authorization", "BEARER   key-of-bob"),
        plain().header("x-api-key", "wrong").header("authorization", "Bearer key-of-bob"),
        plain().header("x-api-key", "key-of-bob").header("authorization", "Bearer wrong"),
    ];
    for call in &good {
        answer(gateway.send(call));
    }
    let seen = gateway.upstream.requests();
    assert_eq!(seen.len(), good.len());
    for request in seen {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {CANARY}")));
        assert!(!format!("{:?}", request.headers).contains("key-of"), "a client's key was passed on");
    }
    let stderr = gateway.end();
    assert!(stderr.contains("client.id=\"key1\"") && stderr.contains("client.id=\"key2\""), "{stderr}");
    assert!(!stderr.contains("key-of"), "a client's key was logged: {stderr}");
}

#[test]
fn without_a_good_key_every_door_is_shut_before_the_body_is_read() {
    let bad: [&[(&str, &str)]; 10] = [
        &[],
        &[("x-api-key", "")],
        &[("x-api-key", "wrong-key-1")],
        &[("x-api-key", "key-of-alic")],
        &[("x-api-key", "key-of-alice2")],
        &[("x-api-key", "KEY-OF-ALICE")],
        &[("x-api-key", "key-of-alice, key-of-bob")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic key-of-alice")],
        &[("x-api-key", CANARY)],
    ];
    let mut answers = Vec::new();
    for headers in bad {
        // One server each: who fails too often hears something else.
        let gateway = with_keys();
        let with = |call: Call| headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        refused(gateway.send(&with(plain())));
        refused(gateway.send(&with(messages("not even JSON"))));
        refused(gateway.send(&with(Call::post("/v1/messages/count_tokens").json("{}"))));
        refused(gateway.send(&with(Call::get("/v1/models"))));
        refused(gateway.send(&with(Call::get("/v1/models/claude-sonnet-5-5"))));
        refused(gateway.send(&with(Call::get("/metrics"))));
        let mut reply = gateway.send(&with(plain()));
        let id = reply.header("request-id").unwrap().to_owned();
        answers.push(body(&mut reply).replace(&id, ""));
        assert_eq!(gateway.upstream.requests().len(), 0);
        let stderr = gateway.end();
        assert!(stderr.contains("security.event=\"auth_failed\""), "{stderr}");
        assert!(!stderr.contains("wrong-key-1"), "what was presented is nobody's business: {stderr}");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answer tells why: {answers:?}");
}

#[test]
fn keys_of_the_file_may_be_hashes() {
    // SHA-256 of "key-of-carol", as `sha256sum` prints it.
    let toml = "[[server.client_keys]]\nid = 'alice'\nkey = 'key-of-alice'\n\
                [[server.client_keys]]\nid = 'carol'\n\
                sha256 = '578bf4884467dbb6929c1e455931841dd606f0a38d410375e84925e523e7c407'\n";
    let gateway = Gateway::before(Upstream::always(hello), |program| configured(program, toml));
    answer(gateway.send(&plain().header("x-api-key", "key-of-alice")));
    answer(gateway.send(&plain().header("x-api-key", "key-of-carol")));
    refused(gateway.send(
        &plain().header("x-api-key", "578bf4884467dbb6929c1e455931841dd606f0a38d410375e84925e523e7c407"),
    ));
    let stderr = gateway.end();
    assert!(stderr.contains("client.id=\"carol\""), "{stderr}");
}

#[test]
fn passthrough_takes_the_clients_key_to_the_upstream_and_no_other() {
    let answers = |request: &crate::support::upstream::Request| {
        if request.header("authorization") == Some("Bearer sk-client-bad") {
            let error = r#"{"error":{"message":"Incorrect API key provided: sk-client-bad","code":"invalid_api_key"}}"#;
            Exchange::new().status(401).json(error)
        } else {
            Exchange::new().json(completion("Hello"))
        }
    };
    let gateway = Gateway::before(Upstream::always(answers), |program| {
        configured(program, "[server]\nauth = 'passthrough'\n")
    });
    answer(gateway.send(&plain().header("x-api-key", "sk-client-1")));
    answer(gateway.send(&plain().header("authorization", "Bearer sk-client-2")));
    refused(gateway.send(&plain()));
    let bad = gateway.send(&plain().header("x-api-key", "sk-client-bad"));
    let error = failure(bad, 401, "authentication_error");
    assert!(!error.to_string().contains("sk-client-bad"), "{error}");
    let keys: Vec<_> =
        gateway.upstream.requests().iter().map(|it| it.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(keys, ["Bearer sk-client-1", "Bearer sk-client-2", "Bearer sk-client-bad"]);
    let stderr = gateway.end();
    assert!(!stderr.contains("sk-client"), "{stderr}");
}

#[test]
fn on_loopback_no_key_is_needed_but_the_right_name() {
    let gateway = Gateway::before(Upstream::always(hello), |program| {
        configured(program, "[server]\nallowed_hosts = ['gateway.lan']\n")
    });
    answer(gateway.send(&plain()));
    answer(gateway.send(&plain().header("x-api-key", "whatever")));
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:99", "gateway.lan:8082"] {
        answer(gateway.send(&plain().header("host", host)));
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8082",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "",
    ] {
        let error = failure(gateway.send(&plain().header("host", host)), 421, "invalid_request_error");
        let text = error["message"].as_str().unwrap();
        assert!(text.contains("CLIENT_API_KEYS") && text.contains("server.allowed_hosts"), "{text}");
    }
    failure(
        gateway.send(&Call::get("/v1/models").header("host", "evil.example")),
        421,
        "invalid_request_error",
    );
    let stderr = gateway.end();
    assert!(stderr.contains("security.event=\"host_refused\""), "{stderr}");
}

#[test]
fn with_keys_any_name_will_do() {
    let gateway = with_keys();
    answer(gateway.send(&plain().header("host", "gateway.example").header("x-api-key", "key-of-bob")));
    gateway.end();
}

fn preflight(origin: &str) -> Call {
    Call::new("OPTIONS", "/v1/messages")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, x-api-key, anthropic-version")
}

#[test]
fn without_keys_no_web_page_may_spend_the_operators_key() {
    let gateway = Gateway::start(vec![]);
    for origin in ["https://evil.example", "null", "http://localhost:3000", ""] {
        let reply = gateway.send(&plain().header("origin", origin));
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        failure(reply, 403, "permission_error");
        let reply = gateway.send(&preflight(origin));
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None), "{origin}");
    }
    let stderr = gateway.end();
    assert!(stderr.contains("security.event=\"origin_refused\""), "{stderr}");
}

#[test]
fn a_listed_web_page_may_call_and_read_what_it_needs() {
    let gateway = Gateway::before(Upstream::always(hello), |program| {
        program.env("ALLOWED_ORIGINS", "https://app.example, http://localhost:3000")
    });
    for origin in ["https://app.example", "http://localhost:3000"] {
        let reply = gateway.send(&preflight(origin));
        assert!(reply.status < 300, "{}", reply.status);
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        let allowed = reply.header("access-control-allow-headers").unwrap_or_default().to_owned();
        assert!(allowed.contains("x-api-key") && allowed.contains("anthropic-version"), "{allowed}");
        let reply = gateway.send(&plain().header("origin", origin));
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        let exposed = reply.header("access-control-expose-headers").unwrap_or_default().to_ascii_lowercase();
        assert!(exposed.contains("request-id") && exposed.contains("retry-after"), "{exposed}");
        answer(reply);
    }
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example"] {
        failure(gateway.send(&plain().header("origin", origin)), 403, "permission_error");
    }
    gateway.end();
}

#[test]
fn with_keys_a_star_lets_every_page_in_that_has_one() {
    let gateway = with_keys();
    let page = |call: Call| call.header("origin", "https://any.example");
    let reply = gateway.send(&page(plain()).header("x-api-key", "key-of-bob"));
    assert!(reply.header("access-control-allow-origin").is_some());
    answer(reply);
    let reply = gateway.send(&page(plain()));
    assert!(reply.header("access-control-allow-origin").is_some(), "a page may read why it was refused");
    refused(reply);
    assert!(gateway.send(&preflight("https://any.example")).status < 300, "a preflight has no key");
    gateway.end();
}

#[test]
fn cors_can_be_turned_off() {
    let gateway = Gateway::before(Upstream::always(hello), |program| {
        program
            .env("CLIENT_API_KEYS", "k")
            .env("CORS_ENABLED", "false")
            .env("ALLOWED_ORIGINS", "https://app.example")
    });
    let reply = gateway.send(&plain().header("origin", "https://app.example").header("x-api-key", "k"));
    assert_eq!(reply.header("access-control-allow-origin"), None);
    failure(reply, 403, "permission_error");
    answer(gateway.send(&plain().header("x-api-key", "k")));
    gateway.end();
}

#[test]
fn a_port_that_others_reach_demands_a_key_that_was_made_for_it() {
    let upstream = Upstream::always(hello);
    let program =
        Program::aiapiproxy().upstream(&upstream).env("OPENAI_API_KEY", CANARY).env("SERVER_HOST", "0.0.0.0");
    let server = Server::start(program);
    server.running().wait_for_stderr("shown once");
    let said = server.stderr();
    let key = said
        .lines()
        .find_map(|line| line.split_once("export ANTHROPIC_AUTH_TOKEN="))
        .expect("a key")
        .1
        .trim();
    assert!(
        key.starts_with("aap_") && key.len() >= 4 + 43,
        "256 bits are 43 letters of base64: {} letters",
        key.len()
    );
    let home = said
        .lines()
        .find_map(|line| line.split_once("export ANTHROPIC_BASE_URL="))
        .expect("an address")
        .1
        .trim();
    assert!(home.starts_with("http://127.0.0.1:"), "{home}");
    answer(plain().header("x-api-key", key).send(home));
    answer(plain().header("authorization", &format!("Bearer {key}")).send(home));
    refused(plain().send(home));
    refused(plain().header("x-api-key", &key[..key.len() - 1]).send(home));
    upstream.finish();
    let key = key.to_owned();
    let output = server.interrupt();
    no_canary(&output.stderr);
    assert_eq!(
        (output.code, output.stderr.matches(&key).count()),
        (Some(0), 1),
        "shown once: {}",
        output.stderr
    );
}

#[test]
fn a_made_key_is_another_one_each_time() {
    let key = || {
        let server = Server::start(Program::aiapiproxy().args(["--demo", "--host", "0.0.0.0"]));
        let said = server.running().wait_for_stderr("shown once");
        said.lines().find_map(|line| line.split_once("AUTH_TOKEN=")).expect("a key").1.to_owned()
    };
    assert_ne!(key(), key());
}

#[test]
fn a_port_that_others_reach_is_not_opened_to_all_by_a_setting_alone() {
    let open = || {
        let program = Program::aiapiproxy().env("OPENAI_API_KEY", CANARY).env("SERVER_HOST", "0.0.0.0");
        configured(program.arg("serve").args(["--port", "0"]), "[server]\nauth = 'none'\n")
    };
    let output = open().run();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    assert!(output.stderr.contains("--allow-unauthenticated"), "{}", output.stderr);
    assert!(output.stderr.trim().lines().count() <= 3, "{}", output.stderr);
    let server = Server::start_as_is(open().arg("--allow-unauthenticated"));
    assert_eq!(Call::get("/health").send(&server.base_url().replace("0.0.0.0", "127.0.0.1")).status, 200);
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn an_empty_list_of_keys_is_no_open_door() {
    for keys in ["", " ", ",", "good-key,", "two words"] {
        let program =
            Program::aiapiproxy().args(["serve", "--demo", "--port", "0"]).env("CLIENT_API_KEYS", keys);
        let output = program.run();
        assert_eq!(output.code, Some(78), "{keys:?}: {}", output.stderr);
        assert!(
            output.stderr.contains("CLIENT_API_KEYS") || output.stderr.contains("client_keys"),
            "{}",
            output.stderr
        );
        assert!(!output.stderr.contains("good-key"), "{}", output.stderr);
    }
}

#[test]
fn telemetry_without_a_key_is_answered_unread() {
    let gateway = Gateway::with(vec![], |program| program.env("CLIENT_API_KEYS", "key-a"));
    let mut connection = Connection::open(gateway.server.base_url());
    connection.write(
        b"POST /api/event_logging/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
          content-length: 31457280\r\n\r\n{",
    );
    assert_eq!(connection.reply(false).status, 200, "although its body never comes");
    gateway.end();
}
