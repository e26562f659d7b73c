//! What a decision of a scheduler costs: push and pop with many jobs queued, against a `BinaryHeap` of the same size.
//!
//! Each side holds its queue at a size: one job leaves, an attempt that left earlier ends, one is pushed. The bulk is timed
//! by the CPU time of the thread, because an operation takes less than what the machine does besides; the single calls by
//! the clock, whose own 20 to 40 ns are in them.

mod queue;

use std::{hint::black_box, time::Instant};

use batchmill_core::Scheduler;
use batchmill_scheduler_fair_share::{FairShare, Options};
use batchmill_scheduler_fifo::Fifo;
use batchmill_scheduler_priority::PriorityScheduler;
use queue::{ByPass, ByPriority, Mix, Queue, Scheduled};
use rustix::time::{ClockId, clock_gettime};

/// Operations of one side in one round.
const OPERATIONS: usize = 300_000;
/// Single calls that are timed at the end.
const CALLS: usize = 200_000;

const MILLION: u64 = 1_000_000;

/// A comparison: the first side is what the others are divided by.
struct Case {
    name: &'static str,
    mix: Mix,
    sides: &'static [Side],
}

type Side = (&'static str, fn(Mix) -> Box<dyn Queue>);

const CASES: [Case; 2] = [
    Case {
        name: "256 priorities",
        mix: Mix { tenants: 1, priorities: 256 },
        sides: &[
            ("BinaryHeap by priority and arrival", |mix| Box::new(ByPriority::new(mix))),
            ("priority", |mix| scheduled(mix, PriorityScheduler::new(&Default::default()))),
            ("fifo", |mix| scheduled(mix, Fifo::new())),
        ],
    },
    Case {
        name: "1,000 tenants, 4 priorities each",
        mix: Mix { tenants: 1000, priorities: 4 },
        sides: &[
            ("BinaryHeap by virtual time", |mix| Box::new(ByPass::new(mix))),
            ("BinaryHeap by priority and arrival", |mix| Box::new(ByPriority::new(mix))),
            ("fair-share", |mix| scheduled(mix, fair_share())),
        ],
    },
];

/// Compares the schedulers at sizes from a thousand up to `jobs_max`.
pub(crate) fn run(jobs_max: u64, rounds: usize) {
    println!("push + pop of schedulers, {rounds} rounds in turn, medians of CPU time; p50 / p99 of single calls in ns");
    for case in &CASES {
        println!("{}", case.name);
        let sizes = std::iter::successors(Some(1000), |size| Some(size * 10));
        for size in sizes.take_while(|size| *size <= jobs_max.min(10 * MILLION)) {
            compare(case, size, rounds);
        }
    }
}

fn compare(case: &Case, size: u64, rounds: usize) {
    let mut queues: Vec<_> = case.sides.iter().map(|(_, make)| make(case.mix)).collect();
    for queue in &mut queues {
        (0..size).for_each(|_| queue.push());
    }
    let mut nanos = vec![Vec::new(); queues.len()];
    for _ in 0..rounds {
        for (queue, nanos) in queues.iter_mut().zip(&mut nanos) {
            nanos.push(bulk(&mut **queue));
        }
    }
    let medians: Vec<f64> = nanos.into_iter().map(median).collect();
    println!("  {size:>10} queued {:>23} {:>7} {:>15} {:>15} {:>15}", "push + pop", "ratio", "pop", "end", "push");
    for (((name, _), median), queue) in case.sides.iter().zip(&medians).zip(&mut queues) {
        let [pop, end, push] = calls(&mut **queue);
        println!("    {name:<36} {median:>5.0} ns {:>6.2}x {pop:>15} {end:>15} {push:>15}", median / medians[0]);
    }
}

fn bulk(queue: &mut dyn Queue) -> f64 {
    let started = cpu_nanos();
    for _ in 0..OPERATIONS {
        black_box(queue.pop());
        queue.end();
        queue.push();
    }
    (cpu_nanos() - started) / OPERATIONS as f64
}

/// The median and the 99th percentile of each call.
fn calls(queue: &mut dyn Queue) -> [String; 3] {
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
    times.map(|mut times| {
        times.sort_unstable();
        format!("{} / {}", times[CALLS / 2], times[CALLS / 100 * 99])
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
