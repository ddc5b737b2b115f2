//! What the service manager is told (systemd's `Type=notify-reload`). Without one nothing happens.

use sd_notify::NotifyState;

/// Clients are served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A new configuration is being read; [`ready`] ends it, whatever became of it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic time for the service manager"),
    }
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
