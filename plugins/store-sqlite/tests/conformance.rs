//! The store against the kits.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use batchmill_core::{
    BatchId, Checkpoint, CheckpointError, CheckpointId, Checkpointer, JobResult, Journal, JournalAnswer, JournalError,
    JournalEvent, Position, Recalled, ThreadId, WallTime,
};
use batchmill_store_sqlite::{Batch, Durability, NewBatch, SqliteCheckpointer, StateDir};
use batchmill_testkit::{
    checkpointer::{self, Subject},
    journal,
};

/// A checkpointer with what it stands on, let go of in this order.
#[derive(Debug)]
struct Standing<B> {
    checkpointer: Arc<dyn Checkpointer>,
    _batch: B,
    _folder: Arc<tempfile::TempDir>,
}

#[async_trait]
impl<B: std::fmt::Debug + Send + Sync> Checkpointer for Standing<B> {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.checkpointer.put(thread, checkpoint).await
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.checkpointer.get(thread, id).await
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        self.checkpointer.list(thread).await
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.checkpointer.delete_thread(thread).await
    }

    fn deletes_with_result(&self) -> bool {
        self.checkpointer.deletes_with_result()
    }
}

fn alone(folder: &Arc<tempfile::TempDir>) -> Arc<dyn Checkpointer> {
    let checkpointer = Arc::new(SqliteCheckpointer::open(&folder.path().join("checkpoints.db")).unwrap());
    Arc::new(Standing { checkpointer, _batch: (), _folder: Arc::clone(folder) })
}

#[test]
fn a_checkpointer_alone_keeps_the_contract() {
    checkpointer::run(|| {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Subject::shared(alone(&folder)).reopened_by(move || alone(&folder))
    })
    .assert_passed();
}

/// The kit names threads of a batch `b`, and some that are of none: the latter are refused in a batch.
#[derive(Debug)]
struct InBatch(Arc<dyn Checkpointer>);

impl InBatch {
    fn thread(thread: &ThreadId) -> ThreadId {
        ThreadId::new(format!("batch/{thread}"))
    }
}

#[async_trait]
impl Checkpointer for InBatch {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.0.put(&Self::thread(thread), checkpoint).await
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.0.get(&Self::thread(thread), id).await
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        self.0.list(&Self::thread(thread)).await
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.0.delete_thread(&Self::thread(thread)).await
    }
}

fn new(durability: Durability) -> NewBatch {
    NewBatch {
        id: BatchId::new("batch").unwrap(),
        name: None,
        flow: "flow".to_owned(),
        source: "source".to_owned(),
        manifest: serde_json::Value::Null,
        jobs: 1_000_000,
        content: String::new(),
        accepted: WallTime::default(),
        durability,
        parent: None,
        generation: 0,
    }
}

fn in_batch(batch: Batch, folder: &Arc<tempfile::TempDir>) -> Arc<dyn Checkpointer> {
    let checkpointer = Arc::new(InBatch(batch.checkpointer()));
    Arc::new(Standing { checkpointer, _batch: batch, _folder: Arc::clone(folder) })
}

fn adopted(folder: &Path) -> Batch {
    StateDir::open(folder).unwrap().adopt(&BatchId::new("batch").unwrap(), Durability::Buffered).unwrap()
}

#[test]
fn the_checkpointer_of_a_batch_keeps_the_contract() {
    checkpointer::run(|| {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let batch = StateDir::open(folder.path()).unwrap().create(new(Durability::Buffered)).unwrap();
        let subject = Subject::shared(in_batch(batch, &folder)).only_latest();
        subject.reopened_by(move || in_batch(adopted(folder.path()), &folder))
    })
    .assert_passed();
}

/// A journal with what it stands on, let go of in this order.
#[derive(Debug)]
struct Owned {
    journal: Arc<dyn Journal>,
    _batch: Batch,
    _folder: Arc<tempfile::TempDir>,
}

#[async_trait]
impl Journal for Owned {
    async fn append(&self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError> {
        self.journal.append(batch, events).await
    }

    async fn replay(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, JobResult)>, JournalError> {
        self.journal.replay(batch, after, max).await
    }

    async fn recall(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, Recalled)>, JournalError> {
        self.journal.recall(batch, after, max).await
    }

    async fn compact(&self, batch: &BatchId) -> Result<(), JournalError> {
        self.journal.compact(batch).await
    }
}

fn owned(batch: Batch, folder: &Arc<tempfile::TempDir>) -> Arc<dyn Journal> {
    Arc::new(Owned { journal: batch.journal(), _batch: batch, _folder: Arc::clone(folder) })
}

#[test]
fn the_journal_keeps_the_contract() {
    for durability in [Durability::Buffered, Durability::Fsync] {
        journal::run(|| {
            let folder = Arc::new(tempfile::tempdir().unwrap());
            let batch = StateDir::open(folder.path()).unwrap().create(new(durability)).unwrap();
            let id = batch.id().clone();
            journal::Subject::new(owned(batch, &folder), id).adopted_by(move || {
                // As if the first owner were on a machine whose locks nobody sees here.
                std::fs::remove_file(folder.path().join("batches/batch/lock")).unwrap();
                owned(adopted(folder.path()), &folder)
            })
        })
        .assert_passed();
    }
}
