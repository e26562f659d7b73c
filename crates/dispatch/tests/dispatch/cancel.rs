//! A person cancels.

use batchmill_core::{Directive, ErrorClass, Outcome, StopReason};
use batchmill_dispatch::{BatchKey, Event};

use crate::{
    policies::Scripted,
    rig::{Rig, job, jobs, ms, setup, setup_with},
};

#[test]
fn a_cancelled_batch_has_cancelled_jobs_and_no_skipped_ones() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![job(|_| ()), job(|_| ()), job(|job| job.after = Some(ms(50)))]);
    assert_eq!(rig.cancel(None), "stopping by request, stop 0, 1 cancelled (cancelled), 2 cancelled (cancelled)");
    assert_eq!(rig.end(0, Outcome::Stopped), "0 cancelled (cancelled)");
    assert_eq!(rig.answer(), "end of batch 0: Cancelled");
}

#[test]
fn single_jobs_are_cancelled_wherever_they_are() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(4));
    rig.fail(0, ErrorClass::Transient);
    // 0 backs off, 1 and 2 run, 3 is queued, 9 does not exist.
    let told = rig.cancel(Some(vec![0, 1, 3, 9, 1]));
    assert_eq!(told, "0 cancelled (cancelled), stop 1, 3 cancelled (cancelled)");
    assert_eq!(rig.end(1, Outcome::Stopped), "1 cancelled (cancelled)");
    rig.ok(2);
    assert_eq!(rig.at(100), "", "the retry is void");
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn what_a_person_cancelled_stays_cancelled_when_the_batch_stops_too() {
    let mut rig = Rig::new(2);
    let strategy = Scripted::new([(1, Directive::Now(StopReason::new("now,fail=1", "")))]);
    rig.open(setup_with(strategy), jobs(2));
    assert_eq!(rig.cancel(Some(vec![1])), "stop 1");
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "stopping by now,fail=1, 0 failed (test)");
    assert_eq!(rig.end(1, Outcome::Stopped), "1 cancelled (cancelled)");
}

#[test]
fn a_cancelled_job_whose_host_is_lost_does_not_run_again() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.cancel(Some(vec![0]));
    assert_eq!(rig.end(0, Outcome::Lost), "0 cancelled (cancelled)");
}

#[test]
fn a_cancel_stops_what_a_soon_halt_lets_finish() {
    let mut rig = Rig::new(2);
    let strategy = Scripted::new([(1, Directive::Soon(StopReason::new("soon,fail=1", "")))]);
    rig.open(setup_with(strategy), jobs(2));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.cancel(None), "stop 1");
    assert_eq!(rig.cancel(None), "", "told once");
    assert_eq!(rig.end(1, Outcome::Stopped), "1 cancelled (cancelled)");
    assert_eq!(rig.answer(), "end of batch 0: halted by soon,fail=1");
}

#[test]
fn jobs_that_arrive_in_a_cancelled_batch_are_cancelled() {
    let mut rig = Rig::new(1);
    let batch = rig.dispatch.open(setup(), rig.now);
    rig.step(Event::JobsAccepted { batch, jobs: jobs(1) });
    assert_eq!(rig.cancel(None), "stopping by request, 0 cancelled (cancelled)");
    assert_eq!(rig.answer(), "");
    assert_eq!(rig.step(Event::JobsAccepted { batch, jobs: jobs(1) }), "1 cancelled (cancelled)");
    assert_eq!(rig.answer(), "", "more may come");
    assert_eq!(rig.step(Event::Sealed { batch }), "end of batch 0: Cancelled");
}

#[test]
fn a_key_of_an_ended_batch_is_void() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.open(setup(), vec![]), "end of batch 0: Succeeded");
    assert_eq!(rig.cancel(None), "");
    assert_eq!(rig.cancel(Some(vec![0])), "");
    assert_eq!(rig.pause(true), "");
    assert_eq!(rig.step(Event::JobsAccepted { batch: BatchKey(0), jobs: jobs(1) }), "");
    assert_eq!(rig.dispatch.counts(BatchKey(0)), None);
}
