//! Whether the log tells of anything that went wrong: for those who name the log only then.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::field;

/// What went wrong so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    warned: AtomicBool,
}

impl Failures {
    /// Requests that ended in a failure. Paths that do not exist do not count: clients try them out.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Whether this program warned of anything.
    pub fn warned(&self) -> bool {
        self.0.warned.load(Ordering::Relaxed)
    }

    pub(super) fn watch(&self) -> Watch {
        Watch(self.clone())
    }

    fn note(&self, level: Level, ending: &Ending) {
        if ending.is_failure {
            self.0.requests.fetch_add(u64::from(!ending.is_of_nothing), Ordering::Relaxed);
        } else if level <= Level::WARN {
            self.0.warned.store(true, Ordering::Relaxed);
        }
    }
}

/// Sees every event and notes the failures.
pub(super) struct Watch(Failures);

impl<S: Subscriber> Layer<S> for Watch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with(env!("CARGO_CRATE_NAME")) {
            let mut ending = Ending::default();
            event.record(&mut ending);
            self.0.note(*event.metadata().level(), &ending);
        }
    }
}

/// How a request ended, as its line says.
#[derive(Default)]
struct Ending {
    is_failure: bool,
    /// The path or the method does not exist.
    is_of_nothing: bool,
}

impl Visit for Ending {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == field::END {
            self.is_failure = !matches!(value, "complete" | "client_closed");
        }
        if field.name() == field::ROUTE {
            self.is_of_nothing = value == "unknown";
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;

    fn after(events: impl FnOnce()) -> (u64, bool) {
        let failures = Failures::default();
        tracing::subscriber::with_default(Registry::default().with(failures.watch()), events);
        (failures.requests(), failures.warned())
    }

    #[test]
    fn failed_requests_and_our_own_warnings_are_noted() {
        let request = |route: &str, end: &str| {
            tracing::info!({ field::ROUTE } = route, { field::END } = end, "request");
        };
        assert_eq!(after(|| request("/v1/messages", "complete")), (0, false));
        assert_eq!(after(|| request("/v1/messages", "client_closed")), (0, false));
        assert_eq!(after(|| request("unknown", "refused")), (0, false));
        assert_eq!(after(|| request("/v1/messages", "upstream_error")), (1, false));
        assert_eq!(after(|| tracing::warn!("odd")), (0, true));
        assert_eq!(after(|| tracing::warn!(target: "hyper", "theirs")), (0, false));
    }
}
