//! The upstream: presets, addresses, keys, and the rule for `./.env`.

use super::*;
use crate::{
    config::upstream::{AuthStyle, ContentFilter, Upstream},
    models::dialect::{Spoken, Wish},
    secret::ExposeSecret,
    translate::quirks::{ReasoningEcho, SystemMode, ToolIds},
};

fn key(upstream: &Upstream) -> Option<&str> {
    upstream.api_key.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn addresses_are_taken_as_people_paste_them() {
    let table = [
        ("https://api.openai.com", "https://api.openai.com/v1", Preset::OpenAi),
        ("https://api.openai.com/", "https://api.openai.com/v1", Preset::OpenAi),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1", Preset::OpenAi),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1", Preset::OpenAi),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1", Preset::OpenRouter),
        ("https://api.groq.com/", "https://api.groq.com/openai/v1", Preset::Groq),
        ("https://api.deepseek.com", "https://api.deepseek.com/", Preset::DeepSeek),
        ("https://api.deepseek.com/v1", "https://api.deepseek.com/v1", Preset::DeepSeek),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/", Preset::Generic),
        (" http://gpu:8000/v1// ", "http://gpu:8000/v1", Preset::Generic),
        ("HTTP://GPU:80/Path", "http://gpu/Path", Preset::Generic),
        ("https://r.openai.azure.com/openai/v1", "https://r.openai.azure.com/openai/v1", Preset::Azure),
    ];
    for (text, expected, preset) in table {
        let loaded = Machine::new().env(&[KEY, ("OPENAI_BASE_URL", text)]).load();
        let upstream = loaded.config.upstream;
        assert_eq!((upstream.base_url.as_str(), upstream.preset), (expected, preset), "{text}");
        assert_eq!(upstream.quirks, preset.quirks(), "{text}");
        assert_eq!(upstream.url_origin.to_string(), "env OPENAI_BASE_URL");
        assert_eq!(loaded.warnings.len(), usize::from(text.ends_with("completions")), "{text}");
    }
}

#[test]
fn presets_have_addresses_and_know_whether_they_need_a_key() {
    for preset in Preset::ALL {
        let flags = Flags { preset: Some(preset), ..Flags::default() };
        let machine = Machine::new().flags(flags);
        let keyless = machine.try_load().map(|loaded| loaded.config.upstream);
        let with_key = machine.env(&[KEY]).try_load().map(|loaded| loaded.config.upstream);
        match preset {
            Preset::Azure | Preset::Generic => {
                assert!(matches!(keyless, Err(Error::NoAddress { .. })), "{preset}");
                assert!(matches!(with_key, Err(Error::NoAddress { .. })), "{preset}");
            }
            hosted if hosted.needs_key() => {
                assert!(matches!(keyless, Err(Error::MissingKey { .. })), "{preset}");
                let upstream = with_key.unwrap();
                assert_eq!(Preset::from_host(upstream.base_url.host_str().unwrap()), preset);
                assert_eq!(upstream.name, preset.name());
            }
            _ => {
                assert!(key(&keyless.unwrap()).is_none(), "{preset}");
                let upstream = with_key.unwrap();
                assert_eq!(upstream.base_url.host_str(), Some("127.0.0.1"), "{preset}");
                assert_eq!(upstream.base_url.path(), "/v1", "{preset}");
            }
        }
    }
}

#[test]
fn servers_of_ones_own_need_no_key() {
    let machine =
        Machine::new().env(&[("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"), ("OPENAI_API_KEY", "")]);
    let upstream = machine.load().config.upstream;
    assert_eq!((key(&upstream), &upstream.key_origin), (None, &None));
    assert_eq!((upstream.name.as_str(), upstream.preset), ("127.0.0.1", Preset::Generic));
}

#[test]
fn passthrough_and_offline_commands_need_no_key() {
    let passthrough = Machine::new().config("[server]\nauth = 'passthrough'");
    assert!(key(&passthrough.load().config.upstream).is_none());
    let mut offline = Machine::new();
    offline.sources.key_optional = true;
    assert!(key(&offline.load().config.upstream).is_none());
}

/// A line of `[upstream]`, variables; the key and its origin.
type KeyRow = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

#[test]
fn the_key_has_four_sources() {
    let table: &[KeyRow] = &[
        ("api_key = 'in-file'", &[], "in-file", "file DIR/config.toml:2"),
        ("api_key = 'in-file'", &[("OPENAI_API_KEY", " in-env\n")], "in-env", "env OPENAI_API_KEY"),
        ("api_key_file = 'key.txt'", &[], "in-key-file", "file DIR/config.toml:2"),
        ("api_key_file = 'missing'", &[("OPENAI_API_KEY", "in-env")], "in-env", "env OPENAI_API_KEY"),
        (
            "api_key_env = 'GROQ_API_KEY'",
            &[("GROQ_API_KEY", "groq"), ("OPENAI_API_KEY", "openai")],
            "groq",
            "env GROQ_API_KEY",
        ),
    ];
    for (line, env, expected, origin) in table {
        let machine = Machine::new().write("key.txt", "in-key-file\n").env(env);
        let machine = machine.config(&format!("[upstream]\n{line}"));
        let upstream = machine.load().config.upstream;
        assert_eq!(key(&upstream), Some(*expected), "{line}");
        let dir = machine.dir.path().display().to_string();
        assert_eq!(upstream.key_origin.unwrap().to_string().replace(&dir, "DIR"), *origin, "{line}");
    }
}

#[test]
fn a_renamed_variable_never_falls_back_to_openais() {
    let file = "[upstream]\npreset = 'groq'\napi_key_env = 'GROQ_API_KEY'";
    let error = Machine::new().env(&[KEY]).config(file).error();
    assert!(error.contains("GROQ_API_KEY is unset or empty"), "{error}");
}

/// CVE-2026-21852: a cloned repository brings a `.env` that sends the user's key to its author.
#[test]
fn a_base_url_in_dot_env_counts_only_with_the_key_there() {
    let evil = "OPENAI_BASE_URL=https://evil.example/v1\n";
    let both = "OPENAI_BASE_URL=https://mine.example/v1\nOPENAI_API_KEY=in-dot-env\n";
    let file_key = "[upstream]\napi_key = 'in-file'";
    // .env, the real key, the file → the host, and whether the address was passed over.
    let table = [
        (evil, "sk-real", "", "api.openai.com", true),
        (evil, "", file_key, "api.openai.com", true),
        (both, "sk-real", "", "api.openai.com", true),
        (both, "", "", "mine.example", false),
        (both, "", file_key, "mine.example", false),
        (evil, "sk-real", "[upstream]\nbase_url = 'http://file.example'", "file.example", true),
        ("CLAUDE_OPUS_MODEL=x", "sk-real", "", "api.openai.com", false),
    ];
    for (dot_env, real_key, file, host, ignored) in table {
        let machine = Machine::new().dot_env(dot_env).config(file).env(&[("OPENAI_API_KEY", real_key)]);
        let loaded = machine.load();
        assert_eq!(loaded.config.upstream.base_url.host_str(), Some(host), "{dot_env} {real_key} {file}");
        let warned = loaded.warnings.iter().any(|it| it.starts_with("OPENAI_BASE_URL in ./.env is ignored"));
        assert_eq!(warned, ignored, "{:?}", loaded.warnings);
    }
}

#[test]
fn a_base_url_in_dot_env_does_not_count_without_any_key_either() {
    let error = Machine::new().dot_env("OPENAI_BASE_URL=http://127.0.0.1:1/v1").error();
    assert!(error.starts_with("no key for the upstream openai at api.openai.com"), "{error}");
    assert!(error.contains("OPENAI_BASE_URL of ./.env counts only together with the key there"), "{error}");
}

#[test]
fn a_named_env_file_is_trusted() {
    let text = "OPENAI_BASE_URL=http://mine.example/v1\nSERVER_HOST=localhost\nOPENAI_API_KEY=in-file\n";
    let machine = Machine::new().env_file(text).dot_env("SERVER_PORT=1").env(&[KEY]);
    let loaded = machine.load();
    assert_eq!(loaded.config.upstream.base_url.host_str(), Some("mine.example"));
    assert_eq!(key(&loaded.config.upstream), Some("sk-CANARY-env"), "real variables win");
    assert_eq!(loaded.config.server.host, "localhost");
    assert_eq!(loaded.config.server.port, 8082, "./.env is not read beside it");
    assert_eq!(loaded.warnings, [""; 0]);
}

#[test]
fn other_names_in_dot_env_are_left_out_and_named_once() {
    let machine = Machine::new().env(&[KEY]).dot_env(
        "SERVER_HOST=0.0.0.0\nCLIENT_API_KEYS=theirs\nDATABASE_URL=x\nSERVER_PORT=9\nAIAPIPROXY_CONFIG=evil.toml\n\
         ALLOWED_ORIGINS=*\nDEV_MODE=1\nCORS_ENABLED=1\nNO_COLOR=1",
    );
    let loaded = machine.load();
    assert_eq!((loaded.config.server.host.as_str(), loaded.config.server.port), ("127.0.0.1", 9));
    assert!(
        loaded.config.server.client_keys.is_empty()
            && !loaded.config.log.dev_mode
            && !loaded.config.log.no_color
    );
    let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
    for word in ["SERVER_HOST", "CLIENT_API_KEYS", "DATABASE_URL", "--env-file"] {
        assert!(warning.contains(word), "{warning} lacks {word}");
    }
    assert!(!warning.contains("SERVER_PORT") && !warning.contains("theirs"), "{warning}");
}

#[test]
fn dot_env_is_read_only_on_request_and_under_real_variables() {
    let mut machine =
        Machine::new().env(&[KEY, ("SERVER_PORT", "7")]).dot_env("SERVER_PORT=9\nRUST_LOG=trace");
    let config = machine.load().config;
    assert_eq!((config.server.port, config.log.filter.as_str()), (7, "trace"));
    machine.sources.read_dot_env = false;
    assert_eq!(machine.load().config.log.filter, log::DEFAULT_FILTER);
}

#[test]
fn a_preset_against_a_known_address_is_warned_about() {
    let env = [KEY, ("OPENAI_BASE_URL", "https://openrouter.ai/api/v1")];
    let flags = Flags { preset: Some(Preset::Groq), ..Flags::default() };
    let loaded = Machine::new().env(&env).flags(flags).load();
    assert_eq!(
        loaded.warnings,
        ["the preset is groq (flag --preset) but the address is that of openrouter (env OPENAI_BASE_URL)"]
    );
}

#[test]
fn quirks_and_the_rest_are_read_from_the_file() {
    let file = "[upstream]\nbase_url = 'http://gpu:8000/v1'\nname = 'lab'\npreset = 'vllm'\n\
                auth_style = 'api_key_header'\napi_version = '2026-10-01'\nmax_output_tokens = 5\n\
                context_window = 6\ncontent_filter = 'refusal'\ndialect = 'messages'\n\
                model_family = 'gpt-4.1'\nstrip_billing_header = true\nheaders = { B = '1', A = '2' }\n\
                [upstream.quirks]\nsystem_mode = 'hoist'\ntop_k = false\ntool_ids = 'max40'\n\
                efforts = ['low', 'high']\nreasoning_echo = 'reasoning'";
    let upstream = Machine::new().config(file).load().config.upstream;
    assert_eq!((upstream.name.as_str(), upstream.auth_style), ("lab", AuthStyle::ApiKeyHeader));
    assert_eq!(upstream.api_version.as_deref(), Some("2026-10-01"));
    assert_eq!((upstream.dialect, upstream.strip_billing_header), (Wish::Only(Spoken::Messages), true));
    assert_eq!(upstream.model_family.as_deref(), Some("gpt-4.1"));
    assert_eq!(upstream.forwarded_system, SystemMode::Hoist);
    assert_eq!((upstream.max_output_tokens, upstream.context_window), (Some(5), Some(6)));
    assert_eq!(upstream.content_filter, ContentFilter::Refusal);
    let headers = [("b", "1"), ("a", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(upstream.headers, headers);
    let mut expected = Preset::Vllm.quirks();
    expected.system_mode = SystemMode::Hoist;
    expected.top_k = false;
    expected.tool_ids = ToolIds::Max40;
    expected.efforts = &["low", "high"];
    expected.reasoning_echo = ReasoningEcho::Reasoning;
    assert_eq!(upstream.quirks, expected);
}

#[test]
fn models_default_to_openais_only_on_its_own_host() {
    let rule = |url: &str, name: &str| {
        let machine = Machine::new().env(&[KEY, ("OPENAI_BASE_URL", url), ("CLAUDE_HAIKU_MODEL", "small")]);
        let resolution = machine.load().config.models.resolve(name);
        (resolution.model, resolution.rule.to_string())
    };
    let pair = |model: &str, rule: &str| (model.to_owned(), rule.to_owned());
    let (here, there) = ("https://api.openai.com/v1", "http://gpu:8000/v1");
    assert_eq!(rule(here, "claude-sonnet-5"), pair("gpt-6-sol", "family sonnet (default)"));
    assert_eq!(rule(there, "claude-sonnet-5"), pair("claude-sonnet-5", "passed through"));
    for url in [here, there] {
        assert_eq!(rule(url, "claude-haiku-4-5"), pair("small", "family haiku (env CLAUDE_HAIKU_MODEL)"));
    }
}

#[test]
fn the_map_keeps_the_order_of_the_file() {
    let file = "[models.map]\n'z-*' = 'first'\n'*-z' = 'second'\n'b' = 'x'\n'a' = { model = 'y', display_name = 'Y' }\n\
                [models]\ndefault = 'rest'";
    let models = Machine::new().env(&[KEY]).config(file).load().config.models;
    assert_eq!(models.resolve("z-z").model, "first");
    assert_eq!(models.resolve("q").rule.to_string(), "default");
    let listed = models.listed();
    assert_eq!(listed.iter().take(2).map(|it| it.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(listed[1].target.display_name.as_deref(), Some("Y"));
}
