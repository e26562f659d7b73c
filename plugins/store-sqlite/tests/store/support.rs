//! A state directory of its own for each test.

use std::{future::Future, sync::Arc};

use batchmill_core::{
    BatchId, ErrorClass, JobError, JobId, JobResult, Journal, JournalAnswer, JournalError, JournalEvent, Position,
    Recalled, Status, WallTime,
};
use batchmill_store_sqlite::{Batch, Durability, NewBatch, StateDir};

pub(crate) struct Place {
    pub(crate) _folder: tempfile::TempDir,
    pub(crate) state: StateDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        Self { _folder: folder, state }
    }

    pub(crate) fn batch(&self) -> Batch {
        self.state.create(new("b")).unwrap()
    }

    pub(crate) fn again(&self) -> Batch {
        self.state.adopt(&id("b"), Durability::Fsync).unwrap()
    }
}

pub(crate) fn id(text: &str) -> BatchId {
    BatchId::new(text).unwrap()
}

/// The moment at which every batch of the tests is accepted.
pub(crate) fn accepted() -> WallTime {
    WallTime::parse("2026-11-23T12:00:00Z").unwrap()
}

pub(crate) fn new(name: &str) -> NewBatch {
    NewBatch {
        id: id(name),
        name: None,
        flow: "inspect".to_owned(),
        source: format!("source of {name}"),
        manifest: serde_json::json!({"flow": "flow.yaml"}),
        jobs: 1000,
        content: "abc".to_owned(),
        accepted: accepted(),
        durability: Durability::Fsync,
        parent: None,
        generation: 0,
    }
}

pub(crate) fn ok(place: u64) -> JobResult {
    let mut result = JobResult::new(JobId::from(place + 1), place, Status::Succeeded);
    result.output = Some(serde_json::json!({"place": place}));
    result.attempts = 1;
    result.queued_at = accepted();
    result.started_at = Some(accepted() + std::time::Duration::from_millis(place));
    result.finished_at = accepted() + std::time::Duration::from_millis(place + 5);
    result.queued = std::time::Duration::from_nanos(place * 1_000_003);
    result.duration = std::time::Duration::from_nanos(5_000_001);
    result
}

pub(crate) fn failed(place: u64) -> JobResult {
    let mut result = ok(place);
    result.status = Status::Failed;
    result.output = None;
    result.error = Some(Box::new(JobError::new(ErrorClass::Transient, "exit_status", "it broke").at_node("size")));
    result
}

pub(crate) fn ended(results: impl IntoIterator<Item = JobResult>) -> JournalEvent {
    JournalEvent::Ended(Arc::new(results.into_iter().collect()))
}

/// A journal, called from a test that is not async.
pub(crate) struct Calls(pub(crate) Arc<dyn Journal>);

impl Calls {
    pub(crate) fn of(batch: &Batch) -> Self {
        Self(batch.journal())
    }

    pub(crate) fn append(&self, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError> {
        block_on(self.0.append(&id("b"), events))
    }

    pub(crate) fn recorded(&self, events: Vec<JournalEvent>) -> Position {
        match self.append(events) {
            Ok(JournalAnswer::Ok(position)) => position,
            other => panic!("not recorded: {other:?}"),
        }
    }

    pub(crate) fn results(&self) -> Vec<JobResult> {
        let page = block_on(self.0.replay(&id("b"), Position(0), 100_000)).unwrap();
        page.into_iter().map(|(_, result)| result).collect()
    }

    pub(crate) fn recalled(&self) -> Vec<Recalled> {
        let page = block_on(self.0.recall(&id("b"), Position(0), 10_000)).unwrap();
        page.into_iter().map(|(_, recalled)| recalled).collect()
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
