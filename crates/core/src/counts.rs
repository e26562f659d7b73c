//! Counters that obey the conservation law.

use serde::{Deserialize, Serialize};

use crate::{JobState, Status};

/// The bucket of the conservation law that a state counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bucket {
    /// Pending or ready.
    Pending,
    /// An attempt runs.
    Running,
    /// Waiting for a retry.
    BackingOff,
    /// The end is decided, the record is not yet confirmed.
    Recording,
    /// Ended so.
    Ended(Status),
}

impl From<JobState> for Bucket {
    #[inline]
    fn from(state: JobState) -> Self {
        match state {
            JobState::Pending | JobState::Ready => Self::Pending,
            JobState::Running => Self::Running,
            JobState::Backoff => Self::BackingOff,
            JobState::Recording(_) => Self::Recording,
            JobState::Ended(status) => Self::Ended(status),
        }
    }
}

/// How many jobs of a batch stand where. At every instant `submitted` equals the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchCounts {
    /// Accepted so far.
    pub submitted: u64,
    /// Ended `succeeded`.
    pub succeeded: u64,
    /// Ended `failed`.
    pub failed: u64,
    /// Ended `timed_out`.
    pub timed_out: u64,
    /// Ended `cancelled`.
    pub cancelled: u64,
    /// Ended `skipped`.
    pub skipped: u64,
    /// Ended `quarantined`.
    pub quarantined: u64,
    /// Not started, or queued again.
    pub pending: u64,
    /// An attempt holds a slot.
    pub running: u64,
    /// The attempt has ended, its record is not yet confirmed.
    pub recording: u64,
    /// Waiting for a retry without a slot.
    pub backing_off: u64,
}

/// The conservation law does not hold: a defect, counted in `batchmill_conservation_violations_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("conservation law violated: submitted {submitted}, accounted for {accounted}")]
pub struct ConservationError {
    /// Jobs accepted.
    pub submitted: u64,
    /// Sum of all buckets.
    pub accounted: u64,
}

impl BatchCounts {
    #[inline]
    fn bucket(&mut self, bucket: Bucket) -> &mut u64 {
        match bucket {
            Bucket::Pending => &mut self.pending,
            Bucket::Running => &mut self.running,
            Bucket::BackingOff => &mut self.backing_off,
            Bucket::Recording => &mut self.recording,
            Bucket::Ended(Status::Succeeded) => &mut self.succeeded,
            Bucket::Ended(Status::Failed) => &mut self.failed,
            Bucket::Ended(Status::TimedOut) => &mut self.timed_out,
            Bucket::Ended(Status::Cancelled) => &mut self.cancelled,
            Bucket::Ended(Status::Skipped) => &mut self.skipped,
            Bucket::Ended(Status::Quarantined) => &mut self.quarantined,
        }
    }

    /// So many jobs were accepted in `state`.
    pub fn accepted(&mut self, state: JobState, jobs: u64) {
        self.submitted += jobs;
        *self.bucket(state.into()) += jobs;
    }

    /// A job went from one state to another.
    #[inline]
    pub fn moved(&mut self, from: JobState, to: JobState) {
        let (from, to) = (Bucket::from(from), Bucket::from(to));
        if from != to {
            let left = self.bucket(from);
            debug_assert!(*left > 0, "no job in {from:?}");
            // Wrapping would hide the defect; saturating leaves it visible to `check`.
            *left = left.saturating_sub(1);
            *self.bucket(to) += 1;
        }
    }

    /// Jobs that ended, however.
    pub fn ended(&self) -> u64 {
        self.succeeded + self.failed + self.timed_out + self.cancelled + self.skipped + self.quarantined
    }

    /// Jobs that ended by an error of their own: failed, timed out or quarantined.
    pub fn unsuccessful(&self) -> u64 {
        self.failed + self.timed_out + self.quarantined
    }

    /// Whether every accepted job has ended.
    pub fn is_complete(&self) -> bool {
        self.ended() == self.submitted
    }

    /// Holds the conservation law against the numbers.
    pub fn check(&self) -> Result<(), ConservationError> {
        let accounted = self.ended() + self.pending + self.running + self.recording + self.backing_off;
        if accounted == self.submitted {
            Ok(())
        } else {
            Err(ConservationError { submitted: self.submitted, accounted })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_counts_in_exactly_one_bucket_on_its_way() {
        let mut counts = BatchCounts::default();
        counts.accepted(JobState::Ready, 1);
        let way = [
            JobState::Running,
            JobState::Backoff,
            JobState::Ready,
            JobState::Running,
            JobState::Recording(Status::Failed),
            JobState::Ended(Status::Failed),
        ];
        let mut from = JobState::Ready;
        for to in way {
            counts.moved(from, to);
            counts.check().unwrap();
            from = to;
        }
        assert_eq!((counts.failed, counts.pending, counts.is_complete()), (1, 0, true));
    }

    #[test]
    fn a_lost_job_is_noticed() {
        let counts = BatchCounts { submitted: 3, succeeded: 2, ..BatchCounts::default() };
        assert_eq!(counts.check(), Err(ConservationError { submitted: 3, accounted: 2 }));
    }
}
