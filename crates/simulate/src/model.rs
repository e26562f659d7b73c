//! What attempts do.

use std::time::Duration;

use batchmill_core::{AttemptFailure, ErrorClass, NodeError, NodeFailure, Outcome, RetryRef};

use crate::{
    Length,
    chance::{About, bits, unit},
};

/// How often attempts fail.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Failures {
    /// The part of attempts that fail, 0 to 1.
    pub rate: f64,
    /// What they fail with.
    pub class: ErrorClass,
}

impl Failures {
    /// This part of the attempts fails with this class.
    pub fn new(rate: f64, class: ErrorClass) -> Self {
        Self { rate, class }
    }
}

/// What attempts do: how long they take, and which fail.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// How long attempts take.
    pub length: Length,
    /// Which fail, at their end.
    pub failures: Option<Failures>,
    /// Which of the batch's retry policies decides about those that fail.
    pub retry: RetryRef,
    /// What everything drawn follows from.
    pub seed: u64,
}

impl Model {
    /// Attempts that all succeed.
    pub fn new(length: Length, seed: u64) -> Self {
        Self { length, failures: None, retry: RetryRef::default(), seed }
    }

    /// How long an attempt takes and how it ends, if it may take `timeout`.
    pub(crate) fn attempt(&self, job: u32, attempt: u32, cost: f64, timeout: Option<Duration>) -> (Duration, Outcome) {
        let length = self.length.of(self.seed, job, attempt, cost);
        match timeout.filter(|timeout| *timeout < length) {
            Some(timeout) => (timeout, failed(ErrorClass::Timeout, self.retry)),
            None => match self.failure(job, attempt) {
                Some(class) => (length, failed(class, self.retry)),
                None => (length, Outcome::Succeeded),
            },
        }
    }

    fn failure(&self, job: u32, attempt: u32) -> Option<ErrorClass> {
        let Failures { rate, class } = self.failures?;
        (unit(bits(self.seed, About::Failure, job, attempt)) < rate).then_some(class)
    }
}

fn failed(class: ErrorClass, retry: RetryRef) -> Outcome {
    let mut failure = NodeFailure::of_attempt(NodeError::new(class, "simulated", "the simulation let it fail"));
    failure.retry = retry;
    Outcome::Failed(Box::new(AttemptFailure::new(failure)))
}
