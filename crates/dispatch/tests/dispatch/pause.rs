//! A batch that pauses.

use std::num::NonZeroUsize;

use batchmill_core::Priority;
use batchmill_dispatch::{BatchKey, Event};

use crate::{
    rig::{Rig, job, jobs, settings, setup},
    schedulers::Noting,
};

fn pause(batch: u32, paused: bool) -> Event {
    Event::PauseRequested { batch: BatchKey(batch), paused }
}

#[test]
fn a_paused_batch_lets_others_pass_and_keeps_its_order() {
    let mut rig = Rig::new(1);
    let with = |priority| job(|job| job.priority = Priority(priority));
    rig.open(setup(), vec![with(9), with(5), with(7)]);
    rig.open(setup(), jobs(2));
    assert_eq!(rig.pause(true), "pausing by request");
    assert_eq!(rig.ok(0), "0 succeeded, start 1/0", "more urgent ones are set aside");
    assert_eq!(rig.dispatch.totals().queued, 3, "they still count as queued");
    assert_eq!(rig.pause(false), "going on");
    assert_eq!(rig.end_in(1, 0, batchmill_core::Outcome::Succeeded), "1/0 succeeded, start 2");
    assert_eq!(rig.ok(2), "2 succeeded, start 1");
    assert_eq!(rig.ok(1), "1 succeeded, start 1/1");
}

#[test]
fn the_scheduler_hears_at_once_that_what_it_picked_is_set_aside() {
    let scheduler = Noting::default();
    let heard = scheduler.heard.clone();
    let mut rig = Rig::under(settings(1), Box::new(scheduler));
    rig.open(setup(), jobs(2));
    rig.pause(true);
    rig.now = crate::rig::ms(5);
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(*heard.lock().unwrap(), [(0, 5), (1, 0)]);
    assert_eq!(rig.pause(false), "going on, start 1");
    assert_eq!(heard.lock().unwrap().len(), 2, "picked anew, not yet over");
}

#[test]
fn running_jobs_of_a_paused_batch_go_on() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(2));
    rig.pause(true);
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(rig.answer(), "");
    assert_eq!(rig.pause(false), "going on, start 1");
}

#[test]
fn jobs_that_are_set_aside_can_be_cancelled() {
    let mut rig = Rig::new(2);
    rig.dispatch.open(setup(), rig.now);
    rig.step(Event::JobsAccepted { batch: BatchKey(0), jobs: jobs(2) });
    rig.pause(true);
    assert_eq!(rig.step(Event::Sealed { batch: BatchKey(0) }), "");
    assert_eq!(rig.cancel(Some(vec![1])), "1 cancelled (cancelled)");
    assert_eq!(rig.pause(false), "going on, start 0");
    rig.pause(true);
    assert_eq!(rig.cancel(None), "stopping by request, stop 0");
}

#[test]
fn at_the_bound_of_parked_jobs_picking_stops_until_the_batch_goes_on() {
    let mut settings = settings(1);
    settings.parked_limit = NonZeroUsize::new(2).expect("not 0");
    let mut rig = Rig::with(settings);
    rig.dispatch.open(setup(), rig.now);
    rig.step(Event::JobsAccepted { batch: BatchKey(0), jobs: jobs(2) });
    rig.pause(true);
    rig.step(Event::Sealed { batch: BatchKey(0) });
    assert_eq!(rig.open(setup(), jobs(1)), "", "behind the bound");
    assert_eq!(rig.step(pause(1, false)), "");
    assert_eq!(rig.cancel(Some(vec![0])), "0 cancelled (cancelled), start 1/0", "one place is free");
}
