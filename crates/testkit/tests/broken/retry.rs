//! A policy of two retries, right or with one flaw.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use batchmill_core::{ErrorClass, FailedAttempt, RetryBudget, RetryDecision, RetryPolicy};
use batchmill_testkit::retry::{cases, run};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    CountsItsCalls,
    NeverGivesUp,
    GivesUpOnceOnly,
    IgnoresTheHint,
    Overflows,
    GivesNoReason,
    KnowsItsThread,
    SpendsItsBudget,
}

#[derive(Debug)]
struct Two {
    flaw: Flaw,
    calls: AtomicU64,
    thread: std::thread::ThreadId,
}

impl RetryPolicy for Two {
    fn decide(&self, failed: &FailedAttempt) -> RetryDecision {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        let given_up = match self.flaw {
            Flaw::NeverGivesUp => failed.class == ErrorClass::Permanent,
            Flaw::GivesUpOnceOnly => failed.attempt == 3 || failed.attempt == u32::MAX,
            Flaw::KnowsItsThread => self.thread != std::thread::current().id(),
            _ => failed.attempt >= 3,
        };
        if given_up {
            return RetryDecision::GiveUp(if self.flaw == Flaw::GivesNoReason { "".into() } else { "enough".into() });
        }
        let wait = match self.flaw {
            Flaw::CountsItsCalls => Duration::from_millis(calls),
            Flaw::Overflows => Duration::from_millis(1) + failed.elapsed,
            _ => Duration::from_millis(1),
        };
        let hint = failed.hint.filter(|_| self.flaw != Flaw::IgnoresTheHint).unwrap_or_default();
        RetryDecision::After(wait.max(hint))
    }

    fn budget(&self) -> Option<RetryBudget> {
        let calls = self.calls.load(Ordering::Relaxed);
        let spent = if self.flaw == Flaw::SpendsItsBudget { u32::try_from(calls).expect("some hundreds") } else { 0 };
        RetryBudget::new(NonZeroU32::MIN.saturating_add(spent), 0.1, 1.0).ok()
    }
}

fn two(flaw: Flaw) -> Box<dyn RetryPolicy> {
    Box::new(Two { flaw, calls: AtomicU64::new(0), thread: std::thread::current().id() })
}

#[test]
fn a_right_policy_passes_every_case() {
    run(|| two(Flaw::None)).assert_passed();
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::CountsItsCalls, "the_same_failure_gives_the_same_answer"),
        (Flaw::CountsItsCalls, "instances_agree"),
        (Flaw::NeverGivesUp, "every_class_is_given_up_at_last"),
        (Flaw::GivesUpOnceOnly, "giving_up_is_for_good"),
        (Flaw::IgnoresTheHint, "a_hint_is_a_lower_bound"),
        (Flaw::Overflows, "extreme_failures_do_not_panic"),
        (Flaw::GivesNoReason, "a_reason_is_a_clause_of_one_line"),
        (Flaw::KnowsItsThread, "threads_share_one_policy"),
        (Flaw::SpendsItsBudget, "the_budget_is_always_the_same"),
    ] {
        caught(flaw, case, cases(), || two(flaw));
    }
}
