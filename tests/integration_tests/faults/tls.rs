//! Upstreams behind TLS: bad certificates are named and never accepted, and HTTP/1.1 is spoken.

use crate::support::bodies::{completion, request};
use crate::support::program::{Program, Server};
use crate::support::serving::{CANARY, answer, failure, messages};
use crate::support::tls::{Flaw, TlsUpstream};

fn server(upstream: &TlsUpstream, trusts_issuer: bool) -> Server {
    let program = Program::aiapiproxy()
        .env("OPENAI_BASE_URL", format!("{}/v1", upstream.base_url()))
        .env("OPENAI_API_KEY", CANARY);
    let issuer = program.folder().join("issuer.pem");
    let program = program.file("issuer.pem", upstream.issuer());
    Server::start(if trusts_issuer { program.env("SSL_CERT_FILE", issuer) } else { program })
}

#[test]
fn f38_a_bad_certificate_is_refused_with_its_flaw_and_a_cure() {
    let table = [
        (Flaw::None, false, "UnknownIssuer"),
        (Flaw::Expired, true, "expired"),
        (Flaw::OtherName, true, "not valid for name"),
    ];
    for (flaw, trusts_issuer, reason) in table {
        let upstream = TlsUpstream::start(flaw, completion("Hello").to_string());
        let server = server(&upstream, trusts_issuer);
        let reply = messages(request("hi", false)).send(server.base_url());
        assert_eq!(reply.header("x-should-retry"), Some("false"), "another try meets the same certificate");
        let error = failure(reply, 502, "api_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("TLS failed") && message.contains(reason), "{flaw:?}: {message}");
        assert!(message.contains("SSL_CERT_FILE"), "{message}");
        assert_eq!(upstream.protocols().len(), 0, "nothing was sent");
        assert_eq!(server.interrupt().code, Some(0));
    }
}

#[test]
fn f46_http_1_is_spoken_even_if_the_upstream_would_speak_http_2() {
    let upstream = TlsUpstream::start(Flaw::None, completion("Hello").to_string());
    let server = server(&upstream, true);
    for _ in 0..2 {
        let said = answer(messages(request("hi", false)).send(server.base_url()));
        assert_eq!(said["content"][0]["text"], "Hello");
    }
    // A connection for each of many streams, and not one for all of them.
    for agreed in upstream.protocols() {
        assert!(agreed.is_none_or(|name| name == "http/1.1"));
    }
    assert_eq!(server.interrupt().code, Some(0));
}
