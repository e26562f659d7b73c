//! How fast a batch is, and how long it will take.

use std::{collections::VecDeque, time::Duration};

use batchmill_core::BatchCounts;

use super::Snapshot;

/// The rate looks back this far: long enough to be calm, short enough to see that a batch has slowed down.
const WINDOW: Duration = Duration::from_secs(30);

/// A rate and what follows from it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    /// Jobs that ended a second.
    pub(crate) per_second: f64,
    /// Until every job has ended; unknown while nothing ends.
    pub(crate) left: Option<Duration>,
}

/// Remembers what was ended when.
#[derive(Debug)]
pub(crate) struct Pace {
    seen: VecDeque<(Duration, u64)>,
}

impl Default for Pace {
    /// At the start nothing had ended.
    fn default() -> Self {
        Self { seen: VecDeque::from([(Duration::ZERO, 0)]) }
    }
}

impl Pace {
    /// Takes a snapshot, not older than the one before, and answers with the rate of now.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) -> Rate {
        let ended = snapshot.counts.ended();
        self.seen.push_back((snapshot.elapsed, ended));
        // The oldest one kept is the last one outside of the window, so that the window is always covered.
        while self.seen.get(1).is_some_and(|(at, _)| *at + WINDOW <= snapshot.elapsed) {
            self.seen.pop_front();
        }
        let (since, before) = self.seen.front().copied().unwrap_or_default();
        // Jobs that ended under an earlier host are no speed of this one.
        let before = before.max(snapshot.before);
        let per_second = per_second(ended.saturating_sub(before), snapshot.elapsed.saturating_sub(since));
        // Who knows when a person lets it go on.
        let goes_on = snapshot.paused.is_none();
        let left = goes_on.then(|| left(snapshot.expected().saturating_sub(ended), per_second)).flatten();
        Rate { per_second, left }
    }
}

/// Jobs a second over a whole run: those that ran, not those that were skipped or cancelled, or had ended `before`.
pub(crate) fn throughput(counts: &BatchCounts, before: u64, time: Duration) -> f64 {
    per_second((counts.ended() - counts.skipped - counts.cancelled).saturating_sub(before), time)
}

/// Jobs a second; 0 where no time has passed.
#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(jobs: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { jobs as f64 / time.as_secs_f64() }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn left(jobs: u64, per_second: f64) -> Option<Duration> {
    if jobs == 0 {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64(jobs as f64 / per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(seconds: u64, succeeded: u64) -> Snapshot {
        let mut counts = BatchCounts::default();
        (counts.submitted, counts.succeeded, counts.pending) = (1000, succeeded, 1000 - succeeded);
        Snapshot { counts, elapsed: Duration::from_secs(seconds), ..Snapshot::default() }
    }

    #[test]
    fn the_rate_is_that_of_the_last_half_minute() {
        let mut pace = Pace::default();
        assert_eq!(pace.observe(&snapshot(0, 0)), Rate { per_second: 0.0, left: None });
        assert_eq!(pace.observe(&snapshot(10, 100)), Rate { per_second: 10.0, left: Some(Duration::from_secs(90)) });
        // Slower now; at 100 s the first hundred is out of sight.
        for second in 11..=100 {
            pace.observe(&snapshot(second, 100 + (second - 10)));
        }
        assert_eq!(pace.observe(&snapshot(100, 190)).per_second, 1.0);
        assert_eq!(pace.seen.len(), 32, "memory is bounded by the window");
    }

    #[test]
    fn a_finished_batch_has_nothing_left_and_a_stuck_one_an_unknown_rest() {
        let mut pace = Pace::default();
        assert_eq!(pace.observe(&snapshot(10, 1000)).left, Some(Duration::ZERO));
        assert_eq!(Pace::default().observe(&snapshot(10, 0)).left, None);
        let mut paused = snapshot(10, 100);
        paused.paused = Some(batchmill_core::Pause::Requested);
        assert_eq!(Pace::default().observe(&paused), Rate { per_second: 10.0, left: None });
    }
}
