//! The manners of the command line: help, exit codes, three lines for a failure, colours where they are wanted.

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
