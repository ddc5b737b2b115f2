//! The list of the SDK's fields, and what its types require of the answers that we give.

use super::outcome::Field;
use crate::support::sse;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The committed list.
pub(super) struct Fields(Value);

impl Fields {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(tests().join("fixtures/sdk_fields.json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// Every field of a request.
    pub(super) fn request_fields(&self) -> Vec<Field> {
        let fields = self.0["request"].as_object().unwrap();
        fields.iter().map(|(path, body)| Field::new(path, &body.to_string())).collect()
    }
}

/// What the SDK's types require of answers, and what was found of them in ours.
pub(super) struct Required {
    types: Value,
    /// Names of the types that were found.
    pub(super) found: BTreeSet<String>,
    /// Required members that were not there.
    pub(super) missing: BTreeSet<String>,
}

impl Required {
    pub(super) fn read() -> Self {
        let types = Fields::read().0["response"].clone();
        Self { types, found: BTreeSet::new(), missing: BTreeSet::new() }
    }

    /// Looks at all answers and streams that golden files expect.
    pub(super) fn check_golden_files(&mut self) {
        for path in files_in(&tests().join("fixtures")) {
            let name = path.to_string_lossy().into_owned();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if name.ends_with(".expected.sse") {
                for event in sse::parse(&text) {
                    self.check(&event.json());
                }
            } else if name.ends_with(".expected.json") {
                self.check(&serde_json::from_str(&text).unwrap());
            }
        }
    }

    /// Looks at a value and at all that is in it.
    fn check(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.check(item)),
            Value::Object(members) => {
                for kind in self.kinds_of(value) {
                    self.require(&kind, value);
                }
                // What a tool is called with, and what an upstream was sent, is not ours.
                let ours =
                    members.iter().filter(|(name, _)| !matches!(name.as_str(), "input" | "request" | "body"));
                ours.for_each(|(_, member)| self.check(member));
            }
            _ => {}
        }
    }

    /// The types of an object, by its `type`, and of what it has of no type.
    fn kinds_of(&self, value: &Value) -> Vec<String> {
        let known = self.types.as_object().unwrap().iter();
        let of_kind =
            known.filter(|(_, required)| required["type"] == value["type"] && value["type"].is_string());
        let names = of_kind.map(|(name, _)| name).filter(|name| !name.ends_with("Source"));
        names.cloned().collect()
    }

    fn require(&mut self, kind: &str, value: &Value) {
        self.found.insert(kind.to_owned());
        for name in self.types[kind].as_object().unwrap().keys() {
            if value.get(name).is_none_or(Value::is_null) {
                self.missing.insert(format!("{kind}.{name} in {value}"));
            }
        }
        let usage = match kind {
            "Message" => "Usage",
            "RawMessageDeltaEvent" => "MessageDeltaUsage",
            _ => return,
        };
        self.require(usage, &value["usage"]);
        for (name, kind) in
            [("cache_creation", "CacheCreation"), ("output_tokens_details", "OutputTokensDetails")]
        {
            if value["usage"].get(name).is_some_and(Value::is_object) {
                self.require(kind, &value["usage"][name]);
            }
        }
    }
}

/// The sources of all tests, the program's own included.
pub(super) fn sources_of_tests() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("src"), tests().join("integration_tests")];
    let files = folders.iter().flat_map(|folder| files_in(folder));
    files
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}
