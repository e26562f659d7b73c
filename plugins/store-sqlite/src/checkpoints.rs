//! States of flows, in the database of their batch or in one of their own.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use batchmill_core::{BatchId, Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId, WallTime};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    Durability, StoreError, database,
    error::At,
    readers::Readers,
    rows::Damage,
    schema,
    writer::{Ground, Keep, Scribe, Writer, sortable, unsorted},
};

/// A [`Checkpointer`] in a SQLite database.
///
/// The one of a [`crate::Batch`] keeps the latest checkpoint of each job, until the record of the job's end deletes it in
/// the same transaction; one that something later makes pointless before it is written is never written. One that was
/// [opened](Self::open) alone keeps all.
///
/// Needs a tokio runtime: reads run on its blocking threads.
#[derive(Debug)]
pub struct SqliteCheckpointer {
    /// What the threads of the batch begin with; they are kept without it.
    prefix: Option<String>,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

impl SqliteCheckpointer {
    pub(crate) fn of(batch: &BatchId, writer: Arc<Writer>, readers: Arc<Readers>) -> Self {
        Self { prefix: Some(format!("{batch}/")), writer, readers }
    }

    /// Opens the database at `path`, or makes it, for checkpoints alone: all of them are kept. Blocks.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.try_exists().at(path)? {
            let connection = database::make(path, &schema::BATCH)?;
            connection
                .execute_batch("INSERT INTO meta VALUES ('incarnation', 1); PRAGMA journal_mode = WAL")
                .at(path)?;
        }
        let connection = database::open(path, &schema::BATCH)?;
        let incarnation =
            connection.query_row("SELECT value FROM meta WHERE key = 'incarnation'", [], |row| row.get(0));
        let ground = Ground::of(path).at(path)?;
        let scribe = Scribe::new(connection, ground, incarnation.at(path)?, Durability::Fsync, Keep::All).at(path)?;
        let readers = Readers::new(path.to_path_buf(), WallTime::default());
        Ok(Self { prefix: None, writer: Arc::new(Writer::start(scribe).at(path)?), readers: Arc::new(readers) })
    }

    fn key<'a>(&self, thread: &'a ThreadId) -> Result<&'a str, CheckpointError> {
        match &self.prefix {
            None => Ok(&thread.0),
            Some(prefix) => thread.0.strip_prefix(prefix.as_str()).ok_or_else(|| {
                CheckpointError::new(format!(
                    "the thread {thread} is not of the batch {}",
                    prefix.trim_end_matches('/')
                ))
            }),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, WallTime) -> Result<T, Damage> + Send + 'static,
    ) -> Result<T, CheckpointError> {
        self.readers.run(read).await.map_err(CheckpointError::new)
    }
}

#[async_trait]
impl Checkpointer for SqliteCheckpointer {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.writer.put(self.key(thread)?, &checkpoint).await
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        let key = self.key(thread)?;
        if !self.writer.settle(key).await? {
            return Ok(None);
        }
        let key = key.to_owned();
        self.read(move |connection, _| find(connection, &key, id)).await
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        let key = self.key(thread)?;
        if !self.writer.settle(key).await? {
            return Ok(Vec::new());
        }
        let key = key.to_owned();
        self.read(move |connection, _| ids(connection, &key)).await
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.writer.forget(self.key(thread)?).await
    }

    fn deletes_with_result(&self) -> bool {
        self.prefix.is_some()
    }
}

impl Drop for SqliteCheckpointer {
    fn drop(&mut self) {
        if self.prefix.is_none() {
            self.readers.close();
        }
    }
}

fn find(connection: &Connection, thread: &str, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, Damage> {
    let sql = match id {
        Some(_) => "SELECT body FROM checkpoint WHERE thread = ?1 AND id = ?2",
        None => "SELECT body FROM checkpoint WHERE thread = ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1",
    };
    let id = id.map_or(i64::MAX, |id| sortable(id.0));
    let mut statement = connection.prepare_cached(sql)?;
    let body = statement.query_row(params![thread, id], |row| row.get::<_, String>(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

fn ids(connection: &Connection, thread: &str) -> Result<Vec<CheckpointId>, Damage> {
    let mut statement = connection.prepare_cached("SELECT id FROM checkpoint WHERE thread = ?1 ORDER BY id DESC")?;
    let ids = statement.query_map([thread], |row| row.get(0).map(|id| CheckpointId(unsorted(id))))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
