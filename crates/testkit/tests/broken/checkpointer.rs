//! A checkpointer in memory, right or with one flaw.

use std::{
    collections::BTreeMap,
    sync::{Mutex, RwLock},
};

use async_trait::async_trait;
use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use batchmill_testkit::checkpointer::{cases, run};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    UnknownIsAnError,
    ForgetsPending,
    LatestIsTheLastPut,
    IgnoresTheId,
    ListsOldestFirst,
    KeepsTheFirstOfAnId,
    ForgetsParents,
    FoldsCase,
    DeletesByPrefix,
    SignedIds,
    KeepsAHundred,
    LosesConcurrentWrites,
}

type Threads = BTreeMap<String, BTreeMap<CheckpointId, Checkpoint>>;

#[derive(Debug)]
struct Memory {
    flaw: Flaw,
    threads: RwLock<Threads>,
    last_put: Mutex<Option<Checkpoint>>,
}

impl Memory {
    fn name(&self, thread: &ThreadId) -> String {
        if self.flaw == Flaw::FoldsCase { thread.0.to_lowercase() } else { thread.0.to_string() }
    }
}

#[async_trait]
impl Checkpointer for Memory {
    async fn put(&self, thread: &ThreadId, mut checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        match self.flaw {
            Flaw::ForgetsPending => checkpoint.pending.clear(),
            Flaw::ForgetsParents => checkpoint.parent = None,
            Flaw::SignedIds if i64::try_from(checkpoint.id.0).is_err() => {
                return Err(CheckpointError::new("too large an id"));
            }
            _ => {}
        }
        *self.last_put.lock().unwrap() = Some(checkpoint.clone());
        if self.flaw == Flaw::LosesConcurrentWrites {
            // Read, let others write, then write back the whole.
            let mut threads = self.threads.read().unwrap().clone();
            tokio::task::yield_now().await;
            std::thread::yield_now();
            threads.entry(self.name(thread)).or_default().insert(checkpoint.id, checkpoint);
            *self.threads.write().unwrap() = threads;
            return Ok(());
        }
        let mut threads = self.threads.write().unwrap();
        let of_thread = threads.entry(self.name(thread)).or_default();
        if !(self.flaw == Flaw::KeepsTheFirstOfAnId && of_thread.contains_key(&checkpoint.id)) {
            of_thread.insert(checkpoint.id, checkpoint);
        }
        if self.flaw == Flaw::KeepsAHundred && of_thread.len() > 100 {
            of_thread.pop_first();
        }
        Ok(())
    }

    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        let threads = self.threads.read().unwrap();
        let Some(of_thread) = threads.get(&self.name(thread)) else {
            return if self.flaw == Flaw::UnknownIsAnError { Err(CheckpointError::new("unknown")) } else { Ok(None) };
        };
        let latest = of_thread.last_key_value().map(|(_, checkpoint)| checkpoint.clone());
        Ok(match (id, self.flaw) {
            (None, Flaw::LatestIsTheLastPut) => self.last_put.lock().unwrap().clone(),
            (None, _) | (_, Flaw::IgnoresTheId) => latest,
            (Some(id), _) => of_thread.get(&id).cloned(),
        })
    }

    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        let threads = self.threads.read().unwrap();
        let mut ids: Vec<CheckpointId> =
            threads.get(&self.name(thread)).map(|of_thread| of_thread.keys().copied().collect()).unwrap_or_default();
        if self.flaw != Flaw::ListsOldestFirst {
            ids.reverse();
        }
        Ok(ids)
    }

    async fn delete_thread(&self, thread: &ThreadId) -> Result<(), CheckpointError> {
        let name = self.name(thread);
        match self.flaw {
            Flaw::DeletesByPrefix => {
                let prefix = name.trim_end_matches('%');
                self.threads.write().unwrap().retain(|candidate, _| !candidate.starts_with(prefix));
            }
            _ => drop(self.threads.write().unwrap().remove(&name)),
        }
        Ok(())
    }
}

fn memory(flaw: Flaw) -> Box<dyn Checkpointer> {
    Box::new(Memory { flaw, threads: RwLock::default(), last_put: Mutex::default() })
}

#[test]
fn a_right_checkpointer_passes_every_case() {
    run(|| memory(Flaw::None)).assert_passed();
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::UnknownIsAnError, "an_unknown_thread_is_empty"),
        (Flaw::ForgetsPending, "what_was_put_is_there_whole"),
        (Flaw::LatestIsTheLastPut, "the_latest_has_the_largest_id"),
        (Flaw::IgnoresTheId, "each_id_finds_its_checkpoint"),
        (Flaw::ListsOldestFirst, "list_is_latest_first"),
        (Flaw::KeepsTheFirstOfAnId, "the_same_id_replaces"),
        (Flaw::ForgetsParents, "parents_are_kept"),
        (Flaw::FoldsCase, "threads_do_not_mix"),
        (Flaw::DeletesByPrefix, "delete_forgets_one_thread_and_may_repeat"),
        (Flaw::SignedIds, "extreme_ids_are_taken"),
        (Flaw::KeepsAHundred, "a_thousand_checkpoints_are_taken"),
        (Flaw::LosesConcurrentWrites, "threads_write_at_the_same_time"),
    ] {
        caught(flaw, case, cases(), || memory(flaw));
    }
}
