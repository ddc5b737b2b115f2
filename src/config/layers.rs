//! Layers: defaults < file < environment < flags; each value keeps where it came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use toml::Spanned;

use super::{
    env::Environment,
    error::{BadValue, Error, nearest},
    file::File,
};

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

/// The layers under the flags, while sections take their values from them.
pub(super) struct Layers<'a> {
    /// The variables.
    pub(super) env: &'a Environment<'a>,
    /// The file, which is empty if there is none.
    pub(super) file: &'a File,
    /// The name of the upstream whose settings are chosen, if it is not the first one. Variables that name no
    /// upstream mean the first.
    pub(super) scope: Option<String>,
    /// What each set value came from, collected as values are chosen.
    pub(super) origins: Origins,
    /// What to tell the user, collected likewise.
    pub(super) warnings: Vec<String>,
}

impl Layers<'_> {
    /// The value of the first layer that has one; its origin is noted.
    pub(super) fn choose<T, const N: usize>(
        &mut self,
        key: &str,
        layers: [Option<Setting<T>>; N],
    ) -> Option<Setting<T>> {
        let chosen = layers.into_iter().flatten().next()?;
        self.origins.insert(self.scoped(key), chosen.origin.clone());
        Some(chosen)
    }

    /// The key under which an origin is kept: `upstream.name` of a further upstream is `upstream.local.name`.
    pub(super) fn scoped(&self, key: &str) -> String {
        match (&self.scope, key.strip_prefix("upstream.")) {
            (Some(scope), Some(rest)) => format!("upstream.{scope}.{rest}"),
            _ => key.to_owned(),
        }
    }

    /// A variable's value, read by `kind`.
    pub(super) fn env<T>(&self, name: &str, key: &str, kind: &Kind<T>) -> Result<Option<Setting<T>>, Error> {
        if self.scope.is_some() {
            return Ok(None);
        }
        self.env.get(name)?.map(|setting| kind.read(key, setting)).transpose()
    }

    /// The file's value, read by `kind`.
    pub(super) fn file<T>(
        &self,
        value: Option<Spanned<impl Into<String>>>,
        key: &str,
        kind: &Kind<T>,
    ) -> Result<Option<Setting<T>>, Error> {
        let setting = self.file.setting(value);
        let text = setting.map(|it| Setting { value: it.value.into(), origin: it.origin });
        text.map(|setting| kind.read(key, setting)).transpose()
    }
}

/// How text becomes a value.
pub(super) struct Kind<T> {
    /// What the text must be, for messages: "a number from 0 to 65535".
    pub(super) expected: &'static str,
    /// Reads it.
    pub(super) read: fn(&str) -> Option<T>,
    /// The allowed names, if there is a list of them.
    pub(super) names: &'static [&'static str],
}

impl<T> Kind<T> {
    /// Reads a setting's text.
    pub(super) fn read(&self, key: &str, setting: Setting<String>) -> Result<Setting<T>, Error> {
        let Setting { value, origin } = setting;
        match (self.read)(&value) {
            Some(value) => Ok(Setting { value, origin }),
            None => Err(Error::from(BadValue {
                key: key.to_owned(),
                expected: self.expected.to_owned(),
                nearest: nearest(&value, self.names.iter().copied()),
                value: Some(value),
                origin,
            })),
        }
    }
}

/// Yes or no, in a variable.
pub(super) const SWITCH: Kind<bool> = Kind {
    expected: "true or false",
    read: |text| match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    },
    names: &[],
};

/// A number of at least one.
pub(super) const COUNT: Kind<usize> = Kind {
    expected: "a whole number from 1 to 1000000000",
    read: |text| text.parse().ok().filter(|count| (1..=1_000_000_000).contains(count)),
    names: &[],
};

impl<T> Setting<T> {
    /// Another value of the same origin.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting { value: change(self.value), origin: self.origin }
    }

    /// A flag's value.
    pub(super) fn flag(name: &'static str, value: Option<T>) -> Option<Self> {
        value.map(|value| Self { value, origin: Origin::Flag(name) })
    }
}
