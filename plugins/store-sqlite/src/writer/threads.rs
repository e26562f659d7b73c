//! Which jobs have a checkpoint, in memory: most jobs have none, and neither their start nor their end asks the database.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock},
};

use rusqlite::Connection;

/// Hashes of the names of threads: one that only looks like another costs a question, nothing else.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    hashes: RwLock<HashSet<u64>>,
    hasher: RandomState,
}

impl Threads {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let threads = Self::default();
        let mut statement = connection.prepare("SELECT DISTINCT thread FROM checkpoint")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            threads.insert(row.get_ref(0)?.as_str()?);
        }
        drop(rows);
        drop(statement);
        Ok(threads)
    }

    pub(crate) fn may_have(&self, thread: &str) -> bool {
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        !hashes.is_empty() && hashes.contains(&self.hasher.hash_one(thread))
    }

    pub(crate) fn insert(&self, thread: &str) {
        let hash = self.hasher.hash_one(thread);
        self.hashes.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }

    pub(crate) fn remove(&self, thread: &str) {
        if self.may_have(thread) {
            let hash = self.hasher.hash_one(thread);
            self.hashes.write().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        }
    }
}
