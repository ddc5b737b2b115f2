//! How many requests one upstream gets at the same time (`upstream.max_concurrent_requests`).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use crate::{
    metrics::reason,
    server::{error::ApiError, request_log::Log},
};

/// The places at one upstream; without a limit there is always one.
#[derive(Debug, Default)]
pub(crate) struct Places(Option<Arc<Semaphore>>);

/// Waiting longer than this only hides the overload from the client.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl Places {
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self(limit.map(|limit| Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS)))))
    }

    /// Takes a place for a request, which has it until its answer is over. Where nobody else can answer, waits a second
    /// at most.
    ///
    /// # Errors
    /// When there was none.
    pub(crate) async fn take(&self, upstream: &str, patient: bool, log: &Log) -> Result<(), ApiError> {
        let Some(places) = &self.0 else {
            log.note(|notes| notes.upstream_place = None);
            return Ok(());
        };
        let place = match Arc::clone(places).try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) if patient => {
                time::timeout(MAX_WAIT, Arc::clone(places).acquire_owned()).await.ok().and_then(Result::ok)
            }
            Err(_) => None,
        };
        let Some(place) = place else {
            if patient {
                log.shed(reason::UPSTREAM, "all places of the upstream are taken");
            }
            return Err(ApiError::shed(&format!(
                "the upstream {upstream} has as many requests as it may have (upstream.max_concurrent_requests); \
                 try again in a second"
            )));
        };
        log.note(|notes| notes.upstream_place = Some(Arc::new(place)));
        Ok(())
    }
}

/// A place at an upstream; whoever has the line of the log has it.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;
