//! A token bucket, without rounding.

use std::time::Duration;

use batchmill_core::{MonoTime, Rate};

/// Tokens in parts: as many as there are nanoseconds in the time of the rate, so that a nanosecond brings as many parts as the
/// rate has tokens, and nothing is ever rounded away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    level: u128,
    seen: MonoTime,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(rate: Rate, burst: u32, now: MonoTime) -> Self {
        Self { level: u128::from(burst) * rate.per().as_nanos(), seen: now }
    }

    /// One that was empty at a moment.
    pub(super) fn empty(at: MonoTime) -> Self {
        Self { level: 0, seen: at }
    }

    /// The parts that are there at `now`.
    fn level(&self, rate: Rate, burst: u32, now: MonoTime) -> u128 {
        let added = (now - self.seen).as_nanos() * u128::from(rate.count().get());
        (self.level + added).min(u128::from(burst) * rate.per().as_nanos())
    }

    /// Whole tokens that are there.
    pub(super) fn tokens(&self, rate: Rate, burst: u32, now: MonoTime) -> u32 {
        u32::try_from(self.level(rate, burst, now) / rate.per().as_nanos()).unwrap_or(u32::MAX)
    }

    /// When so many tokens are there, at most as many as there can be.
    pub(super) fn when(&self, tokens: u32, rate: Rate, burst: u32, now: MonoTime) -> MonoTime {
        let wanted = u128::from(tokens.min(burst)) * rate.per().as_nanos();
        let missing = wanted.saturating_sub(self.level(rate, burst, now));
        let nanos = missing.div_ceil(u128::from(rate.count().get()));
        now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes tokens that are there.
    pub(super) fn take(&mut self, tokens: u32, rate: Rate, burst: u32, now: MonoTime) {
        let wanted = u128::from(tokens) * rate.per().as_nanos();
        self.level = self.level(rate, burst, now).saturating_sub(wanted);
        self.seen = self.seen.max(now);
    }

    /// The rate is another one from now on; tokens stay tokens.
    pub(super) fn change(&mut self, before: Rate, after: Rate, burst: u32, now: MonoTime) {
        let level = self.level(before, burst, now);
        self.level = level * after.per().as_nanos() / before.per().as_nanos();
        self.seen = self.seen.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_millis(millis)
    }

    fn take(bucket: &mut Bucket, rate: Rate, burst: u32, now: MonoTime) -> bool {
        let has = bucket.tokens(rate, burst, now) > 0;
        if has {
            bucket.take(1, rate, burst, now);
        }
        has
    }

    #[test]
    fn tokens_come_one_by_one_at_their_moment_and_never_more_than_the_burst() {
        let (rate, burst) = (Rate::new(3, Duration::from_secs(1)).unwrap(), 2);
        let mut bucket = Bucket::full(rate, burst, at(0));
        assert!(take(&mut bucket, rate, burst, at(0)) && take(&mut bucket, rate, burst, at(0)));
        assert!(!take(&mut bucket, rate, burst, at(0)));
        let due = bucket.when(1, rate, burst, at(0));
        assert_eq!(due, MonoTime::from_nanos(333_333_334), "a third of a second, and never before");
        assert!(!take(&mut bucket, rate, burst, MonoTime::from_nanos(333_333_333)));
        assert!(take(&mut bucket, rate, burst, due) && !take(&mut bucket, rate, burst, due));
        assert_eq!(bucket.when(2, rate, burst, due), MonoTime::from_nanos(1_000_000_000), "no part is lost");
        assert_eq!(bucket.tokens(rate, burst, at(60_000)), 2);
        assert_eq!(bucket.when(9, rate, burst, at(60_000)), at(60_000), "more than the burst never comes");
    }

    #[test]
    fn looking_often_rounds_nothing_away() {
        let (rate, burst) = (Rate::new(1, Duration::from_secs(3600)).unwrap(), 1);
        let mut bucket = Bucket::empty(at(0));
        for second in 0..3600 {
            assert!(!take(&mut bucket, rate, burst, at(second * 1000 + 999)), "after {second} s");
        }
        assert!(take(&mut bucket, rate, burst, at(3_600_000)));
    }

    #[test]
    fn another_rate_leaves_the_tokens() {
        let (slow, fast) =
            (Rate::new(1, Duration::from_secs(60)).unwrap(), Rate::new(10, Duration::from_secs(1)).unwrap());
        let mut bucket = Bucket::full(slow, 4, at(0));
        bucket.take(3, slow, 4, at(0));
        bucket.change(slow, fast, 4, at(30_000));
        assert_eq!((bucket.tokens(fast, 4, at(30_000)), bucket.tokens(fast, 4, at(30_050))), (1, 2), "1.5, then 2");
    }
}
