//! The journal of one batch.

use std::sync::Arc;

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, Journal, JournalAnswer, JournalError, JournalEvent, Position, Recalled};

use crate::{queries, readers::Readers, writer::Writer};

/// A [`Journal`] in the batch's database.
///
/// Needs a tokio runtime: reads run on its blocking threads.
#[derive(Debug)]
pub struct SqliteJournal {
    batch: BatchId,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

impl SqliteJournal {
    pub(crate) fn new(batch: BatchId, writer: Arc<Writer>, readers: Arc<Readers>) -> Self {
        Self { batch, writer, readers }
    }

    fn is_mine(&self, batch: &BatchId) -> Result<(), JournalError> {
        if *batch == self.batch {
            return Ok(());
        }
        Err(JournalError::new(format!("this is the journal of the batch {}, not of {batch}", self.batch)))
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn append(&self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError> {
        self.is_mine(batch)?;
        self.writer.append(events).await
    }

    async fn replay(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, JobResult)>, JournalError> {
        self.is_mine(batch)?;
        let read = self.readers.run(move |connection, accepted| queries::results(connection, accepted, after, max));
        read.await.map_err(JournalError::new)
    }

    async fn recall(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, Recalled)>, JournalError> {
        self.is_mine(batch)?;
        let read = self.readers.run(move |connection, accepted| queries::recall(connection, accepted, after, max));
        read.await.map_err(JournalError::new)
    }

    async fn compact(&self, batch: &BatchId) -> Result<(), JournalError> {
        self.is_mine(batch)?;
        self.writer.compact().await
    }
}
