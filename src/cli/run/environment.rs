//! What the command's environment says: where the proxy is, how to use it, and nothing that leads past it.

use std::{ffi::OsString, net::SocketAddr};

use tokio::process::Command;

use crate::{
    config::{
        Config,
        env::{Lookup, Surroundings},
        layers::Origin,
        upstream::Upstream,
    },
    models::Family,
    secret::{ExposeSecret as _, SecretString},
};

/// Variables to set and to take out.
pub(super) struct Environment {
    base_url: String,
    key: SecretString,
    /// Those that stand as they are if the user has set them.
    defaults: Vec<(&'static str, String)>,
    no_proxy: Vec<(&'static str, String)>,
    removed: Vec<String>,
}

/// Agents with these set ask a cloud's API and no base URL.
const LEAD_PAST: [&str; 3] = ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];

impl Environment {
    pub(super) fn new(config: &Config, address: SocketAddr, key: SecretString, keep_env: bool) -> Self {
        Self::in_surroundings(config, address, key, keep_env, &Surroundings::of_process().variables)
    }

    fn in_surroundings(
        config: &Config,
        address: SocketAddr,
        key: SecretString,
        keep_env: bool,
        variables: &Lookup,
    ) -> Self {
        let mut defaults = vec![("CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK", "1".to_owned())];
        let (context, output) = limits(config);
        defaults.extend(context.map(|tokens| ("CLAUDE_CODE_MAX_CONTEXT_TOKENS", tokens.to_string())));
        defaults.extend(output.map(|tokens| ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", tokens.to_string())));
        defaults.retain(|(name, _)| variables(name).is_none());
        let mut removed: Vec<String> = LEAD_PAST.map(str::to_owned).into();
        if !keep_env {
            removed.extend(["ANTHROPIC_API_KEY", "CLIENT_API_KEYS"].map(str::to_owned));
            removed.extend(config.upstreams().filter_map(key_variable));
        }
        let base_url = format!("http://{address}");
        Self { base_url, key, defaults, no_proxy: no_proxy(variables), removed }
    }

    /// Gives it to a command, over what that inherits.
    pub(super) fn apply(&self, command: &mut Command) {
        for name in &self.removed {
            command.env_remove(name);
        }
        command.env("ANTHROPIC_BASE_URL", &self.base_url);
        command.env("ANTHROPIC_AUTH_TOKEN", self.key.expose_secret());
        command.envs(self.defaults.iter().chain(&self.no_proxy).map(|(name, value)| (name, value)));
    }
}

/// The variable that an upstream's key came from.
fn key_variable(upstream: &Upstream) -> Option<String> {
    match &upstream.key_origin {
        Some(Origin::Env(name) | Origin::DotEnv(_, name)) => Some(name.clone()),
        _ => None,
    }
}

/// The context window and the longest answer of the models that an agent works with, as far as they are known:
/// the smallest of them, haiku's left out, because agents use that one for small matters.
fn limits(config: &Config) -> (Option<u64>, Option<u64>) {
    let listed = config.models.listed();
    let working = || listed.iter().filter(|listed| listed.family != Some(Family::Haiku));
    let upstream = &config.upstream;
    let smallest = |of_models: Option<u64>, of_upstream: Option<u64>| of_models.or(of_upstream);
    (
        smallest(working().filter_map(|it| it.target.max_input_tokens).min(), upstream.context_window),
        smallest(working().filter_map(|it| it.target.max_output_tokens).min(), upstream.max_output_tokens),
    )
}

/// Where an HTTP proxy is set, the way to loopback must not lead through it.
fn no_proxy(variables: &Lookup) -> Vec<(&'static str, String)> {
    let is_set = |name: &str| variables(name).is_some_and(|value| !value.is_empty());
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    if !proxies.into_iter().any(is_set) {
        return Vec::new();
    }
    let text = |value: OsString| value.into_string().ok();
    let with_loopback = |name: &'static str| {
        let value = variables(name).and_then(text).unwrap_or_default();
        let has = value.split(',').any(|host| matches!(host.trim(), "127.0.0.1" | "*"));
        let separator = if value.is_empty() { "" } else { "," };
        (name, if has { value } else { format!("{value}{separator}127.0.0.1") })
    };
    ["NO_PROXY", "no_proxy"].map(with_loopback).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::models::{Families, Mapped, ModelMap, Target};

    fn environment(config: &Config, keep_env: bool, set: &'static [(&str, &str)]) -> Environment {
        let variables: Lookup =
            Box::new(move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()));
        let address = "127.0.0.1:9".parse().unwrap();
        Environment::in_surroundings(config, address, SecretString::from("aap_k"), keep_env, &variables)
    }

    fn set_by(environment: &Environment) -> BTreeMap<String, Option<String>> {
        let mut command = Command::new("x");
        environment.apply(&mut command);
        let text = |value: &std::ffi::OsStr| value.to_str().unwrap().to_owned();
        command.as_std().get_envs().map(|(name, value)| (text(name), value.map(text))).collect()
    }

    #[test]
    fn the_proxy_is_named_and_keys_are_taken_out() {
        let mut config = Config::default();
        config.upstream.key_origin = Some(Origin::Env("GROQ_KEY".to_owned()));
        let found = set_by(&environment(&config, false, &[]));
        assert_eq!(found["ANTHROPIC_BASE_URL"].as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(found["ANTHROPIC_AUTH_TOKEN"].as_deref(), Some("aap_k"));
        assert_eq!(found["CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK"].as_deref(), Some("1"));
        for taken_out in ["ANTHROPIC_API_KEY", "GROQ_KEY", "CLIENT_API_KEYS", "CLAUDE_CODE_USE_BEDROCK"] {
            assert_eq!(found[taken_out], None, "{taken_out}");
        }
        assert!(!found.contains_key("CLAUDE_CODE_MAX_CONTEXT_TOKENS") && !found.contains_key("NO_PROXY"));
        let kept = set_by(&environment(&config, true, &[]));
        assert!(!kept.contains_key("ANTHROPIC_API_KEY") && !kept.contains_key("GROQ_KEY"));
    }

    #[test]
    fn limits_are_those_of_the_working_models() {
        let mapped = |input, output| {
            let target = Target { max_input_tokens: input, max_output_tokens: output, ..Target::default() };
            Some(Mapped { target, origin: String::new() })
        };
        let mut config = Config::default();
        config.upstream.max_output_tokens = Some(4_096);
        config.models = ModelMap::new(
            Vec::new(),
            Families {
                haiku: mapped(Some(8_000), None),
                sonnet: mapped(Some(128_000), None),
                opus: mapped(Some(400_000), None),
            },
            None,
        );
        let found = set_by(&environment(&config, false, &[("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "7")]));
        assert_eq!(found["CLAUDE_CODE_MAX_CONTEXT_TOKENS"].as_deref(), Some("128000"));
        assert!(!found.contains_key("CLAUDE_CODE_MAX_OUTPUT_TOKENS"), "the user's own stands");
        let found = set_by(&environment(&config, false, &[]));
        assert_eq!(found["CLAUDE_CODE_MAX_OUTPUT_TOKENS"].as_deref(), Some("4096"));
    }

    #[test]
    fn loopback_goes_past_an_http_proxy() {
        let set = &[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "intranet")];
        let found = set_by(&environment(&Config::default(), false, set));
        assert_eq!(found["NO_PROXY"].as_deref(), Some("intranet,127.0.0.1"));
        assert_eq!(found["no_proxy"].as_deref(), Some("127.0.0.1"));
    }
}
