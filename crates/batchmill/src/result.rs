//! What comes out.

use std::time::Duration;

use batchmill_core::{JobError, JobId, JobResult};
use batchmill_executor::Snapshot;
use serde_json::Value;

pub use batchmill_core::Status as BatchJobStatus;

/// How one job ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchResult {
    /// The job.
    pub job_id: JobId,
    /// How it ended.
    pub status: BatchJobStatus,
    /// What its graph put out; `None` unless it succeeded.
    pub output: Option<Value>,
    /// Why it did not succeed, with its class, code, node and earlier attempts; displays as the plain message.
    pub error: Option<Box<JobError>>,
    /// From its first start to its end, waits between attempts included.
    pub duration: Duration,
    /// Attempts that ended by themselves: 1 for a job that succeeded at once, 0 for one that never ran.
    pub attempts: u32,
}

impl From<JobResult> for BatchResult {
    fn from(result: JobResult) -> Self {
        let JobResult { job_id, status, output, error, duration, attempts, .. } = result;
        Self { job_id, status, output, error, duration, attempts }
    }
}

/// How a batch stands. `total` is the sum of the other numbers but `retries`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchStats {
    /// Jobs of the batch.
    pub total: u64,
    /// Jobs that wait for a slot.
    pub pending: u64,
    /// Jobs whose attempt runs.
    pub running: u64,
    /// Jobs that wait for a retry; they hold no slot.
    pub backing_off: u64,
    /// Jobs that have ended and whose results were not taken yet.
    pub recording: u64,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Jobs that failed, timed out, or were put aside because they took their host down.
    pub failed: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Jobs that the failure strategy ended.
    pub skipped: u64,
    /// Attempts that were repeated.
    pub retries: u64,
}

impl BatchStats {
    /// Jobs whose results were taken.
    pub fn completed(&self) -> u64 {
        self.succeeded + self.failed + self.cancelled + self.skipped
    }
}

impl From<Snapshot> for BatchStats {
    fn from(snapshot: Snapshot) -> Self {
        let counts = snapshot.counts;
        Self {
            total: counts.submitted,
            pending: counts.pending,
            running: counts.running,
            backing_off: counts.backing_off,
            recording: counts.recording,
            succeeded: counts.succeeded,
            failed: counts.failed + counts.timed_out + counts.quarantined,
            cancelled: counts.cancelled,
            skipped: counts.skipped,
            retries: snapshot.retries,
        }
    }
}
