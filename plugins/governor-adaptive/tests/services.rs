//! The limit follows a simulated service whose capacity changes.
//!
//! Time is virtual and whatever is random comes from a seed, so hours of load take a moment.

#![expect(clippy::cast_precision_loss, reason = "counts that are far below 2^52")]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use batchmill_core::{Governor, LoadSample, MonoTime};
use batchmill_governor_adaptive::{Adaptive, Algorithm, Options};
use batchmill_testkit::Seed;

/// What becomes of requests beyond the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    /// They wait for their turn.
    Waits,
    /// They are asked to come back.
    IsSentAway,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Served { since: u64 },
    SentAway,
}

/// A service that works on so many requests at once, and a host that has work without end for it. Times are in µs.
struct World {
    excess: Excess,
    seed: Seed,
    now: u64,
    capacity: u64,
    serving: u64,
    waiting: VecDeque<u64>,
    ends: BinaryHeap<Reverse<(u64, u64, End)>>,
    number: u64,
    in_flight: u32,
    limit: u32,
    /// The first requests, by which the others are measured.
    first: (u64, u64),
    window: Window,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    served: u64,
    sent_away: u64,
    took: u64,
    measured: u64,
}

const FIRST: u64 = 16;
const SECOND: u64 = 1_000_000;

impl World {
    fn new(excess: Excess, seed: u64, limit: u32) -> Self {
        Self {
            excess,
            seed: Seed::new(seed),
            now: 0,
            capacity: 0,
            serving: 0,
            waiting: VecDeque::new(),
            ends: BinaryHeap::new(),
            number: 0,
            in_flight: 0,
            limit,
            first: (0, 0),
            window: Window::default(),
        }
    }

    fn end_at(&mut self, at: u64, end: End) {
        self.number += 1;
        self.ends.push(Reverse((at, self.number, end)));
    }

    fn serve(&mut self, since: u64) {
        self.serving += 1;
        let takes = 100_000 + self.seed.below(200_000);
        self.end_at(self.now + takes, End::Served { since });
    }

    fn go(&mut self) {
        while self.serving < self.capacity
            && let Some(since) = self.waiting.pop_front()
        {
            self.serve(since);
        }
        while self.in_flight < self.limit {
            self.in_flight += 1;
            if self.serving < self.capacity {
                self.serve(self.now);
            } else if self.excess == Excess::Waits {
                self.waiting.push_back(self.now);
            } else {
                self.end_at(self.now + 100_000, End::SentAway);
            }
        }
    }

    /// A second with this capacity.
    fn window(&mut self, capacity: u64) -> Window {
        self.capacity = capacity;
        self.window = Window::default();
        let until = self.now + SECOND;
        self.go();
        while let Some(&Reverse((at, _, end))) = self.ends.peek()
            && at <= until
        {
            self.ends.pop();
            self.now = at;
            self.in_flight -= 1;
            match end {
                End::SentAway => self.window.sent_away += 1,
                End::Served { since } => {
                    self.serving -= 1;
                    self.window.served += 1;
                    if self.first.0 < FIRST {
                        self.first = (self.first.0 + 1, self.first.1 + at - since);
                    } else {
                        self.window.took += at - since;
                        self.window.measured += 1;
                    }
                }
            }
            self.go();
        }
        self.now = until;
        self.window
    }

    fn sample(&self, window: Window) -> LoadSample {
        let mut sample = LoadSample::default();
        sample.at = MonoTime::from_nanos(self.now * 1000);
        sample.interval = Duration::from_secs(1);
        (sample.in_flight, sample.queued) = (self.in_flight, 1_000_000);
        sample.finished = window.served + window.sent_away;
        (sample.failed, sample.strained, sample.throttled) = (window.sent_away, window.sent_away, window.sent_away);
        let expected = self.first.1 as f64 / FIRST as f64;
        sample.latency_ratio = (window.measured > 0).then(|| window.took as f64 / (window.measured as f64 * expected));
        sample
    }
}

/// The most that a limit that stays brings, a window.
fn best_fixed(excess: Excess, capacity: u64) -> f64 {
    let fixed = |tenths| {
        let mut world = World::new(excess, 0, u32::try_from(capacity * tenths / 10).unwrap());
        world.window(capacity);
        (0..50).map(|_| world.window(capacity).served).sum::<u64>() as f64 / 50.0
    };
    [10, 11, 12, 15].map(fixed).into_iter().fold(0.0, f64::max)
}

/// What the service bears, for two minutes each.
const CAPACITIES: [u64; 3] = [50, 10, 80];
const PHASE: usize = 120;
const SEEDS: u64 = 100;

fn is_near(limit: u32, capacity: u64) -> bool {
    u64::from(limit).abs_diff(capacity) * 5 <= capacity
}

/// What is promised of an algorithm.
struct Promise {
    algorithm: Algorithm,
    /// Windows until the limit is within a fifth of the capacity.
    settled: usize,
    /// Of what the best limit that stays brings, in percent, the way up and down included.
    goodput: f64,
    /// Of the windows after that, in percent, in which it is so near.
    near: usize,
}

const GRADIENT: Promise = Promise { algorithm: Algorithm::Gradient, settled: 20, goodput: 90.0, near: 50 };
/// One more a window, and a tenth less every other one.
const AIMD: Promise = Promise { algorithm: Algorithm::Aimd, settled: 60, goodput: 65.0, near: 10 };

fn follows(excess: Excess, promise: &Promise) {
    let best = CAPACITIES.map(|capacity| best_fixed(excess, capacity));
    for seed in 0..SEEDS {
        let mut options = Options::default();
        options.algorithm = promise.algorithm;
        let mut governor = Adaptive::new(options).unwrap();
        let mut world = World::new(excess, seed, 10);
        for (capacity, best) in CAPACITIES.into_iter().zip(best) {
            let (mut limits, mut served) = (Vec::new(), 0);
            for _ in 0..PHASE {
                let window = world.window(capacity);
                served += window.served;
                let answer = governor.adjust(&world.sample(window), world.limit);
                world.limit = answer.map_or(world.limit, |answer| answer.limit);
                limits.push(world.limit);
            }
            let settled = limits.iter().position(|limit| is_near(*limit, capacity));
            let goodput = served as f64 / PHASE as f64 / best * 100.0;
            let shown = format!("{excess:?}, seed {seed}, capacity {capacity}: {limits:?}");
            assert!(settled.is_some_and(|settled| settled < promise.settled), "{shown}");
            assert!(goodput >= promise.goodput, "{goodput:.1} % of the best fixed limit: {shown}");
            // Nor does it only pass by.
            let near = limits[promise.settled..].iter().filter(|limit| is_near(**limit, capacity)).count();
            assert!(near * 100 >= promise.near * (PHASE - promise.settled), "{near} windows near: {shown}");
        }
    }
}

#[test]
fn a_service_that_lets_the_rest_wait_is_followed() {
    follows(Excess::Waits, &GRADIENT);
}

#[test]
fn a_service_that_answers_429_is_followed() {
    follows(Excess::IsSentAway, &GRADIENT);
}

#[test]
fn aimd_follows_both_more_slowly() {
    follows(Excess::Waits, &AIMD);
    follows(Excess::IsSentAway, &AIMD);
}
