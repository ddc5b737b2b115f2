//! How values are spread, in buckets that are fixed beforehand.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counts values by the smallest bound that is not below them.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds: the last is for what lies beyond all of them.
    counts: Box<[AtomicU64]>,
    /// In billionths, which an atomic integer can hold.
    sum_billionths: AtomicU64,
}

/// Upper bounds, ascending, in the unit that the metric's name says.
pub mod bounds {
    /// A whole request, in seconds: those of the OpenTelemetry convention, and on to ten minutes.
    pub const REQUEST: &[f64] = &[
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 160.0, 320.0,
        640.0,
    ];
    /// The first token, in seconds: those of the convention, and on for models that think.
    pub const FIRST_TOKEN: &[f64] = &[
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0,
        20.0, 30.0, 45.0, 60.0, 120.0, 300.0,
    ];
    /// Each token after the first, in seconds: those of the convention.
    pub const PER_TOKEN: &[f64] =
        &[0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
    /// Tokens of a request: powers of four.
    pub const TOKENS: &[f64] = &[
        1.0,
        4.0,
        16.0,
        64.0,
        256.0,
        1_024.0,
        4_096.0,
        16_384.0,
        65_536.0,
        262_144.0,
        1_048_576.0,
        4_194_304.0,
        16_777_216.0,
        67_108_864.0,
    ];
    /// The gateway's own work, in seconds.
    pub const OVERHEAD: &[f64] =
        &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_billionths: AtomicU64::new(0) }
    }

    /// Counts a duration, in seconds.
    pub fn record(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.add(duration.as_secs_f64(), nanoseconds);
    }

    /// Counts a number.
    pub fn record_count(&self, count: u64) {
        #[expect(clippy::cast_precision_loss, reason = "2^53 tokens are none")]
        self.add(count as f64, count.saturating_mul(1_000_000_000));
    }

    fn add(&self, value: f64, billionths: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_billionths.fetch_add(billionths, Ordering::Relaxed);
    }

    /// How many values lie at or below each bound, in the end those beyond all of them too.
    pub fn cumulative(&self) -> Vec<(Option<f64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let totals = self.counts.iter().scan(0, |total, count| {
            *total += count.load(Ordering::Relaxed);
            Some(*total)
        });
        bounds.zip(totals).collect()
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a sum of seconds needs no more than 53 bits")]
        let billionths = self.sum_billionths.load(Ordering::Relaxed) as f64;
        billionths / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_smallest_bucket_that_holds_them() {
        let histogram = Histogram::new(&[0.01, 1.0]);
        for milliseconds in [5, 10, 11, 5_000] {
            histogram.record(Duration::from_millis(milliseconds));
        }
        assert_eq!(histogram.cumulative(), [(Some(0.01), 2), (Some(1.0), 3), (None, 4)]);
        assert!((histogram.sum() - 5.026).abs() < 1e-9);
        let tokens = Histogram::new(bounds::TOKENS);
        tokens.record_count(64);
        assert_eq!(tokens.cumulative()[3], (Some(64.0), 1));
    }
}
