//! Jobs that may be what takes hosts down.

use batchmill_core::{ErrorClass, Outcome, Priority};
use batchmill_dispatch::{BatchKey, Event, NewJob, Past, Setback};

use crate::rig::{Rig, failed_node, job, jobs, setup};

/// Lost with its host so often.
fn lost(crashes: u32) -> NewJob {
    let mut setback = Setback::default();
    setback.crashes = crashes;
    job(|job| job.past = Past::Interrupted(Box::new(setback)))
}

#[test]
fn suspects_run_one_at_a_time_and_others_beside_them() {
    let mut rig = Rig::new(9);
    let all = [vec![lost(2), lost(2), lost(2), lost(1)], jobs(1)].concat();
    assert_eq!(rig.open(setup(), all), "start 0, start 3, start 4");
    let held =
        "pending: it may be what took its hosts down: such jobs run one at a time, and another one runs in slot 0";
    assert_eq!(rig.explain(1), format!("{held}; its host was lost 2 times while it ran"));
    assert_eq!(rig.census()[1], format!("2 {held}"));
    assert_eq!(rig.dispatch.totals().queued, 2, "they are still queued");
    assert_eq!(rig.ok(3), "3 succeeded", "no slot is missing");
    assert_eq!(rig.ok(0), "0 succeeded, start 1");
    assert_eq!(rig.fail(1, ErrorClass::Transient), "retry 1 at 100, start 2, wake at 100");
    assert_eq!(rig.at(100), "", "it still is one");
    assert_eq!(rig.end(2, Outcome::Stopped), "start 1 attempt 2", "in the order of the scheduler");
}

#[test]
fn the_order_of_the_scheduler_says_which_suspect_is_next() {
    let mut rig = Rig::new(9);
    let mut urgent = lost(2);
    urgent.priority = Priority(7);
    rig.open(setup(), vec![lost(2), lost(2)]);
    assert_eq!(rig.open(setup(), vec![urgent]), "", "of another batch of the same host");
    assert_eq!(rig.ok(0), "0 succeeded, start 1/0");
    assert_eq!(rig.end_in(1, 0, Outcome::Succeeded), "1/0 succeeded, start 1");
}

#[test]
fn a_suspect_whose_flow_goes_on_is_still_the_one() {
    let mut rig = Rig::new(9);
    assert_eq!(rig.open(setup(), vec![lost(2), lost(2)]), "start 0");
    let handled = vec![failed_node("a", ErrorClass::Permanent, 0, true)];
    assert_eq!(rig.fail_at(0, handled), "start 0 without a");
    assert_eq!(rig.ok(0), "0 succeeded, start 1");
}

#[test]
fn a_worker_that_is_lost_makes_a_suspect_too() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![lost(1)]);
    assert_eq!(rig.end(0, Outcome::Lost), "start 0");
    assert_eq!(rig.end(0, Outcome::Lost), "0 quarantined (crash_limit)");
}

#[test]
fn suspects_that_are_set_aside_can_be_cancelled_and_end_with_their_batch() {
    let mut rig = Rig::new(9);
    rig.open(setup(), vec![lost(2), lost(2), lost(2)]);
    assert_eq!(rig.cancel(Some(vec![1])), "1 cancelled (cancelled)");
    assert_eq!(rig.ok(0), "0 succeeded, start 2");
    let mut rig = Rig::new(9);
    rig.open(setup(), vec![lost(2), lost(2)]);
    rig.step(Event::DrainRequested);
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: Drained");
    assert_eq!(rig.dispatch.totals().queued, 0, "nothing is left behind");
}

#[test]
fn a_suspect_of_a_paused_batch_lets_one_of_another_batch_pass() {
    let mut rig = Rig::new(9);
    rig.open(setup(), vec![lost(2), lost(2)]);
    rig.open(setup(), vec![lost(2)]);
    rig.pause(true);
    assert_eq!(rig.ok(0), "0 succeeded, start 1/0");
    assert_eq!(rig.explain(1), "pending: the batch is paused by a person; its host was lost 2 times while it ran");
    assert_eq!(rig.pause(false), "going on");
    assert_eq!(rig.step(Event::CancelRequested { batch: BatchKey(1), jobs: None }), "stopping by request, stop 1/0");
    assert_eq!(rig.end_in(1, 0, Outcome::Stopped), "1/0 cancelled (cancelled), start 1");
}
