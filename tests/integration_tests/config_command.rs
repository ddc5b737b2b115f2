//! `config`: every setting with its origin, mistakes with their place, a schema that says what the parser does, and
//! a file to begin with.

use crate::support::program::{Output, Program};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn config(arguments: &[&str]) -> Program {
    Program::aiapiproxy().arg("config").args(arguments.iter().copied())
}

fn with_file(arguments: &[&str], file: &str) -> Program {
    config(arguments).file("config.toml", file).env("AIAPIPROXY_CONFIG", "config.toml")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout))
}

const FILE: &str = "[upstream]\npreset = \"llama.cpp\"\napi_key = \"sk-canary-of-the-file\"\n\
    headers = { X-Team = \"canary-header\" }\n[upstream.quirks]\ntop_k = false\n[models]\nsonnet = \"qwen3\"\n\
    [models.map]\n\"claude-*haiku*\" = { model = \"small\", max_input_tokens = 8000 }\n[limits]\nping_interval = \"2500ms\"\n";

#[test]
fn every_setting_is_shown_with_its_origin_and_no_secret() {
    let output = with_file(&["show", "--origin"], FILE)
        .env("SERVER_PORT", "9")
        .env("CLIENT_API_KEYS", "canary-client-0123456789")
        .run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for line in [
        "server.host = \"127.0.0.1\"  # default",
        "server.port = 9  # env SERVER_PORT",
        "server.auth = \"keys\"  # default",
        "upstream.base_url = \"http://127.0.0.1:8080/v1\"  # preset llama.cpp",
        "# upstream.api_key is set and not shown  # file config.toml:3",
        "# upstream.headers.x-team is set and not shown  # file config.toml:4",
        "upstream.quirks.top_k = false  # file config.toml:6",
        "upstream.quirks.images = true  # preset llama.cpp",
        "models.sonnet = { model = \"qwen3\" }  # file config.toml:8",
        "models.map.\"claude-*haiku*\" = { max_input_tokens = 8000, model = \"small\" }  # file config.toml:10",
        "limits.ping_interval = \"2500ms\"  # file config.toml:12",
        "limits.max_request_size = \"32MiB\"  # default",
        "log.format = \"text\"  # default",
    ] {
        assert!(output.stdout.lines().any(|shown| shown == line), "{line} in\n{}", output.stdout);
    }
    assert!(!output.stdout.contains("canary") && !output.stderr.contains("canary"));
    let plain = with_file(&["show"], FILE).run();
    assert!(plain.stdout.contains("\nserver.port = 8082\n"), "{}", plain.stdout);
}

#[test]
fn the_json_of_show_has_every_key_of_the_example() {
    let shown = json(&with_file(&["show", "--json"], FILE).run());
    let settings = shown["settings"].as_array().unwrap();
    let find = |key: &str| settings.iter().find(|it| it["key"] == key);
    assert_eq!(find("limits.connect_timeout").unwrap()["value"], "10s");
    assert_eq!(find("upstream.api_key").unwrap()["value"], "[redacted]");
    assert_eq!(find("upstream.api_version").unwrap()["value"], Value::Null);
    assert_eq!(find("server.port").unwrap()["origin"], "default");
    assert_eq!(shown["file"], "config.toml");
}

#[test]
fn a_mistake_is_told_with_file_line_key_and_the_nearest_key() {
    let file = "[server]\nport = 1\n[limits]\nping_intervall = 3\n";
    let output = with_file(&["validate"], file).run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(78), ""));
    assert!(
        output.stderr.starts_with("error: config.toml:4: unknown key `limits.ping_intervall`\n"),
        "{}",
        output.stderr
    );
    let output = with_file(&["validate", "--json"], file).run();
    assert_eq!(output.code, Some(78));
    let error = &json(&output)["error"];
    assert_eq!(
        [&error["file"], &error["line"], &error["key"], &error["nearest"]],
        [
            &Value::from("config.toml"),
            &Value::from(4),
            &Value::from("limits.ping_intervall"),
            &Value::from("limits.ping_interval")
        ]
    );
    let output = with_file(&["validate", "--json"], "[log]\nformat = \"jsn\"\n").run();
    let error = &json(&output)["error"];
    assert_eq!(
        [&error["line"], &error["key"], &error["nearest"]],
        [&Value::from(2), &Value::from("log.format"), &Value::from("json")]
    );
}

#[test]
fn warnings_are_mistakes_only_when_strict() {
    let file = "[upstream]\npreset = \"groq\"\napi_key_env = \"GROQ_KEY\"\n";
    let output = with_file(&["validate"], file).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stdout.contains("config.toml") && output.stderr.contains("GROQ_KEY is unset"),
        "{}",
        output.stderr
    );
    assert_eq!(with_file(&["validate", "--strict"], file).run().code, Some(78));
    let output = with_file(&["validate", "--strict", "--json"], file).env("GROQ_KEY", "k").run();
    assert_eq!((output.code, json(&output)["valid"].as_bool()), (Some(0), Some(true)));
    assert_eq!(config(&["validate"]).env("OPENAI_API_KEY", "k").run().code, Some(0));
}

/// operations.md §2.2, as ssh does it.
#[test]
fn a_file_with_a_key_is_for_its_owner_alone() {
    let validate = |file: &str, mode: u32, strict: bool| {
        let arguments: &[&str] = if strict { &["validate", "--strict"] } else { &["validate"] };
        let program = with_file(arguments, file).env("OPENAI_API_KEY", "k-of-the-environment");
        let path = program.folder().join("config.toml");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let output = program.run();
        assert!(!output.stderr.contains("canary"), "{}", output.stderr);
        (output.code, output.stderr.contains("others may read it; run `chmod 600 "))
    };
    let hash = "ed557a102b706b4afd8d5a6102a3039db3fd76e3ca29c3589e18d0a46893f200";
    for (file, is_secret) in [
        ("[upstream]\napi_key = \"sk-canary-0123456789\"\n".to_owned(), true),
        ("[[server.client_keys]]\nid = \"a\"\nkey = \"canary-0123456789\"\n".to_owned(), true),
        ("[upstream]\nheaders = { X-Portal-Api-Key = \"canary-0123456789\" }\n".to_owned(), true),
        (format!("[[server.client_keys]]\nid = \"a\"\nsha256 = \"{hash}\"\n"), false),
        ("[upstream]\nheaders = { X-Title = \"canary-0123456789\" }\n".to_owned(), false),
        ("[models]\nsonnet = \"m\"\n".to_owned(), false),
    ] {
        for mode in [0o644, 0o640, 0o604] {
            assert_eq!(validate(&file, mode, false), (Some(0), is_secret), "{file} {mode:o}");
            let code = if is_secret { 78 } else { 0 };
            assert_eq!(validate(&file, mode, true), (Some(code), is_secret), "{file} {mode:o}");
        }
        assert_eq!(validate(&file, 0o600, true), (Some(0), false), "{file}");
    }
}

#[test]
fn the_schema_knows_keys_names_and_meanings() {
    let schema = json(&config(&["schema"]).run());
    let upstream = &schema["properties"]["upstream"];
    let upstream = if upstream.get("anyOf").is_some() { &upstream["anyOf"][0] } else { upstream };
    let preset = &upstream["properties"]["preset"];
    assert!(preset["enum"].as_array().unwrap().contains(&Value::from("llama.cpp")), "{preset}");
    assert!(preset["description"].as_str().unwrap().contains("kind of server"), "{preset}");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_new_file_is_commented_private_and_right() {
    let program = config(&[
        "init",
        "--preset",
        "groq",
        "--api-key-env",
        "GROQ_KEY",
        "--sonnet",
        "llama-4",
        "-o",
        "new/config.toml",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/config.toml");
    let output = Program::aiapiproxy()
        .args([
            "config",
            "init",
            "--preset",
            "groq",
            "--api-key-env",
            "GROQ_KEY",
            "--sonnet",
            "llama-4",
            "-o",
        ])
        .arg(path.as_os_str())
        .run();
    drop(program);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let text = fs::read_to_string(&path).unwrap();
    for line in ["preset = \"groq\"", "api_key_env = \"GROQ_KEY\"", "sonnet = \"llama-4\"", "#port = 8082"] {
        assert!(text.lines().any(|it| it == line), "{line}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let valid =
        Program::aiapiproxy().args(["config", "validate", "--strict", "--config"]).arg(path.as_os_str());
    assert_eq!(valid.env("GROQ_KEY", "k").run().code, Some(0));

    let again = |extra: &[&str]| {
        let init = Program::aiapiproxy().args(["config", "init", "-o"]).arg(path.as_os_str());
        init.args(extra.iter().copied()).run()
    };
    assert_eq!(again(&[]).code, Some(73));
    assert!(fs::read_to_string(&path).unwrap().contains("groq"), "nothing was written over");
    assert_eq!(again(&["--force"]).code, Some(0));
    assert!(!fs::read_to_string(&path).unwrap().contains("\npreset = "));
}

#[test]
fn a_new_file_goes_where_the_program_looks_for_it_and_wrong_wishes_are_refused() {
    let script = "\"$P\" config init --preset ollama --sonnet qwen3 && \"$P\" config show --origin";
    let output =
        Program::other("/bin/sh").args(["-c", script]).env("P", env!("CARGO_BIN_EXE_aiapiproxy")).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stdout.contains(".config/aiapiproxy/config.toml; next: `aiapiproxy check`"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("models.sonnet = { model = \"qwen3\" }  # file "), "{}", output.stdout);
    let wrong = config(&["init", "--base-url", "no address", "-o", "-"]).run();
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(78), ""));
    let text = config(&["init", "--preset", "openai", "-o", "-"]).run().stdout;
    assert!(text.starts_with("# Configuration of aiapiproxy"), "{text}");
}
