//! A batch that this process runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use batchmill_core::{BatchId, Checkpointer, Journal, JournalError, JournalEvent, StartLog, WallTime};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Durability, SqliteCheckpointer, SqliteJournal, StoreError, database,
    error::At,
    lock::Lock,
    readers::Readers,
    slots::Slots,
    writer::{Amendment, Entry, Ground, Keep, Scribe, Writer},
};

/// A batch that this process owns: its lock is held until this is dropped, which also ends the writing thread, after
/// everything that was asked of it. Dropping blocks.
#[derive(Debug)]
pub struct Batch {
    id: BatchId,
    folder: PathBuf,
    facts: Facts,
    manifest: Value,
    lost: Vec<(u64, u32)>,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    slots: Arc<Slots>,
    /// Last: whoever takes the batch over must find a database that nobody writes to.
    _lock: Arc<Lock>,
}

/// What a database says of its batch.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) accepted: WallTime,
    pub(crate) jobs: u64,
    pub(crate) content: String,
    pub(crate) incarnation: i64,
}

impl Facts {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            accepted: WallTime::from_micros(needed(connection, "accepted")?),
            jobs: needed(connection, "jobs")?,
            content: needed(connection, "content")?,
            incarnation: needed(connection, "incarnation")?,
        })
    }
}

/// A value of `meta`.
pub(crate) fn meta<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    statement.query_row([key], |row| row.get::<_, Option<T>>(0)).optional().map(Option::flatten)
}

/// A value of `meta` that every batch has.
pub(crate) fn needed<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> rusqlite::Result<T> {
    meta(connection, key)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

pub(crate) fn manifest(connection: &Connection, path: &Path) -> Result<Value, StoreError> {
    let text: String = needed(connection, "manifest").at(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let reason = format!("its manifest cannot be read: {error}");
        StoreError::Corrupt { path: path.to_path_buf(), reason }
    })
}

impl Batch {
    /// Begins to write to a database that is the caller's by `lock`.
    pub(crate) fn start(
        id: BatchId,
        folder: &Path,
        connection: Connection,
        lock: Lock,
        durability: Durability,
        lost: Vec<(u64, u32)>,
    ) -> Result<Self, StoreError> {
        let path = folder.join(database::BATCH_FILE);
        let (facts, manifest) = (Facts::read(&connection).at(&path)?, manifest(&connection, &path)?);
        let (lock, slots) = (Arc::new(lock), Arc::new(Slots::begin(folder, facts.incarnation)?));
        if durability == Durability::Fsync {
            database::extend_log(&path)?;
        }
        let ground = Ground::of(&path).at(&path)?;
        let scribe = Scribe::new(connection, ground, facts.incarnation, durability, Keep::Latest).at(&path)?;
        let writer = Writer::start(scribe.watching(Arc::clone(&lock), Arc::clone(&slots))).at(&path)?;
        let readers = Arc::new(Readers::new(path, facts.accepted));
        let (folder, writer) = (folder.to_path_buf(), Arc::new(writer));
        Ok(Self { id, folder, facts, manifest, lost, writer, readers, slots, _lock: lock })
    }

    /// Its id.
    pub fn id(&self) -> &BatchId {
        &self.id
    }

    /// Where everything of it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the host wrote down when it was accepted, or last amended.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// Replaces the manifest. Recorded as an event. Blocks until it is recorded.
    pub fn amend(&mut self, manifest: Value) -> Result<(), JournalError> {
        self.writer.amend(Amendment::Manifest(manifest.to_string()))?;
        self.manifest = manifest;
        Ok(())
    }

    /// It has other jobs than before: a file that grew, or that a person accepted as it is now. Recorded as an event.
    /// Blocks until it is recorded.
    pub fn accept(&mut self, jobs: u64, content: &str, at: WallTime) -> Result<(), JournalError> {
        let accepted = JournalEvent::Accepted { jobs, content: content.to_owned(), at };
        self.writer.amend(Amendment::Jobs(Entry::Other(accepted)))?;
        (self.facts.jobs, self.facts.content) = (jobs, content.to_owned());
        Ok(())
    }

    /// Which host of the batch this is, from 1.
    pub fn incarnation(&self) -> u64 {
        u64::try_from(self.facts.incarnation).unwrap_or(0)
    }

    /// When it was first accepted.
    pub fn accepted(&self) -> WallTime {
        self.facts.accepted
    }

    /// How many jobs it has.
    pub fn jobs(&self) -> u64 {
        self.facts.jobs
    }

    /// The hash of its jobs, as it was accepted.
    pub fn content(&self) -> &str {
        &self.facts.content
    }

    /// Its journal.
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::new(self.id.clone(), Arc::clone(&self.writer), Arc::clone(&self.readers)))
    }

    /// Its start log.
    pub fn starts(&self) -> Arc<dyn StartLog> {
        Arc::clone(&self.slots) as Arc<dyn StartLog>
    }

    /// Its checkpoints: the latest of each job, until the job's end is recorded.
    pub fn checkpointer(&self) -> Arc<dyn Checkpointer> {
        Arc::new(SqliteCheckpointer::of(&self.id, Arc::clone(&self.writer), Arc::clone(&self.readers)))
    }

    /// The jobs that ran when the host before this one died: their places, and how often that happened to them by now.
    pub fn lost(&self) -> &[(u64, u32)] {
        &self.lost
    }

    /// Tells why nothing can be written any more, also while nobody appends: within two seconds of the cause.
    pub fn broken(&self) -> watch::Receiver<Option<JournalError>> {
        self.writer.broken()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.readers.close();
        self.writer.stop();
    }
}
