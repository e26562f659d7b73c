//! Connections that read beside the writer.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use batchmill_core::WallTime;
use rusqlite::Connection;

use crate::{
    StoreError,
    database::{self, Reading},
    rows::Damage,
    schema,
};

/// So many connections are kept for the next read.
const KEPT: usize = 4;

/// Reads a batch's database on the runtime's blocking threads. Every read is one short transaction, so that the writer's
/// log can be cut.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    pub(crate) accepted: WallTime,
    idle: Mutex<Vec<Reading>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, accepted: WallTime) -> Self {
        Self { path, accepted, idle: Mutex::default() }
    }

    /// Runs `read` beside the runtime. Errors are sentences.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection, WallTime) -> Result<T, Damage> + Send + 'static,
    ) -> Result<T, String> {
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || readers.read(read));
        task.await.unwrap_or_else(|error| Err(format!("the reading thread ended early: {error}")))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection, WallTime) -> Result<T, Damage>) -> Result<T, String> {
        let connection = self.take().map_err(|error| error.to_string())?;
        let found = read(&connection, self.accepted).map_err(|damage| format!("{}: {damage}", self.path.display()))?;
        let mut idle = self.lock();
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(found)
    }

    fn take(&self) -> Result<Reading, StoreError> {
        let kept = self.lock().pop();
        kept.map_or_else(|| database::read(&self.path, &schema::BATCH), Ok)
    }

    /// Lets go of all connections: the writer can then leave a database without a log.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reading>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
