//! A checkpointer in memory, right or with one flaw.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use batchmill_core::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, ThreadId};
use batchmill_testkit::checkpointer::{Subject, cases, run};
use serde_json::{Value, json};

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
    TextWithoutNul,
    NumbersAsFloats,
    SortsKeys,
    NothingDeep,
    AtMostAMebibyte,
    NeedsANextNode,
    CutsNames,
    PutsOvertake,
    BeginsLate,
    DroppedPutsAreHalf,
    DroppedPutsComeLate,
}

type Threads = BTreeMap<String, BTreeMap<CheckpointId, Checkpoint>>;

#[derive(Debug)]
struct Memory {
    flaw: Flaw,
    threads: RwLock<Threads>,
    last_put: Mutex<Option<Checkpoint>>,
    only_latest: bool,
    puts: AtomicUsize,
    /// What a dropped put leaves to the next call.
    late: Mutex<Option<(String, Checkpoint)>>,
}

impl Memory {
    fn new(flaw: Flaw, only_latest: bool) -> Self {
        let (threads, last_put, puts, late) = Default::default();
        Self { flaw, threads, last_put, only_latest, puts, late }
    }

    fn name(&self, thread: &ThreadId) -> String {
        match self.flaw {
            Flaw::FoldsCase => thread.0.to_lowercase(),
            Flaw::CutsNames => thread.0.chars().take(255).collect(),
            _ => thread.0.to_string(),
        }
    }

    fn insert(&self, name: String, checkpoint: Checkpoint) {
        let mut threads = self.threads.write().unwrap();
        let of_thread = threads.entry(name).or_default();
        if !(self.flaw == Flaw::KeepsTheFirstOfAnId && of_thread.contains_key(&checkpoint.id)) {
            of_thread.insert(checkpoint.id, checkpoint);
        }
        let kept = match self.flaw {
            Flaw::KeepsAHundred => 100,
            _ if self.only_latest => 1,
            _ => usize::MAX,
        };
        if of_thread.len() > kept {
            of_thread.pop_first();
        }
    }

    /// What the flaw makes of a state.
    fn spoil(&self, checkpoint: &mut Checkpoint) -> Result<(), CheckpointError> {
        let text = serde_json::to_string(&checkpoint.state).unwrap();
        let refused = match self.flaw {
            Flaw::SignedIds => i64::try_from(checkpoint.id.0).is_err(),
            Flaw::TextWithoutNul => text.contains("\\u0000"),
            Flaw::NothingDeep => text.contains("[[[[") || text.matches('[').count() > 20,
            Flaw::AtMostAMebibyte => text.len() > 1 << 20,
            Flaw::NeedsANextNode => checkpoint.next.is_empty(),
            _ => false,
        };
        match self.flaw {
            Flaw::ForgetsPending => checkpoint.pending.clear(),
            Flaw::ForgetsParents => checkpoint.parent = None,
            Flaw::SortsKeys => checkpoint.state.sort_keys(),
            Flaw::NumbersAsFloats => {
                for value in checkpoint.state.values_mut() {
                    as_floats(value);
                }
            }
            _ => {}
        }
        if refused { Err(CheckpointError::new("refused")) } else { Ok(()) }
    }
}

fn as_floats(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(as_floats),
        Value::Number(number) => *value = json!(number.as_f64()),
        _ => {}
    }
}

/// A put that has begun.
struct Begun<'a>(&'a Memory, Option<(String, Checkpoint)>);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let Some((name, mut checkpoint)) = self.1.take() else { return };
        if self.0.flaw == Flaw::DroppedPutsAreHalf {
            checkpoint.state.clear();
            self.0.insert(name, checkpoint);
        } else {
            *self.0.late.lock().unwrap() = Some((name, checkpoint));
        }
    }
}

#[async_trait]
impl Checkpointer for Memory {
    async fn put(&self, thread: &ThreadId, mut checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.spoil(&mut checkpoint)?;
        let name = self.name(thread);
        *self.last_put.lock().unwrap() = Some(checkpoint.clone());
        match self.flaw {
            Flaw::LosesConcurrentWrites => {
                // Read, let others write, then write back the whole.
                let mut threads = self.threads.read().unwrap().clone();
                tokio::task::yield_now().await;
                std::thread::yield_now();
                threads.entry(name).or_default().insert(checkpoint.id, checkpoint);
                *self.threads.write().unwrap() = threads;
                return Ok(());
            }
            Flaw::PutsOvertake => {
                for _ in 0..self.puts.fetch_add(1, Ordering::SeqCst) % 3 {
                    tokio::task::yield_now().await;
                }
            }
            Flaw::BeginsLate => tokio::task::yield_now().await,
            Flaw::DroppedPutsAreHalf | Flaw::DroppedPutsComeLate => {
                let mut begun = Begun(self, Some((name, checkpoint)));
                tokio::task::yield_now().await;
                let (name, checkpoint) = begun.1.take().unwrap();
                self.insert(name, checkpoint);
                if let Some((name, checkpoint)) = self.late.lock().unwrap().take() {
                    self.insert(name, checkpoint);
                }
                return Ok(());
            }
            _ => {}
        }
        self.insert(name, checkpoint);
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

fn memory(flaw: Flaw) -> Subject {
    Subject::new(Memory::new(flaw, false))
}

fn of_latest(flaw: Flaw) -> Subject {
    Subject::new(Memory::new(flaw, true)).only_latest()
}

#[test]
fn a_right_checkpointer_passes_every_case() {
    let report = run(|| memory(Flaw::None));
    report.assert_passed();
    assert_eq!(report.not_applicable(), ["what_was_confirmed_outlives_the_process"]);
    run(|| of_latest(Flaw::None)).assert_passed();
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::UnknownIsAnError, "an_unknown_thread_is_empty"),
        (Flaw::LatestIsTheLastPut, "the_latest_has_the_largest_id"),
        (Flaw::IgnoresTheId, "each_id_finds_its_checkpoint"),
        (Flaw::ListsOldestFirst, "list_is_latest_first"),
        (Flaw::KeepsTheFirstOfAnId, "the_same_id_replaces"),
        (Flaw::ForgetsParents, "parents_are_kept"),
        (Flaw::SignedIds, "extreme_ids_are_taken"),
        (Flaw::KeepsAHundred, "a_thousand_checkpoints_are_taken"),
        (Flaw::ForgetsPending, "what_was_put_is_there_whole"),
        (Flaw::NeedsANextNode, "an_empty_checkpoint_is_taken"),
        (Flaw::TextWithoutNul, "any_text_survives"),
        (Flaw::NumbersAsFloats, "numbers_survive_to_the_last_digit"),
        (Flaw::SortsKeys, "keys_stay_in_their_order"),
        (Flaw::NothingDeep, "a_deep_state_survives"),
        (Flaw::AtMostAMebibyte, "sixteen_mebibytes_survive"),
        (Flaw::FoldsCase, "threads_do_not_mix"),
        (Flaw::CutsNames, "the_longest_names_are_told_apart"),
        (Flaw::DeletesByPrefix, "delete_forgets_one_thread_and_may_repeat"),
        (Flaw::LosesConcurrentWrites, "threads_write_at_the_same_time"),
        (Flaw::LosesConcurrentWrites, "threads_come_and_go_at_the_same_time"),
        (Flaw::PutsOvertake, "puts_in_flight_take_effect_in_their_order"),
        (Flaw::BeginsLate, "a_call_sees_the_puts_before_it"),
        (Flaw::DroppedPutsAreHalf, "a_dropped_put_is_there_whole_or_not_at_all"),
        (Flaw::DroppedPutsComeLate, "a_dropped_put_never_comes_late"),
    ] {
        caught(flaw, case, cases(), || memory(flaw));
    }
}

#[test]
fn one_that_should_keep_only_the_latest_is_caught_keeping_more_or_another() {
    let keeps_all = || Subject::new(Memory::new(Flaw::None, false)).only_latest();
    caught("keeps all", "list_is_latest_first", cases(), keeps_all);
    caught("keeps one", "list_is_latest_first", cases(), || Subject::new(Memory::new(Flaw::None, true)));
    caught("the last put", "the_latest_has_the_largest_id", cases(), || of_latest(Flaw::LatestIsTheLastPut));
}

#[test]
fn one_that_forgets_with_its_process_is_caught() {
    let forgets = || memory(Flaw::None).reopened_by(|| Arc::new(Memory::new(Flaw::None, false)));
    caught("forgets", "what_was_confirmed_outlives_the_process", cases(), forgets);
}
