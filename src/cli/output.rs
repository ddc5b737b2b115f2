//! What the commands print: data on stdout, talk on stderr, colours and progress only where they are wanted.
//!
//! `anstream` decides about colours by `--color`, `NO_COLOR`, `CLICOLOR_FORCE` and the terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};
use color_eyre::{Result, eyre::WrapErr};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::exit::{Exit, Failure};

/// What went wrong.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What deserves attention.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What a table calls its columns.
const HEADING: Style = Style::new().bold();

/// Writes text to stdout.
pub(super) fn data(text: &str) -> Result<()> {
    write_to(anstream::stdout(), text)
}

/// Writes one JSON document to stdout, followed by a line end.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .wrap_err_with(|| Failure::new(Exit::Internal, "cannot write the result as JSON"))?;
    text.push('\n');
    write_to(io::stdout(), &text)
}

/// Writes a line to stderr. If stderr is gone there is nobody to tell.
pub(super) fn note(line: &str) {
    drop(writeln!(anstream::stderr(), "{line}"));
}

/// Warns on stderr.
pub(super) fn warn(message: &str) {
    note(&format!("{WARNING}warning:{WARNING:#} {}", plain(message)));
}

fn write_to(mut stream: impl Write, text: &str) -> Result<()> {
    let written = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    written.wrap_err_with(|| Failure::new(Exit::InputOutput, "cannot write to stdout"))
}

/// A text on one line, without the control characters that could take over a terminal, and not endless.
pub(super) fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    });
    let mut shown: String = shown.take(MAX_LINE_CHARS + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(MAX_LINE_CHARS) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

const MAX_LINE_CHARS: usize = 600;

/// A cell of a table: its text, and how it looks.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: plain(text.as_ref()), style: Style::new() }
    }

    pub(super) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { style, ..Self::new(text) }
    }
}

/// A table with aligned columns.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[Cell; N]]) -> String {
    let headings = headings.map(|heading| Cell::styled(heading, HEADING));
    let lines = || std::iter::once(&headings).chain(rows);
    let mut widths = [0; N];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.text.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines() {
        let mut padding = 0;
        for (width, Cell { text: shown, style }) in widths.iter().zip(line) {
            if !shown.is_empty() {
                // Only before text, so that no line ends with blanks.
                text.push_str(&" ".repeat(padding));
                text.extend([style.render().to_string(), shown.clone(), style.render_reset().to_string()]);
                padding = 0;
            }
            padding += width - shown.chars().count() + 2;
        }
        text.push('\n');
    }
    text
}

/// Progress on a terminal's stderr; silent elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many bytes, or a spinner if nobody knows how many.
    pub(super) fn bytes(total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {msg}",
            None => "{spinner} {bytes} {msg}",
        };
        Self::new(total, template)
    }

    /// A spinner beside a message.
    pub(super) fn spinner() -> Self {
        Self::new(None, "{spinner} {msg}")
    }

    fn new(total: Option<u64>, template: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if total.is_none() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }

    pub(super) fn message(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Writes a line to stderr without tearing the bar.
    pub(super) fn note(&self, line: &str) {
        self.0.suspend(|| note(line));
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_ends_without_blanks() {
        let rows = [[Cell::new("äö"), Cell::new("x")], [Cell::new("abcd"), Cell::new("")]];
        let stripped = anstream::adapter::strip_str(&table(["a", "b"], &rows)).to_string();
        assert_eq!(stripped, "a     b\näö    x\nabcd\n");
    }

    #[test]
    fn a_line_holds_no_control_characters_and_ends() {
        assert_eq!(plain("a\nb\u{1b}[31m\u{9b}"), "a b\u{fffd}[31m\u{fffd}");
        assert_eq!(plain(&"x".repeat(10_000)).chars().count(), MAX_LINE_CHARS + 1);
    }
}
