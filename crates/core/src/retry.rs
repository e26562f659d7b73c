//! Whether and when a failed job runs again.

use std::{borrow::Cow, fmt, time::Duration};

use crate::ErrorClass;

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
}

const _: fn(&dyn RetryPolicy) = |_| {};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_at_least_zero_and_below_one() {
        assert_eq!(Draw::from_bits(0).get(), 0.0);
        assert!(Draw::from_bits(u64::MAX).get() < 1.0);
    }
}
