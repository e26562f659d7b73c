//! What a job does. Types, not values: the future of a job is then no larger than it must be, on every side.

use std::{
    hint::{black_box, spin_loop},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A job's work.
pub(crate) trait Task: Send + Sync + 'static {
    /// Puts out the number of its job.
    fn run(job: u32) -> impl Future<Output = Value> + Send;
}

/// Ends at once.
pub(crate) struct Nothing;

impl Task for Nothing {
    async fn run(job: u32) -> Value {
        Value::from(black_box(job))
    }
}

/// Is pending once.
pub(crate) struct Yield;

impl Task for Yield {
    async fn run(job: u32) -> Value {
        tokio::task::yield_now().await;
        Value::from(black_box(job))
    }
}

/// Keeps a core busy for so many microseconds.
pub(crate) struct Spin<const MICROS: u64>;

impl<const MICROS: u64> Task for Spin<MICROS> {
    async fn run(job: u32) -> Value {
        let end = Instant::now() + Duration::from_micros(MICROS);
        while Instant::now() < end {
            spin_loop();
        }
        Value::from(job)
    }
}

/// Waits for so many milliseconds.
pub(crate) struct Sleep<const MILLIS: u64>;

impl<const MILLIS: u64> Task for Sleep<MILLIS> {
    async fn run(job: u32) -> Value {
        // tidy: allow(sleeps): the work of a benchmark's job, not a test that waits for something
        tokio::time::sleep(Duration::from_millis(MILLIS)).await;
        Value::from(job)
    }
}
