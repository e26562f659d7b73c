//! Why does it wait? Every reason there is, as a person reads it.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use batchmill_core::{Directive, ErrorClass, Pick, StopReason};
use batchmill_dispatch::{BatchKey, Effect, Event, Settings};

use crate::{
    budget::{all_failed, thrifty},
    policies::Scripted,
    rig::{Rig, job, jobs, ms, settings, setup, setup_with},
    schedulers::Said,
};

fn narrow(unanswered_limit: u64) -> Settings {
    let mut settings = settings(1);
    settings.unanswered_limit = NonZeroU64::new(unanswered_limit).expect("not 0");
    settings
}

#[test]
fn a_job_that_is_ready_waits_for_a_slot_behind_others() {
    let mut rig = Rig::new(1);
    let urgent = job(|job| job.priority = batchmill_core::Priority(7));
    rig.open(setup(), jobs(1));
    rig.open(setup(), [jobs(2), vec![urgent]].concat());
    assert_eq!(rig.explain_in(1, 2), "pending: the only slot is taken; it is the next (priority 7)");
    assert_eq!(rig.explain_in(1, 0), "pending: the only slot is taken; 1 job is before it (priority 0)");
    assert_eq!(rig.explain_in(1, 1), "pending: the only slot is taken; 2 jobs are before it (priority 0)");
    assert_eq!(rig.explain(1), "unknown");
    assert_eq!(rig.explain_in(2, 0), "unknown");
}

#[test]
fn a_job_that_runs_tells_where_since_when_and_until_when() {
    let mut rig = Rig::new(2);
    let mut setup = setup();
    setup.timeout = Some(Duration::from_secs(60));
    rig.open(setup, jobs(2));
    rig.now = ms(2500);
    assert_eq!(rig.explain(1), "running: an attempt runs, number 1 in slot 1, for 2.5s, 57.5s left");
    rig.cancel(Some(vec![1]));
    let told = "running: the attempt was told to end: cancelled by request, number 1 in slot 1, for 2.5s";
    assert_eq!(rig.explain(1), told);
}

#[test]
fn a_job_whose_time_is_to_come_says_when() {
    let mut rig = Rig::new(1);
    rig.open(setup(), vec![job(|job| job.after = Some(ms(5000)))]);
    assert_eq!(rig.explain(0), "pending: `after` is to come, due in 5.0s");
}

#[test]
fn a_retry_says_what_failed_and_when_it_is_due() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.fail(0, ErrorClass::Transient);
    rig.now = ms(30);
    let text = "backing off: the retry is not due yet, due in 70ms; attempt 1 failed: transient: failed";
    assert_eq!(rig.explain(0), text);
}

#[test]
fn a_retry_without_a_token_says_since_when_the_budget_is_empty_and_who_is_before_it() {
    let mut rig = all_failed(thrifty(1, 0.0, 1.0), jobs(3));
    rig.at(100);
    rig.now = ms(600);
    let text = |order: &str| {
        format!(
            "backing off: the retry budget of the batch is empty since 500ms, due in 500ms; {order}; \
             attempt 1 failed: transient: failed"
        )
    };
    assert_eq!(rig.explain(1), text("it is the next"));
    assert_eq!(rig.explain(2), text("1 job is before it"));
    assert_eq!(
        rig.census(),
        ["2 backing off: the retry budget of the batch is empty, the first due in 500ms", "1 running: an attempt runs"]
    );
}

#[test]
fn a_batch_that_is_not_accepted_yet_or_paused_starts_nothing() {
    let mut rig = Rig::new(1);
    let batch = rig.dispatch.open(
        setup_with(Scripted::new([(1, Directive::Pause(StopReason::new("pause,fail=1", "1 job failed")))])),
        rig.now,
    );
    rig.step(Event::JobsAccepted { batch, jobs: jobs(3) });
    assert_eq!(rig.explain(0), "pending: not all jobs of the batch are accepted yet");
    rig.pause(true);
    rig.step(Event::Sealed { batch });
    assert_eq!(rig.explain(0), "pending: the batch is paused by a person");
    rig.pause(false);
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.explain(1), "pending: the batch is paused by `pause,fail=1`");
}

#[test]
fn a_slow_sink_is_named() {
    let mut rig = Rig::with(narrow(2));
    rig.open(setup(), jobs(3));
    rig.ok(0);
    rig.ok(1);
    assert_eq!(
        rig.explain(2),
        "pending: the sink is slow: the limit of 2 results on their way is reached; it is the next (priority 0)"
    );
    assert_eq!(rig.explain(0), "recording: succeeded, and the record is on the way");
    rig.step(Event::Answered { batch: BatchKey(0), jobs: vec![0] });
    assert_eq!(rig.explain(0), "succeeded");
}

#[test]
fn a_job_behind_those_that_are_set_aside_says_so() {
    let mut settings = settings(1);
    settings.parked_limit = NonZeroUsize::MIN;
    let mut rig = Rig::with(settings);
    let batch = rig.dispatch.open(setup(), rig.now);
    rig.step(Event::JobsAccepted { batch, jobs: jobs(1) });
    rig.pause(true);
    rig.step(Event::Sealed { batch });
    rig.open(setup(), jobs(1));
    let behind = "pending: the room for jobs that are set aside (1) is used up; it is the next (priority 0)";
    assert_eq!(rig.explain_in(1, 0), behind);
    assert_eq!(rig.explain(0), "pending: the batch is paused by a person", "set aside itself");
}

#[test]
fn a_scheduler_that_holds_a_job_back_is_named() {
    let mut rig = Rig::under(settings(1), Box::new(Said::new([Pick::NotBefore(ms(900))])));
    rig.open(setup(), jobs(1));
    assert_eq!(rig.explain(0), "pending: the scheduler holds it back, due in 900ms; it is the next (priority 0)");
}

#[test]
fn what_ends_says_why_while_its_record_waits_for_room() {
    let mut rig = Rig::with(narrow(1));
    let stop = Directive::Soon(StopReason::new("soon,fail=1", "1 job failed"));
    rig.open(setup_with(Scripted::new([(1, stop)])), jobs(3));
    rig.fail(0, ErrorClass::Permanent);
    assert_eq!(rig.explain(1), "pending: the batch was stopped by `soon,fail=1`");
    let mut rig = Rig::with(narrow(1));
    rig.open(setup(), jobs(3));
    rig.ok(0);
    rig.cancel(None);
    assert_eq!(rig.explain(1), "pending: the batch was cancelled");
    let mut rig = Rig::with(narrow(1));
    rig.open(setup(), jobs(3));
    rig.ok(0);
    rig.cancel(Some(vec![2]));
    let decided = "pending: the end is decided (cancelled) and waits for room for its record";
    assert!(rig.explain(2).starts_with(decided), "{}", rig.explain(2));
    assert!(
        rig.explain(1).starts_with("pending: the sink is slow: the limit of 1 results on their way is reached"),
        "{}",
        rig.explain(1)
    );
}

#[test]
fn what_a_trial_leaves_out_says_so() {
    let mut rig = Rig::new(1);
    let mut setup = setup();
    setup.limit = NonZeroU64::new(1);
    rig.open(setup, [jobs(2), vec![job(|job| job.after = Some(ms(9000)))]].concat());
    for index in [1, 2] {
        assert_eq!(rig.explain(index), "pending: the trial starts no more than 1");
    }
    assert_eq!(rig.census(), ["2 pending: the trial starts no more than 1", "1 running: an attempt runs"]);
}

#[test]
fn a_deadline_counts_before_its_timer() {
    let mut rig = Rig::new(1);
    let mut setup = setup();
    setup.deadline = Some(ms(50));
    rig.open(setup, [jobs(2), vec![job(|job| job.deadline = Some(ms(20)))]].concat());
    rig.now = ms(30);
    assert!(rig.explain(2).starts_with("pending: the end is decided (timed_out)"), "{}", rig.explain(2));
    rig.now = ms(50);
    assert!(rig.explain(1).starts_with("pending: the deadline of the batch has passed"), "{}", rig.explain(1));
}

#[test]
fn the_end_of_the_host_and_of_its_storage_are_named() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(3));
    rig.step(Event::DrainRequested);
    assert!(rig.explain(1).starts_with("pending: the host drains: nothing starts any more"), "{}", rig.explain(1));
    rig.stop();
    assert!(rig.explain(0).starts_with("running: the attempt was told to end: the host ends"), "{}", rig.explain(0));
    assert_eq!(
        rig.census(),
        [
            "2 pending: the host drains: nothing starts any more",
            "1 running: the attempt was told to end: the host ends"
        ]
    );
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(2));
    rig.step(Event::DeliveryFailed { batch: BatchKey(0), message: "the disk is gone".into() });
    assert!(rig.explain(1).starts_with("pending: results can not be stored: the disk is gone"), "{}", rig.explain(1));
}

#[test]
fn a_batch_that_ends_before_its_jobs_says_what_it_leaves() {
    let mut rig = Rig::new(1);
    rig.open(setup(), [jobs(3), vec![job(|job| job.after = Some(ms(9000)))]].concat());
    rig.fail(0, ErrorClass::Transient);
    rig.step(Event::DrainRequested);
    let mut effects = Vec::new();
    let event = Event::AttemptEnded {
        lease: rig.leases[&(0, 1)],
        outcome: batchmill_core::Outcome::Stopped,
        usage: batchmill_core::Usage::default(),
        draw: batchmill_core::Draw::from_bits(0),
    };
    rig.dispatch.step(rig.now, event, &mut effects);
    let Some(Effect::BatchEnded { left, .. }) = effects.pop() else { panic!("nothing runs any more: {effects:?}") };
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    let why = "the host drains: nothing starts any more";
    assert_eq!(left, [format!("3 pending: {why}"), format!("1 backing off: {why}")]);
}

#[test]
fn programs_read_the_same() {
    let mut rig = all_failed(thrifty(1, 0.0, 1.0), jobs(2));
    rig.at(100);
    rig.now = ms(600);
    let data = serde_json::to_value(rig.dispatch.explain(BatchKey(0), 1, rig.now)).unwrap();
    assert_eq!(
        data,
        serde_json::json!({
            "state": "backing_off", "reason": "retry_budget", "burst": 1, "attempts": 1, "since_seconds": 0.5,
            "due_seconds": 0.5, "ahead": 0,
            "last_failure": {"attempt": 1, "class": "transient", "message": "failed"},
        })
    );
    let data = serde_json::to_value(rig.dispatch.explain(BatchKey(0), 0, rig.now)).unwrap();
    let expected = serde_json::json!({
        "state": "running", "reason": "running", "attempts": 1, "since_seconds": 0.5, "slot": 1,
    });
    assert_eq!(data, expected);
    let shares = serde_json::to_value(rig.dispatch.census(BatchKey(0), rig.now)).unwrap();
    assert_eq!((&shares[0]["reason"], &shares[1]["reason"]), (&"running".into(), &"retry_budget".into()));
}

#[test]
fn jobs_with_the_same_reason_are_counted_together() {
    let mut rig = Rig::new(2);
    let later = job(|job| job.after = Some(ms(9000)));
    rig.open(setup(), [jobs(5), vec![later; 2]].concat());
    rig.fail(0, ErrorClass::Transient);
    rig.ok(1);
    assert_eq!(
        rig.census(),
        [
            "2 running: an attempt runs",
            "2 pending: `after` is to come, the first due in 9.0s",
            "1 backing off: the retry is not due yet, due in 100ms",
            "1 recording: succeeded, and the record is on the way",
            "1 pending: all 2 slots are taken",
        ]
    );
}
