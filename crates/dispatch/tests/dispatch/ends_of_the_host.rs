//! Drain, stop, and storage that is gone.

use std::num::NonZeroU64;

use batchmill_core::{ErrorClass, Outcome};
use batchmill_dispatch::{BatchKey, Event};

use crate::rig::{Rig, failed_node, jobs, settings, setup};

#[test]
fn drain_lets_running_jobs_finish_and_leaves_the_rest_pending() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(4));
    assert_eq!(rig.step(Event::DrainRequested), "");
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(rig.fail(1, ErrorClass::Transient), "retry 1 at 100, wake at 100");
    let counts = rig.dispatch.counts(BatchKey(0)).unwrap();
    assert_eq!((counts.pending, counts.backing_off, counts.recording), (2, 1, 1));
    assert_eq!(rig.answer(), "end of batch 0: Drained");
    assert_eq!((rig.dispatch.totals().queued, rig.dispatch.totals().backing_off), (0, 0), "nothing is left behind");
    assert_eq!(rig.at(100), "", "the retry is void");
}

#[test]
fn a_batch_without_running_jobs_is_drained_at_once() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.open(setup(), jobs(1));
    assert_eq!(rig.step(Event::DrainRequested), "end of batch 1: Drained");
    assert_eq!(rig.open(setup(), jobs(1)), "end of batch 2: Drained", "also one that comes later");
}

#[test]
fn stop_does_not_record() {
    let mut rig = Rig::new(4);
    rig.open(setup(), jobs(4));
    assert_eq!(rig.stop(), "stop 0, stop 1, stop 2, stop 3");
    assert_eq!(rig.stop(), "stop 0, stop 1, stop 2, stop 3", "said again: it may be more urgent");
    assert_eq!(rig.end(0, Outcome::Stopped), "");
    assert_eq!(rig.fail(1, ErrorClass::Cancelled), "", "how it ends is ours");
    let handled = vec![failed_node("a", ErrorClass::Permanent, 0, true)];
    assert_eq!(rig.fail_at(2, handled), "", "it does not go on either");
    assert_eq!(rig.ok(3), "3 succeeded", "but what is done is done");
    assert_eq!(rig.answer(), "end of batch 0: Drained");
}

#[test]
fn storage_that_fails_ends_the_batch_when_nothing_runs_any_more() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(4));
    rig.ok(0);
    let failed = || Event::DeliveryFailed { batch: BatchKey(0), message: "the disk is gone".into() };
    assert_eq!(rig.step(failed()), "stop 2, stop 1", "in the order of their slots");
    assert_eq!(rig.step(failed()), "");
    assert_eq!(rig.end(1, Outcome::Stopped), "");
    assert_eq!(rig.end(2, Outcome::Stopped), "end of batch 0: storage failed, the disk is gone");
    let totals = rig.dispatch.totals();
    assert_eq!((totals.unanswered, totals.queued, totals.running), (0, 0, 0));
}

#[test]
fn the_room_of_a_batch_whose_storage_failed_is_free_for_others() {
    let mut settings = settings(1);
    settings.unanswered_limit = NonZeroU64::MIN;
    let mut rig = Rig::with(settings);
    rig.open(setup(), jobs(1));
    rig.ok(0);
    assert_eq!(rig.open(setup(), jobs(1)), "", "no room");
    let failed = Event::DeliveryFailed { batch: BatchKey(0), message: "gone".into() };
    assert_eq!(rig.step(failed), "end of batch 0: storage failed, gone, start 1/0");
}

#[test]
fn a_cancelled_batch_that_is_drained_before_it_is_sealed_ends_cancelled() {
    let mut rig = Rig::new(1);
    let batch = rig.dispatch.open(setup(), rig.now);
    rig.step(Event::JobsAccepted { batch, jobs: jobs(1) });
    rig.cancel(None);
    assert_eq!(rig.step(Event::DrainRequested), "");
    assert_eq!(rig.answer(), "end of batch 0: Cancelled");
}

#[test]
fn a_job_that_a_person_cancelled_is_recorded_before_its_batch_is_drained() {
    let mut settings = settings(1);
    settings.unanswered_limit = NonZeroU64::MIN;
    let mut rig = Rig::with(settings);
    rig.open(setup(), jobs(1));
    rig.ok(0);
    rig.open(setup(), jobs(2));
    let cancel = Event::CancelRequested { batch: BatchKey(1), jobs: Some(vec![0, 0]) };
    assert_eq!(rig.step(cancel), "", "no room for its record");
    assert_eq!(rig.step(Event::DrainRequested), "", "the wish is not forgotten");
    assert_eq!(rig.answer(), "1/0 cancelled (cancelled), end of batch 0: Succeeded, end of batch 1: Drained");
}
