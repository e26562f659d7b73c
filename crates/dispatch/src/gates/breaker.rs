//! A breaker: closed, open, half open with a limited number of probes.

use batchmill_core::MonoTime;

use super::limit::BreakerSettings;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// So many failures in a row.
    Closed { failures: u32 },
    /// Nothing starts before this moment.
    Open { until: MonoTime },
    /// Attempts that started since then are probes: how many run, and how many have succeeded.
    HalfOpen { since: MonoTime, trying: u32, succeeded: u32 },
}

/// What an attempt says of what it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    Bad,
    Unknown,
}

/// Why nothing starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    Until(MonoTime),
    /// All probes run.
    Probing,
}

impl Breaker {
    pub(super) const CLOSED: Self = Self::Closed { failures: 0 };

    pub(super) fn shut(&self, settings: &BreakerSettings, now: MonoTime) -> Option<Shut> {
        match *self {
            Self::Closed { .. } => None,
            Self::Open { until } => (now < until).then_some(Shut::Until(until)),
            Self::HalfOpen { trying, succeeded, .. } => {
                (trying + succeeded >= settings.probes.get()).then_some(Shut::Probing)
            }
        }
    }

    /// How many may start.
    pub(super) fn room(&self, settings: &BreakerSettings, now: MonoTime) -> u32 {
        match *self {
            Self::Closed { .. } => u32::MAX,
            Self::Open { until } if now < until => 0,
            Self::Open { .. } => settings.probes.get(),
            Self::HalfOpen { trying, succeeded, .. } => settings.probes.get().saturating_sub(trying + succeeded),
        }
    }

    /// An attempt starts, that may.
    pub(super) fn start(&mut self, now: MonoTime) {
        match self {
            Self::Closed { .. } => {}
            Self::Open { .. } => *self = Self::HalfOpen { since: now, trying: 1, succeeded: 0 },
            Self::HalfOpen { trying, .. } => *trying += 1,
        }
    }

    /// An attempt that started at `started` has ended.
    pub(super) fn end(&mut self, settings: &BreakerSettings, started: MonoTime, health: Health, now: MonoTime) {
        let open = Self::Open { until: now + settings.cooldown };
        match (&mut *self, health) {
            (Self::Closed { failures }, Health::Bad) => {
                *failures += 1;
                if *failures >= settings.failures.get() {
                    *self = open;
                }
            }
            (Self::Closed { failures }, Health::Good) => *failures = 0,
            // It is of a time before: what it says is known.
            (Self::HalfOpen { since, .. }, _) if started < *since => {}
            (Self::HalfOpen { .. }, Health::Bad) => *self = open,
            (Self::HalfOpen { trying, succeeded, .. }, health) => {
                *trying -= 1;
                if health == Health::Good {
                    *succeeded += 1;
                    if *succeeded >= settings.probes.get() {
                        *self = Self::CLOSED;
                    }
                }
            }
            (Self::Open { .. }, _) | (Self::Closed { .. }, Health::Unknown) => {}
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(seconds)
    }

    fn settings(failures: u32, probes: u32) -> BreakerSettings {
        let mut settings = BreakerSettings::new(NonZeroU32::new(failures).unwrap(), Duration::from_secs(30));
        settings.probes = NonZeroU32::new(probes).unwrap();
        settings
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_starts_the_count_again() {
        let (settings, mut breaker) = (settings(3, 1), Breaker::CLOSED);
        for health in [Health::Bad, Health::Bad, Health::Good, Health::Bad, Health::Unknown, Health::Bad] {
            breaker.end(&settings, at(0), health, at(1));
            assert_eq!(breaker.shut(&settings, at(1)), None);
        }
        breaker.end(&settings, at(0), Health::Bad, at(1));
        assert_eq!(breaker.shut(&settings, at(30)), Some(Shut::Until(at(31))));
        assert_eq!((breaker.room(&settings, at(30)), breaker.room(&settings, at(31))), (0, 1));
    }

    #[test]
    fn a_limited_number_of_probes_is_tried_and_all_must_succeed() {
        let (settings, mut breaker) = (settings(1, 2), Breaker::CLOSED);
        breaker.end(&settings, at(0), Health::Bad, at(0));
        assert_eq!(breaker.shut(&settings, at(30)), None);
        breaker.start(at(30));
        breaker.start(at(30));
        assert_eq!(breaker.shut(&settings, at(31)), Some(Shut::Probing));
        // Of before, told to end: neither says anything.
        breaker.end(&settings, at(0), Health::Bad, at(31));
        breaker.end(&settings, at(30), Health::Unknown, at(31));
        assert_eq!(breaker.room(&settings, at(31)), 1, "its place is free again");
        breaker.start(at(31));
        breaker.end(&settings, at(31), Health::Good, at(32));
        assert_eq!(breaker.shut(&settings, at(32)), Some(Shut::Probing), "two probes, not more");
        breaker.end(&settings, at(30), Health::Good, at(33));
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_and_its_sibling_says_nothing_any_more() {
        let (settings, mut breaker) = (settings(1, 2), Breaker::CLOSED);
        breaker.end(&settings, at(0), Health::Bad, at(0));
        breaker.start(at(30));
        breaker.start(at(30));
        breaker.end(&settings, at(30), Health::Bad, at(40));
        assert_eq!(breaker.shut(&settings, at(69)), Some(Shut::Until(at(70))));
        breaker.start(at(70));
        breaker.end(&settings, at(30), Health::Good, at(71));
        assert_eq!(breaker, Breaker::HalfOpen { since: at(70), trying: 1, succeeded: 0 });
    }
}
