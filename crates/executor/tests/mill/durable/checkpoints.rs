//! Flows in durable batches: until when their checkpoints stay, and what a later host does not run again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use batchmill_core::{
    Checkpoint, CheckpointError, CheckpointId, Checkpointer, Job, JobId, NodeError, StateData, Status, ThreadId,
    Verdict,
};
use batchmill_executor::{BatchEnd, Durable, FlowWorkload, Graphs, Mill, Opening, Past, Settings};
use batchmill_failure_halt::Halt;
use batchmill_flow::{CheckpointMode, CompiledGraph, MemoryCheckpointer, NodeSpec, StateGraph, node_fn};
use batchmill_retry_exponential::{Exponential, Options};

use super::{Storage, name};
use crate::{at_once_at_most, scheduler, settle};

/// A checkpointer whose threads go with the records of results, as far as the executor knows.
#[derive(Debug, Default)]
struct OfTheStore(MemoryCheckpointer);

#[async_trait]
impl Checkpointer for OfTheStore {
    async fn put(&self, thread: &ThreadId, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        self.0.put(thread, checkpoint).await
    }
    async fn get(&self, thread: &ThreadId, id: Option<CheckpointId>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.0.get(thread, id).await
    }
    async fn list(&self, thread: &ThreadId) -> Result<Vec<CheckpointId>, CheckpointError> {
        self.0.list(thread).await
    }
    async fn delete_thread(&self, _: &ThreadId) -> Result<(), CheckpointError> {
        panic!("the record deletes it")
    }
    fn deletes_with_result(&self) -> bool {
        true
    }
}

/// Two nodes in a row that count their runs. Of every third job the second fails.
fn graph(first: &Arc<AtomicUsize>, second: &Arc<AtomicUsize>) -> Arc<CompiledGraph> {
    let (first, second) = (first.clone(), second.clone());
    let a = node_fn(move |_| {
        first.fetch_add(1, Ordering::SeqCst);
    });
    let b = node_fn(move |state: &StateData| {
        second.fetch_add(1, Ordering::SeqCst);
        if state["n"].as_u64().is_some_and(|n| n % 3 == 2) { Err(NodeError::permanent("third", "no")) } else { Ok(()) }
    });
    let graph = StateGraph::new("two").checkpoint(CheckpointMode::StepSync);
    let graph = graph.node("a", NodeSpec::from(a).next("b")).node("b", NodeSpec::from(b));
    Arc::new(graph.compile().unwrap())
}

fn opening(workload: FlowWorkload, jobs: Arc<Vec<Job>>, durable: Durable) -> Opening<FlowWorkload> {
    let id = name(jobs.len() as u64);
    let once = Exponential::new(&Options::with_max_attempts(1)).unwrap();
    let failure = Box::new(Halt::new(&Default::default()).unwrap());
    Opening::new(id, Arc::new(workload), jobs, failure, vec![Arc::new(once)], durable)
}

fn jobs(count: u64) -> Arc<Vec<Job>> {
    let input = |n: u64| StateData::from_iter([("n".to_owned(), n.into())]);
    Arc::new((0..count).map(|n| Job::new(JobId::from(n), input(n))).collect())
}

fn mill() -> Mill<FlowWorkload> {
    Mill::start(&Settings::new(at_once_at_most(2)), scheduler())
}

fn is_right(end: &BatchEnd) {
    assert_eq!((&end.verdict, end.counts.succeeded, end.counts.failed), (&Verdict::SomeFailed, 4, 2));
}

#[tokio::test]
async fn checkpoints_stay_until_the_results_are_recorded_and_a_later_host_goes_on_from_them() {
    let (first, second) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (graph, memory, storage) = (graph(&first, &second), Arc::new(MemoryCheckpointer::new()), Storage::new());
    let workload = || FlowWorkload::new(Graphs::One(graph.clone()), jobs(6), Some(memory.clone())).recorded();
    // The first host runs every job and dies before anything is recorded.
    storage.journal.hold();
    let handle = mill().open(opening(workload(), jobs(6), storage.durable(Vec::new())));
    settle().await;
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (6, 6));
    assert_eq!(memory.threads(), 6, "nothing is recorded");
    drop(handle);
    let storage = storage.adopted();
    let past = Past::read(&storage.memory, &name(6)).await.unwrap();
    let durable = storage.durable(Vec::new()).resuming(past);
    is_right(&mill().open(opening(workload(), jobs(6), durable)).wait().await);
    assert_eq!(first.load(Ordering::SeqCst), 6, "no completed superstep runs again");
    assert_eq!(second.load(Ordering::SeqCst), 12, "the last one has no checkpoint");
    assert_eq!(memory.threads(), 0, "succeeded or not");
    assert_eq!(storage.memory.results(&name(6)).iter().filter(|result| result.status == Status::Failed).count(), 2);
}

#[tokio::test]
async fn what_the_record_of_a_result_deletes_nobody_else_deletes() {
    let (graph, store) = (graph(&Arc::default(), &Arc::default()), Arc::new(OfTheStore::default()));
    let storage = Storage::new();
    let workload = FlowWorkload::new(Graphs::One(graph), jobs(6), Some(store.clone())).recorded();
    is_right(&mill().open(opening(workload, jobs(6), storage.durable(Vec::new()))).wait().await);
    assert_eq!(store.0.threads(), 6, "a real store has deleted them by itself");
}
