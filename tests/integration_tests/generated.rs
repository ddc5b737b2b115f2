//! `completions/` and `man/` are what the model of the command line says; `UPDATE=1 cargo test generated`
//! rewrites them.

use aiapiproxy::cli;
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Contents by file name.
type Files = BTreeMap<String, Vec<u8>>;

#[test]
fn completions_are_those_of_the_command_line() {
    let mut files = Files::new();
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), NAME, &mut script);
        files.insert(clap_complete::Generator::file_name(&shell, NAME), script);
    }
    check("completions", &files);
}

#[test]
fn manual_pages_are_those_of_the_command_line() {
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    let mut files = Files::new();
    files.insert(format!("{NAME}.1"), page(&command));
    for subcommand in command.get_subcommands() {
        files.insert(format!("{NAME}-{}.1", subcommand.get_name()), page(subcommand));
    }
    check("man", &files);
}

#[test]
fn the_manual_has_all_exit_codes() {
    let page = String::from_utf8(page(&cli::command())).unwrap();
    for exit in cli::exit::Exit::ALL {
        let line = format!("\n{:<3}  {}\n", exit.code(), exit.meaning()).replace('-', "\\-");
        assert!(page.contains(&line), "{exit:?}");
    }
}

const NAME: &str = "aiapiproxy";

/// One page. What the help text says after the options ("Examples:" and the like) becomes sections of its own.
fn page(command: &clap::Command) -> Vec<u8> {
    let after = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone())
        .source(concat!("aiapiproxy ", env!("CARGO_PKG_VERSION")))
        .manual("aiapiproxy manual");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).unwrap();
    }
    for paragraph in after.split("\n\n") {
        section(paragraph).to_writer(&mut page).unwrap();
    }
    see_also(command).to_writer(&mut page).unwrap();
    // Every part begins with the same two lines, and one part of them is enough.
    let page = String::from_utf8(page).unwrap();
    let (preamble, _) = page.split_at(page.find(".TH").unwrap());
    format!("{preamble}{}", page.replace(preamble, "")).into_bytes()
}

fn section(paragraph: &str) -> Roff {
    let mut roff = Roff::new();
    let Some((heading, body)) = paragraph.split_once(":\n") else {
        roff.control("PP", []).text([roman(paragraph)]);
        return roff;
    };
    roff.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
    for line in body.lines() {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
    roff
}

fn see_also(command: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    if !command.has_subcommands() {
        roff.control("SH", ["SEE ALSO"]).text([bold(NAME), roman("(1)")]);
    }
    roff
}

/// Compares a folder with what it should hold, and with `UPDATE=1` makes it so.
fn check(folder: &str, expected: &Files) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    #[expect(clippy::disallowed_methods, reason = "the switch of the tests, not the program's configuration")]
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut found = read(&path);
    if update {
        for name in found.keys().filter(|name| !expected.contains_key(*name)) {
            fs::remove_file(path.join(name)).unwrap();
        }
        for (name, contents) in expected {
            fs::write(path.join(name), contents).unwrap();
        }
        found = read(&path);
    }
    let names: Vec<_> = expected.keys().collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), names, "{folder}/ has other files; {REMEDY}");
    for (name, contents) in expected {
        assert!(found[name] == *contents, "{folder}/{name} is stale; {REMEDY}");
    }
}

const REMEDY: &str = "run UPDATE=1 cargo test generated";

fn read(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}
