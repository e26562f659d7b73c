//! What people write: one task a job, a permit taken before it is spawned, a timeout around it.

use std::{hint::black_box, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::full::runtime;

const TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) fn run(jobs: u32, concurrency: u32) -> u64 {
    let runtime = runtime();
    // On a worker like the other sides, not on the thread that blocks.
    runtime.block_on(async { tokio::spawn(spawn_all(jobs, concurrency)).await.expect("the jobs do not panic") })
}

async fn spawn_all(jobs: u32, concurrency: u32) -> u64 {
    let permits = Arc::new(Semaphore::new(concurrency as usize));
    let (mut tasks, mut done) = (JoinSet::new(), 0);
    for job in 0..jobs {
        let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        tasks.spawn(async move {
            let ended = timeout(TIMEOUT, async { black_box(job) }).await.is_ok();
            drop(permit);
            ended
        });
        while let Some(ended) = tasks.try_join_next() {
            done += u64::from(ended.is_ok_and(|ended| ended));
        }
    }
    while let Some(ended) = tasks.join_next().await {
        done += u64::from(ended.is_ok_and(|ended| ended));
    }
    done
}
