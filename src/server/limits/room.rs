//! Room for request bodies: however many clients send at once, no more than `max_buffered_bytes` are held.
//!
//! Room is taken before bytes are read, and more of it as they come: what a client announces and does not send
//! keeps nobody else out.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use crate::{
    metrics::{Held, reason},
    server::{error::ApiError, request_log::Log},
};

/// All the room there is.
#[derive(Debug)]
pub(crate) struct Room {
    /// A permit is for [`UNIT`] bytes.
    units: Arc<Semaphore>,
    /// All permits.
    total: u32,
}

/// A request's share of it, given back on drop.
#[derive(Debug, Default)]
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
    counted: Option<Held>,
    units: u32,
}

const UNIT: usize = 1 << 10;
/// The first piece of room, whatever is announced.
const FIRST_UNITS: u32 = 64;
/// Waiting longer than this only hides the lack of memory from the client.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let total = u32::try_from((bytes / UNIT).clamp(1, most)).unwrap_or(u32::MAX);
        Self { units: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Lets a share cover `bytes`, which will be `most` at the end. It grows twofold, so that a long body asks a few
    /// times only.
    ///
    /// # Errors
    /// When there was no room within a second.
    pub(crate) async fn cover(
        &self,
        share: &mut Share,
        bytes: usize,
        most: usize,
        log: &Log,
    ) -> Result<(), ApiError> {
        let units = |bytes: usize| u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.total);
        let needed = units(bytes);
        if needed <= share.units && share.permit.is_some() {
            return Ok(());
        }
        let goal = needed.max(share.units.saturating_mul(2)).max(FIRST_UNITS).min(units(most).max(needed));
        let more = goal.max(1) - share.units;
        let got = time::timeout(MAX_WAIT, Arc::clone(&self.units).acquire_many_owned(more)).await;
        let Ok(Ok(permit)) = got else {
            log.shed(reason::MEMORY, "all memory for request bodies is taken");
            return Err(ApiError::shed(
                "the gateway holds as many request bodies as its memory limit allows (limits.max_buffered_bytes); \
                 try again in a second",
            ));
        };
        match &mut share.permit {
            Some(before) => before.merge(permit),
            none => *none = Some(permit),
        }
        share.units += more;
        let held = share.counted.get_or_insert_with(|| log.metrics().buffered_bytes.hold(0));
        held.grow(u64::from(more) * UNIT as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_as_bytes_come_and_given_back() {
        let (room, log) = (Room::new(1 << 20), Log::for_test());
        let mut first = Share::default();
        // Announced is a megabyte, taken are 64 KiB.
        room.cover(&mut first, 0, 1 << 20, &log).await.unwrap();
        assert_eq!(log.metrics().buffered_bytes.get(), 64 << 10);
        room.cover(&mut first, 600 << 10, 1 << 20, &log).await.unwrap();
        assert_eq!(log.metrics().buffered_bytes.get(), 600 << 10);
        let mut second = Share::default();
        room.cover(&mut second, 400 << 10, 400 << 10, &log).await.unwrap();
        let begun = time::Instant::now();
        let refused = room.cover(&mut second, 500 << 10, 500 << 10, &log).await.unwrap_err();
        assert_eq!((refused.error.status, refused.error.retry_after_seconds), (529, Some(1)));
        assert_eq!(begun.elapsed(), MAX_WAIT);
        drop(first);
        room.cover(&mut second, 500 << 10, 500 << 10, &log).await.unwrap();
        drop(second);
        assert_eq!(log.metrics().buffered_bytes.get(), 0);
    }

    #[tokio::test]
    async fn a_body_longer_than_all_room_gets_all_of_it() {
        let (room, log) = (Room::new(1 << 10), Log::for_test());
        let mut share = Share::default();
        room.cover(&mut share, 1 << 20, 1 << 20, &log).await.unwrap();
        assert!(room.units.try_acquire().is_err());
    }
}
