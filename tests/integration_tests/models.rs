//! `models`: the mapping, a single name explained, and what the upstream really lists.

use crate::support::program::Program;
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

fn models(arguments: &[&str]) -> Program {
    Program::aiapiproxy().arg("models").args(arguments)
}

#[test]
fn the_table_shows_every_rule_and_who_decided() {
    let output = models(&[]).env("CLAUDE_SONNET_MODEL", "gpt-4.1").run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let line = |name: &str| output.stdout.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("sonnet").contains("gpt-4.1") && line("sonnet").contains("env CLAUDE_SONNET_MODEL"));
    assert!(line("(others)").contains("passed through"));
    assert!(output.stdout.lines().all(|line| line.trim_end() == line), "blanks at an end");
}

#[test]
fn a_name_is_explained() {
    let output = models(&["claude-opus-5-5[1m]", "--json"]).run();
    let explained: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(explained["model"], "gpt-6-astra");
    assert_eq!(explained["rule"], "family opus (default)");
    assert!(explained["warning"].as_str().unwrap().contains("tools"));
    let text = models(&["claude-opus-5-5[1m]"]).run().stdout;
    assert!(text.contains("is sent as gpt-6-astra") && text.contains("family opus"), "{text}");
}

#[test]
fn live_marks_what_the_upstream_lists() {
    let upstream = Upstream::start(vec![
        Exchange::new()
            .expect_method("GET")
            .expect_path("/v1/models")
            .json(json!({"data": [{"id": "there"}]})),
    ]);
    let output = models(&["--live", "--json"])
        .upstream(&upstream)
        .env("CLAUDE_HAIKU_MODEL", "there")
        .env("CLAUDE_OPUS_MODEL", "missing")
        .run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let listing: Value = serde_json::from_str(&output.stdout).unwrap();
    let marks: Vec<_> = listing["rules"].as_array().unwrap().iter().map(|rule| &rule["live"]).collect();
    assert_eq!(marks, [&json!(true), &json!(false)]);
    assert_eq!(upstream.requests()[0].header("authorization"), Some("Bearer test-upstream-key"));
    upstream.finish();
}

#[test]
fn a_refused_key_is_77_and_no_upstream_is_69() {
    let upstream =
        Upstream::start(vec![Exchange::new().status(401).json(json!({"error": {"message": "no"}}))]);
    let output = models(&["--live"]).upstream(&upstream).run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(77), ""), "{}", output.stderr);
    assert!(!output.stderr.contains("test-upstream-key"));
    upstream.finish();
    // Port 9 of loopback: nothing may listen there, and a bound port would be a race.
    let output = models(&["--live"]).env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1").run();
    assert_eq!(output.code, Some(69), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 3, "{}", output.stderr);
}
