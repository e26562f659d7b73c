//! A mill for tests of its parts.

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use batchmill_core::{BatchId, Job, JobError, JobId, JobResult, SinkError, StateData};
use batchmill_failure_halt::Halt;
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_priority::PriorityScheduler;

use crate::{Attempt, AttemptReport, BatchHandle, Delivery, Mill, Opening, Settings, Workload};

/// Runs for ever, so that only a failure ends the batch.
pub(super) struct Endless;

impl Workload for Endless {
    async fn run(&self, _: Attempt<'_>) -> AttemptReport {
        std::future::pending().await
    }

    fn job_id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index))
    }
}

struct Nowhere;

#[async_trait]
impl Delivery for Nowhere {
    async fn deliver(&mut self, _: &BatchId, _: &mut Vec<JobResult>) -> Result<(), SinkError> {
        panic!("a lot too many")
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A batch of so many jobs, so many at once; its delivery panics.
pub(super) fn running(at_once: u32, jobs: u64) -> (Mill<Endless>, BatchHandle<Endless>) {
    let scheduler = Box::new(PriorityScheduler::new(&Default::default()));
    let at_once = NonZeroU32::new(at_once).expect("some at once");
    let mill = Mill::start(&Settings::new(at_once), scheduler);
    let jobs: Vec<Job> = (0..jobs).map(|n| Job::new(JobId::from(n), StateData::new())).collect();
    let (failure, retry) = (Halt::new(&Default::default()).unwrap(), Exponential::new(&Default::default()).unwrap());
    let id = BatchId::new("batch").unwrap();
    let (failure, retry) = (Box::new(failure), vec![Arc::new(retry) as _]);
    let delivery: Box<dyn Delivery> = Box::new(Nowhere);
    let batch = mill.open(Opening::new(id, Arc::new(Endless), Arc::new(jobs), failure, retry, delivery));
    (mill, batch)
}
