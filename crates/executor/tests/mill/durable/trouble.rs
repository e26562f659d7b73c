//! What the journal's answers mean.

use std::time::Duration;

use batchmill_core::{Pause, Verdict};
use batchmill_testkit::journal::Fault;
use tokio::time::Instant;

use crate::{at_once, gated, mill, settle};

use super::{Storage, Taken, sink, sorted, upto};

#[tokio::test(start_paused = true)]
async fn a_full_store_stops_the_starts_and_goes_on_by_itself() {
    let (storage, (workload, census, gate)) = (Storage::new(), gated());
    storage.journal.script([Some(Fault::Full); 3]);
    let handle = mill(2).open(storage.opening(workload, 6, vec![]));
    let (mut pauses, start) = (handle.pauses(), Instant::now());
    settle().await;
    gate.add_permits(1);
    let Some(Pause::StorageFull(why)) = pauses.next().await else { panic!("the store is full") };
    assert_eq!(why, "journal: No space left on device");
    let started = census.started();
    gate.add_permits(5);
    settle().await;
    assert_eq!(census.started(), started, "nothing starts while it is full");
    assert_eq!(pauses.next().await, None);
    assert_eq!(start.elapsed(), Duration::from_millis(250 + 1000 + 2000));
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    assert_eq!(sorted(storage.places(6)), upto(6));
    assert_eq!(storage.journal.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_full_is_waited_for_until_the_host_is_told_to_stop() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    storage.journal.script([Some(Fault::Full); 1000]);
    let mill = mill(1);
    let handle = mill.open(storage.opening(workload, 1, vec![]));
    settle().await;
    mill.drain();
    crate::after(Duration::from_secs(60)).await;
    assert_eq!(handle.snapshot().counts.recording, 1, "a drain waits for what has ended");
    mill.stop();
    let end = handle.wait().await;
    assert_eq!(end.verdict, Verdict::StorageFailed("journal: No space left on device".to_owned()));
    assert_eq!((end.counts.succeeded, storage.places(1)), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_journal_is_asked_and_nothing_is_recorded_twice() {
    for faults in [
        vec![Some(Fault::UnknownRecorded); 4],
        vec![Some(Fault::UnknownLost); 4],
        vec![Some(Fault::UnknownLost), Some(Fault::UnknownRecorded), None, Some(Fault::Full), Some(Fault::UnknownLost)],
    ] {
        let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
        storage.journal.script(faults);
        let end = mill(3).open(storage.opening(workload, 300, vec![sink("out", &taken)])).wait().await;
        assert_eq!((end.verdict, end.counts.succeeded), (Verdict::Succeeded, 300));
        assert_eq!((sorted(storage.places(300)), taken.places()), (upto(300), storage.places(300)));
        assert_eq!(storage.journal.violations(), [""; 0]);
        assert!(storage.is_closed(300));
    }
}

#[tokio::test]
async fn a_host_that_was_replaced_stops_and_records_nothing_more() {
    let (storage, (workload, census, gate), taken) = (Storage::new(), gated(), Taken::default());
    let handle = mill(2).open(storage.opening(workload, 9, vec![sink("out", &taken)]));
    settle().await;
    gate.add_permits(1);
    settle().await;
    assert_eq!((storage.places(9).len(), taken.places().len()), (1, 1));
    let _next = storage.memory.adopt();
    gate.add_permits(1);
    let end = handle.wait().await;
    assert_eq!((end.verdict, end.counts.succeeded, census.running()), (Verdict::Fenced, 1, 0));
    assert_eq!((storage.places(9).len(), taken.places().len()), (1, 1), "what is fed is the other's, too");
    assert_eq!(storage.journal.violations(), [""; 0]);
}

#[tokio::test]
async fn a_journal_that_fails_ends_the_batch_with_what_is_recorded() {
    let (storage, (workload, census, gate), taken) = (Storage::new(), gated(), Taken::default());
    storage.journal.script([None, Some(Fault::Broken)]);
    let handle = mill(2).open(storage.opening(workload, 9, vec![sink("out", &taken)]));
    settle().await;
    gate.add_permits(1);
    settle().await;
    gate.add_permits(1);
    let end = handle.wait().await;
    assert_eq!(end.verdict, Verdict::StorageFailed("journal: input/output error".to_owned()));
    assert_eq!((end.counts.succeeded, census.running()), (1, 0), "nothing is told that is not recorded");
    assert_eq!((storage.places(9), taken.places()), (taken.places(), storage.places(9)));
    assert_eq!(storage.journal.violations(), [""; 0]);
}

#[tokio::test]
async fn the_end_of_a_batch_that_can_not_be_recorded_is_a_failure_of_the_store() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    storage.journal.script([None, Some(Fault::Broken)]);
    let end = mill(1).open(storage.opening(workload, 1, vec![])).wait().await;
    assert_eq!(end.verdict, Verdict::StorageFailed("journal: input/output error".to_owned()));
    assert_eq!(end.counts.succeeded, 1);
}

#[tokio::test]
async fn a_feed_of_which_nothing_can_be_recorded_takes_nothing() {
    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    storage.journal.script([Some(Fault::Broken)]);
    let end = mill(1).open(storage.opening(workload, 3, vec![sink("out", &taken)])).wait().await;
    assert_eq!(end.verdict, Verdict::StorageFailed("journal: input/output error".to_owned()));
    assert_eq!((taken.places(), end.undelivered), (vec![], vec![]), "there is nothing that it lacks");
}
