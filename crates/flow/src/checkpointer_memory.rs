//! Checkpoints in memory.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};

/// Attempts of different jobs rarely meet on one lock.
const SHARDS: usize = 16;

type Threads = HashMap<ThreadId, BTreeMap<CheckpointId, Checkpoint>>;

/// Keeps checkpoints as long as the process lives: a retry goes on where the attempt before it stopped, a crash loses them.
#[derive(Default)]
pub struct MemoryCheckpointer {
    shards: [Mutex<Threads>; SHARDS],
    hasher: RandomState,
    only_latest: bool,
}

impl MemoryCheckpointer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one that keeps only the latest checkpoint of each thread: what a retry needs. A flow of many supersteps then
    /// holds one state and not one for each.
    pub fn of_latest() -> Self {
        Self { only_latest: true, ..Self::default() }
    }

    /// How many threads have checkpoints.
    pub fn threads(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, thread: &ThreadId) -> MutexGuard<'_, Threads> {
        let shards = SHARDS as u64;
        let place = usize::try_from(self.hasher.hash_one(thread) % shards).unwrap_or_default();
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Checkpointer for MemoryCheckpointer {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let mut shard = self.shard(thread);
        let checkpoints = match shard.get_mut(thread) {
            Some(checkpoints) => checkpoints,
            None => shard.entry(thread.clone()).or_default(),
        };
        let replaced = checkpoints.insert(checkpoint.id, checkpoint);
        let older = if self.only_latest && checkpoints.len() > 1 { checkpoints.pop_first() } else { None };
        // A state may be large: it is taken apart after the lock is given back.
        drop(shard);
        drop((replaced, older));
        Ok(())
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        let shard = self.shard(thread);
        let Some(checkpoints) = shard.get(thread) else { return Ok(None) };
        Ok(match id {
            Some(id) => checkpoints.get(&id).cloned(),
            None => checkpoints.last_key_value().map(|(_, checkpoint)| checkpoint.clone()),
        })
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        Ok(self.shard(thread).get(thread).map(|kept| kept.keys().rev().copied().collect()).unwrap_or_default())
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        self.shard(thread).remove(thread);
        Ok(())
    }
}

impl fmt::Debug for MemoryCheckpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCheckpointer").field("threads", &self.threads()).finish()
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::StateData;
    use futures_util::FutureExt;

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("memory answers at once")
    }

    fn checkpoint(id: u64, step: u64) -> Checkpoint {
        Checkpoint::new(CheckpointId(id), step, StateData::new(), Vec::new())
    }

    #[test]
    fn the_latest_is_the_one_with_the_largest_id_and_threads_are_apart() {
        let memory = MemoryCheckpointer::new();
        let (a, b) = (ThreadId::new("x/a"), ThreadId::new("x/b"));
        for id in [1, 3, 2] {
            now(memory.put(&a, checkpoint(id, id))).unwrap();
        }
        assert_eq!(now(memory.get(&a, None)).unwrap(), Some(checkpoint(3, 3)));
        assert_eq!(now(memory.get(&a, Some(CheckpointId(2)))).unwrap(), Some(checkpoint(2, 2)));
        assert_eq!(now(memory.list(&a)).unwrap(), [3, 2, 1].map(CheckpointId));
        assert_eq!(now(memory.get(&b, None)).unwrap(), None);
        assert_eq!(now(memory.list(&b)).unwrap(), []);
    }

    #[test]
    fn where_only_the_latest_is_kept_a_thread_holds_one() {
        let memory = MemoryCheckpointer::of_latest();
        let thread = ThreadId::new("x/a");
        for id in [1, 2, 3] {
            now(memory.put(&thread, checkpoint(id, id))).unwrap();
            assert_eq!(now(memory.list(&thread)).unwrap(), [CheckpointId(id)]);
        }
        assert_eq!(now(memory.get(&thread, None)).unwrap(), Some(checkpoint(3, 3)));
        assert_eq!(now(memory.get(&thread, Some(CheckpointId(1)))).unwrap(), None);
    }

    #[test]
    fn a_put_of_a_known_id_replaces_and_a_deletion_may_repeat() {
        let memory = MemoryCheckpointer::new();
        let thread = ThreadId::new("x/a");
        now(memory.put(&thread, checkpoint(1, 1))).unwrap();
        now(memory.put(&thread, checkpoint(1, 7))).unwrap();
        assert_eq!(now(memory.get(&thread, None)).unwrap(), Some(checkpoint(1, 7)));
        for _ in 0..2 {
            now(memory.delete_thread(&thread)).unwrap();
            assert_eq!((now(memory.get(&thread, None)).unwrap(), memory.threads()), (None, 0));
        }
    }
}
