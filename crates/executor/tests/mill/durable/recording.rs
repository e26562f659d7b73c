//! A job has ended when the journal says so.

use std::{sync::Arc, time::Duration};

use batchmill_core::{
    AttemptFailure, Closing, ErrorClass, JournalEvent, NodeError, NodeFailure, Outcome, Pause, Status, Verdict,
};
use batchmill_retry_exponential::{Exponential, Options};

use crate::{after, at_once, gated, mill, scripted, settle};

use super::{Storage, sorted, upto};

#[tokio::test]
async fn a_job_has_ended_when_its_record_is_durable_and_not_before() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    storage.journal.hold();
    let handle = mill(1).open(storage.opening(workload, 1, vec![]));
    storage.journal.begun(1).await;
    settle().await;
    let counts = handle.snapshot().counts;
    assert_eq!((counts.recording, counts.succeeded), (1, 0));
    storage.journal.let_through(1);
    settle().await;
    assert_eq!(handle.snapshot().counts.succeeded, 1);
    assert!(!storage.is_closed(1), "its end is recorded behind it");
    storage.journal.open();
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    assert!(storage.is_closed(1));
    assert_eq!(storage.journal.violations(), [""; 0]);
}

#[tokio::test]
async fn what_ends_during_a_commit_is_recorded_with_the_next() {
    let (storage, (workload, _, gate)) = (Storage::new(), gated());
    storage.journal.hold();
    let handle = mill(100).open(storage.opening(workload, 100, vec![]));
    settle().await;
    gate.add_permits(1);
    storage.journal.begun(1).await;
    gate.add_permits(99);
    settle().await;
    storage.journal.open();
    handle.wait().await;
    assert_eq!(storage.group_sizes(), [1, 99, 0], "and the end of the batch");
    assert_eq!(sorted(storage.places(100)), upto(100));
}

#[tokio::test]
async fn a_group_has_a_bound() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    storage.journal.hold();
    let handle = mill(8).open(storage.opening(workload, 6000, vec![]));
    storage.journal.begun(1).await;
    settle().await;
    assert!(handle.snapshot().counts.recording >= 4096, "starts go on up to their own bound");
    storage.journal.open();
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    let sizes = storage.group_sizes();
    assert_eq!((sizes.iter().sum::<usize>(), sizes.iter().max()), (6000, Some(&1024)), "{sizes:?}");
    assert_eq!(sorted(storage.places(6000)), upto(6000));
    assert_eq!(storage.journal.violations(), [""; 0]);
}

#[tokio::test]
async fn a_cancel_of_many_jobs_is_recorded_to_the_last() {
    let (storage, (workload, _, gate)) = (Storage::new(), gated());
    let handle = mill(1).open(storage.opening(workload, 5000, vec![]));
    settle().await;
    // Its result comes before those of the others, so that their lots do not fill the groups evenly.
    storage.journal.hold();
    gate.add_permits(1);
    storage.journal.begun(1).await;
    handle.cancel();
    settle().await;
    storage.journal.open();
    let end = handle.wait().await;
    assert_eq!((end.verdict, end.counts.succeeded, end.counts.cancelled), (Verdict::Cancelled, 1, 4999));
    assert_eq!(sorted(storage.places(5000)), upto(5000));
    assert_eq!(storage.group_sizes().iter().max(), Some(&1024));
}

#[tokio::test]
async fn large_results_make_small_groups() {
    let (storage, (workload, _, gate)) = (Storage::new(), crate::gated());
    drop(workload);
    let waiting = gate.clone();
    let (workload, _) = scripted(move |_, _| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            failed("x".repeat(400 << 10))
        }
    });
    storage.journal.hold();
    let handle = mill(10).open(storage.opening(workload, 10, vec![]));
    settle().await;
    gate.add_permits(10);
    settle().await;
    storage.journal.open();
    handle.wait().await;
    let sizes = storage.group_sizes();
    assert!(sizes.iter().all(|size| *size <= 3), "{sizes:?}");
    assert_eq!(sorted(storage.places(10)), upto(10));
}

#[tokio::test]
async fn results_that_are_large_together_stop_the_starts_until_they_are_recorded() {
    let storage = Storage::new();
    let (workload, census) = scripted(|_, _| async {
        tokio::task::yield_now().await;
        // Told twice: as the error, and in its history.
        failed("x".repeat(1 << 19))
    });
    storage.journal.hold();
    let handle = mill(4).open(storage.opening(workload, 100, vec![]));
    storage.journal.begun(1).await;
    settle().await;
    let started = census.started();
    assert!((16..=16 + 4).contains(&started), "16 MiB and what ran, found {started}");
    assert_eq!(handle.explain(99).unwrap().reason, batchmill_executor::Reason::Crowded);
    storage.journal.open();
    assert_eq!(handle.wait().await.counts.failed, 100);
    assert_eq!(sorted(storage.places(100)), upto(100));
}

fn failed(message: String) -> Outcome {
    let error = NodeError::new(ErrorClass::Transient, "test", message);
    Outcome::Failed(Box::new(AttemptFailure::new(NodeFailure::of_attempt(error))))
}

#[tokio::test(start_paused = true)]
async fn what_a_job_failed_by_is_recorded_before_its_end() {
    let storage = Storage::new();
    let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (workload, _) = scripted(move |_, _| {
        let tried = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            after(Duration::from_secs(1)).await;
            if tried < 2 { failed(format!("try {tried}")) } else { Outcome::Succeeded }
        }
    });
    let mut opening = storage.opening(workload, 1, vec![]);
    opening.retry = vec![Arc::new(Exponential::new(&Options::with_max_attempts(5)).unwrap())];
    let end = mill(1).open(opening).wait().await;
    assert_eq!((end.verdict, end.retries), (Verdict::Succeeded, 2));
    let events = storage.appended();
    let [JournalEvent::Retrying(first), JournalEvent::Retrying(second), JournalEvent::Ended(ends), _] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((first.place, first.attempts, second.attempts, ends[0].attempts), (0, 1, 2, 3));
    let told: Vec<&str> = second.history.iter().map(|failed| failed.message.as_str()).collect();
    assert_eq!(told, ["try 0", "try 1"]);
    assert_eq!(Some(second.first_started), ends[0].started_at);
    assert!(second.due > second.history[1].at && first.due < second.due);
}

#[tokio::test]
async fn a_stop_stands_before_the_ends_that_it_decided() {
    let (storage, (workload, _)) = (Storage::new(), crate::deaf());
    let mill = mill(2);
    let handle = mill.open(storage.opening(workload, 5, vec![]));
    settle().await;
    handle.pause();
    settle().await;
    handle.unpause();
    settle().await;
    handle.cancel();
    assert_eq!(handle.wait().await.verdict, Verdict::Cancelled);
    let events = storage.events(5);
    assert_eq!(events[0], JournalEvent::Paused(Some(Pause::Requested)));
    assert_eq!(events[1], JournalEvent::Paused(None));
    assert_eq!(events[2], JournalEvent::Closing(Closing::Cancelled));
    let ends = &events[3..8];
    assert!(ends.iter().all(|e| matches!(e, JournalEvent::Ended(r) if r[0].status == Status::Cancelled)), "{ends:?}");
    assert!(matches!(&events[8..], [JournalEvent::Closed { verdict: Verdict::Cancelled, .. }]));
}

#[tokio::test]
async fn an_empty_batch_is_closed_at_once() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    assert_eq!(mill(1).open(storage.opening(workload, 0, vec![])).wait().await.verdict, Verdict::Succeeded);
    assert!(storage.is_closed(0));
}
