//! What is divided is memory, held for a time.

use std::time::Duration;

use batchmill_core::Shares;
use batchmill_scheduler_fair_share::{Charge, FairShare, Options};
use batchmill_testkit::Seed;

use crate::{
    job,
    machine::Machine,
    shares::{assert_by_weight, ten_tenants},
    with,
};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;

fn by_memory() -> Options {
    Options::default().charge(Charge::Memory)
}

/// A job of each of two shares in turn, of lengths that differ.
fn two(options: &Options, memory: [Option<u64>; 2]) -> Machine<FairShare> {
    let (mut machine, mut seed) = (Machine::new(with(options), 8), Seed::new(7));
    let measured = ["a", "b"].into_iter().zip(memory);
    machine.memory = measured.filter_map(|(share, bytes)| Some((share.to_owned(), bytes?))).collect();
    for token in 0..40_000 {
        let b = token % 2 == 1;
        machine.push(job(token, if b { "b" } else { "a" }, u32::from(b)), MS * (5 + seed.below(10) as u32));
    }
    machine.start(10_000);
    machine
}

/// How much more time of slots `b` had than `a`.
#[track_caller]
fn assert_times(options: &Options, memory: [Option<u64>; 2], expected: f64) {
    let machine = two(options, memory);
    let times = machine.used["b"].as_secs_f64() / machine.used["a"].as_secs_f64();
    assert!((times / expected - 1.0).abs() < 0.03, "{times} times instead of {expected}: {memory:?}");
}

#[test]
fn who_holds_more_memory_has_less_time() {
    let mib = |count: u64| Some(count * MIB);
    assert_times(&by_memory(), [mib(1000), mib(1000)], 1.0);
    assert_times(&by_memory(), [mib(1000), mib(250)], 4.0);
    assert_times(&by_memory().weight("b", 3.0), [mib(100), mib(600)], 0.5);
    assert_times(&by_memory().half_life(Duration::from_secs(3600)), [mib(1000), mib(250)], 4.0);
}

#[test]
fn an_attempt_is_charged_for_the_memory_of_a_slot_at_least() {
    let mib = |count: u64| Some(count * MIB);
    // Nothing is measured of `b`, or hardly anything.
    for little in [None, mib(1)] {
        assert_times(&by_memory(), [mib(640), little], 10.0);
        assert_times(&by_memory().slot_memory(320 * MIB), [mib(640), little], 2.0);
        assert_times(&by_memory().slot_memory(640 * MIB), [mib(640), little], 1.0);
    }
}

#[test]
fn by_time_memory_counts_nothing() {
    assert_times(&Options::default(), [Some(1000 * MIB), Some(MIB)], 1.0);
}

#[test]
fn ten_tenants_of_unequal_memory_get_the_memory_that_their_weights_say() {
    for number in 0..3 {
        let mut machine = ten_tenants(8, number, |_| 1.0, |options| options.charge(Charge::Memory));
        // The heavier one is, the more its jobs hold: from 110 MiB to 1,100 MiB.
        machine.memory = (1..=10).map(|weight| (format!("t{weight}"), weight * 110 * MIB)).collect();
        machine.start(10_000);
        for (share, used) in &mut machine.used {
            // From here on what each share used is memory times time.
            *used *= u32::try_from(machine.memory[share] / MIB).unwrap();
        }
        assert_by_weight(&machine, &format!("by memory, seed {number}"));
    }
}

#[test]
fn gib_seconds_are_handed_out_and_kept_apart_from_seconds() {
    let mut machine = two(&by_memory().half_life(Duration::from_secs(3600)), [Some(1 << 30), Some(1 << 29)]);
    while machine.is_busy() {
        machine.step();
    }
    assert_eq!(machine.scheduler.memory().unwrap().unit, "GiB-seconds");
    assert!(machine.scheduler.charges_memory() && !with(&Options::default()).charges_memory());
    let told = machine.scheduler.take_usage();
    for (share, gib) in [("a", 1.0), ("b", 0.5)] {
        let amount = told.iter().find(|used| used.share == share).unwrap().amount;
        let expected = machine.used[share].as_secs_f64() * gib;
        assert!((amount / expected - 1.0).abs() < 1e-6, "{share}: {amount} instead of {expected}");
    }
}
