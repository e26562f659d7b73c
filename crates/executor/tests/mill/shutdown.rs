//! Drain, stop and kill, and the phases of a shutdown.

use std::time::Duration;

use batchmill_core::{Status, Verdict};
use batchmill_executor::Phases;
use tokio::time::Instant;

use crate::{batch, count, deaf, gated, kept, listening, mill, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_drain_lets_running_attempts_finish_and_starts_nothing_more() {
    let ((delivery, results), (workload, census, gate)) = (kept(), gated());
    let mill = mill(2);
    let handle = mill.open(batch(workload, 10, delivery));
    settle().await;
    mill.drain();
    gate.add_permits(10);
    let end = handle.wait().await;
    assert_eq!(end.verdict, Verdict::Drained);
    assert_eq!((end.counts.succeeded, end.counts.pending), (2, 8));
    assert_eq!((census.started(), count(&results, Status::Succeeded)), (2, 2));
    assert!(mill.is_draining());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_complete_when_it_drains_has_succeeded() {
    let ((delivery, _), (workload, _, gate)) = (kept(), gated());
    let mill = mill(2);
    let handle = mill.open(batch(workload, 2, delivery));
    settle().await;
    mill.drain();
    gate.add_permits(2);
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_does_not_listen_is_dropped_at_once_and_runs_again_on_resume() {
    let ((delivery, results), (workload, census)) = (kept(), deaf());
    let (mill, start) = (mill(3), Instant::now());
    let handle = mill.open(batch(workload, 5, delivery));
    settle().await;
    assert_eq!(census.running(), 3);
    mill.stop();
    let end = handle.wait().await;
    assert_eq!((census.running(), census.started()), (0, 3));
    assert_eq!((end.verdict, end.counts.pending), (Verdict::Drained, 5));
    assert!(results.lock().unwrap().is_empty(), "nothing is recorded of a stopped attempt");
    assert!(start.elapsed() < SECOND, "found {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_listens_is_given_time_to_end() {
    let ((delivery, results), (workload, _)) = (kept(), listening(3 * SECOND));
    let (mill, start) = (mill(2), Instant::now());
    let handle = mill.open(batch(workload, 4, delivery));
    settle().await;
    mill.stop();
    let end = handle.wait().await;
    assert_eq!((end.counts.succeeded, end.counts.pending), (2, 2), "it ended by itself, and that counts");
    assert_eq!(count(&results, Status::Succeeded), 2);
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_listens_and_goes_on_is_dropped_after_five_seconds_or_one_after_a_kill() {
    for (kill, seconds) in [(false, 5), (true, 1)] {
        let ((delivery, _), (workload, census)) = (kept(), listening(60 * SECOND));
        let (mill, start) = (mill(2), Instant::now());
        let handle = mill.open(batch(workload, 2, delivery));
        settle().await;
        if kill {
            mill.kill();
        } else {
            mill.stop();
        }
        assert_eq!(handle.wait().await.counts.pending, 2);
        assert_eq!((census.running(), start.elapsed().as_secs()), (0, seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_each_phase_only_as_long_as_something_is_open() {
    let phases = Phases::default();
    let idle = mill(1);
    let start = Instant::now();
    assert!(idle.shut_down(&phases).await);
    assert_eq!(start.elapsed().as_secs(), 0, "nothing was open");

    for (seconds, (workload, census)) in
        [(20, deaf()), (20 + 2, listening(2 * SECOND)), (20 + 3 + 1, listening(60 * SECOND))]
    {
        let (delivery, _) = kept();
        let (mill, start) = (mill(2), Instant::now());
        mill.open(batch(workload, 4, delivery));
        settle().await;
        assert!(mill.shut_down(&phases).await, "it is closed after {seconds} s");
        assert_eq!((start.elapsed().as_secs(), census.running()), (seconds, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_up_on_a_delivery_that_never_answers() {
    let ((delivery, _), (workload, census)) = (kept(), crate::at_once());
    delivery.gate.forget_permits(1);
    let (mill, start) = (mill(2), Instant::now());
    mill.open(batch(workload, 1, delivery));
    settle().await;
    assert_eq!(census.started(), 1);
    assert!(!mill.shut_down(&Phases::default()).await);
    assert_eq!(start.elapsed().as_secs(), 25, "less than the 30 s of Kubernetes");
}
