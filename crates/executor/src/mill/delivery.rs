//! From the end of a job to whoever wants its result.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{AttemptRecord, BatchId, JobError, JobId, JobResult, SinkError, Status, Verdict};
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

/// What waits for its delivery.
#[derive(Debug)]
enum Lot {
    /// From a runner.
    Results(Vec<JobResult>),
    /// Of jobs that end without an attempt of their own: put into words when they are delivered, because that may read
    /// the job.
    Records(Vec<Record>),
}

/// Where runners leave what has ended. Bounded by dispatch: it starts nothing while too many records are unanswered.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Delivered and answered one by one: a reader of small lots answers early, so that starts never wait for a long one.
    lots: VecDeque<Lot>,
    last: Option<BatchEnd>,
}

/// Results that are delivered at once, at most.
const LOT_MAX: usize = 256;
/// Fewer than this are worth a look around for more.
const FEW: usize = 32;

impl Waiting {
    /// Moves `results` in. A full lot changes owner as a whole; small ones are put together, and leave the runner its room.
    fn put(&mut self, results: &mut Vec<JobResult>) {
        match self.lots.back_mut() {
            Some(Lot::Results(last)) if last.len() + results.len() <= LOT_MAX => last.append(results),
            _ if results.len() > results.capacity() / 2 => self.lots.push_back(Lot::Results(std::mem::take(results))),
            _ => {
                let mut few = Vec::with_capacity(results.len());
                few.append(results);
                self.lots.push_back(Lot::Results(few));
            }
        }
    }

    fn put_record(&mut self, record: Record) {
        match self.lots.back_mut() {
            Some(Lot::Records(last)) if last.len() < LOT_MAX => last.push(record),
            _ => self.lots.push_back(Lot::Records(vec![record])),
        }
    }
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Only moves of vectors happen under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push_all(&self, results: &mut Vec<JobResult>) {
        if !results.is_empty() {
            self.lock().put(results);
            self.wake.notify_one();
        }
    }

    pub(super) fn push_record(&self, record: Record) {
        self.lock().put_record(record);
        self.wake.notify_one();
    }

    pub(super) fn end(&self, end: BatchEnd) {
        self.lock().last = Some(end);
        self.wake.notify_one();
    }

    pub(super) fn last_snapshot(&self) -> Snapshot {
        self.lock()
            .last
            .as_ref()
            .map_or_else(Snapshot::default, |end| Snapshot { counts: end.counts, retries: end.retries })
    }

    fn holds_few(&self) -> bool {
        let waiting = self.lock();
        matches!(waiting.lots.front(), Some(Lot::Results(results)) if waiting.lots.len() == 1 && results.len() < FEW)
    }

    /// The next lot, or how the batch ended once nothing more comes, or neither yet.
    fn take(&self) -> Next {
        let mut waiting = self.lock();
        match (waiting.lots.pop_front(), &waiting.last) {
            (Some(lot), _) => Next::Lot(lot),
            (None, Some(end)) => Next::End(end.clone()),
            (None, None) => Next::Wait,
        }
    }
}

enum Next {
    Lot(Lot),
    End(BatchEnd),
    Wait,
}

/// Delivers the results of one batch until it is over, then says so.
pub(super) async fn run<W: Workload>(
    shared: Arc<Shared<W>>,
    batch: Arc<OpenBatch<W>>,
    mut delivery: Box<dyn Delivery>,
    mut meters: Option<ResultMeters>,
    ended: watch::Sender<Option<BatchEnd>>,
) {
    let mut failed: Option<String> = None;
    let mut end = loop {
        let results = match batch.outlet.take() {
            Next::Lot(Lot::Results(results)) => results,
            Next::Lot(Lot::Records(records)) => {
                records.into_iter().map(|record| result(&shared.clock, &batch, record, None, None)).collect()
            }
            Next::End(end) => break end,
            Next::Wait => {
                batch.outlet.wake.notified().await;
                // A few results are from runners that wait for something. Others that are ready to run may end jobs too, and
                // theirs come along in the same lot. Runners whose jobs end at once bring enough to go on with: kept waiting,
                // they would stand still at the bound of unanswered records.
                if batch.outlet.holds_few() {
                    tokio::task::yield_now().await;
                }
                continue;
            }
        };
        batch.workload.forget(&batch.id, &results).await;
        let jobs = places(&results);
        if failed.is_some() {
            continue;
        }
        if let Some(meters) = &mut meters {
            meters.note(&results);
        }
        match delivery.deliver(&batch.id, results).await {
            Ok(()) => {
                if let Some(meters) = &mut meters {
                    meters.count_noted();
                }
                shared.step(Event::Answered { batch: batch.key, jobs });
            }
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
    shared.publish_metrics();
    shared.lock().closed();
    shared.ended.notify_waiters();
    // Nobody may be waiting, which is fine.
    let _ = ended.send(Some(end));
}

/// The places of the jobs that have ended.
fn places(results: &[JobResult]) -> Vec<u32> {
    let place = |result: &JobResult| u32::try_from(result.sequence).expect("a batch has fewer than 2^32 jobs");
    results.iter().map(place).collect()
}

/// The end of a job in words. Runners do it as soon as it is decided, so that a result is built once, where it is delivered
/// from.
pub(super) fn result<W: Workload>(
    clock: &Clock,
    batch: &OpenBatch<W>,
    record: Record,
    id: Option<JobId>,
    output: Option<Value>,
) -> JobResult {
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
