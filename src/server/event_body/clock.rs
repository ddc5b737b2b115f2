//! The times of a stream: what is due when nothing happens.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::limits::Limits;

/// The limits that concern a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(super) ping: Duration,
    pub(super) idle: Duration,
    pub(super) data: Duration,
    pub(super) max_whole_bytes: usize,
}

impl From<&Limits> for Pace {
    fn from(limits: &Limits) -> Self {
        Self {
            ping: limits.ping_interval,
            idle: limits.stream_idle_timeout,
            data: limits.first_byte_timeout,
            max_whole_bytes: limits.max_response_size,
        }
    }
}

/// When things last happened.
pub(super) struct Clock {
    pub(super) byte: Instant,
    data: Instant,
    /// There was any.
    has_data: bool,
    pub(super) sent: Instant,
    pub(super) finishing: Option<Instant>,
    /// The client was given bytes and has not come back for more.
    pub(super) handed_over: Option<Instant>,
}

/// What happens if nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    Ping,
    Silent,
    Finished,
}

/// How long usage is waited for once the answer is complete. Some servers keep the connection open.
pub(crate) const FINISH_WITHIN: Duration = Duration::from_secs(2);

impl Clock {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self { byte: now, data: now, has_data: false, sent: now, finishing: None, handed_over: None }
    }

    /// The upstream sent data, which is more than a sign of life.
    pub(super) fn note_data(&mut self, now: Instant) {
        self.data = now;
        self.has_data = true;
    }

    /// Whether it ever did.
    pub(super) fn has_data(&self) -> bool {
        self.has_data
    }

    /// The client was given bytes.
    pub(super) fn hand_over(&mut self) {
        self.sent = Instant::now();
        self.handed_over = Some(self.sent);
    }

    /// The client reads on. While it did not, nothing was read of the upstream either, so that time must not
    /// count as the upstream's silence.
    pub(super) fn resume(&mut self) {
        let Some(since) = self.handed_over.take() else { return };
        let pause = since.elapsed();
        self.byte += pause;
        self.data += pause;
        self.sent += pause;
        self.finishing = self.finishing.map(|at| at + pause);
    }

    /// What is due first, and when.
    pub(super) fn next_alarm(&self, pace: &Pace, started: bool) -> (Instant, Alarm) {
        let silent = (self.byte + pace.idle).min(self.data + pace.data);
        let finished = self.finishing.map(|at| (at + FINISH_WITHIN, Alarm::Finished));
        let ping = started.then(|| (self.sent + pace.ping, Alarm::Ping));
        let alarms = [finished, ping].into_iter().flatten();
        alarms.fold((silent, Alarm::Silent), |first, alarm| if alarm.0 < first.0 { alarm } else { first })
    }
}
