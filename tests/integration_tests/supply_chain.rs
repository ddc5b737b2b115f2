//! deny.toml holds: licences, forbidden crates, sources. `cargo deny` checks the same where it is installed; this test
//! needs nothing but cargo and no network.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Duplicates that are there because two crates of others do not agree; each costs a build and some bytes.
const MOST_DUPLICATES: usize = 10;

fn rules() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    fs::read_to_string(path).unwrap().parse().expect("deny.toml is TOML")
}

fn texts(value: &toml::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// The packages of the locked tree, for the machine that runs the test: others are not downloaded.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc");
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host").to_owned();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree: Value = serde_json::from_slice(&output.stdout).unwrap();
    tree["packages"].as_array().unwrap().clone()
}

/// Whether one of the ways to read an SPDX expression is allowed as a whole. `/` is how `OR` was written once.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let verdict = either(&mut rest, allowed);
    assert!(rest.is_empty(), "{expression:?} cannot be read");
    verdict
}

fn either(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut verdict = both(words, allowed);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        verdict |= both(words, allowed);
    }
    verdict
}

fn both(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut verdict = one(words, allowed);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let first = words[0];
    *words = &words[1..];
    if first == "(" {
        let verdict = either(words, allowed);
        assert_eq!(words.first(), Some(&")"));
        *words = &words[1..];
        return verdict;
    }
    if words.first() == Some(&"WITH") {
        let name = format!("{first} WITH {}", words[1]);
        *words = &words[2..];
        return allowed.contains(&name.as_str());
    }
    allowed.contains(&first)
}

#[test]
fn licences_are_read_as_spdx_has_them() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_dependency_is_allowed() {
    let rules = rules();
    let licences = texts(&rules["licenses"]["allow"]);
    let banned: Vec<&str> =
        rules["bans"]["deny"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let registries = texts(&rules["sources"]["allow-registry"]);
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        *versions.entry(name.to_owned()).or_default() += 1;
        // This package itself has no source.
        if let Some(source) = package["source"].as_str() {
            let known = registries.iter().any(|registry| source == format!("registry+{registry}"));
            assert!(known, "{name} comes from {source}");
        }
        assert!(!banned.contains(&name), "{name} is banned");
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(is_allowed(licence, &licences), "{name}: {licence}");
    }
    let duplicates: Vec<_> = versions.iter().filter(|(_, count)| **count > 1).collect();
    assert!(duplicates.len() <= MOST_DUPLICATES, "{duplicates:?}");
}
