//! Whether and when a failed job runs again.

use std::{borrow::Cow, fmt, num::NonZeroU32, time::Duration};

use crate::{ErrorClass, Problem};

/// A uniform random draw in `[0, 1)`, made by the executor and passed in, so that decisions replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw(f64);

impl Draw {
    /// Makes a draw from 64 random bits.
    pub fn from_bits(bits: u64) -> Self {
        // 53 bits are what an f64 holds exactly, so the result is below 1.
        #[expect(clippy::cast_precision_loss)]
        Self((bits >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// The draw, at least 0 and below 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A failed attempt, as a retry policy sees it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// How many attempts have failed at this node (or, where no node is known, of this job), this one included: from 1.
    pub attempt: u32,
    /// By what a caller can do.
    pub class: ErrorClass,
    /// Since the job's first attempt started.
    pub elapsed: Duration,
    /// The delay that the other side named, for example by `Retry-After`.
    pub hint: Option<Duration>,
    /// For jitter.
    pub draw: Draw,
}

impl FailedAttempt {
    /// Attempt number `attempt`, failed with `class`.
    pub fn new(attempt: u32, class: ErrorClass, elapsed: Duration, hint: Option<Duration>, draw: Draw) -> Self {
        Self { attempt, class, elapsed, hint, draw }
    }
}

/// What a retry policy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// Run again after this long, counted from the end of the attempt.
    After(Duration),
    /// Do not run again; the reason is a clause for people, for example `3 of 3 attempts used`.
    GiveUp(Cow<'static, str>),
}

/// Bounds how many retries a batch may spend, so that a service that is down is not asked by every job as often as each
/// may.
///
/// A token bucket: it holds at most `burst` tokens and starts full. A retry takes one when it is due; without one it
/// waits, in order, and never fails for it. Tokens come back with time, and with success: a retry that succeeds returns
/// its token, and a first attempt that does brings `ratio` of one. So after an outage each retry that succeeds
/// lets the next one go, and time lets ever more go at once: the pace grows steadily, not as a wave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    burst: NonZeroU32,
    ratio: f64,
    per_second: f64,
}

impl RetryBudget {
    /// At most `burst` tokens, `ratio` (0 to 100) for each job that succeeds at once, `per_second` (0.001 to 1,000,000) with
    /// time. Time must count: without it, a batch whose jobs all failed would wait for ever.
    ///
    /// # Errors
    /// Every value that is out of its range, at the name of its parameter.
    pub fn new(burst: NonZeroU32, ratio: f64, per_second: f64) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if !(0.0..=100.0).contains(&ratio) {
            problems.push(Problem::new(["ratio"], format!("must be 0 to 100, found {ratio}")));
        }
        if !(0.001..=1e6).contains(&per_second) {
            problems.push(Problem::new(["per_second"], format!("must be 0.001 to 1000000, found {per_second}")));
        }
        if problems.is_empty() { Ok(Self { burst, ratio, per_second }) } else { Err(problems) }
    }

    /// The most tokens there ever are.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// Tokens that a job brings which succeeds without a retry.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Tokens that come with time.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }
}

/// Decides whether a failed attempt is repeated, and when. A value, never a future: the timer is the host's.
///
/// # The caller promises
/// - `attempt` is at least 1 and grows by one with each failure at the same node;
/// - classes `fatal` and `cancelled` never get here.
///
/// # The implementer promises
/// - **pure**: the same argument gives the same answer, from any thread;
/// - finite: for every class there is an attempt from which it gives up;
/// - a delay is at least `hint` where a hint is given and the policy does not give up;
/// - no blocking, no panic at `attempt == u32::MAX`.
pub trait RetryPolicy: Send + Sync + fmt::Debug {
    /// Decides about one failed attempt.
    fn decide(&self, failed: &FailedAttempt) -> RetryDecision;

    /// What bounds the retries of a batch as a whole; nothing unless this is implemented. Always the same answer. The
    /// host asks the policy that decides where nothing else is said, once a batch, and keeps the budget itself: a policy
    /// has no memory.
    fn budget(&self) -> Option<RetryBudget> {
        None
    }
}

const _: fn(&dyn RetryPolicy) = |_| {};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_without_a_refill_by_time_does_not_exist() {
        let places = |ratio, per_second| match RetryBudget::new(NonZeroU32::MIN, ratio, per_second) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|problem| problem.path.concat()).collect(),
        };
        assert_eq!(places(0.0, 0.001), [""; 0]);
        assert_eq!(places(0.1, 0.0), ["per_second"]);
        assert_eq!(places(f64::NAN, f64::INFINITY), ["ratio", "per_second"]);
        assert_eq!(places(-0.1, -1.0), ["ratio", "per_second"]);
    }

    #[test]
    fn a_draw_is_at_least_zero_and_below_one() {
        assert_eq!(Draw::from_bits(0).get(), 0.0);
        assert!(Draw::from_bits(u64::MAX).get() < 1.0);
    }
}
