//! Batches in a real store, as the commands see them.

use std::{path::Path, sync::Arc};

use batchmill_core::{
    AttemptRecord, BatchId, ErrorClass, JobError, JobId, JobResult, JournalEvent, Pause, Setback, Status, WallTime,
};
use batchmill_store_sqlite::{Batch, Durability, NewBatch, Standing as Stood, StateDir};

use super::{
    Found, Selection, all,
    latest::{self, Latest},
    named, running,
    standing::Stage,
};
use crate::{exit::Exit, problems::Refusal};

fn at(seconds: i64) -> WallTime {
    WallTime::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

fn id(text: &str) -> BatchId {
    BatchId::new(text).unwrap()
}

/// A batch of 4 jobs that this process runs.
fn batch(state: &Path, name: &str, of: Option<(&str, u32)>) -> Batch {
    let new = NewBatch {
        id: id(name),
        name: None,
        flow: "inspect".into(),
        source: "flow.yaml jobs.jsonl".into(),
        manifest: serde_json::json!({}),
        jobs: 4,
        content: "hash".into(),
        accepted: at(0),
        durability: Durability::Buffered,
        parent: of.map(|(parent, _)| id(parent)),
        generation: of.map_or(0, |(_, generation)| generation),
    };
    StateDir::open(state).unwrap().create(new).unwrap()
}

async fn append(batch: &Batch, events: Vec<JournalEvent>) {
    batch.journal().append(batch.id(), events).await.unwrap();
}

fn result(job: u64, place: u64, status: Status) -> JobResult {
    let mut result = JobResult::new(JobId::from(job), place, status);
    (result.queued_at, result.finished_at, result.attempts) = (at(0), at(1), 1);
    if status != Status::Succeeded {
        let error = JobError::new(ErrorClass::Transient, "exit_status", format!("job {job} exited with status 1"));
        result.error = Some(Box::new(error.at_node("node")));
    }
    result
}

fn ended(results: Vec<JobResult>) -> JournalEvent {
    JournalEvent::Ended(Arc::new(results))
}

/// Ends a batch as its host does.
fn leave(batch: Batch, state: &Path, standing: Stood) {
    let id = batch.id().clone();
    drop(batch);
    StateDir::open(state).unwrap().set_standing(&id, standing).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_batch_is_told_from_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(folder.path(), "inspect-1", None);
    let mut setback = Setback::new(2, at(0), at(30));
    setback.attempts = 1;
    setback.history = vec![AttemptRecord::new(1, ErrorClass::Timeout, "slow".into(), at(1), std::time::Duration::ZERO)];
    append(&batch, vec![ended(vec![result(1, 0, Status::Succeeded), result(2, 1, Status::Failed)])]).await;
    append(&batch, vec![JournalEvent::Retrying(Box::new(setback))]).await;
    append(&batch, vec![JournalEvent::Lost { place: 3, crashes: 2, at: at(3) }]).await;
    append(&batch, vec![JournalEvent::Paused(Some(Pause::Requested))]).await;
    // Its host is this process, which takes no requests.
    let found = named(folder.path(), "insp").unwrap();
    assert_eq!(found.standing().unwrap().stage, Stage::Running);
    let refusal = found.ask(|host| host.ask(&crate::control::Request::Pause {})).unwrap_err();
    assert_eq!(refusal.exit, Exit::Interrupted, "it may start just now");
    assert!(running(folder.path(), None).is_ok());
    drop(batch);

    let standing = named(folder.path(), "last").unwrap().standing().unwrap();
    assert_eq!(standing.stage, Stage::Interrupted);
    let counts = standing.counts;
    assert_eq!((counts.succeeded, counts.failed, counts.backing_off, counts.pending), (1, 1, 1, 1));
    assert_eq!((standing.lost, standing.next_due), (1, Some(at(30))));
    assert!(standing.paused.is_some());
    let refusal = found.ask(|host| host.ask(&crate::control::Request::Pause {})).unwrap_err();
    let state = folder.path().display();
    let mend = format!(
        "batch inspect-1 is not running: it was interrupted; `batchmill resume inspect-1 --state {state}` goes on"
    );
    assert_eq!(refusal, Refusal::data(mend));
    assert_eq!(running(folder.path(), None).unwrap_err().exit, Exit::BadData);
    let story = found.story(&JobId::from(2)).unwrap();
    assert!(
        story.text(at(5)).starts_with("2 of inspect-1 (place 1): failed after 1 attempt\n"),
        "{}",
        story.text(at(5))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_named_in_several_ways_and_an_unknown_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(named(folder.path(), "last").unwrap_err().exit, Exit::BadData);
    assert!(all(folder.path()).unwrap().is_empty());
    leave(batch(folder.path(), "inspect-1", None), folder.path(), Stood::Finished);
    leave(batch(folder.path(), "inspect-2", None), folder.path(), Stood::Abandoned);
    let stages: Vec<_> = all(folder.path()).unwrap().iter().map(|standing| standing.stage).collect();
    assert!(stages.contains(&Stage::Finished) && stages.contains(&Stage::Abandoned), "{stages:?}");
    assert_eq!(named(folder.path(), "inspect-1").unwrap().id(), &id("inspect-1"));
    let problem = |name| named(folder.path(), name).unwrap_err().text();
    assert!(problem("inspekt-1").ends_with("did you mean `inspect-1`?"), "{}", problem("inspekt-1"));
    assert!(problem("inspect").contains("inspect-1") && problem("inspect").contains("inspect-2"));
}

fn read(mut latest: Latest) -> Vec<(String, String, Status)> {
    let mut read = Vec::new();
    while let Some(page) = latest.page().unwrap() {
        read.extend(
            page.iter().map(|told| (told.batch.to_string(), told.result.job_id.to_string(), told.result.status)),
        );
    }
    read
}

fn told(batch: &str, job: &str, status: Status) -> (String, String, Status) {
    (batch.to_owned(), job.to_owned(), status)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_job_the_latest_result_counts_in_the_place_of_the_first() {
    use Status::{Failed, Succeeded};
    let folder = tempfile::tempdir().unwrap();
    let root = batch(folder.path(), "b", None);
    let first = vec![result(4, 3, Failed), result(1, 0, Succeeded), result(2, 1, Failed), result(3, 2, Failed)];
    append(&root, vec![ended(first)]).await;
    leave(root, folder.path(), Stood::Finished);
    let retry = batch(folder.path(), "b.r1", Some(("b", 1)));
    append(&retry, vec![ended(vec![result(3, 1, Failed), result(2, 0, Succeeded)])]).await;
    leave(retry, folder.path(), Stood::Finished);
    let retry = batch(folder.path(), "b.r2", Some(("b", 2)));
    append(&retry, vec![ended(vec![result(3, 0, Succeeded), result(1, 1, Failed)])]).await;

    let found = named(folder.path(), "b").unwrap();
    let retries = || latest::retries(&found).unwrap();
    assert_eq!(retries().iter().map(Found::id).collect::<Vec<_>>(), [&id("b.r1"), &id("b.r2")]);
    assert_eq!(
        read(Latest::over(&found, &retries()).unwrap()),
        [told("b", "4", Failed), told("b.r2", "1", Failed), told("b.r1", "2", Succeeded), told("b.r2", "3", Succeeded)]
    );
    assert_eq!(read(Latest::of(&retries()[0]).unwrap()), [told("b.r1", "3", Failed), told("b.r1", "2", Succeeded)]);
    let groups = found.errors().unwrap().json();
    assert_eq!(
        (groups.len(), &groups[0]["jobs"], &groups[0]["examples"]),
        (1, &2.into(), &serde_json::json!(["4", "1"]))
    );
    let selected =
        |statuses: &[Status]| found.select(&Selection { statuses: statuses.to_vec(), ..Selection::default() }).unwrap();
    assert_eq!((selected(&[Failed]), selected(&[Succeeded])), (vec![0, 3], vec![1, 2]), "places in the first batch");
}
