//! A trial: a batch of which only the first jobs start.

use std::num::NonZeroU64;

use batchmill_core::{ErrorClass, Priority};
use batchmill_dispatch::{BatchKey, BatchSetup};

use crate::rig::{Rig, job, jobs, ms, setup};

fn trial(limit: u64) -> BatchSetup {
    let mut setup = setup();
    setup.limit = NonZeroU64::new(limit);
    setup
}

#[test]
fn a_trial_starts_the_first_jobs_of_the_schedulers_order_and_leaves_the_others_pending() {
    let mut rig = Rig::new(2);
    let with = |priority| job(|job| job.priority = Priority(priority));
    assert_eq!(rig.open(trial(3), [1, 9, 5, 7, 3].map(with).to_vec()), "start 1, start 3");
    assert_eq!(rig.ok(1), "1 succeeded, start 2");
    assert_eq!(rig.ok(3), "3 succeeded", "a slot is free and nothing starts");
    assert_eq!(rig.ok(2), "2 succeeded");
    let counts = rig.dispatch.counts(BatchKey(0)).unwrap();
    assert_eq!((counts.pending, counts.submitted), (2, 5));
    assert_eq!(rig.answer(), "end of batch 0: Succeeded", "not before the last record is where it belongs");
    assert_eq!((rig.dispatch.totals().queued, rig.dispatch.totals().batches), (0, 0));
    assert_eq!(rig.dispatch.queued_by_tenant()[0].1, 0);
}

#[test]
fn jobs_of_a_trial_are_tried_again_and_it_waits_for_them() {
    let mut rig = Rig::new(1);
    rig.open(trial(2), jobs(4));
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 100, start 1, wake at 100");
    assert_eq!(rig.ok(1), "1 succeeded");
    assert_eq!(rig.answer(), "", "one of the two has no end yet");
    rig.pause(true);
    assert_eq!(rig.at(100), "");
    assert_eq!(rig.answer(), "", "nor while it waits at a pause");
    assert_eq!(rig.pause(false), "going on, start 0 attempt 2");
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "0 failed (test)");
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn a_trial_of_more_jobs_than_there_are_is_the_whole_batch() {
    let mut rig = Rig::new(5);
    rig.open(trial(9), jobs(2));
    rig.ok(0);
    rig.ok(1);
    assert_eq!(rig.answer(), "end of batch 0: Succeeded");
}

#[test]
fn a_trial_lets_other_batches_pass() {
    let mut rig = Rig::new(1);
    rig.open(trial(1), jobs(3));
    rig.open(setup(), jobs(1));
    assert_eq!(rig.ok(0), "0 succeeded, start 1/0");
    assert_eq!(rig.end_in(1, 0, batchmill_core::Outcome::Succeeded), "1/0 succeeded");
    assert_eq!(rig.answer(), "end of batch 1: Succeeded, end of batch 0: Succeeded");
}

#[test]
fn what_a_trial_left_out_can_be_cancelled_and_meets_its_deadline() {
    let mut rig = Rig::new(1);
    let mut all = jobs(3);
    all.push(job(|job| job.deadline = Some(ms(50))));
    rig.open(trial(1), all);
    rig.fail(0, ErrorClass::Transient);
    assert_eq!(rig.cancel(Some(vec![2])), "2 cancelled (cancelled)");
    assert_eq!(rig.at(50), "3 timed_out (deadline), wake at 100");
    assert_eq!(rig.at(100), "start 0 attempt 2");
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn a_trial_that_is_stopped_gives_the_others_their_end() {
    let mut rig = Rig::new(1);
    rig.open(trial(1), jobs(2));
    assert_eq!(rig.cancel(None), "stopping by request, stop 0, 1 cancelled (cancelled)");
    rig.end(0, batchmill_core::Outcome::Stopped);
    assert_eq!(rig.answer(), "end of batch 0: Cancelled");
}
