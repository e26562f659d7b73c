//! One host after the other.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use batchmill_core::{
    AttemptFailure, ErrorClass, JournalEvent, NodeError, NodeFailure, Outcome, Pause, Position, Resumed, Status,
    Verdict, WallTime,
};
use batchmill_executor::Past;
use batchmill_retry_exponential::{Exponential, Options};

use crate::{after, at_once, gated, mill, scripted, settle};

use super::{Storage, Taken, name, screen, sink, sorted, upto};

/// A host that ends some jobs and dies without a word.
async fn dies_after(ended: usize, count: u64, feeds: Vec<Box<dyn batchmill_executor::Feed>>) -> Storage {
    let (storage, (workload, _, gate)) = (Storage::new(), gated());
    let handle = mill(2).open(storage.opening(workload, count, feeds));
    settle().await;
    for _ in 0..ended {
        gate.add_permits(1);
        settle().await;
    }
    drop(handle);
    assert_eq!(storage.places(count).len(), ended);
    // It still lives, and is heard no more.
    storage.adopted()
}

#[tokio::test]
async fn a_later_host_runs_what_has_no_end_and_everybody_has_each_result_once() {
    let (file, shown) = (Taken::default(), Taken::default());
    let storage = dies_after(5, 12, vec![sink("file", &file), screen(&shown)]).await;
    assert_eq!(sorted(file.places()).len(), 5);
    let ((workload, census), shown) = (at_once(), Taken::default());
    let opening = storage.resuming(workload, 12, vec![sink("file", &file), screen(&shown)]).await;
    let end = mill(2).open(opening).wait().await;
    assert_eq!((end.verdict, end.counts.succeeded, census.started()), (Verdict::Succeeded, 12, 7));
    assert_eq!(sorted(storage.places(12)), upto(12));
    assert_eq!(shown.places(), storage.places(12), "stored ones first");
    assert_eq!(file.places(), storage.places(12), "cut back to its mark, and completed");
    assert_eq!(file.resumed().len(), 1);
    assert_eq!(shown.resumed(), []);
    assert_eq!(storage.journal.violations(), [""; 0]);
}

#[tokio::test]
async fn a_feed_that_lost_everything_gets_everything_again() {
    let file = Taken::default();
    let storage = dies_after(5, 8, vec![sink("file", &file)]).await;
    file.0.lock().unwrap().finds = Some(Resumed::Empty);
    let opening = storage.resuming(at_once().0, 8, vec![sink("file", &file)]).await;
    mill(2).open(opening).wait().await;
    assert_eq!(file.places(), storage.places(8));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_new_takes_nothing_before_the_journal_knows_of_it() {
    let storage = dies_after(5, 8, vec![]).await;
    let (new, (workload, _, gate)) = (Taken::default(), gated());
    storage.journal.hold();
    let opening = storage.resuming(workload, 8, vec![sink("new", &new)]).await;
    let handle = mill(2).open(opening);
    storage.journal.begun(1).await;
    settle().await;
    assert_eq!(new.places(), [0; 0]);
    let [JournalEvent::Delivered(mark)] = &storage.journal.groups()[0][..] else { panic!("nothing has ended yet") };
    assert_eq!((mark.sink.as_str(), mark.upto), ("new", Position(0)));
    storage.journal.open();
    settle().await;
    assert_eq!(new.places(), storage.places(8), "then it gets what was there");
    gate.add_permits(8);
    handle.wait().await;
    assert_eq!((new.places(), new.resumed()), (storage.places(8), vec![]), "it was never fed before");
}

#[tokio::test]
async fn a_batch_without_anything_left_to_run_completes_its_feeds_and_is_closed() {
    let file = Taken::default();
    let storage = dies_after(4, 4, vec![]).await;
    assert!(!storage.is_closed(4) || storage.places(4).len() == 4);
    let next = storage.adopted();
    let ((workload, census), opening_of) = (at_once(), next);
    let opening = opening_of.resuming(workload, 4, vec![sink("file", &file)]).await;
    let end = mill(2).open(opening).wait().await;
    assert_eq!((end.verdict, census.started(), file.places()), (Verdict::Succeeded, 0, opening_of.places(4)));
    assert!(opening_of.is_closed(4));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_waits_for_what_is_left_of_its_delay_and_counts_on() {
    let (storage, tries) = (Storage::new(), Arc::new(AtomicU32::new(0)));
    let tried = tries.clone();
    let fails_at_first = move |_, _| {
        let first = tried.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let error = NodeError::new(ErrorClass::Transient, "test", "not yet");
            let failure = AttemptFailure::new(NodeFailure::of_attempt(error));
            if first { Outcome::Failed(Box::new(failure)) } else { Outcome::Succeeded }
        }
    };
    let retry = || {
        let mut options = Options::with_max_attempts(3);
        options.delay = Duration::from_secs(3600).into();
        options.max_delay = Duration::from_secs(3600).into();
        options.jitter = batchmill_retry_exponential::Jitter::None;
        vec![Arc::new(Exponential::new(&options).unwrap()) as Arc<dyn batchmill_core::RetryPolicy>]
    };
    let (workload, _) = scripted(fails_at_first);
    let mut opening = storage.opening(workload.clone(), 1, vec![]);
    opening.retry = retry();
    let first = mill(1).open(opening);
    settle().await;
    assert_eq!((tries.load(Ordering::SeqCst), first.snapshot().counts.backing_off), (1, 1));
    let next = storage.adopted();
    let mut opening = next.resuming(workload, 1, vec![]).await;
    opening.retry = retry();
    let handle = mill(1).open(opening);
    settle().await;
    assert_eq!((tries.load(Ordering::SeqCst), handle.snapshot().counts.backing_off), (1, 1), "it still waits");
    after(Duration::from_secs(3601)).await;
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    let result = &next.memory.results(&name(1))[0];
    assert_eq!((result.attempts, result.status), (2, Status::Succeeded));
    assert_eq!(result.queued_at, WallTime::from_micros(1_800_000_000_000_000), "when the batch was accepted");
}

#[tokio::test]
async fn what_an_earlier_host_decided_holds() {
    let storage = Storage::new();
    let of_batch = name(5);
    let decided = vec![JournalEvent::Paused(Some(Pause::Requested))];
    batchmill_core::Journal::append(&storage.memory, &of_batch, decided).await.unwrap();
    let handle = mill(2).open(storage.resuming(at_once().0, 5, vec![]).await);
    settle().await;
    assert_eq!((handle.paused(), handle.snapshot().counts.pending), (Some(Pause::Requested), 5));
    handle.unpause();
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);

    let storage = Storage::new();
    let decided = vec![JournalEvent::Closing(batchmill_core::Closing::Cancelled)];
    batchmill_core::Journal::append(&storage.memory, &of_batch, decided).await.unwrap();
    let (workload, census) = at_once();
    let end = mill(2).open(storage.resuming(workload, 5, vec![]).await).wait().await;
    assert_eq!((end.verdict, end.counts.cancelled, census.started()), (Verdict::Cancelled, 5, 0));
}

#[tokio::test]
async fn the_past_is_read_page_by_page_and_knows_every_end() {
    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    mill(4).open(storage.opening(workload, 10_000, vec![sink("out", &taken)])).wait().await;
    let past = Past::read(&storage.memory, &name(10_000)).await.unwrap();
    assert_eq!((past.ended(), past.set_back()), (10_000, 0));
    assert!((0..10_000).all(|place| past.status(place) == Some(Status::Succeeded)));
    assert_eq!((past.status(10_000), past.closing(), past.paused()), (None, None, None));
    assert_eq!(past.delivered("out").unwrap().mark.as_deref(), Some("10000"));
    assert!(past.delivered("other").is_none());
}

#[tokio::test]
async fn the_failure_strategy_hears_again_what_it_heard() {
    #[derive(Debug)]
    struct Listens(Arc<Mutex<Vec<(Status, u64)>>>);
    impl batchmill_core::FailureStrategy for Listens {
        fn on_result(&mut self, result: &batchmill_core::FinalResult, total: u64) -> batchmill_core::Directive {
            self.0.lock().unwrap().push((result.status, total));
            batchmill_core::Directive::Continue
        }
    }
    let storage = dies_after(3, 5, vec![]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut opening = storage.resuming(at_once().0, 5, vec![]).await;
    opening.failure = Box::new(Listens(heard.clone()));
    mill(1).open(opening).wait().await;
    assert_eq!(*heard.lock().unwrap(), [(Status::Succeeded, 5); 5]);
}
