//! Golden files: `<case>.<ext>` in, `<case>.expected.<ext>` out; `UPDATE=1 cargo test` rewrites what is expected.
//!
//! A folder under `tests/fixtures/` holds the cases of one function. The input is the file with one dot in its
//! name; whatever else begins with the case's name and a dot belongs to the case (`<case>.request.json`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One case: its name, its input, and where its companions lie.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file name up to its first dot: what the case shows.
    pub name: String,
    /// The input's bytes.
    pub input: Vec<u8>,
    folder: PathBuf,
}

impl Case {
    /// A file beside the input, such as `request.json`, if the case has it.
    pub fn companion(&self, rest: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(format!("{}.{rest}", self.name))).ok()
    }
}

/// Compares what `actual` makes of every case in `tests/fixtures/<folder>` with `<case>.expected.<extension>`.
///
/// All differing cases are told at once. With `UPDATE=1` the expected files are written instead.
pub fn check(folder: &str, extension: &str, actual: impl Fn(&Case) -> Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    #[expect(clippy::disallowed_methods, reason = "the switch of the tests, not the program's configuration")]
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    if let Err(report) = compare(&path, extension, update, actual) {
        panic!("{folder}: {report}\nIf the new output is right: UPDATE=1 cargo test");
    }
}

/// [`check`] in any folder; the error lists every case that differs.
pub fn compare(
    folder: &Path,
    extension: &str,
    update: bool,
    actual: impl Fn(&Case) -> Vec<u8>,
) -> Result<(), String> {
    let (cases, mut expected) = read_folder(folder, extension)?;
    let mut report = String::new();
    for case in &cases {
        let produced = actual(case);
        let wanted = expected.remove(&case.name);
        if wanted.as_ref() == Some(&produced) {
            continue;
        }
        if update {
            fs::write(folder.join(format!("{}.expected.{extension}", case.name)), &produced)
                .map_err(|error| error.to_string())?;
            continue;
        }
        let wanted = wanted.unwrap_or_default();
        report.extend(["\n--- ", &case.name, "\n", &first_difference(&wanted, &produced)]);
    }
    for orphan in expected.keys() {
        report.extend(["\n--- ", orphan, "\nan expected file without a case"]);
    }
    if cases.is_empty() {
        report.push_str("no cases");
    }
    if report.is_empty() { Ok(()) } else { Err(report) }
}

type Expected = BTreeMap<String, Vec<u8>>;

fn read_folder(folder: &Path, extension: &str) -> Result<(Vec<Case>, Expected), String> {
    let fault = |error| format!("{}: {error}", folder.display());
    let (mut cases, mut expected) = (Vec::new(), Expected::new());
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((name, rest)) = file.split_once('.') else { continue };
        let bytes = fs::read(&path).map_err(fault)?;
        if rest == format!("expected.{extension}") {
            expected.insert(name.to_owned(), bytes);
        } else if !rest.contains('.') {
            cases.push(Case { name: name.to_owned(), input: bytes, folder: folder.to_owned() });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((cases, expected))
}

fn first_difference(wanted: &[u8], produced: &[u8]) -> String {
    let (wanted, produced) = (String::from_utf8_lossy(wanted), String::from_utf8_lossy(produced));
    let (mut left, mut right) = (wanted.split('\n'), produced.split('\n'));
    for number in 1.. {
        match (left.next(), right.next()) {
            (a, b) if a != b => {
                let show = |line: Option<&str>| line.map_or_else(|| "(end)".to_owned(), str::to_owned);
                return format!("line {number}\n  expected: {}\n  produced: {}", show(a), show(b));
            }
            (None, None) => break,
            _ => {}
        }
    }
    "the bytes differ, though not as text".to_owned()
}
