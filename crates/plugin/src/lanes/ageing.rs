//! How waiting weighs against urgency.

use std::{ops::Bound, time::Duration};

use batchmill_core::{MonoTime, Priority};

/// More than any two moments lie apart, so that no waiting makes up for one priority.
const STRICT: u128 = 1 << 64;

/// The order by `enqueued − priority × age_step`: a job is overtaken only by one that was queued less than *priority
/// difference × `age_step`* later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ageing {
    step: u128,
}

impl Ageing {
    /// With this step; zero is strict priority, without ageing.
    pub fn new(step: Duration) -> Self {
        match step.as_nanos() {
            0 => Self { step: STRICT },
            step => Self { step },
        }
    }

    /// Smaller goes first. Among equals the smaller priority does: it was queued the whole difference × step earlier, and
    /// a job is overtaken only by one that was queued less than that later. Two of one priority are equal when they were
    /// queued together.
    pub fn rank(self, priority: Priority, enqueued: MonoTime) -> u128 {
        self.key(priority, enqueued) << 8 | u128::from(priority.0)
    }

    /// The priority that a rank was made of.
    #[expect(clippy::cast_possible_truncation, reason = "it is the lowest byte")]
    pub fn priority_of(rank: u128) -> Priority {
        Priority(rank as u8)
    }

    /// Counted from priority 255, so that it is never negative. It fits with room for eight bits: 255 times the longest
    /// `Duration` takes 102.
    fn key(self, priority: Priority, enqueued: MonoTime) -> u128 {
        u128::from(enqueued.as_nanos()) + u128::from(u8::MAX - priority.0) * self.step
    }

    /// Up to which moment a job of priority `other` must have been queued to go before one of priority `own` that was
    /// queued at `enqueued`; `None` if none does.
    pub fn goes_before(self, other: Priority, own: Priority, enqueued: MonoTime) -> Option<Bound<MonoTime>> {
        let latest = self.key(own, enqueued).checked_sub(self.key(other, MonoTime::ZERO))?;
        let Ok(latest) = u64::try_from(latest).map(MonoTime::from_nanos) else { return Some(Bound::Unbounded) };
        Some(if other < own { Bound::Included(latest) } else { Bound::Excluded(latest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENTS: [u64; 6] = [0, 1, 59, 60, 61, u64::MAX];

    fn pairs() -> impl Iterator<Item = (Priority, MonoTime)> {
        let at = |priority| MOMENTS.map(|nanos| (Priority(priority), MonoTime::from_nanos(nanos)));
        [0, 1, 2, 254, 255].into_iter().flat_map(at)
    }

    #[test]
    fn goes_before_says_the_same_as_the_ranks() {
        for step in [0, 1, 60, u64::MAX] {
            let ageing = Ageing::new(Duration::from_nanos(step));
            for (own, enqueued) in pairs() {
                assert_eq!(Ageing::priority_of(ageing.rank(own, enqueued)), own);
                for (other, moment) in pairs() {
                    let before = ageing.rank(other, moment) < ageing.rank(own, enqueued);
                    let said = match ageing.goes_before(other, own, enqueued) {
                        None => false,
                        Some(Bound::Unbounded) => true,
                        Some(Bound::Included(latest)) => moment <= latest,
                        Some(Bound::Excluded(latest)) => moment < latest,
                    };
                    assert_eq!(said, before, "{other} at {moment:?} against {own} at {enqueued:?}, step {step}");
                }
            }
        }
    }

    #[test]
    fn a_step_of_zero_is_strict_and_the_longest_does_not_overflow() {
        let (first, last) = (MonoTime::ZERO, MonoTime::NEVER);
        for step in [Duration::ZERO, Duration::MAX] {
            let ageing = Ageing::new(step);
            assert!(ageing.rank(Priority(1), last) < ageing.rank(Priority(0), first), "{step:?}");
        }
    }
}
