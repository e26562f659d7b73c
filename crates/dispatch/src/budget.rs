//! The retry budget of one batch: tokens, and the retries that wait for one.

use std::{collections::VecDeque, time::Duration};

use batchmill_core::{MonoTime, RetryBudget};

/// Parts of a token, so that no refill is ever rounded away: a rate of one a second is a million parts a nanosecond.
const TOKEN: u128 = 1_000_000_000_000_000;

/// A job in backoff, and the epoch in which it was: void once either has changed.
pub(crate) type Parked = (u32, u32);

#[derive(Debug)]
pub(crate) struct Budget {
    settings: RetryBudget,
    /// Parts of tokens at the moment `seen`.
    level: u128,
    seen: MonoTime,
    /// Retries that are due and have no token yet, in the order in which they came due.
    parked: VecDeque<Parked>,
    /// Since when retries wait.
    empty_since: Option<MonoTime>,
}

impl Budget {
    /// A full one.
    pub(crate) fn new(settings: RetryBudget, now: MonoTime) -> Self {
        let mut budget = Self { settings, level: 0, seen: now, parked: VecDeque::new(), empty_since: None };
        budget.level = budget.capacity();
        budget
    }

    fn capacity(&self) -> u128 {
        u128::from(self.settings.burst().get()) * TOKEN
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.001 to 1,000,000, by its type")]
    fn parts_a_nanosecond(&self) -> u128 {
        (self.settings.per_second() * 1e6).round() as u128
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100, by its type")]
    fn parts_a_success(&self) -> u128 {
        (self.settings.ratio() * 1e15).round() as u128
    }

    fn refill(&mut self, now: MonoTime) {
        let added = (now - self.seen).as_nanos() * self.parts_a_nanosecond();
        self.level = (self.level + added).min(self.capacity());
        self.seen = self.seen.max(now);
    }

    fn take(&mut self, now: MonoTime) -> bool {
        self.refill(now);
        let enough = self.level >= TOKEN;
        if enough {
            self.level -= TOKEN;
        }
        enough
    }

    /// A retry is due: it gets in line for a token.
    pub(crate) fn park(&mut self, retry: Parked) {
        self.parked.push_back(retry);
    }

    /// A job succeeded: a retry returns its token, a first attempt brings a share of one. Not both: where everything left
    /// is a retry, each success would let more than one follow, and the return of a service would be a wave that grows by
    /// the same factor again and again.
    pub(crate) fn earn(&mut self, by_retry: bool, now: MonoTime) {
        self.refill(now);
        let earned = if by_retry { TOKEN } else { self.parts_a_success() };
        self.level = (self.level + earned).min(self.capacity());
    }

    /// The first parked retry that `waits` and finds a token. Those that do not wait any more are forgotten.
    pub(crate) fn release(&mut self, now: MonoTime, waits: impl Fn(Parked) -> bool) -> Option<Parked> {
        while self.parked.pop_front_if(|retry| !waits(*retry)).is_some() {}
        if self.parked.is_empty() {
            self.empty_since = None;
            return None;
        }
        if self.take(now) {
            return self.parked.pop_front();
        }
        self.empty_since.get_or_insert(now);
        None
    }

    /// When the next token is there, if somebody waits for one.
    pub(crate) fn next_release(&self) -> Option<MonoTime> {
        let missing = TOKEN.saturating_sub(self.level);
        let nanos = missing.div_ceil(self.parts_a_nanosecond());
        let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        (!self.parked.is_empty()).then(|| self.seen + wait)
    }

    pub(crate) fn settings(&self) -> RetryBudget {
        self.settings
    }

    /// Retries that are due, the next one first; some may be void.
    pub(crate) fn parked(&self) -> impl Iterator<Item = Parked> {
        self.parked.iter().copied()
    }

    pub(crate) fn empty_since(&self) -> Option<MonoTime> {
        self.empty_since
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn budget(burst: u32, ratio: f64, per_second: f64) -> Budget {
        let settings = RetryBudget::new(NonZeroU32::new(burst).unwrap(), ratio, per_second).unwrap();
        Budget::new(settings, MonoTime::ZERO)
    }

    fn at(millis: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn it_starts_full_and_refills_by_time_up_to_its_burst() {
        let mut budget = budget(2, 0.0, 1.0);
        assert!(budget.take(at(0)) && budget.take(at(0)) && !budget.take(at(999)));
        assert!(budget.take(at(1000)) && !budget.take(at(1000)));
        assert!(budget.take(at(60_000)) && budget.take(at(60_000)) && !budget.take(at(60_000)));
    }

    #[test]
    fn looking_often_rounds_nothing_away() {
        let mut budget = budget(1, 0.0, 0.001);
        assert!(budget.take(at(0)));
        for nanos in (0..1_000_000_000_000_u64).step_by(333_333_333) {
            assert!(!budget.take(MonoTime::from_nanos(nanos)), "after {nanos} ns");
        }
        assert!(budget.take(at(1_000_000)));
    }

    #[test]
    fn ten_successes_pay_for_a_retry_and_a_retry_that_succeeds_for_the_next() {
        let mut budget = budget(5, 0.1, 0.001);
        while budget.take(at(0)) {}
        for _ in 0..10 {
            assert!(!budget.take(at(0)));
            budget.earn(false, at(0));
        }
        assert!(budget.take(at(0)) && !budget.take(at(0)));
        budget.earn(true, at(0));
        assert!(budget.take(at(0)) && !budget.take(at(0)));
        for _ in 0..1000 {
            budget.earn(true, at(0));
        }
        assert_eq!(std::iter::from_fn(|| budget.take(at(0)).then_some(())).count(), 5, "never more than the burst");
    }

    #[test]
    fn parked_retries_go_in_order_and_void_ones_cost_nothing() {
        let mut budget = budget(1, 0.0, 1.0);
        for job in 0..5 {
            budget.park((job, 1));
        }
        let waits = |(job, _): Parked| job != 1;
        assert_eq!((budget.release(at(0), waits), budget.release(at(10), waits)), (Some((0, 1)), None));
        assert_eq!((budget.next_release(), budget.empty_since()), (Some(at(1000)), Some(at(10))));
        assert_eq!((budget.release(at(1000), waits), budget.release(at(1000), waits)), (Some((2, 1)), None));
        assert_eq!(budget.next_release(), Some(at(2000)));
        assert_eq!((budget.release(at(2000), waits), budget.release(at(3000), waits)), (Some((3, 1)), Some((4, 1))));
        assert_eq!((budget.release(at(4000), waits), budget.next_release(), budget.empty_since()), (None, None, None));
    }
}
