//! The budget of retries: an upstream that fails for everybody must not be asked three times as much.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The calls and retries of the last ten seconds.
#[derive(Debug)]
pub(in super::super) struct Budget {
    start: Instant,
    slices: Mutex<[Slice; SLICES]>,
}

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    second: u64,
    calls: u64,
    retries: u64,
}

const SLICES: usize = 10;
/// Retries that are always allowed within the ten seconds: a small user's failures shall be mended.
const FLOOR: u64 = 10;
/// One retry for so many calls: 20 %.
const CALLS_PER_RETRY: u64 = 5;

impl Default for Budget {
    fn default() -> Self {
        Self { start: Instant::now(), slices: Mutex::default() }
    }
}

impl Budget {
    /// Notes a call.
    pub(in super::super) fn note_call(&self) {
        self.with(self.start.elapsed(), |slice, _| slice.calls += 1);
    }

    /// Takes a retry out of the budget; `false` if there is none left.
    pub(super) fn take_retry(&self) -> bool {
        self.take_at(self.start.elapsed())
    }

    fn take_at(&self, now: Duration) -> bool {
        self.with(now, |slice, (calls, retries)| {
            let is_allowed = retries < FLOOR.max(calls / CALLS_PER_RETRY);
            slice.retries += u64::from(is_allowed);
            is_allowed
        })
    }

    /// Works on the slice of the present second, with the sums of all that still count.
    fn with<T>(&self, now: Duration, work: impl FnOnce(&mut Slice, (u64, u64)) -> T) -> T {
        let second = now.as_secs();
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = slices.iter().filter(|slice| second - slice.second.min(second) < SLICES as u64);
        let sums = recent.fold((0, 0), |sums, slice| (sums.0 + slice.calls, sums.1 + slice.retries));
        let [first, others @ ..] = &mut *slices;
        // The slice of this second, or the oldest, which is the one that no longer counts.
        let slice = others.iter_mut().fold(first, |best, slice| {
            let is_better = slice.second == second || (best.second != second && slice.second < best.second);
            if is_better { slice } else { best }
        });
        if slice.second != second {
            *slice = Slice { second, ..Slice::default() };
        }
        work(slice, sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &Budget, second: u64, wanted: usize) -> usize {
        (0..wanted).filter(|_| budget.take_at(Duration::from_secs(second))).count()
    }

    fn call(budget: &Budget, second: u64, calls: u64) {
        budget.with(Duration::from_secs(second), |slice, _| slice.calls += calls);
    }

    #[test]
    fn ten_retries_are_always_allowed_and_then_a_fifth_of_the_calls() {
        let budget = Budget::default();
        call(&budget, 0, 20);
        assert_eq!(taken(&budget, 0, 100), 10);
        call(&budget, 1, 980);
        assert_eq!(taken(&budget, 1, 1_000), 190);
        assert_eq!(taken(&budget, 9, 10), 0, "all of it is still remembered");
    }

    #[test]
    fn what_is_older_than_ten_seconds_is_forgotten() {
        let budget = Budget::default();
        for second in 0..30 {
            call(&budget, second, 100);
        }
        assert_eq!(taken(&budget, 29, 1_000), 200);
        assert_eq!(taken(&budget, 38, 1_000), 0);
        assert_eq!(taken(&budget, 39, 1_000), 10);
    }

    #[test]
    fn amplification_stays_below_a_fifth() {
        let budget = Budget::default();
        let mut retries = 0;
        for second in 0..60 {
            for _ in 0..100 {
                call(&budget, second, 1);
                retries += taken(&budget, second, 2);
            }
        }
        assert!(retries <= 6_000 / 5, "{retries} retries of 6000 calls");
    }
}
