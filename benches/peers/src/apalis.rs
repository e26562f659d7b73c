//! apalis with its queue in memory: jobs are pushed one by one, then one worker runs them. Bare: no retry, no time limit, no
//! results kept.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use apalis::prelude::*;

/// The jobs that are to be done, and those that were.
#[derive(Debug, Clone, Default)]
struct Tally {
    wanted: u64,
    done: Arc<AtomicU64>,
}

pub(crate) fn run(jobs: u32, concurrency: usize) -> Result<u64, String> {
    let tally = Tally { wanted: jobs.into(), ..Tally::default() };
    let done = tally.done.clone();
    crate::runtime()?.block_on(async move {
        // On a worker, as the other sides are.
        let ran = tokio::spawn(push_and_run(jobs, concurrency, tally)).await;
        ran.map_err(|error| error.to_string()).flatten()
    })?;
    Ok(done.load(Ordering::Relaxed))
}

async fn push_and_run(jobs: u32, concurrency: usize, tally: Tally) -> Result<(), String> {
    let mut queue = MemoryStorage::new();
    for job in 0..jobs {
        queue.push(job).await.map_err(|error| format!("a push failed: {error:?}"))?;
    }
    let worker = WorkerBuilder::new("bench").backend(queue).data(tally).concurrency(concurrency).build(count);
    worker.run().await.map_err(|error| format!("the worker failed: {error}"))
}

async fn count(_job: u32, tally: Data<Tally>, worker: WorkerContext) -> Result<(), BoxDynError> {
    if tally.done.fetch_add(1, Ordering::Relaxed) + 1 == tally.wanted {
        worker.stop()?;
    }
    Ok(())
}
