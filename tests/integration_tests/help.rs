//! The manners of the command line: help, exit codes, three lines for a failure, colours where they are wanted.

use crate::support::bodies;
use crate::support::program::{Output, Program, Server};
use std::fs;
use std::path::Path;

const COMMANDS: [&str; 6] = ["serve", "convert", "check", "models", "health", "completions"];

fn run(arguments: &[&str]) -> Output {
    Program::aiapiproxy().args(arguments).run()
}

#[test]
fn without_a_command_help_names_serve_and_the_code_is_2() {
    let output = run(&[]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    assert!(output.stderr.contains("aiapiproxy serve"), "{}", output.stderr);
    for command in COMMANDS {
        assert!(output.stderr.contains(&format!("\n  {command} ")), "{command} is not in the help");
    }
}

#[test]
fn help_is_data_short_or_long_with_examples() {
    for command in COMMANDS {
        let short = run(&[command, "-h"]);
        let long = run(&[command, "--help"]);
        assert_eq!((short.code, long.code), (Some(0), Some(0)), "{command}");
        assert!(short.stdout.contains("Usage:") && !short.stdout.contains("Examples:"), "{command}");
        assert!(long.stdout.contains("Examples:\n  "), "{command}");
        assert!(short.stdout.len() < long.stdout.len(), "{command}");
    }
    assert!(run(&["--version"]).stdout.starts_with("aiapiproxy "));
}

#[test]
fn a_typo_gets_a_suggestion_and_code_2() {
    let output = run(&["serv"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("'serve'"), "{}", output.stderr);
    assert!(run(&["convert", "--aggregat"]).stderr.contains("'--aggregate'"));
    assert_eq!(run(&["convert", "--aggregate", "--explode"]).code, Some(2));
    assert_eq!(run(&["convert", "--status", "99"]).code, Some(2));
    assert_eq!(run(&["serve", "--port", "65536"]).code, Some(2));
}

#[test]
fn colours_come_only_when_wanted() {
    let is_coloured = |program: Program| program.run().stdout.contains('\u{1b}');
    let help = || Program::aiapiproxy().args(["check", "--help"]);
    assert!(!is_coloured(help()), "stdout is no terminal");
    assert!(is_coloured(help().args(["--color", "always"])));
    assert!(is_coloured(help().env("CLICOLOR_FORCE", "1")));
    assert!(!is_coloured(help().env("CLICOLOR_FORCE", "1").args(["--color", "never"])));
    let models = || Program::aiapiproxy().args(["models"]);
    assert!(!is_coloured(models()));
    assert!(is_coloured(models().args(["--color=always"])));
    assert!(!is_coloured(models().args(["--json", "--color=always"])));
}

#[test]
fn a_wrong_configuration_is_three_lines_and_78_for_every_command_that_reads_it() {
    for arguments in [&["serve"][..], &["check"], &["models"], &["convert", "--config", "config.toml"]] {
        let file = "[server]\nprot = 1\n";
        let output = Program::aiapiproxy()
            .file("config.toml", file)
            .env("AIAPIPROXY_CONFIG", "config.toml")
            .args(arguments)
            .run();
        assert_eq!((output.code, output.stdout.as_str()), (Some(78), ""), "{arguments:?}");
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
        assert!(output.stderr.contains("server.prot") && output.stderr.contains("`server.port`"));
        assert!(output.stderr.lines().count() <= 3, "{}", output.stderr);
    }
}

#[test]
fn a_missing_key_is_three_lines_and_78() {
    let output = run(&["serve", "--port", "0"]);
    assert_eq!(output.code, Some(78));
    assert_eq!(output.stderr.lines().count(), 3, "{}", output.stderr);
    assert!(output.stderr.contains("OPENAI_API_KEY"));
}

#[test]
fn completions_are_the_committed_files() {
    for (shell, file) in [
        ("bash", "aiapiproxy.bash"),
        ("elvish", "aiapiproxy.elv"),
        ("fish", "aiapiproxy.fish"),
        ("powershell", "_aiapiproxy.ps1"),
        ("zsh", "_aiapiproxy"),
    ] {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
        let output = run(&["completions", shell]);
        assert_eq!(
            (output.code, output.stdout),
            (Some(0), fs::read_to_string(committed).unwrap()),
            "{shell}"
        );
    }
    assert_eq!(run(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["completions", "bash"][..], &["models"], &["models", "--json"], &["--help"]] {
        let output = Program::aiapiproxy().args(arguments).stdout_closed().run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn health_is_0_for_a_server_that_is_well_and_1_else() {
    let server = Server::start(Program::aiapiproxy().arg("--demo"));
    let url = server.base_url();
    let output = run(&["health", url]);
    assert_eq!((output.code, output.stdout), (Some(0), format!("{url}/health: ok (200)\n")));
    let port = url.rsplit(':').next().unwrap();
    let by_setting =
        Program::aiapiproxy().arg("health").env("SERVER_PORT", port).env("SERVER_HOST", "0.0.0.0");
    assert_eq!(by_setting.run().code, Some(0));
    assert_eq!(run(&["health", &format!("{url}/nowhere")]).code, Some(1));
    let url = url.to_owned();
    assert_eq!(server.interrupt().code, Some(0));

    let output = run(&["health", &url]);
    assert_eq!((output.code, output.stdout.lines().count()), (Some(1), 1), "{}", output.stdout);
    assert_eq!(run(&["health", "https://127.0.0.1/"]).code, Some(2));
}

#[test]
fn a_taken_port_and_a_bad_address_are_told_with_their_codes() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (host, port, code) in [("127.0.0.1", port.as_str(), 69), ("192.0.2.1", "0", 78)] {
        let serve = Program::aiapiproxy().args(["serve", "--demo", "--host", host, "--port", port]);
        let output = serve.env("CLIENT_API_KEYS", "a-key-of-a-client").run();
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        assert!(output.stderr.starts_with(&format!("error: cannot listen on {host} port {port}\n")));
        assert_eq!(output.stderr.lines().count(), 3, "{}", output.stderr);
    }
}

#[test]
fn the_start_lines_tell_clients_how_to_connect_and_show_no_configured_key() {
    let server = Server::start(
        Program::aiapiproxy()
            .env("OPENAI_API_KEY", "sk-upstream-canary-0123456789")
            .env("CLIENT_API_KEYS", "client-canary-0123456789"),
    );
    server.running().wait_for_stderr("ANTHROPIC_AUTH_TOKEN");
    let said = server.stderr();
    let url = server.base_url();
    let start = format!("listening on {url} -> https://api.openai.com/v1 (key from env OPENAI_API_KEY)\n");
    assert!(said.starts_with(&start), "{said}");
    assert!(said.contains(&format!("\nexport ANTHROPIC_BASE_URL={url}\n")), "{said}");
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn a_made_key_is_shown_once_and_opens_the_server() {
    let server = Server::start(Program::aiapiproxy().args(["--demo", "--host", "0.0.0.0"]));
    server.running().wait_for_stderr("shown once");
    let said = server.stderr();
    let key = said.split_once("ANTHROPIC_AUTH_TOKEN=").unwrap().1.lines().next().unwrap();
    assert!(key.starts_with("aap_"), "{said}");
    assert_eq!(said.matches(key).count(), 1, "{said}");

    let url = said.split_once("ANTHROPIC_BASE_URL=").unwrap().1.lines().next().unwrap();
    let call = || crate::support::http::Call::post("/v1/messages").json(bodies::request("hi", false));
    assert_eq!(call().send(url).status, 401);
    assert_eq!(call().header("x-api-key", key).send(url).status, 200);
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn json_logs_are_json_from_the_first_line() {
    let server = Server::start(Program::aiapiproxy().args(["--demo", "--log-format", "json"]));
    server.running().wait_for_stderr("ANTHROPIC_AUTH_TOKEN");
    let output = server.interrupt();
    assert_eq!(output.code, Some(0));
    for line in output.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}
