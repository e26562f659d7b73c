//! Durations on their way to a histogram: counted by the bounds that it has, and handed over by the lot.
//!
//! The recorder gets the mean of each bin as often as the bin has values. The mean lies where the values lie, so counts by
//! bound are exact, and so is the sum. A recorder with other bounds is exact to the width of a bin.

use std::time::Duration;

use metrics::Histogram;

/// The life of jobs and attempts, in nanoseconds.
const BOUNDS: [u64; 20] = {
    const MS: u64 = 1_000_000;
    const S: u64 = 1_000 * MS;
    [
        MS,
        2 * MS + MS / 2,
        5 * MS,
        10 * MS,
        25 * MS,
        50 * MS,
        100 * MS,
        250 * MS,
        500 * MS,
        S,
        2 * S + S / 2,
        5 * S,
        10 * S,
        30 * S,
        60 * S,
        150 * S,
        300 * S,
        600 * S,
        1800 * S,
        3600 * S,
    ]
};

/// How many durations there were by the first bound that is not below them, those above all bounds last, and their sums.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bins {
    counts: [u64; BOUNDS.len() + 1],
    nanos: [u64; BOUNDS.len() + 1],
    /// Where the last one went, from which duration on, and how far: most are like the one before, and to look through the bounds
    /// costs more than all the rest.
    last: usize,
    from: u64,
    span: u64,
}

impl Bins {
    #[inline]
    pub(crate) fn add(&mut self, duration: Duration) {
        let nanos = duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into());
        // One comparison: what is below goes round to the largest numbers.
        if nanos.wrapping_sub(self.from) > self.span {
            self.find(nanos);
        }
        let place = self.last;
        self.counts[place] += 1;
        self.nanos[place] = self.nanos[place].saturating_add(nanos);
    }

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(all, more)| *all += more);
        self.nanos.iter_mut().zip(other.nanos).for_each(|(all, more)| *all = all.saturating_add(more));
    }

    #[cold]
    fn find(&mut self, nanos: u64) {
        self.last = BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len());
        self.from = self.last.checked_sub(1).map_or(0, |before| BOUNDS[before] + 1);
        self.span = BOUNDS.get(self.last).copied().unwrap_or(u64::MAX) - self.from;
    }

    /// Hands everything over.
    #[expect(clippy::cast_precision_loss, reason = "a mean of nanoseconds")]
    pub(crate) fn record(&self, histogram: &Histogram) {
        for (count, nanos) in self.counts.into_iter().zip(self.nanos).filter(|(count, _)| *count > 0) {
            let mean = nanos as f64 / count as f64 / 1e9;
            histogram.record_many(mean, usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use batchmill_metrics_prometheus::{FAMILIES, Kind, Recorder};

    use super::*;

    /// What a recorder shows, without the sum.
    fn counts(record: impl FnOnce(&Histogram)) -> (Vec<String>, f64) {
        let recorder = Recorder::default();
        let histogram =
            metrics::with_local_recorder(&recorder, || metrics::histogram!("batchmill_attempt_duration_seconds"));
        record(&histogram);
        let text = recorder.render();
        let (sum, others): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("_sum "));
        let sum = sum[0].rsplit(' ').next().unwrap().parse().unwrap();
        (others.into_iter().map(str::to_owned).collect(), sum)
    }

    #[test]
    fn lots_show_what_single_values_would_show_also_at_the_bounds() {
        let mut durations: Vec<Duration> = (0..1000).map(|n| Duration::from_nanos(n * n * n * 7)).collect();
        for bound in BOUNDS {
            durations.extend([bound - 1, bound, bound, bound + 1].map(Duration::from_nanos));
        }
        durations.push(Duration::from_secs(100_000));
        let (single, exact) = counts(|histogram| durations.iter().for_each(|duration| histogram.record(*duration)));
        let mut bins = Bins::default();
        durations.iter().for_each(|duration| bins.add(*duration));
        let (lots, sum) = counts(|histogram| bins.record(histogram));
        assert_eq!(lots, single);
        assert!((sum - exact).abs() < exact * 1e-12, "{sum} is not {exact}");
    }

    #[test]
    fn values_at_a_bound_alone_stay_at_it() {
        for bound in BOUNDS {
            let mut bins = Bins::default();
            (0..7).for_each(|_| bins.add(Duration::from_nanos(bound)));
            let seconds = Duration::from_nanos(bound).as_secs_f64();
            let (lots, _) = counts(|histogram| bins.record(histogram));
            assert!(lots.iter().any(|line| line.ends_with(&format!("{{le=\"{seconds}\"}} 7"))), "{seconds}: {lots:?}");
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_exporter() {
        let own: Vec<f64> = BOUNDS.iter().map(|bound| Duration::from_nanos(*bound).as_secs_f64()).collect();
        for name in ["attempt_duration", "job_duration", "queue_wait"] {
            let family = FAMILIES.iter().find(|family| family.name == format!("batchmill_{name}_seconds")).unwrap();
            assert_eq!(family.kind, Kind::Histogram(&own[..].to_vec().leak()[..]), "{name}");
        }
    }
}
