//! Which jobs have a checkpoint, in memory: most jobs have none, and neither their start nor their end asks the database.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;

/// Hashes of the names of threads: one that only looks like another costs a question, nothing else.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    known: Mutex<Known>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    /// What the last commit has left.
    kept: HashSet<u64>,
    /// Writes that were asked for and are not answered.
    flying: HashMap<u64, u32>,
}

/// A write of a thread that was asked for. Dropped when it is answered, or when nobody asks any more.
#[derive(Debug)]
pub(crate) struct Flight {
    threads: Arc<Threads>,
    hash: u64,
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

    /// Whether a checkpoint of `thread` may be in the database.
    pub(crate) fn may_have(&self, thread: &str) -> bool {
        let known = self.lock();
        !known.kept.is_empty() && known.kept.contains(&self.hasher.hash_one(thread))
    }

    /// Whether a write of `thread` may be on its way.
    pub(crate) fn may_fly(&self, thread: &str) -> bool {
        let known = self.lock();
        !known.flying.is_empty() && known.flying.contains_key(&self.hasher.hash_one(thread))
    }

    /// A write of `thread` begins.
    pub(crate) fn fly(self: &Arc<Self>, thread: &str) -> Flight {
        let hash = self.hasher.hash_one(thread);
        *self.lock().flying.entry(hash).or_default() += 1;
        Flight { threads: Arc::clone(self), hash }
    }

    pub(crate) fn insert(&self, thread: &str) {
        let hash = self.hasher.hash_one(thread);
        self.lock().kept.insert(hash);
    }

    pub(crate) fn remove(&self, thread: &str) {
        let mut known = self.lock();
        if !known.kept.is_empty() {
            known.kept.remove(&self.hasher.hash_one(thread));
        }
    }

    pub(crate) fn clear(&self) {
        self.lock().kept.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut known = self.threads.lock();
        if let Some(count) = known.flying.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                known.flying.remove(&self.hash);
            }
        }
    }
}
