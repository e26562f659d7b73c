//! From the end of a job to whoever wants its result.

use std::sync::Arc;

use async_trait::async_trait;
use batchmill_core::{BatchId, JobError, JobId, JobResult, SinkError, Status, Verdict};
use batchmill_dispatch::{Event, Record};
use serde_json::Value;
use tokio::sync::watch;

use crate::{Clock, Workload, durable::tries_on_the_wall, meters::ResultMeters};

use super::{
    Shared,
    batch::{BatchEnd, OpenBatch},
    outlet::{Lot, Next},
};

/// Takes the results of one batch. Its answer makes a job ended: until then it counts as `recording`, and too many of
/// those stop the starts. So a slow reader slows the batch and never fills the memory.
#[async_trait]
pub trait Delivery: Send + 'static {
    /// Takes results, in order of completion; what it leaves in `results`, which is used again, is dropped. An error is
    /// final: the batch ends `storage failed`.
    async fn deliver(&mut self, batch: &BatchId, results: &mut Vec<JobResult>) -> Result<(), SinkError>;

    /// Nothing more comes.
    async fn close(&mut self) -> Result<(), SinkError>;
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
        let mut results = match batch.outlet.take() {
            Next::Lot(Lot::Results(results)) => results,
            Next::Lot(Lot::Records(records)) => {
                records.into_iter().map(|record| result(&shared.clock, &batch, record, None, None)).collect()
            }
            // Nobody keeps it: there is no journal.
            Next::Lot(Lot::Decided(_)) => continue,
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
        match delivery.deliver(&batch.id, &mut results).await {
            Ok(()) => {
                batch.outlet.take_back(results);
                if let Some(meters) = &mut meters {
                    meters.count_noted();
                }
                shared.leave_word(Event::Answered { batch: batch.key, jobs });
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
    tell_end(&shared, end, &ended);
}

/// Everything is where it belongs: says so to all who wait.
pub(super) fn tell_end<W: Workload>(shared: &Arc<Shared<W>>, end: BatchEnd, ended: &watch::Sender<Option<BatchEnd>>) {
    shared.check(&end.counts);
    shared.publish_metrics();
    shared.lock().closed();
    shared.ended.notify_waiters();
    // Nobody may be waiting, which is fine.
    let _ = ended.send(Some(end));
}

/// The places of the jobs that have ended.
pub(super) fn places(results: &[JobResult]) -> Vec<u32> {
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
    error.history = tries_on_the_wall(failure.tries, clock);
    error
}
