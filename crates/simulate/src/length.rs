//! How long attempts take.

use std::time::Duration;

use crate::chance::{About, bits, unit};

/// Where the length of an attempt comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Length {
    /// Always the same.
    Fixed(Duration),
    /// The cost of the job times this.
    PerCost(Duration),
    /// Evenly between two, drawn for each attempt.
    Uniform(Duration, Duration),
    /// Exponential with this mean, drawn for each attempt.
    Exponential(Duration),
    /// Log-normal with this median, and this deviation of the logarithm; drawn for each attempt.
    LogNormal(Duration, f64),
    /// What is known of each job, by its place. Where nothing is, one of those that are known, drawn for each attempt.
    Known(Vec<Option<Duration>>),
}

/// Longer than any attempt: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Length {
    /// The length of an attempt of the job at a place.
    pub(crate) fn of(&self, seed: u64, job: u32, attempt: u32, cost: f64) -> Duration {
        let draw = |about| unit(bits(seed, about, job, attempt));
        match self {
            Self::Fixed(length) => *length,
            Self::PerCost(length) => scaled(*length, cost),
            Self::Uniform(from, upto) => *from + scaled(upto.saturating_sub(*from), draw(About::Length)),
            // The draw is below 1, so this is above 0.
            Self::Exponential(mean) => scaled(*mean, -(1.0 - draw(About::Length)).ln()),
            Self::LogNormal(median, sigma) => {
                // Box and Muller 1958.
                let radius = (-2.0 * (1.0 - draw(About::Length)).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * draw(About::SecondOfLength)).cos();
                scaled(*median, (sigma * normal).exp())
            }
            Self::Known(lengths) => lengths.get(job as usize).copied().flatten().unwrap_or_else(|| {
                // From a place drawn by chance on, the first that is known.
                let first = (draw(About::Length) * lengths.len() as f64) as usize;
                let known = lengths[first..].iter().chain(&lengths[..first]).flatten().next();
                known.copied().unwrap_or_default()
            }),
        }
    }
}

fn scaled(length: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(length.as_secs_f64() * factor).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn many(length: &Length) -> Vec<f64> {
        let mut all: Vec<f64> = (0..20_000).map(|job| length.of(3, job, 1, 1.0).as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    fn mean(all: &[f64]) -> f64 {
        all.iter().sum::<f64>() / all.len() as f64
    }

    #[test]
    fn distributions_have_the_moments_that_they_are_named_by() {
        let exponential = many(&Length::Exponential(2 * SECOND));
        assert!((mean(&exponential) - 2.0).abs() < 0.05 && exponential[0] >= 0.0, "{}", mean(&exponential));
        let uniform = many(&Length::Uniform(SECOND, 3 * SECOND));
        assert!((mean(&uniform) - 2.0).abs() < 0.02 && uniform[0] >= 1.0 && uniform[19_999] < 3.0);
        let log_normal = many(&Length::LogNormal(2 * SECOND, 0.5));
        assert!((log_normal[10_000] - 2.0).abs() < 0.04, "the median is {}", log_normal[10_000]);
        assert!((mean(&log_normal) - 2.0 * 0.125_f64.exp()).abs() < 0.05, "the mean is {}", mean(&log_normal));
    }

    #[test]
    fn costs_and_what_is_known_count_as_they_are() {
        assert_eq!(Length::PerCost(SECOND).of(1, 0, 1, 2.5), Duration::from_millis(2500));
        assert_eq!(Length::PerCost(SECOND).of(1, 0, 1, f64::MAX), LONGEST);
        let known = Length::Known(vec![Some(SECOND), None, Some(3 * SECOND), None]);
        assert_eq!([0, 2].map(|job| known.of(1, job, 1, 1.0)), [SECOND, 3 * SECOND]);
        assert!(
            (0..50).map(|attempt| known.of(1, 1, attempt, 1.0)).all(|length| [SECOND, 3 * SECOND].contains(&length))
        );
        assert_eq!(Length::Known(vec![None]).of(1, 0, 1, 1.0), Duration::ZERO);
    }
}
