//! The dialect: its layers, what it decides, and Azure's addresses and deployments.

use super::*;
use crate::{
    config::upstream::AuthStyle,
    models::dialect::{Spoken, Wish},
    translate::quirks::SystemMode,
};

/// The dialect of a requested name, and why.
fn spoken(config: &Config, requested: &str) -> (Spoken, String) {
    let model = config.models.resolve(requested).model;
    let choice = config.upstream.dialect_of(&model, config.models.target(requested));
    (choice.spoken, config.upstream.explain(&choice))
}

#[test]
fn flags_win_over_variables_and_these_over_the_file() {
    let file = "[upstream]\ndialect = 'chat'";
    let dialect = |machine: Machine| {
        let upstream = machine.load().config.upstream;
        (upstream.dialect, upstream.dialect_origin.to_string().replace(char::is_numeric, ""))
    };
    let local = ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
    assert_eq!(dialect(Machine::new().env(&[local])), (Wish::Auto, "default".to_owned()));
    let in_file = dialect(Machine::new().env(&[local]).config(file));
    assert!(in_file.0 == Wish::Only(Spoken::Chat) && in_file.1.contains("config.toml:"), "{in_file:?}");
    let env = &[local, ("OPENAI_DIALECT", "messages")];
    let in_env = (Wish::Only(Spoken::Messages), "env OPENAI_DIALECT".to_owned());
    assert_eq!(dialect(Machine::new().env(env).config(file)), in_env);
    let flags = Flags { dialect: Some("auto".to_owned()), ..Flags::default() };
    let by_flag = (Wish::Auto, "flag --dialect".to_owned());
    assert_eq!(dialect(Machine::new().env(env).config(file).flags(flags)), by_flag);
}

#[test]
fn a_dialect_that_there_is_not_is_refused_with_the_nearest() {
    for file in ["[upstream]\ndialect = 'message'", "[models.map]\na = { model = 'b', dialect = 'message' }"]
    {
        let error = Machine::new().env(&[KEY]).config(file).error();
        assert!(error.contains("\"messages\"") && error.contains("dialect"), "{error}");
    }
}

#[test]
fn a_model_of_the_map_has_its_own_dialect() {
    let file = "[upstream]\nbase_url = 'http://gpu:8000/v1'\ndialect = 'chat'\n\
                [models.map]\na = { model = 'x', dialect = 'messages' }\nb = 'y'";
    let config = Machine::new().config(file).load().config;
    assert_eq!(spoken(&config, "a"), (Spoken::Messages, "set for this model".to_owned()));
    assert_eq!(spoken(&config, "b").0, Spoken::Chat);
    assert_eq!(spoken(&config, "c").0, Spoken::Chat);
    assert_eq!(config.upstream.auth_style, AuthStyle::Bearer);
}

#[test]
fn servers_that_speak_messages_get_the_key_where_they_look_for_it() {
    let of = |env: &[(&str, &str)]| Machine::new().env(env).load().config.upstream;
    let anthropic = of(&[KEY, ("OPENAI_BASE_URL", "https://api.anthropic.com")]);
    assert_eq!((anthropic.preset, anthropic.auth_style), (Preset::Anthropic, AuthStyle::XApiKey));
    assert!(anthropic.lists_as_anthropic());
    assert_eq!(anthropic.dialect_of("claude-sonnet-5", None).spoken, Spoken::Messages);
    let local = of(&[("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"), ("OPENAI_DIALECT", "messages")]);
    assert_eq!((local.auth_style, local.lists_as_anthropic()), (AuthStyle::Both, true));
    // System text stays where it is, unless somebody wants it elsewhere.
    assert_eq!((local.quirks.system_mode, local.forwarded_system), (SystemMode::Fold, SystemMode::System));
}

#[test]
fn azures_addresses_are_taken_as_its_portal_shows_them() {
    let host = "https://r.openai.azure.com";
    for (path, version, expected) in [
        ("", None, "/openai/v1"),
        ("/openai", None, "/openai/v1"),
        ("/openai/v1/", None, "/openai/v1"),
        ("", Some("2024-10-21"), "/"),
        ("/openai", Some("2024-10-21"), "/openai"),
        ("/openai/deployments/d/chat/completions", Some("2024-10-21"), "/openai"),
        ("/openai/v1", Some("preview"), "/openai/v1"),
    ] {
        let url = format!("{host}{path}");
        let mut env = vec![KEY, ("OPENAI_BASE_URL", url.as_str())];
        env.extend(version.map(|version| ("OPENAI_API_VERSION", version)));
        let upstream = Machine::new().env(&env).load().config.upstream;
        assert_eq!(upstream.base_url.path(), expected, "{path} {version:?}");
        assert_eq!(upstream.api_version.as_deref(), version);
        assert_eq!(upstream.auth_style, AuthStyle::ApiKeyHeader);
    }
}

#[test]
fn a_deployment_is_known_by_its_family() {
    let file = "[upstream]\npreset = 'azure'\nbase_url = 'https://r.openai.azure.com'\n\
                model_family = 'gpt-4.1'\n[models.map]\na = { model = 'd', model_family = 'gpt-6-sol' }\nb = 'e'";
    let config = Machine::new().env(&[KEY]).config(file).load().config;
    let target = config.models.target("a");
    assert_eq!(config.upstream.family_of("d", target), "gpt-6-sol");
    assert_eq!(config.upstream.family_of("e", config.models.target("b")), "gpt-4.1");
    assert_eq!(spoken(&config, "a").0, Spoken::Responses);
    assert_eq!(spoken(&config, "b").0, Spoken::Chat);
}
