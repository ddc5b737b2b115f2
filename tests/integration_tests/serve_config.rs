//! What `serve` makes of its configuration: layers, files, and mistakes that end it with a way out.

use crate::support::bodies::completion;
use crate::support::program::{Output, Program};
use crate::support::serving::{CANARY, CHAT, Gateway, configured, no_canary};
use crate::support::upstream::{Exchange, Upstream};

fn serve() -> Program {
    Program::aiapiproxy().args(["serve", "--port", "0"]).env("OPENAI_API_KEY", CANARY)
}

/// Three lines at most, by the exit code of a wrong configuration.
fn wrong(program: Program) -> String {
    let Output { code, stdout, stderr } = program.run();
    assert_eq!((code, stdout.as_str()), (Some(78), ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.trim_end().lines().count() <= 3, "{stderr}");
    no_canary(&stderr);
    stderr
}

#[test]
fn f50_a_mistake_in_the_file_is_told_with_key_file_line_and_nearest_name() {
    let table: [(&str, &[&str]); 9] = [
        ("[server]\nprot = 1\n", &["`server.prot`", ":2:", "`server.port`"]),
        ("[servers]\nport = 1\n", &["servers", ":1:", "server"]),
        (
            "\n\n[limits]\nmax_request_sise = '1MiB'\n",
            &["limits.max_request_sise", ":4:", "max_request_size"],
        ),
        ("[server]\nport = 'x'\n", &["server.port", ":2"]),
        ("[server]\nport = 70000\n", &["server.port", ":2"]),
        ("[limits]\nping_interval = 'soon'\n", &["limits.ping_interval", "\"soon\"", ":2"]),
        ("[upstream]\npreset = 'openia'\n", &["upstream.preset", "openia", "openai", ":2"]),
        ("[server\nport = 1\n", &[":1:"]),
        ("[upstream.quirks]\nsystem_mode = 'folded'\n", &["upstream.quirks.system_mode", "fold", ":2"]),
    ];
    for (toml, parts) in table {
        let stderr = wrong(configured(serve(), toml));
        for part in parts.iter().chain(&["aiapiproxy.toml"]) {
            assert!(stderr.contains(part), "{part} is missing for {toml:?}: {stderr}");
        }
    }
}

#[test]
fn a_mistake_in_the_environment_is_told_with_its_variable() {
    let table = [
        ("SERVER_PORT", "eighty"),
        ("SERVER_HOST", "http://x"),
        ("REQUEST_TIMEOUT", "-1"),
        ("REQUEST_TIMEOUT", "0"),
        ("MAX_REQUEST_SIZE", "big"),
        ("MAX_CONCURRENT_REQUESTS", "0"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "a=b=c"),
        ("DEV_MODE", "maybe"),
        ("CORS_ENABLED", "2"),
        ("ALLOWED_ORIGINS", "app.example"),
        ("OPENAI_BASE_URL", "not a url"),
        ("OPENAI_BASE_URL", "ftp://x/v1"),
        ("OPENAI_API_KEY", "sk-CANARY-0f1e2d3c4b5a6978 two words"),
    ];
    for (name, value) in table {
        let program = Program::aiapiproxy().arg("serve").env("OPENAI_API_KEY", CANARY).env(name, value);
        let stderr = wrong(program);
        assert!(stderr.contains(name), "{name}={value}: {stderr}");
    }
}

#[test]
fn a_hosted_upstream_without_a_key_is_told_before_anybody_asks() {
    for preset in ["openai", "openrouter", "groq", "deepseek", "mistral", "gemini"] {
        for key in ["", "  "] {
            let program =
                Program::aiapiproxy().args(["serve", "--preset", preset]).env("OPENAI_API_KEY", key);
            let stderr = wrong(program);
            assert!(stderr.contains("OPENAI_API_KEY") && stderr.contains(preset), "{stderr}");
        }
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let stderr = wrong(serve().args(["--config", "nowhere.toml"]));
    assert!(stderr.contains("nowhere.toml"), "{stderr}");
    let stderr = wrong(serve().env("AIAPIPROXY_CONFIG", "nowhere.toml"));
    assert!(stderr.contains("nowhere.toml"), "{stderr}");
    let stderr = wrong(serve().args(["--env-file", "nowhere.env"]));
    assert!(stderr.contains("nowhere.env"), "{stderr}");
}

/// Which model the upstream is asked for sonnet, in these circumstances.
fn asked_model(change: impl FnOnce(Program) -> Program) -> String {
    let gateway = Gateway::with(vec![Exchange::new().expect_path(CHAT).json(completion("Hello"))], change);
    gateway.say("hi");
    let model = gateway.request().json()["model"].as_str().unwrap().to_owned();
    gateway.end();
    model
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let file = "[models]\nsonnet = 'of-the-file'\n";
    assert_eq!(asked_model(|program| program), "claude-sonnet-5-5");
    assert_eq!(asked_model(|program| configured(program, file)), "of-the-file");
    let both = |program| configured(program, file).env("CLAUDE_SONNET_MODEL", "of-the-variable");
    assert_eq!(asked_model(both), "of-the-variable");
    let named = |program: Program| program.file("named.toml", file).env("AIAPIPROXY_CONFIG", "named.toml");
    assert_eq!(asked_model(named), "of-the-file");
    let at_home = |program: Program| program.file("../home/.config/aiapiproxy/config.toml", file);
    assert_eq!(asked_model(at_home), "of-the-file");
    let hidden = |program| at_home(configured(program, "[models]\nsonnet = 'of-the-named-file'\n"));
    assert_eq!(asked_model(hidden), "of-the-named-file");
}

#[test]
fn a_flag_wins_over_everything() {
    let upstream = Upstream::start(vec![
        Exchange::new().expect_path("/flag/chat/completions").json(completion("Hello")),
    ]);
    let address = format!("{}/flag", upstream.base_url());
    let gateway = Gateway::before(upstream, |program| {
        let file = "[upstream]\nbase_url = 'http://upstream.invalid/file'\n";
        configured(program.env("OPENAI_BASE_URL", "http://upstream.invalid/env"), file)
            .args(["--base-url", &address])
    });
    gateway.say("hi");
    let stderr = gateway.end();
    assert!(stderr.contains("address from flag --base-url"), "{stderr}");
}

#[test]
fn a_proxy_of_the_system_is_used_unless_the_upstream_is_at_home() {
    let with = |base_url: &str, program: Program, proxy: &str| {
        program.env("OPENAI_BASE_URL", base_url).env("http_proxy", proxy).env("no_proxy", "")
    };
    let proxy = Upstream::start(vec![Exchange::new().json(completion("Hello"))]);
    let address = proxy.base_url();
    let gateway = Gateway::before(proxy, |it| with("http://upstream.invalid/v1", it, &address));
    gateway.say("hi");
    assert_eq!(gateway.request().target, "http://upstream.invalid/v1/chat/completions");
    gateway.end();
    let upstream = Upstream::start(vec![Exchange::new().json(completion("Hello"))]);
    let base_url = format!("{}/v1", upstream.base_url());
    let gateway = Gateway::before(upstream, |it| with(&base_url, it, "http://proxy.invalid"));
    gateway.say("hi");
    assert_eq!(gateway.request().target, "/v1/chat/completions");
    gateway.end();
}

#[test]
fn the_models_of_openai_are_defaults_only_on_its_own_host() {
    let asked = asked_model(|program| program.args(["--preset", "openai"]));
    assert_eq!(asked, "claude-sonnet-5-5");
}

#[test]
fn a_dot_env_of_the_working_directory_gives_only_harmless_names() {
    let upstream = Upstream::start(vec![]);
    let dot_env = "SERVER_HOST=0.0.0.0\nCLIENT_API_KEYS=key-of-evil\nALLOWED_ORIGINS=https://evil.example\n\
                   CLAUDE_SONNET_MODEL=of-dot-env\nHTTP_PROXY=http://evil.example\n";
    let gateway = Gateway::before(upstream, |program| program.file(".env", dot_env));
    let stderr = gateway.server.stderr();
    assert!(stderr.contains("listening on http://127.0.0.1:"), "{stderr}");
    let warning = stderr.lines().find(|line| line.contains(".env")).expect("a warning");
    for part in ["SERVER_HOST", "CLIENT_API_KEYS", "ALLOWED_ORIGINS", "--env-file"] {
        assert!(warning.contains(part), "{part} is missing: {warning}");
    }
    assert!(!stderr.contains("key-of-evil"), "{stderr}");
    gateway.end();
    assert_eq!(asked_model(|program| program.file(".env", dot_env)), "of-dot-env");
    let real = |program: Program| program.file(".env", dot_env).env("CLAUDE_SONNET_MODEL", "of-the-variable");
    assert_eq!(asked_model(real), "of-the-variable");
}

#[test]
fn a_dot_env_does_not_send_the_users_key_elsewhere() {
    let evil = Upstream::start(vec![]);
    let good = Upstream::start(vec![Exchange::new().json(completion("Hello"))]);
    let dot_env = format!("OPENAI_BASE_URL={}/v1\n", evil.base_url());
    // The key is the user's own; the address of the file does not count.
    let gateway = Gateway::before(good, |program| program.file(".env", &dot_env));
    gateway.say("hi");
    gateway.end();
    let program = serve().env("SERVER_HOST", "127.0.0.1").file(".env", &dot_env);
    let server = crate::support::program::Server::start_as_is(program);
    assert!(server.stderr().contains("-> https://api.openai.com/v1"), "{}", server.stderr());
    assert_eq!(server.interrupt().code, Some(0));
    assert_eq!(evil.connections(), 0);
    evil.finish();
}

#[test]
fn a_dot_env_with_key_and_address_is_taken_whole() {
    let upstream = Upstream::start(vec![Exchange::new().json(completion("Hello"))]);
    let dot_env =
        format!("OPENAI_BASE_URL=\"{}/v1\"\nexport OPENAI_API_KEY='{CANARY}' # mine\n", upstream.base_url());
    let gateway = Gateway::before(upstream, |program| {
        program.env("OPENAI_API_KEY", "").env("OPENAI_BASE_URL", "").file(".env", dot_env)
    });
    gateway.say("hi");
    assert_eq!(gateway.request().header("authorization"), Some(&*format!("Bearer {CANARY}")));
    let stderr = gateway.end();
    assert!(stderr.contains(".env"), "it is told where they came from: {stderr}");
}

#[test]
fn an_env_file_that_was_named_gives_everything() {
    let gateway = Gateway::with(vec![], |program| {
        program.file("mine.env", "CLIENT_API_KEYS=key-of-mine\n").args(["--env-file", "mine.env"])
    });
    let call = |key: &str| crate::support::http::Call::get("/v1/models").header("x-api-key", key);
    assert_eq!(gateway.send(&call("key-of-mine")).status, 200);
    assert_eq!(gateway.send(&call("other")).status, 401);
    gateway.end();
}

#[test]
fn a_key_may_come_from_a_file_or_another_variable() {
    let lines = [
        "api_key_file = 'key.txt'".to_owned(),
        "api_key_env = 'MY_KEY'".to_owned(),
        format!("api_key = '{CANARY}'"),
    ];
    for line in lines {
        let gateway = Gateway::with(vec![Exchange::new().json(completion("Hello"))], |program| {
            let program = program
                .env("OPENAI_API_KEY", "")
                .env("MY_KEY", CANARY)
                .file("key.txt", format!("{CANARY}\n"));
            configured(program, &format!("[upstream]\n{line}\n"))
        });
        gateway.say("hi");
        assert_eq!(gateway.request().header("authorization"), Some(&*format!("Bearer {CANARY}")), "{line}");
        gateway.end();
    }
}
