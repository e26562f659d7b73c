//! With a half-life: what was used before counts, and less and less.

use std::time::Duration;

use batchmill_core::{ClassId, MonoTime, Pick, Scheduler, ShareUsage, Shares, Token, Usage};
use batchmill_scheduler_fair_share::{Charge, FairShare, Options};
use proptest::prelude::*;

use crate::{
    job,
    machine::Machine,
    remembering::Remembering,
    shares::{assert_by_weight, ten_tenants},
    with,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

const SHARES: [&str; 6] = ["a", "b", "c/x", "c/y", "d/x/1", "d/y"];
const NAMES: [&str; 9] = ["a", "b", "c", "d", "c/x", "c/y", "d/x", "d/y", "d/x/1"];

fn by_cost(half_life: Duration) -> Options {
    Options::default().charge(Charge::Cost).half_life(half_life)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_call_answers_as_a_plain_sum_over_all_that_was_used(
        calls in proptest::collection::vec((0_u8..16, 0_usize..12, 1_u8..4), 0..300),
    ) {
        let mut scheduler = with(&by_cost(SECOND).weight("a", 2.0).weight("c", 3.0).weight("d/x", 3.0));
        let mut model = Remembering::new(&[("a", 2), ("c", 3), ("d/x", 3)]);
        let (mut next, mut running, mut half_lives) = (0, Vec::new(), 0);
        for (call, number, size) in calls {
            let (class, share) = (u32::try_from(number).unwrap(), SHARES[number / 2]);
            let now = MonoTime::ZERO + SECOND * half_lives;
            match call {
                0..5 => {
                    next += 1;
                    let mut job = job(next, share, class).queued(next / 8);
                    job.cost = f64::from(size);
                    scheduler.push(job.entry());
                    model.push(next, share, class, size.into());
                }
                5..9 => {
                    let expected = model.pop(half_lives);
                    running.extend(expected);
                    let expected = expected.map_or(Pick::Empty, |token| Pick::Run(Token(token)));
                    prop_assert_eq!(scheduler.pop(now), expected);
                }
                9..11 if !running.is_empty() => {
                    let token = running.swap_remove(number % running.len());
                    scheduler.on_finish(Token(token), Usage::new(SECOND * u32::from(size > 1)));
                    model.finish(token, size > 1);
                }
                11 => {
                    scheduler.hold(ClassId(class));
                    model.hold(class, true);
                }
                12 => {
                    scheduler.release(ClassId(class));
                    model.hold(class, false);
                }
                13 => {
                    let name = NAMES[number % NAMES.len()];
                    scheduler.set_weight(name, f64::from(size)).unwrap();
                    model.weigh(name, size.into());
                }
                14 => {
                    scheduler.recall(now, &[ShareUsage::new(share, f64::from(size))]);
                    model.recall(share, size.into(), half_lives);
                }
                // More halvings than this would go below the grain of a cost, where the model does not.
                _ if half_lives < 8 => half_lives += 1,
                _ => {}
            }
        }
        for class in 0..12 {
            scheduler.release(ClassId(class));
            model.hold(class, false);
        }
        while let Some(token) = model.pop(half_lives) {
            prop_assert_eq!(scheduler.pop(MonoTime::ZERO + SECOND * half_lives), Pick::Run(Token(token)));
        }
        prop_assert!(scheduler.is_empty());
    }
}

/// `heavy` used 64; after some half-lives it and `light` have jobs. How many `light` starts before `heavy` does.
fn made_up_for(half_lives: u32, recalled: bool) -> usize {
    let mut scheduler = with(&by_cost(SECOND));
    let (then, now) = (MonoTime::ZERO + SECOND / 3, MonoTime::ZERO + SECOND / 3 + SECOND * half_lives);
    if recalled {
        scheduler.recall(then, &[ShareUsage::new("heavy", 64.0)]);
    } else {
        (0..64).for_each(|token| scheduler.push(job(token, "heavy", 0).entry()));
        for _ in 0..64 {
            let Pick::Run(token) = scheduler.pop(then) else { panic!("a job is queued") };
            scheduler.on_finish(token, Usage::new(MS));
        }
    }
    for token in 100..200 {
        scheduler.push(job(token, "heavy", 0).entry());
        scheduler.push(job(token + 100, "light", 1).entry());
    }
    (0..100).take_while(|_| matches!(scheduler.pop(now), Pick::Run(Token(200..)))).count()
}

#[test]
fn what_was_used_counts_half_after_each_half_life_here_or_elsewhere() {
    for recalled in [false, true] {
        let made_up = [0, 1, 2, 3, 4, 5, 6, 9].map(|half_lives| made_up_for(half_lives, recalled));
        // Between equals the one goes first that has waited longest: `light` was never picked.
        let expected = [64, 32, 16, 8, 4, 2, 1, 1];
        let off = made_up.iter().zip(expected).map(|(made_up, expected)| made_up.abs_diff(expected)).max();
        assert!(off <= Some(1), "{made_up:?}, expected {expected:?}, recalled: {recalled}");
    }
}

#[test]
fn who_used_everything_waits_for_who_used_nothing_as_long_as_is_written() {
    for (weight, bound) in [(1.0, 10.0), (3.0, 20.0), (1.0 / 3.0, 10.0 * (4.0_f64 / 3.0).log2())] {
        let options = Options::default().half_life(10 * SECOND).weight("new", weight);
        let mut machine = Machine::new(with(&options), 2);
        (0..20_000).for_each(|token| machine.push(job(token, "old", 0), 50 * MS));
        machine.start(16_000);
        let joined = machine.now;
        (100_000..110_000).for_each(|token| machine.push(job(token, "new", 1), 50 * MS));
        let before = machine.started["old"];
        while machine.started["old"] == before {
            machine.step();
        }
        let waited = machine.now.since(joined).as_secs_f64();
        assert!((waited - bound).abs() < 0.25, "with weight {weight} it waited {waited} s, the bound is {bound} s");
    }
}

#[test]
fn with_a_half_life_too_everybody_gets_what_the_weights_say() {
    for (slots, half_life) in [(1, 3600), (8, 3600), (8, 60)] {
        let mut machine = ten_tenants(slots, 1, |_| 1.0, |options| options.half_life(half_life * SECOND));
        machine.start(10_000);
        assert_by_weight(&machine, &format!("{slots} slots, half-life {half_life} s"));
    }
}

#[test]
fn what_one_batch_used_the_next_one_makes_up_for() {
    let options = Options::default().half_life(3600 * SECOND).weight("b", 2.0);
    let jobs = |machine: &mut Machine<FairShare>, share: &str, class: u32, first: u64, count: u64| {
        (first..first + count).for_each(|token| machine.push(job(token, share, class), SECOND));
    };
    let mut first = Machine::new(with(&options), 4);
    jobs(&mut first, "a", 0, 0, 400);
    first.start(400);
    while first.step() > 0 || first.is_busy() {}
    let used = first.scheduler.take_usage();
    assert_eq!(used, [ShareUsage::new("a", 400.0)]);

    // Half of it counts when the next one begins, and b has twice the weight.
    let mut second = Machine::new(with(&options), 4);
    let counts: Vec<ShareUsage> =
        used.iter().map(|used| ShareUsage::new(used.share.as_str(), used.amount / 2.0)).collect();
    second.scheduler.recall(second.now, &counts);
    jobs(&mut second, "a", 0, 0, 1000);
    jobs(&mut second, "b", 1, 10_000, 1000);
    second.start(390);
    assert_eq!(second.started.get("a"), None, "b has 400 seconds ahead of it");
    second.start(310);
    // 700 starts: b has 2 (200 + x) and a has x more.
    let (a, b) = (second.started["a"], second.started["b"]);
    assert!(a.abs_diff(100) <= 4 && b.abs_diff(600) <= 4, "a got {a}, b got {b}");
    let told: f64 = second.scheduler.take_usage().iter().map(|used| used.amount).sum();
    let ended: f64 = second.used.values().map(Duration::as_secs_f64).sum();
    assert!((told - ended).abs() < 1e-6, "what was recalled is not handed out again: {told} s of {ended} that ended");
}

#[test]
fn explain_tells_what_shares_used() {
    let told = |scheduler: &FairShare, token, seconds| {
        scheduler.explain(Token(token), MonoTime::ZERO + SECOND * seconds).unwrap().reason
    };
    let mut scheduler = with(&Options::default().half_life(60 * SECOND).weight("org", 2.0));
    scheduler.recall(MonoTime::ZERO, &[ShareUsage::new("org/a", 120.0), ShareUsage::new("b", 7.0)]);
    scheduler.push(job(0, "org/a", 0).entry());
    scheduler.push(job(1, "b", 1).entry());
    let expected = "share `org` of weight 2, 2m 0s used, is 2 of 2; share `org/a` of weight 1, 2m 0s used, is 1 of 1 in `org`; \
                    first of its share (priority 0, queued 0ms ago)";
    assert_eq!(told(&scheduler, 0, 0), expected);
    assert!(told(&scheduler, 0, 60).starts_with("share `org` of weight 2, 1m 0s used, is 2 of 2; "));
    assert!(told(&scheduler, 1, 60).starts_with("share `b` of weight 1, 3.5s used, is 1 of 2; "));
}
