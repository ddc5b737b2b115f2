//! The first minutes: README.md's way from a Rust toolchain to Claude Code answering, run as it stands there, with
//! stand-ins for what would be fetched from the network; and its table of what others have.

use crate::support::bodies::completion;
use crate::support::program::{Output, Program};
use crate::support::upstream::{Exchange, Upstream};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The shell blocks under a heading, in order.
fn shell_blocks(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let (_, section) = readme.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Puts what the network would give into the stead of cargo and npm.
const CARGO: &str = "#!/bin/sh\n[ \"$*\" = 'install --path .' ] || exit 90\n\
    mkdir -p \"$HOME/.cargo/bin\" && ln -s PROGRAM \"$HOME/.cargo/bin/aiapiproxy\"\n";
const NPM: &str = "#!/bin/sh\n[ \"$*\" = 'install -g @anthropic-ai/claude-code' ] || exit 91\n\
    mv \"$(dirname \"$0\")/claude.fetched\" \"$(dirname \"$0\")/claude\"\n";
/// Asks as Claude Code does: a stream, at the address and with the token of its environment; prints the texts.
const CLAUDE: &str = r#"#!/bin/sh
[ "$1" = -p ] || exit 92
[ -z "$OPENAI_API_KEY$ANTHROPIC_API_KEY" ] || exit 93
curl -sN --fail "$ANTHROPIC_BASE_URL/v1/messages?beta=true" -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \
    -H 'content-type: application/json' -H 'anthropic-version: 2023-06-01' \
    -d '{"model":"claude-sonnet-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"'"$2"'"}]}' |
    sed -n 's/.*"type":"text_delta","text":"\([^"]*\)".*/\1/p' | tr -d '\n'
"#;

/// Runs the commands on a machine that has nothing but a shell, curl and those two.
fn machine(commands: &str, change: impl FnOnce(Program) -> Program) -> Output {
    let program = Program::other("/bin/bash").args(["-euc", commands]);
    let home = program.folder().parent().unwrap().join("home");
    let cargo = CARGO.replace("PROGRAM", env!("CARGO_BIN_EXE_aiapiproxy"));
    let tools = [("cargo", cargo.as_str()), ("npm", NPM), ("claude.fetched", CLAUDE)];
    let program =
        tools.into_iter().fold(program, |program, (name, text)| program.file(&format!("tools/{name}"), text));
    for (name, _) in tools {
        let path = program.folder().join("tools").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let own = [program.folder().join("tools"), home.join(".cargo/bin")];
    let path = format!("{}:{}:/usr/bin:/bin", own[0].display(), own[1].display());
    change(program.env("PATH", path)).run()
}

#[test]
fn three_commands_lead_from_a_toolchain_to_an_answer() {
    let block = shell_blocks("\n## Quick start\n").remove(0);
    let commands: Vec<&str> = block.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!((1..=3).contains(&commands.len()), "{block}");
    let upstream = Upstream::start(vec![Exchange::new().json(completion("Hello from the model"))]);
    let output =
        machine(&block, |program| program.env("OPENAI_BASE_URL", format!("{}/v1", upstream.base_url())));
    assert_eq!(
        (output.code, output.stdout.as_str(), output.stderr.as_str()),
        (Some(0), "Hello from the model", "")
    );
    let requests = upstream.requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer sk-..."), "the key of the command");
    assert_eq!(requests[0].json()["messages"][0]["content"], "Say hello");
    upstream.finish();
}

#[test]
fn the_demo_answers_without_a_key() {
    let blocks = shell_blocks("\n## Quick start\n");
    let demo = blocks.iter().find(|block| block.contains("run --demo")).unwrap();
    let install: Vec<&str> = blocks[0].lines().take(2).collect();
    let output = machine(&format!("{}\n{demo}", install.join("\n")), |program| program);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(!output.stdout.is_empty());
}

#[test]
fn what_others_have_is_there_with_a_test_or_said_not_to_be() {
    let readme = read("README.md");
    let (_, table) =
        readme.split_once("| what several of them have | here | test |\n|---|---|---|\n").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut proven = BTreeSet::new();
    for row in &rows {
        let [what, here, test] = row[..] else { panic!("{row:?}") };
        match (here, test) {
            ("no", "") => {}
            ("yes", link) => {
                let link = link.strip_prefix('[').and_then(|link| link.strip_suffix(')'));
                let (name, path) =
                    link.and_then(|link| link.split_once("](")).unwrap_or_else(|| panic!("{row:?}"));
                let source = read(path);
                assert!(
                    source.contains(&format!("fn {name}()")),
                    "{what}: there is no test {name} in {path}"
                );
                assert!(proven.insert(name), "{name} proves two rows");
            }
            _ => panic!("{row:?}"),
        }
    }
    // The table stakes: what no gateway of this kind may lack without saying so.
    for stake in [
        "count_tokens",
        "/v1/models",
        "thinking, out of the model and back",
        "adaptive thinking and effort",
        "cached tokens",
        "mid-conversation",
        "billing header",
        "schemas mended",
        "long names of tools",
        "`tool_reference` and `defer_loading`",
        "Responses as upstream",
        "native pass-through",
        "fallback chains",
        "virtual keys",
        "budgets",
        "Prometheus",
        "OpenTelemetry",
        "reload",
        "launches the agent",
        "pings",
    ] {
        assert!(rows.iter().any(|row| row[0].contains(stake)), "{stake} is not in the table");
    }
}
