//! The `batchmill` program: runs batches of workflow jobs. See `batchmill --help`.

mod catalog;
mod cli;
mod exit;
mod inputs;
mod intake;
mod logs;
mod paint;
mod problems;
mod progress;
mod refusal;
mod retries;
mod run;
mod screen;
mod stdout;
mod summary;

use std::process::ExitCode;

/// Twice as fast as the system's where processes and results come and go by the thousand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::execute().into()
}
