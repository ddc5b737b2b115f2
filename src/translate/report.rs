//! The loss report: what a translation dropped, changed or guessed, where and why.

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// Everything a translation could not carry over as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    entries: Vec<Loss>,
    /// How many of the entries are hints. Hints and losses are bounded apart: a conversation with a thousand
    /// hints must not hide the loss behind them.
    hints: usize,
    /// Losses beyond [`MAX_ENTRIES`], which are counted only.
    more: usize,
}

/// One loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Where it stood: a JSON pointer (RFC 6901) into the input.
    pub pointer: String,
    /// What became of it.
    pub kind: Kind,
    /// Why.
    pub reason: Cow<'static, str>,
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A hint without effect on the answer.
    Ignored,
    /// Lost.
    Dropped,
    /// Said in another way.
    Rewritten,
    /// Brought within the upstream's limits.
    Clamped,
    /// Carried over nearly.
    Approximated,
    /// Broken in the input and mended.
    Repaired,
}

/// Entries kept, of hints and of losses each; a request can be wrong in a million places.
const MAX_ENTRIES: usize = 1_000;

/// Names and bytes in the response header.
const MAX_HEADER_NAMES: usize = 32;
const MAX_HEADER_BYTES: usize = 1024;

/// Losses that a refusal tells in full, and bytes of each.
const MAX_TOLD: usize = 8;
const MAX_TOLD_BYTES: usize = 200;

impl Report {
    /// Adds a loss.
    pub fn add(&mut self, pointer: impl Into<String>, kind: Kind, reason: impl Into<Cow<'static, str>>) {
        let is_hint = kind == Kind::Ignored;
        let kept = if is_hint { self.hints } else { self.entries.len() - self.hints };
        if kept < MAX_ENTRIES {
            self.hints += usize::from(is_hint);
            self.entries.push(Loss { pointer: pointer.into(), kind, reason: reason.into() });
        } else if !is_hint {
            self.more += 1;
        }
    }

    /// Adds everything another part of the translation lost.
    pub fn extend(&mut self, other: Self) {
        for loss in other.entries {
            self.add(loss.pointer, loss.kind, loss.reason);
        }
        self.more += other.more;
    }

    /// All losses in the order in which they were found.
    pub fn entries(&self) -> &[Loss] {
        &self.entries
    }

    /// The losses that count: all but the hints.
    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        self.entries.iter().filter(|loss| loss.kind != Kind::Ignored)
    }

    /// How many losses there are, with those that were not kept and without hints.
    pub fn loss_count(&self) -> usize {
        self.losses().count() + self.more
    }

    /// Whether anything but hints was lost: what `--strict` and `on_lossy = "refuse"` refuse.
    pub fn is_lossy(&self) -> bool {
        self.losses().next().is_some()
    }

    /// The losses in words, for a refusal: `/top_k dropped: the upstream does not know it; …`. Bounded.
    pub fn refusal(&self) -> String {
        let told: Vec<String> = self.losses().take(MAX_TOLD).map(Loss::told).collect();
        let text = told.join("; ");
        match self.loss_count() - told.len() {
            0 => text,
            1 => text + "; and one more",
            more => format!("{text}; and {more} more"),
        }
    }

    /// The value of the response header `x-aiapiproxy-warning`: the names of what was lost, but for hints.
    pub fn header(&self) -> Option<String> {
        let mut value = String::new();
        let mut names: Vec<String> = Vec::new();
        for loss in self.losses() {
            let name = loss.header_name();
            if names.contains(&name) {
                continue;
            }
            if names.len() == MAX_HEADER_NAMES || value.len() + name.len() + 1 > MAX_HEADER_BYTES {
                break;
            }
            if !value.is_empty() {
                value.push(',');
            }
            value.push_str(&name);
            names.push(name);
        }
        (!value.is_empty()).then_some(value)
    }
}

impl Loss {
    /// The loss in a line that is not too long, without control characters: pointers hold what clients wrote.
    fn told(&self) -> String {
        let whole = self.to_string();
        let end = (0..=MAX_TOLD_BYTES.min(whole.len())).rev().find(|&end| whole.is_char_boundary(end));
        let (told, rest) = whole.split_at(end.unwrap_or(0));
        let told: String = told.chars().filter(|c| !c.is_control()).collect();
        if rest.is_empty() { told } else { told + "…" }
    }

    /// `/messages/0/content/1` as `messages.0.content.1`, without any character that a header could mind.
    fn header_name(&self) -> String {
        let name = self.pointer.trim_start_matches('/').replace('/', ".");
        let name: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')).take(128).collect();
        if name.is_empty() { "body".to_owned() } else { name }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind).to_ascii_lowercase();
        write!(f, "{} {kind}: {}", self.pointer, self.reason)
    }
}

/// A member's name as one step of a JSON pointer.
pub(crate) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_losses_once_and_hints_never() {
        let mut report = Report::default();
        report.add("/top_k", Kind::Dropped, "unknown upstream");
        report.add("/top_k", Kind::Dropped, "again");
        report.add("/metadata", Kind::Ignored, "a hint");
        report.add("/messages/0/content/1/x\r\ny: z", Kind::Dropped, "an injection");
        assert_eq!(report.header().as_deref(), Some("top_k,messages.0.content.1.xyz"));
        assert!(report.is_lossy());
    }

    #[test]
    fn the_header_is_bounded() {
        let mut report = Report::default();
        for index in 0..10_000 {
            report.add(format!("/unknown_member_with_a_long_name_{index}"), Kind::Dropped, "unknown");
        }
        let header = report.header().unwrap();
        assert!(header.len() <= MAX_HEADER_BYTES && header.split(',').count() <= MAX_HEADER_NAMES);
        assert_eq!(report.entries().len(), MAX_ENTRIES);
        assert_eq!(report.loss_count(), 10_000);
    }

    #[test]
    fn hints_neither_hide_losses_nor_count_as_such() {
        let mut report = Report::default();
        for index in 0..2 * MAX_ENTRIES {
            report.add(format!("/messages/{index}/cache_control"), Kind::Ignored, "a hint");
        }
        assert!(!report.is_lossy());
        report.add("/top_k", Kind::Dropped, "not understood");
        assert_eq!(report.header().as_deref(), Some("top_k"));
        let mut all = Report::default();
        all.extend(report.clone());
        all.extend(report);
        assert_eq!((all.is_lossy(), all.loss_count()), (true, 2));
    }

    #[test]
    fn a_refusal_names_the_losses_and_is_bounded() {
        let mut report = Report::default();
        report.add("/metadata", Kind::Ignored, "a hint");
        report.add("/top_k", Kind::Dropped, "not understood");
        assert_eq!(report.refusal(), "/top_k dropped: not understood");
        for index in 0..2_000 {
            report.add(format!("/{index}\u{7}{}", "é".repeat(9_000)), Kind::Dropped, "unknown");
        }
        let told = report.refusal();
        assert!(told.ends_with("…; and 1993 more"), "{told}");
        assert!(told.len() < 2_000 && !told.contains('\u{7}'), "{told}");
    }
}
