//! The calls of a case, with errors that fail it.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use serde_json::json;

use super::Subject;
use crate::case::{Checked, Unmet, ensure};

/// A checkpoint with a state that tells it from others.
pub(super) fn checkpoint(id: u64, note: &str) -> Checkpoint {
    let state = json!({"note": note, "id": id}).as_object().cloned().unwrap_or_default();
    Checkpoint::new(CheckpointId(id), id, state, vec!["next".to_owned()])
}

fn unmet(error: &CheckpointError) -> Unmet {
    Unmet::Failed(format!("a call failed: {error}"))
}

/// As text, so that the order of keys counts, and cut: states may be large.
fn shown(checkpoint: Option<&Checkpoint>) -> String {
    let mut text = text(checkpoint);
    if let Some((cut, _)) = text.char_indices().nth(600) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn text(checkpoint: Option<&Checkpoint>) -> String {
    serde_json::to_string(&checkpoint).unwrap_or_else(|error| error.to_string())
}

pub(super) struct Calls {
    checkpointer: Arc<dyn Checkpointer>,
    only_latest: bool,
}

impl Calls {
    pub(super) fn new(subject: Subject) -> Self {
        Self { checkpointer: subject.checkpointer, only_latest: subject.only_latest }
    }

    pub(super) fn on(checkpointer: Arc<dyn Checkpointer>, only_latest: bool) -> Self {
        Self { checkpointer, only_latest }
    }

    pub(super) async fn put(&self, thread: &str, checkpoint: Checkpoint) -> Checked {
        self.checkpointer.put(&ThreadId::new(thread), checkpoint).await.map_err(|error| unmet(&error))
    }

    /// A put that has been polled once.
    pub(super) async fn begin_put(&self, thread: &str, checkpoint: Checkpoint) -> InFlight {
        let (checkpointer, thread) = (self.checkpointer.clone(), ThreadId::new(thread));
        let mut future = Box::pin(async move { checkpointer.put(&thread, checkpoint).await });
        match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            Poll::Ready(put) => InFlight::Done(put),
            Poll::Pending => InFlight::Waits(future),
        }
    }

    pub(super) async fn delete(&self, thread: &str) -> Checked {
        self.checkpointer.delete_thread(&ThreadId::new(thread)).await.map_err(|error| unmet(&error))
    }

    pub(super) async fn latest(&self, thread: &str) -> Result<Option<Checkpoint>, Unmet> {
        self.checkpointer.get(&ThreadId::new(thread), None).await.map_err(|error| unmet(&error))
    }

    pub(super) async fn at(&self, thread: &str, id: u64) -> Result<Option<Checkpoint>, Unmet> {
        self.checkpointer.get(&ThreadId::new(thread), Some(CheckpointId(id))).await.map_err(|error| unmet(&error))
    }

    pub(super) async fn list(&self, thread: &str) -> Result<Vec<u64>, Unmet> {
        let ids = self.checkpointer.list(&ThreadId::new(thread)).await.map_err(|error| unmet(&error))?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }

    /// The list of a thread into which `put` were put, latest first.
    pub(super) async fn expect_list(&self, thread: &str, put: &[u64]) -> Checked {
        let expected = if self.only_latest { &put[..put.len().min(1)] } else { put };
        let ids = self.list(thread).await?;
        ensure!(ids == expected, "the list of {thread:?} is {ids:?}, expected {expected:?}");
        Ok(())
    }

    pub(super) async fn expect_latest(&self, thread: &str, expected: Option<&Checkpoint>) -> Checked {
        let latest = self.latest(thread).await?;
        let is = (shown(latest.as_ref()), shown(expected));
        ensure!(text(latest.as_ref()) == text(expected), "the latest of {thread:?} is {}, expected {}", is.0, is.1);
        Ok(())
    }

    /// Of the latest checkpoint of a thread, or of one that was never put.
    pub(super) async fn expect_at(&self, thread: &str, id: u64, expected: Option<&Checkpoint>) -> Checked {
        let found = self.at(thread, id).await?;
        let is = (shown(found.as_ref()), shown(expected));
        ensure!(text(found.as_ref()) == text(expected), "checkpoint {id} of {thread:?} is {}, expected {}", is.0, is.1);
        Ok(())
    }

    /// Of a checkpoint that later ones of its thread follow.
    pub(super) async fn expect_older(&self, thread: &str, older: &Checkpoint) -> Checked {
        self.expect_at(thread, older.id.0, Some(older).filter(|_| !self.only_latest)).await
    }
}

/// A put after its first poll.
pub(super) enum InFlight {
    Done(Result<(), CheckpointError>),
    Waits(Pin<Box<dyn Future<Output = Result<(), CheckpointError>> + Send>>),
}

impl Future for InFlight {
    type Output = Checked;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Checked> {
        let put = match &mut *self {
            Self::Done(put) => std::mem::replace(put, Ok(())),
            Self::Waits(future) => match future.as_mut().poll(context) {
                Poll::Ready(put) => put,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(put.map_err(|error| unmet(&error)))
    }
}
