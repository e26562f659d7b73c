//! Runs batches.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use batchmill_core::{BatchId, Checkpointer, FailureStrategy, Scheduler, Verdict};
use batchmill_executor::{
    BatchEnd, BatchHandle, Collected, Delivery, FlowWorkload, Governing, Graphs, JobSource, LimitSettings, Mill,
    Opening, Settings as MillSettings,
};
use batchmill_flow::MemoryCheckpointer;
use uuid::Uuid;

use crate::{
    BatchError, BatchExecutorBuilder, BatchJob, BatchResult, BatchStream, Limit,
    builder::{MakeGovernor, OnProgress},
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
    pub(crate) governor: Option<MakeGovernor>,
    pub(crate) timeout: Duration,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) job_timeout: Option<Duration>,
    pub(crate) retry: Retry,
    pub(crate) scheduler: Box<dyn Fn() -> Box<dyn Scheduler> + Send + Sync>,
    pub(crate) failure: Box<dyn Fn() -> Box<dyn FailureStrategy> + Send + Sync>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) limit_settings: Vec<LimitSettings>,
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
    /// cancels the batch. If its failure strategy pauses it, the rest is cancelled: nobody could let it go on.
    ///
    /// # Errors
    /// Nothing ran if ids are not unique, a graph refuses an input, or retry settings of a node are wrong. Jobs that fail
    /// are no error of the batch: see the status of their results.
    ///
    /// # Panics
    /// Outside a tokio runtime with timers.
    pub async fn run(&self, jobs: Vec<BatchJob>) -> Result<Vec<BatchResult>, BatchError> {
        let total = jobs.len();
        let collected = Collected::new(total);
        let (batch, progress) = self.open(jobs, RUN_AHEAD, collected.delivery())?;
        let cancel_if_dropped = CancelOnDrop(&batch);
        let end = end_or_pause(&batch).await;
        drop(cancel_if_dropped);
        if let Some(progress) = progress {
            progress.end();
        }
        let results = collected.take();
        match total - results.len() {
            0 => Ok(results),
            missing => Err(BatchError::BrokenOff { missing, reason: why_broken_off(end) }),
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
        let total = jobs.len();
        let (handover, lots) = stream::channel();
        let (batch, progress) = self.open(jobs, STREAM_AHEAD, Box::new(handover))?;
        Ok(BatchStream::new(batch, lots, progress, total))
    }

    fn open(
        &self,
        jobs: Vec<BatchJob>,
        ahead: NonZeroU64,
        delivery: Box<dyn Delivery>,
    ) -> Result<(BatchHandle<FlowWorkload>, Option<Progress>), BatchError> {
        let settings = &*self.0;
        let mut problems = Vec::new();
        let Accepted { jobs, graphs, of_job } = job::accept(jobs, &settings.limits, &mut problems);
        let (retry, graphs) = settings.retry.of(graphs, &mut problems);
        if !problems.is_empty() {
            return Err(BatchError::Refused(problems));
        }
        let source: Arc<dyn JobSource> = Arc::new(jobs);
        let checkpointer = settings.checkpointer.clone().unwrap_or_else(|| Arc::new(MemoryCheckpointer::of_latest()));
        let mut workload = FlowWorkload::new(Graphs::PerJob { graphs, of_job }, source.clone(), Some(checkpointer));
        let governing = settings.governor.as_ref().map(|make| Governing::new(make()));
        if let Some(governing) = &governing {
            workload = workload.timed(&governing.latency);
        }
        // Unlike any other, so that batches that share a checkpointer keep apart.
        let id = BatchId::new(Uuid::now_v7().to_string()).expect("a UUID is a good id");
        let failure = (settings.failure)();
        let mut opening = Opening::new(id, Arc::new(workload), source, failure, retry, delivery);
        opening.timeout = Some(settings.timeout);
        (opening.queue_timeout, opening.job_timeout) = (settings.queue_timeout, settings.job_timeout);
        let mut limits = MillSettings::new(settings.concurrency_limit);
        limits.unanswered_limit = ahead;
        limits.limits.clone_from(&settings.limit_settings);
        let mill = Mill::start(&limits, (settings.scheduler)());
        if let Some(governing) = governing {
            mill.govern(governing);
        }
        let batch = mill.open(opening);
        let progress = settings.progress.clone();
        let progress = progress.map(|(callback, period)| Progress::start(batch.clone(), callback, period));
        Ok((batch, progress))
    }
}

/// Waits for the end of a batch that only its failure strategy can pause.
async fn end_or_pause(batch: &BatchHandle<FlowWorkload>) -> Option<BatchEnd> {
    let mut pauses = batch.pauses();
    tokio::select! {
        end = batch.ended() => return end,
        _ = pauses.next() => batch.cancel(),
    }
    batch.ended().await
}

/// Cancels a batch whose end nobody waits for any more; one that has ended takes no notice.
struct CancelOnDrop<'a>(&'a BatchHandle<FlowWorkload>);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Why results are missing after the end.
fn why_broken_off(end: Option<BatchEnd>) -> String {
    match end {
        Some(BatchEnd { verdict: Verdict::HostFailed(message), .. }) => message,
        Some(BatchEnd { verdict, .. }) => format!("it ended {verdict:?}"),
        None => "its runtime shuts down".to_owned(),
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
