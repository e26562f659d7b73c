//! Thousands of lives of a dispatch.
//!
//! `BATCHMILL_SIM_SEEDS=100000` runs more of them. A seed that ever failed belongs into `regression_seeds.txt`.

use crate::world::{World, scheduler};

const SEEDS: u64 = 1_000;
const STEPS: u32 = 150;

fn life(seed: u64) -> Result<Vec<String>, String> {
    let (inner, manner) = scheduler(seed);
    let mut world = World::new(seed, inner, manner);
    match world.live(STEPS) {
        Ok(()) => Ok(world.trace),
        Err(violation) => {
            let last = world.trace.len().saturating_sub(12);
            Err(format!("seed {seed}: {violation}\nthe last steps:\n{}", world.trace[last..].join("\n")))
        }
    }
}

fn must_hold(seed: u64) -> Vec<String> {
    let outcome = std::panic::catch_unwind(|| life(seed));
    match outcome {
        Ok(Ok(trace)) => trace,
        Ok(Err(violation)) => panic!("{violation}"),
        Err(_) => panic!("seed {seed}: dispatch panicked, see above"),
    }
}

#[test]
fn every_life_keeps_every_promise() {
    let seeds = match std::env::var("BATCHMILL_SIM_SEEDS") {
        Ok(text) => text.parse().expect("BATCHMILL_SIM_SEEDS is a number of seeds"),
        Err(_) => SEEDS,
    };
    for seed in 0..seeds {
        must_hold(seed);
    }
}

#[test]
fn seeds_that_failed_once() {
    for line in include_str!("regression_seeds.txt").lines().filter(|line| !line.starts_with('#')) {
        must_hold(line.split_whitespace().next().expect("a seed").parse().expect("a seed"));
    }
}

#[test]
fn the_same_seed_is_the_same_life() {
    for seed in 0..24 {
        assert_eq!(must_hold(seed), must_hold(seed), "seed {seed}");
    }
}
