//! A batch that goes on under a later host.

use std::{num::NonZeroU64, time::Duration};

use batchmill_core::{
    Closing, Directive, ErrorClass, FinalResult, GivenUp, JobError, Outcome, Pause, Status, StopReason,
};
use batchmill_dispatch::{BatchKey, BatchSetup, Event, FailedTry, NewJob, Past, Setback};

use crate::{
    budget::thrifty,
    policies::Scripted,
    rig::{Rig, job, jobs, ms, settings, setup, setup_with},
};

/// A batch that was accepted ten seconds after the clock's zero, by a host before this one.
fn resumed(mut setup: BatchSetup) -> BatchSetup {
    (setup.accepted, setup.resumed) = (Some(ms(10_000)), true);
    setup
}

/// A host that begins a minute after the clock's zero.
fn later_host(limit: u32) -> Rig {
    let mut rig = Rig::new(limit);
    rig.now = ms(60_000);
    rig
}

fn ended(status: Status) -> NewJob {
    job(|job| job.past = Past::Ended(status))
}

fn interrupted(change: impl FnOnce(&mut Setback)) -> NewJob {
    let mut setback = Setback::default();
    change(&mut setback);
    job(|job| job.past = Past::Interrupted(Box::new(setback)))
}

/// Failed once, at second 20, and due again at `due` milliseconds.
fn failed_once(due: u64) -> NewJob {
    interrupted(|setback| {
        setback.attempts = 1;
        setback.first_started = Some(ms(20_000));
        setback.failures = vec![(None, 1)];
        setback.tries =
            vec![FailedTry::new(1, ErrorClass::Transient, "before", ms(20_500), Duration::from_millis(500))];
        setback.due = ms(due);
    })
}

fn lost(crashes: u32) -> NewJob {
    interrupted(|setback| setback.crashes = crashes)
}

fn heard(status: Status) -> FinalResult {
    FinalResult::new(status, None, ms(30_000))
}

#[test]
fn what_is_recorded_counts_and_never_runs_again() {
    let mut rig = later_host(2);
    let all = vec![ended(Status::Succeeded), job(|_| {}), ended(Status::Failed)];
    assert_eq!(rig.open(resumed(setup()), all), "start 1");
    let counts = rig.dispatch.counts(BatchKey(0)).unwrap();
    assert_eq!((counts.submitted, counts.succeeded, counts.failed, counts.running), (3, 1, 1, 1));
    counts.check().unwrap();
    assert_eq!(rig.explain(0), "succeeded");
    rig.ok(1);
    assert_eq!(rig.records[0].queued, ms(10_000), "queued since it was first accepted");
    assert_eq!(rig.answer(), "end of batch 0: SomeFailed");
}

#[test]
fn a_batch_of_which_everything_is_recorded_ends_at_once() {
    let mut rig = later_host(2);
    let all = vec![ended(Status::Succeeded), ended(Status::Succeeded)];
    assert_eq!(rig.open(resumed(setup()), all), "end of batch 0: Succeeded");
}

#[test]
fn a_retry_waits_for_what_is_left_of_its_delay_and_goes_on_counting() {
    let mut rig = later_host(2);
    assert_eq!(
        rig.open(resumed(setup()), vec![failed_once(60_300), failed_once(40_000)]),
        "wake at 60300, start 1 attempt 2"
    );
    let text = "backing off: the retry is not due yet, due in 300ms; attempt 1 failed: transient: before";
    assert_eq!(rig.explain(0), text);
    assert_eq!(rig.at(60_299), "wake at 60300");
    assert_eq!(rig.at(60_300), "start 0 attempt 2");
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 60500, wake at 60500");
    assert_eq!(rig.at(60_500), "start 0 attempt 3");
    assert_eq!(rig.fail(0, ErrorClass::Transient), "0 failed (test)", "three attempts over all hosts");
    let record = &rig.records[0];
    let history: Vec<(u32, &str)> = record
        .failure
        .iter()
        .flat_map(|failure| &failure.tries)
        .map(|tried| (tried.attempt, &*tried.message))
        .collect();
    assert_eq!((record.attempts, record.started), (3, Some(ms(20_000))));
    assert_eq!(history, [(1, "before"), (2, "failed"), (3, "failed")]);
}

#[test]
fn the_next_host_is_told_all_that_this_one_was() {
    let mut rig = later_host(1);
    rig.open(resumed(setup()), vec![failed_once(40_000)]);
    let event = Event::AttemptEnded {
        lease: rig.leases[&(0, 0)],
        outcome: crate::rig::failed(ErrorClass::Transient),
        usage: batchmill_core::Usage::default(),
        draw: batchmill_core::Draw::from_bits(0),
    };
    let mut effects = Vec::new();
    rig.dispatch.step(rig.now, event, &mut effects);
    let Some(batchmill_dispatch::Effect::Retrying { setback, due, .. }) = effects.first() else {
        panic!("it is repeated: {effects:?}")
    };
    let tries: Vec<u32> = setback.tries.iter().map(|tried| tried.attempt).collect();
    assert_eq!((setback.attempts, tries, setback.first_started), (2, vec![1, 2], Some(ms(20_000))));
    assert_eq!((&setback.failures[..], setback.due), (&[(None, 2)][..], *due));
}

#[test]
fn what_was_given_up_is_not_run_again() {
    let mut rig = later_host(1);
    let error = JobError::new(ErrorClass::Permanent, "test", "gone");
    let all = vec![interrupted(|setback| setback.given_up = vec![GivenUp::new("a".into(), error, 1)])];
    assert_eq!(rig.open(resumed(setup()), all), "start 0 without a");
}

#[test]
fn any_job_of_a_resumed_batch_may_have_a_checkpoint() {
    for (setup, resume) in [(setup(), false), (resumed(setup()), true)] {
        let mut rig = later_host(1);
        let batch = rig.dispatch.open(setup, rig.now);
        rig.step(Event::JobsAccepted { batch, jobs: jobs(1) });
        let mut effects = Vec::new();
        rig.dispatch.step(rig.now, Event::Sealed { batch }, &mut effects);
        assert!(matches!(&effects[..], [batchmill_dispatch::Effect::Start(start)] if start.resume == resume));
    }
}

#[test]
fn retries_that_were_due_do_not_storm_the_next_host() {
    let mut rig = later_host(9);
    let all = vec![failed_once(41_000), failed_once(40_000), lost(1)];
    assert_eq!(rig.open(resumed(thrifty(1, 0.0, 1.0)), all), "wake at 40000, start 2", "it waits for no retry");
    assert_eq!(rig.at(60_000), "start 1 attempt 2, wake at 61000", "the one that was due first has the token");
    assert_eq!(rig.at(61_000), "start 0 attempt 2");
}

#[test]
fn a_stop_is_not_decided_again() {
    let stop = |rule: &str| Directive::Soon(StopReason::new(rule, "as scripted"));
    let mut rig = later_host(2);
    let strategy = Scripted::new([(2, stop("second")), (4, stop("fourth"))]);
    let log = strategy.log.clone();
    let batch = rig.dispatch.open(resumed(setup_with(strategy)), rig.now);
    let all = vec![ended(Status::Failed), ended(Status::Failed), job(|_| {}), job(|_| {}), job(|_| {})];
    rig.step(Event::JobsAccepted { batch, jobs: all });
    let ends = vec![heard(Status::Failed), heard(Status::Failed)];
    assert_eq!(rig.step(Event::Recalled { batch, ends }), "", "what it says of recorded ends was obeyed then");
    assert_eq!(log.lock().unwrap().iter().map(|heard| heard.total).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(rig.step(Event::Sealed { batch }), "start 2, start 3");
    assert_eq!(rig.ok(2), "2 succeeded, start 4", "the third end it hears of");
    assert_eq!(rig.ok(3), "stopping by fourth, 3 succeeded");
}

#[test]
fn a_stop_under_an_earlier_host_holds() {
    let mut rig = later_host(2);
    let mut setup = resumed(setup_with(Scripted::new([(1, Directive::Now(StopReason::new("late", "as scripted")))])));
    setup.closing = Some(Closing::Halted(StopReason::new("soon,fail=1", "1 of 3 jobs failed")));
    setup.deadline = Some(ms(50_000));
    let batch = rig.dispatch.open(setup, rig.now);
    assert_eq!(rig.at(60_000), "", "the deadline decides nothing any more");
    let all = vec![ended(Status::Failed), job(|_| {}), failed_once(60_300)];
    let skipped = "1 skipped (halted), 2 skipped (halted), wake at 60300";
    assert_eq!(rig.step(Event::JobsAccepted { batch, jobs: all }), skipped);
    rig.step(Event::Recalled { batch, ends: vec![heard(Status::Failed)] });
    assert_eq!(rig.step(Event::Sealed { batch }), "");
    assert_eq!(rig.answer(), "end of batch 0: halted by soon,fail=1");
}

#[test]
fn a_pause_under_an_earlier_host_holds_until_a_person_lets_it_go_on() {
    let mut rig = later_host(1);
    let mut setup = resumed(setup());
    setup.paused = Some(Pause::Rule(StopReason::new("pause,fail=1", "1 job failed")));
    assert_eq!(rig.open(setup, jobs(1)), "");
    assert_eq!(rig.explain(0), "pending: the batch is paused by `pause,fail=1`");
    assert_eq!(rig.pause(true), "", "it is");
    assert_eq!(rig.pause(false), "going on, start 0");
}

#[test]
fn a_planned_stop_counts_as_nothing() {
    let mut rig = Rig::new(1);
    rig.open(setup(), jobs(1));
    rig.stop();
    assert_eq!(rig.end(0, Outcome::Stopped), "end of batch 0: Drained");
    let mut rig = later_host(1);
    assert_eq!(rig.open(resumed(setup()), jobs(1)), "start 0", "nothing was recorded: its first attempt");
}

#[test]
fn a_trial_goes_on_where_it_was_and_a_larger_one_repeats_nothing() {
    let trial = |limit| {
        let mut setup = resumed(setup());
        setup.limit = NonZeroU64::new(limit);
        setup
    };
    let all =
        || vec![ended(Status::Succeeded), failed_once(40_000), ended(Status::Cancelled), job(|_| {}), job(|_| {})];
    let mut rig = later_host(5);
    assert_eq!(rig.open(trial(3), all()), "start 1 attempt 2, start 3", "two had begun");
    let mut rig = later_host(5);
    let over = vec![ended(Status::Succeeded), ended(Status::Failed), job(|_| {})];
    assert_eq!(rig.open(trial(2), over.clone()), "end of batch 0: SomeFailed", "all that it may start had begun");
    assert_eq!(rig.open(trial(3), over.clone()), "start 1/2");
    rig.end_in(1, 2, Outcome::Succeeded);
    assert_eq!(rig.answer(), "end of batch 1: SomeFailed");
    assert_eq!(rig.open(resumed(setup()), over), "start 2/2", "the whole batch");
}

#[test]
fn a_job_that_took_its_hosts_down_is_quarantined_when_the_total_is_known() {
    let mut rig = later_host(2);
    let strategy = Scripted::default();
    let log = strategy.log.clone();
    let batch = rig.dispatch.open(resumed(setup_with(strategy)), rig.now);
    assert_eq!(rig.step(Event::JobsAccepted { batch, jobs: vec![lost(3), lost(1)] }), "");
    assert_eq!(rig.step(Event::Sealed { batch }), "0 quarantined (crash_limit), start 1");
    let error = &rig.records[0].failure.as_ref().unwrap().error;
    assert_eq!(error.message, "its host or worker was lost 3 times while it ran");
    assert_eq!(log.lock().unwrap()[0].total, 2, "the failure strategy hears of it");
}

#[test]
fn a_quarantine_waits_for_room_like_every_end() {
    let mut settings = settings(1);
    settings.unanswered_limit = NonZeroU64::MIN;
    let mut rig = Rig::with(settings);
    assert_eq!(rig.open(resumed(setup()), vec![lost(3), lost(3), job(|_| {})]), "0 quarantined (crash_limit)");
    let decided = "pending: the end is decided (quarantined) and waits for room for its record";
    assert!(rig.explain(1).starts_with(decided), "{}", rig.explain(1));
    assert_eq!(rig.answer(), "1 quarantined (crash_limit), start 2");
}

#[test]
fn a_crash_limit_of_one_quarantines_at_once_and_suspects_nobody() {
    let mut setup = resumed(setup());
    setup.crash_limit = 1;
    let mut rig = later_host(3);
    let all = vec![lost(1), failed_once(40_000)];
    assert_eq!(rig.open(setup, all), "0 quarantined (crash_limit), start 1 attempt 2");
    let error = &rig.records[0].failure.as_ref().unwrap().error;
    assert_eq!(error.message, "its host or worker was lost once while it ran");
}
