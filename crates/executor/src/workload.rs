//! What an attempt is.

use std::future::Future;

use batchmill_core::{BatchId, CancelSignal, GivenUp, JobError, JobId, JobResult, Outcome, Usage};
use serde_json::Value;

/// One attempt to run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The batch.
    pub batch: &'a BatchId,
    /// The job's place in its batch.
    pub index: u64,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// Whether an earlier attempt may have left a checkpoint.
    pub resume: bool,
    /// Nodes whose retries are used up and whose flow goes on without them.
    pub given_up: &'a [GivenUp],
    /// The memory that is set aside for it, in bytes, where its flow declares some.
    pub memory: Option<u64>,
    /// Whether the host decides by the memory that attempts use: it is to be looked at while their processes run.
    pub weighs: bool,
    /// Fires when the attempt must end.
    pub cancel: &'a CancelSignal,
}

/// How an attempt ended, and what it put out.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttemptReport {
    /// How.
    pub outcome: Outcome,
    /// The job's output, if it succeeded.
    pub output: Option<Value>,
    /// The job's id, if the workload came to know it.
    pub id: Option<JobId>,
    /// What it used, as far as the workload measured it; how long it ran is measured by the executor.
    pub usage: Usage,
}

impl AttemptReport {
    /// An attempt that succeeded with `output`.
    pub fn succeeded(id: JobId, output: Value) -> Self {
        Self { outcome: Outcome::Succeeded, output: Some(output), id: Some(id), usage: Usage::default() }
    }

    /// An attempt that ended as `outcome` says, without output.
    pub fn ended(id: Option<JobId>, outcome: Outcome) -> Self {
        Self { outcome, output: None, id, usage: Usage::default() }
    }

    /// The same with what was used.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }
}

/// What the attempts of a batch do. Generic, not `dyn`: the future of an attempt lives in its slot, unboxed.
pub trait Workload: Send + Sync + 'static {
    /// Runs one attempt. The future is dropped where it does not end in time after `cancel` was raised.
    fn run(&self, attempt: Attempt<'_>) -> impl Future<Output = AttemptReport> + Send;

    /// The id of a job, for the result of one that never ran.
    fn job_id(&self, index: u64) -> Result<JobId, JobError>;

    /// Jobs of the batch have ended: what is kept for attempts of theirs can go. Called with a journal when it has recorded
    /// `results`, without one before they are delivered.
    fn forget(&self, batch: &BatchId, results: &[JobResult]) -> impl Future<Output = ()> + Send {
        let _ = (batch, results);
        std::future::ready(())
    }
}
