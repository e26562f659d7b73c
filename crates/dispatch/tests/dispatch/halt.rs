//! When failures stop a batch.

use batchmill_core::{Directive, ErrorClass, Outcome, Pause, StopReason};
use batchmill_dispatch::BatchKey;

use crate::{
    policies::Scripted,
    rig::{Rig, jobs, setup, setup_with},
};

fn answers(first: Directive) -> Scripted {
    Scripted::new([(1, first)])
}

fn soon() -> Directive {
    Directive::Soon(StopReason::new("soon,fail=1", "1 job failed"))
}

fn now() -> Directive {
    Directive::Now(StopReason::new("now,fail=1", "1 job failed"))
}

#[test]
fn a_fatal_error_stops_the_batch_at_once() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(4));
    let told = rig.fail(0, ErrorClass::Fatal);
    assert_eq!(told, "stopping by fatal, 0 failed (test), stop 1, 2 skipped (halted), 3 skipped (halted)");
    assert_eq!(rig.end(1, Outcome::Stopped), "1 skipped (halted)");
    assert_eq!(rig.answer(), "end of batch 0: halted by fatal");
}

#[test]
fn soon_lets_running_jobs_finish_and_skips_the_rest() {
    let mut rig = Rig::new(2);
    rig.open(setup_with(answers(soon())), jobs(4));
    let told = rig.fail(0, ErrorClass::Permanent);
    assert_eq!(told, "stopping by soon,fail=1, 0 failed (test), 2 skipped (halted), 3 skipped (halted)");
    assert_eq!(rig.ok(1), "1 succeeded");
    assert_eq!(rig.answer(), "end of batch 0: halted by soon,fail=1");
}

#[test]
fn what_would_be_retried_while_the_batch_stops_is_skipped() {
    let mut rig = Rig::new(2);
    rig.open(setup_with(answers(soon())), jobs(2));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.fail(1, ErrorClass::Transient), "1 skipped (halted)", "no retry is announced that never comes");
    let record = &rig.records[1];
    assert_eq!((record.attempts, record.failure.as_ref().unwrap().tries.len()), (1, 1));
    assert_eq!(rig.dispatch.retries(record.batch), Some(0));
    assert_eq!(rig.answer(), "end of batch 0: halted by soon,fail=1");
}

#[test]
fn a_lost_job_of_a_batch_that_stops_is_skipped() {
    let mut rig = Rig::new(2);
    rig.open(setup_with(answers(soon())), jobs(2));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.end(1, Outcome::Lost), "1 skipped (halted)");
    assert_eq!(rig.answer(), "end of batch 0: halted by soon,fail=1");
}

#[test]
fn now_stops_running_jobs_and_marks_them_skipped() {
    let mut rig = Rig::new(3);
    rig.open(setup_with(answers(now())), jobs(4));
    let told = rig.fail(0, ErrorClass::Permanent);
    assert_eq!(told, "stopping by now,fail=1, 0 failed (test), stop 1, stop 2, 3 skipped (halted)");
    assert_eq!(rig.end(1, Outcome::Stopped), "1 skipped (halted)");
    assert_eq!(rig.fail(2, ErrorClass::Crash), "2 skipped (halted)", "it ended by an error, but it was told to end");
    assert_eq!(rig.answer(), "end of batch 0: halted by now,fail=1");
}

#[test]
fn a_success_that_comes_after_the_stop_is_accepted() {
    let mut rig = Rig::new(2);
    rig.open(setup_with(answers(now())), jobs(2));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.ok(1), "1 succeeded");
    assert_eq!(rig.answer(), "end of batch 0: halted by now,fail=1");
}

#[test]
fn a_fatal_error_stops_what_soon_lets_finish() {
    let mut rig = Rig::new(3);
    rig.open(setup_with(answers(soon())), jobs(3));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.fail(1, ErrorClass::Fatal), "1 failed (test), stop 2");
    rig.end(2, Outcome::Stopped);
    assert_eq!(rig.answer(), "end of batch 0: halted by soon,fail=1", "a batch closes once");
}

#[test]
fn the_strategy_is_told_of_every_end_of_an_attempt_but_its_first_stop_counts() {
    let strategy = Scripted::new([(1, soon()), (2, now())]);
    let log = strategy.log.clone();
    let mut rig = Rig::new(3);
    rig.open(setup_with(strategy), jobs(4));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.fail(1, ErrorClass::Permanent), "1 failed (test)");
    rig.ok(2);
    let told: Vec<_> = log.lock().unwrap().iter().map(|heard| (heard.status.as_str(), heard.total)).collect();
    assert_eq!(told, [("failed", 4), ("failed", 4), ("succeeded", 4)], "not of the one that was skipped");
}

#[test]
fn the_strategy_pauses_until_a_person_unpauses() {
    let mut rig = Rig::new(1);
    rig.open(setup_with(answers(Directive::Pause(StopReason::new("pause,fail=1", "1 job failed")))), jobs(2));
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "pausing by pause,fail=1, 0 failed (test)");
    assert_eq!(rig.answer(), "");
    assert_eq!(rig.pause(false), "going on, start 1");
}

fn pauses_at_each_of_three() -> Scripted {
    let pause = |rule: &str| Directive::Pause(StopReason::new(rule, "as scripted"));
    Scripted::new([(1, pause("first")), (2, pause("second")), (3, pause("third"))])
}

#[test]
fn a_batch_that_a_rule_paused_is_not_paused_again_by_what_still_ran() {
    let mut rig = Rig::new(2);
    rig.open(setup_with(pauses_at_each_of_three()), jobs(4));
    let paused = |rig: &Rig| rig.dispatch.paused(BatchKey(0));
    assert_eq!(paused(&rig), None);
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "pausing by first, 0 failed (test)");
    assert_eq!(rig.fail(1, ErrorClass::Permanent), "1 failed (test)");
    assert_eq!(paused(&rig), Some(Pause::Rule(StopReason::new("first", "as scripted"))));
    rig.pause(true);
    assert!(matches!(paused(&rig), Some(Pause::Rule(_))), "a person changes nothing about why");
    assert_eq!(rig.pause(false), "going on, start 2, start 3");
    assert_eq!(paused(&rig), None);
    assert_eq!(rig.fail(2, ErrorClass::Permanent), "pausing by third, 2 failed (test)", "and then again");
}

#[test]
fn a_rule_is_heard_although_a_person_has_paused_the_batch() {
    let mut rig = Rig::new(1);
    rig.open(setup_with(pauses_at_each_of_three()), jobs(2));
    rig.pause(true);
    assert_eq!(rig.dispatch.paused(BatchKey(0)), Some(Pause::Requested));
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "pausing by first, 0 failed (test)");
    assert_eq!(rig.pause(false), "going on, start 1");
}
