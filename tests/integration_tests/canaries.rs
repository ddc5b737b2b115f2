//! A secret in every place that takes one, and a search for each of them in every output that there is.

use crate::support::bodies::{chunks, completion, request};
use crate::support::http::{Call, Connection};
use crate::support::program::{Output, Program, Server};
use crate::support::serving::{body, configured, messages};
use crate::support::upstream::{Exchange, Request, Upstream};
use serde_json::json;

const UPSTREAM_KEY: &str = "sk-CANARY-upstream-4f1c9a7e02b8d635";
const HEADER: &str = "CANARY-header-9d2e7b61f0a4c583";
const CLIENT_KEY: &str = "CANARY-client-71c0e5d93b8a642f";
const WRONG_KEY: &str = "CANARY-wrong-c6a8f2d1047be395";
const PROMPT: &str = "CANARY-prompt-08b5d3f6e19a2c74";
const ANSWER: &str = "CANARY-answer-e7f40a1d6b93c258";

/// What must stand in no output. Prompts and answers may of course stand in answers, but in no log.
const KEYS: [&str; 4] = [UPSTREAM_KEY, HEADER, CLIENT_KEY, WRONG_KEY];

fn clean(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        // Half of a secret is one too.
        for part in [&secret[..20], &secret[secret.len() - 12..]] {
            assert!(!text.contains(part), "{part} stands in {what}: {text}");
        }
    }
}

fn clean_output(what: &str, output: &Output) {
    clean(what, &format!("{}\n{}", output.stdout, output.stderr), &KEYS);
}

/// An upstream that tells all it was told, in each way to fail.
fn gossip(request: &Request) -> Exchange {
    if request.method == "GET" {
        return Exchange::new().json(json!({"object": "list", "data": [{"id": "test-model"}]}));
    }
    let told = format!("{:?}", request.headers).replace(['"', '\\'], "'");
    let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
    let error = json!({"error": {"message": format!("Incorrect API key provided: {told}"), "code": "x"}});
    match model.as_str() {
        "401" | "400" | "429" | "500" => Exchange::new().status(model.parse().unwrap()).json(error),
        "html" => {
            Exchange::new().status(502).header("content-type", "text/html").piece(format!("<p>{told}</p>"))
        }
        "stream" => {
            let failure = json!({"error": {"message": told, "code": 500}}).to_string();
            Exchange::new().sse(&chunks(&[ANSWER])[..2]).sse([failure])
        }
        "whole-stream" => Exchange::new().sse(chunks(&[ANSWER])),
        "reset" => Exchange::new().sse(&chunks(&[ANSWER])[..2]).reset(),
        "inside" => Exchange::new().json(error),
        _ => Exchange::new().json(completion(ANSWER)),
    }
}

fn file(upstream: &Upstream) -> String {
    format!(
        "[upstream]\nbase_url = '{}/v1'\napi_key = '{UPSTREAM_KEY}'\nheaders = {{ x-tenant = '{HEADER}' }}\n\
         [[server.client_keys]]\nid = 'tester'\nkey = '{CLIENT_KEY}'\n",
        upstream.base_url()
    )
}

/// Every answer to every kind of request; the answers' text, of which only answers to messages may hold the prompt.
fn ask_everything(server: &Server) -> String {
    let mut heard: Vec<String> = Vec::new();
    let mut hear = |call: &Call| {
        let mut reply = call.send(server.base_url());
        let text = body(&mut reply);
        heard.extend([reply.status.to_string(), format!("{:?}", reply.headers), text]);
    };
    let models = ["fine", "401", "400", "429", "500", "html", "stream", "whole-stream", "reset", "inside"];
    for model in models {
        for stream in [false, true] {
            let mut request = request(PROMPT, stream);
            request["model"] = model.into();
            hear(&messages(request).header("x-api-key", CLIENT_KEY));
        }
    }
    hear(&messages(request(PROMPT, false)).header("authorization", &format!("Bearer {WRONG_KEY}")));
    hear(&messages(format!("{{\"model\": \"{PROMPT}\", nonsense")).header("x-api-key", CLIENT_KEY));
    for path in [
        "/",
        "/health",
        "/health/ready?upstream=required",
        "/health/live",
        "/v1/models",
        "/nowhere",
        "/metrics",
    ] {
        hear(&Call::get(path));
        hear(&Call::get(path).header("x-api-key", CLIENT_KEY));
    }
    hear(&Call::get(&format!("/v1/models?key={WRONG_KEY}")).header("x-api-key", CLIENT_KEY));
    heard.join("\n")
}

#[test]
fn no_secret_stands_in_any_output_of_the_server() {
    for format in ["text", "json"] {
        let upstream = Upstream::always(gossip);
        let program = configured(Program::aiapiproxy(), &file(&upstream)).env("LOG_FORMAT", format);
        let server = Server::start(program.env("RUST_LOG", "trace"));
        let heard = ask_everything(&server);
        clean("an answer", &heard, &KEYS);
        // Bytes that are no request at all.
        let mut connection = Connection::open(server.base_url());
        connection.write(format!("GET /{WRONG_KEY} HTTP/9\r\nx-api-key: {CLIENT_KEY}\r\n\r\n").as_bytes());
        clean("a refusal", &String::from_utf8_lossy(&connection.read_to_close()), &[CLIENT_KEY]);
        server.running().signal("HUP");
        server.running().wait_for_stderr("configuration reloaded");
        let output = server.interrupt();
        clean_output("the log at trace", &output);
        clean("the log at trace", &output.stderr, &[PROMPT, ANSWER]);
        assert!(output.stderr.contains("tester"), "the log names the client: {}", output.stderr);
    }
}

#[test]
fn no_secret_stands_in_the_output_of_any_command() {
    let upstream = Upstream::always(gossip);
    for command in [
        &["check"][..],
        &["check", "--json"],
        &["models"],
        &["models", "--json", "--live"],
        &["models", "claude-sonnet-5"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "validate"],
        &["health"],
        &["convert", "--help"],
    ] {
        let program = configured(Program::aiapiproxy().args(command), &file(&upstream));
        clean_output(&command.join(" "), &program.env("RUST_LOG", "trace").run());
    }
}

#[test]
fn no_secret_stands_in_a_message_about_a_mistake() {
    let files = [
        format!("[upstream]\napi_key = '{UPSTREAM_KEY}\n"),
        format!("[upstream]\napi_key = ['{UPSTREAM_KEY}']\n"),
        format!("[upstream]\napi_key = 'two words {UPSTREAM_KEY}'\n"),
        format!("[upstream]\napi_kei = '{UPSTREAM_KEY}'\n"),
        format!("[upstream]\nheaders = {{ x-tenant = \"{HEADER}\\u0007\" }}\n"),
        format!("[upstream]\nbase_url = 'https://user:{UPSTREAM_KEY}@api.example/v1'\n"),
        format!("[upstream]\nbase_url = 'https://api.example/v1?key={UPSTREAM_KEY}'\n"),
        format!("[upstream]\napi_key_command = ['sh', '-c', 'echo {UPSTREAM_KEY} {HEADER}']\n"),
        format!("[[server.client_keys]]\nid = 'a'\nkey = '{CLIENT_KEY} x'\n"),
        format!("[[server.client_keys]]\nid = 'a'\nsha256 = '{CLIENT_KEY}'\n"),
    ];
    for file in files {
        let program = configured(Program::aiapiproxy().args(["serve", "--port", "0"]), &file);
        let output = program.run();
        assert_eq!(output.code, Some(78), "{file}: {}", output.stderr);
        clean_output(&file, &output);
    }
    for (name, value) in [
        ("OPENAI_API_KEY", format!("{UPSTREAM_KEY} {HEADER}")),
        ("CLIENT_API_KEYS", format!("{CLIENT_KEY},")),
        ("OPENAI_BASE_URL", format!("https://{UPSTREAM_KEY}@api.example/")),
    ] {
        let output = Program::aiapiproxy().args(["serve", "--port", "0"]).env(name, &value).run();
        assert_eq!(output.code, Some(78), "{name}: {}", output.stderr);
        clean_output(name, &output);
    }
}

#[test]
fn a_key_on_the_command_line_is_refused_and_not_repeated() {
    for arguments in [
        &["serve", "--api-key", UPSTREAM_KEY][..],
        &["serve", &format!("--api-key={UPSTREAM_KEY}")],
        &["check", "--token", UPSTREAM_KEY],
        &["models", "--key", UPSTREAM_KEY],
    ] {
        let output = Program::aiapiproxy().args(arguments).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert!(
            output.stderr.contains("OPENAI_API_KEY") && output.stderr.contains("ps"),
            "{}",
            output.stderr
        );
        clean_output("the refusal", &output);
    }
}

#[test]
fn a_command_may_print_the_key_and_is_run_again_at_a_reload() {
    let upstream = Upstream::always(|_: &Request| Exchange::new().json(completion("Hello")));
    let toml =
        format!("[upstream]\nbase_url = '{}/v1'\napi_key_command = ['cat', 'vault']\n", upstream.base_url());
    let server = Server::start(configured(Program::aiapiproxy(), &toml).file("vault", UPSTREAM_KEY));
    let ask = || messages(request("hi", false)).send(server.base_url()).status;
    assert_eq!(ask(), 200);
    std::fs::write(server.running().folder().join("vault"), "sk-CANARY-renewed-5e2b8d71").unwrap();
    server.running().signal("HUP");
    server.running().wait_for_stderr("configuration reloaded");
    assert_eq!(ask(), 200);
    let keys: Vec<_> =
        upstream.requests().iter().map(|it| it.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(keys, [format!("Bearer {UPSTREAM_KEY}"), "Bearer sk-CANARY-renewed-5e2b8d71".to_owned()]);
    let output = server.interrupt();
    clean_output("the log", &output);
}

#[test]
fn a_proxy_on_the_way_is_told_at_the_start_without_its_password() {
    let program = Program::aiapiproxy()
        .env("OPENAI_API_KEY", UPSTREAM_KEY)
        .env("HTTPS_PROXY", format!("http://user:{HEADER}@127.0.0.1:9"));
    let server = Server::start(program);
    let stderr = server.interrupt().stderr;
    assert!(stderr.contains("through the proxy of env HTTPS_PROXY"), "{stderr}");
    clean("the start line", &stderr, &KEYS);
}
