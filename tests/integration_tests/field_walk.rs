//! The walk over every field that the official SDK's types know: none is lost silently, before any upstream.
//!
//! `tests/fixtures/sdk_fields.json` lists the fields of requests, each with a body that has it; it is made from the
//! pinned SDK by `tests/real/sdk_fields.py`. `verdicts.rs` says what becomes of each: carried, told as lost or as a
//! hint, refused, or dealt with here. This file proves it.

use aiapiproxy::translate::Dialect;
use aiapiproxy::translate::quirks::Preset;
use answers::{Fields, Required};
use outcome::{Field, Outcome};
use std::collections::BTreeSet;
use verdicts::{VERDICTS, Verdict};

mod answers;
mod outcome;
mod verdicts;

#[test]
fn every_field_has_a_verdict_and_every_verdict_a_field() {
    let fields = Fields::read().request_fields();
    let without: Vec<_> = fields.iter().filter(|field| verdict(field).is_none()).map(describe).collect();
    let used: BTreeSet<_> = fields.iter().filter_map(verdict).map(|(pattern, _)| pattern).collect();
    let unused: Vec<_> = VERDICTS.iter().map(|(it, _)| *it).filter(|it| !used.contains(it)).collect();
    assert!(without.is_empty(), "{} fields without a verdict:\n{}", without.len(), without.join("\n"));
    assert!(unused.is_empty(), "verdicts that decide nothing:\n{}", unused.join("\n"));
}

#[test]
fn every_verdict_is_true() {
    let faults: Vec<_> = Fields::read().request_fields().iter().filter_map(fault).collect();
    assert!(faults.is_empty(), "{} verdicts are wrong:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_field_is_lost_silently_before_any_upstream() {
    let mut lost = Vec::new();
    for field in Fields::read().request_fields() {
        if matches!(verdict(&field), Some((_, Verdict::Local { .. }))) {
            continue;
        }
        let responses = field.clone().over(Dialect::Responses);
        for (preset, field) in Preset::ALL.into_iter().flat_map(|it| [(it, &field), (it, &responses)]) {
            if matches!(field.outcome(preset), Outcome::Lost | Outcome::Misnamed) {
                lost.push(format!("{preset}: {field:?}"));
            }
        }
    }
    assert!(lost.is_empty(), "{} fields are lost:\n{}", lost.len(), lost.join("\n"));
}

#[test]
fn what_is_dealt_with_here_has_a_test() {
    let sources = answers::sources_of_tests();
    for (pattern, verdict) in VERDICTS {
        if let Verdict::Local { test, .. } = verdict {
            assert!(sources.contains(&format!("fn {test}(")), "{pattern}: there is no test {test}");
        }
    }
}

#[test]
fn what_is_usual_anyway_changes_nothing() {
    let tool = r#"{"name":"f","input_schema":{"type":"object"}}"#;
    let member = |tool: &str| format!(r#"{{"tools":[{tool}]}}"#);
    let more = |members: &str| member(&tool.replace("{\"name", &format!("{{{members},\"name")));
    let plain = |preset| Field::new("/tools", &member(tool)).seen(preset);
    for preset in Preset::ALL {
        for usual in [r#""type":"custom""#, r#""allowed_callers":["direct"]"#] {
            assert_eq!(Field::new("/tools", &more(usual)).seen(preset), plain(preset), "{preset}: {usual}");
        }
    }
    let none = Field::new("/max_tokens", r#"{"max_tokens":9}"#);
    for usual in [r#"{"service_tier":"auto"}"#, r#"{"speed":"standard"}"#] {
        let path = if usual.contains("tier") { "/service_tier" } else { "/speed" };
        for preset in Preset::ALL {
            assert_eq!(Field::new(path, usual).seen(preset), none.seen(preset), "{preset}: {usual}");
        }
    }
    // Upstreams that can be told to reason are told so.
    let adaptive = Field::new("/thinking", r#"{"thinking":{"type":"adaptive"}}"#);
    assert_eq!(adaptive.seen(Preset::OpenAi), none.seen(Preset::OpenAi));
    assert!(adaptive.seen(Preset::OpenRouter).contains(r#""reasoning":{"enabled":true}"#));
}

#[test]
fn tools_defined_later_are_told_by_their_place() {
    let later = |tool: &str| {
        let block = format!(r#"{{"type":"tool_addition","tool":{tool}}}"#);
        format!(r#"{{"messages":[{{"role":"system","content":[{block}]}}]}}"#)
    };
    let defined = |members: &str| {
        let tool = format!(r#"{{"name":"now","input_schema":{{"type":"object"}},{members}}}"#);
        later(&format!(r#"{{"type":"tool_definition","definition":{tool}}}"#))
    };
    let path = "/messages[system]/content[tool_addition]/tool[tool_definition]/definition";
    let at = "/messages/1/content/0/tool/definition";
    let deferred = Field::new(path, &defined(r#""defer_loading":true"#));
    assert!(deferred.seen(Preset::Generic).contains(r#""name":"now""#), "what is defined now is loaded now");
    let hinted = Field::new(path, &defined(r#""cache_control":{"type":"ephemeral"}"#));
    assert_eq!(hinted.reported(Preset::Generic), [format!("{at}/cache_control")]);
    // What is only named must be defined elsewhere.
    let named = later(r#"{"type":"tool_reference","name":"gone"}"#);
    let dangling = named.replace(r#"{"messages""#, r#"{"tools":[],"messages""#);
    let field = |member: &str| Field::new("/messages[system]/content[tool_addition]", member);
    assert_eq!(field(&named).reported(Preset::Generic), [""; 0]);
    assert_eq!(field(&dangling).reported(Preset::Generic), ["/messages/1/content/0/tool"]);
}

#[test]
fn a_lost_field_would_be_found() {
    let known = Field::new("/metadata/user_id", r#"{"metadata":{"user_id":"Zq"}}"#);
    assert_eq!(known.outcome(Preset::Generic), Outcome::Hint);
    // A member of an opaque value that nobody carries is lost, whatever else of the value is.
    let lost = Field::new("/metadata", r#"{"metadata":{}}"#);
    assert_eq!(lost.outcome(Preset::Generic), Outcome::Lost);
}

#[test]
fn answers_have_what_the_types_require() {
    let mut required = Required::read();
    required.check_golden_files();
    assert!(required.missing.is_empty(), "{:#?}", required.missing);
    for kind in [
        "CacheCreation",
        "InputJSONDelta",
        "Message",
        "MessageDeltaUsage",
        "OutputTokensDetails",
        "RawContentBlockDeltaEvent",
        "RawContentBlockStartEvent",
        "RawContentBlockStopEvent",
        "RawMessageDeltaEvent",
        "RawMessageStartEvent",
        "RawMessageStopEvent",
        "RefusalStopDetails",
        "SignatureDelta",
        "TextBlock",
        "TextDelta",
        "ThinkingBlock",
        "ThinkingDelta",
        "ToolUseBlock",
        "Usage",
    ] {
        assert!(required.found.contains(kind), "no golden file shows a {kind}");
    }
}

/// The first pattern that the field's path fits, and what it says.
fn verdict(field: &Field) -> Option<&'static (&'static str, Verdict)> {
    VERDICTS.iter().find(|(pattern, _)| fits(pattern, &field.path))
}

/// Whether a path fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path.strip_prefix(start).is_some_and(|path| {
            let ends = (0..=path.len()).filter(|end| path.is_char_boundary(*end));
            ends.into_iter().any(|end| fits(rest, &path[end..]))
        }),
    }
}

fn fault(field: &Field) -> Option<String> {
    let (_, verdict) = verdict(field)?;
    let (preset, expected) = match verdict {
        Verdict::Carried => (Preset::Generic, Outcome::Carried),
        Verdict::CarriedBy(preset) => (*preset, Outcome::Carried),
        Verdict::Lossy => (Preset::Generic, Outcome::Lossy),
        Verdict::Hint => (Preset::Generic, Outcome::Hint),
        Verdict::Refused => (Preset::Generic, Outcome::Refused),
        Verdict::Local { how, .. } => {
            let refused = matches!(field.outcome(Preset::Generic), Outcome::Refused | Outcome::Misnamed);
            return refused.then(|| format!("{}: refused, not so: {how}", field.path));
        }
    };
    let outcome = field.outcome(preset);
    (outcome != expected).then(|| format!("{preset}: {}: {outcome:?}, not {verdict:?}", field.path))
}

fn describe(field: &Field) -> String {
    let outcomes =
        [Preset::Generic, Preset::OpenRouter, Preset::OpenAi].map(|it| format!("{:?}", field.outcome(it)));
    format!("{}\t{}", field.path, outcomes.join("\t"))
}
