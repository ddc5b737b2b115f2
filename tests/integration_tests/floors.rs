//! The floors of the house: which module may name which, read from the sources.
//!
//! `src/lib.rs` tells what the floors are for; the table [`FLOORS`] here is what is enforced. Comments and the
//! contents of strings do not count; test modules inside `src/` count like all other code, except for length.

use source::{Path, Source};
use std::fs;
use std::path::PathBuf;

mod source;

/// Top-level modules from the lowest floor up: what each may name of the others. What stands earlier in this
/// list never names what stands later, so there is no way round.
const FLOORS: &[(&str, &[&str])] = &[
    // 0: the dialects and the framing of streams, without IO and without each other.
    ("protocol", &[]),
    ("sse", &[]),
    // 1: translation, without IO; a stream is fed with the events that sse has cut out.
    ("translate", &["protocol", "sse"]),
    // 2: what is known before the first request; each with those before it.
    ("models", &["protocol", "translate::quirks"]),
    ("secret", &[]),
    ("metrics", &[]),
    ("config", &["protocol", "translate::quirks", "models", "secret"]),
    ("telemetry", &["config", "secret", "metrics"]),
    // 3: the call to an upstream, in the upstream's dialect; translating is not its business.
    (
        "upstream",
        &["protocol", "sse", "translate::quirks", "models", "secret", "metrics", "config", "telemetry"],
    ),
    // 3½: which upstream; a policy, that neither waits nor sends.
    ("routing", &["models", "config"]),
    // 4 and 5: everything below.
    (
        "server",
        &[
            "protocol",
            "sse",
            "translate",
            "models",
            "secret",
            "metrics",
            "config",
            "telemetry",
            "upstream",
            "routing",
        ],
    ),
    (
        "cli",
        &[
            "protocol",
            "sse",
            "translate",
            "models",
            "secret",
            "metrics",
            "config",
            "telemetry",
            "upstream",
            "routing",
            "server",
        ],
    ),
    ("main", &["cli"]),
];

/// No IO, clock or randomness down here: ids, times and names come in as arguments.
const PURE: &[&str] = &["protocol", "sse", "translate"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "hyper",
    "hyper_util",
    "axum",
    "reqwest",
    "getrandom",
    "rand",
    "tracing",
];

/// A library that shows in one place only, so that it can be replaced there.
const HOMES: &[(&str, &[&str])] = &[
    ("eventsource_stream", &["sse"]),
    ("reqwest", &["upstream"]),
    ("axum", &["server"]),
    ("tower_http", &["server", "upstream"]),
    ("hyper_rustls", &["upstream"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("color_eyre", &["cli", "main"]),
    ("toml", &["config"]),
    ("directories", &["config"]),
    ("tracing_subscriber", &["config", "telemetry"]),
];

/// The only file that reads the environment.
const ENVIRONMENT: &str = "config/env.rs";

const MOST_LINES: usize = 500;
/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

#[test]
fn no_module_names_a_higher_floor() {
    let faults: Vec<String> = sources().iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let too_long: Vec<String> = sources()
        .iter()
        .filter(|source| {
            source.lines() > MOST_LINES && !LONG_FILES.iter().any(|(name, _)| *name == source.name)
        })
        .map(|source| format!("{}: {} lines without its tests", source.name, source.lines()))
        .collect();
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    for source in sources().iter().filter(|source| source.module() != "lib") {
        assert!(
            FLOORS.iter().any(|(module, _)| *module == source.module()),
            "{} is on no floor",
            source.name
        );
        assert!(!source.name.ends_with("/mod.rs"), "{}: a.rs beside a/, not mod.rs", source.name);
    }
}

#[test]
fn the_table_leads_only_downwards() {
    for (place, (module, allowed)) in FLOORS.iter().enumerate() {
        for name in *allowed {
            let head = name.split("::").next();
            assert!(FLOORS[..place].iter().any(|(below, _)| Some(*below) == head), "{module} -> {name}");
        }
    }
}

#[test]
fn what_breaks_a_rule_is_found() {
    for (name, text, fault) in [
        ("protocol/x.rs", "use crate::translate::Report;", "x.rs:1: protocol names crate::translate::Report"),
        ("protocol/x.rs", "\n\nfn f(_: crate::sse::Event) {}", "x.rs:3: protocol names crate::sse::Event"),
        ("sse.rs", "use super::translate;", "sse.rs:1: sse names crate::translate"),
        ("protocol/a/b.rs", "use super::super::super::sse::x;", "names crate::sse::x"),
        ("translate.rs", "use crate::{protocol, models};", "names crate::models"),
        ("translate.rs", "use crate::{protocol::{a, b}, config::{c as d}};", "names crate::config::c"),
        ("translate.rs", "use std::{fmt, fs};", "names std::fs"),
        ("translate.rs", "use std::time::{Duration, Instant};", "names std::time::Instant"),
        ("translate.rs", "#[cfg(test)] mod tests { use crate::server; }", "names crate::server"),
        ("translate.rs", "mod tests { use super::super::server; }", "names crate::server"),
        ("upstream.rs", "use crate::translate::Report;", "names crate::translate::Report"),
        ("models.rs", "use crate::config;", "models names crate::config"),
        ("server/x.rs", "fn f() { std::env::var(\"A\"); }", "std::env is for config/env.rs"),
        ("server/x.rs", "use std::env;", "std::env is for config/env.rs"),
        ("server/x.rs", "fn f(_: reqwest::Client) {}", "reqwest is for upstream"),
        ("server/x.rs", "use color_eyre::eyre;", "color_eyre is for cli, main"),
        ("server/x.rs", "use ::clap::Parser;", "clap is for cli"),
        ("main.rs", "use aiapiproxy::server;", "main names crate::server"),
    ] {
        let faults = faults(&Source::new(name, text));
        assert!(faults.len() == 1 && faults[0].contains(fault), "{text}: {faults:?}, not {fault}");
    }
}

#[test]
fn what_keeps_the_rules_is_left_alone() {
    for (name, text) in [
        (
            "protocol/x.rs",
            "// crate::server\n/* std::fs /* nested */ tokio */ fn f<'a>(x: &'a str) -> char { '\"' }",
        ),
        (
            "protocol/x.rs",
            "const A: &str = \"crate::server\\\" tokio::x\"; const B: &str = r#\"\" std::fs \"#;",
        ),
        (
            "protocol/x.rs",
            "use super::stream::Event; use crate::protocol::anthropic; use std::time::Duration;",
        ),
        ("protocol/x.rs", "mod tests { use super::super::chat; }"),
        ("protocol/x.rs", "fn f() { let tokio = 1; self.axum(); a.reqwest; }"),
        ("config/env.rs", "fn f() { std::env::var(\"A\"); }"),
        ("server/x.rs", "use crate::{server::{self, state}, translate::{Delta, Report}};"),
        ("cli.rs", "const BIN: &str = env!(\"CARGO_PKG_NAME\");"),
        ("lib.rs", "pub mod protocol;"),
    ] {
        assert_eq!(faults(&Source::new(name, text)), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn tests_do_not_count_as_length() {
    let text = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn t() {}\n}\n";
    assert_eq!(Source::new("sse.rs", text).lines(), 2);
    assert_eq!(Source::new("sse.rs", "#[cfg(test)]\nfn f() {}\n").lines(), 2);
}

fn faults(source: &Source) -> Vec<String> {
    source.paths().iter().filter_map(|path| fault(source, path)).collect()
}

fn fault(source: &Source, path: &Path) -> Option<String> {
    let module = source.module();
    let says = |what: String| Some(format!("src/{}:{}: {what}", source.name, path.line));
    let home = HOMES.iter().find(|(library, _)| path.is_in(library));
    if path.is_in("crate") && !may_name(module, path) || PURE.contains(&module) && path.is_in_any(IMPURE) {
        return says(format!("{module} names {}", path.text()));
    }
    if path.is_in("std::env") && source.name != ENVIRONMENT {
        return says(format!("std::env is for {ENVIRONMENT}"));
    }
    match home {
        Some((library, homes)) if !homes.contains(&module) => {
            says(format!("{library} is for {}", homes.join(", ")))
        }
        _ => None,
    }
}

fn may_name(module: &str, path: &Path) -> bool {
    // lib.rs only declares; what is not a module of ours (a macro at the root) has no floor.
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == module) else { return true };
    let own = path.is_in(&format!("crate::{module}"));
    let known = FLOORS.iter().any(|(name, _)| path.is_in(&format!("crate::{name}")));
    own || !known || allowed.iter().any(|name| path.is_in(&format!("crate::{name}")))
}

fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 5, "the sources were not found");
    sources
}
