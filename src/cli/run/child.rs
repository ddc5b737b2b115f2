//! The command in the foreground: it has the terminal, gets the signals that are meant for it, and ends the run.
//!
//! It stays in this program's process group, so that job control works as if it had been started by itself:
//! what the terminal sends (Ctrl-C, Ctrl-Z, a new size) reaches both. What is sent to this process alone is
//! passed on.

use std::{ffi::OsString, io, process::ExitStatus};

use color_eyre::{Result, eyre::WrapErr};
use tokio::process::{Child, Command};

use super::environment::Environment;
use crate::cli::exit::{Exit, Failure};

/// Runs the command to its end.
pub(super) async fn run(command: &[OsString], environment: &Environment) -> Result<Exit> {
    // Before the command begins, so that no signal can end this program and leave that one alone.
    let mut signals =
        signals::Signals::new().wrap_err_with(|| Failure::new(Exit::Internal, "cannot listen to signals"))?;
    let mut child = spawn(command, environment)?;
    let pid = child.id();
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            signal = signals.next() => signals::pass_on(signal, pid),
        }
    };
    let status = status.wrap_err_with(|| Failure::new(Exit::Internal, "cannot wait for the command"))?;
    Ok(Exit::OfCommand(code(status)))
}

fn spawn(command: &[OsString], environment: &Environment) -> Result<Child> {
    let (program, arguments) = command.split_first().map_or((None, command), |(it, rest)| (Some(it), rest));
    let program = program.cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    environment.apply(command.args(arguments));
    command.spawn().map_err(|error| {
        let (code, mend) = match error.kind() {
            io::ErrorKind::NotFound => (127, "install it, or name it with its path"),
            _ => (126, "name a program that you may execute"),
        };
        Failure::new(Exit::OfCommand(code), format!("cannot run {}", program.display()))
            .why(error.to_string())
            .mend(mend)
            .into()
    })
}

/// The exit code as shells tell it.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(signal).map_or(u8::MAX, |signal| signal.saturating_add(128));
    }
    // Windows has larger codes; what does not fit must not become success.
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(unix)]
mod signals {
    use std::io::{self, IsTerminal as _};

    use rustix::process::{Pid, Signal, kill_process};
    use tokio::signal::unix::{self, SignalKind};

    /// The signals that would end this program, or that the command may be waiting for.
    pub(super) struct Signals {
        interrupt: unix::Signal,
        quit: unix::Signal,
        terminate: unix::Signal,
        hang_up: unix::Signal,
        user1: unix::Signal,
        user2: unix::Signal,
        /// The command has the terminal, which then sends Ctrl-C to it by itself.
        on_terminal: bool,
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            let signal = unix::signal;
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
                terminate: signal(SignalKind::terminate())?,
                hang_up: signal(SignalKind::hangup())?,
                user1: signal(SignalKind::user_defined1())?,
                user2: signal(SignalKind::user_defined2())?,
                on_terminal: io::stdin().is_terminal(),
            })
        }

        /// The next signal that the command does not get without us.
        pub(super) async fn next(&mut self) -> Signal {
            loop {
                let (signal, by_terminal) = tokio::select! {
                    _ = self.interrupt.recv() => (Signal::INT, true),
                    _ = self.quit.recv() => (Signal::QUIT, true),
                    _ = self.terminate.recv() => (Signal::TERM, false),
                    _ = self.hang_up.recv() => (Signal::HUP, false),
                    _ = self.user1.recv() => (Signal::USR1, false),
                    _ = self.user2.recv() => (Signal::USR2, false),
                };
                if !(by_terminal && self.on_terminal) {
                    return signal;
                }
            }
        }
    }

    pub(super) fn pass_on(signal: Signal, pid: Option<u32>) {
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        // A command that has just ended needs no signal; it is not waited for yet, so the id is still its own.
        let sent = pid.map(|pid| kill_process(pid, signal));
        tracing::debug!(?signal, ?sent, "passed a signal on");
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    /// The console sends Ctrl-C to the command by itself; this program must only outlive it.
    pub(super) struct Signals(tokio::signal::windows::CtrlC);

    impl Signals {
        pub(super) fn new() -> io::Result<Self> {
            tokio::signal::windows::ctrl_c().map(Self)
        }

        pub(super) async fn next(&mut self) {
            self.0.recv().await;
        }
    }

    pub(super) fn pass_on((): (), _pid: Option<u32>) {}
}
