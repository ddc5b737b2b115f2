//! When an upstream that keeps failing is left alone: consecutive failures eject it for a while, then one request
//! tries it again.
//!
//! ```text
//!            5 failures in a row              10 s
//!   Closed ─────────────────────▶ Open ─────────────────▶ HalfOpen: one request at a time
//!     ▲                            ▲                         │
//!     │                            └──────── it failed ──────┤
//!     └───────────────────────────────────── it worked ──────┘
//! ```

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Failures in a row after which an upstream is left alone.
const MOST_FAILURES: u32 = 5;

/// The state of one upstream; shared by all requests.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Inner>,
    /// For how long it is left alone.
    open_for: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    /// Set while it is ejected.
    opened: Option<Instant>,
    /// A request is trying it out.
    probing: bool,
}

/// What an upstream's answer says about its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works: also a refusal that blames the client or asks for patience.
    Works,
    /// It does not: no connection, or 5xx.
    Fails,
}

/// Whether an upstream may be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// Yes, by this one request, which must report a verdict or [`Breaker::abandon`].
    Probe,
    /// No.
    Shut,
}

/// The state, for metrics and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In use.
    Closed,
    /// Waiting for, or in, its trial.
    HalfOpen,
    /// Left alone.
    Open,
}

/// A change that is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is left alone from now on.
    Ejected,
    /// It is used again.
    Returned,
}

impl Breaker {
    /// One that leaves a failing upstream alone for so long.
    pub fn new(open_for: Duration) -> Self {
        Self { inner: Mutex::default(), open_for }
    }

    /// Asks whether the upstream may be tried.
    pub fn gate(&self, now: Instant) -> Gate {
        let mut inner = self.lock();
        match inner.opened {
            None => Gate::Open,
            Some(opened) if now.saturating_duration_since(opened) >= self.open_for && !inner.probing => {
                inner.probing = true;
                Gate::Probe
            }
            Some(_) => Gate::Shut,
        }
    }

    /// Notes how a request went that was let through by `gate`. Those from before an ejection end no trial.
    pub fn note(&self, gate: Gate, verdict: Verdict, now: Instant) -> Option<Change> {
        let mut inner = self.lock();
        inner.probing &= gate != Gate::Probe;
        match verdict {
            Verdict::Works => {
                inner.failures = 0;
                inner.opened.take().map(|_| Change::Returned)
            }
            Verdict::Fails => {
                inner.failures = inner.failures.saturating_add(1);
                let was_open = inner.opened.is_some();
                if inner.failures >= MOST_FAILURES {
                    inner.opened = Some(now);
                }
                (!was_open && inner.opened.is_some()).then_some(Change::Ejected)
            }
        }
    }

    /// A request that was let through by `gate` was given up by its client.
    pub fn abandon(&self, gate: Gate) {
        self.lock().probing &= gate != Gate::Probe;
    }

    /// The state now.
    pub fn state(&self, now: Instant) -> State {
        match self.lock().opened {
            None => State::Closed,
            Some(opened) if now.saturating_duration_since(opened) >= self.open_for => State::HalfOpen,
            Some(_) => State::Open,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_eject_and_one_request_tries_again() {
        const OPEN_FOR: Duration = Duration::from_secs(10);
        let (breaker, start) = (Breaker::new(OPEN_FOR), Instant::now());
        for _ in 0..4 {
            assert_eq!(breaker.note(Gate::Open, Verdict::Fails, start), None);
        }
        breaker.note(Gate::Open, Verdict::Works, start);
        for _ in 0..4 {
            breaker.note(Gate::Open, Verdict::Fails, start);
        }
        assert_eq!(breaker.gate(start), Gate::Open, "the five were not in a row");
        assert_eq!(breaker.note(Gate::Open, Verdict::Fails, start), Some(Change::Ejected));
        assert_eq!((breaker.gate(start), breaker.state(start)), (Gate::Shut, State::Open));

        let later = start + OPEN_FOR;
        assert_eq!(breaker.state(later), State::HalfOpen);
        assert_eq!([breaker.gate(later), breaker.gate(later)], [Gate::Probe, Gate::Shut]);
        // A request of before the ejection comes to its end meanwhile.
        breaker.abandon(Gate::Open);
        breaker.note(Gate::Open, Verdict::Fails, start);
        assert_eq!(breaker.gate(later), Gate::Shut, "one trial at a time");
        assert_eq!(breaker.note(Gate::Probe, Verdict::Fails, later), None);
        assert_eq!(breaker.gate(later), Gate::Shut);

        let again = later + OPEN_FOR;
        assert_eq!(breaker.gate(again), Gate::Probe);
        breaker.abandon(Gate::Probe);
        assert_eq!(breaker.gate(again), Gate::Probe);
        assert_eq!(breaker.note(Gate::Probe, Verdict::Works, again), Some(Change::Returned));
        assert_eq!((breaker.gate(again), breaker.state(again)), (Gate::Open, State::Closed));
    }
}
