//! The configuration as the commands see it: which layer wins, which file is read, what a mistake is told as.

use crate::support::program::{Output, Program, Server};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

fn models() -> Program {
    Program::aiapiproxy().args(["models", "--json"])
}

fn good(program: Program) -> Value {
    let output = program.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&output.stdout).unwrap()
}

/// What sonnet stands for, and who decided.
fn sonnet(program: Program) -> (String, String) {
    let table = good(program);
    let rule = table["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == "sonnet").unwrap();
    (rule["model"].as_str().unwrap().to_owned(), rule["rule"].as_str().unwrap().to_owned())
}

/// A mistake: exit code 78, nothing on stdout, three lines at most, and these texts among them.
fn mistake(output: &Output, texts: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(78), ""), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    assert!(output.stderr.lines().count() <= 3, "{}", output.stderr);
    for text in texts {
        assert!(output.stderr.contains(text), "{text} is not in: {}", output.stderr);
    }
    assert!(!output.stderr.contains("canary"), "{}", output.stderr);
}

#[test]
fn the_environment_wins_over_the_env_file_over_the_file_over_the_default() {
    let from = |model: &str, rule: &str| (model.to_owned(), rule.to_owned());
    assert_eq!(sonnet(models()), from("gpt-6-sol", "family sonnet (default)"));
    let file = || models().file("c.toml", "[models]\nsonnet = \"of-file\"\n").args(["--config", "c.toml"]);
    assert_eq!(sonnet(file()), from("of-file", "family sonnet (file c.toml:2)"));
    let env_file =
        || file().file("my.env", "CLAUDE_SONNET_MODEL=of-env-file\n").args(["--env-file", "my.env"]);
    assert_eq!(sonnet(env_file()), from("of-env-file", "family sonnet (CLAUDE_SONNET_MODEL in my.env)"));
    let env = || env_file().env("CLAUDE_SONNET_MODEL", "of-env");
    assert_eq!(sonnet(env()), from("of-env", "family sonnet (env CLAUDE_SONNET_MODEL)"));
    // An empty variable counts as unset.
    assert_eq!(sonnet(env_file().env("CLAUDE_SONNET_MODEL", "")).0, "of-env-file");
}

#[test]
fn a_flag_wins_over_everything_and_the_start_line_says_so() {
    let start_line = |program: Program| {
        let server = Server::start(program);
        server.stderr().lines().find(|line| line.contains("listening")).unwrap().to_owned()
    };
    let key = || Program::aiapiproxy().env("OPENAI_API_KEY", "sk-canary");
    let line = start_line(key());
    assert!(line.ends_with("-> https://api.openai.com/v1 (key from env OPENAI_API_KEY)"), "{line}");
    let file = || {
        key()
            .file("c.toml", "[upstream]\nbase_url = \"http://127.0.0.1:1/v1\"\n")
            .args(["--config", "c.toml"])
    };
    let line = start_line(file());
    assert!(line.contains("-> http://127.0.0.1:1/v1 (address from file c.toml:2, key from env"), "{line}");
    let env = || file().env("OPENAI_BASE_URL", "http://127.0.0.1:2/v1");
    let line = start_line(env());
    assert!(line.contains("-> http://127.0.0.1:2/v1 (address from env OPENAI_BASE_URL, "), "{line}");
    let line = start_line(env().args(["--base-url", "http://127.0.0.1:3/v1"]));
    assert!(line.contains("-> http://127.0.0.1:3/v1 (address from flag --base-url, "), "{line}");
    // `Server::start` says `--port 0`, which wins over a port that it could not have.
    let line = start_line(key().env("SERVER_PORT", "1").env("SERVER_HOST", "localhost"));
    assert!(line.contains("listening on http://") && !line.contains(":1 "), "{line}");
}

#[test]
fn the_first_file_of_the_search_order_is_read_and_no_other() {
    let text = |name: &str| format!("[models]\nsonnet = \"{name}\"\n");
    let home = || models().file("../home/.config/aiapiproxy/config.toml", text("of-home"));
    let model = |program: Program| sonnet(program).0;
    if cfg!(target_os = "linux") {
        assert_eq!(model(home()), "of-home");
    }
    let variable = || home().file("v.toml", text("of-variable")).env("AIAPIPROXY_CONFIG", "v.toml");
    assert_eq!(model(variable()), "of-variable");
    let flag = || variable().file("f.toml", text("of-flag")).args(["--config", "f.toml"]);
    assert_eq!(model(flag()), "of-flag");
    // Files do not add up: what the chosen one leaves out is the default.
    let haiku = variable().file("../home/.config/aiapiproxy/config.toml", "[models]\nhaiku = \"h\"\n");
    assert_eq!(good(haiku)["rules"][0]["model"], "gpt-6-luna");
    // A file in the working directory is nobody's word.
    assert_eq!(model(models().file("config.toml", text("of-folder"))), "gpt-6-sol");
    mistake(&models().args(["--config", "missing.toml"]).run(), &["missing.toml", "configuration file"]);
    mistake(&models().env("AIAPIPROXY_CONFIG", "missing.toml").run(), &["missing.toml"]);
    mistake(&models().args(["--env-file", "missing.env"]).run(), &["missing.env", "environment file"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_name() {
    for (text, texts) in [
        ("[server]\nprot = 1\n", ["c.toml:2: ", "`server.prot`", "`server.port`"]),
        ("[upstraem]\n", ["c.toml:1: ", "`upstraem`", "`upstream`"]),
        ("[models]\n\nsonet = \"x\"\n", ["c.toml:3: ", "`models.sonet`", "`models.sonnet`"]),
        ("port = 1\n", ["c.toml:1: ", "`port`", "`server.port`"]),
        (
            "[log]\nmax_request_size = 1\n",
            ["c.toml:2: ", "`log.max_request_size`", "`limits.max_request_size`"],
        ),
        (
            "[upstream.quirks]\nimags = true\n",
            ["c.toml:2: ", "`upstream.quirks.imags`", "`upstream.quirks.images`"],
        ),
        (
            "[models.map]\n\"a\" = { modle = \"x\" }\n",
            ["c.toml:2: ", "models.map.a.modle", "models.map.a.model"],
        ),
        (
            "[[server.client_keys]]\nid = \"a\"\nkye = \"canary\"\n",
            ["c.toml:3: ", "server.client_keys.kye", "server.client_keys.key"],
        ),
        ("[colour]\n", ["c.toml:1: ", "`colour`", "config.example.toml lists every key"]),
    ] {
        mistake(&models().file("c.toml", text).args(["--config", "c.toml"]).run(), &texts);
    }
}

#[test]
fn a_wrong_value_in_the_file_is_named_with_its_key_its_line_and_what_it_must_be() {
    for (text, texts) in [
        ("[server]\nport = \"x\"\n", &["c.toml:2: server.port: ", "a whole number"][..]),
        ("[server]\nport = 70000\n", &["server.port must be", "65535", "c.toml:2"]),
        ("[server]\nhost = 7\n", &["c.toml:2: server.host: ", "expected a string"]),
        ("[server]\n\nport = \n", &["c.toml:3: "]),
        ("[server]\nport = 1\nport = 2\n", &["c.toml:3: duplicate key"]),
        ("[server]\nauth = \"nine\"\n", &["server.auth must be", "c.toml:2", "did you mean `none`?"]),
        ("[server.cors]\nallowed_origins = [\"x\"]\n", &["server.cors.allowed_origins must be", "c.toml:2"]),
        ("[upstream]\npreset = \"openia\"\n", &["upstream.preset must be", "c.toml:2", "`openai`"]),
        ("[upstream]\nbase_url = \"ftp://x\"\n", &["upstream.base_url must be", "\"ftp://x\"", "c.toml:2"]),
        ("[upstream]\nbase_url = \"http://u:canary@x/v1\"\n", &["without user and password", "c.toml:2"]),
        ("[upstream]\napi_key = [\"canary\"]\n", &["c.toml:2: upstream.api_key: not a string", "quotes"]),
        ("[upstream]\napi_key_file = \"no\"\n", &["the key file no"]),
        ("[upstream]\napi_key = \"canary\"\napi_key_env = \"K\"\n", &["more than one source", "keep one"]),
        ("[upstream.quirks]\ntool_ids = \"max41\"\n", &["upstream.quirks.tool_ids must be", "`max40`"]),
        ("[models]\nsonnet = \"\"\n", &["models.sonnet must be", "c.toml:2"]),
        ("[limits]\nfirst_byte_timeout = \"9 parsecs\"\n", &["first_byte_timeout must be", "\"9 parsecs\""]),
        ("[limits]\nmax_request_size = -1\n", &["max_request_size must be", "c.toml:2"]),
        ("[log]\nformat = \"xml\"\n", &["log.format must be \"text\" or \"json\"", "c.toml:2"]),
        ("[log]\nfilter = \"a=b=c\"\n", &["log.filter must be", "c.toml:2"]),
    ] {
        mistake(&models().file("c.toml", text).args(["--config", "c.toml"]).run(), texts);
    }
}

#[test]
fn a_wrong_value_in_a_variable_is_named_with_the_variable() {
    for (name, value, text) in [
        ("SERVER_PORT", "70000", "server.port must be"),
        ("SERVER_HOST", "a b", "server.host must be"),
        ("REQUEST_TIMEOUT", "soon", "REQUEST_TIMEOUT must be a duration"),
        ("MAX_REQUEST_SIZE", "big", "max_request_size must be a size"),
        ("MAX_CONCURRENT_REQUESTS", "0", "max_concurrent_requests must be"),
        ("LOG_FORMAT", "jsno", "did you mean `json`?"),
        ("RUST_LOG", "a=b=c", "log.filter must be"),
        ("CORS_ENABLED", "maybe", "must be true or false"),
        ("DEV_MODE", "2", "must be true or false"),
        ("ALLOWED_ORIGINS", "nowhere", "allowed_origins must be"),
        ("OPENAI_BASE_URL", "foo", "upstream.base_url must be"),
        ("OPENAI_API_KEY", "sk-canary\nx", "upstream.api_key must be"),
        ("CLIENT_API_KEYS", "", "a key must not be empty"),
        ("CLIENT_API_KEYS", "canary-0123456789-0123456789,,", "a key must not be empty"),
        ("AIAPIPROXY_CONFIG", "nowhere.toml", "nowhere.toml"),
    ] {
        let output = models().env(name, value).run();
        let origin = format!("env {name}");
        let texts = if name == "AIAPIPROXY_CONFIG" { vec![text] } else { vec![text, &origin] };
        mistake(&output, &texts);
        if name != "AIAPIPROXY_CONFIG" && !value.contains('\n') {
            let line = format!("{name}={value}\n");
            let output = models().file("my.env", line).args(["--env-file", "my.env"]).run();
            mistake(&output, &[text, &format!("{name} in my.env")]);
        }
    }
    let output = models().file("my.env", "A=b\nsk-canary\n").args(["--env-file", "my.env"]).run();
    mistake(&output, &["my.env:2: not a variable"]);
}

#[test]
fn an_empty_client_key_is_no_key() {
    for (text, texts) in [
        ("[[server.client_keys]]\nid = \"a\"\nkey = \"\"\n", &["must not be empty", "c.toml:3"]),
        ("[[server.client_keys]]\nkey = \"canary-0123456789\"\n", &["c.toml:1: ", "without id"]),
        ("[server]\nclient_keys = [\"canary-0123456789\"]\n", &["c.toml:2: ", "[[server.client_keys]]"]),
    ] {
        mistake(&models().file("c.toml", text).args(["--config", "c.toml"]).run(), texts);
    }
}

#[test]
fn only_serve_reads_a_dot_env_and_takes_only_harmless_names_from_it() {
    let dot_env = "CLAUDE_SONNET_MODEL=of-dot-env\nSERVER_PORT=nonsense\n";
    let surrounded = |arguments: &[&str]| Program::aiapiproxy().args(arguments).file(".env", dot_env);
    assert_eq!(sonnet(surrounded(&["models", "--json"])).0, "gpt-6-sol");
    let request = r#"{"model":"claude-sonnet-5","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#;
    let converted = surrounded(&["convert"]).stdin(request).run();
    assert!(converted.stdout.starts_with(r#"{"model":"claude-sonnet-5""#), "{converted:?}");
    mistake(&surrounded(&["check"]).run(), &["no key"]);
    mistake(&surrounded(&["serve"]).run(), &["server.port must be", "SERVER_PORT in ./.env"]);

    let untrusted = "CLAUDE_SONNET_MODEL=x\nCLIENT_API_KEYS=canary-0123456789\nSERVER_HOST=0.0.0.0\nPATH=/\n";
    let server = Server::start(Program::aiapiproxy().arg("--demo").file(".env", untrusted));
    server.running().wait_for_stderr("ANTHROPIC_AUTH_TOKEN");
    let said = server.stderr();
    let warning = said.lines().find(|line| line.starts_with("warning: ")).unwrap();
    assert!(warning.contains("CLIENT_API_KEYS, SERVER_HOST, PATH"), "{said}");
    assert!(warning.contains("--env-file ./.env") && !warning.contains("canary"), "{said}");
    assert!(server.base_url().starts_with("http://127.0.0.1:") && said.contains("unchecked"), "{said}");
}

#[test]
fn a_base_url_of_a_dot_env_never_gets_the_key_of_the_environment() {
    let elsewhere = "OPENAI_BASE_URL=http://127.0.0.1:1/v1\n";
    let program = Program::aiapiproxy().file(".env", elsewhere).env("OPENAI_API_KEY", "sk-canary");
    let server = Server::start(program);
    assert!(server.stderr().contains("-> https://api.openai.com/v1 ("), "{}", server.stderr());
    assert!(server.stderr().contains("warning: "), "{}", server.stderr());

    let both = format!("{elsewhere}OPENAI_API_KEY=sk-canary\n");
    let server = Server::start(Program::aiapiproxy().file(".env", both));
    let expected =
        "-> http://127.0.0.1:1/v1 (address from OPENAI_BASE_URL in ./.env, key from OPENAI_API_KEY in ./.env";
    assert!(server.stderr().contains(expected), "{}", server.stderr());

    let alone = Program::aiapiproxy().args(["serve", "--port", "0"]).file(".env", elsewhere).run();
    mistake(&alone, &["no key", "OPENAI_BASE_URL of ./.env counts only together with the key"]);
}

#[test]
fn a_hosted_upstream_needs_a_key_and_a_local_one_does_without() {
    for (url, preset) in [
        ("https://api.openai.com/v1", "openai"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.deepseek.com/v1", "deepseek"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
    ] {
        for key in ["", " "] {
            let program = Program::aiapiproxy().args(["serve", "--port", "0"]).env("OPENAI_BASE_URL", url);
            mistake(&program.env("OPENAI_API_KEY", key).run(), &["no key", preset, "OPENAI_API_KEY"]);
        }
        assert_eq!(good(models().env("OPENAI_BASE_URL", url))["upstream"], preset, "models asks nobody");
    }
    let upstream = Upstream::start(vec![Exchange::new().json(json!({"data": []}))]);
    let url = format!("{}/v1", upstream.base_url());
    let output = Program::aiapiproxy().arg("check").env("OPENAI_BASE_URL", url).run();
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let request = &upstream.requests()[0];
    assert_eq!((request.header("authorization"), request.header("api-key")), (None, None));
    upstream.finish();
}

#[test]
fn a_file_with_a_key_that_others_may_read_is_warned_about() {
    let text = "[upstream]\napi_key = \"sk-canary\"\n";
    let program = |mode: u32, text: &str| {
        let program = models().file("c.toml", text).args(["--config", "c.toml"]);
        fs::set_permissions(program.folder().join("c.toml"), Permissions::from_mode(mode)).unwrap();
        program
    };
    let output = program(0o640, text).run();
    assert_eq!((output.code, output.stderr.lines().count()), (Some(0), 1), "{}", output.stderr);
    assert!(output.stderr.starts_with("warning: c.toml holds a key"), "{}", output.stderr);
    assert!(output.stderr.contains("chmod 600 c.toml") && !output.stderr.contains("canary"));
    good(program(0o600, text));
    good(program(0o644, "[upstream]\napi_key_env = \"MY_KEY\"\n"));
    good(program(
        0o644,
        "[[server.client_keys]]\nid = \"a\"\nsha256 = \"ed557a102b706b4afd8d5a6102a3039db3fd76e3ca29c3589e18d0a46893f200\"\n",
    ));
}

#[test]
fn the_example_file_is_accepted_and_changes_nothing() {
    let example = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml")).unwrap();
    let output = models().file("example.toml", example).args(["--config", "example.toml"]).run();
    assert_eq!(output, models().run());
}
