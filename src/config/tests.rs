//! Tests of the layers together, in a directory of their own with variables of their own.

use std::{collections::BTreeMap, ffi::OsString, fs, path::PathBuf};

use super::*;

/// A machine: its variables and files.
struct Machine {
    dir: tempfile::TempDir,
    variables: BTreeMap<String, OsString>,
    sources: Sources,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, variables: BTreeMap::new(), sources: Sources::default() }
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        self.variables.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn config(self, text: &str) -> Self {
        self.write("config.toml", text)
    }

    fn dot_env(mut self, text: &str) -> Self {
        self.sources.read_dot_env = true;
        self.write(".env", text)
    }

    fn env_file(mut self, text: &str) -> Self {
        self.sources.env_file = Some(self.path("named.env"));
        self.write("named.env", text)
    }

    fn flags(mut self, flags: Flags) -> Self {
        self.sources.flags = flags;
        self
    }

    fn try_load(&self) -> Result<Loaded, Error> {
        let variables = self.variables.clone();
        Config::load_from(
            &self.sources,
            &Surroundings {
                variables: Box::new(move |name| variables.get(name).cloned()),
                dot_env: self.path(".env"),
                config_files: vec![self.path("config.toml"), self.path("etc.toml")],
            },
        )
    }

    fn load(&self) -> Loaded {
        self.try_load().unwrap_or_else(|error| panic!("{error}"))
    }

    fn error(&self) -> String {
        let error = self.try_load().expect_err("should be refused").to_string();
        error.replace(&self.dir.path().display().to_string(), "DIR")
    }
}

/// The defaults, without which nothing starts: a key.
const KEY: (&str, &str) = ("OPENAI_API_KEY", "sk-CANARY-env");

#[test]
fn a_key_is_all_that_is_needed() {
    let loaded = Machine::new().env(&[KEY]).load();
    let mut expected = Config::default();
    expected.upstream.api_key = Some("any".into());
    expected.upstream.key_origin = Some(layers::Origin::Env("OPENAI_API_KEY".to_owned()));
    assert_eq!(format!("{:#?}", loaded.config), format!("{expected:#?}"));
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.origins.keys().collect::<Vec<_>>(), ["upstream.api_key"]);
}

#[test]
fn the_documented_defaults_hold() {
    let config = Config::default();
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 8082));
    assert_eq!(config.limits.first_byte_timeout.as_secs(), 600);
    assert_eq!(config.limits.max_request_size, 33_554_432);
    assert_eq!(config.log.filter, "warn,aiapiproxy=info");
    assert_eq!(config.upstream.base_url.as_str(), "https://api.openai.com/v1");
    assert_eq!(config.models.resolve("claude-sonnet-5").model, "gpt-6-sol");
}

/// One setting in the file, the environment and a flag, at the same time, layer by layer.
#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "[server]\nport = 1\nhost = '127.0.0.1'\n[upstream]\nbase_url = 'http://file.example/v1'\n\
                [log]\nformat = 'json'\n[models]\nhaiku = 'from-file'\n[limits]\nmax_request_size = '1KiB'";
    let env = [
        KEY,
        ("SERVER_PORT", "2"),
        ("SERVER_HOST", "localhost"),
        ("OPENAI_BASE_URL", "http://env.example/v1"),
        ("LOG_FORMAT", "text"),
        ("CLAUDE_HAIKU_MODEL", "from-env"),
        ("MAX_REQUEST_SIZE", "2048"),
    ];
    let flags = Flags {
        port: Some(3),
        host: Some("::1".to_owned()),
        base_url: Some("http://flag.example/v1".to_owned()),
        log_format: Some(log::Format::Json),
        ..Flags::default()
    };
    let summary = |machine: &Machine| {
        let config = machine.load().config;
        let host = config.upstream.base_url.host_str().unwrap_or_default().to_owned();
        let haiku = config.models.resolve("haiku").model;
        let server = (config.server.host, config.server.port);
        (server, host, config.log.format, haiku, config.limits.max_request_size)
    };
    let words = |host: &str, url: &str, haiku: &str| (host.to_owned(), url.to_owned(), haiku.to_owned());

    let mut machine = Machine::new().config(file).env(&[KEY]);
    let (host, url, haiku) = words("127.0.0.1", "file.example", "from-file");
    assert_eq!(summary(&machine), ((host, 1), url, log::Format::Json, haiku, 1024));
    machine = machine.env(&env);
    let (host, url, haiku) = words("localhost", "env.example", "from-env");
    assert_eq!(summary(&machine), ((host, 2), url, log::Format::Text, haiku, 2048));
    machine = machine.flags(flags);
    let (host, url, haiku) = words("::1", "flag.example", "from-env");
    assert_eq!(summary(&machine), ((host, 3), url, log::Format::Json, haiku, 2048));
}

#[test]
fn every_origin_is_known_by_its_words() {
    let machine = Machine::new()
        .config("\n[server]\nport = 1\nhost = '127.0.0.1'\n[log]\nformat = 'json'")
        .env(&[KEY, ("SERVER_HOST", "localhost")])
        .env_file("CLAUDE_OPUS_MODEL=big")
        .flags(Flags { log_format: Some(log::Format::Text), ..Flags::default() });
    let loaded = machine.load();
    let dir = machine.dir.path().display().to_string();
    let shown = |key: &str| loaded.origins.get(key).map(|it| it.to_string().replace(&dir, "DIR"));
    assert_eq!(shown("server.port").unwrap(), "file DIR/config.toml:3");
    assert_eq!(shown("server.host").unwrap(), "env SERVER_HOST");
    assert_eq!(shown("models.opus").unwrap(), "CLAUDE_OPUS_MODEL in DIR/named.env");
    assert_eq!(shown("log.format").unwrap(), "flag --log-format");
    assert_eq!(shown("log.filter"), None);
    assert_eq!(loaded.config.upstream.url_origin.to_string(), "default");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let names = env::VARIABLES.iter().map(|variable| (variable.name, "  "));
    let empty: Vec<_> = names.filter(|(name, _)| *name != "CLIENT_API_KEYS").collect();
    let mut machine = Machine::new().env(&empty);
    machine.sources.key_optional = true;
    let loaded = machine.load();
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", Config::default()));
}

#[test]
fn request_timeout_sets_both_waits() {
    for (text, seconds) in [("45", 45), ("90s", 90), ("2m", 120)] {
        let machine = Machine::new().env(&[KEY, ("REQUEST_TIMEOUT", text)]);
        let limits = machine.config("[limits]\nfirst_byte_timeout = 1").load().config.limits;
        assert_eq!(limits.first_byte_timeout.as_secs(), seconds);
        assert_eq!(limits.stream_idle_timeout.as_secs(), seconds);
        assert_eq!(limits.connect_timeout.as_secs(), 10);
    }
}

#[test]
fn development_mode_changes_defaults_and_nothing_that_is_set() {
    let log = |env: &[(&str, &str)]| Machine::new().env(&[KEY]).env(env).load().config.log;
    let dev = log(&[("DEV_MODE", "true")]);
    assert_eq!((dev.filter.as_str(), dev.format), ("info,aiapiproxy=debug", log::Format::Text));
    let dev = log(&[("DEV_MODE", "1"), ("RUST_LOG", "error"), ("LOG_FORMAT", "json")]);
    assert_eq!((dev.filter.as_str(), dev.format), ("error", log::Format::Json));
    assert!(!log(&[("DEV_MODE", "false")]).dev_mode);
    assert!(log(&[("NO_COLOR", "1")]).no_color);
}

#[test]
fn losses_are_told_unless_they_are_to_be_refused() {
    use server::OnLossy::{Refuse, Warn};
    let on_lossy = |file: &str, env: &[(&str, &str)]| {
        Machine::new().env(&[KEY]).env(env).config(file).load().config.server.on_lossy
    };
    assert_eq!(on_lossy("", &[]), Warn);
    assert_eq!(on_lossy("[server]\non_lossy = 'refuse'", &[]), Refuse);
    assert_eq!(on_lossy("[server]\non_lossy = 'refuse'", &[("ON_LOSSY", "warn")]), Warn);
    // A file in somebody else's repository must not loosen it.
    let machine = Machine::new().env(&[KEY]).config("[server]\non_lossy = 'refuse'").dot_env("ON_LOSSY=warn");
    assert_eq!(machine.load().config.server.on_lossy, Refuse);
    let wrong = Machine::new().env(&[KEY, ("ON_LOSSY", "refused")]).error();
    assert!(wrong.contains("refuse") && wrong.contains("ON_LOSSY"), "{wrong}");
}

#[test]
fn the_configuration_file_is_found_in_order() {
    let port = |machine: &Machine| machine.load().config.server.port;
    let mut machine = Machine::new().env(&[KEY]).write("etc.toml", "[server]\nport = 1");
    assert_eq!(port(&machine), 1);
    machine = machine.config("[server]\nport = 2");
    assert_eq!(port(&machine), 2);
    machine = machine.write("variable.toml", "[server]\nport = 3");
    let path = machine.path("variable.toml");
    machine = machine.env(&[("AIAPIPROXY_CONFIG", path.to_str().unwrap())]);
    assert_eq!(port(&machine), 3);
    machine = machine.write("flag.toml", "[server]\nport = 4");
    machine.sources.config_file = Some(machine.path("flag.toml"));
    assert_eq!(port(&machine), 4);
    assert_eq!(machine.load().file, Some(machine.path("flag.toml")));
}

#[cfg(unix)]
#[test]
fn a_key_in_a_file_that_others_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let table = [
        ("[upstream]\napi_key = 'sk-CANARY'", 0o644, true),
        ("[upstream]\napi_key = 'sk-CANARY'", 0o600, false),
        ("[[server.client_keys]]\nid = 'a'\nkey = 'sk-CANARY'", 0o640, true),
        ("[server]\nport = 1", 0o644, false),
    ];
    for (text, mode, warned) in table {
        let machine = Machine::new().env(&[KEY]).config(text);
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(machine.path("config.toml"), permissions).unwrap();
        let warnings = machine.load().warnings;
        assert_eq!(warnings.iter().any(|it| it.contains("chmod 600")), warned, "{text} {mode:o}");
        assert!(!warnings.concat().contains("CANARY"));
    }
}

#[test]
fn no_debug_output_shows_a_secret() {
    let file = "[upstream]\napi_key = 'sk-CANARY-1'\nheaders = { X-Secret = 'CANARY-2' }\n\
                [[server.client_keys]]\nid = 'a'\nkey = 'CANARY-3'";
    let loaded = Machine::new().config(file).load();
    assert_eq!(loaded.config.upstream.headers, [("x-secret".to_owned(), "CANARY-2".to_owned())]);
    let shown = format!("{loaded:#?}");
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(shown.contains("x-secret") && shown.contains("REDACTED"), "{shown}");
}

#[test]
fn the_demo_needs_no_key_and_ignores_upstream_settings() {
    let demo = Url::parse("http://127.0.0.1:4711/v1").unwrap();
    let flags = Flags { demo: Some(demo.clone()), preset: Some(Preset::Groq), ..Flags::default() };
    let env = [("OPENAI_BASE_URL", "nonsense"), ("CLAUDE_OPUS_MODEL", "big")];
    let config = Machine::new().env(&env).flags(flags).load().config;
    assert_eq!((config.upstream.base_url, config.upstream.name.as_str()), (demo, "demo"));
    assert!(config.upstream.api_key.is_none());
    assert_eq!(config.models.resolve("claude-haiku-4-5").model, "demo");
    assert_eq!(config.models.resolve("claude-opus-5-5").model, "big");
    assert_eq!(config.models.listed().len(), 3);
}

mod auth;
mod dialect;
mod errors;
mod example;
mod upstream;
