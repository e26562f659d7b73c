//! Retries that wait for a token of their batch's budget.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, RetryBudget};
use batchmill_dispatch::{BatchKey, BatchSetup, Event, NewJob};

use crate::{
    policies::{Capped, Scripted},
    rig::{Rig, job, jobs, ms, settings, setup},
    schedulers::Plain,
};

/// Up to nine attempts with 100 ms times the attempt between, and a budget of `burst` tokens.
pub(crate) fn thrifty(burst: u32, ratio: f64, per_second: f64) -> BatchSetup {
    let budget = RetryBudget::new(NonZeroU32::new(burst).expect("not 0"), ratio, per_second).expect("a good budget");
    let policy = Capped { budget: Some(budget), ..Capped::new(9, Duration::from_millis(100)) };
    BatchSetup::new(Box::new(Scripted::default()), vec![Arc::new(policy)])
}

/// All of these jobs run and fail at 0 ms; their retries are due at 100 ms.
pub(crate) fn all_failed(setup: BatchSetup, jobs: Vec<NewJob>) -> Rig {
    let many = u32::try_from(jobs.len()).expect("a few");
    let mut rig = Rig::new(many);
    rig.open(setup, jobs);
    for index in 0..many {
        rig.fail(index, ErrorClass::Transient);
    }
    rig
}

#[test]
fn without_tokens_retries_wait_in_order_and_time_brings_them_back() {
    let mut rig = all_failed(thrifty(1, 0.0, 1.0), jobs(4));
    assert_eq!(rig.at(100), "start 0 attempt 2, wake at 1100");
    let counts = rig.dispatch.counts(BatchKey(0)).unwrap();
    assert_eq!((counts.backing_off, counts.failed, rig.dispatch.totals().backing_off), (3, 0, 3));
    assert_eq!(rig.at(1099), "wake at 1100");
    assert_eq!(rig.at(1100), "start 1 attempt 2, wake at 2100");
    assert_eq!(rig.at(2100), "start 2 attempt 2, wake at 3100");
    assert_eq!(rig.at(3100), "start 3 attempt 2");
}

#[test]
fn a_retry_that_succeeds_gives_its_token_to_the_next() {
    let mut rig = all_failed(thrifty(1, 0.1, 0.001), jobs(3));
    assert!(rig.at(100).starts_with("start 0 attempt 2"));
    assert!(rig.ok(0).starts_with("0 succeeded, start 1 attempt 2"), "its own token");
    assert!(rig.ok(1).starts_with("1 succeeded, start 2 attempt 2"));
}

#[test]
fn a_job_that_needs_no_retry_brings_a_share_of_a_token() {
    let mut rig = Rig::new(2);
    rig.open(thrifty(1, 0.5, 0.001), jobs(5));
    rig.fail(0, ErrorClass::Transient);
    rig.fail(1, ErrorClass::Transient);
    assert!(rig.at(100).starts_with("wake at "), "two are due, and the slots are taken");
    assert_eq!(rig.dispatch.counts(BatchKey(0)).unwrap().backing_off, 1, "one has found the only token");
    rig.ok(2);
    assert_eq!(rig.dispatch.counts(BatchKey(0)).unwrap().backing_off, 1, "half a token");
    rig.ok(3);
    assert_eq!(rig.dispatch.counts(BatchKey(0)).unwrap().backing_off, 0);
}

#[test]
fn a_retry_that_fails_costs_another_token_and_goes_behind_those_that_wait() {
    let mut rig = all_failed(thrifty(1, 0.0, 1.0), jobs(2));
    assert!(rig.at(100).starts_with("start 0 attempt 2"));
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 300, wake at 300");
    assert_eq!(rig.at(300), "wake at 1100", "due, and second in line");
    assert_eq!(rig.at(1100), "start 1 attempt 2, wake at 2100");
    assert_eq!(rig.at(2100), "start 0 attempt 3");
}

#[test]
fn each_batch_has_its_own_budget() {
    let mut rig = all_failed(thrifty(1, 0.0, 1.0), jobs(2));
    rig.open(setup(), jobs(2));
    for index in 0..2 {
        rig.end_in(1, index, crate::rig::failed(ErrorClass::Transient));
    }
    let all = rig.at(100);
    assert!(all.contains("start 1/0 attempt 2") && rig.dispatch.totals().backing_off == 1, "{all}");
}

#[test]
fn a_batch_that_is_cancelled_ends_its_parked_retries() {
    let mut rig = all_failed(thrifty(1, 0.0, 0.001), jobs(3));
    rig.at(100);
    assert_eq!(rig.cancel(None), "stopping by request, stop 0, 1 cancelled (cancelled), 2 cancelled (cancelled)");
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: Cancelled");
    assert_eq!(rig.at(2_000_000), "", "nothing waits for a token any more");
}

#[test]
fn a_drain_leaves_parked_retries_to_a_resume() {
    let mut rig = all_failed(thrifty(1, 0.0, 0.001), jobs(3));
    rig.at(100);
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.step(Event::DrainRequested), "");
    assert_eq!(rig.answer(), "end of batch 0: Drained");
    assert_eq!((rig.dispatch.totals().backing_off, rig.dispatch.totals().queued), (0, 0));
}

#[test]
fn a_closing_batch_spends_no_tokens() {
    let mut rig = Rig::under(settings(3), Box::new(Plain::default()));
    let mut setup = thrifty(1, 0.0, 1.0);
    setup.deadline = Some(ms(150));
    rig.open(setup, jobs(3));
    for index in 0..3 {
        rig.fail(index, ErrorClass::Transient);
    }
    rig.at(100);
    assert_eq!(rig.at(5000), "stopping by deadline, stop 0, 1 skipped (batch_deadline), 2 skipped (batch_deadline)");
}

#[test]
fn a_single_job_leaves_the_line_and_its_token_goes_to_the_next() {
    let late = job(|job| job.deadline = Some(ms(700)));
    let mut rig = all_failed(thrifty(1, 0.0, 1.0), [jobs(1), vec![late], jobs(2)].concat());
    assert!(rig.at(100).starts_with("start 0 attempt 2"));
    assert_eq!(rig.cancel(Some(vec![2])), "2 cancelled (cancelled)");
    assert_eq!(rig.at(700), "1 timed_out (deadline), wake at 1100");
    assert_eq!(rig.at(1100), "start 3 attempt 2");
}
