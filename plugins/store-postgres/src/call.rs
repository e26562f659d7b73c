//! What is asked of a lane.

use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, ThreadId};
use tokio::sync::oneshot;

use crate::row::Row;

pub(crate) type Answer<T> = oneshot::Sender<Result<T, CheckpointError>>;

/// A call that waits for its answer. Nobody may wait for it any more: it takes effect all the same.
#[derive(Debug)]
pub(crate) enum Call {
    Write(Write, Answer<()>),
    Read(Read),
}

#[derive(Debug)]
pub(crate) enum Write {
    Put(Row),
    Delete(ThreadId),
}

#[derive(Debug)]
pub(crate) enum Read {
    Get(ThreadId, Option<CheckpointId>, Answer<Option<Checkpoint>>),
    List(ThreadId, Answer<Vec<CheckpointId>>),
}
