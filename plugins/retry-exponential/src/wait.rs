//! How long to wait: arithmetic that cannot overflow.

use std::time::Duration;

use batchmill_core::Draw;

use crate::{Backoff, ClassOptions, Jitter, Options};

/// The settings that hold for one error class, all of them known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) max_attempts: u32,
    delay: Duration,
    factor: f64,
    max_delay: Duration,
    jitter: Jitter,
}

impl Settings {
    pub(crate) fn new(options: &Options, class: &ClassOptions) -> Self {
        let factor = match class.backoff.unwrap_or(options.backoff) {
            Backoff::Exponential => class.factor.unwrap_or(options.factor),
            Backoff::Fixed => 1.0,
        };
        Self {
            max_attempts: class.max_attempts.unwrap_or(options.max_attempts),
            delay: class.delay.unwrap_or(options.delay).0,
            factor,
            max_delay: class.max_delay.unwrap_or(options.max_delay).0,
            jitter: class.jitter.unwrap_or(options.jitter),
        }
    }

    /// The wait after attempt number `attempt`, before chance has its part.
    fn full_wait(&self, attempt: u32) -> Duration {
        let repeats = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        if repeats == 0 {
            return self.delay.min(self.max_delay);
        }
        // `powi` may give infinity, and zero times that is no number: both conversions then fail, and the cap holds.
        let seconds = self.delay.as_secs_f64() * self.factor.powi(repeats);
        let uncapped =
            if self.delay.is_zero() { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() };
        uncapped.map_or(self.max_delay, |wait| wait.min(self.max_delay))
    }

    /// The wait after attempt number `attempt`.
    pub(crate) fn wait(&self, attempt: u32, draw: Draw) -> Duration {
        let full = self.full_wait(attempt);
        match self.jitter {
            Jitter::None => full,
            Jitter::Full => part(full, draw),
            Jitter::Equal => full / 2 + part(full / 2, draw),
        }
    }
}

/// A random part of `whole`. `Duration::mul_f64` would panic where rounding lifts the longest duration over its limit.
fn part(whole: Duration, draw: Draw) -> Duration {
    Duration::try_from_secs_f64(whole.as_secs_f64() * draw.get()).map_or(whole, |part| part.min(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(edit: impl FnOnce(&mut Options)) -> Settings {
        let mut options = Options { jitter: Jitter::None, ..Options::default() };
        edit(&mut options);
        Settings::new(&options, &ClassOptions::default())
    }

    fn waits(settings: &Settings) -> Vec<u128> {
        [1, 2, 3, 8, 9, 1000, u32::MAX].map(|n| settings.wait(n, Draw::from_bits(0)).as_millis()).to_vec()
    }

    #[test]
    fn the_first_wait_is_exact_and_each_next_one_doubles_up_to_the_cap() {
        assert_eq!(waits(&settings(|_| {})), [200, 400, 800, 25_600, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn fixed_waits_do_not_grow() {
        assert_eq!(waits(&settings(|o| o.backoff = Backoff::Fixed)), [200; 7]);
    }

    #[test]
    fn no_delay_is_no_wait_however_often_it_is_multiplied() {
        assert_eq!(waits(&settings(|o| o.delay = Duration::ZERO.into())), [0; 7]);
    }

    #[test]
    fn the_longest_wait_there_is_does_not_overflow() {
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal] {
            let longest =
                settings(|o| (o.delay, o.max_delay, o.jitter) = (Duration::MAX.into(), Duration::MAX.into(), jitter));
            for bits in [0, 1, u64::MAX] {
                assert!(longest.wait(2, Draw::from_bits(bits)) <= Duration::MAX);
            }
        }
    }

    #[test]
    fn chance_takes_all_or_half_of_a_wait() {
        let (least, middle, most) = (Draw::from_bits(0), Draw::from_bits(1 << 63), Draw::from_bits(u64::MAX));
        let full = settings(|o| o.jitter = Jitter::Full);
        assert_eq!([least, middle, most].map(|d| full.wait(1, d).as_millis()), [0, 100, 200]);
        let equal = settings(|o| o.jitter = Jitter::Equal);
        assert_eq!([least, middle, most].map(|d| equal.wait(1, d).as_millis()), [100, 150, 200]);
    }
}
