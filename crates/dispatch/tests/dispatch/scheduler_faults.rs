//! Schedulers that break their contract: passed over, counted, and never a reason to spin.

use batchmill_core::{ErrorClass, Pick, Token};

use crate::{
    rig::{Rig, jobs, ms, settings, setup},
    schedulers::Said,
};

/// A rig whose scheduler answers with these, the first one first, and honestly afterwards.
fn said(picks: Vec<Pick>) -> Rig {
    Rig::under(settings(1), Box::new(Said::new(picks)))
}

#[test]
fn a_scheduler_that_names_a_moment_that_has_passed_is_asked_again_later() {
    for named in [0, 3, 5] {
        let mut rig = said(vec![Pick::NotBefore(ms(named))]);
        rig.now = ms(5);
        assert_eq!(rig.open(setup(), jobs(1)), "wake at 15", "not before {named} ms, said at 5 ms");
        assert_eq!(rig.dispatch.totals().scheduler_faults, 1);
        assert_eq!(rig.at(15), "start 0");
    }
}

#[test]
fn picks_of_jobs_that_do_not_wait_are_counted_apart_from_void_leases() {
    let never_there = Token(77 << 32);
    let mut rig = said(vec![Pick::Run(never_there), Pick::Run(Token(5))]);
    assert_eq!(rig.open(setup(), jobs(2)), "start 0");
    let totals = rig.dispatch.totals();
    assert_eq!((totals.scheduler_faults, totals.stale), (2, 0));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.ok(0), "", "its lease is void");
    let totals = rig.dispatch.totals();
    assert_eq!((totals.scheduler_faults, totals.stale), (2, 1));
}

#[test]
fn a_scheduler_that_invents_jobs_without_end_does_not_hold_a_step_for_ever() {
    let never_there = |number: u64| Pick::Run(Token((77 << 32) + number));
    let mut rig = said((0..250).map(never_there).collect());
    assert_eq!(rig.open(setup(), jobs(1)), "wake at 10", "after a hundred it is asked later");
    assert_eq!(rig.dispatch.totals().scheduler_faults, 100);
    assert_eq!(rig.at(10), "wake at 20");
    assert_eq!(rig.dispatch.totals().scheduler_faults, 200);
    assert_eq!(rig.at(20), "start 0");
    assert_eq!(rig.dispatch.totals().scheduler_faults, 250);
}
