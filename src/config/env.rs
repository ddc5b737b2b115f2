//! The environment: the one file that reads `std::env`, and the table of the variables' names.
//!
//! Real variables win over a `.env` file. An empty variable counts as unset; only an empty `CLIENT_API_KEYS` is
//! an error, because whoever sets it wants a lock on the door.
//!
//! `./.env` is not trusted: a cloned repository brings one, and agents are started inside cloned repositories.
//! Only the names marked in [`VARIABLES`] are taken from it, and the base URL only together with the key
//! (operations.md §2.2). A file named by `--env-file` is the user's word and gives every variable.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Sources, dot_env,
    error::Error,
    layers::{Origin, Setting},
    paths,
};

/// A variable that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The setting that it stands for; `REQUEST_TIMEOUT` stands for two and names the first.
    pub key: &'static str,
    /// Whether it is taken from a `.env` in the working directory too.
    pub in_dot_env: bool,
}

/// Every variable that holds a setting, in the order in which documentation lists them.
pub const VARIABLES: [Variable; 20] = [
    known("OPENAI_API_KEY", "upstream.api_key", true),
    known("OPENAI_BASE_URL", "upstream.base_url", true),
    known("OPENAI_DIALECT", "upstream.dialect", true),
    known("OPENAI_API_VERSION", "upstream.api_version", true),
    known("SERVER_HOST", "server.host", false),
    known("SERVER_PORT", "server.port", true),
    known("CLIENT_API_KEYS", "server.client_keys", false),
    known("CLAUDE_HAIKU_MODEL", "models.haiku", true),
    known("CLAUDE_SONNET_MODEL", "models.sonnet", true),
    known("CLAUDE_OPUS_MODEL", "models.opus", true),
    known("REQUEST_TIMEOUT", "limits.first_byte_timeout", true),
    known("MAX_REQUEST_SIZE", "limits.max_request_size", true),
    known("MAX_CONCURRENT_REQUESTS", "limits.max_concurrent_requests", true),
    known("RUST_LOG", "log.filter", true),
    known("LOG_FORMAT", "log.format", true),
    known("ALLOWED_ORIGINS", "server.cors.allowed_origins", false),
    known("CORS_ENABLED", "server.cors.enabled", false),
    known("DEV_MODE", "log.dev_mode", false),
    known("ON_LOSSY", "server.on_lossy", false),
    known(CONFIG_VARIABLE, "", false),
];

/// The variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "AIAPIPROXY_CONFIG";

const fn known(name: &'static str, key: &'static str, in_dot_env: bool) -> Variable {
    Variable { name, key, in_dot_env }
}

/// What surrounds the process: its variables and the files that are looked for without being named.
pub struct Surroundings {
    /// Looks a variable up.
    pub variables: Lookup,
    /// The `.env` of the working directory.
    pub dot_env: PathBuf,
    /// Where a configuration file is looked for; the first that exists is read.
    pub config_files: Vec<PathBuf>,
}

/// Looks a variable up.
pub type Lookup = Box<dyn Fn(&str) -> Option<OsString>>;

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let variables = |name: &str| std::env::var_os(name);
        Self {
            variables: Box::new(variables),
            dot_env: PathBuf::from("./.env"),
            config_files: paths::config_files(),
        }
    }
}

/// Where temporary files go.
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("dot_env", &self.dot_env)
            .field("config_files", &self.config_files)
            .finish_non_exhaustive()
    }
}

/// The variables, real ones over those of a `.env` file.
pub(super) struct Environment<'s> {
    real: &'s Lookup,
    file: Option<EnvFile>,
}

struct EnvFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
    /// Named by the user, not found in the working directory.
    named: bool,
}

impl<'s> Environment<'s> {
    /// Reads the `.env` file that the sources ask for.
    pub(super) fn read(
        sources: &Sources,
        surroundings: &'s Surroundings,
        warnings: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let file = if let Some(path) = &sources.env_file {
            Some(EnvFile { path: path.clone(), values: dot_env::read(path)?, named: true })
        } else if sources.read_dot_env && surroundings.dot_env.exists() {
            Some(untrusted(&surroundings.dot_env, warnings)?)
        } else {
            None
        };
        Ok(Self { real: &surroundings.variables, file })
    }

    /// A variable that is set and not empty, without surrounding white space.
    pub(super) fn get(&self, name: &str) -> Result<Option<Setting<String>>, Error> {
        let filled = |setting: &Setting<String>| !setting.value.trim().is_empty();
        let found = match self.real(name)?.filter(filled) {
            Some(real) => Some(real),
            None => self.in_file(name).filter(filled),
        };
        Ok(found.map(|it| Setting { value: it.value.trim().to_owned(), origin: it.origin }))
    }

    /// A variable that is set, even to nothing.
    pub(super) fn get_even_empty(&self, name: &str) -> Result<Option<Setting<String>>, Error> {
        Ok(self.real(name)?.or_else(|| self.in_file(name)))
    }

    /// Whether a value comes from a `.env` that lay in the working directory.
    pub(super) fn is_untrusted(&self, origin: &Origin) -> bool {
        let untrusted = self.file.as_ref().filter(|file| !file.named);
        matches!((origin, untrusted), (Origin::DotEnv(path, _), Some(file)) if *path == file.path)
    }

    fn real(&self, name: &str) -> Result<Option<Setting<String>>, Error> {
        let Some(value) = (self.real)(name) else { return Ok(None) };
        let value = value.into_string().map_err(|_| Error::NotUnicode { name: name.to_owned() })?;
        Ok(Some(Setting { value, origin: Origin::Env(name.to_owned()) }))
    }

    fn in_file(&self, name: &str) -> Option<Setting<String>> {
        let file = self.file.as_ref()?;
        let origin = Origin::DotEnv(file.path.clone(), name.to_owned());
        Some(Setting { value: file.values.get(name)?.clone(), origin })
    }
}

/// Takes only the names that a file in the working directory may set, and warns about the others.
fn untrusted(path: &Path, warnings: &mut Vec<String>) -> Result<EnvFile, Error> {
    let all = dot_env::read(path)?;
    let taken = |name: &str| VARIABLES.iter().any(|known| known.name == name && known.in_dot_env);
    let (values, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(name, _)| taken(name));
    if !others.is_empty() {
        let path = path.display();
        let names = name_some(&others);
        warnings.push(format!(
            "{path} is in the working directory, so {names} is not taken from it; \
             if you wrote that file, pass `--env-file {path}`"
        ));
    }
    Ok(EnvFile { path: path.to_owned(), values, named: false })
}

/// The names, those that this program knows first, not more than fit into a line.
fn name_some(others: &BTreeMap<String, String>) -> String {
    let known = |name: &&String| VARIABLES.iter().any(|known| known.name == name.as_str());
    let (mut names, strangers): (Vec<_>, Vec<_>) = others.keys().partition(known);
    names.extend(strangers);
    let shown = names.iter().take(NAMES_SHOWN).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} (and {more} more)"),
    }
}

const NAMES_SHOWN: usize = 8;

/// The words of the command line, the program's own name first.
pub fn command_line() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// Where the program was started, if that can be told.
pub fn working_directory() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_surroundings() {
        let surroundings = Surroundings::of_process();
        assert!((surroundings.variables)("CARGO_MANIFEST_DIR").is_some());
        assert!((surroundings.variables)("AIAPIPROXY_NO_SUCH_VARIABLE").is_none());
        assert_eq!(surroundings.config_files.last(), Some(&PathBuf::from("/etc/aiapiproxy/config.toml")));
        assert!(surroundings.config_files.iter().all(|path| path.is_absolute()));
    }

    #[test]
    fn every_variable_stands_for_a_known_key() {
        let in_table = |key: &str| crate::config::file::KEYS.contains(&key) || key == "server.client_keys";
        for variable in VARIABLES.iter().filter(|variable| variable.name != CONFIG_VARIABLE) {
            assert!(in_table(variable.key), "{variable:?}");
        }
    }
}
