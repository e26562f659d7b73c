//! How long jobs may wait for a start, and take as a whole; and attempts beside what is usual.

use std::{num::NonZeroU32, time::Duration};

use batchmill_core::{ErrorClass, Outcome};
use batchmill_dispatch::{BatchSetup, Event, Past, Setback};

use crate::rig::{Rig, job, jobs, ms, setup};

fn with(change: impl FnOnce(&mut BatchSetup)) -> BatchSetup {
    let mut setup = setup();
    change(&mut setup);
    setup
}

fn waiting(limit: u64) -> BatchSetup {
    with(|setup| setup.queue_timeout = Some(Duration::from_millis(limit)))
}

fn as_a_whole(limit: u64) -> BatchSetup {
    with(|setup| setup.job_timeout = Some(Duration::from_millis(limit)))
}

#[test]
fn a_job_that_waits_too_long_for_its_start_times_out_and_one_that_runs_does_not() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.open(waiting(10), jobs(3)), "start 0, wake at 10");
    assert_eq!(
        rig.explain(1),
        "pending: the only slot is taken; it is the next (priority 0); it times out in 10ms (queue_timeout)"
    );
    assert_eq!(rig.at(9), "wake at 10");
    assert_eq!(rig.at(10), "1 timed_out (queue_timeout), 2 timed_out (queue_timeout)");
    assert_eq!(rig.records[0].failure.as_ref().unwrap().error.message, "it did not start within 10ms");
    assert_eq!((rig.records[0].attempts, rig.records[0].started), (0, None));
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn the_wait_counts_from_when_a_job_might_start() {
    let mut rig = Rig::new(1);
    let late = job(|job| job.after = Some(ms(30)));
    rig.open(waiting(10), vec![job(|_| ()), late]);
    assert_eq!(rig.at(10), "wake at 30", "its time has not begun");
    assert_eq!(rig.at(30), "wake at 40");
    assert_eq!(rig.at(40), "1 timed_out (queue_timeout)");

    let mut rig = Rig::new(1);
    let batch = rig.dispatch.open(waiting(10), rig.now);
    rig.step(Event::JobsAccepted { batch, jobs: jobs(2) });
    rig.now = ms(100);
    assert_eq!(rig.step(Event::Sealed { batch }), "start 0, wake at 110", "while jobs arrive nobody waits");
}

#[test]
fn a_retry_has_started_and_waits_as_long_as_it_must() {
    let mut rig = Rig::new(1);
    rig.open(waiting(10), jobs(1));
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 100");
    assert_eq!(rig.at(50), "wake at 100");
    assert_eq!(rig.at(100), "start 0 attempt 2");
}

#[test]
fn a_job_does_not_start_after_its_time_though_the_alarm_is_late() {
    let mut rig = Rig::new(1);
    rig.open(waiting(10), jobs(2));
    rig.now = ms(11);
    assert_eq!(rig.ok(0), "0 succeeded, 1 timed_out (queue_timeout)");
    assert_eq!(rig.at(11), "", "its timer is void");
}

#[test]
fn what_a_pause_holds_waits_too_and_what_a_trial_leaves_out_does_not() {
    let mut rig = Rig::new(1);
    rig.open(waiting(10), jobs(2));
    rig.step(Event::PauseRequested { batch: batchmill_dispatch::BatchKey(0), paused: true });
    assert_eq!(rig.at(10), "1 timed_out (queue_timeout)");

    let mut rig = Rig::new(1);
    let mut trial = waiting(10);
    trial.limit = std::num::NonZeroU64::new(1);
    rig.open(trial, jobs(2));
    assert_eq!(rig.at(10), "");
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: Succeeded");
}

#[test]
fn an_attempt_gets_no_more_time_than_is_left_to_its_job() {
    let mut rig = Rig::new(1);
    let mut both = as_a_whole(250);
    both.timeout = Some(Duration::from_millis(200));
    rig.open(both, jobs(1));
    assert_eq!(rig.explain(0), "running: an attempt runs, number 1 in slot 0, for 0ms, 200ms left");
    rig.now = ms(20);
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 120, wake at 120");
    assert!(rig.explain(0).contains("it times out in 230ms (job_timeout)"), "{}", rig.explain(0));
    assert_eq!(rig.at(120), "start 0 attempt 2, wake at 250");
    assert_eq!(rig.explain(0), "running: an attempt runs, number 2 in slot 0, for 0ms, 130ms left");
    rig.now = ms(250);
    assert_eq!(rig.fail(0, ErrorClass::Timeout), "0 timed_out (job_timeout)", "no third attempt");
    let failure = rig.records[0].failure.as_ref().unwrap();
    assert_eq!(failure.error.message, "did not end within 250ms of its first start");
    assert_eq!((rig.records[0].attempts, failure.tries.len()), (2, 2));
}

#[test]
fn a_job_times_out_while_it_backs_off() {
    let mut rig = Rig::new(1);
    rig.open(as_a_whole(50), jobs(1));
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 100, wake at 50");
    assert_eq!(rig.at(50), "0 timed_out (job_timeout), wake at 100");
    assert_eq!(rig.at(100), "", "the retry is void");
}

#[test]
fn an_error_of_its_own_at_the_last_moment_stays_what_it_is() {
    let mut rig = Rig::new(2);
    rig.open(as_a_whole(50), jobs(2));
    rig.now = ms(50);
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "0 failed (test)");
    assert_eq!(rig.ok(1), "1 succeeded", "an end that has happened counts");
}

#[test]
fn a_job_whose_worker_is_lost_after_its_time_does_not_run_again() {
    let mut rig = Rig::new(1);
    rig.open(as_a_whole(50), jobs(1));
    rig.now = ms(60);
    assert_eq!(rig.end(0, Outcome::Lost), "0 timed_out (job_timeout), wake at 50");
}

#[test]
fn the_time_of_a_job_goes_on_under_the_next_host() {
    let mut rig = Rig::new(1);
    rig.now = ms(1000);
    let mut setback = Setback::default();
    (setback.attempts, setback.due) = (1, ms(1200));
    setback.first_started = Some(ms(700));
    let interrupted = job(|job| job.past = Past::Interrupted(Box::new(setback.clone())));
    assert_eq!(rig.open(as_a_whole(400), vec![interrupted]), "wake at 1100");
    assert_eq!(rig.at(1100), "0 timed_out (job_timeout), wake at 1200");

    setback.first_started = Some(ms(100));
    let long_gone = job(|job| job.past = Past::Interrupted(Box::new(setback)));
    assert_eq!(rig.open(as_a_whole(400), vec![long_gone]), "wake at 500, 1/0 timed_out (job_timeout)");
}

#[test]
fn a_limit_in_percent_follows_the_median_of_what_succeeded() {
    let mut rig = Rig::new(1);
    let percent = NonZeroU32::new(300);
    let usual = with(|setup| (setup.timeout, setup.timeout_percent) = (Some(Duration::from_secs(60)), percent));
    rig.open(usual, jobs(20));
    let left = |rig: &Rig, index| {
        let explanation = rig.dispatch.explain(batchmill_dispatch::BatchKey(0), index, rig.now).unwrap();
        explanation.due.unwrap().as_secs_f64()
    };
    for index in 0..10 {
        assert!((left(&rig, index) - 60.0).abs() < 1e-9, "{index}: too little is known");
        rig.now = rig.now + Duration::from_secs(2);
        rig.ok(index);
    }
    assert!((left(&rig, 10) - 6.0).abs() < 0.2, "{}", left(&rig, 10));
    rig.now = rig.now + Duration::from_secs(50);
    rig.fail(10, ErrorClass::Permanent);
    assert!((left(&rig, 11) - 6.0).abs() < 0.2, "what fails is not usual: {}", left(&rig, 11));
}
