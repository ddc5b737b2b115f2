//! The loss report: what a translation dropped, changed or guessed, where and why.

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// Everything a translation could not carry over as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    entries: Vec<Loss>,
    /// Entries beyond [`MAX_ENTRIES`], which are counted only.
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

/// Entries kept; a request can be wrong in a million places.
const MAX_ENTRIES: usize = 1_000;

/// Names and bytes in the response header.
const MAX_HEADER_NAMES: usize = 32;
const MAX_HEADER_BYTES: usize = 1024;

impl Report {
    /// Adds a loss.
    pub fn add(&mut self, pointer: impl Into<String>, kind: Kind, reason: impl Into<Cow<'static, str>>) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(Loss { pointer: pointer.into(), kind, reason: reason.into() });
        } else {
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

    /// Whether anything but hints was lost: what `--strict` refuses.
    pub fn is_lossy(&self) -> bool {
        self.more > 0 || self.entries.iter().any(|loss| loss.kind != Kind::Ignored)
    }

    /// The value of the response header `x-aiapiproxy-warning`: the names of what was lost, but for hints.
    pub fn header(&self) -> Option<String> {
        let mut value = String::new();
        let mut names: Vec<String> = Vec::new();
        for loss in self.entries.iter().filter(|loss| loss.kind != Kind::Ignored) {
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
    }
}
