//! From the end of a job to whoever wants its result.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{AttemptRecord, BatchCounts, BatchId, JobError, JobId, JobResult, SinkError, Status, Verdict};
use batchmill_dispatch::{Event, Record};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::{Clock, Workload, meters::ResultMeters};

use super::{
    Shared, Snapshot,
    batch::{BatchEnd, OpenBatch},
};

/// Takes the results of one batch. Its answer makes a job ended: until then it counts as `recording`, and too many of
/// those stop the starts. So a slow reader slows the batch and never fills the memory.
#[async_trait]
pub trait Delivery: Send + 'static {
    /// Takes results, in order of completion. An error is final: the batch ends `storage failed`.
    async fn deliver(&mut self, batch: &BatchId, results: Vec<JobResult>) -> Result<(), SinkError>;

    /// Nothing more comes.
    async fn close(&mut self) -> Result<(), SinkError>;
}

/// The end of a job, not yet put into words.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) record: Record,
    pub(super) output: Option<Value>,
    pub(super) id: Option<JobId>,
}

/// Where slots leave what has ended. Bounded by dispatch: it starts nothing while too many records are unanswered.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Delivered and answered one by one: a reader of small lots answers early, so that starts never wait for a long one.
    lots: VecDeque<Vec<Ended>>,
    /// Empty lots that keep their memory.
    spare: Vec<Vec<Ended>>,
    last: Option<BatchEnd>,
}

/// Results that are delivered at once, at most.
const LOT_MAX: usize = 256;
/// Empty lots that are kept.
const SPARE_MAX: usize = 8;

impl Waiting {
    /// Moves `ended` in. A full lot changes owner as a whole, small ones are put together.
    fn put(&mut self, ended: &mut Vec<Ended>) {
        match self.lots.back_mut() {
            Some(last) if last.len() + ended.len() <= LOT_MAX => last.append(ended),
            _ => {
                let empty = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(ended.len()));
                self.lots.push_back(std::mem::replace(ended, empty));
            }
        }
    }
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Only moves of vectors happen under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push_all(&self, ended: &mut Vec<Ended>) {
        if !ended.is_empty() {
            self.lock().put(ended);
            self.wake.notify_one();
        }
    }

    pub(super) fn push_without_output(&self, record: Record) {
        self.push_all(&mut vec![Ended { record, output: None, id: None }]);
    }

    pub(super) fn end(&self, verdict: Verdict, counts: BatchCounts, retries: u64) {
        self.lock().last = Some(BatchEnd { verdict, counts, retries });
        self.wake.notify_one();
    }

    pub(super) fn last_snapshot(&self) -> Snapshot {
        self.lock()
            .last
            .as_ref()
            .map_or_else(Snapshot::default, |end| Snapshot { counts: end.counts, retries: end.retries })
    }

    /// Swaps the next lot into `lot`, which is empty; where there is none, says whether the batch is over.
    fn take(&self, lot: &mut Vec<Ended>) -> Option<BatchEnd> {
        let mut waiting = self.lock();
        match waiting.lots.pop_front() {
            Some(next) => {
                let empty = std::mem::replace(lot, next);
                if waiting.spare.len() < SPARE_MAX {
                    waiting.spare.push(empty);
                }
                None
            }
            None => waiting.last.clone(),
        }
    }
}

/// Delivers the results of one batch until it is over, then says so.
pub(super) async fn run<W: Workload>(
    shared: Arc<Shared<W>>,
    batch: Arc<OpenBatch<W>>,
    mut delivery: Box<dyn Delivery>,
    mut meters: Option<ResultMeters>,
    ended: watch::Sender<Option<BatchEnd>>,
) {
    let mut lot = Vec::new();
    let mut failed: Option<String> = None;
    let mut end = loop {
        if let Some(end) = batch.outlet.take(&mut lot) {
            break end;
        }
        if lot.is_empty() {
            batch.outlet.wake.notified().await;
            continue;
        }
        let jobs: Vec<u32> = lot.iter().map(|ended| ended.record.index).collect();
        let results = put_into_words(&shared.clock, &batch, &mut lot).await;
        if failed.is_some() {
            continue;
        }
        if let Some(meters) = &mut meters {
            meters.count(&results);
        }
        match delivery.deliver(&batch.id, results).await {
            Ok(()) => shared.step(Event::Answered { batch: batch.key, jobs }),
            Err(error) => {
                failed = Some(error.to_string());
                shared.step(Event::DeliveryFailed { batch: batch.key, message: error.to_string() });
            }
        }
    };
    if let Err(error) = delivery.close().await
        && failed.is_none()
    {
        end.verdict = Verdict::StorageFailed(error.to_string());
    }
    shared.check(&end.counts);
    shared.publish_gauges();
    shared.lock().closed();
    shared.ended.notify_waiters();
    // Nobody may be waiting, which is fine.
    let _ = ended.send(Some(end));
}

async fn put_into_words<W: Workload>(clock: &Clock, batch: &OpenBatch<W>, lot: &mut Vec<Ended>) -> Vec<JobResult> {
    let mut results = Vec::with_capacity(lot.len());
    for ended in lot.drain(..) {
        if ended.record.status != Status::Succeeded {
            batch.workload.abandon(&batch.id, ended.record.index.into()).await;
        }
        results.push(result(clock, batch, ended));
    }
    results
}

fn result<W: Workload>(clock: &Clock, batch: &OpenBatch<W>, ended: Ended) -> JobResult {
    let Ended { record, output, id } = ended;
    let index = u64::from(record.index);
    let id = match id.map_or_else(|| batch.workload.job_id(index), Ok) {
        Ok(id) => id,
        Err(error) => {
            // The source is gone or changed. The place still tells which job it was.
            tracing::error!(%error, place = index, "the id of a job can not be read any more");
            JobId::from(index + 1)
        }
    };
    let mut result = JobResult::new(id, index, record.status);
    result.tenant = record.tenant;
    result.priority = record.priority;
    result.output = output.filter(|_| record.status == Status::Succeeded);
    result.error = record.failure.map(|failure| Box::new(job_error(clock, *failure)));
    result.attempts = record.attempts;
    result.queued_at = clock.wall(record.queued);
    result.started_at = record.started.map(|started| clock.wall(started));
    result.finished_at = clock.wall(record.finished);
    result.queued = record.started.unwrap_or(record.finished) - record.queued;
    result.duration = record.started.map_or_else(Default::default, |started| record.finished - started);
    result
}

fn job_error(clock: &Clock, failure: batchmill_dispatch::Failure) -> JobError {
    let mut error = failure.error;
    let tries = failure.tries.into_iter();
    error.history = tries.map(|t| AttemptRecord::new(t.attempt, t.class, t.message, clock.wall(t.at), t.ran)).collect();
    error
}
