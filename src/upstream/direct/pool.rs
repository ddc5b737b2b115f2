//! Connections that wait for their next request.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{self, Instant},
};

use super::Wire;

/// The connections. The one that was used last is used next, so that the others may be given up.
#[derive(Debug)]
pub(super) struct Pool {
    idle_timeout: Duration,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// With the time of its last use; the oldest first.
    wires: Vec<(Instant, Wire)>,
    /// Somebody closes them in time.
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { idle_timeout, idle: Mutex::default() })
    }

    /// A connection that is still open, as far as can be known.
    pub(super) fn take(&self) -> Option<Wire> {
        loop {
            let (since, mut wire) = self.lock().wires.pop()?;
            if since.elapsed() < self.idle_timeout && wire.is_ready() {
                return Some(wire);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn give_back(self: &Arc<Self>, wire: Wire) {
        let mut idle = self.lock();
        idle.wires.push((Instant::now(), wire));
        if !idle.is_swept
            && let Ok(runtime) = Handle::try_current()
        {
            idle.is_swept = true;
            runtime.spawn(sweep(Arc::downgrade(self), self.idle_timeout));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what has waited too long. Returns whether nothing waits any more.
    fn close_old(&self) -> bool {
        let mut idle = self.lock();
        let old = idle.wires.partition_point(|(since, _)| since.elapsed() >= self.idle_timeout);
        let closed: Vec<_> = idle.wires.drain(..old).collect();
        idle.is_swept = !idle.wires.is_empty();
        let nothing_waits = !idle.is_swept;
        drop(idle);
        drop(closed);
        nothing_waits
    }
}

/// Closes connections that nobody uses, as long as there are any.
async fn sweep(pool: Weak<Pool>, idle_timeout: Duration) {
    loop {
        time::sleep(idle_timeout / 4).await;
        if pool.upgrade().is_none_or(|pool| pool.close_old()) {
            return;
        }
    }
}
