//! A strategy that stops at the third failure, right or with one flaw.

use std::sync::atomic::{AtomicU64, Ordering};

use batchmill_core::{Directive, FailureStrategy, FinalResult, Status, StopReason};
use batchmill_testkit::failure::{cases, run};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    NeverStops,
    CountsForAll,
    SaysNothing,
    MultipliesTheTotal,
    CountsInSixteenBits,
    RefusesAfterAStop,
    KnowsItsThread,
}

/// What [`Flaw::CountsForAll`] must not use.
static FAILED: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Third {
    flaw: Flaw,
    failed: u64,
    ended: u16,
    stopped: bool,
    thread: std::thread::ThreadId,
}

impl FailureStrategy for Third {
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive {
        if result.status == Status::Failed {
            self.failed += 1;
            FAILED.fetch_add(1, Ordering::Relaxed);
        }
        match self.flaw {
            Flaw::MultipliesTheTotal => assert!(total.checked_mul(100).is_some(), "an overflow"),
            Flaw::CountsInSixteenBits => self.ended = self.ended.checked_add(1).expect("few jobs"),
            Flaw::RefusesAfterAStop => assert!(!self.stopped, "nothing comes after a stop"),
            _ => {}
        }
        let reached = match self.flaw {
            Flaw::NeverStops => false,
            Flaw::CountsForAll => FAILED.load(Ordering::Relaxed) % 7 >= 3,
            Flaw::KnowsItsThread => self.failed >= 3 && self.thread == std::thread::current().id(),
            _ => self.failed >= 3,
        };
        self.stopped |= reached;
        match (reached, self.flaw) {
            (false, _) => Directive::Continue,
            (true, Flaw::SaysNothing) => Directive::Soon(StopReason::new("", "")),
            (true, _) => Directive::Soon(StopReason::new("third", format!("{} of {total} jobs failed", self.failed))),
        }
    }
}

fn third(flaw: Flaw) -> Box<dyn FailureStrategy> {
    Box::new(Third { flaw, failed: 0, ended: 0, stopped: false, thread: std::thread::current().id() })
}

#[test]
fn a_right_strategy_passes_every_case() {
    let report = run(|| third(Flaw::None));
    report.assert_passed();
    assert_eq!(report.not_applicable(), [""; 0]);
    assert_eq!(run(|| third(Flaw::NeverStops)).not_applicable(), ["results_after_a_stop_are_taken"]);
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::CountsForAll, "a_replay_gives_the_same_answers"),
        (Flaw::CountsForAll, "instances_are_independent"),
        (Flaw::SaysNothing, "a_stop_has_a_rule_and_a_message"),
        (Flaw::MultipliesTheTotal, "any_size_of_batch_is_taken"),
        (Flaw::CountsInSixteenBits, "a_hundred_thousand_ends_are_taken"),
        (Flaw::RefusesAfterAStop, "results_after_a_stop_are_taken"),
        (Flaw::KnowsItsThread, "moves_between_threads"),
    ] {
        caught(flaw, case, cases(), || third(flaw));
    }
}
