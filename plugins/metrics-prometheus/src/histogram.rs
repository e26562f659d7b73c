//! Histograms that cost a few nanoseconds a value and the same memory however many values there are.
//!
//! Who may touch what: each thread has a shard of its own, which it alone writes, by plain loads and stores; anybody may
//! read. Threads beyond [`OWNED`] share the last shard and write it by atomic additions. So recording takes no lock and no
//! locked instruction, and a reader sees each value once, at the latest when the thread that recorded it has met the
//! reader in some other way.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics::HistogramFn;

use crate::threads;

/// Threads with a shard of their own.
const OWNED: usize = 32;

/// How often values were at most as large as each bound, and their sum.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// Made when their thread records first; the last one is shared.
    shards: [OnceLock<Shard>; OWNED + 1],
}

/// Values by the first bound that is not below them, those above all bounds last, and the sum as the bits of an `f64`.
#[derive(Debug)]
struct Shard {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram has seen.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    /// How many values were at most as large as each bound.
    pub(crate) at_most: Vec<(f64, u64)>,
    /// How many there were.
    pub(crate) count: u64,
    /// What they add up to.
    pub(crate) sum: f64,
}

impl Histogram {
    /// A histogram with these bounds, ascending.
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, shards: [const { OnceLock::new() }; OWNED + 1] }
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut count = 0;
        let at_most = self.bounds.iter().enumerate().map(|(place, bound)| {
            count += self.bucket(place);
            (*bound, count)
        });
        let at_most = at_most.collect();
        let sum = self.shards().map(|shard| f64::from_bits(shard.sum.load(Relaxed))).sum();
        Seen { at_most, count: count + self.bucket(self.bounds.len()), sum }
    }

    fn bucket(&self, place: usize) -> u64 {
        self.shards().map(|shard| shard.buckets[place].load(Relaxed)).sum()
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter_map(OnceLock::get)
    }

    fn shard(&self, place: usize) -> &Shard {
        self.shards[place].get_or_init(|| Shard {
            buckets: (0..=self.bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0.0_f64.to_bits()),
        })
    }
}

impl HistogramFn for Histogram {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        // From below: most values of a histogram that is hot are small. What is no number is above every bound.
        let place = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        #[expect(clippy::cast_precision_loss, reason = "nobody records 2^52 values at once")]
        let (count, sum) = (count as u64, value * count as f64);
        match threads::number().filter(|number| *number < OWNED) {
            Some(own) => self.shard(own).add_alone(place, count, sum),
            None => self.shard(OWNED).add_among_others(place, count, sum),
        }
    }
}

impl Shard {
    /// Only for the thread that owns the shard.
    fn add_alone(&self, place: usize, count: u64, value: f64) {
        let (bucket, sum) = (&self.buckets[place], &self.sum);
        bucket.store(bucket.load(Relaxed) + count, Relaxed);
        sum.store((f64::from_bits(sum.load(Relaxed)) + value).to_bits(), Relaxed);
    }

    fn add_among_others(&self, place: usize, count: u64, value: f64) {
        self.buckets[place].fetch_add(count, Relaxed);
        // The closure always has an answer.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, |sum| Some((f64::from_bits(sum) + value).to_bits()));
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn a_value_counts_for_every_bound_that_is_not_below_it() {
        let histogram = Histogram::new(&[0.5, 1.0, 2.0]);
        for value in [0.25, 0.5, 0.75, 2.0, 8.0] {
            histogram.record(value);
        }
        histogram.record_many(1.0, 3);
        let seen = histogram.seen();
        assert_eq!(seen, Seen { at_most: vec![(0.5, 2), (1.0, 6), (2.0, 7)], count: 8, sum: 14.5 });
    }

    #[test]
    fn nothing_was_seen_yet() {
        assert_eq!(Histogram::new(&[1.0]).seen(), Seen { at_most: vec![(1.0, 0)], count: 0, sum: 0.0 });
    }

    /// All threads live at once, so some have no shard of their own; then others take over the numbers of the ended ones.
    #[test]
    fn no_value_of_many_threads_is_lost_also_when_threads_end() {
        const THREADS: usize = OWNED + 8;
        const VALUES: u32 = 5_000;
        let histogram = Histogram::new(&[1.0]);
        for _ in 0..3 {
            let together = Barrier::new(THREADS);
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        threads::number();
                        together.wait();
                        (0..VALUES).for_each(|_| histogram.record(0.5));
                    });
                }
            });
        }
        let count = 3 * THREADS as u64 * u64::from(VALUES);
        let seen = histogram.seen();
        assert_eq!((seen.at_most[0].1, seen.count), (count, count));
        #[expect(clippy::cast_precision_loss, reason = "halves of small numbers are exact")]
        let sum = count as f64 / 2.0;
        assert!((seen.sum - sum).abs() < f64::EPSILON, "{}", seen.sum);
    }
}
