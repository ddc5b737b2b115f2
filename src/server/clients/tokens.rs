//! Tokens in a minute. A request's tokens are known when it is over, so they are charged afterwards, and a client
//! may get into debt, which `governor` does not know: while in debt, it asks for nothing new.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::headers::Level;

/// Full after a minute without use.
#[derive(Debug)]
pub(super) struct TokenBucket {
    per_minute: NonZeroU32,
    /// When it will be full; `None` before the first charge.
    full_at: Mutex<Option<Instant>>,
}

const MINUTE: Duration = Duration::from_secs(60);
/// What one request may cost at most; more is a mistake of the upstream's.
const LONGEST_DEBT: Duration = Duration::from_secs(3_600);

impl TokenBucket {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute, full_at: Mutex::new(None) }
    }

    pub(super) fn limit(&self) -> u32 {
        self.per_minute.get()
    }

    /// How long it fills until one token is there; `None` when one is.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let one = MINUTE / self.limit();
        (self.missing(now) + one).checked_sub(MINUTE).filter(|wait| !wait.is_zero())
    }

    pub(super) fn level(&self, now: Instant) -> Level {
        let there = MINUTE.saturating_sub(self.missing(now));
        let remaining = there.as_nanos() * u128::from(self.limit()) / MINUTE.as_nanos();
        Level::of("tokens", self.limit(), u32::try_from(remaining).unwrap_or(u32::MAX))
    }

    pub(super) fn charge(&self, tokens: u64, now: Instant) {
        let nanos = u128::from(tokens) * MINUTE.as_nanos() / u128::from(self.limit());
        let cost = u64::try_from(nanos).map_or(LONGEST_DEBT, Duration::from_nanos).min(LONGEST_DEBT);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = Some(full_at.map_or(now, |at| at.max(now)) + cost);
    }

    /// What is missing to the full, as the time to fill it.
    fn missing(&self, now: Instant) -> Duration {
        let full_at = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debt_is_paid_by_waiting() {
        let bucket = TokenBucket::new(NonZeroU32::new(600).unwrap());
        let start = Instant::now();
        assert_eq!((bucket.wait(start), bucket.level(start)), (None, Level::of("tokens", 600, 600)));
        bucket.charge(590, start);
        assert_eq!((bucket.wait(start), bucket.level(start)), (None, Level::of("tokens", 600, 10)));
        bucket.charge(70, start);
        assert_eq!(bucket.level(start), Level::of("tokens", 600, 0));
        let wait = bucket.wait(start).unwrap();
        assert!(wait > Duration::from_secs(6) && wait < Duration::from_millis(6_200), "{wait:?}");
        assert_eq!(bucket.wait(start + wait), None);
        assert_eq!(bucket.level(start + MINUTE * 3), Level::of("tokens", 600, 600));
    }

    #[test]
    fn an_absurd_usage_locks_nobody_out_for_ever() {
        let bucket = TokenBucket::new(NonZeroU32::MIN);
        let start = Instant::now();
        bucket.charge(u64::MAX, start);
        assert!(bucket.wait(start).unwrap() <= LONGEST_DEBT);
    }
}
