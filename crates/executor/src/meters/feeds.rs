//! One feed of a durable batch.

use metrics::{Counter, Gauge, counter, gauge};

use super::from_zero;

/// Counts what a feed was offered.
pub(crate) struct FeedMeters {
    pub(crate) written: Counter,
    pub(crate) repeated: Counter,
    pub(crate) failed: Counter,
    lag: Gauge,
}

impl FeedMeters {
    /// Handles for the feed of this name, which start at 0.
    pub(crate) fn new(name: &str) -> Self {
        let writes = |outcome: &'static str| {
            from_zero(counter!("batchmill_sink_writes_total", "sink" => name.to_owned(), "outcome" => outcome))
        };
        let lag = gauge!("batchmill_sink_lag_jobs", "sink" => name.to_owned());
        Self { written: writes("ok"), repeated: writes("repeated"), failed: writes("failed"), lag }
    }

    /// It lacks the results of so many jobs.
    #[expect(clippy::cast_precision_loss, reason = "gauges are f64; counts stay far below 2^52")]
    pub(crate) fn show_lag(&self, jobs: u64) {
        self.lag.set(jobs as f64);
    }
}
