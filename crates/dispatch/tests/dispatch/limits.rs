//! Limits of jobs with one key: never exceeded, and nobody else waits for them.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use batchmill_core::{ErrorClass, Key, LimitId, LimitKey, NodeError, Outcome, Scheduler};
use batchmill_dispatch::{BatchKey, BreakerSettings, Event, LimitChange, LimitSettings, NewJob, RateSettings};
use batchmill_scheduler_fair_share::FairShare;
use batchmill_scheduler_fifo::Fifo;

use crate::{
    rig::{Rig, at_least_1, failed_node, job, jobs, settings, setup},
    schedulers::{Forgetful, Plain},
};

fn limit(name: &str, of: impl FnOnce(&mut LimitSettings)) -> LimitSettings {
    let mut limit = LimitSettings::new(name);
    of(&mut limit);
    limit
}

fn concurrency(name: &str, most: u32) -> LimitSettings {
    limit(name, |limit| limit.concurrency = NonZeroU32::new(most))
}

fn rate(name: &str, rate: &str, burst: u32) -> LimitSettings {
    limit(name, |limit| {
        limit.rate = Some(RateSettings::new(rate.parse().unwrap(), at_least_1(burst)));
        limit.pauses = true;
    })
}

/// A job with these keys, of limit 0, 1 …
fn of(keys: &[&str]) -> NewJob {
    let key =
        |(place, key): (u16, &&str)| LimitKey { limit: LimitId(place), key: Some(Key::new(key).unwrap()), units: 1 };
    job(|job| job.limits = (0..).zip(keys).filter(|(_, key)| !key.is_empty()).map(key).collect())
}

fn rig(slots: u32, limits: Vec<LimitSettings>) -> Rig {
    Rig::limited(settings(slots), Box::new(Fifo::new()), limits)
}

/// The same under a scheduler that can hold nothing.
fn plain(slots: u32, limits: Vec<LimitSettings>) -> Rig {
    Rig::limited(settings(slots), Box::new(Plain::default()), limits)
}

#[test]
fn no_more_of_a_key_run_than_may_and_others_pass() {
    for rig in [rig, plain] {
        let mut rig = rig(4, vec![concurrency("tenant", 1)]);
        let keys = ["a", "a", "b", "a", "b", ""];
        assert_eq!(rig.open(setup(), keys.map(|key| of(&[key])).to_vec()), "start 0, start 2, start 5");
        assert_eq!(rig.explain(1), "pending: limit `tenant`, key `a`: one attempt runs, as many as may");
        assert_eq!(rig.ok(0), "0 succeeded, start 1", "the first of those that wait");
        assert_eq!(rig.ok(5), "5 succeeded", "the slot is free, and nobody may take it");
        assert_eq!(rig.ok(2), "2 succeeded, start 4");
        assert_eq!(rig.ok(1), "1 succeeded, start 3");
    }
}

#[test]
fn a_job_in_backoff_holds_no_place_and_its_retry_takes_one() {
    let mut rig = rig(4, vec![concurrency("tenant", 1)]);
    rig.open(setup(), vec![of(&["a"]), of(&["a"])]);
    assert_eq!(rig.fail(0, ErrorClass::Transient), "retry 0 at 100, start 1, wake at 100");
    assert_eq!(rig.at(100), "", "due, and the key is used up");
    assert_eq!(rig.ok(1), "1 succeeded, start 0 attempt 2");
}

#[test]
fn all_limits_of_a_job_must_admit_it() {
    let mut rig = rig(9, vec![concurrency("host", 2), concurrency("tenant", 1)]);
    let all = [["x", "a"], ["x", "a"], ["x", "b"], ["x", "c"], ["y", "a"], ["y", "d"]];
    assert_eq!(rig.open(setup(), all.map(|keys| of(&keys)).to_vec()), "start 0, start 2, start 5");
    assert_eq!(rig.explain(1), "pending: limit `host`, key `x`: 2 attempts run, as many as may");
    assert_eq!(rig.explain(4), "pending: limit `tenant`, key `a`: one attempt runs, as many as may");
    assert_eq!(rig.ok(2), "2 succeeded, start 3", "1 goes first, but its tenant may not");
    assert_eq!(rig.ok(0), "0 succeeded, start 1");
    assert_eq!(rig.ok(1), "1 succeeded, start 4");
}

#[test]
fn a_limit_without_a_key_is_one_of_all_jobs() {
    let mut all = concurrency("all", 2);
    all.has_key = false;
    let mut rig = rig(9, vec![all]);
    assert_eq!(rig.open(setup(), jobs(3)), "start 0, start 1");
    assert_eq!(rig.explain(2), "pending: limit `all`: 2 attempts run, as many as may");
    assert_eq!(rig.open(setup(), jobs(1)), "");
    assert_eq!(rig.ok(1), "1 succeeded, start 2");
}

#[test]
fn a_rate_lets_one_start_after_the_other_and_a_burst_at_once() {
    for rig in [rig, plain] {
        let mut rig = rig(9, vec![rate("host", "10/s", 2)]);
        assert_eq!(rig.open(setup(), vec![of(&["x"]); 5]), "start 0, start 1, wake at 100");
        assert_eq!(rig.explain(2), "pending: limit `host`, key `x`: the rate of 10/s is used up, due in 100ms");
        assert_eq!(rig.ok(0), "0 succeeded", "an end brings no token");
        assert_eq!(rig.at(99), "wake at 100");
        assert_eq!(rig.at(100), "start 2, wake at 200");
        assert_eq!(rig.at(350), "start 3, start 4");
    }
}

#[test]
fn a_rate_without_a_key_is_asked_before_the_scheduler() {
    let mut all = rate("all", "10/s", 1);
    all.has_key = false;
    let mut rig = rig(9, vec![all]);
    assert_eq!(rig.open(setup(), jobs(3)), "start 0, wake at 100");
    assert_eq!(rig.at(100), "start 1, wake at 200");
    assert_eq!(rig.explain(2), "pending: limit `all`: the rate of 10/s is used up, due in 100ms");
}

#[test]
fn a_job_that_needs_more_tokens_than_there_are_is_not_overtaken_by_small_ones() {
    let with = |units| {
        let key = LimitKey { limit: LimitId(0), key: Some(Key::new("x").unwrap()), units };
        job(|job| job.limits = [key].into_iter().collect())
    };
    let mut rig = rig(9, vec![rate("tokens", "10/s", 5)]);
    assert_eq!(rig.open(setup(), vec![with(3), with(4), with(1)]), "start 0, wake at 200");
    assert_eq!(rig.explain(2), "pending: limit `tokens`, key `x`: the rate of 10/s is used up, due in 200ms");
    assert_eq!(rig.at(200), "start 1, wake at 300");
    assert_eq!(rig.at(300), "start 2");
}

#[test]
fn buckets_that_were_empty_fill_from_then_on() {
    let mut limit = rate("host", "10/s", 5);
    let set = limit.rate.as_mut().unwrap();
    set.empty_at = Some(crate::rig::ms(0));
    let mut rig = rig(9, vec![limit]);
    assert_eq!(rig.open(setup(), vec![of(&["x"]); 3]), "wake at 100");
    assert_eq!(rig.at(100), "start 0, wake at 200");
    assert_eq!(rig.at(250), "start 1, wake at 300");
}

fn breaker(failures: u32, probes: u32) -> LimitSettings {
    limit("host", |limit| {
        let mut breaker = BreakerSettings::new(at_least_1(failures), Duration::from_secs(1));
        breaker.probes = at_least_1(probes);
        limit.breaker = Some(breaker);
    })
}

#[test]
fn a_breaker_opens_tries_and_closes() {
    let mut rig = rig(2, vec![breaker(2, 1)]);
    rig.open(setup(), [vec![of(&["x"]); 5], vec![of(&["y"])]].concat());
    assert_eq!(rig.fail(0, ErrorClass::Permanent), "0 failed (test), start 2", "its own fault counts for nothing");
    assert_eq!(rig.fail(1, ErrorClass::Timeout), "retry 1 at 100, start 3, wake at 100");
    assert_eq!(rig.fail(2, ErrorClass::Transient), "retry 2 at 100, start 5", "open, but not for `y`");
    let open = "pending: limit `host`, key `x`: the breaker is open after 2 failures in a row, due in 1.0s";
    assert_eq!(rig.explain(4), open);
    assert_eq!(rig.ok(3), "3 succeeded", "what ran goes on, and says nothing new");
    rig.ok(5);
    rig.at(100);
    assert_eq!(rig.at(1000), "start 4", "one probe");
    assert_eq!(rig.explain(1), "pending: limit `host`, key `x`: the breaker tries one attempt first");
    assert_eq!(rig.fail(4, ErrorClass::Timeout), "retry 4 at 1100, wake at 1100", "open again");
    rig.at(1100);
    rig.at(2000);
    let probe = [1, 2, 4].into_iter().find(|job| rig.explain(*job).starts_with("running")).expect("one probe");
    assert!(rig.ok(probe).contains(" succeeded, start "), "closed");
    assert_eq!(rig.dispatch.running(), 2);
}

#[test]
fn a_retry_after_pauses_the_key_and_not_only_the_job() {
    let mut rig = rig(9, vec![concurrency("tenant", 9), rate("host", "1000/s", 9)]);
    rig.open(setup(), vec![of(&["a", "x"]), of(&["a", "y"])]);
    let mut failure = failed_node("", ErrorClass::Recoverable, 0, false);
    failure.error = NodeError::new(ErrorClass::Recoverable, "busy", "later").retry_after(Duration::from_secs(5));
    rig.fail_at(0, vec![failure]);
    rig.now = crate::rig::ms(1);
    rig.open(setup(), vec![of(&["a", "x"]), of(&["a", "y"])]);
    assert_eq!(rig.explain_in(1, 0), "pending: limit `host`, key `x`: an attempt was asked to wait, due in 4.9s");
    assert!(rig.explain_in(1, 1).starts_with("running"), "limit `tenant` has no rate, and says nothing of pauses");
    assert_eq!(rig.at(5000), "start 0 attempt 2, start 1/0");
}

#[test]
fn a_job_that_was_asked_to_wait_goes_before_those_that_waited_for_its_key_meanwhile() {
    let one_at_a_time = limit("host", |limit| (limit.concurrency, limit.pauses) = (NonZeroU32::new(1), true));
    let mut rig = rig(9, vec![one_at_a_time, concurrency("tenant", 9)]);
    assert_eq!(rig.open(setup(), vec![of(&["x", "a"])]), "start 0");
    rig.now = crate::rig::ms(1);
    assert_eq!(rig.open(setup(), vec![of(&["x"]), of(&["x", "a"])]), "");
    let mut failure = failed_node("", ErrorClass::Recoverable, 0, false);
    failure.error = NodeError::new(ErrorClass::Recoverable, "busy", "later").retry_after(Duration::from_secs(5));
    assert_eq!(rig.fail_at(0, vec![failure]), "retry 0 at 5001, wake at 5001");
    // Its retry is due when its key opens; another job with its keys is held, behind one that has not all of them.
    assert_eq!(rig.at(5001), "start 0 attempt 2");
    assert_eq!(rig.ok(0), "0 succeeded, start 1/0");
}

#[test]
fn a_limit_is_changed_while_jobs_run() {
    let mut rig = rig(9, vec![concurrency("tenant", 1), rate("host", "1/s", 1)]);
    rig.open(setup(), [vec![of(&["a"]); 4], vec![of(&["", "x"]); 3]].concat());
    let set = |limit, change| Event::LimitSet { limit: LimitId(limit), change };
    assert_eq!(rig.step(set(0, LimitChange::Concurrency(at_least_1(3)))), "start 1, start 2");
    assert_eq!(rig.step(set(0, LimitChange::Concurrency(at_least_1(1)))), "");
    assert_eq!(rig.ok(0), "0 succeeded");
    assert_eq!(rig.ok(1), "1 succeeded", "none starts before fewer run than may");
    assert_eq!(rig.ok(2), "2 succeeded, start 3");
    rig.now = crate::rig::ms(500);
    assert_eq!(rig.step(set(1, LimitChange::Rate("10/s".parse().unwrap()))), "wake at 550", "half a token was there");
    assert_eq!(rig.at(550), "start 5, wake at 650");
    assert_eq!(rig.step(set(7, LimitChange::Concurrency(at_least_1(1)))), "", "there is no such limit");
    let standing = rig.dispatch.limits(rig.now);
    assert_eq!((standing[0].running, standing[0].keys, standing[0].shut), (1, 1, 1));
    assert_eq!((standing[1].running, standing[1].shut, rig.dispatch.limit_named("host")), (2, 1, Some(LimitId(1))));
}

#[test]
fn thousands_of_keys_are_counted_together() {
    let mut rig = rig(9, vec![concurrency("tenant", 1)]);
    rig.open(setup(), ["a", "a", "b", "b", "b", "c"].map(|key| of(&[key])).to_vec());
    assert_eq!(
        rig.census(),
        ["3 running: an attempt runs", "3 pending: limit `tenant`, 2 keys: one attempt runs, as many as may"]
    );
    rig.ok(0);
    rig.ok(1);
    assert!(rig.census().contains(&"2 running: an attempt runs".to_owned()));
    assert!(rig.census().contains(&"2 pending: limit `tenant`, key `b`: one attempt runs, as many as may".to_owned()));
}

#[test]
fn a_job_says_who_holds_its_key() {
    let mut rig = rig(9, vec![concurrency("tenant", 2)]);
    rig.open(setup(), ["b", "a", "a", "a"].map(|key| of(&[key])).to_vec());
    let explanation = rig.dispatch.explain(BatchKey(0), 3, rig.now).unwrap();
    let data = serde_json::to_value(&explanation).unwrap();
    assert_eq!(
        data,
        serde_json::json!({
            "state": "pending", "reason": "limit_concurrency", "limit": "tenant", "key": "a", "keys": 1, "concurrency": 2,
            "holders": [{"sequence": 1, "slot": 1}, {"sequence": 2, "slot": 2}], "attempts": 0, "since_seconds": 0.0,
        })
    );
}

#[test]
fn what_is_cancelled_or_paused_leaves_its_turn_to_others() {
    for rig in [rig, plain] {
        let mut rig = rig(9, vec![concurrency("tenant", 1), concurrency("host", 1)]);
        rig.open(setup(), vec![of(&["a", "x"]), of(&["a", "y"]), of(&["a", "x"]), of(&["a", "z"])]);
        rig.cancel(Some(vec![1, 2]));
        assert_eq!(rig.ok(0), "0 succeeded, start 3");
        // A batch that is paused has the first turn, and one that ends.
        rig.open(setup(), vec![of(&["a", "x"])]);
        rig.open(setup(), vec![of(&["a", "y"])]);
        rig.step(Event::PauseRequested { batch: BatchKey(1), paused: true });
        assert_eq!(rig.ok(3), "3 succeeded, start 2/0");
        rig.open(setup(), vec![of(&["a", "z"])]);
        rig.step(Event::CancelRequested { batch: BatchKey(1), jobs: None });
        assert!(rig.end_in(2, 0, Outcome::Succeeded).ends_with("start 3/0"));
    }
}

#[test]
fn the_order_of_the_scheduler_holds_among_those_that_may_start() {
    let schedulers: [fn() -> Box<dyn Scheduler>; 2] = [
        || Box::new(Fifo::new()),
        || Box::new(FairShare::new(&batchmill_scheduler_fair_share::Options::default()).unwrap()),
    ];
    for scheduler in schedulers {
        let mut rig = Rig::limited(settings(9), scheduler(), vec![concurrency("tenant", 1), concurrency("host", 1)]);
        let first = rig.open(setup(), vec![of(&["a", "u"])]);
        assert_eq!(first, "start 0");
        for host in ["v", "w", "x"] {
            rig.now = rig.now + Duration::from_millis(1);
            rig.open(setup(), vec![of(&["a", host])]);
        }
        assert_eq!(rig.ok(0), "0 succeeded, start 1/0");
        assert_eq!(rig.end_in(1, 0, Outcome::Succeeded), "1/0 succeeded, start 2/0");
        assert_eq!(rig.end_in(2, 0, Outcome::Succeeded), "2/0 succeeded, start 3/0");
    }
}

#[test]
fn at_the_bound_of_jobs_that_are_set_aside_nothing_more_is_picked() {
    let mut settings = settings(9);
    settings.parked_limit = std::num::NonZeroUsize::new(2).unwrap();
    let mut rig = Rig::limited(settings, Box::new(Plain::default()), vec![concurrency("tenant", 1)]);
    rig.open(setup(), [vec![of(&["a"]); 3], vec![of(&["b"])]].concat());
    assert_eq!(rig.dispatch.totals().queued, 3);
    assert!(
        rig.explain(3).starts_with("pending: the room for jobs that are set aside (2) is used up"),
        "{}",
        rig.explain(3)
    );
    assert_eq!(rig.ok(0), "0 succeeded, start 1, start 3");
}

#[test]
fn a_scheduler_that_forgets_what_is_held_fills_the_parking_and_goes_on() {
    let mut settings = settings(9);
    settings.parked_limit = NonZeroUsize::new(2).unwrap();
    let limits = vec![concurrency("host", 1), concurrency("tenant", 9)];
    let mut rig = Rig::limited(settings, Box::new(Forgetful::default()), limits);
    let jobs = ["a", "b", "c", "d"].map(|tenant| of(&["x", tenant]));
    assert_eq!(rig.open(setup(), jobs.to_vec()), "start 0");
    assert_eq!(rig.ok(0), "0 succeeded, start 2", "1 is held in the scheduler; the others are set aside");
    assert_eq!(rig.ok(2), "2 succeeded, start 3");
    assert_eq!(rig.ok(3), "3 succeeded, start 1");
}
