//! Runs batches.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use batchmill_core::{BatchId, Checkpointer, FailureStrategy, Scheduler};
use batchmill_executor::{FlowWorkload, Graphs, JobSource, Mill, Opening, Settings as MillSettings};
use batchmill_flow::MemoryCheckpointer;
use futures_util::StreamExt;
use uuid::Uuid;

use crate::{
    BatchError, BatchExecutorBuilder, BatchJob, BatchResult, BatchStream,
    builder::OnProgress,
    job::{self, Accepted},
    policies::Retry,
    progress::Progress,
    stream,
};

/// Results that may wait to be taken from a stream.
const STREAM_AHEAD: NonZeroU64 = NonZeroU64::new(256).expect("it is not 0");
/// The same for a run, which takes them at once.
const RUN_AHEAD: NonZeroU64 = NonZeroU64::new(4096).expect("it is not 0");

pub(crate) struct Settings {
    pub(crate) concurrency_limit: NonZeroU32,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) scheduler: Box<dyn Fn() -> Box<dyn Scheduler> + Send + Sync>,
    pub(crate) failure: Box<dyn Fn() -> Box<dyn FailureStrategy> + Send + Sync>,
    pub(crate) checkpointer: Option<Arc<dyn Checkpointer>>,
    pub(crate) progress: Option<(OnProgress, Duration)>,
}

/// Runs batches of jobs. Its limits hold for each batch by itself; clones share the settings.
#[derive(Clone)]
pub struct BatchExecutor(Arc<Settings>);

impl BatchExecutor {
    /// Starts from the defaults.
    pub fn builder() -> BatchExecutorBuilder {
        BatchExecutorBuilder::new()
    }

    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// Runs `jobs` and answers in submission order, one result a job, whether it succeeded or not. Dropping the future
    /// cancels the batch.
    ///
    /// # Errors
    /// Nothing ran if ids are not unique, a graph refuses an input, or retry settings of a node are wrong. Jobs that fail
    /// are no error of the batch: see the status of their results.
    ///
    /// # Panics
    /// Outside a tokio runtime with timers.
    pub async fn run(&self, jobs: Vec<BatchJob>) -> Result<Vec<BatchResult>, BatchError> {
        let mut results: Vec<Option<BatchResult>> = Vec::new();
        results.resize_with(jobs.len(), || None);
        let mut stream = self.start(jobs, RUN_AHEAD)?;
        while let Some((place, result)) = stream.next().await {
            results[place] = Some(result);
        }
        match stream.left() {
            0 => Ok(results.into_iter().flatten().collect()),
            missing => Err(BatchError::BrokenOff { missing, reason: stream.why_broken_off() }),
        }
    }

    /// Starts `jobs` and yields each result with its place in submission order, as jobs end. A consumer that takes nothing
    /// stops the batch from going on: at most 256 jobs, and those that run, get ahead of it. Dropping the stream cancels.
    ///
    /// # Errors
    /// As of [`run`](Self::run), before anything starts.
    ///
    /// # Panics
    /// Outside a tokio runtime with timers.
    pub fn stream(&self, jobs: Vec<BatchJob>) -> Result<BatchStream, BatchError> {
        self.start(jobs, STREAM_AHEAD)
    }

    fn start(&self, jobs: Vec<BatchJob>, ahead: NonZeroU64) -> Result<BatchStream, BatchError> {
        let settings = &*self.0;
        let total = jobs.len();
        let mut problems = Vec::new();
        let Accepted { jobs, graphs, of_job } = job::accept(jobs, &mut problems);
        let (retry, graphs) = settings.retry.of(graphs, &mut problems);
        if !problems.is_empty() {
            return Err(BatchError::Refused(problems));
        }
        let source: Arc<dyn JobSource> = Arc::new(jobs);
        let checkpointer = settings.checkpointer.clone().unwrap_or_else(|| Arc::new(MemoryCheckpointer::default()));
        let workload = FlowWorkload::new(Graphs::PerJob { graphs, of_job }, source.clone(), Some(checkpointer));
        let (handover, lots) = stream::channel();
        // Unlike any other, so that batches that share a checkpointer keep apart.
        let id = BatchId::new(Uuid::now_v7().to_string()).expect("a UUID is a good id");
        let failure = (settings.failure)();
        let mut opening = Opening::new(id, Arc::new(workload), source, failure, retry, Box::new(handover));
        opening.timeout = Some(settings.timeout);
        let mut limits = MillSettings::new(settings.concurrency_limit);
        limits.unanswered_limit = ahead;
        let batch = Mill::start(&limits, (settings.scheduler)()).open(opening);
        let progress = settings.progress.clone();
        let progress = progress.map(|(callback, period)| Progress::start(batch.clone(), callback, period));
        Ok(BatchStream::new(batch, lots, progress, total))
    }
}

impl fmt::Debug for BatchExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchExecutor")
            .field("concurrency_limit", &self.0.concurrency_limit)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
