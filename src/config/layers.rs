//! Layers: defaults < file < environment < flags; each value keeps where it came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Where a value came from, in the words in which messages say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file, or a file that it names.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the process environment.
    Env(String),
    /// A variable of a `.env` file: the file, then the name.
    DotEnv(PathBuf, String),
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
            Self::DotEnv(path, name) => write!(f, "{name} in {}", path.display()),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The origin of every setting that is not a default, by its dotted key (`server.port`).
pub type Origins = BTreeMap<String, Origin>;

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}
