//! What people write: one task a job, a permit taken before it is spawned, a time limit around it, results in a list.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{error::Elapsed, timeout},
};

use super::{runtime, task::Task};
use crate::measure::{Sample, Stopwatch};

const TIMEOUT: Duration = Duration::from_secs(300);

/// What is kept of a job: the same facts as of Batchmill's result, without the times of day.
struct Done {
    job: u32,
    output: Result<Value, Elapsed>,
    duration: Duration,
}

/// `JoinSet` + `Semaphore` + `timeout`.
pub(crate) fn full<T: Task>(jobs: u32, concurrency: u32) -> Result<Sample, String> {
    let one = |job| async move {
        let started = Instant::now();
        let output = timeout(TIMEOUT, T::run(job)).await;
        Done { job, output, duration: started.elapsed() }
    };
    measured(
        jobs,
        move || spawn_all(jobs, concurrency, one),
        |done| done.output.is_ok_and(|output| output == done.job) && done.duration < TIMEOUT,
    )
}

/// `JoinSet` + `Semaphore`: the least that bounds concurrency.
pub(crate) fn bare<T: Task>(jobs: u32, concurrency: u32) -> Result<Sample, String> {
    let one = |job| async move { (job, T::run(job).await) };
    measured(jobs, move || spawn_all(jobs, concurrency, one), |(job, output)| output == job)
}

fn measured<R, F>(
    jobs: u32,
    run: impl FnOnce() -> F + Send + 'static,
    is_right: impl Fn(R) -> bool,
) -> Result<Sample, String>
where
    R: Send + 'static,
    F: Future<Output = Vec<R>> + Send + 'static,
{
    let stopwatch = Stopwatch::start();
    // On a worker like the other sides, not on the thread that blocks.
    let ran = runtime().block_on(async move { tokio::spawn(run()).await });
    let results = ran.map_err(|error| error.to_string())?;
    let sample = stopwatch.rate(jobs, results.len() as u64)?;
    match results.into_iter().all(is_right) {
        true => Ok(sample),
        false => Err("a job has another job's result, or none".to_owned()),
    }
}

async fn spawn_all<R, F>(jobs: u32, concurrency: u32, one: impl Fn(u32) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(concurrency as usize));
    let (mut tasks, mut results) = (JoinSet::new(), Vec::with_capacity(jobs as usize));
    for job in 0..jobs {
        let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let work = one(job);
        tasks.spawn(async move {
            let result = work.await;
            drop(permit);
            result
        });
        while let Some(ended) = tasks.try_join_next() {
            results.extend(ended);
        }
    }
    while let Some(ended) = tasks.join_next().await {
        results.extend(ended);
    }
    results
}
