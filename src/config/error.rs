//! Why there is no configuration: what is wrong, where, and how to mend it, in at most three lines.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::layers::Origin;
use crate::{secret, translate::quirks::Preset};

/// Why there is no configuration. All of these end the program with exit code 78. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that was named, or that exists, cannot be read.
    #[error("cannot read {what} {}\n{source}\nname a readable file, or leave it out", path.display())]
    Unreadable {
        /// Which file.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A variable's value is not Unicode.
    #[error("the variable {name} is not valid Unicode\nset it to plain text, or unset it")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// A line of a `.env` file is no variable.
    #[error("{}:{line}: not a variable\nwrite NAME=value, and close every quote", path.display())]
    DotEnvLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The configuration file is not TOML, or a value has the wrong type.
    #[error("{}:{line}: {}{message}\n{mend}", path.display(), Named(key))]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The dotted key, empty for errors of syntax.
        key: String,
        /// What the parser says.
        message: String,
        /// What to do.
        mend: &'static str,
    },
    /// A key that nobody knows.
    #[error("{}:{line}: unknown key `{key}`\n{}", path.display(), Suggestion(nearest))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The dotted key.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value that cannot be.
    #[error(transparent)]
    Value(Box<BadValue>),
    /// Two settings that exclude each other, or one that lacks another.
    #[error("{problem}\nit is set by {origin}\n{mend}")]
    Conflict {
        /// What is wrong.
        problem: String,
        /// Who set it.
        origin: Origin,
        /// What to do.
        mend: &'static str,
    },
    /// A hosted upstream, and no key for it.
    #[error("no key for the upstream {preset} at {host}\n{} or empty{}\n{}", Unset(variable), DotEnvNote(*url_ignored), SetKey(variable))]
    MissingKey {
        /// The upstream's preset.
        preset: Preset,
        /// Its host.
        host: String,
        /// The variable that would hold the key.
        variable: String,
        /// A base URL in `./.env` was not taken.
        url_ignored: bool,
    },
    /// A preset whose servers have no common address.
    #[error(
        "no address for the upstream: every {preset} server has its own\nset OPENAI_BASE_URL or upstream.base_url"
    )]
    NoAddress {
        /// The preset.
        preset: Preset,
    },
    /// `auth = "none"` on a port that others can reach.
    #[error(
        "auth is \"none\" but the server would listen on {host}, where others could spend your key\n\
         it is set by {origin}\n\
         configure client keys, listen on 127.0.0.1, or pass --allow-unauthenticated"
    )]
    Unauthenticated {
        /// The host to listen on.
        host: String,
        /// Who set `auth`.
        origin: Origin,
    },
}

/// Where a mistake is, as far as that is known; for programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The dotted key.
    pub key: Option<String>,
    /// The variable.
    pub variable: Option<String>,
    /// The known name that looks most like the wrong one.
    pub nearest: Option<String>,
}

impl Error {
    /// Where the mistake is.
    pub fn place(&self) -> Place {
        let in_file = |path: &Path, line: usize| Place {
            file: Some(path.to_owned()),
            line: Some(line),
            ..Place::default()
        };
        match self {
            Self::Unreadable { path, .. } => Place { file: Some(path.clone()), ..Place::default() },
            Self::NotUnicode { name } => Place { variable: Some(name.clone()), ..Place::default() },
            Self::DotEnvLine { path, line } => in_file(path, *line),
            Self::Toml { path, line, key, .. } => {
                Place { key: Some(key.clone()).filter(|key| !key.is_empty()), ..in_file(path, *line) }
            }
            Self::UnknownKey { path, line, key, nearest } => {
                Place { key: Some(key.clone()), nearest: nearest.clone(), ..in_file(path, *line) }
            }
            Self::Value(bad) => Place {
                key: Some(bad.key.clone()),
                nearest: bad.nearest.map(str::to_owned),
                ..Place::from(&bad.origin)
            },
            Self::Conflict { origin, .. } | Self::Unauthenticated { origin, .. } => Place::from(origin),
            Self::MissingKey { variable, .. } => {
                Place { variable: Some(variable.clone()), ..Place::default() }
            }
            Self::NoAddress { .. } => Place::default(),
        }
    }
}

impl From<&Origin> for Place {
    fn from(origin: &Origin) -> Self {
        let (file, line, variable) = match origin {
            Origin::File { path, line } => (Some(path.clone()), Some(*line), None),
            Origin::Env(name) => (None, None, Some(name.clone())),
            Origin::DotEnv(path, name) => (Some(path.clone()), None, Some(name.clone())),
            Origin::Default | Origin::Flag(_) => (None, None, None),
        };
        Self { file, line, variable, ..Self::default() }
    }
}

/// A value that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{key} must be {expected}{}\nit is set by {origin}{}", Instead(value), Nearest(*nearest))]
pub struct BadValue {
    /// The dotted key.
    pub key: String,
    /// What it must be.
    pub expected: String,
    /// What it is, unless that is a secret.
    pub value: Option<String>,
    /// Who set it.
    pub origin: Origin,
    /// The allowed name that looks most like it.
    pub nearest: Option<&'static str>,
}

impl From<BadValue> for Error {
    fn from(bad: BadValue) -> Self {
        Self::Value(Box::new(bad))
    }
}

/// `server.port: `, or nothing.
struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

struct Suggestion<'a>(&'a Option<String>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "did you mean `{nearest}`?"),
            None => f.write_str("config.example.toml lists every key"),
        }
    }
}

struct Instead<'a>(&'a Option<String>);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.0 else { return Ok(()) };
        // Whoever pastes a key into the wrong place shall not find it in a log.
        let value = secret::mask_keys(value, &[]);
        let shown: String = value.chars().take(SHOWN_CHARS).collect();
        let ellipsis = if shown.len() < value.len() { "…" } else { "" };
        write!(f, ", not {shown:?}{ellipsis}")
    }
}

/// How much of a bad value a message shows.
const SHOWN_CHARS: usize = 60;

struct Nearest(Option<&'static str>);

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |nearest| write!(f, "\ndid you mean `{nearest}`?"))
    }
}

struct Unset<'a>(&'a str);

impl fmt::Display for Unset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is unset", self.0)
    }
}

struct DotEnvNote(bool);

impl fmt::Display for DotEnvNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = "; OPENAI_BASE_URL of ./.env counts only together with the key there, or by --env-file";
        if self.0 { f.write_str(note) } else { Ok(()) }
    }
}

struct SetKey<'a>(&'a str);

impl fmt::Display for SetKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "export {}=…, or OPENAI_BASE_URL=http://… for a server that wants no key", self.0)
    }
}

/// The name among `known` that looks most like `wrong`, if any looks like it at all.
pub(super) fn nearest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let ranked = known.into_iter().map(|name| (distance(wrong, name), name));
    let (distance, name) = ranked.min_by_key(|(distance, _)| *distance)?;
    (distance <= (wrong.chars().count() / 3).max(2)).then_some(name)
}

/// Levenshtein's distance: the fewest characters to insert, delete or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, from_char) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(at + 1);
        for ((pair, to_char), left) in row.windows(2).zip(&to).zip(1..) {
            let &[diagonal, above] = pair else { continue };
            let replaced = diagonal + usize::from(from_char != *to_char);
            let inserted = next.get(left - 1).map_or(usize::MAX, |beside| beside + 1);
            next.push(replaced.min(above + 1).min(inserted));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        let table = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("port", "prot", 2),
            ("ab", "ab", 0),
        ];
        for (from, to, expected) in table {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_names_that_look_alike_are_suggested() {
        assert_eq!(nearest("prot", ["host", "port"]), Some("port"));
        assert_eq!(
            nearest("max_request_sise", ["max_event_size", "max_request_size"]),
            Some("max_request_size")
        );
        assert_eq!(nearest("colour", ["host", "port"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
