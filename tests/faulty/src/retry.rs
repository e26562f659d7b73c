//! Three attempts, without a wait.

use std::time::Duration;

use batchmill_core::{FailedAttempt, RetryBudget, RetryDecision, RetryPolicy};

use crate::{Fault, Method, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty(Trouble);

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self(Trouble::new(options, Method::Decide))
    }
}

impl RetryPolicy for Faulty {
    fn decide(&self, failed: &FailedAttempt) -> RetryDecision {
        match self.0.call(Method::Decide) {
            Fault::Absurd => RetryDecision::After(Duration::from_secs(500 * 365 * 24 * 3600)),
            _ if failed.attempt < 3 => RetryDecision::After(failed.hint.unwrap_or_default()),
            _ => RetryDecision::GiveUp("three attempts used".into()),
        }
    }

    fn budget(&self) -> Option<RetryBudget> {
        self.0.call(Method::Budget);
        None
    }
}
