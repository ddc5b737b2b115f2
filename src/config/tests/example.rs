//! `config.example.toml` and `.env.example` say what the program does.

use super::*;
use crate::{config::file::KEYS, models::Family};

const CONFIG: &str = include_str!("../../../config.example.toml");
const DOT_ENV: &str = include_str!("../../../.env.example");

/// The example with the defaults (`#key = …`) switched on.
fn with_defaults() -> String {
    let is_key = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let line = |line| str::strip_prefix(line, "#").filter(is_key).unwrap_or(line);
    CONFIG.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The example with the examples (three spaces after the `#`) switched on too.
fn with_everything() -> String {
    let text = with_defaults();
    let line = |line| {
        let example = str::strip_prefix(line, "#   ");
        example.filter(|line| line.starts_with('[') || line.contains(" = ")).unwrap_or(line)
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn load(text: &str) -> Config {
    Machine::new().env(&[KEY]).config(text).load().config
}

/// All but where values came from.
fn shown(mut config: Config) -> String {
    config.upstream.url_origin = layers::Origin::Default;
    config.upstream.dialect_origin = layers::Origin::Default;
    let models = Family::ALL.map(|family| config.models.resolve(family.alias()).model);
    let passed = config.models.resolve("something-else");
    let Config { server, upstream, images, limits, log, models: _, other_upstreams: _, routes: _, metrics } =
        config;
    format!("{server:#?}{upstream:#?}{images:#?}{limits:#?}{log:#?}{models:#?}{passed:#?}{metrics:#?}")
}

#[test]
fn the_example_as_it_is_sets_nothing() {
    let loaded = Machine::new().env(&[KEY]).config(CONFIG).load();
    assert_eq!(loaded.origins.keys().collect::<Vec<_>>(), ["upstream.api_key"]);
}

#[test]
fn the_defaults_in_the_example_are_the_defaults() {
    assert_eq!(shown(load(&with_defaults())), shown(load("")));
    assert!(with_defaults().matches("\nmax_").count() >= 5, "defaults were not switched on");
}

#[test]
fn the_example_shows_every_key() {
    let text = with_everything();
    for key in KEYS {
        let name = key.rsplit('.').next().unwrap();
        let shown = ["\n", ", ", "{ ", "["]
            .map(|before| format!("{before}{name}{}", if before == "[" { "]" } else { " = " }));
        let table = format!("\n[{key}]");
        assert!(shown.iter().any(|it| text.contains(it)) || text.contains(&table), "{key} is not shown");
    }
}

#[test]
fn the_examples_are_valid_but_for_the_four_ways_to_give_a_key() {
    let text = with_everything().replace("\napi_key_file", "\n#").replace("\napi_key_command", "\n#");
    let text = text.replace("\napi_key_env", "\n#");
    let machine = Machine::new().config(&text);
    let config = machine.load().config;
    assert_eq!(config.upstream.quirks, Preset::OpenAi.quirks());
    assert_eq!(config.server.client_keys.iter().count(), 2);
    assert_eq!(config.models.resolve("claude-3-5-haiku-latest").rule.to_string(), "glob claude-*haiku*");
    assert!(machine.sources.config_file.is_none());
}

#[test]
fn the_example_names_every_variable() {
    let variables = env::VARIABLES.iter().map(|variable| variable.name);
    for name in variables {
        assert!(CONFIG.contains(name), "config.example.toml lacks {name}");
        let line = format!("\n{name}=");
        let commented = format!("\n#{name}=");
        assert!(DOT_ENV.contains(&line) || DOT_ENV.contains(&commented), ".env.example lacks {name}");
    }
}

#[test]
fn the_env_example_says_which_names_a_dot_env_gives() {
    let (first, second) = DOT_ENV.split_once("--- Second part").unwrap();
    for variable in env::VARIABLES {
        let part = if variable.in_dot_env { first } else { second };
        assert!(part.contains(&format!("{}=", variable.name)), "{} is in the wrong part", variable.name);
    }
    let machine = Machine::new().env(&[KEY]).dot_env(DOT_ENV);
    assert_eq!(machine.load().warnings, [""; 0]);
}
