//! `cargo xtask bench [JOBS] [ROUNDS]`: one million no-op jobs through Batchmill with every policy on, against what people
//! write by hand: `JoinSet` + `Semaphore` + `timeout`. Both sides run in turn in one process, on two worker threads, with
//! the same allocator; medians and their ratio are printed. Machines are noisy: read the ratio, not the rates.
//!
//! `cargo xtask bench scheduler [JOBS] [ROUNDS]`: push and pop of the schedulers with a thousand up to ten million jobs queued
//! (or JOBS), against a `BinaryHeap` of the same size.

mod by_hand;
mod full;
mod measure;
mod scheduler;

use std::process::ExitCode;

use measure::{Figure, Round};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const JOBS: u32 = 1_000_000;
const ROUNDS: usize = 5;
const CONCURRENCY: [u32; 2] = [10, 1000];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let of_schedulers = arguments.next_if(|argument| argument == "scheduler").is_some();
    let mut numbers = arguments.map(|argument| argument.parse::<u32>());
    let most = if of_schedulers { 10 * JOBS } else { JOBS };
    let (jobs, rounds) = match (numbers.next().unwrap_or(Ok(most)), numbers.next()) {
        (Ok(jobs), None) if jobs > 0 => (jobs, ROUNDS),
        (Ok(jobs), Some(Ok(rounds))) if jobs > 0 && rounds > 0 => (jobs, rounds as usize),
        _ => {
            eprintln!("usage: cargo xtask bench [scheduler] [JOBS] [ROUNDS], whole numbers above 0");
            return ExitCode::from(2);
        }
    };
    if of_schedulers {
        scheduler::run(jobs.into(), rounds);
        return ExitCode::SUCCESS;
    }
    println!("{jobs} no-op jobs, {rounds} rounds, 2 worker threads, mimalloc on every side; medians");
    println!("{:<44} {:>11} {:>12} {:>12} {:>9}", "side", "concurrency", "jobs/s", "CPU/job", "ratio");
    for concurrency in CONCURRENCY {
        compare(jobs, rounds, concurrency);
    }
    ExitCode::SUCCESS
}

fn compare(jobs: u32, rounds: usize, concurrency: u32) {
    type Side = (&'static str, fn(u32, u32) -> u64);
    let sides: [Side; 3] = [
        ("by hand: JoinSet + Semaphore + timeout", by_hand::run),
        ("batchmill: scheduler to results, no-op job", full::noop),
        ("batchmill: the same, a flow of one node", full::flow),
    ];
    let mut figures = sides.map(|_| Figure::default());
    for _ in 0..rounds {
        for ((_, side), figure) in sides.iter().zip(&mut figures) {
            figure.add(Round::of(jobs, || side(jobs, concurrency)));
        }
    }
    let baseline = figures[0].jobs_per_second();
    for ((name, _), figure) in sides.iter().zip(&figures) {
        let rate = figure.jobs_per_second();
        println!(
            "{name:<44} {concurrency:>11} {rate:>12.0} {:>9.0} ns {:>8.2}x",
            figure.cpu_nanos_per_job(),
            rate / baseline
        );
    }
}
