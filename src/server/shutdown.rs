//! When to stop: signals, and the two stages in which the server obeys them.

use std::{
    future,
    io::{self, IsTerminal as _},
};

use tokio::sync::watch;

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nobody wants to stop.
    Running,
    /// Finish what runs, begin nothing new.
    Draining(Signal),
    /// End at once.
    Ended(Signal),
}

/// Who wants to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The program itself.
    Program,
}

/// The end that listens.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Stage>);

/// The end that speaks. Dropping it changes nothing.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stage>);

/// A pair for callers that stop the server themselves.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Trigger(sender), Shutdown(receiver))
}

/// Obeys Ctrl-C and SIGTERM: the first drains, the second ends at once. The task that listens to them lives as
/// long as the program, because a signal handler cannot be given back.
///
/// # Errors
/// When the system takes no signal handler.
pub fn on_signals() -> io::Result<Shutdown> {
    let (trigger, shutdown) = channel();
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        while !trigger.is_ended() {
            trigger.advance(signals.next().await);
        }
    });
    Ok(shutdown)
}

impl Trigger {
    /// Goes one stage on: from running to draining, from draining to the end.
    pub fn advance(&self, signal: Signal) {
        self.0.send_modify(|stage| {
            *stage = match *stage {
                Stage::Running => Stage::Draining(signal),
                Stage::Draining(_) | Stage::Ended(_) => Stage::Ended(signal),
            };
        });
    }

    fn is_ended(&self) -> bool {
        matches!(*self.0.borrow(), Stage::Ended(_))
    }
}

impl Shutdown {
    /// Waits until draining begins, or stopping went even further.
    pub async fn draining(&mut self) -> Signal {
        self.reached(|stage| match stage {
            Stage::Running => None,
            Stage::Draining(signal) | Stage::Ended(signal) => Some(signal),
        })
        .await
    }

    /// Waits until everything shall end at once.
    pub async fn ended(&mut self) -> Signal {
        self.reached(|stage| match stage {
            Stage::Running | Stage::Draining(_) => None,
            Stage::Ended(signal) => Some(signal),
        })
        .await
    }

    async fn reached(&mut self, wanted: impl Fn(Stage) -> Option<Signal>) -> Signal {
        loop {
            let stage = *self.0.borrow_and_update();
            if let Some(signal) = wanted(stage) {
                return signal;
            }
            if self.0.changed().await.is_err() {
                // The trigger is gone; nobody will ever say stop.
                future::pending::<()>().await;
            }
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    /// Whoever started the program sits at a terminal.
    at_terminal: bool,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            at_terminal: io::stderr().is_terminal(),
        })
    }

    /// SIGHUP asks for a reload, but from a terminal that was closed it means the end: the program must not go on
    /// unseen, with a port and a key.
    async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Signal::Interrupt,
                _ = self.terminate.recv() => return Signal::Terminate,
                Some(()) = self.hangup.recv() => {
                    if self.at_terminal && !io::stderr().is_terminal() {
                        return Signal::Terminate;
                    }
                }
            }
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) -> Signal {
        self.interrupt.recv().await;
        Signal::Interrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends() {
        let (trigger, mut shutdown) = channel();
        trigger.advance(Signal::Terminate);
        assert_eq!(shutdown.draining().await, Signal::Terminate);
        trigger.advance(Signal::Interrupt);
        assert_eq!(shutdown.ended().await, Signal::Interrupt);
        assert_eq!(shutdown.draining().await, Signal::Interrupt);
    }
}
