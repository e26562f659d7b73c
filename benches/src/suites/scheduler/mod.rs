//! What a decision of a scheduler costs: push and pop with many jobs queued, against a `BinaryHeap` of the same size.
//!
//! A queue is filled and emptied, as a batch does it, or it is held at a size: one job leaves, an attempt that left earlier
//! ends, one is pushed. The bulk is timed by the CPU time of the thread, because an operation takes less than what the
//! machine does besides; single calls by the clock, whose own 20 to 40 ns are in them.
//!
//! The heap is the same beside every scheduler: its jobs have 256 priorities. With a handful it would be nearly a list, which is
//! no measure for an order in which all keys differ, as in fair share. What a heap costs that shares fairly stands there too.

mod limited;
mod queue;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use batchmill_core::Scheduler;
use batchmill_scheduler_fair_share::{FairShare, Options};
use batchmill_scheduler_fifo::Fifo;
use batchmill_scheduler_priority::PriorityScheduler;
use rustix::time::{ClockId, clock_gettime};

use self::{
    limited::Limited,
    queue::{ByPass, ByPriority, Mix, Queue, Scheduled, Shares},
};
use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    tools::Tools,
};

pub(super) const SUITE: Suite = Suite {
    name: "scheduler",
    about: "a pick, an end and a push of the schedulers with many jobs queued, against a `BinaryHeap` of the same size",
    needs: &[],
    cases,
    only_by_name: false,
};

/// Operations of one side in one round.
const OPERATIONS: usize = 300_000;
/// Single calls that are timed in one round.
const CALLS: usize = 100_000;

const THOUSAND: u32 = 1000;
const MILLION: u32 = 1_000_000;

const HEAP: &str = "BinaryHeap by 256 priorities and arrival";
const HEAP_BY_PASS: &str = "BinaryHeap by virtual time";
const PRIORITY: &str = "priority";
const FIFO: &str = "fifo";
const FAIR_SHARE: &str = "fair-share";
const FAIR_SHARE_MEMORY: &str = "fair-share with a half-life";
const TEN_LIMITS: &str = "dispatch with 10 limits";
const NOBODY_HELD: &str = "nobody behind a held key";
const MILLION_HELD: &str = "1,000,000 behind a held key";

const ONE_TENANT: Mix = Mix { tenants: 1, priorities: 256, shares: Shares::Flat };
const MANY_TENANTS: Mix = Mix { tenants: 1000, priorities: 4, shares: Shares::Flat };
/// As many leaves in three levels.
const TREE: Mix = Mix { shares: Shares::Tree, ..MANY_TENANTS };

/// The most that 99 of 100 calls may take.
const P99_NANOS_MAX: f64 = 5000.0;

/// Makes an empty queue.
type Make = fn(Mix) -> Box<dyn Queue>;

/// Measures a queue in which so many jobs are.
type Measure = fn(&mut dyn Queue, u32) -> f64;

fn cases(_: &Tools) -> Vec<Case> {
    let priorities = of_priorities("fill and empty, 1,000,000 jobs, 256 priorities".to_owned(), MILLION, drained);
    let tenants = of_tenants("fill and empty, 1,000,000 jobs, 1,000 tenants".to_owned(), MILLION, drained);
    let leaves = of_leaves("fill and empty, 1,000,000 jobs, a tree of 1,000 leaves".to_owned(), MILLION, drained);
    let mut cases = vec![
        priorities.goal(PRIORITY, HEAP, Bound::AtMost(1.0)),
        tenants.goal(FAIR_SHARE, HEAP, Bound::AtMost(2.0)),
        leaves.goal(FAIR_SHARE, HEAP, Bound::AtMost(2.0)),
    ];
    for (size, shown) in [
        (THOUSAND, "1,000"),
        (10 * THOUSAND, "10,000"),
        (100 * THOUSAND, "100,000"),
        (MILLION, "1,000,000"),
        (10 * MILLION, "10,000,000"),
    ] {
        let priorities = of_priorities(format!("held at {shown} queued, 256 priorities"), size, bulk);
        let tenants = of_tenants(format!("held at {shown} queued, 1,000 tenants"), size, bulk);
        let leaves = of_leaves(format!("held at {shown} queued, a tree of 1,000 leaves"), size, bulk);
        cases.extend(match size {
            MILLION => [
                priorities.goal(PRIORITY, HEAP, Bound::AtMost(1.0)),
                tenants.goal(FAIR_SHARE, HEAP, Bound::AtMost(2.0)),
                leaves.goal(FAIR_SHARE, HEAP, Bound::AtMost(2.0)),
            ],
            _ => [priorities, tenants, leaves],
        });
    }
    let priorities = of_priorities("slowest 1 % of calls, 1,000,000 queued, 256 priorities".to_owned(), MILLION, p99);
    let tenants = of_tenants("slowest 1 % of calls, 1,000,000 queued, 1,000 tenants".to_owned(), MILLION, p99);
    cases.push(priorities.goal_of(PRIORITY, Bound::AtMost(P99_NANOS_MAX)));
    cases.push(tenants.goal_of(FAIR_SHARE, Bound::AtMost(P99_NANOS_MAX)));
    cases.push(ten_limits());
    cases.push(one_held_key());
    cases
}

/// The whole of dispatch, not only its scheduler, against a heap that knows no limit.
fn ten_limits() -> Case {
    Case::new("held at 1,000,000 queued, 10 limits of 1,000 keys each", Unit::Nanoseconds)
        .side(Kind::ByHand, HEAP, MILLION, held(|mix| Box::new(ByPriority::new(mix)), ONE_TENANT, bulk))
        .side(Kind::Batchmill, TEN_LIMITS, MILLION, held(|_| Box::new(Limited::new(10)), ONE_TENANT, bulk))
        .goal(TEN_LIMITS, HEAP, Bound::AtMost(4.0))
        .without_warm_up()
}

/// What jobs of a key that is used up cost the others.
fn one_held_key() -> Case {
    const QUEUED: u32 = 10_000;
    let behind: Make = |_| Box::new(Limited::new(1).with_held(MILLION));
    Case::new("decisions about 10,000 jobs, 1,000,000 others behind one held key", Unit::Nanoseconds)
        .side(Kind::Batchmill, NOBODY_HELD, QUEUED, held(|_| Box::new(Limited::new(1)), ONE_TENANT, bulk))
        .side(Kind::Batchmill, MILLION_HELD, QUEUED, held(behind, ONE_TENANT, bulk))
        .goal(MILLION_HELD, NOBODY_HELD, Bound::AtMost(1.05))
}

fn of_priorities(name: String, size: u32, measure: Measure) -> Case {
    let side = |make: Make| held(make, ONE_TENANT, measure);
    Case::new(name, Unit::Nanoseconds)
        .side(Kind::ByHand, HEAP, size, side(|mix| Box::new(ByPriority::new(mix))))
        .side(Kind::Batchmill, PRIORITY, size, side(|mix| scheduled(mix, PriorityScheduler::new(&Default::default()))))
        .side(Kind::Batchmill, FIFO, size, side(|mix| scheduled(mix, Fifo::new())))
        .without_warm_up()
}

fn of_tenants(name: String, size: u32, measure: Measure) -> Case {
    let side = |make: Make| held(make, MANY_TENANTS, measure);
    Case::new(name, Unit::Nanoseconds)
        .side(Kind::ByHand, HEAP, size, held(|mix| Box::new(ByPriority::new(mix)), ONE_TENANT, measure))
        .side(Kind::ByHand, HEAP_BY_PASS, size, side(|mix| Box::new(ByPass::new(mix))))
        .side(Kind::Batchmill, FAIR_SHARE, size, side(|mix| scheduled(mix, fair_share())))
        .without_warm_up()
}

fn of_leaves(name: String, size: u32, measure: Measure) -> Case {
    let side = |make: Make| held(make, TREE, measure);
    Case::new(name, Unit::Nanoseconds)
        .side(Kind::ByHand, HEAP, size, held(|mix| Box::new(ByPriority::new(mix)), ONE_TENANT, measure))
        .side(Kind::Batchmill, FAIR_SHARE, size, side(|mix| scheduled(mix, fair_share())))
        .side(Kind::Batchmill, FAIR_SHARE_MEMORY, size, side(|mix| scheduled(mix, fair_share_with_memory())))
        .without_warm_up()
}

/// A queue that is filled before its first round, and as full after each.
fn held(make: Make, mix: Mix, measure: Measure) -> impl FnMut(u32) -> Result<Sample, String> {
    let mut kept: Option<Box<dyn Queue>> = None;
    move |size| {
        let queue = kept.get_or_insert_with(|| {
            let mut queue = make(mix);
            (0..size).for_each(|_| queue.push());
            queue
        });
        Ok(Sample::of(measure(&mut **queue, size)))
    }
}

/// CPU time of a job that leaves, ends, and is pushed again, when first all leave and then all are pushed.
fn drained(queue: &mut dyn Queue, size: u32) -> f64 {
    let started = cpu_nanos();
    for _ in 0..size {
        black_box(queue.pop());
        queue.end();
    }
    (0..size).for_each(|_| queue.push());
    (cpu_nanos() - started) / f64::from(size)
}

/// CPU time of a pop, an end and a push together.
fn bulk(queue: &mut dyn Queue, _: u32) -> f64 {
    let started = cpu_nanos();
    for _ in 0..OPERATIONS {
        black_box(queue.pop());
        queue.end();
        queue.push();
    }
    (cpu_nanos() - started) / OPERATIONS as f64
}

/// The 99th percentile of single calls: that of pop, end or push, whichever is the largest.
fn p99(queue: &mut dyn Queue, _: u32) -> f64 {
    let mut times = [(); 3].map(|()| Vec::with_capacity(CALLS));
    for _ in 0..CALLS {
        let started = Instant::now();
        black_box(queue.pop());
        let popped = Instant::now();
        queue.end();
        let ended = Instant::now();
        queue.push();
        let pushed = Instant::now();
        let spans = [popped - started, ended - popped, pushed - ended];
        times.iter_mut().zip(spans).for_each(|(times, span)| times.push(span.as_nanos()));
    }
    let percentiles = times.map(|mut times| {
        times.sort_unstable();
        times[CALLS / 100 * 99]
    });
    percentiles.into_iter().max().unwrap_or_default() as f64
}

fn cpu_nanos() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn scheduled(mix: Mix, scheduler: impl Scheduler + 'static) -> Box<dyn Queue> {
    Box::new(Scheduled::new(mix, Box::new(scheduler)))
}

fn fair_share() -> FairShare {
    FairShare::new(&Options::default()).expect("the defaults are valid")
}

fn fair_share_with_memory() -> FairShare {
    FairShare::new(&Options::default().half_life(Duration::from_secs(3600))).expect("an hour is valid")
}
