//! `api_key_command`: a program that prints the key, such as a password manager. No shell is between, so nothing in
//! the words is special, and a program that waits for somebody is not waited for long.

use std::{
    io::{self, Read},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    config::{error::Error, layers::Setting},
    secret::SecretString,
};

/// For the program to print the key and to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// No key is longer.
const MAX_OUTPUT_BYTES: u64 = 64 << 10;

/// Runs the program and takes what it prints.
pub(super) fn run(words: Setting<Vec<String>>) -> Result<Setting<SecretString>, Error> {
    let Setting { value: words, origin } = words;
    match output(&words) {
        Ok(key) => Ok(Setting { value: key, origin }),
        Err(problem) => Err(Error::Conflict {
            problem: format!("upstream.api_key_command gave no key: {problem}"),
            origin,
            mend: "the first word is a program, the others its arguments; it must print the key and exit with 0",
        }),
    }
}

fn output(words: &[String]) -> Result<SecretString, String> {
    let (program, arguments) = words.split_first().ok_or("the list is empty")?;
    let cannot = |error: io::Error| format!("{program}: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What it complains of is for the user, and on stderr already.
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(cannot)?;
    let ended = wait(&mut child);
    if ended.is_err() {
        child.kill().ok();
    }
    let status = child.wait().map_err(cannot)?;
    let text = ended?;
    if !status.success() {
        return Err(format!("{program} ended with {status}"));
    }
    let key = text.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(format!("{program} printed no single word"));
    }
    Ok(SecretString::from(key.to_owned()))
}

/// All that the program prints; its output ends when it does, or whoever it left behind.
fn wait(child: &mut Child) -> Result<String, String> {
    let stdout = child.stdout.take().ok_or("it has no output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(MAX_OUTPUT_BYTES).read_to_string(&mut text);
        // Nobody waits any more when the time is over.
        sender.send(read.map(|_| text)).ok();
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it had not ended after {} s", PATIENCE.as_secs())),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret as _;

    fn said(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        output(&words).map(|key| key.expose_secret().to_owned())
    }

    #[test]
    fn what_the_program_prints_is_the_key() {
        assert_eq!(said(&["printf", "sk-from-vault\n"]).unwrap(), "sk-from-vault");
        // No shell: this is one word.
        assert_eq!(said(&["printf", "%s", "$(id)"]).unwrap(), "$(id)");
    }

    #[test]
    fn whatever_else_happens_is_told_without_the_output() {
        for words in [&["false"][..], &["printf", "two words"], &["true"], &[], &["/no/such/program"]] {
            let error = said(words).unwrap_err();
            assert!(!error.contains("two words"), "{error}");
        }
        assert!(said(&["sh", "-c", "echo sk-1; exit 3"]).unwrap_err().contains("exit status: 3"));
    }
}
