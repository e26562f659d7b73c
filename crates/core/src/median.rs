//! The median of durations as they come, in bounded memory.

use std::{num::NonZeroU32, time::Duration};

/// Parts of a power of two.
const PARTS_LOG2: u32 = 4;
const PARTS: u64 = 1 << PARTS_LOG2;
const BINS: usize = (64 - PARTS_LOG2 as usize + 1) << PARTS_LOG2;

/// A running median of durations, exact to a thirtieth of its value, in 8 KiB however many there are.
///
/// Durations are counted in bins that are a sixteenth of their power of two wide; the bin of the median moves by the few
/// that each new duration makes necessary. It begins anew with its owner: nothing of it is kept.
///
/// ```
/// use std::time::Duration;
/// use batchmill_core::Median;
///
/// let mut median = Median::default();
/// assert_eq!(median.get(), None);
/// for seconds in [3, 1, 100, 2, 4] {
///     median.add(Duration::from_secs(seconds));
/// }
/// assert!((median.get().unwrap().as_secs_f64() - 3.0).abs() < 0.1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Median {
    /// Made with the first duration.
    counts: Vec<u64>,
    total: u64,
    /// The bin of the median, and how many durations are in those below it.
    at: usize,
    below: u64,
}

impl Median {
    /// Durations that there must be until their median says something.
    pub const SAMPLE: u64 = 10;
    /// A limit made of a median is never shorter: a multiple of next to nothing is nothing.
    pub const LEAST: Duration = Duration::from_secs(1);

    /// One more.
    pub fn add(&mut self, duration: Duration) {
        if self.counts.is_empty() {
            self.counts.resize(BINS, 0);
        }
        let bin = bin(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        self.counts[bin] += 1;
        self.total += 1;
        self.below += u64::from(bin < self.at);
        let half = self.total / 2;
        while self.below > half {
            self.at -= 1;
            self.below -= self.counts[self.at];
        }
        while self.below + self.counts[self.at] <= half {
            self.below += self.counts[self.at];
            self.at += 1;
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The limit that is so many percent of the median: once there are [`SAMPLE`](Self::SAMPLE) durations, and at least
    /// [`LEAST`](Self::LEAST).
    pub fn percent(&self, percent: NonZeroU32) -> Option<Duration> {
        let median = self.get().filter(|_| self.total >= Self::SAMPLE)?;
        Some((median / 100).saturating_mul(percent.get()).max(Self::LEAST))
    }

    /// The median, if there was any duration: the upper one of two.
    pub fn get(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_nanos(middle(self.at)))
    }
}

/// Small numbers have a bin each.
#[expect(clippy::cast_possible_truncation, reason = "below BINS")]
fn bin(nanos: u64) -> usize {
    if nanos < PARTS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - PARTS_LOG2;
    ((u64::from(shift) + 1) * PARTS + ((nanos >> shift) - PARTS)) as usize
}

fn middle(bin: usize) -> u64 {
    let bin = bin as u64;
    if bin < PARTS {
        return bin;
    }
    let shift = bin / PARTS - 1;
    ((PARTS + bin % PARTS) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that scatter over many powers of two, the same each time.
    fn scattered(count: usize) -> Vec<u64> {
        let mut x: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x
        };
        (0..count).map(|_| next() >> (next() % 60)).collect()
    }

    #[test]
    fn a_bin_holds_its_middle_and_is_narrow() {
        for nanos in scattered(10_000).into_iter().chain([0, 1, 15, 16, 17, 31, 32, u64::MAX]) {
            let bin = bin(nanos);
            assert!(bin < BINS);
            let off = middle(bin).abs_diff(nanos);
            assert!(off <= nanos / 30, "{nanos} has the middle {}", middle(bin));
        }
    }

    #[test]
    fn it_is_the_median_of_the_sorted_list_at_every_length() {
        let (mut median, mut sorted) = (Median::default(), Vec::new());
        for nanos in scattered(2_000) {
            median.add(Duration::from_nanos(nanos));
            let place = sorted.partition_point(|other| *other < nanos);
            sorted.insert(place, nanos);
            let right = sorted[sorted.len() / 2];
            let found = u64::try_from(median.get().unwrap().as_nanos()).unwrap();
            assert!(found.abs_diff(right) <= right / 30, "{found} of {} numbers, not {right}", sorted.len());
        }
        assert_eq!(median.count(), 2_000);
    }

    #[test]
    fn a_limit_needs_a_sample_and_is_never_next_to_nothing() {
        let percent = NonZeroU32::new(300).unwrap();
        let mut median = Median::default();
        for count in 1..=10 {
            assert_eq!(median.percent(percent), None, "{count}");
            median.add(Duration::from_secs(8));
        }
        let limit = median.percent(percent).unwrap().as_secs_f64();
        assert!((limit - 24.0).abs() < 0.8, "{limit}");
        (0..100).for_each(|_| median.add(Duration::from_millis(2)));
        assert_eq!(median.percent(percent), Some(Median::LEAST));
    }

    #[test]
    fn it_follows_a_change_in_both_directions() {
        let mut median = Median::default();
        for (nanos, count) in [(1_000_000, 100), (10, 201), (1_000_000_000, 1000)] {
            (0..count).for_each(|_| median.add(Duration::from_nanos(nanos)));
            let found = median.get().unwrap().as_nanos();
            assert!(found.abs_diff(nanos.into()) <= u128::from(nanos) / 30, "{found}");
        }
    }
}
