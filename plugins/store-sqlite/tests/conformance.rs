//! The store against the kits.

use async_trait::async_trait;
use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use batchmill_store_sqlite::SqliteCheckpointer;
use batchmill_testkit::checkpointer::{self, Subject};

/// A checkpointer and the folder that goes with it.
#[derive(Debug)]
struct Temporary {
    inner: SqliteCheckpointer,
    _folder: tempfile::TempDir,
}

#[async_trait]
impl Checkpointer for Temporary {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.inner.put(thread, checkpoint).await
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.inner.get(thread, id).await
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        self.inner.list(thread).await
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.inner.delete_thread(thread).await
    }
}

fn checkpointer() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let inner = SqliteCheckpointer::open(&folder.path().join("checkpoints.db")).unwrap();
    Box::new(Temporary { inner, _folder: folder })
}

#[test]
fn the_checkpointer_keeps_the_contract() {
    checkpointer::run(checkpointer).assert_passed();
}
