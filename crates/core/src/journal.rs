//! The record of a batch.

use std::fmt;

use async_trait::async_trait;

use crate::{BatchId, JobResult, StopReason, Verdict, WallTime};

/// A place in a journal. Later events have larger positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// What a journal records.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum JournalEvent {
    /// Jobs were accepted: one record for a whole source, named by the hash of its content.
    Accepted {
        /// How many.
        jobs: u64,
        /// Hash of the source.
        content: String,
        /// When.
        at: WallTime,
    },
    /// A job ended: exactly one a job.
    Ended(Box<JobResult>),
    /// The failure strategy decided. Recorded as an event, never recomputed.
    Stopped(StopReason),
    /// The batch ended.
    Closed(Verdict),
}

/// The three answers to a write. `Unknown` is not an error to be retried blindly: replay tells what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalAnswer {
    /// Recorded, as durable as promised; this is the position of the last event.
    Ok(Position),
    /// Somebody else owns the batch now. Nothing was written; stop.
    Fenced,
    /// The answer was lost. Lead again and replay before anything else.
    Unknown,
}

/// Why a journal cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct JournalError {
    /// A sentence with the place and the mend.
    pub message: String,
    /// Whether it goes on by itself when there is room again.
    pub full: bool,
}

impl JournalError {
    /// An error that does not mend itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), full: false }
    }
}

/// The durable record of batches: the truth about which jobs have ended.
///
/// # The caller promises
/// - events of a batch are appended by one owner, in the order in which they were decided;
/// - after `Fenced`, `Unknown` or an error nothing is appended before a new `replay`.
///
/// # The implementer promises
/// - events of one `append` are recorded together or not at all;
/// - `replay` returns what was answered `Ok`, in order, each event once;
/// - a second terminal record of a job is refused, not stored.
#[async_trait]
pub trait Journal: Send + fmt::Debug {
    /// Records events of a batch.
    async fn append(&mut self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError>;

    /// Reads at most `max` events of a batch after `after`, oldest first.
    async fn replay(
        &mut self,
        batch: &BatchId,
        after: Option<Position>,
        max: usize,
    ) -> Result<Vec<(Position, JournalEvent)>, JournalError>;

    /// Lets the journal compact everything up to `upto`: later replays may start there.
    async fn snapshot(&mut self, batch: &BatchId, upto: Position) -> Result<(), JournalError>;
}

const _: fn(&dyn Journal) = |_| {};
