//! The record of a batch: what a host that dies leaves to the next one.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{AttemptRecord, BatchId, Closing, ErrorClass, GivenUp, JobResult, Pause, Status, Verdict, WallTime};

/// A place in a journal. Later events have larger positions; nothing stands at 0.
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
    /// Jobs ended: exactly one result a job. Shared, because who records a result also delivers it.
    Ended(Arc<Vec<JobResult>>),
    /// An attempt failed and will be repeated. Replaces what was recorded of this job before.
    Retrying(Box<Setback>),
    /// The host died while a job ran.
    Lost {
        /// The job's place in its batch.
        place: u64,
        /// How often that happened to it by now.
        crashes: u32,
        /// When it was noticed.
        at: WallTime,
    },
    /// The batch takes no more starts, and its waiting jobs get an end. Recorded as an event, never recomputed.
    Closing(Closing),
    /// The batch starts nothing until a person lets it go on; `None`: it goes on.
    Paused(Option<Pause>),
    /// A sink has everything up to a position.
    Delivered(Delivered),
    /// The batch ended.
    Closed {
        /// What became of it.
        verdict: Verdict,
        /// When.
        at: WallTime,
    },
}

/// What is remembered of a job that failed and will run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Setback {
    /// The job's place in its batch.
    pub place: u64,
    /// Attempts that ended by themselves.
    pub attempts: u32,
    /// When its first attempt started.
    pub first_started: WallTime,
    /// How often each node failed; `None` stands for failures of the attempt as a whole.
    pub failures: Vec<(Option<Arc<str>>, u32)>,
    /// Every attempt that failed, oldest first.
    pub history: Vec<AttemptRecord>,
    /// Nodes whose retries are used up and whose flow goes on without them.
    pub given_up: Vec<GivenUp>,
    /// Not before this moment.
    pub due: WallTime,
}

impl Setback {
    /// The setback of the job at `place`, first started at `first_started` and due again at `due`, with nothing else said.
    pub fn new(place: u64, first_started: WallTime, due: WallTime) -> Self {
        let (failures, history, given_up) = (Vec::new(), Vec::new(), Vec::new());
        Self { place, attempts: 0, first_started, failures, history, given_up, due }
    }
}

/// How far a sink has got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// The sink's name in this batch.
    pub sink: String,
    /// It has taken every result up to here.
    pub upto: Position,
    /// What [`crate::ResultSink::mark`] said then.
    pub mark: Option<String>,
}

impl Delivered {
    /// The sink `sink` has everything up to `upto`.
    pub fn new(sink: impl Into<String>, upto: Position, mark: Option<String>) -> Self {
        Self { sink: sink.into(), upto, mark }
    }
}

/// What a host must know of the hosts before it to decide as they would have: the journal without what jobs put out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Recalled {
    /// A job ended.
    Ended {
        /// The job's place in its batch.
        place: u64,
        /// How.
        status: Status,
        /// Why, unless it succeeded.
        class: Option<ErrorClass>,
        /// Whether an attempt of its own decided it: the failure strategy heard of it.
        by_attempt: bool,
        /// When.
        at: WallTime,
    },
    /// A job failed and will run again. A later one of the same job replaces it.
    Retrying(Box<Setback>),
    /// The host died while a job ran.
    Lost {
        /// The job's place in its batch.
        place: u64,
        /// How often that happened to it by now.
        crashes: u32,
    },
    /// See [`JournalEvent::Closing`].
    Closing(Closing),
    /// See [`JournalEvent::Paused`].
    Paused(Option<Pause>),
    /// See [`JournalEvent::Delivered`]: the latest of each sink is enough.
    Delivered(Delivered),
}

/// The three answers to a write. `Unknown` is not an error to be retried blindly: replay tells what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalAnswer {
    /// Recorded, as durable as promised; this is the position of the last event.
    Ok(Position),
    /// Somebody else owns the batch now. Nothing was written; stop.
    Fenced,
    /// The answer was lost. Replay before anything else.
    Unknown,
}

/// Why a journal cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct JournalError {
    /// A sentence with the place and the mend.
    pub message: String,
    /// Nothing was written, and the same append may succeed once there is room again.
    pub full: bool,
}

impl JournalError {
    /// An error that does not mend itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), full: false }
    }

    /// There is no room: the same append may be tried again.
    pub fn full(message: impl Into<String>) -> Self {
        Self { message: message.into(), full: true }
    }
}

/// The durable record of batches: the truth about which jobs have ended.
///
/// # The caller promises
/// - events of a batch are appended by one owner, one call at a time, in the order in which they were decided;
/// - after `Unknown` nothing is appended before a `replay` has told what is recorded; after `Fenced`, or an error that is
///   not `full`, nothing is appended any more.
///
/// # The implementer promises
/// - events of one `append` are recorded together or not at all;
/// - `replay` and `recall` return what was answered `Ok`, in order, each event once, and may run beside an `append`;
/// - a second terminal record of a job is refused, not stored;
/// - its own waits are bounded by the storage below it: it never waits for more events to come.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug {
    /// Records events of a batch.
    async fn append(&self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError>;

    /// Reads results of a batch that stand after `after`, oldest first: at most `max` of them, each with its position.
    /// Empty at the end.
    async fn replay(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, JobResult)>, JournalError>;

    /// Reads what decisions need to know, after `after`, oldest first, at most `max`. Empty at the end.
    async fn recall(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, Recalled)>, JournalError>;

    /// Lets the journal compact what it keeps: called when a batch has ended, and now and then before.
    async fn compact(&self, batch: &BatchId) -> Result<(), JournalError>;
}

const _: fn(&dyn Journal) = |_| {};

/// Knows which jobs run, for whoever comes after a host that was killed: whose job took it down. Told before each attempt,
/// so it must cost next to nothing: it survives the end of the process, not a loss of power. A failure of its storage is
/// told by the journal at the next append.
pub trait StartLog: Send + Sync + fmt::Debug {
    /// An attempt of the job at `place` is about to run in `slot`, which ends whatever ran there before.
    fn started(&self, slot: u32, place: u64);

    /// The same for attempts that will run one after the other within microseconds, as slots and places.
    fn started_all(&self, starts: &[(u32, u64)]) {
        starts.iter().for_each(|(slot, place)| self.started(*slot, *place));
    }

    /// Nothing of this batch runs in `slot` any more.
    fn ended(&self, slot: u32);

    /// The same of several.
    fn ended_all(&self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.ended(*slot));
    }

    /// The host ends on purpose: what runs now is not lost but stopped.
    fn stopped(&self);
}

const _: fn(&dyn StartLog) = |_| {};
