//! Failures and their repetition.

use std::time::Duration;

use batchmill_core::{ErrorClass, Outcome};

use crate::{
    rig::{Rig, failed_node, jobs, settings, setup},
    schedulers::Noting,
};

#[test]
fn a_retry_waits_without_a_slot() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.open(setup(), jobs(2)), "start 0");
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 100, start 1, wake at 100");
    assert_eq!((rig.dispatch.totals().running, rig.dispatch.totals().backing_off), (1, 1));
    assert_eq!(rig.at(99), "wake at 100");
    assert_eq!(rig.at(100), "", "due, but the slot is taken");
    assert_eq!(rig.ok(1), "1 succeeded, start 0 attempt 2");
}

#[test]
fn the_policy_gives_up_and_the_record_tells_every_try() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.fail(0, ErrorClass::Transient);
    assert_eq!(rig.at(100), "start 0 attempt 2");
    assert_eq!(rig.fail(0, ErrorClass::Crash), "retry 0 at 300, wake at 300");
    assert_eq!(rig.at(300), "start 0 attempt 3");
    assert_eq!(rig.fail(0, ErrorClass::Timeout), "0 timed_out (test)");
    let record = &rig.records[0];
    let tries = &record.failure.as_ref().unwrap().tries;
    let classes: Vec<_> = tries.iter().map(|tried| (tried.attempt, tried.class)).collect();
    assert_eq!(classes, [(1, ErrorClass::Transient), (2, ErrorClass::Crash), (3, ErrorClass::Timeout)]);
    assert_eq!((record.attempts, record.started), (3, Some(crate::rig::ms(0))));
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn retries_are_counted_for_each_node() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let at = |node| vec![failed_node(node, ErrorClass::Transient, 0, false)];
    rig.fail_at(0, at("a"));
    rig.at(100);
    rig.fail_at(0, at("a"));
    rig.at(300);
    assert_eq!(rig.fail_at(0, at("b")), "retry 0 at 400, wake at 400", "the first failure of b");
    rig.at(400);
    assert_eq!(rig.fail_at(0, at("a")), "0 failed (test)", "the third failure of a");
    assert_eq!(rig.records[0].attempts, 4);
}

#[test]
fn two_failing_nodes_wait_for_the_longer_delay() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let both =
        vec![failed_node("a", ErrorClass::Transient, 0, false), failed_node("b", ErrorClass::Transient, 1, false)];
    assert_eq!(rig.fail_at(0, both), "retry 0 at 1000, wake at 1000");
}

#[test]
fn one_node_that_failed_for_good_ends_the_job() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let both =
        vec![failed_node("a", ErrorClass::Transient, 0, false), failed_node("b", ErrorClass::Permanent, 0, false)];
    assert_eq!(rig.fail_at(0, both), "0 failed (test)");
    assert_eq!(rig.records[0].failure.as_ref().unwrap().error.node.as_deref(), Some("b"));
}

#[test]
fn the_other_sides_delay_counts() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let mut failure = failed_node("a", ErrorClass::Recoverable, 0, false);
    failure.error.retry_after = Some(Duration::from_secs(7));
    assert_eq!(rig.fail_at(0, vec![failure]), "retry 0 at 7000, wake at 7000");
}

#[test]
fn a_handled_node_goes_on_in_the_same_attempt_and_slot() {
    let mut rig = Rig::new(2);
    let mut setup = setup();
    setup.timeout = Some(Duration::from_millis(50));
    rig.open(setup, jobs(2));
    let before = rig.leases[&(0, 0)];
    rig.now = crate::rig::ms(20);
    let handled = vec![failed_node("a", ErrorClass::Permanent, 0, true)];
    assert_eq!(rig.fail_at(0, handled), "start 0 without a");
    let after = rig.leases[&(0, 0)];
    assert_eq!((after.slot, after.epoch), (before.slot, before.epoch + 1));
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(rig.records[0].attempts, 1);
    assert_eq!(rig.records[0].started, Some(crate::rig::ms(0)));
}

#[test]
fn the_scheduler_hears_once_of_an_attempt_that_went_on_and_of_all_its_time() {
    let scheduler = Noting::default();
    let heard = scheduler.heard.clone();
    let mut rig = Rig::under(settings(1), Box::new(scheduler));
    rig.open(setup(), jobs(1));
    rig.now = crate::rig::ms(20);
    rig.fail_at(0, vec![failed_node("a", ErrorClass::Permanent, 0, true)]);
    assert_eq!(*heard.lock().unwrap(), []);
    rig.now = crate::rig::ms(50);
    rig.ok(0);
    assert_eq!(*heard.lock().unwrap(), [(0, 50)]);
}

#[test]
fn a_handled_node_is_retried_first() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let handled = || vec![failed_node("a", ErrorClass::Transient, 1, true)];
    assert_eq!(rig.fail_at(0, handled()), "retry 0 at 1000, wake at 1000");
    assert_eq!(rig.at(1000), "start 0 attempt 2");
    assert_eq!(rig.fail_at(0, handled()), "start 0 attempt 2 without a");
}

#[test]
fn a_node_that_is_given_up_beside_one_that_is_retried_does_not_run_again() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    let given_up = failed_node("a", ErrorClass::Permanent, 0, true);
    let retried = || failed_node("b", ErrorClass::Transient, 0, false);
    assert_eq!(rig.fail_at(0, vec![given_up, retried()]), "retry 0 at 100, wake at 100");
    assert_eq!(rig.at(100), "start 0 attempt 2 without a");
    assert_eq!(rig.fail_at(0, vec![retried()]), "retry 0 at 300, wake at 300");
    assert_eq!(rig.at(300), "start 0 attempt 3", "the flow knows it by then");
    assert_eq!(rig.ok(0), "0 succeeded");
}

#[test]
fn a_failure_of_the_attempt_as_a_whole_has_no_handler() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    assert_eq!(rig.fail_at(0, vec![failed_node("", ErrorClass::Permanent, 0, true)]), "0 failed (test)");
}

#[test]
fn a_handler_does_not_hold_a_fatal_error_back() {
    let mut rig = Rig::new(2);
    rig.open(setup(), jobs(3));
    let failures =
        vec![failed_node("a", ErrorClass::Permanent, 0, false), failed_node("b", ErrorClass::Fatal, 0, true)];
    let told = rig.fail_at(0, failures);
    assert_eq!(told, "stopping by fatal, 0 failed (test), stop 1, 2 skipped (halted)");
    assert_eq!(rig.records[0].failure.as_ref().unwrap().error.class, ErrorClass::Fatal);
}

#[test]
fn a_lost_host_counts_as_crash_and_not_as_attempt() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.now = crate::rig::ms(5);
    assert_eq!(rig.end(0, Outcome::Lost), "start 0");
    assert_eq!(rig.end(0, Outcome::Stopped), "start 0", "stopped on purpose: counts for nothing");
    assert_eq!(rig.end(0, Outcome::Lost), "start 0");
    assert_eq!(rig.end(0, Outcome::Lost), "0 quarantined (crash_limit)");
    assert_eq!(rig.records[0].attempts, 0);
    assert_eq!(rig.records[0].started, Some(crate::rig::ms(0)), "its first attempt, lost or not");
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}
