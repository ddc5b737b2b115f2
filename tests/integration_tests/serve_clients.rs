//! What a client's key allows: until when, which models, how much in a minute, how much at once; and `keys new`.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::{Call, Reply};
use crate::support::program::{Program, Server};
use crate::support::serving::{
    CANARY, Gateway, answer, configured, failure, messages, no_canary, request_for, streamed,
};
use crate::support::upstream::{Exchange, Request, Upstream};
use crate::support::watched::Gate;
use serde_json::Value;

/// A server with one key, `key-of-alice`, and these terms of it.
fn with_terms(script: Vec<Exchange>, terms: &str) -> Gateway {
    Gateway::with_config(script, &table(terms))
}

fn table(terms: &str) -> String {
    format!(
        "[[server.client_keys]]\nid = 'bob'\nkey = 'key-of-bob'\n\
         [[server.client_keys]]\nid = 'alice'\nkey = 'key-of-alice'\n{terms}\n"
    )
}

fn hello() -> Exchange {
    Exchange::new().json(completion("Hello"))
}

fn ask(gateway: &Gateway, key: &str) -> Reply {
    gateway.send(&messages(request("hi", false)).header("x-api-key", key))
}

/// A 429 that says when to come back: its seconds.
fn exhausted(reply: Reply) -> u64 {
    let wait = reply.header("retry-after").expect("retry-after").parse().unwrap();
    failure(reply, 429, "rate_limit_error");
    wait
}

#[test]
fn f29_requests_per_minute_are_counted_told_and_refused() {
    let gateway = with_terms(vec![hello(), hello(), hello()], "requests_per_minute = 2");
    for left in ["1", "0"] {
        let reply = ask(&gateway, "key-of-alice");
        assert_eq!(reply.header("anthropic-ratelimit-requests-limit"), Some("2"));
        assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), Some(left));
        let reset = reply.header("anthropic-ratelimit-requests-reset").unwrap();
        assert!(reset.starts_with("20") && reset.ends_with('Z') && reset.len() == 20, "{reset}");
        answer(reply);
    }
    let refused = ask(&gateway, "key-of-alice");
    assert_eq!(refused.header("anthropic-ratelimit-requests-remaining"), Some("0"));
    assert!((1..=30).contains(&exhausted(refused)));
    // Others have limits of their own, or none; what costs nothing is not counted.
    let other = ask(&gateway, "key-of-bob");
    assert_eq!(other.header("anthropic-ratelimit-requests-limit"), None);
    answer(other);
    assert_eq!(gateway.send(&Call::get("/v1/models").header("x-api-key", "key-of-alice")).status, 200);
    let stderr = gateway.end();
    assert!(stderr.contains("security.event=\"rate_limited\"") && stderr.contains("alice"), "{stderr}");
}

#[test]
fn tokens_per_minute_are_charged_when_they_are_known() {
    // `completion` tells of some tokens; a limit of one is in debt after it.
    let gateway = with_terms(vec![hello()], "tokens_per_minute = 1");
    let reply = ask(&gateway, "key-of-alice");
    assert_eq!(reply.header("anthropic-ratelimit-tokens-remaining"), Some("1"));
    answer(reply);
    // The charge is made when the answer's last byte is out, which may be after the client has it.
    gateway.server.running().wait_for_stderr("end=\"complete\"");
    let refused = ask(&gateway, "key-of-alice");
    assert_eq!(refused.header("anthropic-ratelimit-tokens-remaining"), Some("0"));
    assert!(exhausted(refused) > 0);
    gateway.end();
}

#[test]
fn who_leaves_before_the_end_pays_by_estimate() {
    let events = chunks(&["Hel", "lo"]);
    let script = vec![Exchange::new().sse(&events[..2]).hang()];
    let gateway = with_terms(script, "tokens_per_minute = 1");
    let call = messages(request("hi", true)).header("x-api-key", "key-of-alice");
    let mut reply = gateway.send(&call);
    reply.events_until(|event| event.data.contains("Hel"));
    drop(reply);
    gateway.server.running().wait_for_stderr("client_closed");
    exhausted(ask(&gateway, "key-of-alice"));
    gateway.end();
}

#[test]
fn requests_at_the_same_time_are_limited_and_places_come_back() {
    let gate = Gate::new();
    let events = chunks(&["Hel", "lo"]);
    let script = vec![Exchange::new().sse(&events[..2]).pause(&gate).sse(&events[2..]), hello(), hello()];
    let gateway = with_terms(script, "max_concurrent = 1");
    let mut running = gateway.send(&messages(request("hi", true)).header("x-api-key", "key-of-alice"));
    running.events_until(|event| event.data.contains("Hel"));
    assert_eq!(exhausted(ask(&gateway, "key-of-alice")), 1);
    answer(ask(&gateway, "key-of-bob"));
    gate.open();
    running.events();
    gateway.server.running().wait_for_stderr_times("end=\"complete\"", 2);
    answer(ask(&gateway, "key-of-alice"));
    gateway.end();
}

#[test]
fn an_expired_key_is_nobodys() {
    let gateway = with_terms(vec![hello()], "expires = 2001-01-01");
    let wrong = |key: &str| {
        let mut reply = ask(&gateway, key);
        let id = reply.header("request-id").unwrap().to_owned();
        (reply.status, reply.text().replace(&id, ""))
    };
    assert_eq!(wrong("key-of-alice"), wrong("key-of-nobody"));
    answer(ask(&gateway, "key-of-bob"));
    let stderr = gateway.end();
    assert!(stderr.contains("\"alice\" has expired") && stderr.contains("expired key"), "{stderr}");
    let gateway = with_terms(vec![hello()], "expires = 2999-01-01");
    answer(ask(&gateway, "key-of-alice"));
    gateway.end();
}

#[test]
fn a_key_for_some_models_opens_no_others() {
    let terms = "models = ['claude-haiku-*']\n[models]\nhaiku = 'small'\nopus = 'big'\n";
    let gateway = with_terms(vec![hello(), hello()], terms);
    let ask =
        |model: &str, key: &str| gateway.send(&messages(request_for(model, false)).header("x-api-key", key));
    answer(ask("claude-haiku-5", "key-of-alice"));
    let error = failure(ask("claude-opus-5", "key-of-alice"), 403, "permission_error");
    assert!(error["message"].as_str().unwrap().contains("claude-opus-5"), "{error}");
    answer(ask("claude-opus-5", "key-of-bob"));
    let count = Call::post("/v1/messages/count_tokens").header("x-api-key", "key-of-alice");
    failure(gateway.send(&count.json(request_for("claude-opus-5", false))), 403, "permission_error");
    let listed = |key: &str| {
        let list: Value = answer(gateway.send(&Call::get("/v1/models").header("x-api-key", key)));
        list["data"].as_array().unwrap().iter().map(|it| it["id"].to_string()).collect::<String>()
    };
    assert!(listed("key-of-bob").contains("opus"));
    assert!(!listed("key-of-alice").contains("opus"), "{}", listed("key-of-alice"));
    failure(
        gateway.send(&Call::get("/v1/models/claude-opus-5").header("x-api-key", "key-of-alice")),
        404,
        "not_found_error",
    );
    gateway.end();
}

#[test]
fn a_key_for_some_models_opens_no_others_where_requests_are_forwarded() {
    let config = format!("{}[upstream]\ndialect = 'messages'\n", table("models = ['claude-haiku-*']"));
    let gateway = Gateway::with_config(vec![], &config);
    let call = messages(request_for("claude-opus-5", false)).header("x-api-key", "key-of-alice");
    failure(gateway.send(&call), 403, "permission_error");
    gateway.end();
}

#[test]
fn many_wrong_keys_of_one_address_are_throttled_but_no_right_one() {
    let upstream = Upstream::always(|_: &Request| hello());
    let gateway = Gateway::before(upstream, |program| configured(program, &table("")));
    for _ in 0..20 {
        failure(ask(&gateway, "wrong"), 401, "authentication_error");
    }
    assert!((1..=6).contains(&exhausted(ask(&gateway, "wrong"))));
    exhausted(gateway.send(&messages(request("hi", false))));
    for _ in 0..3 {
        answer(ask(&gateway, "key-of-alice"));
    }
    gateway.end();
}

#[test]
fn behind_a_trusted_proxy_each_client_is_counted_for_itself() {
    let config = format!("[server]\ntrusted_proxies = ['127.0.0.0/8']\n{}", table(""));
    let gateway = Gateway::with_config(vec![], &config);
    let knock = |from: &str| {
        let call = messages(request("hi", false)).header("x-api-key", "wrong");
        gateway.send(&call.header("x-forwarded-for", from)).status
    };
    for number in 0..20 {
        // What the client itself wrote before the proxy's word changes nothing.
        assert_eq!(knock(&format!("10.0.0.{number}, 192.0.2.1")), 401);
    }
    assert_eq!((knock("192.0.2.1"), knock("192.0.2.2")), (429, 401));
    let stderr = gateway.end();
    assert!(stderr.contains("client.address=192.0.2.1"), "{stderr}");
}

#[test]
fn without_a_trusted_proxy_forwarded_addresses_are_nobodys_word() {
    let gateway = Gateway::with_config(vec![], &table(""));
    let statuses: Vec<u16> = (0..21)
        .map(|number| {
            let call = messages(request("hi", false)).header("x-forwarded-for", &format!("192.0.2.{number}"));
            gateway.send(&call).status
        })
        .collect();
    assert_eq!((statuses[19], statuses[20]), (401, 429));
    let stderr = gateway.end();
    assert!(stderr.contains("client.address=127.0.0.1:") && !stderr.contains("192.0.2"), "{stderr}");
}

#[test]
fn a_new_key_opens_the_door_with_the_table_that_came_with_it() {
    let made = Program::aiapiproxy().args(["keys", "new", "--id", "alice"]).run();
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let (key, table) = made.stdout.split_once("\n\n").unwrap();
    assert!(key.starts_with("aap_") && key.len() == 47, "{} letters", key.len());
    assert!(!table.contains(key), "the file holds the hash only");
    let upstream = Upstream::start(vec![Exchange::new().sse(chunks(&["Hi"]))]);
    let program = Program::aiapiproxy().upstream(&upstream).env("OPENAI_API_KEY", CANARY);
    let server = Server::start(configured(program, table));
    let call = messages(request("hi", true)).header("authorization", &format!("Bearer {key}"));
    streamed(call.send(server.base_url()));
    let stderr = server.interrupt().stderr;
    no_canary(&stderr);
    assert!(stderr.contains("client.id=\"alice\"") && !stderr.contains(key), "{stderr}");
}

#[test]
fn keys_are_made_for_scripts_too_and_ids_are_plain() {
    let made = Program::aiapiproxy().args(["keys", "new", "--json"]).run();
    let json: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(json["id"], "client");
    assert_eq!((json["key"].as_str().unwrap().len(), json["sha256"].as_str().unwrap().len()), (47, 64));
    for id in ["", "two words", "a\"b", "a\nb", &"x".repeat(65)] {
        assert_eq!(Program::aiapiproxy().args(["keys", "new", "--id", id]).run().code, Some(2), "{id:?}");
    }
}
