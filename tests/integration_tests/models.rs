//! `models`: the mapping, a single name explained, and what the upstream really lists.

use crate::check::refusing_url;
use crate::support::program::Program;
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

fn models(arguments: &[&str]) -> Program {
    Program::aiapiproxy().arg("models").args(arguments)
}

fn json_of(program: Program) -> Value {
    let output = program.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&output.stdout).unwrap()
}

/// Every kind of rule.
const RULES: &str = r#"[upstream]
base_url = "http://127.0.0.1:1/v1"
name = "home"

[models]
sonnet = "of-family"
default = "of-default"

[models.map]
"claude-sonnet-5" = "of-name"
"claude-*" = "of-glob"
"claude-*-haiku*" = { model = "of-longer-glob", display_name = "Little" }
"#;

fn with_rules(arguments: &[&str]) -> Program {
    models(arguments).file("c.toml", RULES).args(["--config", "c.toml"])
}

#[test]
fn the_table_shows_every_rule_and_who_decided() {
    let output = models(&[]).env("CLAUDE_SONNET_MODEL", "gpt-4.1").run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let line = |name: &str| output.stdout.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("sonnet").contains("gpt-4.1") && line("sonnet").contains("env CLAUDE_SONNET_MODEL"));
    assert!(line("(others)").contains("passed through"));
    assert!(line("upstream: ").ends_with("openai at https://api.openai.com/v1"));
    assert!(output.stdout.lines().all(|line| line.trim_end() == line), "blanks at an end");

    let table = with_rules(&[]).run().stdout;
    let words: Vec<Vec<&str>> = table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        "REQUESTED SENT AS DIALECT DECIDED BY",
        "claude-sonnet-5 of-name chat exact",
        "claude-*-haiku* of-longer-glob chat glob claude-*-haiku*",
        "claude-* of-glob chat glob claude-*",
        "sonnet of-family chat family sonnet (file c.toml:6)",
        "* of-default chat default",
    ];
    assert_eq!(words.iter().map(|words| words.join(" ")).collect::<Vec<_>>(), expected, "{table}");
}

#[test]
fn a_name_is_explained_by_the_rule_that_decides() {
    for (name, model, rule) in [
        ("claude-sonnet-5", "of-name", "exact"),
        ("claude-sonnet-5[1m]", "of-name", "exact"),
        ("claude-3-5-haiku-20241022", "of-longer-glob", "glob claude-*-haiku*"),
        ("claude-opus-5-5", "of-glob", "glob claude-*"),
        ("sonnet", "of-family", "family sonnet (file c.toml:6)"),
        ("anthropic/claude-sonnet-4-5[1m]", "of-family", "family sonnet (file c.toml:6)"),
        ("qwen3", "of-default", "default"),
    ] {
        let explained = json_of(with_rules(&[name, "--json"]));
        let expected = json!({
            "requested": name, "model": model, "rule": rule, "dialect": "chat", "dialect_decided_by": "auto",
            "upstream": "home", "url": "http://127.0.0.1:1/v1",
        });
        assert_eq!(explained, expected);
        let text = with_rules(&[name]).run().stdout;
        let expected = format!(
            "{name} is sent as {model} to home at http://127.0.0.1:1/v1\ndecided by: {rule}\n\
                 dialect: chat, decided by: auto\n"
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn a_name_that_no_rule_fits_passes_through_without_its_suffix() {
    let local = |name: &str| models(&[name, "--json"]).env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
    for (name, model) in [("claude-opus-5-5[1m]", "claude-opus-5-5"), ("qwen/qwen3:8b", "qwen/qwen3:8b")] {
        let explained = json_of(local(name));
        assert_eq!((&explained["model"], &explained["rule"]), (&json!(model), &json!("passed through")));
    }
    let table = json_of(models(&["--json"]).env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"));
    assert_eq!((&table["rules"], &table["listed"]), (&json!([]), &json!([])));
    assert_eq!(table["others_pass_through"], true);
}

#[test]
fn families_and_newer_ones_are_known_and_a_model_that_refuses_tools_is_told() {
    for (name, model) in [
        ("claude-3-5-haiku-latest", "gpt-6-luna"),
        ("claude-sonnet-4-5@20250929", "gpt-6-sol"),
        ("us.anthropic.claude-opus-5-v1:0", "gpt-6-astra"),
        ("claude-fable-1", "gpt-6-astra"),
        ("claude-mythos-1[1m]", "gpt-6-astra"),
    ] {
        let chat = models(&[name, "--json"]).env("OPENAI_DIALECT", "chat");
        let explained = json_of(chat);
        assert_eq!(explained["model"], model, "{name}");
        assert_eq!(explained["dialect_decided_by"], "env OPENAI_DIALECT");
        assert!(explained["warning"].as_str().unwrap().contains("refuses tools"), "{explained}");
    }
    let text = models(&["claude-opus-5-5[1m]"]).env("OPENAI_DIALECT", "chat").run().stdout;
    assert!(text.starts_with("claude-opus-5-5[1m] is sent as gpt-6-astra to openai at"), "{text}");
    assert!(
        text.ends_with("\nbut the upstream refuses tools for this model on chat completions\n"),
        "{text}"
    );
    let harmless = json_of(models(&["sonnet", "--json"]).env("CLAUDE_SONNET_MODEL", "gpt-4.1"));
    assert_eq!(harmless.get("warning"), None);
}

#[test]
fn the_json_table_has_every_rule_and_what_clients_are_shown() {
    let table = json_of(with_rules(&["--json"]));
    let keys: Vec<_> = table.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["listed", "others_pass_through", "rules", "upstream", "url"]);
    let rule = json!({"name": "claude-sonnet-5", "model": "of-name", "rule": "exact", "dialect": "chat"});
    assert_eq!((&table["rules"][0], table["rules"].as_array().unwrap().len()), (&rule, 5));
    assert_eq!(table["others_pass_through"], false, "the default takes them");
    assert_eq!(table["listed"], json!(["claude-sonnet-5", "claude-haiku-4-5", "claude-opus-5-5"]));
}

#[test]
fn the_dialect_of_every_model_is_shown_with_its_reason() {
    let file = "[upstream]\nbase_url = 'http://127.0.0.1:1/v1'\ndialect = 'messages'\n\
                [models.map]\na = { model = 'x', dialect = 'chat' }\nb = 'y'\n";
    let of = |arguments: &[&str]| models(arguments).file("c.toml", file).args(["--config", "c.toml"]);
    let rules = json_of(of(&["--json"]))["rules"].clone();
    assert_eq!((&rules[0]["dialect"], &rules[1]["dialect"]), (&json!("chat"), &json!("messages")));
    let others = of(&[]).run().stdout;
    assert!(others.lines().any(|line| line.starts_with("(others)") && line.contains("messages")), "{others}");
    for (name, dialect, decided_by) in [
        ("a", "chat", "set for this model"),
        ("b", "messages", "file c.toml:3"),
        ("c", "messages", "file c.toml:3"),
    ] {
        let told = json_of(of(&[name, "--json"]));
        let expected = (&json!(dialect), &json!(decided_by));
        assert_eq!((&told["dialect"], &told["dialect_decided_by"]), expected);
        let text = of(&[name]).run().stdout;
        assert!(text.ends_with(&format!("\ndialect: {dialect}, decided by: {decided_by}\n")), "{text}");
    }
}

#[test]
fn live_marks_what_the_upstream_lists() {
    let list = || {
        let exchange = Exchange::new().expect_method("GET").expect_path("/v1/models");
        exchange.json(json!({"data": [{"id": "there"}]}))
    };
    let upstream = Upstream::start(vec![list(), list(), list()]);
    let live = |arguments: &[&str]| {
        let program = models(arguments).upstream(&upstream).env("CLAUDE_HAIKU_MODEL", "there");
        program.env("CLAUDE_OPUS_MODEL", "missing")
    };
    let listing = json_of(live(&["--live", "--json"]));
    let marks: Vec<_> = listing["rules"].as_array().unwrap().iter().map(|rule| &rule["live"]).collect();
    assert_eq!(marks, [&json!(true), &json!(false)]);
    assert_eq!(upstream.requests()[0].header("authorization"), Some("Bearer test-upstream-key"));
    let table = live(&["--live"]).run().stdout;
    assert!(table.contains("✓ there") && table.contains("✗ not listed by the upstream"), "{table}");
    assert_eq!(json_of(live(&["claude-opus-5-5", "--live", "--json"]))["live"], false);
    upstream.finish();
}

#[test]
fn what_is_not_live_asks_nobody_and_needs_no_key() {
    let upstream = Upstream::start(Vec::new());
    assert_eq!(models(&[]).upstream(&upstream).run().code, Some(0));
    assert_eq!(models(&["x"]).upstream(&upstream).run().code, Some(0));
    upstream.finish();
    assert_eq!(models(&["--live"]).run().code, Some(78), "asking OpenAI needs a key");
}

#[test]
fn a_refused_key_is_77_and_no_list_is_69() {
    for (status, code) in [(401, 77), (403, 77), (404, 69), (500, 69)] {
        let answer = Exchange::new().status(status).json(json!({"error": {"message": "no"}}));
        let upstream = Upstream::always(move |_| answer.clone());
        let output = models(&["--live"]).upstream(&upstream).run();
        assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{}", output.stderr);
        assert!(output.stderr.contains(&status.to_string()), "{}", output.stderr);
        assert!(!output.stderr.contains("test-upstream-key"));
    }
    let (_socket, url) = refusing_url();
    let output = models(&["--live"]).env("OPENAI_BASE_URL", url).run();
    assert_eq!(output.code, Some(69), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 3, "{}", output.stderr);
}
