//! `--report` and `--strict`: what got lost, listed or refused.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use color_eyre::{Result, eyre::WrapErr};
use serde::Serialize;

use super::bad_data;
use crate::{
    cli::exit::{Exit, Failure},
    cli::output,
    translate::report::{Loss, Report},
};

/// What becomes of losses.
pub(super) struct Losses {
    listed: Listed,
    strict: bool,
}

enum Listed {
    Nowhere,
    Stderr,
    File(BufWriter<File>, String),
}

/// One line of the list.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(flatten)]
    loss: &'a Loss,
}

impl Losses {
    /// Opens the list, if one is wanted.
    pub(super) fn new(report: Option<&Path>, strict: bool) -> Result<Self> {
        let listed = match report {
            None => Listed::Nowhere,
            Some(path) if path.as_os_str() == "-" => Listed::Stderr,
            Some(path) => {
                let name = path.display().to_string();
                let file = File::create(path)
                    .wrap_err_with(|| Failure::new(Exit::CannotCreate, format!("cannot create {name}")))?;
                Listed::File(BufWriter::new(file), name)
            }
        };
        Ok(Self { listed, strict })
    }

    /// Lists the losses of one document; `line` is its line in the input, from 1, if it has one.
    pub(super) fn list(&mut self, report: &Report, line: Option<u64>) -> Result<()> {
        for loss in report.entries() {
            let Ok(text) = serde_json::to_string(&Line { line, loss }) else { continue };
            match &mut self.listed {
                Listed::Nowhere => {}
                Listed::Stderr => output::note(&text),
                Listed::File(file, name) => {
                    let written = writeln!(file, "{text}");
                    written.wrap_err_with(|| {
                        Failure::new(Exit::InputOutput, format!("cannot write to {name}"))
                    })?;
                }
            }
        }
        Ok(())
    }

    /// With `--strict`, refuses a document that lost anything but hints.
    pub(super) fn refusal(&self, report: &Report) -> Option<Failure> {
        if !self.strict || !report.is_lossy() {
            return None;
        }
        let things = match report.loss_count() {
            1 => "one thing".to_owned(),
            count => format!("{count} things"),
        };
        let failure = bad_data(format!("--strict: the conversion would lose or change {things}"));
        let failure = failure.why(report.refusal());
        Some(failure.mend("--report lists all of it; without --strict it is converted nevertheless"))
    }

    /// Ends the list.
    pub(super) fn finish(self) -> Result<()> {
        match self.listed {
            Listed::File(mut file, name) => file
                .flush()
                .wrap_err_with(|| Failure::new(Exit::InputOutput, format!("cannot write to {name}"))),
            Listed::Nowhere | Listed::Stderr => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::report::Kind;

    #[test]
    fn strict_refuses_losses_but_not_hints() {
        let strict = Losses::new(None, true).unwrap();
        let mut report = Report::default();
        report.add("/metadata", Kind::Ignored, "a hint");
        assert!(strict.refusal(&report).is_none());
        report.add("/top_k", Kind::Dropped, "not understood");
        assert!(strict.refusal(&report).unwrap().one_line().contains("/top_k dropped: not understood"));
        assert!(Losses::new(None, false).unwrap().refusal(&report).is_none());
    }

    #[test]
    fn a_line_has_the_documented_members() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("losses.jsonl");
        let mut losses = Losses::new(Some(&path), false).unwrap();
        let mut report = Report::default();
        report.add("/top_k", Kind::Dropped, "x");
        losses.list(&report, None).unwrap();
        losses.list(&report, Some(7)).unwrap();
        losses.finish().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let line = r#""pointer":"/top_k","kind":"dropped","reason":"x"}"#;
        assert_eq!(text, format!("{{{line}\n{{\"line\":7,{line}\n"));
    }
}
