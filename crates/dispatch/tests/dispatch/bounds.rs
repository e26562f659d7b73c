//! Limits: of attempts that run, and of records that wait for an answer.

use std::num::NonZeroU64;

use batchmill_dispatch::{BatchKey, Event, Reason};

use crate::rig::{Rig, at_least_1, job, jobs, ms, settings, setup};

fn narrow(limit: u32, unanswered_limit: u64) -> Rig {
    let mut settings = settings(limit);
    settings.unanswered_limit = NonZeroU64::new(unanswered_limit).expect("not 0");
    Rig::with(settings)
}

fn answered(batch: u32, index: u32) -> Event {
    Event::Answered { batch: BatchKey(batch), jobs: vec![index] }
}

#[test]
fn a_lower_limit_stops_starting_and_a_higher_one_starts() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.open(setup(), jobs(6)), "start 0, start 1");
    assert_eq!(
        rig.step(Event::LimitChanged { limit: at_least_1(1), why: None }),
        "",
        "running jobs are never stopped for it"
    );
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(rig.ok(1), "1 succeeded, start 2");
    assert_eq!(rig.step(Event::LimitChanged { limit: at_least_1(3), why: None }), "start 3, start 4");
}

#[test]
fn results_that_are_too_large_together_stop_the_starts_until_they_are_recorded() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(5));
    assert_eq!(rig.step(Event::Crowded { crowded: true }), "");
    assert_eq!(rig.ok(0), "0 succeeded", "no room");
    assert_eq!(rig.ok(1), "1 succeeded");
    assert_eq!(rig.step(answered(0, 0)), "", "one record less changes nothing");
    assert_eq!(rig.dispatch.explain(BatchKey(0), 2, rig.now).unwrap().reason, Reason::Crowded);
    assert_eq!(rig.step(Event::Crowded { crowded: false }), "start 2, start 3");
}

#[test]
fn at_the_bound_of_unanswered_records_nothing_starts_until_one_is_answered() {
    let mut rig = narrow(2, 2);
    rig.open(setup(), jobs(5));
    assert_eq!(rig.ok(0), "0 succeeded, start 2");
    assert_eq!(rig.ok(1), "1 succeeded", "no room");
    assert_eq!(rig.ok(2), "2 succeeded");
    assert_eq!(rig.step(answered(0, 0)), "", "still no room");
    assert_eq!(rig.step(answered(0, 0)), "", "a second answer makes none");
    assert_eq!(rig.step(answered(0, 1)), "start 3, start 4");
}

#[test]
fn a_batch_closes_as_fast_as_records_are_answered() {
    let mut rig = narrow(1, 2);
    rig.open(setup(), jobs(4));
    assert_eq!(rig.cancel(None), "stopping by request, stop 0, 1 cancelled (cancelled), 2 cancelled (cancelled)");
    assert_eq!(rig.step(answered(0, 1)), "3 cancelled (cancelled)");
}

#[test]
fn a_batch_goes_on_closing_when_another_one_makes_room() {
    let mut rig = narrow(1, 1);
    rig.open(setup(), jobs(1));
    rig.ok(0);
    rig.open(setup(), jobs(1));
    assert_eq!(rig.step(Event::CancelRequested { batch: BatchKey(1), jobs: None }), "stopping by request", "no room");
    assert_eq!(rig.answer(), "1/0 cancelled (cancelled), end of batch 0: Succeeded, end of batch 1: Cancelled");
}

#[test]
fn deadlines_of_many_jobs_at_once_keep_to_the_bound() {
    let mut rig = narrow(1, 2);
    let late = job(|job| job.deadline = Some(ms(10)));
    rig.open(setup(), [jobs(1), vec![late; 4]].concat());
    assert_eq!(rig.at(10), "1 timed_out (deadline), 2 timed_out (deadline)");
    assert_eq!(rig.step(answered(0, 1)), "3 timed_out (deadline)");
    assert_eq!(rig.cancel(Some(vec![4])), "", "its end is decided already, and waits");
    assert_eq!(rig.step(answered(0, 2)), "4 timed_out (deadline)");
}

#[test]
fn a_million_jobs_fit_and_end() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.open(setup(), jobs(1_000_000)), "start 0");
    assert_eq!(rig.dispatch.totals().queued, 999_999);
    assert_eq!(rig.step(Event::DrainRequested), "");
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: Drained");
    assert_eq!(rig.dispatch.totals().queued, 0);
}
