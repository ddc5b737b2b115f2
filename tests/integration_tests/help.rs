//! The manners of the command line: help, exit codes, three lines for a failure, colours where they are wanted.

use crate::support::program::{Output, Program, Server};
use std::fs;
use std::path::Path;

const COMMANDS: [&str; 9] =
    ["serve", "run", "config", "convert", "check", "models", "health", "keys", "completions"];

fn run(arguments: &[&str]) -> Output {
    Program::aiapiproxy().args(arguments).run()
}

#[test]
fn without_a_command_help_names_serve_and_the_code_is_2() {
    let output = run(&[]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    assert!(output.stderr.contains("aiapiproxy run -- claude"), "{}", output.stderr);
    for command in COMMANDS {
        assert!(output.stderr.contains(&format!("\n  {command} ")), "{command} is not in the help");
    }
}

#[test]
fn help_is_data_short_or_long_with_examples() {
    for command in COMMANDS {
        let short = run(&[command, "-h"]);
        let long = run(&[command, "--help"]);
        assert_eq!((short.code, long.code), (Some(0), Some(0)), "{command}");
        assert!(short.stdout.contains("Usage:") && !short.stdout.contains("Examples:"), "{command}");
        assert!(long.stdout.contains("Examples:\n  "), "{command}");
        assert!(short.stdout.len() < long.stdout.len(), "{command}");
    }
    assert!(run(&["--version"]).stdout.starts_with("aiapiproxy "));
}

#[test]
fn a_typo_gets_a_suggestion_and_code_2() {
    let output = run(&["serv"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("'serve'"), "{}", output.stderr);
    assert!(run(&["convert", "--aggregat"]).stderr.contains("'--aggregate'"));
    assert_eq!(run(&["convert", "--aggregate", "--explode"]).code, Some(2));
    assert_eq!(run(&["convert", "--status", "99"]).code, Some(2));
    assert_eq!(run(&["serve", "--port", "65536"]).code, Some(2));
}

#[test]
fn colours_come_only_when_wanted() {
    let is_coloured = |program: Program| program.run().stdout.contains('\u{1b}');
    let help = || Program::aiapiproxy().args(["check", "--help"]);
    assert!(!is_coloured(help()), "stdout is no terminal");
    assert!(is_coloured(help().args(["--color", "always"])));
    assert!(is_coloured(help().env("CLICOLOR_FORCE", "1")));
    assert!(!is_coloured(help().env("CLICOLOR_FORCE", "1").args(["--color", "never"])));
    let models = || Program::aiapiproxy().args(["models"]);
    assert!(!is_coloured(models()));
    assert!(is_coloured(models().args(["--color=always"])));
    assert!(!is_coloured(models().args(["--json", "--color=always"])));
}

#[test]
fn a_wrong_configuration_is_three_lines_and_78_for_every_command_that_reads_it() {
    for arguments in [&["serve"][..], &["check"], &["models"], &["convert", "--config", "config.toml"]] {
        let file = "[server]\nprot = 1\n";
        let output = Program::aiapiproxy()
            .file("config.toml", file)
            .env("AIAPIPROXY_CONFIG", "config.toml")
            .args(arguments)
            .run();
        assert_eq!((output.code, output.stdout.as_str()), (Some(78), ""), "{arguments:?}");
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
        assert!(output.stderr.contains("server.prot") && output.stderr.contains("`server.port`"));
        assert!(output.stderr.lines().count() <= 3, "{}", output.stderr);
    }
}

#[test]
fn a_missing_key_is_three_lines_and_78() {
    let output = run(&["serve", "--port", "0"]);
    assert_eq!(output.code, Some(78));
    assert_eq!(output.stderr.lines().count(), 3, "{}", output.stderr);
    assert!(output.stderr.contains("OPENAI_API_KEY"));
}

#[test]
fn completions_are_the_committed_files() {
    for (shell, file) in [
        ("bash", "aiapiproxy.bash"),
        ("elvish", "aiapiproxy.elv"),
        ("fish", "aiapiproxy.fish"),
        ("powershell", "_aiapiproxy.ps1"),
        ("zsh", "_aiapiproxy"),
    ] {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
        let output = run(&["completions", shell]);
        assert_eq!(
            (output.code, output.stdout),
            (Some(0), fs::read_to_string(committed).unwrap()),
            "{shell}"
        );
    }
    assert_eq!(run(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["completions", "bash"][..], &["models"], &["models", "--json"], &["--help"]] {
        let output = Program::aiapiproxy().args(arguments).stdout_closed().run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn health_is_0_for_a_server_that_is_well_and_1_else() {
    let server = Server::start(Program::aiapiproxy().arg("--demo"));
    let url = server.base_url();
    let output = run(&["health", url]);
    assert_eq!((output.code, output.stdout), (Some(0), format!("{url}/health: ok (200)\n")));
    let port = url.rsplit(':').next().unwrap();
    let by_setting =
        Program::aiapiproxy().arg("health").env("SERVER_PORT", port).env("SERVER_HOST", "0.0.0.0");
    assert_eq!(by_setting.run().code, Some(0));
    assert_eq!(run(&["health", &format!("{url}/nowhere")]).code, Some(1));
    let url = url.to_owned();
    assert_eq!(server.interrupt().code, Some(0));

    let output = run(&["health", &url]);
    assert_eq!((output.code, output.stdout.lines().count()), (Some(1), 1), "{}", output.stdout);
    assert_eq!(run(&["health", "https://127.0.0.1/"]).code, Some(2));
}

#[test]
fn the_long_help_has_every_exit_code_of_the_command() {
    for (command, codes) in [
        ("serve", &[0, 69, 77, 78, 130, 143][..]),
        ("convert", &[0, 2, 65, 66, 73, 74, 78]),
        ("check", &[0, 1, 69, 77, 78]),
        ("models", &[0, 69, 77, 78]),
        ("health", &[0, 1, 2]),
    ] {
        let help = run(&[command, "--help"]).stdout;
        let (_, table) = help.split_once("\nExit codes:\n").unwrap_or_else(|| panic!("{command}: {help}"));
        let listed: Vec<u8> = table
            .lines()
            .map_while(|line| line.strip_prefix("  ")?.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!(listed, codes, "{command}");
    }
    let help = run(&["--help"]).stdout;
    assert!(help.contains("\nExit codes:\n  0    "), "{help}");
    assert!(help.contains("\nExamples:\n"), "{help}");
}

#[test]
fn help_is_the_same_however_it_is_asked_for() {
    for command in COMMANDS {
        assert_eq!(run(&["help", command]), run(&[command, "--help"]), "{command}");
        for line in run(&[command, "-h"]).stdout.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
    assert_eq!(run(&["-h"]).code, Some(0));
    assert_eq!(run(&["--version"]).stdout, concat!("aiapiproxy ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(run(&["-V"]), run(&["--version"]));
}

#[test]
fn no_color_wins_over_nothing_but_an_explicit_wish() {
    // On a pipe there are no colours, so only a wish shows what NO_COLOR does.
    let help = |colour: &[&str]| Program::aiapiproxy().args(["check", "--help"]).args(colour);
    let is_coloured = |program: Program| program.run().stdout.contains('\u{1b}');
    assert!(!is_coloured(help(&[]).env("NO_COLOR", "1")));
    assert!(is_coloured(help(&["--color", "always"]).env("NO_COLOR", "1")));
    let failure = Program::aiapiproxy().args(["convert", "missing"]).run().stderr;
    assert!(failure.starts_with("error: cannot open missing\n"), "{failure:?}");
}

/// Under `script`, which gives the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_there_are_colours_unless_no_color_is_set() {
    let on_terminal = |variables: &str| {
        let command = format!("{variables} {} check --help", env!("CARGO_BIN_EXE_aiapiproxy"));
        Program::other("/bin/sh").args(["-c", r#"exec script -qec "$0" /dev/null"#, &command]).run()
    };
    let plain = on_terminal("TERM=xterm NO_COLOR=1");
    assert!(plain.code == Some(0) || plain.code == Some(127), "{plain:?}");
    if plain.code == Some(0) {
        assert!(!plain.stdout.contains("\u{1b}["), "{plain:?}");
        assert!(on_terminal("TERM=xterm").stdout.contains("\u{1b}["));
    }
}

#[test]
fn each_command_has_its_manual_page_and_completions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = ["aiapiproxy.bash", "aiapiproxy.elv", "aiapiproxy.fish", "_aiapiproxy.ps1", "_aiapiproxy"];
    for command in COMMANDS {
        let page = fs::read_to_string(root.join(format!("man/aiapiproxy-{command}.1"))).unwrap();
        assert!(page.contains(".SH NAME") && page.contains("\n.SH EXAMPLES\n"), "{command}");
        let has_codes = !matches!(command, "completions" | "keys");
        assert_eq!(page.contains("\n.SH \"EXIT CODES\"\n"), has_codes, "{command}");
        for script in scripts {
            let text = fs::read_to_string(root.join("completions").join(script)).unwrap();
            assert!(text.contains(command), "{script}: {command}");
        }
    }
    assert!(fs::read_to_string(root.join("man/aiapiproxy.1")).unwrap().contains("EXIT CODES"));
    let check = |script: &str| Program::other("/bin/sh").args(["-c", "exec bash -n \"$0\"", script]).run();
    let checked = check(root.join("completions/aiapiproxy.bash").to_str().unwrap());
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_bash_completion_completes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/completions/aiapiproxy.bash");
    let complete = |words: &[&str]| {
        let line = words.join(" ");
        let calls = format!(
            ". {script}; COMP_WORDS=({line} ''); COMP_CWORD={}; COMP_LINE='{line} '; \
             _aiapiproxy aiapiproxy '' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len(),
            words.last().unwrap()
        );
        let output = Program::other("/bin/sh").args(["-c", "exec bash -c \"$0\"", &calls]).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
        output.stdout
    };
    let commands = complete(&["aiapiproxy"]);
    for command in COMMANDS {
        assert!(commands.lines().any(|line| line == command), "{commands}");
    }
    let kinds = complete(&["aiapiproxy", "convert", "--kind"]);
    assert_eq!(
        kinds.split_whitespace().collect::<Vec<_>>(),
        ["auto", "request", "response", "stream", "error"]
    );
}

#[test]
fn the_dynamic_completion_knows_the_names_of_the_configuration() {
    let binary = Path::new(env!("CARGO_BIN_EXE_aiapiproxy"));
    let toml = "[[upstream]]\nname = \"near\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
        [[upstream]]\nname = \"far\"\npreset = \"groq\"\napi_key_command = [\"touch\", \"ran\"]\n\
        [models]\nsonnet = \"qwen3\"\n[models.map]\n\"gpt-4o\" = \"qwen3-small\"\n\"gpt-5*\" = \"qwen3\"\n\
        [[route]]\nmodels = [\"o3\", \"o4*\"]\nupstream = \"far\"\nmodel = \"llama-4\"\n";
    let complete = |words: &[&str]| {
        let (last, before) = words.split_last().unwrap();
        let calls = format!(
            "PATH='{}':/usr/bin:/bin; . <(aiapiproxy completions bash --dynamic); COMP_WORDS=({} '{last}'); \
             COMP_CWORD={}; COMP_TYPE=9; _clap_complete_aiapiproxy aiapiproxy '{last}' '{}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"; [ ! -e ran ]",
            binary.parent().unwrap().display(),
            before.join(" "),
            before.len(),
            before.last().unwrap()
        );
        let program = Program::other("/bin/sh").args(["-c", "exec bash -c \"$0\"", &calls]);
        let output = program.file("c.toml", toml).env("AIAPIPROXY_CONFIG", "c.toml").run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "no command is run for a key");
        output.stdout.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["aiapiproxy", "mod"]), ["models"]);
    assert_eq!(complete(&["aiapiproxy", "models", "gpt"]), ["gpt-4o"]);
    assert_eq!(complete(&["aiapiproxy", "models", "cl"]), ["claude-sonnet-5"]);
    assert_eq!(complete(&["aiapiproxy", "models", "o"]), ["o3"]);
    assert_eq!(complete(&["aiapiproxy", "check", "n"]), ["near"]);
    let both = complete(&["aiapiproxy", "check", ""]);
    assert!(["far", "near"].iter().all(|name| both.iter().any(|it| it == name)), "{both:?}");
    assert_eq!(complete(&["aiapiproxy", "convert", "--model", "l"]), ["llama-4"]);
    let elsewhere = complete(&["aiapiproxy", "--config", "nowhere.toml", "check", "n"]);
    assert_eq!(elsewhere, [""], "a file that is not there has no names, and no message");
}

#[test]
fn every_shell_has_a_dynamic_script_and_the_static_ones_stay() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = |arguments: &[&str]| Program::aiapiproxy().args(arguments.iter().copied()).run();
        let script = run(&["completions", shell, "--dynamic"]);
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""));
        assert!(script.stdout.contains("_AIAPIPROXY_COMPLETE"), "{shell}: {}", script.stdout);
        assert!(!run(&["completions", shell]).stdout.contains("_AIAPIPROXY_COMPLETE"), "{shell}");
    }
    // The variable that other programs use for the like means nothing here.
    let output = Program::aiapiproxy().args(["models"]).env("COMPLETE", "bash").run();
    assert!(output.stdout.contains("REQUESTED"), "{}", output.stdout);
}

/// Every command with stdin, stdout and stderr closed, one by one and all at once: a code of the table, no panic.
#[test]
fn closed_pipes_never_make_a_panic() {
    for command in
        ["--help", "models", "models --json", "check", "convert", "health http://127.0.0.1:1", "nonsense"]
    {
        for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"] {
            let script = format!("exec \"$0\" {command} {closed}");
            let program = Program::other("/bin/sh").args(["-c", &script, env!("CARGO_BIN_EXE_aiapiproxy")]);
            let output = program.run();
            let code = output.code.expect("an exit code");
            assert!([0, 1, 2, 65, 74, 78].contains(&code), "{script}: {output:?}");
            assert!(!output.stderr.contains("panick"), "{script}: {output:?}");
        }
    }
}
