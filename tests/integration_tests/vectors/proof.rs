//! How a test vector is proven, once for all who ask, and how `CONFORMANCE.md` is written from what came of it.

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;

/// One test vector of the protocol, or a part of one.
#[derive(Debug)]
pub(super) struct Vector {
    /// Its number in the list of vectors.
    pub(super) number: u32,
    /// What it shows.
    pub(super) title: &'static str,
    /// The name of its test.
    pub(super) test: &'static str,
    /// The test itself: it panics if the program is otherwise than the vector says.
    pub(super) proof: fn(),
    /// Why it cannot hold yet.
    pub(super) pending: Option<&'static str>,
    pub(super) outcome: OnceLock<Result<(), String>>,
}

impl Vector {
    /// What came of the proof; it runs once, for its own test and for `CONFORMANCE.md` alike.
    fn outcome(&self) -> &Result<(), String> {
        self.outcome.get_or_init(|| {
            catch_unwind(AssertUnwindSafe(self.proof)).map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
            })
        })
    }

    fn status(&self) -> String {
        match (self.outcome(), self.pending) {
            (Ok(()), _) => "holds".to_owned(),
            (Err(_), Some(reason)) => format!("pending: {reason}"),
            (Err(_), None) => "**broken**".to_owned(),
        }
    }
}

/// Fails unless the vector of that test holds, or is rightly marked as pending.
pub(super) fn check(vectors: &[Vector], test: &str) {
    let vector = vectors.iter().find(|vector| vector.test == test).expect("a vector of that name");
    match (vector.outcome(), vector.pending) {
        (Ok(()), None) | (Err(_), Some(_)) => {}
        (Err(fault), None) => panic!("vector {}: {fault}", vector.number),
        (Ok(()), Some(_)) => panic!(
            "vector {} holds now: take its `pending` out of the table, and UPDATE=1 cargo test conformance",
            vector.number
        ),
    }
}

/// Compares `CONFORMANCE.md` with what the proofs come to; with `UPDATE=1` writes it.
pub(super) fn conformance(vectors: &[Vector]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CONFORMANCE.md");
    let text = document(vectors);
    #[expect(clippy::disallowed_methods, reason = "the switch of the tests, not the program's configuration")]
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "CONFORMANCE.md is stale: UPDATE=1 cargo test conformance. It would be:\n{text}");
}

fn document(vectors: &[Vector]) -> String {
    let mut rows = String::new();
    for vector in vectors {
        let Vector { number, title, test, .. } = vector;
        writeln!(rows, "| {number} | {title} | {} | `{test}` |", vector.status()).unwrap();
    }
    let held = vectors.iter().filter(|vector| vector.outcome().is_ok()).count();
    format!(
        "{PREFACE}\n{held} of {} parts of 66 vectors hold.\n\n| | What it shows | Status | Test |\n|---:|---|---|---|\n{rows}",
        vectors.len()
    )
}

const PREFACE: &str = "\
# Conformance

The test vectors of the protocol between Messages clients and chat completions upstreams: what goes in, and what
must come out, seen from the client and from the upstream. A test of the built program proves each one in full;
some vectors have several parts. A part that is pending is tested as well: it must fail, or its mark be taken away.

This file is written by the tests from what came of them: `UPDATE=1 cargo test --test integration_tests
conformance`. Without `UPDATE` the same command fails if one word here is not true.
";
