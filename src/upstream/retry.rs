//! Whether a call is tried again: a pure decision, and the course that follows it.
//!
//! Only before the first byte of an answer; at most two retries, whose waits are at most five seconds in total.
//! A longer `retry-after` is the client's to obey. A kept connection that the upstream closed at the very moment
//! of its use is no failure of the upstream: one more attempt, on a fresh connection, comes at once.
//!
//! All calls together have a [`Budget`]: a fifth of them may be tried again, and ten in ten seconds in any case.

mod budget;

use std::{borrow::Cow, time::Duration};

use memchr::memmem;

pub(super) use self::budget::Budget;
use super::{
    Answer,
    error::{Error, Unreachable},
};
use crate::metrics::{Counter, Metrics, reason};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an answer.
    Answered { status: u16, retry_after: RetryAfter },
    /// Without a connection, for a reason that may pass.
    NotConnected,
    /// The connection died before the answer began.
    Died {
        /// Since the request was sent.
        after: Duration,
    },
    /// In a way that another attempt would not change, or must not follow.
    Hopeless,
}

/// What the upstream said about the time of the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// Nothing.
    Unsaid,
    /// To wait.
    Wait(Duration),
    /// Something that is not understood here, such as a date.
    Other,
}

/// What happened in the attempts before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct History {
    retries: u32,
    waited: Duration,
    used_fresh: bool,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Try again after a wait.
    Retry(Duration),
    /// Try again at once, on a fresh connection.
    Fresh,
    /// Let the client have it.
    Stop,
}

const MAX_RETRIES: u32 = 2;
const MAX_WAIT: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A connection that dies later than this died over the request, which may already have been paid for.
const STALE_WITHIN: Duration = Duration::from_secs(1);
/// For the beginning of a refusal's body, which mostly comes with its head.
const PEEK_PATIENCE: Duration = Duration::from_secs(1);

/// Decides. `jitter` is a random number from 0 to 1.
pub(super) fn decide(outcome: &Outcome, history: History, jitter: f64) -> Decision {
    let retry_after = match outcome {
        Outcome::Died { after } => {
            let stale = !history.used_fresh && *after <= STALE_WITHIN;
            return if stale { Decision::Fresh } else { Decision::Stop };
        }
        Outcome::Answered { status: 429 | 500 | 502 | 503 | 504 | 529, retry_after } => *retry_after,
        Outcome::Answered { .. } | Outcome::Hopeless => return Decision::Stop,
        Outcome::NotConnected => RetryAfter::Unsaid,
    };
    let wait = match retry_after {
        RetryAfter::Unsaid => {
            (FIRST_WAIT * 2_u32.pow(history.retries.min(8))).mul_f64(jitter.clamp(0.0, 1.0))
        }
        RetryAfter::Wait(wait) => wait,
        RetryAfter::Other => return Decision::Stop,
    };
    if history.retries >= MAX_RETRIES || history.waited.saturating_add(wait) > MAX_WAIT {
        return Decision::Stop;
    }
    Decision::Retry(wait)
}

/// The course of one call over its attempts.
#[derive(Debug, Default)]
pub(super) struct Course {
    history: History,
}

impl Course {
    /// Whether the next attempt needs a fresh connection.
    pub(super) fn wants_fresh(&self) -> bool {
        self.history.used_fresh
    }

    /// Attempts beyond the first.
    pub(super) fn retries(&self) -> u32 {
        self.history.retries + u32::from(self.history.used_fresh)
    }

    /// Whether there shall be another attempt, and after which wait.
    pub(super) fn next(&mut self, outcome: &Outcome, budget: &Budget, metrics: &Metrics) -> Option<Duration> {
        if matches!(outcome, Outcome::Answered { status: ..400, .. }) {
            return None;
        }
        match decide(outcome, self.history, jitter()) {
            Decision::Stop => None,
            Decision::Retry(_) if !budget.take_retry() => {
                metrics.retries_suppressed.count();
                tracing::debug!(?outcome, "not trying the upstream again: too many calls failed lately");
                None
            }
            Decision::Fresh => {
                metrics.stale_connections.count();
                tracing::debug!("the upstream closed a kept connection; trying again on a fresh one");
                self.history.used_fresh = true;
                Some(Duration::ZERO)
            }
            Decision::Retry(wait) => {
                tracing::debug!(?outcome, wait_ms = wait.as_millis(), "trying the upstream again");
                metrics.retries.of([&outcome.label()], Counter::default).count();
                self.history.retries += 1;
                self.history.waited += wait;
                Some(wait)
            }
        }
    }
}

impl Outcome {
    /// OpenAI says 429 also when the credit is used up: then no wait helps, and only the body tells.
    pub(super) async fn of_answer(answer: &mut Answer) -> Self {
        if answer.status == 429
            && memmem::find(answer.body.peek(PEEK_PATIENCE).await, b"insufficient_quota").is_some()
        {
            return Self::Hopeless;
        }
        if answer.status < 400 {
            return Self::Answered { status: answer.status, retry_after: RetryAfter::Unsaid };
        }
        let retry_after = RetryAfter::read(answer.header("retry-after"), answer.header("retry-after-ms"));
        Self::Answered { status: answer.status, retry_after }
    }

    /// What metrics call it, as the reason of another attempt.
    fn label(&self) -> Cow<'static, str> {
        match self {
            Self::Answered { status, .. } => status.to_string().into(),
            _ => reason::NOT_CONNECTED.into(),
        }
    }

    pub(super) fn of_error(error: &Error, after: Duration) -> Self {
        match error {
            Error::NoAnswer { .. } => Self::Died { after },
            Error::Connect { reason, .. } => match reason {
                Unreachable::Refused | Unreachable::NoSuchHost | Unreachable::Other(_) => Self::NotConnected,
                Unreachable::TimedOut | Unreachable::Tls(_) => Self::Hopeless,
            },
            _ => Self::Hopeless,
        }
    }
}

impl RetryAfter {
    fn read(seconds: Option<&str>, milliseconds: Option<&str>) -> Self {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let wait = |seconds: f64| Duration::try_from_secs_f64(seconds).map_or(Self::Other, Self::Wait);
        match (milliseconds.and_then(number), seconds) {
            (Some(milliseconds), _) => wait(milliseconds / 1000.0),
            (None, Some(text)) => number(text).map_or(Self::Other, wait),
            (None, None) => Self::Unsaid,
        }
    }
}

/// Spreads the retries of many clients. Without random bytes the middle does.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: History = History { retries: 0, waited: Duration::ZERO, used_fresh: false };

    fn answered(status: u16, retry_after: RetryAfter) -> Outcome {
        Outcome::Answered { status, retry_after }
    }

    #[test]
    fn statuses_that_may_pass_are_retried_and_no_others() {
        for status in [429, 500, 502, 503, 504, 529] {
            let decision = decide(&answered(status, RetryAfter::Unsaid), NONE, 1.0);
            assert_eq!(decision, Decision::Retry(FIRST_WAIT), "{status}");
        }
        for status in [200, 302, 400, 401, 403, 404, 408, 413, 422, 501, 505] {
            assert_eq!(decide(&answered(status, RetryAfter::Unsaid), NONE, 1.0), Decision::Stop, "{status}");
        }
    }

    #[test]
    fn two_retries_with_growing_jittered_waits() {
        let failed = Outcome::NotConnected;
        let after = |retries| History { retries, ..NONE };
        assert_eq!(decide(&failed, after(0), 0.0), Decision::Retry(Duration::ZERO));
        assert_eq!(decide(&failed, after(1), 0.5), Decision::Retry(FIRST_WAIT));
        assert_eq!(decide(&failed, after(2), 0.5), Decision::Stop);
    }

    #[test]
    fn a_retry_after_is_obeyed_up_to_five_seconds_in_total() {
        let wait = |seconds| answered(429, RetryAfter::Wait(Duration::from_secs(seconds)));
        let waited = |seconds| History { waited: Duration::from_secs(seconds), retries: 1, ..NONE };
        assert_eq!(decide(&wait(5), NONE, 0.0), Decision::Retry(Duration::from_secs(5)));
        assert_eq!(decide(&wait(6), NONE, 0.0), Decision::Stop);
        assert_eq!(decide(&wait(2), waited(3), 0.0), Decision::Retry(Duration::from_secs(2)));
        assert_eq!(decide(&wait(3), waited(3), 0.0), Decision::Stop);
        assert_eq!(decide(&answered(429, RetryAfter::Other), NONE, 0.0), Decision::Stop);
    }

    #[test]
    fn a_connection_that_died_at_once_is_replaced_once() {
        let died = |milliseconds| Outcome::Died { after: Duration::from_millis(milliseconds) };
        assert_eq!(decide(&died(3), NONE, 1.0), Decision::Fresh);
        assert_eq!(decide(&died(1500), NONE, 1.0), Decision::Stop);
        assert_eq!(decide(&died(3), History { used_fresh: true, ..NONE }, 1.0), Decision::Stop);
        assert_eq!(decide(&Outcome::Hopeless, NONE, 1.0), Decision::Stop);
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_milliseconds() {
        let seconds = |seconds: f64| RetryAfter::Wait(Duration::from_secs_f64(seconds));
        assert_eq!(RetryAfter::read(Some("2"), None), seconds(2.0));
        assert_eq!(RetryAfter::read(Some("2"), Some("150")), seconds(0.15));
        assert_eq!(RetryAfter::read(Some("Wed, 21 Oct 2026 07:28:00 GMT"), None), RetryAfter::Other);
        assert_eq!(RetryAfter::read(Some("-1"), None), RetryAfter::Other);
        assert_eq!(RetryAfter::read(Some("1e999"), None), RetryAfter::Other);
        assert_eq!(RetryAfter::read(None, None), RetryAfter::Unsaid);
    }
}
