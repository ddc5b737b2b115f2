//! A shell plays the program, to prove that programs are started, fed, heard and ended as the tests believe.

use super::fails;
use crate::support::program::{Program, Server};

fn shell(script: &str) -> Program {
    Program::other("/bin/sh").args(["-c", script])
}

#[test]
fn output_code_and_input_are_those_of_the_program() {
    let output = shell("cat; echo talk >&2; exit 7").stdin("in\n").run();
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(7), "in\n", "talk\n"));
}

#[test]
fn the_environment_holds_only_what_the_test_sets() {
    let output = shell("export -p; pwd; cat note").env("MINE", "1").file("note", "text").run();
    let names: Vec<&str> =
        output.stdout.lines().filter_map(|line| line.strip_prefix("export ")?.split('=').next()).collect();
    for name in &names {
        // The shell itself sets the last four.
        assert!(
            ["HOME", "MINE", "XDG_CONFIG_HOME", "PWD", "OLDPWD", "SHLVL", "_"].contains(name),
            "{names:?}"
        );
    }
    assert!(["HOME", "MINE", "XDG_CONFIG_HOME"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(output.stdout.contains("/cwd\ntext"), "{}", output.stdout);
}

#[test]
fn stdin_can_be_written_while_stdout_is_read() {
    let mut running = shell("read a; echo got $a; read b; echo got $b").start();
    running.write("one\n");
    assert_eq!(running.wait_for_stdout("one"), "got one\n");
    running.write("two\n");
    running.close_stdin();
    assert_eq!(running.wait().stdout, "got one\ngot two\n");
}

#[test]
fn a_closed_stdout_breaks_the_pipe() {
    let output =
        shell("trap '' PIPE; read go; echo x 2>/dev/null || exit 9").stdin("go\n").stdout_closed().run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(9), ""));
}

#[test]
fn a_server_is_known_by_its_line_and_ends_on_a_signal() {
    let script = r#"trap 'exit 5' INT; echo "noise" >&2; echo "{\"m\":\"listening on http://127.0.0.1:4242\"}" >&2
        while :; do read line || exit 6; done"#;
    let server = Server::start_as_is(shell(script));
    assert_eq!(server.base_url(), "http://127.0.0.1:4242");
    assert!(server.stderr().contains("noise"));
    assert!(server.running().folder().ends_with("cwd"));
    assert_eq!(server.running().resident_kib().is_some(), cfg!(target_os = "linux"));
    assert_eq!(server.interrupt().code, Some(5));

    let server = Server::start_as_is(shell("echo 'listening on http://[::1]:80 ' >&2; read line; exit 3"));
    assert_eq!(server.base_url(), "http://[::1]:80");
    assert_eq!(server.wait().code, Some(3));
}

#[test]
fn a_server_that_does_not_come_up_is_told_with_its_reason() {
    let report = fails(|| drop(Server::start_as_is(shell("echo 'port taken' >&2; exit 69"))));
    assert!(report.contains("port taken"), "{report}");
}
