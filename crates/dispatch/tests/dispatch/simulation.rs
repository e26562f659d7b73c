//! Ten thousand lives of a dispatch, and ten thousand of batches that outlive the hosts of their dispatches.
//!
//! `BATCHMILL_SIM_SEEDS=100000` runs more of them. A seed that ever failed belongs into `regression_seeds.txt`.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread,
};

use crate::{
    durable::Lineage,
    world::{FEW_RULES, World, scheduler},
};

const SEEDS: u64 = 10_000;
const STEPS: u32 = 150;
/// A life on a journal is that of several hosts.
const DURABLE_STEPS: u32 = 400;
/// The first seed of lives on a journal.
const DURABLE: u64 = 1_000_000;

/// A life, told in full if `traced`: to tell takes most of its time. From the seed [`DURABLE`] on, batches outlive hosts.
fn life(seed: u64, traced: bool) -> (Option<Vec<String>>, Result<(), String>) {
    if seed >= DURABLE {
        let mut lineage = Lineage::new(seed, None, traced);
        let lived = lineage.live(DURABLE_STEPS);
        return (lineage.trace, lived);
    }
    let mut world = World::new(seed, scheduler(seed));
    world.trace = traced.then(Vec::new);
    let lived = world.live(STEPS);
    (world.trace, lived)
}

fn must_hold(seed: u64) {
    match std::panic::catch_unwind(|| life(seed, false).1) {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("{}", last_steps(seed)),
        Err(_) => panic!("seed {seed}: dispatch panicked, see above"),
    }
}

/// What a life that broke a promise says, lived once more.
fn last_steps(seed: u64) -> String {
    let (trace, lived) = life(seed, true);
    let (trace, violation) = (trace.unwrap_or_default(), lived.err().unwrap_or_default());
    let last = trace.len().saturating_sub(12);
    format!("seed {seed}: {violation}\nthe last steps:\n{}", trace[last..].join("\n"))
}

/// Events and effects of a life, from the first to the last.
fn hash(seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    life(seed, true).hash(&mut hasher);
    hasher.finish()
}

/// Lives through so many seeds, from `first` on.
fn all_must_hold(first: u64) {
    let seeds = match std::env::var("BATCHMILL_SIM_SEEDS") {
        Ok(text) => text.parse().expect("BATCHMILL_SIM_SEEDS is a number of seeds"),
        Err(_) => SEEDS,
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = first + thread as u64..first + seeds;
            scope.spawn(move || seeds.step_by(threads).for_each(must_hold));
        }
    });
}

#[test]
fn every_life_keeps_every_promise() {
    all_must_hold(0);
}

#[test]
fn lives_with_few_rules_keep_every_promise() {
    all_must_hold(FEW_RULES);
}

#[test]
fn batches_that_outlive_their_hosts_lose_nothing_and_repeat_nothing_that_is_recorded() {
    all_must_hold(DURABLE);
}

#[test]
fn seeds_that_failed_once() {
    for line in include_str!("regression_seeds.txt").lines().filter(|line| !line.starts_with('#')) {
        must_hold(line.split_whitespace().next().expect("a seed").parse().expect("a seed"));
    }
}

#[test]
fn the_same_seed_is_the_same_life() {
    let seeds = || (0..60).chain(2_000..2_060).chain(DURABLE..DURABLE + 60);
    let (once, again): (Vec<u64>, Vec<u64>) = (seeds().map(hash).collect(), seeds().map(hash).collect());
    assert_eq!(once, again);
    let mut different = once;
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 180, "other seeds are other lives");
}

#[test]
fn the_short_way_leads_to_the_same_life() {
    let mut shortcuts = 0;
    for seed in (0..100).chain(2_000..2_100).chain(FEW_RULES..FEW_RULES + 1_000) {
        let mut lives = [World::new(seed, scheduler(seed)), World::new(seed, scheduler(seed)).without_shortcuts()];
        let lived = lives.each_mut().map(|life| {
            life.trace = Some(Vec::new());
            life.live(STEPS)
        });
        let [short, long] = lives;
        assert_eq!(long.shortcuts, 0, "seed {seed}");
        shortcuts += short.shortcuts;
        assert_eq!((short.trace, &lived[0]), (long.trace, &lived[1]), "seed {seed}");
        assert_eq!(lived[0], Ok(()), "seed {seed}");
    }
    assert!(shortcuts > 1_000, "only {shortcuts} ends of these lives are plain");
}
