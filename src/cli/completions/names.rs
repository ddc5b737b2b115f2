//! Names of the configuration, as candidates. What cannot be read has none: a press of a key is no time for errors.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use clap_complete::CompletionCandidate;

use crate::{
    config::{Config, Sources, env},
    routing::listing,
};

/// Names that clients may send.
pub(in crate::cli) fn model_names() -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return Vec::new() };
    candidates(
        listing::listed(&config)
            .into_iter()
            .map(|it| (it.id, format!("{} at {}", it.target.model, it.upstream.name))),
    )
}

/// Names of upstreams.
pub(in crate::cli) fn upstream_names() -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return Vec::new() };
    candidates(config.upstreams().map(|it| (it.name.clone(), it.base_url.to_string())))
}

/// Models of upstreams that the configuration names.
pub(in crate::cli) fn upstream_models() -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return Vec::new() };
    let mapped = config.models.targets().into_iter().map(|target| (target.model.clone(), String::new()));
    let hops = config.routes.iter().flat_map(|route| &route.hops);
    let routed = hops.filter_map(|hop| Some((hop.target.as_ref()?.model.clone(), hop.upstream.clone())));
    candidates(mapped.chain(routed))
}

/// Each name once.
fn candidates(names: impl Iterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let names: BTreeMap<String, String> = names.collect();
    let candidate = |(name, help): (String, String)| {
        CompletionCandidate::new(name).help((!help.is_empty()).then(|| help.into()))
    };
    names.into_iter().map(candidate).collect()
}

/// The configuration that the words of the line name; no key is asked for, and no command run for one.
fn config() -> Option<Config> {
    let words = env::command_line().skip_while(|word| word != "--").skip(1);
    let config_file = named_file(words);
    Some(Config::load(&Sources { config_file, key_optional: true, ..Sources::default() }).ok()?.config)
}

fn named_file(mut words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--config" {
            // Shells that break words at `=` hand it over as one.
            return words.find(|word| word != "=").map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_line_is_the_one_that_counts() {
        let named = |line: &str| named_file(line.split(' ').map(OsString::from));
        assert_eq!(named("aiapiproxy --config a.toml models cl"), Some("a.toml".into()));
        assert_eq!(named("aiapiproxy models --config=a.toml"), Some("a.toml".into()));
        assert_eq!(named("aiapiproxy models --config = a.toml"), Some("a.toml".into()));
        assert_eq!(named("aiapiproxy models"), None);
    }
}
