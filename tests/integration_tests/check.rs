//! `check` against scripted upstreams: a mark per step, cause and cure, exit codes.

use crate::support::program::{Output, Program};
use crate::support::upstream::{Exchange, Upstream};
use serde_json::{Value, json};

fn check(upstream: &Upstream, arguments: &[&str]) -> Output {
    Program::aiapiproxy()
        .arg("check")
        .args(arguments)
        .upstream(upstream)
        .env("CLAUDE_SONNET_MODEL", "there")
        .run()
}

fn listing(ids: &'static [&'static str]) -> Upstream {
    Upstream::always(move |request| match request.path() {
        "/v1/models" => {
            let data: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
            Exchange::new().json(json!({"data": data}))
        }
        _ => Exchange::new().status(404),
    })
}

#[test]
fn all_well_is_0_with_a_mark_and_a_time_per_step() {
    let output = check(&listing(&["there"]), &[]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", output.stdout);
    for step in ["resolve", "tcp", "key", "model"] {
        let line = output.stdout.lines().find(|line| line.contains(&format!("  {step} "))).unwrap();
        assert!(line.starts_with('✓') && line.contains(" ms"), "{line}");
    }
}

#[test]
fn a_missing_model_is_1_with_cause_and_cure() {
    let output = check(&listing(&["another"]), &["--json"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let findings: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(findings["verdict"], "failed");
    let steps = findings["steps"].as_array().unwrap();
    let model = steps.iter().find(|step| step["name"] == "model").unwrap();
    assert_eq!((&model["target"], &model["outcome"]), (&json!("there"), &json!("failed")));
    assert!(model["cause"].is_string() && model["cure"].is_string() && model["duration_ms"].is_u64());
}

#[test]
fn a_refused_key_is_77_and_is_not_shown() {
    let upstream =
        Upstream::always(|_| Exchange::new().status(401).json(json!({"error": {"message": "no"}})));
    let output = check(&upstream, &[]);
    assert_eq!(output.code, Some(77), "{}", output.stdout);
    assert!(output.stdout.contains("OPENAI_API_KEY") && output.stdout.contains('✗'), "{}", output.stdout);
    assert!(!format!("{output:?}").contains("test-upstream-key"));
}

#[test]
fn no_upstream_is_69_and_no_key_is_78() {
    let unreachable =
        Program::aiapiproxy().arg("check").env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1").run();
    assert_eq!(unreachable.code, Some(69), "{}", unreachable.stdout);
    assert_eq!(Program::aiapiproxy().arg("check").run().code, Some(78));
}
