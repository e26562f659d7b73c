//! Moments: not before, and not after.

use batchmill_core::{ErrorClass, Outcome};
use batchmill_dispatch::Event;

use crate::{
    policies::Scripted,
    rig::{Rig, job, jobs, ms, setup, setup_with},
};

#[test]
fn a_job_with_after_is_not_queued_before() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.open(setup(), vec![job(|job| job.after = Some(ms(30)))]), "wake at 30");
    assert_eq!(rig.at(29), "wake at 30");
    assert_eq!(rig.at(30), "start 0");
}

#[test]
fn a_deadline_passes_while_the_job_is_queued() {
    let mut rig = Rig::new(1);
    let late = || job(|job| job.deadline = Some(ms(10)));
    rig.open(setup(), vec![job(|_| ()), late()]);
    assert_eq!(rig.at(10), "1 timed_out (deadline)");
    rig.ok(0);
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn a_deadline_passes_while_the_job_runs() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![job(|job| job.deadline = Some(ms(10)))]);
    assert_eq!(rig.at(10), "stop 0");
    assert_eq!(rig.fail(0, ErrorClass::Transient), "0 timed_out (deadline)", "no retry");
    assert_eq!(rig.records[0].attempts, 0, "it did not end by itself");
}

#[test]
fn a_deadline_passes_while_the_job_backs_off() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![job(|job| job.deadline = Some(ms(50)))]);
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 100");
    assert_eq!(rig.at(50), "0 timed_out (deadline), wake at 100");
    assert_eq!(rig.dispatch.totals().backing_off, 0);
    assert_eq!(rig.at(100), "", "the retry is void");
}

#[test]
fn a_job_whose_host_is_lost_after_its_deadline_does_not_run_again() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![job(|job| job.deadline = Some(ms(10)))]);
    rig.at(10);
    assert_eq!(rig.end(0, Outcome::Lost), "0 timed_out (deadline)");
}

#[test]
fn a_job_does_not_start_after_its_deadline_though_the_alarm_is_late() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![job(|_| ()), job(|job| job.deadline = Some(ms(10)))]);
    rig.now = ms(11);
    assert_eq!(rig.ok(0), "0 succeeded, 1 timed_out (deadline)");
    assert_eq!(rig.at(11), "", "its timer is void");
}

#[test]
fn a_deadline_before_the_last_job_has_arrived_waits_for_the_total() {
    let strategy = Scripted::default();
    let log = strategy.log.clone();
    let mut rig = Rig::new(1);
    let batch = rig.dispatch.open(setup_with(strategy), rig.now);
    rig.step(Event::JobsAccepted { batch, jobs: vec![job(|job| job.deadline = Some(ms(1)))] });
    assert_eq!(rig.at(5), "", "one of one would be 100 %");
    rig.step(Event::JobsAccepted { batch, jobs: jobs(9) });
    assert_eq!(rig.step(Event::Sealed { batch }), "0 timed_out (deadline), start 1");
    assert_eq!(log.lock().unwrap()[0].total, 10);
}

#[test]
fn the_deadline_of_a_batch_times_running_jobs_out_and_skips_waiting_ones() {
    let mut rig = Rig::new(1);
    let mut setup = setup();
    setup.deadline = Some(ms(10));
    assert_eq!(rig.open(setup, jobs(2)), "wake at 10, start 0");
    assert_eq!(rig.at(10), "stopping by deadline, stop 0, 1 skipped (batch_deadline)");
    assert_eq!(rig.end(0, Outcome::Stopped), "0 timed_out (batch_deadline)");
    assert_eq!(rig.answer(), "end of batch 0: DeadlinePassed");
}

#[test]
fn nothing_starts_after_the_deadline_of_its_batch_though_the_alarm_is_late() {
    let mut rig = Rig::new(1);
    let mut setup = setup();
    setup.deadline = Some(ms(10));
    rig.open(setup, jobs(2));
    rig.now = ms(11);
    assert_eq!(rig.ok(0), "0 succeeded", "an exit that came late but before the alarm counts");
    assert_eq!(rig.at(11), "stopping by deadline, 1 skipped (batch_deadline)");
    assert_eq!(rig.answer(), "end of batch 0: DeadlinePassed");
}
