//! What the writing thread is asked for.

use std::sync::{Arc, mpsc::SyncSender};

use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, JournalAnswer, JournalError, JournalEvent};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::threads::Flight;
use crate::rows::Rows;

pub(crate) type Appended = Result<JournalAnswer, JournalError>;
pub(crate) type Kept = Result<(), CheckpointError>;

/// A request, and the room that it takes in the queue until it has been answered.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) request: Request,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl From<Request> for Queued {
    /// Without taking room.
    fn from(request: Request) -> Self {
        Self { request, room: None }
    }
}

#[derive(Debug)]
pub(crate) enum Request {
    /// Record events, together or not at all.
    Append(Vec<Entry>, oneshot::Sender<Appended>),
    /// Keep a checkpoint.
    Put(Put, oneshot::Sender<Kept>),
    /// Forget the checkpoints of a thread.
    Forget(Forget, oneshot::Sender<Kept>),
    /// Answer when everything before it is written.
    Pass(oneshot::Sender<Kept>),
    /// Record a changed manifest, or other jobs.
    Amend(Amendment, SyncSender<Result<(), JournalError>>),
    /// Give back what is not needed any more.
    Compact(oneshot::Sender<Result<(), JournalError>>),
}

/// What a person changes of a batch.
#[derive(Debug)]
pub(crate) enum Amendment {
    Manifest(String),
    Jobs(Entry),
}

/// An event as it is recorded.
#[derive(Debug)]
pub(crate) enum Entry {
    Ended(Rows),
    Other(JournalEvent),
}

/// A checkpoint as it is kept.
#[derive(Debug)]
pub(crate) struct Put {
    /// The job.
    pub(crate) thread: Arc<str>,
    pub(crate) id: CheckpointId,
    /// As JSON.
    pub(crate) body: String,
    /// Says that it is on its way.
    pub(crate) flight: Flight,
}

/// A thread that is to be forgotten.
#[derive(Debug)]
pub(crate) struct Forget {
    pub(crate) thread: Arc<str>,
    pub(crate) flight: Flight,
}

impl Put {
    pub(crate) fn of(thread: &str, checkpoint: &Checkpoint, flight: Flight) -> serde_json::Result<Self> {
        Ok(Self { thread: thread.into(), id: checkpoint.id, body: serde_json::to_string(checkpoint)?, flight })
    }
}

impl Entry {
    pub(crate) fn of(event: JournalEvent) -> serde_json::Result<Self> {
        match event {
            JournalEvent::Ended(results) => Rows::of(results).map(Self::Ended),
            other => Ok(Self::Other(other)),
        }
    }
}

impl Request {
    pub(crate) fn records(&self) -> usize {
        match self {
            Self::Append(entries, _) => entries.iter().map(Entry::records).sum(),
            Self::Put(..) | Self::Forget(..) | Self::Pass(_) | Self::Amend(..) | Self::Compact(..) => 1,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append(entries, _) => entries.iter().map(Entry::bytes).sum(),
            Self::Put(put, _) => put.body.len() + put.thread.len(),
            Self::Amend(Amendment::Manifest(text), _) => text.len(),
            Self::Forget(..) | Self::Pass(_) | Self::Amend(..) | Self::Compact(..) => 0,
        }
    }

    /// Says that it was not done.
    pub(crate) fn refuse(self, why: &JournalError) {
        // Whoever asked may have gone meanwhile.
        match self {
            Self::Append(_, answer) => drop(answer.send(Err(why.clone()))),
            Self::Put(_, answer) | Self::Forget(_, answer) | Self::Pass(answer) => {
                drop(answer.send(Err(CheckpointError::new(why.message.clone()))));
            }
            Self::Amend(_, answer) => drop(answer.send(Err(why.clone()))),
            Self::Compact(answer) => drop(answer.send(Err(why.clone()))),
        }
    }
}

impl Entry {
    fn records(&self) -> usize {
        match self {
            Self::Ended(rows) => rows.results.len(),
            Self::Other(_) => 1,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Ended(rows) => rows.bytes(),
            // Of the order of its history.
            Self::Other(JournalEvent::Retrying(setback)) => 128 + setback.history.len() * 256,
            Self::Other(_) => 128,
        }
    }
}
