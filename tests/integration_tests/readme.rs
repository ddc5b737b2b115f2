//! README.md tells the truth: its console blocks are run, its other blocks read, its tables compared.
//!
//! A console block holds commands behind `$ ` and what a terminal shows then. A command goes on in the next line
//! after a backslash or within quotes; `…` in what is shown stands for anything. bash and curl must be there.

use crate::support::http::Call;
use crate::support::program::{Output, Program, Server};
use aiapiproxy::cli;
use aiapiproxy::config::env::VARIABLES;
use aiapiproxy::translate::quirks::Preset;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A fenced block.
struct Block {
    language: String,
    /// The line of the README at which its text begins, from 1.
    line: usize,
    text: String,
}

/// A command of a console block.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    shown: String,
}

#[test]
fn every_console_block_does_what_it_shows() {
    // One server for all of them: it starts with nothing set, as the quick start says.
    let server = Server::start(Program::aiapiproxy().arg("--demo"));
    let address = server.base_url().trim_start_matches("http://");
    let mut commands = 0;
    for block in blocks(&["console"]) {
        for Step { command, shown } in steps(&block.text) {
            let output = bash(&format!("exec 2>&1\n{}", command.replace(DEFAULT_ADDRESS, address)));
            let report = format!("README.md:{}: {command}\nshowed:\n{}", block.line, output.stdout);
            assert_eq!(output.code, Some(0), "{report}");
            assert!(matches(&shown, output.stdout.trim_end()), "{report}\nnot:\n{shown}");
            commands += 1;
        }
    }
    assert!(commands >= 7, "only {commands} commands were found");
    assert_eq!(server.interrupt().code, Some(0));
}

#[test]
fn every_shell_block_can_be_read_and_names_only_what_the_program_knows() {
    let mut calls = 0;
    for block in blocks(&["sh", "console"]) {
        if block.language == "sh" {
            let read = Program::other("/bin/sh").args(["-c", "exec bash -n"]).stdin(&block.text).run();
            assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "README.md:{}", block.line);
        }
        for line in block.text.lines() {
            let called = line.split_once("aiapiproxy ").or_else(|| line.split_once("--release -- "));
            let Some((_, arguments)) = called.filter(|_| !line.contains("docker ")) else { continue };
            let arguments = arguments.split(['#', '|', '>']).next().unwrap();
            check_arguments(arguments, &format!("README.md:{}: {line}", block.line));
            calls += 1;
        }
    }
    assert!(calls >= 8, "only {calls} calls were found");
}

#[test]
fn every_toml_block_is_a_configuration() {
    let blocks = blocks(&["toml"]);
    assert!(!blocks.is_empty());
    for block in blocks {
        let program = Program::aiapiproxy().args(["models", "--config", "c.toml"]);
        let output = program.file("c.toml", &block.text).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "README.md:{}", block.line);
    }
}

#[test]
fn every_block_has_a_language_that_something_checks() {
    for Block { language, line, .. } in blocks(&[]) {
        // Python and TypeScript are run by tests/real, in the words of the SDKs.
        let known = ["console", "sh", "toml", "python", "ts"].contains(&language.as_str());
        assert!(known, "README.md:{line}: a block of {language:?}");
    }
}

#[test]
fn the_table_of_variables_is_the_one_of_the_program() {
    let known: BTreeSet<&str> = VARIABLES.iter().map(|variable| variable.name).chain(["NO_COLOR"]).collect();
    let rows = table_rows("variable");
    let names: Vec<&str> = rows.iter().map(|cells| cells[0].trim_matches('`')).collect();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), known);
    assert_eq!(names.len(), known.len(), "a variable stands there twice");

    let help = Program::aiapiproxy().args(["serve", "--help"]).run().stdout;
    let (_, list) = help.split_once("\nEnvironment:\n").unwrap();
    let lines: Vec<&str> = list.lines().take_while(|line| line.starts_with("  ")).collect();
    let listed: BTreeSet<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, known);
    for (line, name) in lines.iter().filter_map(|line| Some((line, line.split_whitespace().next()?))) {
        let row = rows.iter().find(|cells| cells[0].trim_matches('`') == name).unwrap();
        for default in line.split("[default").skip(1) {
            let default = default.split_once(": ").unwrap().1.split(']').next().unwrap();
            assert!(row[1].contains(default), "{name}: {default} is not in {}", row[1]);
        }
    }
}

#[test]
fn the_example_of_an_environment_has_every_variable_in_its_part() {
    let text = read(".env.example");
    let (everywhere, named_only) = text.split_once("--- Second part").unwrap();
    let names = |part: &str| -> BTreeSet<String> {
        let is_name =
            |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let lines = part.lines().filter_map(|line| Some(line.trim_start_matches('#').split_once('=')?.0));
        lines.filter(is_name).map(str::to_owned).collect()
    };
    let known = |in_dot_env: bool| -> BTreeSet<String> {
        let known = VARIABLES.iter().filter(|variable| variable.in_dot_env == in_dot_env);
        known.map(|variable| variable.name.to_owned()).collect()
    };
    assert_eq!(names(everywhere), known(true));
    assert_eq!(names(named_only), known(false));
    let program = Program::aiapiproxy().args(["models", "--env-file", "e"]).file("e", &text);
    assert_eq!(program.run(), Program::aiapiproxy().arg("models").run(), "it changes nothing as it stands");
}

#[test]
fn the_endpoints_of_the_table_are_there() {
    let server = Server::start(Program::aiapiproxy().arg("--demo"));
    let mut endpoints = 0;
    for cells in table_rows("endpoint") {
        let mut method = "";
        for code in cells[0].split('`').skip(1).step_by(2) {
            let (named, path) = code.split_once(' ').unwrap_or((method, code));
            method = named;
            let path = path.replace("{id}", "claude-sonnet-5");
            let reply = Call::new(method, &path).send(server.base_url());
            // A POST without a body is refused, but not for its path or method.
            assert!(![404, 405].contains(&reply.status), "{method} {path}: {}", reply.status);
            endpoints += 1;
        }
    }
    assert!(endpoints >= 9, "only {endpoints} endpoints were found");
    assert_eq!(Call::get("/v1/nowhere").send(server.base_url()).status, 404);
}

#[test]
fn presets_and_links_are_those_that_there_are() {
    let readme = read("README.md");
    let presets = Preset::ALL.map(Preset::name).join(" ");
    assert!(readme.contains(&format!("`{presets}`")), "the presets are {presets}");
    let links: Vec<&str> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() >= 3, "{links:?}");
    for link in links.iter().filter(|link| !link.starts_with("http")) {
        assert!(root().join(link).exists(), "{link} is not there");
    }
}

#[test]
fn what_is_shown_is_compared_as_the_readme_says() {
    let block = "$ a 'b\n  c' \\\n  d\nx…\n…y\n$ e\n";
    let [first, second] = &steps(block)[..] else { panic!("two commands") };
    assert_eq!((first.command.as_str(), first.shown.as_str()), ("a 'b\n  c' \\\n  d", "x…\n…y"));
    assert_eq!((second.command.as_str(), second.shown.as_str()), ("e", ""));
    for (shown, output, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a…", "ab", true),
        ("…b", "ab", true),
        ("…b", "abc", false),
        ("…b…", "abc", true),
        ("a\n…\nc", "a\nb\nb\nc", true),
        ("a\n…\nc\n…\na", "a\nb\nc", false),
        ("…c\nd…a…", "a c\nd b", false),
        ("", "x", false),
    ] {
        assert_eq!(matches(shown, output), expected, "{shown:?} {output:?}");
    }
}

const DEFAULT_ADDRESS: &str = "127.0.0.1:8082";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of these languages, or all of them.
fn blocks(languages: &[&str]) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (line, text) in (1..).zip(read("README.md").lines()) {
        match (text.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), line: line + 1, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([text, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks.retain(|block| languages.is_empty() || languages.contains(&block.language.as_str()));
    blocks
}

/// The commands of a console block.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ").filter(|_| !goes_on) {
            steps.push(Step { command: command.to_owned(), shown: String::new() });
        } else {
            let step = steps.last_mut().expect("a console block begins with a command");
            let part = if goes_on { &mut step.command } else { &mut step.shown };
            if goes_on || !part.is_empty() {
                part.push('\n');
            }
            part.push_str(line);
            if !goes_on {
                continue;
            }
        }
        let command = steps.last().map(|step| step.command.as_str()).unwrap_or_default();
        goes_on = command.ends_with('\\') || command.matches('\'').count() % 2 == 1;
    }
    steps
}

/// Whether an output is what is shown, where `…` stands for anything.
fn matches(shown: &str, output: &str) -> bool {
    let pieces: Vec<&str> = shown.split('…').collect();
    let [first, between @ .., last] = &pieces[..] else { return shown == output };
    let Some(mut rest) = output.strip_prefix(first) else { return false };
    for piece in between {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Runs a command as somebody would who has installed the program, in an empty directory.
fn bash(command: &str) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_aiapiproxy")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    Program::other("/usr/bin/env").args(["bash", "-c", command]).env("PATH", path).run()
}

/// Fails unless the subcommand and all flags are the program's.
fn check_arguments(arguments: &str, place: &str) {
    let mut command = cli::command();
    command.build();
    // What follows `--` is for the command that `run` starts.
    let mut words = arguments.split_whitespace().take_while(|word| !matches!(*word, "--" | "#"));
    let name = words.next().unwrap_or_default();
    let subcommand = command.find_subcommand(name).unwrap_or_else(|| panic!("{place}: no command {name:?}"));
    let mut words = words.peekable();
    let below = words.next_if(|word| subcommand.find_subcommand(word).is_some());
    let subcommand = below.and_then(|name| subcommand.find_subcommand(name)).unwrap_or(subcommand);
    for flag in words.filter_map(|word| word.strip_prefix("--")) {
        let flag = flag.split('=').next().unwrap_or_default();
        let known = subcommand.get_arguments().any(|argument| argument.get_long() == Some(flag));
        assert!(known, "{place}: {name} has no --{flag}");
    }
}

/// The rows of the table whose first heading this is, in cells.
fn table_rows(heading: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let mut lines = readme.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    assert!(lines.next().is_some_and(|_| lines.next().is_some_and(|line| line.starts_with("|---"))));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}
