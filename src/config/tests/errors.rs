//! Every message: what is wrong, where, and how to mend it, in at most three lines and without a secret.

use super::*;

/// Checks the whole message for a file.
fn check_file(text: &str, expected: &str) {
    let error = Machine::new().env(&[KEY]).config(text).error();
    assert_eq!(error, expected, "{text}");
    check_form(&error);
}

/// Checks the whole message for variables.
fn check_env(variables: &[(&str, &str)], expected: &str) {
    let error = Machine::new().env(&[KEY]).env(variables).error();
    assert_eq!(error, expected, "{variables:?}");
    check_form(&error);
}

fn check_form(error: &str) {
    assert!(error.lines().count() <= 3, "{error}");
    assert!(!error.contains("CANARY"), "{error}");
}

#[test]
fn unknown_keys_name_the_nearest() {
    let table = [
        ("[server]\nprot = 1", 2, "server.prot", "did you mean `server.port`?"),
        ("# x\n\nprot = 1", 3, "prot", "did you mean `server.port`?"),
        ("max_connections = 1", 1, "max_connections", "did you mean `limits.max_connections`?"),
        (
            "[server]\nmax_request_size = 1",
            2,
            "server.max_request_size",
            "did you mean `limits.max_request_size`?",
        ),
        ("[sever]\nport = 1", 1, "sever", "did you mean `server`?"),
        (
            "[upstream.quirks]\ntopk = true",
            2,
            "upstream.quirks.topk",
            "did you mean `upstream.quirks.top_k`?",
        ),
        ("[server]\ncors.enable = true", 2, "server.cors.enable", "did you mean `server.cors.enabled`?"),
        (
            "[models.map]\na = { modell = 'x' }",
            2,
            "models.map.a.modell",
            "did you mean `models.map.a.model`?",
        ),
        (
            "[[server.client_keys]]\nid = 'a'\nkye = 'CANARY'",
            3,
            "server.client_keys.kye",
            "did you mean `server.client_keys.key`?",
        ),
        ("colour = 'red'", 1, "colour", "config.example.toml lists every key"),
        ("sk-CANARY-1 = 'red'", 1, "[key]", "config.example.toml lists every key"),
    ];
    for (text, line, key, hint) in table {
        check_file(text, &format!("DIR/config.toml:{line}: unknown key `{key}`\n{hint}"));
    }
}

#[test]
fn wrong_types_and_bad_syntax_name_key_and_line() {
    let see = "config.example.toml shows every key in its right form";
    let table = [
        (
            "[server]\n\nport = 'x'",
            3,
            "server.port: invalid type: string \"x\", expected a whole number",
            see,
        ),
        (
            "[server]\nport = '8082'",
            2,
            "server.port: invalid type: string \"8082\", expected a whole number",
            see,
        ),
        ("[server]\nhost = 1", 2, "server.host: invalid type: integer `1`, expected a string", see),
        (
            "[server.cors]\nenabled = 'yes'",
            2,
            "server.cors.enabled: invalid type: string \"yes\", expected a boolean",
            see,
        ),
        (
            "[limits]\nping_interval = true",
            2,
            "limits.ping_interval: invalid type: boolean `true`, expected a number, or text with a unit such as \"30s\" or \"32MiB\"",
            see,
        ),
        (
            "[models]\nopus = 3",
            2,
            "models.opus: invalid type: integer `3`, expected the name of a model, or a table with `model`",
            see,
        ),
        ("[models]\nopus = {}", 2, "models.opus: missing field `model`", see),
        ("[server]\nport = 1\nport = 2", 3, "duplicate key", see),
        ("[upstream]\napi_key = sk-CANARY", 2, "string values must be quoted, expected literal string", see),
        ("[upstream]\napi_key = 12345", 2, "upstream.api_key: not a string", "put it in quotes"),
        ("[upstream.headers]\nx = 12345", 2, "upstream.headers.x: not a string", "put it in quotes"),
        (
            "[server]\nclient_keys = ['sk-CANARY']",
            2,
            "server.client_keys: not a list of tables",
            "write [[server.client_keys]], then a line id = … and a line key = …",
        ),
    ];
    for (text, line, problem, mend) in table {
        check_file(text, &format!("DIR/config.toml:{line}: {problem}\n{mend}"));
    }
}

#[test]
fn bad_values_in_the_file_say_what_they_must_be() {
    let table = [
        ("[server]\nport = 70000", "server.port must be a port number from 0 to 65535, not \"70000\""),
        ("[server]\nauth = 'key'", "server.auth must be \"keys\", \"passthrough\" or \"none\", not \"key\""),
        (
            "[server]\nhost = 'http://x'",
            "server.host must be a host name or address without scheme and port, such as \"127.0.0.1\", not \"http://x\"",
        ),
        (
            "[limits]\nmax_connections = 0",
            "limits.max_connections must be a whole number from 1 to 1000000000, not \"0\"",
        ),
        (
            "[limits]\nping_interval = 0",
            "limits.ping_interval must be a duration from 1ms to 24h, such as \"30s\", \"250ms\", \"5m\" or whole seconds, not \"0\"",
        ),
        (
            "[limits]\nmax_event_size = '1M'",
            "limits.max_event_size must be a size from 1 byte to 1 TiB, such as \"32MiB\", \"10MB\" or plain bytes, not \"1M\"",
        ),
        (
            "[log]\nfilter = 'aiapiproxy=loud'",
            "log.filter must be a log filter such as \"info\" or \"warn,aiapiproxy=debug\", not \"aiapiproxy=loud\"",
        ),
        (
            "[upstream]\ncontext_window = -1",
            "upstream.context_window must be a number of tokens, at least 1, not \"-1\"",
        ),
        ("[models]\nopus = ''", "models.opus must be the name of a model of the upstream, not \"\""),
        (
            "[upstream]\nheaders = { Authorization = 'CANARY' }",
            "upstream.headers.authorization must be a header that may be added: a valid one, and none that the program sets",
        ),
        (
            "[upstream]\napi_key = 'CANARY CANARY'",
            "upstream.api_key must be visible ASCII without spaces, as HTTP headers demand",
        ),
    ];
    for (text, problem) in table {
        let mut machine = Machine::new().config(text);
        machine.sources.key_optional = true;
        let error = machine.error();
        let mut lines = error.lines();
        assert_eq!(lines.next(), Some(problem), "{text}");
        assert_eq!(lines.next(), Some("it is set by file DIR/config.toml:2"), "{text}");
        check_form(&error);
    }
}

#[test]
fn mistyped_names_of_values_get_a_suggestion() {
    for (text, suggestion) in [
        ("[server]\nauth = 'key'", "keys"),
        ("[upstream]\npreset = 'open-router'", "openrouter"),
        ("[upstream]\nauth_style = 'beare'", "bearer"),
        ("[upstream]\nauth_style = 'x-api-key'", "x_api_key"),
        ("[upstream]\ncontent_filter = 'refuse'", "refusal"),
        ("[log]\nformat = 'jsno'", "json"),
        ("[upstream.quirks]\nprefill = 'prefix-flag'", "prefix_flag"),
        ("[upstream.quirks]\nefforts = ['low', 'hgih']", "high"),
    ] {
        let error = Machine::new().env(&[KEY]).config(text).error();
        assert_eq!(error.lines().nth(2), Some(format!("did you mean `{suggestion}`?").as_str()), "{error}");
    }
}

#[test]
fn bad_variables_are_named() {
    let text = "LOG_FORMAT";
    check_env(
        &[("SERVER_PORT", "80a")],
        "server.port must be a port number from 0 to 65535, not \"80a\"\nit is set by env SERVER_PORT",
    );
    check_env(
        &[(text, "pretty")],
        "log.format must be \"text\" or \"json\", not \"pretty\"\nit is set by env LOG_FORMAT",
    );
    check_env(
        &[("DEV_MODE", "maybe")],
        "log.dev_mode must be true or false, not \"maybe\"\nit is set by env DEV_MODE",
    );
    check_env(
        &[("RUST_LOG", "a=b=c")],
        "log.filter must be a log filter such as \"info\" or \"warn,aiapiproxy=debug\", not \"a=b=c\"\nit is set by env RUST_LOG",
    );
    check_env(
        &[("ALLOWED_ORIGINS", "https://a.example/path")],
        "server.cors.allowed_origins must be \"*\", or a list of origins such as \"https://app.example\" without path, not \"https://a.example/path\"\nit is set by env ALLOWED_ORIGINS",
    );
    let error = Machine::new().env(&[KEY, ("MAX_REQUEST_SIZE", "10M"), ("REQUEST_TIMEOUT", "x")]).error();
    assert!(error.starts_with("REQUEST_TIMEOUT must be a duration"), "{error}");
    check_env(
        &[("SERVER_HOST", "sk-CANARY-1 x")],
        "server.host must be a host name or address without scheme and port, such as \"127.0.0.1\", not \"[key] x\"\nit is set by env SERVER_HOST",
    );
}

#[test]
fn bad_addresses_are_refused_without_showing_what_they_hide() {
    let example = "an address such as \"https://api.openai.com/v1\" or \"http://127.0.0.1:8080/v1\"";
    let no_user = "an address without user and password (keys have settings of their own)";
    let no_query = "an address without `?` and `#` (Azure's api-version is upstream.api_version)";
    for (url, expected, shown) in [
        ("localhost:8080/v1", example, true),
        ("api.openai.com/v1", example, true),
        ("ftp://x/v1", example, true),
        ("https://", example, true),
        ("https://user:CANARY@x/v1", no_user, false),
        ("https://CANARY@x/v1", no_user, false),
        ("https://x/v1?key=CANARY", no_query, false),
        ("https://x/v1#a", no_query, true),
    ] {
        let not = if shown { format!(", not {url:?}") } else { String::new() };
        let expected = format!("upstream.base_url must be {expected}{not}\nit is set by env OPENAI_BASE_URL");
        check_env(&[("OPENAI_BASE_URL", url)], &expected);
    }
}

#[test]
fn bad_client_keys_are_refused() {
    let mend = "`aiapiproxy keys new` makes a good key and its hash; without keys, unset it";
    let empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let file = |rest: &str| format!("[[server.client_keys]]\nid = 'a'\n{rest}");
    for (text, problem, line) in [
        (file("key = ''"), "a key must not be empty", 3),
        (file("key = '  '"), "a key must not be empty", 3),
        (file("key = 'CANARY 1'"), "a key must be visible ASCII without spaces", 3),
        (file(&format!("sha256 = '{empty_hash}'")), "a key must not be empty", 3),
        (file("sha256 = 'CANARY'"), "sha256 must be 64 hexadecimal digits", 3),
        (file(""), "each needs either key or sha256", 1),
        (file("key = 'CANARY'\nsha256 = 'CANARY'"), "each needs either key or sha256", 1),
        (
            file("key = 'x'\n[[server.client_keys]]\nid = 'a'\nkey = 'y'"),
            "two have the same id or the same key",
            6,
        ),
        (
            file("key = 'x'\n[[server.client_keys]]\nid = 'b'\nkey = 'x'"),
            "two have the same id or the same key",
            6,
        ),
        ("[[server.client_keys]]\nid = ''\nkey = 'x'".to_owned(), "an id must not be empty", 2),
    ] {
        check_file(
            &text,
            &format!("server.client_keys: {problem}\nit is set by file DIR/config.toml:{line}\n{mend}"),
        );
    }
    for list in ["", " ", ",", "one,", "one,,two"] {
        let expected = "server.client_keys: a key must not be empty\nit is set by env CLIENT_API_KEYS";
        check_env(&[("CLIENT_API_KEYS", list)], &format!("{expected}\n{mend}"));
    }
}

#[test]
fn a_missing_key_says_which_variable_to_set() {
    let error = Machine::new().env(&[("OPENAI_API_KEY", "")]).error();
    assert_eq!(
        error,
        "no key for the upstream openai at api.openai.com\nOPENAI_API_KEY is unset or empty\n\
         export OPENAI_API_KEY=…, or OPENAI_BASE_URL=http://… for a server that wants no key"
    );
    check_form(&Machine::new().config("[upstream]\napi_key = ''").error());
}

#[test]
fn contradictions_name_both_sides() {
    check_file(
        "[upstream]\napi_key = 'CANARY'\napi_key_env = 'X'",
        "the upstream's key has more than one source\nit is set by file DIR/config.toml:3\n\
         keep one of upstream.api_key, api_key_file, api_key_command and api_key_env",
    );
    check_file(
        "[server]\nhost = '0.0.0.0'\nauth = 'none'",
        "auth is \"none\" but the server would listen on 0.0.0.0, where others could spend your key\n\
         it is set by file DIR/config.toml:3\n\
         configure client keys, listen on 127.0.0.1, or pass --allow-unauthenticated",
    );
    let error =
        Machine::new().env(&[KEY]).flags(Flags { preset: Some(Preset::Azure), ..Flags::default() }).error();
    assert_eq!(
        error,
        "no address for the upstream: every azure server has its own\nset OPENAI_BASE_URL or upstream.base_url"
    );
}

#[test]
fn files_that_are_named_must_be_readable() {
    let machine = |change: fn(&mut Machine)| {
        let mut machine = Machine::new().env(&[KEY]);
        change(&mut machine);
        let error = machine.error();
        check_form(&error);
        error.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        machine(|it| it.sources.config_file = Some(it.path("none.toml"))),
        "cannot read the configuration file DIR/none.toml"
    );
    assert_eq!(
        machine(|it| it.sources.env_file = Some(it.path("none.env"))),
        "cannot read the environment file DIR/none.env"
    );
    assert_eq!(
        machine(|it| drop(it.variables.insert("AIAPIPROXY_CONFIG".to_owned(), it.path("no").into()))),
        "cannot read the configuration file DIR/no"
    );
    let mut keyless = Machine::new().config("[upstream]\napi_key_file = 'no'");
    let error = keyless.error();
    assert_eq!(error.lines().next(), Some("cannot read the key file DIR/no"));
    keyless.sources.key_optional = true;
    assert!(keyless.try_load().is_err(), "a bad path is an error even where no key is needed");
}

#[test]
fn files_that_are_too_large_or_no_text_are_refused() {
    let huge = "#".repeat((1 << 20) + 1);
    assert!(Machine::new().env(&[KEY]).config(&huge).error().contains("larger than 1 MiB"));
    let machine = Machine::new().env(&[KEY]);
    fs::write(machine.path("config.toml"), b"\xff\xfe").unwrap();
    check_form(&machine.error());
}

#[test]
fn a_bad_line_of_an_env_file_is_named_and_not_shown() {
    let error = Machine::new().env(&[KEY]).env_file("A=b\nsk-CANARY-1\n").error();
    assert_eq!(error, "DIR/named.env:2: not a variable\nwrite NAME=value, and close every quote");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut machine = Machine::new().env(&[KEY]);
    machine.variables.insert("SERVER_HOST".to_owned(), OsString::from_vec(vec![0xff]));
    assert_eq!(
        machine.error(),
        "the variable SERVER_HOST is not valid Unicode\nset it to plain text, or unset it"
    );
}
