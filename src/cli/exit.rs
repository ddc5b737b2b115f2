//! How the program ends: exit codes, the failures that carry them, and what a failure looks like on a terminal.
//!
//! A failure is told in three lines at most: what, why, how to mend it. There is never a backtrace among them.

use std::{fmt, io, io::Write as _, panic::PanicHookInfo, process::ExitCode};

use color_eyre::{Report, section::PanicMessage};

use super::output::{ERROR, plain};

/// How the program ends. The codes from 64 on are those of BSD's `sysexits`, so that a script can act on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Success,
    /// What was asked for was done, and the answer is no.
    Failure,
    /// The command line is wrong.
    Usage,
    /// The input is wrong.
    BadData,
    /// There is no input.
    NoInput,
    /// A peer or a port is not to be had.
    Unavailable,
    /// The program is wrong.
    Internal,
    /// The output cannot be created.
    CannotCreate,
    /// Reading or writing went wrong.
    InputOutput,
    /// Somebody refused.
    NoPermission,
    /// The configuration is wrong.
    Config,
    /// The user did not want to wait.
    Interrupted,
    /// Whoever sent the signal to end did not want to wait.
    Terminated,
    /// As the command of `run` ended, or why it did not begin.
    OfCommand(u8),
}

impl Exit {
    /// Every way to end by itself, by its code.
    pub const ALL: [Self; 13] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::BadData,
        Self::NoInput,
        Self::Unavailable,
        Self::Internal,
        Self::CannotCreate,
        Self::InputOutput,
        Self::NoPermission,
        Self::Config,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::BadData => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::CannotCreate => 73,
            Self::InputOutput => 74,
            Self::NoPermission => 77,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::OfCommand(code) => code,
        }
    }

    /// What the code means, for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success; also when the reader of stdout went away",
            Self::Failure => "check found something wrong, health got no good answer",
            Self::Usage => "wrong command line, or a conversion that does not exist",
            Self::BadData => "convert: the input is wrong or broken off, or --strict found a loss",
            Self::NoInput => "convert: the input cannot be opened",
            Self::Unavailable => "the port is taken; check: the upstream cannot be reached",
            Self::Internal => "a bug of this program",
            Self::CannotCreate => "the output file cannot be created",
            Self::InputOutput => "reading or writing failed",
            Self::NoPermission => "the port needs privileges; check: the upstream refuses the key",
            Self::Config => "wrong or incomplete configuration",
            Self::Interrupted => "interrupted twice, before everything had ended",
            Self::Terminated => "ended by a second SIGTERM, before everything had ended",
            Self::OfCommand(_) => "run: the command's own",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of all codes, for help texts and the manual.
pub fn table() -> String {
    let rows = Exit::ALL.map(|exit| format!("\n  {:<3}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:{}\n  any  {}", rows.concat(), Exit::OfCommand(0).meaning())
}

/// A failure that knows its exit code. Used as an error by itself, or as the context of another one, which then
/// is the line that tells why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    exit: Exit,
    what: String,
    why: Option<String>,
    mend: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: None, mend: None }
    }

    /// A failure from a message that has up to three lines itself.
    pub(super) fn from_lines(exit: Exit, message: &str) -> Self {
        let mut lines = message.splitn(3, '\n').map(str::to_owned);
        Self { exit, what: lines.next().unwrap_or_default(), why: lines.next(), mend: lines.next() }
    }

    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// On one line, for lists of failures.
    pub(super) fn one_line(&self) -> String {
        let parts = [Some(&self.what), self.why.as_ref()];
        plain(&parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": "))
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

/// Tells a failure on stderr and returns how the program ends.
pub(super) fn report(error: &Report) -> Exit {
    if is_broken_pipe(error) {
        // Whoever read our output has enough; that is no failure.
        return Exit::Success;
    }
    let mut stderr = anstream::stderr().lock();
    let mut lines = lines(error).into_iter();
    let first = lines.next().unwrap_or_default();
    // If stderr is gone there is nobody to tell.
    drop(writeln!(stderr, "{ERROR}error:{ERROR:#} {first}"));
    for line in lines {
        drop(writeln!(stderr, "  {line}"));
    }
    error.downcast_ref::<Failure>().map_or(Exit::Internal, |failure| failure.exit)
}

/// What, why, how to mend it; three lines at most.
fn lines(error: &Report) -> Vec<String> {
    let failure = error.downcast_ref::<Failure>();
    let causes = error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let causes = Some(causes).filter(|causes| !causes.is_empty());
    let why = failure.and_then(|failure| failure.why.clone()).or(causes);
    let mend = failure.and_then(|failure| failure.mend.clone());
    [Some(error.to_string()), why, mend].iter().flatten().map(|line| plain(line)).collect()
}

fn is_broken_pipe(error: &Report) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// What a panic says: where it happened, and its text only if that was written in the source, because a text
/// made at run time may quote somebody's conversation.
#[derive(Debug, Clone, Copy)]
pub struct PanicNote;

impl PanicMessage for PanicNote {
    fn display(&self, info: &PanicHookInfo<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = info.payload().downcast_ref::<&'static str>().unwrap_or(&"(text withheld)");
        writeln!(f, "error: this is a bug of aiapiproxy: {text}")?;
        if let Some(location) = info.location() {
            writeln!(
                f,
                "  at {}:{}, version {}",
                location.file(),
                location.line(),
                env!("CARGO_PKG_VERSION")
            )?;
        }
        f.write_str("  please report these lines")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use color_eyre::eyre::WrapErr;

    #[test]
    fn codes_are_the_documented_ones_in_order() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 65, 66, 69, 70, 73, 74, 77, 78, 130, 143]);
        for code in codes {
            assert!(table().contains(&format!("\n  {code:<3}  ")), "{code}");
        }
    }

    #[test]
    fn a_failure_is_what_why_and_how_to_mend_it() {
        let cause: Result<(), _> = Err(io::Error::from(io::ErrorKind::NotFound));
        let error = cause.wrap_err(Failure::new(Exit::NoInput, "cannot read x\u{1b}[2J").mend("name a file"));
        let error = error.unwrap_err();
        assert_eq!(lines(&error), ["cannot read x\u{fffd}[2J", "entity not found", "name a file"]);
        assert_eq!(report(&error), Exit::NoInput);
    }

    #[test]
    fn three_lines_stay_three_lines() {
        let error = Report::new(Failure::from_lines(Exit::Config, "no key\nit is unset\nset it\nor not"));
        assert_eq!(lines(&error), ["no key", "it is unset", "set it or not"]);
        assert_eq!(Failure::from_lines(Exit::Config, "no key\nunset").one_line(), "no key: unset");
    }

    #[test]
    fn a_broken_pipe_anywhere_is_success() {
        let cause: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = cause.wrap_err(Failure::new(Exit::InputOutput, "cannot write to stdout")).unwrap_err();
        assert_eq!(report(&error), Exit::Success);
    }
}
