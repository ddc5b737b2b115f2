//! A value that one thread changes and another waits for, always with a limit.

use super::LIVENESS;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A shared value with "tell me when": the tests' only way to wait for another thread.
#[derive(Debug, Default)]
pub struct Watched<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Watched<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new((Mutex::new(value), Condvar::new())))
    }

    /// Changes the value and wakes those who wait.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.0.1.notify_all();
        result
    }

    /// Looks at the value as it is now.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Waits until `look` finds what it looks for; `None` after [`LIVENESS`].
    pub fn wait<R>(&self, mut look: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let deadline = Instant::now() + LIVENESS;
        let mut value = self.lock();
        loop {
            if let Some(found) = look(&value) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            value = self.0.1.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    // A poisoned lock belongs to a test that has failed already; its clean-up must still run.
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in an upstream's script where it stops until the test lets it go on.
#[derive(Debug, Clone, Default)]
pub struct Gate(Watched<GateState>);

#[derive(Debug, Default)]
struct GateState {
    reached: bool,
    open: bool,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the script go on, now or when it comes here.
    pub fn open(&self) {
        self.0.update(|gate| gate.open = true);
    }

    /// Blocks the test until the script stands at the gate: everything before it has been written.
    pub fn wait_reached(&self) {
        self.0.wait(|gate| gate.reached.then_some(())).expect("the upstream never came to the gate");
    }

    /// Blocks the script; `false` when nobody opens.
    pub fn pass(&self) -> bool {
        self.0.update(|gate| gate.reached = true);
        self.0.wait(|gate| gate.open.then_some(())).is_some()
    }
}
