//! Everybody gets the results, each at its own pace.

use std::{sync::Arc, time::Duration};

use batchmill_core::{Delivered, JournalEvent, Position, SinkError, Verdict};
use batchmill_executor::{Mill, Settings};
use batchmill_metrics_prometheus::Recorder;
use tokio::sync::Semaphore;

use crate::{after, at_once, at_once_at_most, gated, mill, scheduler, settle};

use super::{Storage, Taken, gated_sink, no_room, screen, sink, upto};

/// How far each feed is recorded to have got.
fn marks(storage: &Storage) -> Vec<Delivered> {
    let events = storage.appended().into_iter();
    events.filter_map(|event| if let JournalEvent::Delivered(mark) = event { Some(mark) } else { None }).collect()
}

#[tokio::test]
async fn each_feed_gets_every_result_in_the_order_of_the_journal() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    let (one, other, third) = (Taken::default(), Taken::default(), Taken::default());
    let feeds = vec![sink("one", &one), sink("other", &other), screen(&third)];
    let end = mill(4).open(storage.opening(workload, 5000, feeds)).wait().await;
    assert_eq!((end.verdict, end.undelivered), (Verdict::Succeeded, vec![]));
    for taken in [one, other, third] {
        assert_eq!(taken.places(), storage.places(5000));
        assert!(taken.is_closed());
    }
}

#[tokio::test]
async fn a_feed_that_takes_nothing_holds_nobody_up_and_gets_everything_in_the_end() {
    let (storage, (workload, _), gate) = (Storage::new(), at_once(), Arc::new(Semaphore::new(0)));
    let (slow, quick) = (Taken::default(), Taken::default());
    let feeds = vec![gated_sink("slow", &slow, &gate), sink("quick", &quick)];
    let handle = mill(4).open(storage.opening(workload, 20_000, feeds));
    while handle.snapshot().counts.succeeded < 20_000 {
        tokio::task::yield_now().await;
    }
    settle().await;
    assert_eq!((quick.places().len(), slow.places().len()), (20_000, 0));
    assert!(!storage.is_closed(20_000), "the end is told when all have everything");
    gate.add_permits(1);
    let end = handle.wait().await;
    assert_eq!((end.undelivered, slow.places()), (vec![], storage.places(20_000)));
    assert!(storage.journal.replays() > 0, "what it was behind with was not kept in memory");
    assert!(storage.is_closed(20_000));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_out_of_order_for_a_while_is_waited_for() {
    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    taken.fails((0..20).map(|_| no_room()));
    let start = tokio::time::Instant::now();
    let end = mill(2).open(storage.opening(workload, 10, vec![sink("out", &taken)])).wait().await;
    assert_eq!((end.verdict, end.undelivered), (Verdict::Succeeded, vec![]));
    assert_eq!(taken.places(), storage.places(10));
    assert!(start.elapsed() > Duration::from_secs(60), "found {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_person_who_ends_the_host_need_not_wait_for_such_a_feed() {
    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    taken.fails((0..1000).map(|_| no_room()));
    let mill = mill(2);
    let handle = mill.open(storage.opening(workload, 10, vec![sink("out", &taken)]));
    after(Duration::from_secs(30)).await;
    let start = tokio::time::Instant::now();
    mill.drain();
    let end = handle.wait().await;
    assert_eq!((end.verdict, start.elapsed()), (Verdict::Succeeded, Duration::ZERO));
    let [short] = &end.undelivered[..] else { panic!("{:?}", end.undelivered) };
    assert_eq!((short.sink.as_str(), short.missing, short.interrupted), ("out", 10, true));
    assert_eq!(short.message, "results.jsonl: No space left on device");
    assert!(!storage.is_closed(10), "a later host brings it the rest");
}

#[tokio::test]
async fn a_stop_lets_feeds_have_what_is_recorded_and_a_kill_does_not() {
    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    let mill = mill(2);
    let gate = Arc::new(Semaphore::new(0));
    let handle = mill.open(storage.opening(workload, 10, vec![gated_sink("out", &taken, &gate)]));
    settle().await;
    mill.stop();
    settle().await;
    assert_eq!((handle.snapshot().counts.succeeded, taken.places().len()), (10, 0));
    gate.add_permits(1);
    let end = handle.wait().await;
    assert_eq!((end.verdict, end.undelivered, taken.places().len()), (Verdict::Succeeded, vec![], 10));

    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    let mill = crate::mill(2);
    let never = Arc::new(Semaphore::new(0));
    let handle = mill.open(storage.opening(workload, 10, vec![gated_sink("out", &taken, &never)]));
    settle().await;
    mill.kill();
    let end = handle.wait().await;
    let [short] = &end.undelivered[..] else { panic!("{:?}", end.undelivered) };
    assert_eq!((short.missing, short.interrupted), (10, true));
    assert_eq!(short.message, "the host ended before it had everything");
    assert!(!storage.is_closed(10));
}

#[tokio::test]
async fn a_feed_that_fails_for_good_fails_alone_and_is_told() {
    for (message, told) in [("the server said no", "the server said no"), ("panic", "panicked")] {
        let (storage, (workload, _)) = (Storage::new(), at_once());
        let (bad, good) = (Taken::default(), Taken::default());
        bad.fails([SinkError::permanent(message)]);
        let feeds = vec![sink("bad", &bad), sink("good", &good)];
        let end = mill(2).open(storage.opening(workload, 3000, feeds)).wait().await;
        assert_eq!((end.verdict, end.counts.succeeded), (Verdict::Succeeded, 3000));
        assert_eq!(good.places(), storage.places(3000));
        let [short] = &end.undelivered[..] else { panic!("{:?}", end.undelivered) };
        assert_eq!((short.sink.as_str(), short.upto, short.missing), ("bad", Position(0), 3000));
        assert!(short.message.starts_with(told) && !short.interrupted, "{short:?}");
        assert!(!storage.is_closed(3000));
    }
}

#[tokio::test]
async fn marks_stand_behind_what_they_are_about_and_the_last_is_recorded() {
    let (storage, (workload, _)) = (Storage::new(), at_once());
    let (file, shown) = (Taken::default(), Taken::default());
    let feeds = vec![sink("file", &file), screen(&shown)];
    mill(4).open(storage.opening(workload, 5000, feeds)).wait().await;
    let marks = marks(&storage);
    assert!(marks.iter().all(|mark| mark.sink == "file"), "who begins anew has no marks");
    let results = storage.memory.events(&super::name(5000));
    for mark in &marks {
        let upto = results.iter().filter(|(at, e)| *at <= mark.upto && matches!(e, JournalEvent::Ended(_))).count();
        assert_eq!(mark.mark.as_deref(), Some(upto.to_string().as_str()), "{mark:?}");
    }
    assert_eq!(marks.first().unwrap().upto, Position(0), "that it is fed is recorded before it is");
    assert_eq!(marks.last().unwrap().mark.as_deref(), Some("5000"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_batch_records_marks_by_themselves_within_a_second() {
    let (storage, (workload, _, gate), taken) = (Storage::new(), gated(), Taken::default());
    let handle = mill(1).open(storage.opening(workload, 2, vec![sink("out", &taken)]));
    settle().await;
    gate.add_permits(1);
    settle().await;
    assert_eq!(taken.places(), [0]);
    assert_eq!(marks(&storage).last().unwrap().mark.as_deref(), Some("0"));
    after(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!(marks(&storage).last().unwrap().mark.as_deref(), Some("1"));
    let appends = storage.journal.groups().len();
    after(Duration::from_secs(3600)).await;
    assert_eq!(storage.journal.groups().len(), appends, "and only once");
    gate.add_permits(1);
    handle.wait().await;
    assert_eq!(taken.places(), upto(2));
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_sink_is_what_is_recorded_and_not_delivered() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let value = |begins: &str| {
        let text = recorder.render();
        let line = text.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{begins}: {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let (storage, (workload, _), taken) = (Storage::new(), at_once(), Taken::default());
    taken.fails([no_room(), no_room(), no_room()]);
    let mut settings = Settings::new(at_once_at_most(2));
    settings.metrics = true;
    let handle = Mill::start(&settings, scheduler()).open(storage.opening(workload, 500, vec![sink("out", &taken)]));
    settle().await;
    // Told again with each try.
    after(Duration::from_secs(1)).await;
    assert_eq!(value("batchmill_sink_lag_jobs{sink=\"out\"}"), 500.0);
    handle.wait().await;
    assert_eq!(value("batchmill_sink_lag_jobs{sink=\"out\"}"), 0.0);
    assert_eq!(value("batchmill_sink_writes_total{outcome=\"repeated\",sink=\"out\"}"), 3.0);
    let commits = storage.journal.groups().len();
    assert_eq!(value("batchmill_store_commit_seconds_count"), f64::from(u32::try_from(commits).unwrap()));
}
