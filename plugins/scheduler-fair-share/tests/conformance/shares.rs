//! Everybody gets what the weights say.

use std::time::Duration;

use batchmill_scheduler_fair_share::{Charge, FairShare, Options};
use batchmill_testkit::Seed;

use crate::{job, machine::Machine, picks, with};

const MS: Duration = Duration::from_millis(1);

/// Ten tenants of weights 1 to 10; the heavier one is, the shorter are its jobs, and each differs from the next.
pub(crate) fn ten_tenants(
    slots: usize,
    number: u64,
    declared: fn(Duration) -> f64,
    more: impl FnOnce(Options) -> Options,
) -> Machine<FairShare> {
    let weights = (1..=10).fold(Options::default(), |o, weight| o.weight(format!("t{weight}"), f64::from(weight)));
    let (mut machine, mut seed) = (Machine::new(with(&more(weights)), slots), Seed::new(number));
    for token in 0..100_000_u64 {
        let weight = token % 10 + 1;
        let length = MS * u32::try_from((11 - weight) * (10 + seed.below(20))).unwrap();
        let mut job = job(token, &format!("t{weight}"), u32::try_from(weight).unwrap());
        job.cost = declared(length);
        machine.push(job, length);
    }
    machine
}

#[test]
fn ten_tenants_get_the_time_of_the_machine_that_their_weights_say() {
    for (slots, declared) in [(1, (|_| 1.0) as fn(Duration) -> f64), (8, |_| 1.0), (8, |length| length.as_secs_f64())] {
        for number in 0..3 {
            let mut machine = ten_tenants(slots, number, declared, |options| options);
            machine.start(10_000);
            assert_by_weight(&machine, &format!("{slots} slots, seed {number}"));
        }
    }
}

/// Within 3 % each tenant had the part of the time of the machine that its weight says.
#[track_caller]
pub(crate) fn assert_by_weight(machine: &Machine<FairShare>, what: &str) {
    let all: Duration = machine.used.values().sum();
    for weight in 1..=10 {
        let share = machine.used[&format!("t{weight}")].as_secs_f64() / all.as_secs_f64();
        let off = share / (f64::from(weight) / 55.0) - 1.0;
        assert!(off.abs() <= 0.03, "weight {weight} is off by {off:.3}: {what}");
    }
}

/// Half of all attempts take less than was charged: what is given back must not depend on how far ahead the other one is.
#[test]
fn two_tenants_of_unequal_weight_get_their_parts_however_lengths_vary() {
    for weight in [2_u32, 4, 10] {
        let mut machine = Machine::new(with(&Options::default().weight("b", weight.into())), 8);
        let mut seed = Seed::new(weight.into());
        for token in 0..30_000 {
            let b = token % 4 != 0;
            machine.push(job(token, if b { "b" } else { "a" }, u32::from(b)), MS * (3 + seed.below(7) as u32));
        }
        machine.start(10_000);
        let [a, b] = ["a", "b"].map(|share| machine.used[share].as_secs_f64());
        assert!((b / a / f64::from(weight) - 1.0).abs() < 0.03, "weight {weight}: {a} s against {b} s");
    }
}

#[test]
fn an_attempt_that_takes_longer_than_it_was_charged_is_charged_the_rest() {
    let mut machine = Machine::new(with(&Options::default()), 4);
    for token in 0..20_000 {
        let long = token % 2 == 0;
        machine.push(job(token, if long { "long" } else { "short" }, u32::from(long)), if long { 50 * MS } else { MS });
    }
    machine.start(5_000);
    let (long, short) = (machine.used["long"].as_secs_f64(), machine.used["short"].as_secs_f64());
    assert!((long / short - 1.0).abs() < 0.03, "{long} s against {short} s of one weight");
    assert!(machine.started["short"] > 40 * machine.started["long"]);
}

#[test]
fn a_wrong_cost_is_made_up_for() {
    // `liar` says that its jobs are a thousandth of what they are.
    let mut machine = Machine::new(with(&Options::default()), 4);
    for token in 0..20_000 {
        let lies = token % 2 == 0;
        let mut job = job(token, if lies { "liar" } else { "honest" }, u32::from(lies));
        job.cost = if lies { 0.001 } else { 1.0 };
        machine.push(job, 10 * MS);
    }
    machine.start(5_000);
    let (liar, honest) = (machine.used["liar"].as_secs_f64(), machine.used["honest"].as_secs_f64());
    assert!((liar / honest - 1.0).abs() < 0.03, "{liar} s against {honest} s");
}

#[test]
fn by_cost_the_starts_are_divided_however_long_they_take() {
    let options = Options::default().charge(Charge::Cost).weight("a", 3.0).weight("b", 2.0);
    let mut machine = Machine::new(with(&options), 3);
    for token in 0..3000 {
        let place = usize::try_from(token % 3).unwrap();
        machine.push(job(token, ["a", "b", "c"][place], token as u32 % 3), [MS, 10 * MS, 100 * MS][place]);
    }
    machine.start(600);
    assert_eq!(machine.started.values().copied().collect::<Vec<_>>(), [300, 200, 100]);
}

#[test]
fn by_cost_a_job_of_cost_three_counts_as_three() {
    let mut scheduler = with(&Options::default().charge(Charge::Cost));
    for token in 0..80 {
        let mut job = job(token, if token < 40 { "dear" } else { "cheap" }, u32::from(token < 40));
        job.cost = if token < 40 { 3.0 } else { 1.0 };
        batchmill_core::Scheduler::push(&mut scheduler, job.entry());
    }
    let dear = picks(&mut scheduler, 40).iter().filter(|token| **token < 40).count();
    assert_eq!(dear, 10);
}

#[test]
fn shares_divide_what_their_parent_gets() {
    let options = Options::default()
        .charge(Charge::Cost)
        .weight("research", 3.0)
        .weight("research/alice", 2.0)
        .weight("research/bob/night", 9.0);
    let mut machine = Machine::new(with(&options), 1);
    // `research` itself has jobs beside those of alice and bob; bob's only share gets all that is bob's.
    let shares = ["research/alice", "research", "batch", "research/bob/night"];
    for token in 0..4000 {
        let place = usize::try_from(token % 4).unwrap();
        machine.push(job(token, shares[place], token as u32 % 4), MS);
    }
    machine.start(1600);
    let started = shares.map(|share| machine.started[share]);
    assert_eq!(started, [600, 300, 400, 300]);
}

#[test]
fn a_share_that_gets_shares_within_it_keeps_its_jobs_and_its_place() {
    use batchmill_core::Scheduler as _;
    for busy in [true, false] {
        let options = Options::default().charge(Charge::Cost).weight("a", 2.0);
        let mut scheduler = with(&options);
        (0..30).for_each(|token| scheduler.push(job(token, "b", 0).entry()));
        (100..if busy { 130 } else { 102 }).for_each(|token| scheduler.push(job(token, "a", 1).entry()));
        assert_eq!(picks(&mut scheduler, 3), [0, 100, 101]);
        // From now on `a` is an inner share.
        (200..230).for_each(|token| scheduler.push(job(token, "a/x", 2).entry()));
        let next = picks(&mut scheduler, 6);
        let of = |first: u64| next.iter().filter(|token| **token / 100 == first).count();
        let expected = if busy { (2, 2, 2) } else { (2, 0, 4) };
        assert_eq!((of(0), of(1), of(2)), expected, "{next:?}");
        for token in [0, 100, 101].into_iter().chain(next) {
            scheduler.on_finish(batchmill_core::Token(token), batchmill_core::Usage::new(MS));
        }
        let left = scheduler.len();
        assert_eq!(picks(&mut scheduler, 100).len(), left);
    }
}

#[test]
fn empty_parts_of_a_path_do_not_count() {
    use batchmill_core::Scheduler as _;
    let mut scheduler = with(&Options::default().charge(Charge::Cost));
    for (class, share) in (0..).zip(["a/b", "/a/b", "a//b/", "other"]) {
        (0..9).for_each(|token| scheduler.push(job(u64::from(class) * 100 + token, share, class).entry()));
    }
    let others = picks(&mut scheduler, 10).iter().filter(|token| **token >= 300).count();
    assert_eq!(others, 5, "the first three are one share");
}

#[test]
fn a_class_with_several_shares_is_charged_to_the_right_ones() {
    use batchmill_core::Scheduler as _;
    // The host promises one share a class; one that breaks this must not mix tenants up.
    let mut scheduler = with(&Options::default().charge(Charge::Cost).weight("a", 3.0));
    (0..80).for_each(|token| scheduler.push(job(token, if token < 40 { "a" } else { "b" }, 0).entry()));
    assert_eq!(picks(&mut scheduler, 40).iter().filter(|token| **token < 40).count(), 30);
    scheduler.hold(batchmill_core::ClassId(0));
    assert_eq!(picks(&mut scheduler, 1), [0; 0]);
}
