//! Who may use the server: the rules of the head table of operations.md.

use super::*;
use crate::config::server::{Auth, Origins};

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

#[test]
fn a_generated_key_is_adopted() {
    let mut server = Machine::new().env(&[KEY, ("SERVER_HOST", "0.0.0.0")]).load().config.server;
    assert!(server.requires_client_key());
    server.adopt_generated_key(crate::secret::digest("aap_new"));
    assert_eq!(server.auth, Auth::Keys);
    assert_eq!(server.client_keys.find("aap_new"), Some("generated"));
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
    let found = ["of-alice", "abc", "", "alice"].map(|key| keys.find(key));
    assert_eq!(found, [Some("alice"), Some("bob"), None, None]);
    let keys = machine.env(&[("CLIENT_API_KEYS", "one, two")]).load().config.server.client_keys;
    let found = ["one", "two", " two", "of-alice"].map(|key| keys.find(key));
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
