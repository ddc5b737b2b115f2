//! `run`: a proxy for one command, which has the terminal, the signals and the last word.

use crate::support::bodies;
use crate::support::program::{Output, Program};
use crate::support::upstream::{Exchange, Upstream};
use std::fs;

/// A shell script as the command. `say` sends a short prompt to the proxy and prints the answer.
fn script(options: &[&str], text: &str) -> Program {
    let say = "say() { curl -s \"$ANTHROPIC_BASE_URL/v1/messages\" -H \"authorization: Bearer $ANTHROPIC_AUTH_TOKEN\" \
               -H 'content-type: application/json' \
               -d '{\"model\":\"claude-sonnet-5\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}'; }\n";
    Program::aiapiproxy().arg("run").args(options).args(["--", "/bin/sh", "-c"]).arg(format!("{say}{text}"))
}

/// The variables that the command saw.
fn seen(output: &Output) -> Vec<&str> {
    output.stdout.lines().collect()
}

#[test]
fn the_command_reaches_the_model_and_nothing_is_left_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(vec![Exchange::new().json(bodies::completion("hello"))]);
    let output = script(&[], "say; exit 7").upstream(&upstream).env("TMPDIR", temporary.path()).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(7), ""));
    assert!(output.stdout.contains("\"text\":\"hello\""), "{}", output.stdout);
    assert_eq!(upstream.requests()[0].header("authorization"), Some("Bearer test-upstream-key"));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "the log is gone");
    upstream.finish();
}

#[test]
fn the_demo_needs_no_key() {
    let output = script(&["--demo"], "say").run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(output.stdout.contains("\"type\":\"message\""), "{}", output.stdout);
}

#[test]
fn the_environment_names_the_proxy_and_no_other_key() {
    let config = "[upstream]\nbase_url = \"https://api.groq.com/openai/v1\"\napi_key_env = \"GROQ_KEY\"\n\
                  context_window = 131072\nmax_output_tokens = 8192\n";
    let program = |options: &[&str]| {
        script(options, "env")
            .file("config.toml", config)
            .env("AIAPIPROXY_CONFIG", "config.toml")
            .env("GROQ_KEY", "canary-groq")
            .env("ANTHROPIC_API_KEY", "canary-anthropic")
            .env("CLIENT_API_KEYS", "canary-clients")
            .env("ANTHROPIC_BASE_URL", "https://stale.example")
            .env("CLAUDE_CODE_USE_BEDROCK", "1")
    };
    let output = program(&[]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let found = seen(&output);
    for wanted in [
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS=131072",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS=8192",
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK=1",
    ] {
        assert!(found.contains(&wanted), "{wanted}: {found:?}");
    }
    assert!(found.iter().any(|line| line.starts_with("ANTHROPIC_BASE_URL=http://127.0.0.1:")));
    assert!(found.iter().any(|line| line.starts_with("ANTHROPIC_AUTH_TOKEN=aap_")));
    assert!(!output.stdout.contains("canary") && !output.stdout.contains("BEDROCK"), "{}", output.stdout);

    let kept = program(&["--keep-env"]).run();
    let found = seen(&kept);
    assert!(found.contains(&"ANTHROPIC_API_KEY=canary-anthropic") && found.contains(&"GROQ_KEY=canary-groq"));
}

#[test]
fn the_proxy_of_a_run_is_for_its_command_alone() {
    // What the configuration says of clients is meant for `serve`.
    let config = "[server]\nport = 1\nauth = \"passthrough\"\n";
    let text = "curl -s -o /dev/null -w '%{http_code}\\n' \"$ANTHROPIC_BASE_URL/v1/models\"; \
                curl -s -o /dev/null -w '%{http_code}\\n' \"$ANTHROPIC_BASE_URL/v1/models\" -H \"x-api-key: $ANTHROPIC_AUTH_TOKEN\"";
    let program =
        script(&["--demo"], text).file("config.toml", config).env("AIAPIPROXY_CONFIG", "config.toml");
    assert_eq!(seen(&program.run()), ["401", "200"]);
}

#[test]
fn a_failure_names_the_log_and_the_log_names_the_failure() {
    let temporary = tempfile::tempdir().unwrap();
    let answer = || Exchange::new().status(400).json(r#"{"error":{"message":"no such thing"}}"#);
    let upstream = Upstream::always(move |_| answer());
    let output = script(&[], "say").upstream(&upstream).env("TMPDIR", temporary.path()).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let path = output.stderr.trim_end().strip_prefix("aiapiproxy: 1 request failed; the log is ").unwrap();
    let log = fs::read_to_string(path).unwrap();
    assert!(log.contains("status=400") && log.contains("end=\"upstream_error\""), "{log}");
    assert!(!log.contains("test-upstream-key") && !log.contains("aap_"), "{log}");
    assert!(path.starts_with(temporary.path().to_str().unwrap()), "{path}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_named_log_is_kept() {
    let program = script(&["--demo", "--log-file", "proxy.log"], "say >/dev/null; cat proxy.log");
    let output = program.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(output.stdout.contains("serving one command"), "{}", output.stdout);
    let output = script(&["--demo", "--log-file", "no/such/folder"], "say").run();
    assert_eq!(output.code, Some(73), "{}", output.stderr);
}

#[test]
fn signals_reach_the_command_and_its_end_is_told_as_shells_do() {
    for (signal, text, code) in [
        ("TERM", "trap 'echo got; exit 3' TERM; echo ready; while :; do read -r _ || :; done", 3),
        ("INT", "trap 'echo got; exit 4' INT; echo ready; while :; do read -r _ || :; done", 4),
        ("USR1", "trap 'echo got; exit 5' USR1; echo ready; while :; do read -r _ || :; done", 5),
        ("TERM", "echo got; echo ready; exec sleep 60", 143),
    ] {
        let running = script(&["--demo"], text).start();
        running.wait_for_stdout("ready");
        running.signal(signal);
        let output = running.wait();
        assert_eq!(output.code, Some(code), "{signal}: {}", output.stderr);
        assert!(output.stdout.contains("got"), "{signal}");
    }
}

#[test]
fn what_cannot_be_run_is_told_as_shells_do() {
    let output = Program::aiapiproxy().args(["run", "--demo", "--", "/no/such/command"]).run();
    assert_eq!(output.code, Some(127));
    assert!(output.stderr.starts_with("error: cannot run /no/such/command\n"), "{}", output.stderr);
    let output = Program::aiapiproxy().file("data", "text").args(["run", "--demo", "--", "./data"]).run();
    assert_eq!(output.code, Some(126), "{}", output.stderr);
    assert_eq!(Program::aiapiproxy().args(["run", "--demo"]).run().code, Some(2));
}

#[test]
fn a_file_of_the_working_directory_says_nothing() {
    let program =
        script(&[], "say").file(".env", "OPENAI_API_KEY=sk-theirs\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n");
    let output = program.run();
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    assert!(output.stderr.contains("OPENAI_API_KEY"), "{}", output.stderr);
}

#[test]
fn arguments_pass_untouched_with_and_without_dashes() {
    for separator in [&["--"][..], &[]] {
        let program = Program::aiapiproxy().args(["run", "--demo"]).args(separator.iter().copied());
        let output = program.args(["/bin/echo", "--config", "x", "-h", "--", "y"]).run();
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(0), "--config x -h -- y\n"),
            "{}",
            output.stderr
        );
    }
}
