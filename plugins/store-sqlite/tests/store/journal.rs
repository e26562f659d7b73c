//! What is recorded, and what comes back.

use std::sync::Arc;

use batchmill_core::{
    AttemptRecord, Closing, Delivered, ErrorClass, GivenUp, JobError, JobId, JournalAnswer, JournalEvent, Pause,
    Position, Priority, Recalled, Setback, Status, StopReason, Tenant, Verdict,
};

use crate::support::{Calls, Place, accepted, block_on, ended, failed, id, ok};

#[test]
fn results_come_back_as_they_were_recorded_in_their_order() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let mut rich = failed(7);
    rich.job_id = JobId::new("ü/🦀 x").unwrap();
    rich.tenant = Tenant::new("research").unwrap();
    rich.priority = Priority(200);
    rich.started_at = None;
    let error = rich.error.as_mut().unwrap();
    error.history = vec![AttemptRecord::new(1, ErrorClass::Timeout, "slow".into(), accepted(), ok(0).duration)];
    error.history[0].duration = std::time::Duration::from_millis(1500);
    let mut null = ok(8);
    null.output = Some(serde_json::Value::Null);
    let first = vec![ok(3), rich, ok(0)];
    calls.recorded(vec![ended(first.clone())]);
    calls.recorded(vec![ended([null.clone()])]);
    let all: Vec<_> = first.into_iter().chain([null]).collect();
    assert_eq!(calls.results(), all);
    drop((calls, batch));
    assert_eq!(Calls::of(&place.again()).results(), all, "the next host finds the same");
}

#[test]
fn results_are_read_in_pages() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let last = calls.recorded(vec![ended((0..10).map(ok))]);
    let (mut after, mut found) = (Position(0), Vec::new());
    loop {
        let page = block_on(calls.0.replay(&id("b"), after, 3)).unwrap();
        let Some((position, _)) = page.last() else { break };
        assert!(page.len() <= 3 && *position > after);
        after = *position;
        found.extend(page.into_iter().map(|(_, result)| result.sequence));
    }
    assert_eq!((found, after), ((0..10).collect(), last));
}

#[test]
fn a_second_record_of_a_job_is_refused_with_everything_beside_it() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    calls.recorded(vec![ended([ok(1)])]);
    let error = calls.append(vec![ended([ok(2), failed(1)])]).unwrap_err();
    assert!(!error.full && error.message.contains("the job `2` (place 1) has a record already"), "{error}");
    assert_eq!(calls.results(), [ok(1)]);
    calls.recorded(vec![ended([ok(2)])]);
    assert_eq!(place.state.read(&id("b")).unwrap().counts().unwrap().of(Status::Succeeded), 2);
}

#[test]
fn what_decisions_need_is_recalled_in_order() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let stop = StopReason::new("soon,fail=10%", "103 of 1000 jobs failed");
    let mut setback = Setback::new(4, accepted(), accepted());
    setback.attempts = 2;
    setback.failures = vec![(None, 1), (Some("size".into()), 1)];
    setback.given_up = vec![GivenUp::new("hash".into(), JobError::new(ErrorClass::Permanent, "x", "y"), 2)];
    let mut deadline = ok(6);
    (deadline.status, deadline.output) = (Status::TimedOut, None);
    deadline.error = Some(Box::new(JobError::new(ErrorClass::Timeout, "batch_deadline", "passed")));
    let delivered = |upto| JournalEvent::Delivered(Delivered::new("jsonl", Position(upto), Some("17".into())));
    calls.recorded(vec![ended([failed(5)]), JournalEvent::Paused(Some(Pause::Requested)), delivered(1)]);
    calls.recorded(vec![JournalEvent::Retrying(Box::new(Setback::new(4, accepted(), accepted())))]);
    calls.recorded(vec![JournalEvent::Retrying(Box::new(setback.clone())), delivered(2)]);
    calls.recorded(vec![JournalEvent::Lost { place: 9, crashes: 2, at: accepted() }, JournalEvent::Paused(None)]);
    calls.recorded(vec![ended([deadline]), JournalEvent::Closing(Closing::Halted(stop.clone()))]);
    let at = failed(5).finished_at;
    let expected = [
        Recalled::Ended { place: 5, status: Status::Failed, class: Some(ErrorClass::Transient), by_attempt: true, at },
        Recalled::Paused(Some(Pause::Requested)),
        Recalled::Retrying(Box::new(setback)),
        Recalled::Delivered(Delivered::new("jsonl", Position(2), Some("17".into()))),
        Recalled::Lost { place: 9, crashes: 2 },
        Recalled::Paused(None),
        Recalled::Ended {
            place: 6,
            status: Status::TimedOut,
            class: Some(ErrorClass::Timeout),
            by_attempt: false,
            at: ok(6).finished_at,
        },
        Recalled::Closing(Closing::Halted(stop)),
    ];
    assert_eq!(calls.recalled(), expected);
    let (mut after, mut paged) = (Position(0), Vec::new());
    while let Some((position, recalled)) = block_on(calls.0.recall(&id("b"), after, 1)).unwrap().pop() {
        after = position;
        paged.push(recalled);
    }
    assert_eq!(paged, expected);
}

#[test]
fn the_end_of_a_job_ends_its_setback_and_it_cannot_run_again() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let retrying = |place| JournalEvent::Retrying(Box::new(Setback::new(place, accepted(), accepted())));
    calls.recorded(vec![retrying(1), retrying(2)]);
    calls.recorded(vec![ended([ok(1)])]);
    assert_eq!(calls.recalled().len(), 2, "one setback, one end");
    let reader = place.state.read(&id("b")).unwrap();
    assert!(reader.setback(1).unwrap().is_none() && reader.setback(2).unwrap().is_some());
    assert_eq!(reader.counts().unwrap().retrying, 1);
    assert!(calls.append(vec![retrying(1)]).unwrap_err().message.contains("has ended"));
}

#[test]
fn an_append_of_nothing_answers_with_the_last_position() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let last = calls.recorded(vec![ended((0..3).map(ok))]);
    assert_eq!(calls.recorded(vec![]), last);
    assert_eq!(calls.recorded(vec![ended([])]), last);
}

#[test]
fn appends_from_many_tasks_are_all_recorded_each_once() {
    let place = Place::new();
    let batch = place.batch();
    let journal = batch.journal();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..32_u64)
            .map(|task| {
                let journal = Arc::clone(&journal);
                tokio::spawn(async move {
                    for place in (task * 25)..(task * 25 + 25) {
                        let answer = journal.append(&id("b"), vec![ended([ok(place)])]).await.unwrap();
                        assert!(matches!(answer, JournalAnswer::Ok(_)));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let mut places: Vec<u64> = Calls(journal).results().into_iter().map(|result| result.sequence).collect();
    places.sort_unstable();
    assert_eq!(places, (0..800).collect::<Vec<_>>());
}

#[test]
fn a_journal_is_of_one_batch() {
    let place = Place::new();
    let batch = place.batch();
    let error = block_on(batch.journal().append(&id("c"), vec![])).unwrap_err();
    assert_eq!(error.message, "this is the journal of the batch b, not of c");
}

#[test]
fn nothing_is_recorded_after_the_batch_has_been_closed() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    drop(batch);
    assert!(calls.append(vec![ended([ok(1)])]).unwrap_err().message.contains("has been closed"));
}

#[test]
fn a_batch_that_is_closed_leaves_one_file_and_its_verdict() {
    let place = Place::new();
    let batch = place.batch();
    let calls = Calls::of(&batch);
    let closed = JournalEvent::Closed { verdict: Verdict::SomeFailed, at: accepted() };
    calls.recorded(vec![ended([ok(1), failed(2)]), closed]);
    block_on(calls.0.compact(&id("b"))).unwrap();
    let folder = batch.folder().to_path_buf();
    drop((calls, batch));
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["batch.db", "lock", "slots"]);
    let reader = place.state.read(&id("b")).unwrap();
    assert_eq!(reader.verdict().unwrap(), Some((Verdict::SomeFailed, accepted())));
}
