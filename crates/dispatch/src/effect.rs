//! What dispatch wants done.

use std::{fmt, num::NonZeroU64, time::Duration};

use batchmill_core::{
    BatchCounts, CancelReason, Closing, ErrorClass, GivenUp, JobError, MonoTime, Pause, Priority, Status, Tenant,
    Verdict,
};

use serde::Serialize;

use crate::{BatchKey, FailedTry, Lease, Setback, Share};

/// What to do. Executed in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Run an attempt.
    Start(Start),
    /// Put the end of a job where it belongs, then send [`crate::Event::Answered`].
    Record(Record),
    /// Tell a running attempt to end. Its end is reported as usual.
    Stop {
        /// Which.
        lease: Lease,
        /// How fast.
        how: CancelReason,
    },
    /// Send [`crate::Event::TimerFired`] at this moment, instead of any moment named before.
    WakeAt(MonoTime),
    /// A job will run again: for logs, metrics and the journal.
    Retrying {
        /// The attempt that failed.
        lease: Lease,
        /// Why.
        class: ErrorClass,
        /// When it is due again.
        due: MonoTime,
        /// What another host must know of it.
        setback: Box<Setback>,
    },
    /// A running attempt was ended because memory ran short; its job runs again: for logs, metrics and the journal.
    Requeued {
        /// The attempt, which counts for nothing.
        lease: Lease,
        /// What another host must know of it.
        setback: Box<Setback>,
    },
    /// A batch takes no more starts, and its waiting jobs get an end: for logs, metrics and the journal. Said once, and
    /// before the record of the end that is the cause: a journal that has the one must have the other, because what was
    /// decided is never decided again.
    Closing {
        /// The batch.
        batch: BatchKey,
        /// Why.
        closing: Closing,
    },
    /// The failure strategy or a person pauses a batch, or lets it go on: for logs and the journal. Before the record of
    /// the end that is the cause. A store that is full is not told of again.
    Paused {
        /// The batch.
        batch: BatchKey,
        /// Why; `None`: it goes on.
        pause: Option<Pause>,
    },
    /// Nothing more comes from this batch; its key is void.
    BatchEnded {
        /// The batch.
        batch: BatchKey,
        /// What became of it.
        verdict: Verdict,
        /// Its final counters. Boxed: effects of jobs are many, and none of them is to be larger for this one.
        counts: Box<BatchCounts>,
        /// Attempts that were repeated.
        retries: u64,
        /// Jobs that have no end, by reason: where the host drained, or their results could not be stored.
        left: Vec<Share>,
    },
}

/// An attempt to run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Start {
    /// The right to run it.
    pub lease: Lease,
    /// Its number, from 1.
    pub attempt: u32,
    /// Whether there may be a checkpoint of an earlier attempt.
    pub resume: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Since when its job was queued.
    pub queued: MonoTime,
    /// Nodes whose retries are used up and whose flow goes on without them.
    pub given_up: Vec<GivenUp>,
    /// The memory that is set aside for it, in bytes, where its flow declares some.
    pub memory: Option<NonZeroU64>,
}

impl Start {
    /// To be written over.
    pub(crate) fn blank(lease: Lease) -> Self {
        let (timeout, queued, given_up, memory) = (None, MonoTime::ZERO, Vec::new(), None);
        Self { lease, attempt: 0, resume: false, timeout, queued, given_up, memory }
    }
}

/// Why a job did not succeed, and what was tried.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// The last error; its `history` is empty, because dispatch knows no wall clock.
    pub error: JobError,
    /// Every attempt that failed, oldest first.
    pub tries: Vec<FailedTry>,
}

/// The end of a job, on its way to be recorded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The batch.
    pub batch: BatchKey,
    /// The job's place in its batch.
    pub index: u32,
    /// How it ended.
    pub status: Status,
    /// Why, unless it succeeded.
    pub failure: Option<Box<Failure>>,
    /// Attempts that ended by themselves.
    pub attempts: u32,
    /// As submitted.
    pub priority: Priority,
    /// As submitted.
    pub tenant: Tenant,
    /// When it was accepted.
    pub queued: MonoTime,
    /// When its first attempt started.
    pub started: Option<MonoTime>,
    /// When its end was decided.
    pub finished: MonoTime,
}

/// Why a running attempt was told to end, which decides what becomes of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopCause {
    /// The failure strategy stopped the batch.
    Halt,
    /// A person cancelled.
    Cancel,
    /// The batch's deadline passed.
    BatchDeadline,
    /// The job's deadline passed.
    JobDeadline,
    /// The host ends: the attempt counts for nothing and runs again on resume.
    Host,
    /// Memory runs short: the attempt counts for nothing and runs again.
    Pressure,
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Halt => "a rule stopped the batch",
            Self::Cancel => "cancelled by request",
            Self::BatchDeadline => "the deadline of the batch has passed",
            Self::JobDeadline => "its deadline has passed",
            Self::Host => "the host ends",
            Self::Pressure => "memory runs short",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two effects a job are moved several times: up to 128 bytes that takes a few instructions, beyond it a call.
    #[test]
    fn an_effect_is_small() {
        assert!(size_of::<Effect>() <= 104, "{} bytes", size_of::<Effect>());
    }
}
