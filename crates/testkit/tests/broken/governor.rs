//! A governor that takes a tenth away at each failure and adds one where there is none, right or with one flaw.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use batchmill_core::{Adjustment, Governor, LoadSample};
use batchmill_testkit::governor::{cases, run};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    AsksTooOften,
    ChangesItsRange,
    GoesToZero,
    RepeatsTheLimit,
    ExplainsAtLength,
    GrowsUnused,
    KeepsItsOwnLimit,
    CountsForAll,
    DividesByTheEnds,
    KnowsItsThread,
}

/// What [`Flaw::CountsForAll`] must not use.
static ASKED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
struct Tenth {
    flaw: Flaw,
    limit: u32,
    asked: u32,
    thread: std::thread::ThreadId,
}

impl Governor for Tenth {
    fn adjust(&mut self, sample: &LoadSample, current: u32) -> Option<Adjustment> {
        self.asked += 1;
        let of_all = ASKED.fetch_add(1, Ordering::Relaxed);
        let before = if self.flaw == Flaw::KeepsItsOwnLimit && self.limit > 0 { self.limit } else { current };
        let is_used = sample.in_flight >= current || self.flaw == Flaw::GrowsUnused;
        let is_odd = match self.flaw {
            Flaw::CountsForAll => of_all % 7 == 3,
            Flaw::KnowsItsThread => self.thread == std::thread::current().id(),
            Flaw::DividesByTheEnds => sample.failed.checked_mul(100).expect("few") / sample.finished.max(1) > 50,
            _ => false,
        };
        let limit = match sample.failed {
            0 if is_used && !is_odd => before.saturating_add(1),
            0 => before,
            _ => before - before.div_ceil(10),
        };
        let least = u32::from(self.flaw != Flaw::GoesToZero);
        self.limit = limit.clamp(least, 1000);
        let answers = self.limit != current || self.flaw == Flaw::RepeatsTheLimit;
        let reason = if self.flaw == Flaw::ExplainsAtLength { "there were failures" } else { "failures" };
        answers.then(|| Adjustment::new(self.limit, reason))
    }

    fn window(&self) -> Option<Duration> {
        Some(Duration::from_millis(if self.flaw == Flaw::AsksTooOften { 10 } else { 100 }))
    }

    fn range(&self) -> RangeInclusive<u32> {
        1..=if self.flaw == Flaw::ChangesItsRange && self.asked > 0 { 2000 } else { 1000 }
    }
}

fn tenth(flaw: Flaw) -> Box<dyn Governor> {
    Box::new(Tenth { flaw, limit: 0, asked: 0, thread: std::thread::current().id() })
}

#[test]
fn a_right_governor_passes_every_case() {
    let report = run(|| tenth(Flaw::None));
    report.assert_passed();
    assert_eq!(report.not_applicable(), [""; 0]);
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::AsksTooOften, "window_and_range_make_sense_and_stay"),
        (Flaw::ChangesItsRange, "window_and_range_make_sense_and_stay"),
        (Flaw::GoesToZero, "a_limit_is_within_the_range"),
        (Flaw::RepeatsTheLimit, "an_answer_changes_the_limit"),
        (Flaw::ExplainsAtLength, "a_reason_is_one_word"),
        (Flaw::GrowsUnused, "nothing_grows_while_the_limit_is_not_used"),
        (Flaw::KeepsItsOwnLimit, "a_limit_that_others_set_is_where_it_goes_on"),
        (Flaw::CountsForAll, "a_replay_gives_the_same_answers"),
        (Flaw::CountsForAll, "instances_are_independent"),
        (Flaw::DividesByTheEnds, "extreme_samples_do_not_panic"),
        (Flaw::KnowsItsThread, "moves_between_threads"),
    ] {
        caught(flaw, case, cases(), || tenth(flaw));
    }
}
