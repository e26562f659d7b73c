//! A checkpointer whose writes are timed.

use std::{fmt, sync::Arc, time::Instant};

use async_trait::async_trait;
use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use metrics::{Histogram, histogram};

/// Hands everything on, and counts how long each write takes, whether it succeeds or not. Made only where somebody reads
/// metrics.
pub struct TimedCheckpointer {
    inner: Arc<dyn Checkpointer>,
    writes: Histogram,
}

impl TimedCheckpointer {
    /// Times the writes of `inner`, for the recorder that is installed now.
    pub fn new(inner: Arc<dyn Checkpointer>) -> Self {
        Self { inner, writes: histogram!("batchmill_checkpoint_write_seconds") }
    }
}

#[async_trait]
impl Checkpointer for TimedCheckpointer {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let before = Instant::now();
        let put = self.inner.put(thread, checkpoint).await;
        self.writes.record(before.elapsed());
        put
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

    fn deletes_with_result(&self) -> bool {
        self.inner.deletes_with_result()
    }
}

impl fmt::Debug for TimedCheckpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimedCheckpointer").field(&self.inner).finish()
    }
}
