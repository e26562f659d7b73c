//! How long jobs waited for their first start.

use std::time::Duration;

use crate::Wait;

/// Waits of one row, in the order of the starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits(Vec<u64>);

impl Waits {
    pub(crate) fn add(&mut self, wait: Duration) {
        self.0.push(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Percentiles by nearest rank: each is a wait that some job had.
    pub(crate) fn summary(mut self) -> Wait {
        self.0.sort_unstable();
        let rank = |hundredths: usize| {
            let place = (self.0.len() * hundredths).div_ceil(100).max(1) - 1;
            Duration::from_nanos(self.0.get(place).copied().unwrap_or(0))
        };
        let sum: u128 = self.0.iter().map(|nanos| u128::from(*nanos)).sum();
        let mean = sum / (self.0.len() as u128).max(1);
        Wait {
            p50: rank(50),
            p90: rank(90),
            p99: rank(99),
            max: rank(100),
            mean: Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_waits_that_jobs_had() {
        let mut waits = Waits::default();
        (1..=200).rev().for_each(|second| waits.add(Duration::from_secs(second)));
        let Wait { p50, p90, p99, max, mean } = waits.summary();
        assert_eq!([p50, p90, p99, max].map(|wait| wait.as_secs()), [100, 180, 198, 200]);
        assert_eq!(mean, Duration::from_millis(100_500));
        assert_eq!(Waits::default().summary(), Wait::default());
    }
}
