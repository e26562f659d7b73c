//! Where the state of a flow is kept between attempts.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{BatchId, ErrorClass, JobError, JobId, StateData};

/// Names the thread of checkpoints of one job: `batch/job`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThreadId(pub Arc<str>);

impl ThreadId {
    /// A thread named `name`.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The thread of a job.
    pub fn of(batch: &BatchId, job: &JobId) -> Self {
        Self(format!("{batch}/{job}").into())
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a checkpoint within its thread. Later checkpoints of a thread have larger ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckpointId(pub u64);

/// The update of a node that succeeded in a superstep whose other nodes did not: applied when the superstep completes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PendingWrite {
    /// The node.
    pub node: String,
    /// Its update.
    pub update: StateData,
    /// Set for a node that failed for good and whose flow goes on without it.
    #[serde(default)]
    pub error: Option<JobError>,
}

impl PendingWrite {
    /// The update of a node that succeeded.
    pub fn new(node: impl Into<String>, update: StateData) -> Self {
        Self { node: node.into(), update, error: None }
    }
}

/// Everything that a job needs to go on from a superstep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Its id.
    pub id: CheckpointId,
    /// The checkpoint that it follows.
    pub parent: Option<CheckpointId>,
    /// Supersteps completed.
    pub step: u64,
    /// The channels.
    pub state: StateData,
    /// Nodes of the next superstep, in declaration order.
    pub next: Vec<String>,
    /// What the flow engine remembers about joins; opaque to everybody else.
    pub joins: serde_json::Value,
    /// Updates of the next superstep that are already known.
    pub pending: Vec<PendingWrite>,
}

impl Checkpoint {
    /// A checkpoint after `step` supersteps, without joins and pending writes.
    pub fn new(id: CheckpointId, step: u64, state: StateData, next: Vec<String>) -> Self {
        Self { id, parent: None, step, state, next, joins: serde_json::Value::Null, pending: Vec::new() }
    }
}

/// Why a checkpointer could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct CheckpointError {
    /// A sentence with the place.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CheckpointError {
    /// An error with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }
}

impl From<CheckpointError> for JobError {
    fn from(error: CheckpointError) -> Self {
        JobError::new(ErrorClass::Transient, "checkpoint_failed", error.message)
    }
}

/// Keeps checkpoints, keyed by thread and checkpoint id.
///
/// # The caller promises
/// - one writer a thread at a time; ids of a thread grow; `parent` names an earlier checkpoint of the thread or nothing;
/// - several puts of a thread may be in flight at once; each is polled before the next one is, and further until it is
///   ready or dropped, oldest first.
///
/// # The implementer promises
/// - calls of one thread take effect in the order in which they were first polled, those whose future was dropped after
///   that included: each of these has its effect as a whole or not at all, and never after a call that was polled later;
/// - `put` of an id that exists replaces that checkpoint;
/// - what `put` has confirmed, `get` returns, from any task, for as long as promised: a later process too, unless it is
///   memory;
/// - `get` and `list` of an unknown thread are empty, not an error; `delete_thread` may repeat;
/// - one that keeps only the latest checkpoint of a thread keeps the one with the largest id, and knows no other; a put that
///   is superseded before it is written need never be written, and is confirmed with the later one.
#[async_trait]
pub trait Checkpointer: Send + Sync + fmt::Debug {
    /// Keeps a checkpoint.
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError>;

    /// The checkpoint `id`, or the latest one.
    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError>;

    /// The ids of a thread, latest first.
    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError>;

    /// Forgets a thread.
    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError>;

    /// Whether the record of a job's end, in the journal of the batch, deletes the job's thread in the same transaction,
    /// and stands in one order with the puts before it. Then a flow that has finished waits for no put that is in flight,
    /// and nobody else deletes. Otherwise who records results deletes the thread afterwards.
    fn deletes_with_result(&self) -> bool {
        false
    }
}

const _: fn(&dyn Checkpointer) = |_| {};
