//! Batches as wholes.

use batchmill_core::{Outcome, Tenant};
use batchmill_dispatch::{BatchKey, Event};

use crate::rig::{Rig, at_least_1, job, jobs, setup};

#[test]
fn an_empty_batch_succeeds_at_once() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.open(setup(), vec![]), "end of batch 0: Succeeded");
}

#[test]
fn nothing_starts_before_all_jobs_are_here() {
    let mut rig = Rig::new(2);
    let batch = rig.dispatch.open(setup(), rig.now);
    assert_eq!(rig.step(Event::JobsAccepted { batch, jobs: jobs(1) }), "");
    assert_eq!(rig.step(Event::JobsAccepted { batch, jobs: jobs(1) }), "");
    assert_eq!(rig.step(Event::LimitChanged { limit: at_least_1(3), why: None }), "");
    assert_eq!(rig.step(Event::Sealed { batch }), "start 0, start 1");
}

#[test]
fn jobs_of_a_batch_that_was_never_opened_change_nothing() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.step(Event::JobsAccepted { batch: BatchKey(7), jobs: jobs(2) }), "");
    assert_eq!(rig.step(Event::JobsAlike { batch: BatchKey(7), like: vec![0] }), "");
    assert_eq!(rig.dispatch.totals().queued, 0);
}

#[test]
fn two_batches_run_side_by_side_and_end_by_themselves() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.open(setup(), jobs(1)), "start 0");
    assert_eq!(rig.open(setup(), jobs(2)), "start 1/0");
    assert_eq!(rig.ok(0), "0 succeeded, start 1/1");
    assert_eq!(rig.answer(), "end of batch 0: Succeeded");
    rig.end_in(1, 0, Outcome::Succeeded);
    assert_eq!(rig.end_in(1, 1, Outcome::Succeeded), "1/1 succeeded");
    assert_eq!(rig.answer(), "end of batch 1: Succeeded");
    assert_eq!(rig.dispatch.totals().batches, 0);
}

#[test]
fn a_batch_ends_only_when_its_last_record_is_answered() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.ok(0);
    let counts = rig.dispatch.counts(BatchKey(0)).unwrap();
    assert_eq!(
        (counts.running, counts.recording, counts.succeeded),
        (0, 1, 0),
        "the slot is free, the end is not sure"
    );
    assert_eq!(rig.answer(), "end of batch 0: Succeeded");
}

#[test]
fn queued_jobs_are_counted_for_each_tenant() {
    let mut rig = Rig::new(1);
    let of = |name: &str| job(|job| job.tenant = Tenant::new(name).unwrap());
    rig.open(setup(), vec![of("a"), of("b"), of("a"), of("default")]);
    let queued = |rig: &Rig| -> Vec<(String, u64)> {
        rig.dispatch.queued_by_tenant().into_iter().map(|(tenant, queued)| (tenant.to_string(), queued)).collect()
    };
    let expected = |a, b| [("a", a), ("b", b), ("default", 1)].map(|(tenant, queued)| (tenant.to_owned(), queued));
    assert_eq!(queued(&rig), expected(1, 1));
    rig.ok(0);
    assert_eq!(queued(&rig), expected(1, 0));
}
