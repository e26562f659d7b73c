//! Policies that do as they are told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use batchmill_core::{
    Directive, ErrorClass, FailedAttempt, FailureStrategy, FinalResult, RetryBudget, RetryDecision, RetryPolicy, Status,
};

/// Gives up at `max_attempts`, and on permanent errors. The delay depends on everything that the policy is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capped {
    pub(crate) max_attempts: u32,
    pub(crate) delay: Duration,
    /// Whether draw and elapsed time count.
    pub(crate) jitter: bool,
    pub(crate) budget: Option<RetryBudget>,
}

impl Capped {
    pub(crate) fn new(max_attempts: u32, delay: Duration) -> Self {
        Self { max_attempts, delay, jitter: false, budget: None }
    }
}

impl RetryPolicy for Capped {
    fn decide(&self, failed: &FailedAttempt) -> RetryDecision {
        assert!(failed.attempt >= 1 && !matches!(failed.class, ErrorClass::Fatal | ErrorClass::Cancelled), "promised");
        if failed.attempt >= self.max_attempts || failed.class == ErrorClass::Permanent {
            return RetryDecision::GiveUp("enough".into());
        }
        let mut delay = self.delay * failed.attempt;
        if self.jitter {
            delay = delay.mul_f64(1.0 + failed.draw.get()) + failed.elapsed / 7;
        }
        RetryDecision::After(failed.hint.map_or(delay, |hint| hint.max(delay)))
    }

    fn budget(&self) -> Option<RetryBudget> {
        self.budget
    }
}

/// What a strategy was told, and what it answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) status: Status,
    pub(crate) class: Option<ErrorClass>,
    pub(crate) total: u64,
    pub(crate) answer: Directive,
}

pub(crate) type HeardLog = Arc<Mutex<VecDeque<Heard>>>;

/// Answers the n-th result as scripted, and `Continue` else.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) script: BTreeMap<u64, Directive>,
    pub(crate) log: HeardLog,
    calls: u64,
}

impl Scripted {
    pub(crate) fn new(script: impl IntoIterator<Item = (u64, Directive)>) -> Self {
        Self { script: script.into_iter().collect(), ..Self::default() }
    }
}

impl FailureStrategy for Scripted {
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive {
        self.calls += 1;
        let answer = self.script.get(&self.calls).cloned().unwrap_or(Directive::Continue);
        let heard = Heard { status: result.status, class: result.class, total, answer: answer.clone() };
        self.log.lock().unwrap().push_back(heard);
        answer
    }
}
