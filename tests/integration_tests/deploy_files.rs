//! `deploy/` says what the program does: metric names, paths, ports and times; and README's recipes are right.

use crate::support::program::Program;
use aiapiproxy::metrics::{Metrics, exposition};
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The metrics that a text names.
fn metrics_in(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| ["aiapiproxy_", "gen_ai_", "process_"].iter().any(|it| word.starts_with(it)))
        .collect()
}

#[test]
fn dashboard_and_autoscaler_name_metrics_that_there_are() {
    let told = exposition::text(&Metrics::default(), &[]);
    let is_told = |name: &str| {
        let histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part));
        let types = [Some(name), histogram];
        types.into_iter().flatten().any(|name| told.contains(&format!("# TYPE {name} ")))
    };
    let dashboard = read("deploy/grafana-dashboard.json");
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().unwrap().len() >= 6);
    let manifest = read("deploy/kubernetes/aiapiproxy.yaml");
    let names: Vec<&str> = metrics_in(&dashboard).into_iter().chain(metrics_in(&manifest)).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(is_told(name), "{name}");
    }
}

#[test]
fn the_readme_names_every_metric_and_no_other() {
    let told = exposition::text(&Metrics::default(), &[]);
    let is_told = |name: &str| told.contains(&format!("# TYPE {name} "));
    let readme = read("README.md");
    let (_, table) = readme.split_once("| metric | labels | |\n").unwrap();
    let table = table.split("\n\n").next().unwrap();
    let named = metrics_in(table);
    for name in &named {
        // Only Linux tells of the process.
        assert!(is_told(name) || (name.starts_with("process_") && !cfg!(target_os = "linux")), "{name}");
    }
    for line in told.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(named.contains(&name), "README.md does not name {name}");
    }
}

#[test]
fn deployments_drain_and_probe_as_the_program_does() {
    let manifest = read("deploy/kubernetes/aiapiproxy.yaml");
    for line in [
        "terminationGracePeriodSeconds: 660",
        "shutdown_grace = \"600s\"",
        "path: /health/ready, port: http",
        "path: /health/live, port: http",
        "containerPort: 8082",
        "maxUnavailable: 0",
        "readOnlyRootFilesystem: true",
    ] {
        assert!(manifest.contains(line), "{line}");
    }
    let config = manifest.split_once("config.toml: |\n").unwrap().1.split("---").next().unwrap();
    let config: String = config.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    let valid = Program::aiapiproxy()
        .file("c.toml", config)
        .args(["config", "validate", "--strict", "--config", "c.toml"]);
    let output =
        valid.env("OPENAI_API_KEY", "k").env("CLIENT_API_KEYS", "0123456789abcdef0123456789abcdef").run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for (front, lines) in [
        ("deploy/nginx.conf", &["proxy_buffering off;", "proxy_read_timeout 660s;", "gzip off;"][..]),
        ("deploy/haproxy.cfg", &["timeout server  660s", "retries 0", "option abortonclose"]),
        ("deploy/Caddyfile", &["response_header_timeout 660s", "compression off"]),
    ] {
        let text = read(front);
        assert!(text.contains("127.0.0.1:8082"), "{front}");
        for line in lines {
            assert!(text.contains(line), "{front}: {line}");
        }
    }
}

#[test]
fn the_package_holds_files_that_there_are() {
    let manifest = read("Cargo.toml");
    let assets = manifest.split_once("assets = [\n").unwrap().1.split_once("\n]").unwrap().0;
    for asset in assets.lines().filter_map(|line| line.split('"').nth(1)) {
        let path = asset.split('*').next().unwrap();
        if !path.starts_with("target/") {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{asset}");
        }
    }
}

#[test]
fn the_package_brings_the_units_and_the_unit_finds_the_program() {
    let manifest = read("Cargo.toml");
    for unit in ["aiapiproxy.service", "aiapiproxy.socket"] {
        let asset = format!("[\"deploy/systemd/{unit}\", \"usr/lib/systemd/system/\", \"644\"]");
        assert!(manifest.contains(&asset), "{asset}");
    }
    assert!(manifest.contains("\"usr/bin/\", \"755\"]"));
    // Without a folder systemd looks in /usr/local/bin, where it is installed by hand, and in /usr/bin.
    assert!(read("deploy/systemd/aiapiproxy.service").contains("\nExecStart=aiapiproxy serve "));
}

#[test]
fn every_configuration_in_the_readme_is_right() {
    let readme = read("README.md");
    let blocks: Vec<&str> =
        readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 10, "{} blocks", blocks.len());
    for block in blocks {
        let program = Program::aiapiproxy().file("c.toml", block);
        let program = program.args(["config", "validate", "--strict", "--config", "c.toml"]);
        let keys =
            ["OPENAI_API_KEY", "AZURE_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "DEEPSEEK_API_KEY"];
        let output = keys.into_iter().fold(program, |program, key| program.env(key, "k-0123456789")).run();
        assert_eq!(output.code, Some(0), "{block}\n{}", output.stderr);
    }
}
