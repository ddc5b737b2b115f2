//! TLS on both sides: towards clients with a certificate from files, towards an upstream whose issuer is not public.

use crate::support::LIVENESS;
use crate::support::bodies::{completion, request};
use crate::support::http::Connection;
use crate::support::program::{Program, Running};
use crate::support::serving::{CANARY, answer, configured, failure, messages, no_canary};
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

/// A certificate for `localhost` that is its own issuer.
struct Identity {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
    key_der: PrivateKeyDer<'static>,
}

fn identity() -> Identity {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let key_der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Identity { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().clone(), key_der }
}

const TLS: &str = "[server.tls]\ncert = 'gateway.crt'\nkey = 'gateway.key'\n";

/// The server, and its port.
fn start(identity: &Identity) -> (Running, u16) {
    let program = Program::aiapiproxy().args(["serve", "--demo", "--port", "0"]);
    let program = program.file("gateway.crt", &identity.cert).file("gateway.key", &identity.key);
    let running = configured(program, TLS).start();
    let told = running.wait_for_stderr("export ANTHROPIC_BASE_URL=https://127.0.0.1:");
    let told = running.wait_for_stderr("unchecked").replace(&told, "") + &told;
    let (_, rest) = told.split_once("listening on https://127.0.0.1:").unwrap();
    let port = rest.split(' ').next().unwrap().parse().unwrap();
    (running, port)
}

/// What a client that trusts this certificate hears, or why it hears nothing.
fn get_health(port: u16, trusted: &Identity) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(LIVENESS))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn clients_are_served_over_tls_and_a_new_certificate_comes_with_a_reload() {
    let (first, second) = (identity(), identity());
    let (running, port) = start(&first);
    assert!(get_health(port, &first).unwrap().starts_with("HTTP/1.1 200"));
    assert!(get_health(port, &second).is_err(), "it has the other certificate already");
    // A certificate without its key changes nothing.
    fs::write(running.folder().join("gateway.crt"), &second.cert).unwrap();
    running.signal("HUP");
    running.wait_for_stderr("configuration not reloaded");
    assert!(get_health(port, &first).unwrap().starts_with("HTTP/1.1 200"));
    fs::write(running.folder().join("gateway.key"), &second.key).unwrap();
    running.signal("HUP");
    running.wait_for_stderr("configuration reloaded");
    assert!(get_health(port, &second).unwrap().starts_with("HTTP/1.1 200"));
    assert!(get_health(port, &first).is_err(), "it still has the old certificate");
    running.signal("INT");
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn plain_http_on_a_tls_port_hurts_nobody() {
    let identity = identity();
    let (running, port) = start(&identity);
    let mut plain = Connection::open(&format!("http://127.0.0.1:{port}"));
    plain.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut heard = Vec::new();
    drop(socket.read_to_end(&mut heard));
    assert!(!heard.starts_with(b"HTTP"), "plain text on a TLS port");
    assert!(get_health(port, &identity).unwrap().starts_with("HTTP/1.1 200"));
    running.signal("INT");
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn health_asks_over_tls_too_and_believes_no_other_certificate() {
    let identity = identity();
    let (running, port) = start(&identity);
    let health = |cert: &str| {
        let program = Program::aiapiproxy().arg("health").env("SERVER_PORT", port.to_string());
        let program = program.file("gateway.crt", cert).file("gateway.key", &identity.key);
        configured(program, TLS).run()
    };
    let well = health(&identity.cert);
    assert_eq!(well.code, Some(0), "{well:?}");
    assert_eq!(health(&self::identity().cert).code, Some(1));
    running.signal("INT");
    running.wait();
}

#[test]
fn files_that_cannot_be_used_end_the_start_in_three_lines() {
    let (first, second) = (identity(), identity());
    let cases = [
        (&*first.cert, &*second.key, "gateway.crt"),
        ("no certificate", &*first.key, "gateway.crt"),
        (&*first.cert, "no key", "gateway.key"),
        (&*first.cert, &*first.cert, "gateway.key"),
    ];
    for (cert, key, named) in cases {
        let program = Program::aiapiproxy().args(["serve", "--demo", "--port", "0"]);
        let program = configured(program.file("gateway.crt", cert).file("gateway.key", key), TLS);
        let output = program.run();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        assert!(output.stderr.contains(named) && output.stderr.contains("server.tls"), "{}", output.stderr);
        assert!(!output.stderr.contains("PRIVATE KEY"), "{}", output.stderr);
    }
    let half =
        configured(Program::aiapiproxy().args(["serve", "--demo"]), "[server.tls]\ncert = 'x'\n").run();
    assert_eq!(half.code, Some(78));
    assert!(half.stderr.contains("server.tls.key"), "{}", half.stderr);
}

/// An upstream that speaks TLS, answers each request with the same message, and closes.
fn tls_upstream(identity: &Identity) -> u16 {
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.der.clone()], identity.key_der.clone_key())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            let mut buffer = [0; 16 << 10];
            // A client that does not trust this certificate sends nothing.
            let Ok(1..) = stream.read(&mut buffer) else { continue };
            let body = completion("Hello").to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}",
                body.len()
            );
            drop(stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n{body}").as_bytes()));
            stream.conn.send_close_notify();
            drop(stream.flush());
        }
    });
    port
}

#[test]
fn f38_an_upstream_with_a_private_issuer_needs_its_certificate_named() {
    let identity = identity();
    let port = tls_upstream(&identity);
    let serve = |more: &str| {
        let toml = format!("[upstream]\nbase_url = 'https://localhost:{port}/v1'\n{more}");
        let program = Program::aiapiproxy().env("OPENAI_API_KEY", CANARY).file("ca.pem", &identity.cert);
        crate::support::program::Server::start(configured(program, &toml))
    };
    let ask =
        |server: &crate::support::program::Server| messages(request("hi", false)).send(server.base_url());
    let server = serve("");
    let error = failure(ask(&server), 502, "api_error");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("TLS") && message.contains("upstream.ca_file"), "{message}");
    no_canary(&server.interrupt().stderr);
    let server = serve("ca_file = 'ca.pem'\n");
    assert_eq!(answer(ask(&server))["content"][0]["text"], "Hello");
    no_canary(&server.interrupt().stderr);
}

#[test]
fn a_ca_file_that_cannot_be_used_is_told() {
    for (text, part) in [("no certificate", "no certificate"), ("", "no certificate")] {
        let toml = "[upstream]\nbase_url = 'https://localhost:1/v1'\nca_file = 'ca.pem'\n";
        let program = Program::aiapiproxy().args(["serve", "--port", "0"]).env("OPENAI_API_KEY", CANARY);
        let output = configured(program.file("ca.pem", text), toml).run();
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        assert!(output.stderr.contains("ca.pem") && output.stderr.contains(part), "{}", output.stderr);
    }
}
