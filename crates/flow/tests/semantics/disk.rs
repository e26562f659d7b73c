//! A checkpointer that confirms a put when it is told to, and loses at a crash what was not written by then.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, MutexGuard},
    task::Poll,
};

use async_trait::async_trait;
use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};

/// Keeps the latest checkpoint of its only thread. Nobody is woken: who tells it to confirm polls again.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    inner: Mutex<Inner>,
    deletes_with_result: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// As text, as on a real one.
    written: Option<String>,
    in_flight: VecDeque<Checkpoint>,
    begun: usize,
    confirmed: usize,
    /// The number of the put that fails.
    broken: Option<usize>,
    deletions: usize,
}

impl Inner {
    fn write(&mut self, count: usize) {
        for checkpoint in self.in_flight.drain(..count.min(self.in_flight.len())) {
            self.written = Some(serde_json::to_string(&checkpoint).unwrap());
        }
    }
}

impl Disk {
    /// One whose checkpoints are deleted by the record of the result.
    pub(crate) fn with_result() -> Self {
        Self { deletes_with_result: true, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Writes the oldest `count` puts and confirms them.
    pub(crate) fn confirm(&self, count: usize) {
        let mut inner = self.lock();
        inner.write(count);
        inner.confirmed = inner.begun - inner.in_flight.len();
    }

    /// The process is gone. The oldest `count` puts were written, and nobody heard of it.
    pub(crate) fn crash(&self, count: usize) {
        let mut inner = self.lock();
        inner.write(count);
        inner.in_flight.clear();
        inner.confirmed = inner.begun;
    }

    /// The put of this number, from 0, fails once it is confirmed.
    pub(crate) fn breaks_at(&self, number: usize) {
        self.lock().broken = Some(number);
    }

    pub(crate) fn written(&self) -> Option<Checkpoint> {
        self.lock().written.as_ref().map(|text| serde_json::from_str(text).unwrap())
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.lock().in_flight.len()
    }

    pub(crate) fn deletions(&self) -> usize {
        self.lock().deletions
    }
}

#[async_trait]
impl Checkpointer for Disk {
    async fn put(&self, _: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let number = {
            let mut inner = self.lock();
            inner.in_flight.push_back(checkpoint);
            inner.begun += 1;
            inner.begun - 1
        };
        poll_fn(|_| {
            let inner = self.lock();
            match inner.confirmed > number {
                true if inner.broken == Some(number) => Poll::Ready(Err(CheckpointError::new("the disk is full"))),
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        })
        .await
    }

    async fn get(&self, _: &ThreadId, _: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        Ok(self.written())
    }

    async fn list(&self, _: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        Ok(self.written().into_iter().map(|kept| kept.id).collect())
    }

    async fn delete_thread(&self, _: &ThreadId) -> Result<(), CheckpointError> {
        let mut inner = self.lock();
        inner.deletions += 1;
        inner.written = None;
        Ok(())
    }

    fn deletes_with_result(&self) -> bool {
        self.deletes_with_result
    }
}
