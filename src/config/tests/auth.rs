//! Who may use the server: the rules of the head table of operations.md.

use super::*;
use crate::{
    config::server::{Auth, Origins},
    secret::{ClientKeys, Terms},
};

/// Host, `auth`, client keys, `--allow-unauthenticated`; the outcome, or the first line of the refusal.
type Row = (&'static str, Option<&'static str>, bool, bool, Result<Auth, &'static str>);

#[test]
fn auth_follows_the_table() {
    use Auth::{Generate, Keys, None as Open, Passthrough};
    let no_keys = "auth is \"keys\" but there is no client key";
    let unasked = "client keys are configured (env CLIENT_API_KEYS) but auth would not ask for them";
    let beyond = "auth is \"none\" but the server would listen on 0.0.0.0, where others could spend your key";
    let local = "127.0.0.1";
    let any = "0.0.0.0";
    let table: &[Row] = &[
        (local, None, false, false, Ok(Open)),
        (local, None, true, false, Ok(Keys)),
        (any, None, false, false, Ok(Generate)),
        (any, None, true, false, Ok(Keys)),
        (any, None, false, true, Ok(Generate)),
        (local, Some("none"), false, false, Ok(Open)),
        (any, Some("none"), false, false, Err(beyond)),
        (any, Some("none"), false, true, Ok(Open)),
        (local, Some("none"), true, false, Err(unasked)),
        (any, Some("none"), true, true, Err(unasked)),
        (local, Some("keys"), true, false, Ok(Keys)),
        (local, Some("keys"), false, false, Err(no_keys)),
        (any, Some("keys"), false, true, Err(no_keys)),
        (local, Some("passthrough"), false, false, Ok(Passthrough)),
        (any, Some("passthrough"), false, false, Ok(Passthrough)),
        (any, Some("passthrough"), true, false, Err(unasked)),
    ];
    for (host, auth, keys, allowed, expected) in table {
        let mut machine = Machine::new().env(&[KEY, ("SERVER_HOST", host)]);
        if *keys {
            machine = machine.env(&[("CLIENT_API_KEYS", "aap_one")]);
        }
        if let Some(auth) = auth {
            machine = machine.config(&format!("[server]\nauth = '{auth}'"));
        }
        let machine = machine.flags(Flags { allow_unauthenticated: *allowed, ..Flags::default() });
        let found = machine.try_load().map(|loaded| loaded.config.server.auth);
        let found = found.map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned());
        assert_eq!(found, expected.map_err(str::to_owned), "{host} {auth:?} {keys} {allowed}");
    }
}

#[test]
fn loopback_is_known_in_every_spelling() {
    for (host, loopback) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("[::1]", true),
        ("::ffff:127.0.0.1", true),
        ("localhost", true),
        ("LocalHost", true),
        ("0.0.0.0", false),
        ("::", false),
        ("192.168.1.5", false),
        ("localhost.example", false),
        ("proxy", false),
    ] {
        let server = Machine::new().env(&[KEY, ("SERVER_HOST", host)]).load().config.server;
        assert_eq!(server.is_loopback(), loopback, "{host}");
        assert!(!server.host.contains('['), "{host}");
    }
}

fn id_of<'k>(keys: &'k ClientKeys, presented: &str) -> Option<&'k str> {
    keys.find(presented).map(|key| key.id.as_str())
}

#[test]
fn a_generated_key_is_adopted() {
    let mut server = Machine::new().env(&[KEY, ("SERVER_HOST", "0.0.0.0")]).load().config.server;
    assert!(server.requires_client_key());
    server.adopt_generated_key(crate::secret::digest("aap_new"));
    assert_eq!(server.auth, Auth::Keys);
    assert_eq!(id_of(&server.client_keys, "aap_new"), Some("generated"));
}

#[test]
fn client_keys_come_from_the_variable_or_the_file() {
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // of "abc"
    let file = format!(
        "[[server.client_keys]]\nid = 'alice'\nkey = 'of-alice'\n\
                        [[server.client_keys]]\nid = 'bob'\nsha256 = '{hash}'"
    );
    let machine = Machine::new().env(&[KEY]).config(&file);
    let keys = machine.load().config.server.client_keys;
    let found = ["of-alice", "abc", "", "alice"].map(|key| id_of(&keys, key));
    assert_eq!(found, [Some("alice"), Some("bob"), None, None]);
    let keys = machine.env(&[("CLIENT_API_KEYS", "one, two")]).load().config.server.client_keys;
    let found = ["one", "two", " two", "of-alice"].map(|key| id_of(&keys, key));
    assert_eq!(found, [Some("key1"), Some("key2"), None, None]);
}

#[test]
fn a_star_counts_only_while_keys_are_required() {
    let page = "https://page.example";
    let table = [
        ("", "", "", false),
        ("", "", "k", true),
        ("", "*", "", false),
        ("", "https://other.example,*", "k", true),
        ("", "https://page.example", "", true),
        ("", "HTTPS://Page.example/ , https://b.example", "", true),
        ("", "https://b.example", "k", false),
        ("", "https://page.example:8443", "k", false),
        ("false", "https://page.example", "k", false),
        ("false", "*", "k", false),
    ];
    for (enabled, origins, key, allowed) in table {
        let mut machine = Machine::new().env(&[KEY, ("CORS_ENABLED", enabled), ("ALLOWED_ORIGINS", origins)]);
        if !key.is_empty() {
            machine = machine.env(&[("CLIENT_API_KEYS", key)]);
        }
        let loaded = machine.load();
        assert_eq!(loaded.config.server.origin_allowed(page), allowed, "{enabled} {origins} {key}");
        let explicit_star = origins == "*" && key.is_empty();
        assert_eq!(loaded.warnings.iter().any(|it| it.contains("no web page may call")), explicit_star);
    }
}

#[test]
fn lists_in_the_file_are_read() {
    let file =
        "[server]\nallowed_hosts = ['Proxy.lan']\n[server.cors]\nallowed_origins = ['tauri://localhost']";
    let server = Machine::new().env(&[KEY]).config(file).load().config.server;
    assert_eq!(server.allowed_hosts, ["proxy.lan"]);
    assert_eq!(server.cors.origins, Origins::Listed(vec!["tauri://localhost".to_owned()]));
    let file = "[server.cors]\nallowed_origins = []";
    let server = Machine::new().env(&[KEY, ("CLIENT_API_KEYS", "k")]).config(file).load().config.server;
    assert!(!server.origin_allowed("https://page.example"));
}

#[test]
fn a_key_of_the_file_has_its_terms() {
    let file = "[[server.client_keys]]\nid = 'alice'\nkey = 'of-alice'\nexpires = 2100-01-31\n\
                models = ['claude-*', 'gpt-6-luna']\nrequests_per_minute = 60\ntokens_per_minute = 100000\n\
                max_concurrent = 4\n[[server.client_keys]]\nid = 'bob'\nkey = 'of-bob'\n";
    let keys = Machine::new().env(&[KEY]).config(file).load().config.server.client_keys;
    let terms = |key: &str| keys.find(key).unwrap().terms.clone();
    let alice = terms("of-alice");
    let seconds = alice.expires.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds, 4_105_036_800);
    assert_eq!(alice.models.unwrap(), ["claude-*", "gpt-6-luna"]);
    let limits = (alice.requests_per_minute, alice.tokens_per_minute, alice.max_concurrent);
    let limits = (limits.0.unwrap().get(), limits.1.unwrap().get(), limits.2.unwrap().get());
    assert_eq!(limits, (60, 100_000, 4));
    assert_eq!(terms("of-bob"), Terms::default());
}

#[test]
fn an_end_of_a_key_is_a_date_or_a_time_and_an_old_one_is_told() {
    let seconds = |expires: &str| {
        let file = format!("[[server.client_keys]]\nid = 'a'\nkey = 'k'\nexpires = {expires}\n");
        let loaded = Machine::new().env(&[KEY]).config(&file).try_load()?;
        let key = loaded.config.server.client_keys.iter().next().cloned().unwrap();
        let expires = key.terms.expires.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let told = loaded.warnings.iter().filter(|it| it.contains("\"a\" has expired")).count();
        Ok::<_, Error>((expires, told))
    };
    assert_eq!(seconds("1970-01-02").unwrap(), (86_400, 1));
    assert_eq!(seconds("2000-02-29T12:00:00Z").unwrap(), (951_825_600, 1));
    assert_eq!(seconds("'2100-01-31T01:00:00+01:00'").unwrap(), (4_105_036_800, 0));
    assert_eq!(seconds("2100-01-31 00:00:00").unwrap(), (4_105_036_800, 0));
    for wrong in ["'soon'", "07:30:00", "'2100-02-30'", "17", "1969-01-01"] {
        let error = seconds(wrong).unwrap_err().to_string();
        assert!(error.contains("server.client_keys.expires"), "{wrong}: {error}");
    }
}

#[test]
fn a_limit_of_nothing_is_a_mistake() {
    for line in
        ["requests_per_minute = 0", "tokens_per_minute = -1", "max_concurrent = 'many'", "models = []"]
    {
        let file = format!("[[server.client_keys]]\nid = 'a'\nkey = 'k'\n{line}\n");
        let error = Machine::new().env(&[KEY]).config(&file).try_load().unwrap_err().to_string();
        let name = line.split(' ').next().unwrap();
        assert!(error.contains(&format!("server.client_keys.{name}")), "{line}: {error}");
    }
}
