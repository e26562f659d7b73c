//! The other sides of the benchmarks, in one program that lives as long as the benchmark: it answers one request a line,
//! so that both sides run in turn and neither pays for its start in a round.
//!
//! A request is `CASE JOBS CONCURRENCY`; the answer is `ok WALL_SECONDS CPU_SECONDS` or `error WHY`. The program ends with
//! its input.

mod apalis;
mod cpu;
mod graph_flow;
mod posix_spawn;
mod postgres;

use std::{
    io::{self, BufRead, Write},
    time::Instant,
};

use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let answer = match answer(&line?) {
            Ok((wall, cpu)) => format!("ok {wall} {cpu}"),
            Err(why) => format!("error {why}"),
        };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

/// The wall and CPU seconds that a request took.
fn answer(request: &str) -> Result<(f64, f64), String> {
    let words: Vec<&str> = request.split_whitespace().collect();
    let [case, jobs, concurrency] = words[..] else { return Err(format!("not a request: {request}")) };
    let jobs: u32 = jobs.parse().map_err(|_| format!("not a number of jobs: {jobs}"))?;
    let concurrency: usize = concurrency.parse().map_err(|_| format!("not a concurrency: {concurrency}"))?;
    let run = match case {
        "apalis" => apalis::run,
        "graph-flow" => graph_flow::run,
        "posix-spawn" => posix_spawn::run,
        "postgres" => {
            postgres::fill(jobs)?;
            postgres::run
        }
        other => return Err(format!("no such case: {other}")),
    };
    let (started, cpu) = (Instant::now(), cpu::seconds());
    let done = run(jobs, concurrency)?;
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu::seconds() - cpu);
    if done == u64::from(jobs) { Ok((wall, cpu)) } else { Err(format!("{done} of {jobs} jobs were done right")) }
}

/// As on Batchmill's side.
fn runtime() -> Result<Runtime, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| format!("no runtime: {error}"))
}
