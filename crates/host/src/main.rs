//! The `batchmill` program.
//!
//! **What it is.** The command line around the library: it reads and checks config, flow and jobs, builds the plugins that
//! config names (all of them are listed in `catalog`), runs the batch on one mill, and tells what became of it: results on
//! stdout or in a file, progress, logs and the summary on stderr, a report, metrics, an exit code.
//!
//! **When to use it.** To run a batch from a shell, a script or a timer: `batchmill run flow.yaml jobs.jsonl`.
//!
//! **What it deliberately does not do.** It decides nothing about jobs: that is dispatch and its plugins. What is kept of
//! a batch, the store keeps; the program says what that is. Programs that embed Batchmill use the crate
//! `batchmill`, not this one.

mod batches;
mod catalog;
mod cli;
mod clock;
mod contradictions;
mod control;
mod dynamic;
mod exit;
mod inputs;
mod intake;
mod logs;
mod look;
mod paint;
mod problems;
mod progress;
mod refusal;
mod resources;
mod retries;
mod run;
mod screen;
mod signals;
mod simulate;
mod stdout;
mod summary;
mod throttle;
mod work;

use std::process::ExitCode;

/// Twice as fast as the system's where processes and results come and go by the thousand.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::execute().into()
}
