//! Dockerfile, compose file and ignore file, checked as text: no container engine runs where the tests do.

use std::fs;
use std::path::Path;

/// Every variable that the program reads, as README.md lists them; no deployment file may set another.
const VARIABLES: &[&str] = &[
    "AIAPIPROXY_CONFIG",
    "ALLOWED_ORIGINS",
    "CLAUDE_HAIKU_MODEL",
    "CLAUDE_OPUS_MODEL",
    "CLAUDE_SONNET_MODEL",
    "CLIENT_API_KEYS",
    "CORS_ENABLED",
    "DEV_MODE",
    "LOG_FORMAT",
    "MAX_CONCURRENT_REQUESTS",
    "MAX_REQUEST_SIZE",
    "ON_LOSSY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_DIALECT",
    "OPENAI_API_VERSION",
    "REQUEST_TIMEOUT",
    "RUST_LOG",
    "SERVER_HOST",
    "SERVER_PORT",
];

const PORT: &str = "8082";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The Dockerfile's instructions, continued lines joined, comments left out.
fn instructions() -> Vec<String> {
    let joined = read("Dockerfile").replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The arguments of every instruction of this kind, of the last stage only or of all of them.
fn arguments(keyword: &str, last_stage_only: bool) -> Vec<String> {
    let all = instructions();
    let last = all.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let lines = if last_stage_only { &all[last..] } else { &all[..] };
    lines.iter().filter_map(|line| line.strip_prefix(keyword)?.strip_prefix(' ')).map(str::to_owned).collect()
}

/// The compose file's lines under `key`, as far as they are indented more; comments left out.
fn compose(key: &str) -> Vec<String> {
    let text = read("docker-compose.yml");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let start = lines.iter().position(|line| line.trim_start().starts_with(&format!("{key}:")));
    let start = start.unwrap_or_else(|| panic!("no {key} in the compose file"));
    let own = lines[start].trim_start()[key.len() + 1..].trim();
    let inner = lines[start + 1..]
        .iter()
        .take_while(|line| depth(line) > depth(lines[start]))
        .map(|line| line.trim());
    std::iter::once(own).filter(|own| !own.is_empty()).chain(inner).map(str::to_owned).collect()
}

/// What comes after `key = "` in Cargo.toml.
fn manifest(key: &str) -> String {
    let text = read("Cargo.toml");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix("= \""));
    line.unwrap_or_else(|| panic!("no {key}")).trim_end_matches('"').to_owned()
}

#[test]
fn base_images_are_named_with_a_version_that_can_build_the_program() {
    let images = arguments("FROM", false);
    assert_eq!(images.len(), 2, "one stage builds, one runs");
    assert_eq!(images[1], "scratch");
    let tag = images[0].strip_prefix("rust:").expect("an official image of the toolchain");
    let minor = |version: &str| version.split(['.', '-']).nth(1).unwrap().parse::<u32>().unwrap();
    assert!(minor(tag) >= minor(&manifest("rust-version")), "{tag} is older than rust-version");
    assert!(!read("Dockerfile").contains(":latest") && !read("docker-compose.yml").contains(":latest"));
}

#[test]
fn the_image_runs_the_program_without_root() {
    assert_eq!(arguments("USER", true), ["65532:65532"]);
    assert_eq!(arguments("ENTRYPOINT", true), [r#"["/usr/local/bin/aiapiproxy"]"#]);
    assert_eq!(arguments("CMD", true), [r#"["serve"]"#]);
    let [health] = &arguments("HEALTHCHECK", true)[..] else { panic!("one health check") };
    assert!(health.ends_with(r#"CMD ["/usr/local/bin/aiapiproxy", "health"]"#), "{health}");
    // An empty image has no shell: nothing of the last stage may need one.
    assert_eq!(arguments("RUN", true), Vec::<String>::new());
}

#[test]
fn the_image_has_the_certificates_it_trusts() {
    let copies = arguments("COPY", true);
    assert!(copies.contains(&"--from=build /aiapiproxy /usr/local/bin/aiapiproxy".to_owned()), "{copies:?}");
    let certificates = "/etc/ssl/certs/ca-certificates.crt";
    assert!(copies.contains(&format!("--from=build {certificates} {certificates}")), "{copies:?}");
    assert!(arguments("RUN", false)[0].contains("ca-certificates"), "the build stage installs them");
}

#[test]
fn the_image_listens_where_its_port_can_be_published() {
    let [environment] = &arguments("ENV", true)[..] else { panic!("one ENV instruction") };
    assert_eq!(
        environment.split(' ').collect::<Vec<_>>(),
        ["SERVER_HOST=0.0.0.0", &format!("SERVER_PORT={PORT}")]
    );
    assert_eq!(arguments("EXPOSE", true), [PORT]);
}

#[test]
fn the_build_is_the_locked_release_build() {
    let builds: Vec<String> =
        arguments("RUN", false).into_iter().filter(|run| run.contains("cargo ")).collect();
    let [build] = &builds[..] else { panic!("one build: {builds:?}") };
    assert!(build.contains("cargo build --release --locked"), "{build}");
}

#[test]
fn the_build_context_holds_what_the_build_reads_and_nothing_else() {
    let ignore = read(".dockerignore");
    let mut rules = ignore.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(rules.next(), Some("*"), "nothing is let in unless it is named");
    let let_in: Vec<&str> =
        rules.map(|rule| rule.strip_prefix('!').expect("only exceptions after *")).collect();
    for needed in ["Cargo.toml", "Cargo.lock", "src"] {
        assert!(let_in.contains(&needed) && root().join(needed).exists(), "{needed}");
    }
    let included = included_files();
    // What only tests include is not read by the build.
    let mut folders =
        included.iter().map(|path| path.split('/').next().unwrap()).filter(|name| *name != "tests");
    assert!(folders.all(|folder| let_in.contains(&folder)), "{included:?}");
    for private in [".env", "target", ".git", "tests"] {
        assert!(!let_in.contains(&private), "{private} must stay out");
    }
}

/// The files that sources include at compile time, tests left out, from the package's root.
fn included_files() -> Vec<String> {
    let (mut folders, mut found) = (vec![root().join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let macros = ["include_str!(\"", "include_bytes!(\""];
            for name in macros.iter().flat_map(|start| text.split(start).skip(1)) {
                let name = name.split('"').next().unwrap();
                let Ok(file) = path.parent().unwrap().join(name).canonicalize() else { continue };
                let Ok(inside) = file.strip_prefix(root().canonicalize().unwrap()) else { continue };
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[test]
fn compose_publishes_on_loopback_only() {
    assert_eq!(compose("ports"), [format!("- \"127.0.0.1:{PORT}:{PORT}\"")]);
    assert_eq!(
        compose("environment"),
        ["SERVER_HOST: \"0.0.0.0\"".to_owned(), format!("SERVER_PORT: \"{PORT}\"")]
    );
}

#[test]
fn compose_takes_rights_away() {
    assert_eq!(compose("read_only"), ["true"]);
    assert_eq!(compose("cap_drop"), ["- ALL"]);
    assert_eq!(compose("security_opt"), ["- no-new-privileges:true"]);
}

#[test]
fn compose_starts_without_an_env_file_and_checks_health() {
    assert_eq!(compose("env_file"), ["- path: .env", "required: false"]);
    let health = compose("healthcheck");
    assert_eq!(health[0], r#"test: ["CMD", "/usr/local/bin/aiapiproxy", "health"]"#);
    assert_eq!(compose("build"), ["."]);
    assert_eq!(compose("image"), [format!("aiapiproxy:{}", manifest("version"))]);
}

#[test]
fn every_variable_that_a_deployment_file_names_exists() {
    for name in ["Dockerfile", "docker-compose.yml", ".env.example"] {
        // .env.example names each variable once more, so it is held to the table in full.
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            let variable = word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            assert!(
                !variable || VARIABLES.contains(&word),
                "{name} names {word}, which the program does not read"
            );
        }
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let changelog = read("CHANGELOG.md");
    assert!(changelog.contains("## [Unreleased]"));
    assert!(changelog.contains(&format!("## [{}]", manifest("version"))));
    assert_eq!(manifest("license"), "MIT");
    assert!(read("LICENSE").starts_with("MIT License"));
}

/// The directives of a unit, in order.
fn unit(name: &str) -> Vec<(String, String)> {
    let text = read(&format!("deploy/systemd/{name}"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_service_unit_gives_the_program_the_network_and_nothing_else() {
    let unit = unit("aiapiproxy.service");
    let values = |key: &str| -> Vec<&str> {
        unit.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(values("Type"), ["notify"]);
    assert_eq!(values("ExecReload"), ["/bin/kill -HUP $MAINPID"]);
    assert_eq!(values("RestartPreventExitStatus"), ["78"]);
    for (key, value) in [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("CapabilityBoundingSet", ""),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ] {
        assert_eq!(values(key), [value], "{key}");
    }
    assert_eq!(values("SystemCallFilter")[0], "@system-service");
    // The key is a credential: neither in the environment nor on the command line.
    assert!(values("LoadCredential")[0].starts_with("openai.key:"));
    assert_eq!(values("Environment"), [""; 0]);
    let listens = self::unit("aiapiproxy.socket");
    assert!(listens.contains(&("ListenStream".to_owned(), format!("127.0.0.1:{PORT}"))), "{listens:?}");
}

#[test]
fn systemd_finds_little_exposure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/aiapiproxy.service");
    let asked = std::process::Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15"])
        .arg(path)
        .output();
    // Not every machine has it; the test above reads the unit there.
    let Ok(output) = asked else { return };
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() || !told.contains("exposure level"), "{told}");
}
