//! A durable job that is alone: its batch is opened on a host that has nothing else to do, and its result is answered when
//! the disk has it.

use std::{marker::PhantomData, num::NonZeroU32, sync::Arc, time::Instant};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, SinkError, Verdict};
use batchmill_executor::{Begins, Clock, Durable, Feed, JobSource, Mill, Settings};
use batchmill_scheduler_priority::PriorityScheduler;
use batchmill_store_sqlite::{Batch, Durability, NewBatch, StateDir};
use tokio::sync::oneshot;

use super::{
    mill::{Numbers, Tasks, opening},
    runtime, scratch,
    task::Nothing,
};
use crate::measure::Sample;

/// The median time from the opening of a batch of one job to the answer with its result, in nanoseconds.
pub(crate) fn latency(jobs: u32) -> Result<Sample, String> {
    let folder = scratch()?;
    let state = StateDir::open(folder.path()).map_err(|error| error.to_string())?;
    // On a worker, as the other sides are.
    let ran = runtime().block_on(async move { tokio::spawn(one_by_one(state, jobs)).await });
    ran.map_err(|error| error.to_string()).flatten()
}

async fn one_by_one(state: StateDir, jobs: u32) -> Result<Sample, String> {
    let scheduler = PriorityScheduler::new(&batchmill_scheduler_priority::Options::default());
    let mill = Mill::start(&Settings::new(NonZeroU32::MIN), Box::new(scheduler));
    let mut times = Vec::with_capacity(jobs as usize);
    for job in 0..jobs {
        let batch = accepted(&state, job)?;
        let (told, answer) = oneshot::channel();
        let feeds: Vec<Box<dyn Feed>> = vec![Box::new(Answer(Some(told)))];
        let durable = Durable::new(batch.journal(), batch.starts(), batch.accepted(), feeds);
        let source: Arc<dyn JobSource> = Arc::new(Numbers::new(1));
        let opening = opening(batch.id().clone(), Arc::new(Tasks::<Nothing>(PhantomData)), source, durable);
        let started = Instant::now();
        let handle = mill.open(opening);
        let answered = answer.await;
        times.push(started.elapsed());
        let end = handle.wait().await;
        if answered.is_err() || end.verdict != Verdict::Succeeded {
            return Err(format!("a batch ended {:?}, or without a result", end.verdict));
        }
    }
    Ok(Sample::median(times))
}

/// A batch whose folder, database and lock are there.
fn accepted(state: &StateDir, number: u32) -> Result<Batch, String> {
    let clock = Clock::start();
    let batch = NewBatch {
        id: BatchId::new(format!("lone-{number}")).map_err(|error| error.to_string())?,
        name: None,
        flow: "lone".to_owned(),
        source: String::new(),
        manifest: serde_json::json!({}),
        jobs: 1,
        content: String::new(),
        accepted: clock.wall(clock.now()),
        durability: Durability::Fsync,
        parent: None,
        generation: 0,
    };
    state.create(batch).map_err(|error| error.to_string())
}

/// Whoever waits for the result.
struct Answer(Option<oneshot::Sender<()>>);

#[async_trait]
impl Feed for Answer {
    fn name(&self) -> &str {
        "answer"
    }

    fn begins(&self) -> Begins {
        Begins::Anew
    }

    async fn take(&mut self, _: &BatchId, _: &[JobResult]) -> Result<(), SinkError> {
        // There is one result.
        if let Some(told) = self.0.take() {
            let _ = told.send(());
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
