//! Configuration: resolved and validated, with no `Option` left that has a default.
//!
//! Four layers, the later over the earlier: defaults, the TOML file, the environment (with a `.env` file under
//! it), flags. Each value keeps its origin for messages. What a setting means, its unit, its default and its
//! variable stand at its field in the section's module; `config.example.toml` shows all of them.

use std::path::{Path, PathBuf};

use serde::Serialize;
use url::Url;

use self::{
    env::{Environment, Surroundings},
    file::{File, Tables},
    layers::{Layers, Origins},
};

use crate::{models::ModelMap, translate::quirks::Preset};

mod dot_env;
pub mod env;
mod error;
mod example;
mod file;
pub mod images;
pub mod layers;
pub mod limits;
pub mod log;
pub mod metrics;
mod models;
mod paths;
mod quirks;
pub mod routes;
mod schema;
pub mod server;
mod show;
pub mod upstream;

pub use error::{BadValue, Error, Place};
pub use example::with_values;
pub use paths::user_file;
pub use schema::schema;
pub use show::{REDACTED, Shown};

/// Everything that the program was told, or assumes.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// The listening side.
    pub server: server::Server,
    /// The server that runs the model: the first one, where a request goes unless a route says otherwise.
    pub upstream: upstream::Upstream,
    /// What becomes of the URLs of images and documents.
    pub images: images::Images,
    /// Further ones, for routes.
    pub other_upstreams: Vec<upstream::Upstream>,
    /// Timeouts and sizes.
    pub limits: limits::Limits,
    /// Logging.
    pub log: log::Log,
    /// Where the numbers are told.
    pub metrics: metrics::Metrics,
    /// Which upstream model stands for which requested one.
    pub models: ModelMap,
    /// Which requests go where. Default none: all go to the first upstream.
    pub routes: Vec<routes::Route>,
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
    /// `--dialect`: what is spoken to it.
    pub dialect: Option<String>,
    /// The server is for one command (`run`): one key that is made for it, and none of `[server]` about who may
    /// call and how.
    pub for_one_command: bool,
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
    pub origins: Origins,
}

impl Config {
    /// Reads and resolves all layers.
    ///
    /// # Errors
    /// When a file cannot be read, or a value is unknown, of the wrong kind, missing or unsafe; the message
    /// says what, where and how to mend it, in at most three lines.
    pub fn load(sources: &Sources) -> Result<Loaded, Error> {
        Self::load_from(sources, &Surroundings::of_process())
    }

    /// The same, with variables and places of files given, so that tests need no real ones.
    pub fn load_from(sources: &Sources, surroundings: &Surroundings) -> Result<Loaded, Error> {
        let mut warnings = Vec::new();
        let env = Environment::read(sources, surroundings, &mut warnings)?;
        let file = find_file(sources, surroundings, &env)?;
        Self::resolve(sources, &env, file, warnings)
    }

    /// What a file of this text sets where there is no variable, flag and key.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of_text(text: &str) -> Result<Loaded, Error> {
        let variables = Box::new(|_: &str| None);
        let surroundings = Surroundings { variables, dot_env: PathBuf::new(), config_files: Vec::new() };
        let sources = Sources { key_optional: true, ..Sources::default() };
        let mut warnings = Vec::new();
        let env = Environment::read(&sources, &surroundings, &mut warnings)?;
        let file = File::parse(Path::new("config.toml"), text)?;
        Self::resolve(&sources, &env, Some(file), warnings)
    }

    fn resolve(
        sources: &Sources,
        env: &Environment<'_>,
        mut file: Option<File>,
        mut warnings: Vec<String>,
    ) -> Result<Loaded, Error> {
        let path = file.as_ref().map(|file| file.path.clone());
        let Tables { server, upstream, models, images, route, limits, log, metrics } =
            file.as_mut().map(|file| std::mem::take(&mut file.tables)).unwrap_or_default();
        let literal_key = upstream.0.iter().any(|it| it.get_ref().holds_secret())
            || server.client_keys.iter().any(|it| it.get_ref().key.is_some());
        if let Some(path) = path.as_deref().filter(|path| literal_key && paths::is_open_to_others(path)) {
            let path = path.display();
            warnings.push(format!("{path} holds a key and others may read it; run `chmod 600 {path}`"));
        }
        let file = file.unwrap_or_default();
        let mut layers = Layers { env, file: &file, scope: None, origins: Origins::new(), warnings };

        let flags = &sources.flags;
        let log = log::Log::resolve(log, flags.log_format, &mut layers)?;
        let limits = limits::Limits::resolve(limits, &mut layers)?;
        let server = server::Server::resolve(server, flags, &mut layers)?;
        let passthrough = server.auth == server::Auth::Passthrough;
        let key_optional = sources.key_optional;
        let (upstream, other_upstreams) =
            upstream::Upstream::resolve_all(upstream, flags, key_optional, passthrough, &mut layers)?;
        let models = models::resolve(models, &upstream.base_url, flags.demo.is_some(), &mut layers)?;
        let route = if flags.demo.is_some() { Vec::new() } else { route };
        let all: Vec<_> = [&upstream].into_iter().chain(&other_upstreams).collect();
        let routes = routes::resolve(route, &all, &mut layers)?;
        let images = images::Images::resolve(images, &mut layers)?;
        let metrics = metrics::Metrics::resolve(metrics, flags, &mut layers)?;
        let Layers { origins, warnings, .. } = layers;
        let config = Self { server, upstream, images, other_upstreams, limits, log, metrics, models, routes };
        Ok(Loaded { config, warnings, file: path, origins })
    }
}

/// The file that was named, by flag or variable, else the first that exists.
fn find_file(
    sources: &Sources,
    surroundings: &Surroundings,
    env: &Environment<'_>,
) -> Result<Option<File>, Error> {
    if let Some(path) = &sources.config_file {
        return File::read(path).map(Some);
    }
    if let Some(named) = env.get(env::CONFIG_VARIABLE)? {
        return File::read(Path::new(&named.value)).map(Some);
    }
    // `try_exists` fails where a directory may not be searched: what the user cannot see is not theirs.
    let found = surroundings.config_files.iter().find(|path| path.try_exists().unwrap_or(false));
    found.map(|path| File::read(path)).transpose()
}

impl Config {
    /// Every upstream, the first one first.
    pub fn upstreams(&self) -> impl Iterator<Item = &upstream::Upstream> {
        [&self.upstream].into_iter().chain(&self.other_upstreams)
    }

    /// What holds for the requests that a route sends to a place; the model map is then that place's alone.
    /// `None` if there is no such upstream.
    pub fn at(&self, route: &str, hop: &routes::Hop) -> Option<Self> {
        let upstream = self.upstreams().find(|upstream| upstream.name == hop.upstream)?.clone();
        let models = match &hop.target {
            Some(target) => ModelMap::only(target.clone(), format!("route {route}")),
            None => self.models.clone(),
        };
        let (other_upstreams, routes) = (Vec::new(), Vec::new());
        Some(Self { upstream, other_upstreams, models, routes, ..self.clone() })
    }

    /// What `check` has to try: each upstream once, with the models that requests may ask of it.
    pub fn each_upstream(&self) -> Vec<Self> {
        let of = |upstream: &upstream::Upstream| {
            let hops = self.routes.iter().flat_map(|route| &route.hops);
            let hops = hops.filter(|hop| hop.upstream == upstream.name);
            let mut rules: Vec<_> = hops
                .filter_map(|hop| hop.target.clone())
                .map(|target| (target.model.clone(), target))
                .collect();
            rules.dedup_by(|one, other| one.0 == other.0);
            ModelMap::new(rules, crate::models::Families::default(), None)
        };
        let mut each = vec![Self { other_upstreams: Vec::new(), routes: Vec::new(), ..self.clone() }];
        each.extend(self.other_upstreams.iter().map(|upstream| Self {
            upstream: upstream.clone(),
            other_upstreams: Vec::new(),
            models: of(upstream),
            routes: Vec::new(),
            ..self.clone()
        }));
        each
    }
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Default for Config {
    /// What holds when nothing is configured; only the key for OpenAI is missing.
    fn default() -> Self {
        Self {
            server: server::Server::default(),
            upstream: upstream::Upstream::default(),
            images: images::Images::default(),
            limits: limits::Limits::default(),
            log: log::Log::default(),
            metrics: metrics::Metrics::default(),
            models: ModelMap::openai_defaults(),
            other_upstreams: Vec::new(),
            routes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
