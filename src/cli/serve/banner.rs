//! What `serve` says when it starts: where it listens, whom it asks, and how clients find it.
//!
//! These lines are written whatever the log filter is. With JSON logs each is a JSON object like a log line, so
//! that whoever collects stderr can read all of it.

use std::net::SocketAddr;

use serde::Serialize;

use super::reachable;
use crate::{
    cli::output,
    config::{Config, layers::Origin, log::Format, server::Auth, upstream::Upstream},
    models::dialect::Wish,
    secret::{ExposeSecret, SecretString},
};

/// The lines, written as they come.
pub(super) struct Lines {
    format: Format,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    level: &'static str,
    message: &'a str,
    target: &'static str,
}

impl Lines {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(super) fn warn(&mut self, message: &str) {
        match self.format {
            Format::Text => output::warn(message),
            Format::Json => json("WARN", message),
        }
    }

    fn say(&mut self, message: &str) {
        match self.format {
            Format::Text => output::note(message),
            Format::Json => json("INFO", message),
        }
    }

    /// Where it listens, whom it asks, and who said so.
    pub(super) fn start(&mut self, config: &Config, address: SocketAddr, is_demo: bool) {
        let line = start_line(config, address, is_demo);
        self.say(&line);
        for upstream in &config.other_upstreams {
            let key = key_remark(upstream, Auth::Keys);
            self.say(&format!("and by route -> {} at {} ({key})", upstream.name, upstream.base_url));
        }
    }

    /// Where the numbers are.
    pub(super) fn metrics(&mut self, address: SocketAddr) {
        self.say(&format!("metrics on http://{address}/metrics"));
    }

    /// What to tell clients. A key that was made is shown here, once, and nowhere else.
    pub(super) fn clients(&mut self, config: &Config, address: SocketAddr, made_key: Option<&SecretString>) {
        self.say(&format!("export ANTHROPIC_BASE_URL={}://{}", scheme(config), reachable(address)));
        match (config.server.auth, made_key) {
            (_, Some(key)) => {
                // The one place where a secret is written: without it nobody could use the server.
                self.say(&format!("export ANTHROPIC_AUTH_TOKEN={}", key.expose_secret()));
                self.say("this key was made for this run and is shown once; CLIENT_API_KEYS sets your own");
            }
            (Auth::Keys | Auth::Generate, None) => {
                self.say("export ANTHROPIC_AUTH_TOKEN='one of the configured client keys'");
            }
            (Auth::Passthrough, None) => {
                self.say("export ANTHROPIC_AUTH_TOKEN='your own key for the upstream'");
            }
            (Auth::None, None) => {
                // Nobody checks it, but clients do not start without one.
                self.say("export ANTHROPIC_AUTH_TOKEN=unchecked");
            }
        }
    }
}

fn start_line(config: &Config, address: SocketAddr, is_demo: bool) -> String {
    let upstream = &config.upstream;
    let mut remarks = Vec::new();
    if is_demo {
        remarks.push("the demo inside this program".to_owned());
    } else if upstream.url_origin != Origin::Default {
        remarks.push(format!("address from {}", upstream.url_origin));
    }
    if let Wish::Only(spoken) = upstream.dialect {
        remarks.push(format!("dialect {spoken} from {}", upstream.dialect_origin));
    }
    remarks.push(key_remark(upstream, config.server.auth));
    if let Some(variable) = upstream.proxy_variable {
        remarks.push(format!("through the proxy of env {variable}"));
    }
    if config.models.rules().is_empty() {
        remarks.push("model names pass through".to_owned());
    }
    let scheme = scheme(config);
    format!("listening on {scheme}://{address} -> {} ({})", upstream.base_url, remarks.join(", "))
}

fn scheme(config: &Config) -> &'static str {
    if config.server.tls.is_some() { "https" } else { "http" }
}

fn key_remark(upstream: &Upstream, auth: Auth) -> String {
    match (&upstream.key_origin, auth) {
        (_, Auth::Passthrough) => "key from each client".to_owned(),
        (Some(origin), _) => format!("key from {origin}"),
        (None, _) => "no key".to_owned(),
    }
}

fn json(level: &'static str, message: &str) {
    let line = JsonLine { level, message, target: "aiapiproxy" };
    if let Ok(text) = serde_json::to_string(&line) {
        output::note(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::server::Server,
        models::{ModelMap, dialect::Spoken},
        translate::quirks::Preset,
    };
    use url::Url;

    fn line(config: &Config, is_demo: bool) -> String {
        start_line(config, "127.0.0.1:8082".parse().unwrap(), is_demo)
    }

    #[test]
    fn the_start_line_names_address_upstream_and_origins() {
        let mut config = Config::default();
        config.upstream.key_origin = Some(Origin::Env("OPENAI_API_KEY".to_owned()));
        assert_eq!(
            line(&config, false),
            "listening on http://127.0.0.1:8082 -> https://api.openai.com/v1 (key from env OPENAI_API_KEY)"
        );
        config.upstream.dialect = Wish::Only(Spoken::Chat);
        config.upstream.dialect_origin = Origin::Flag("--dialect");
        assert!(line(&config, false).contains("(dialect chat from flag --dialect, key "));
        config.upstream.dialect = Wish::Auto;
        let base_url = Url::parse("http://127.0.0.1:8080/v1").unwrap();
        config.upstream = Upstream::new(Preset::LlamaCpp, base_url);
        config.upstream.url_origin = Origin::Flag("--base-url");
        config.models = ModelMap::default();
        assert_eq!(
            line(&config, false),
            "listening on http://127.0.0.1:8082 -> http://127.0.0.1:8080/v1 \
             (address from flag --base-url, no key, model names pass through)"
        );
        config.server = Server { auth: Auth::Passthrough, ..Server::default() };
        assert!(line(&config, true).contains("(the demo inside this program, key from each client, "));
    }
}
