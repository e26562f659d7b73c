//! Concurrency and time.

use std::{sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, Job, JobId, JobResult, Outcome, StateData, Status, Verdict};
use tokio::time::Instant;

use crate::{at_once, at_once_at_most, batch, count, deaf, gated, kept, listening, mill, scripted, settle};

#[tokio::test]
async fn the_concurrency_limit_goes_up_and_down_while_a_batch_runs() {
    let ((delivery, results), (workload, census, gate)) = (kept(), gated());
    let mill = mill(2);
    let handle = mill.open(batch(workload, 20, delivery));
    settle().await;
    assert_eq!((census.running(), mill.totals().running), (2, 2));
    mill.set_concurrency(at_once_at_most(5));
    settle().await;
    assert_eq!((census.running(), mill.totals().limit), (5, 5), "new places are used at once");
    mill.set_concurrency(at_once_at_most(1));
    settle().await;
    assert_eq!(census.running(), 5, "what runs is not stopped");
    for left in [4, 3, 2, 1, 1, 1] {
        gate.add_permits(1);
        settle().await;
        assert_eq!(census.running(), left);
    }
    mill.set_concurrency(at_once_at_most(3));
    gate.add_permits(20);
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    assert_eq!((census.most(), count(&results, Status::Succeeded)), (5, 20));
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_ends_an_attempt_exactly_when_it_says() {
    for (seconds, (workload, census)) in [(7, deaf()), (7 + 2, listening(Duration::from_secs(2)))] {
        let (delivery, results) = kept();
        let mut opening = batch(workload, 1, delivery);
        opening.timeout = Some(Duration::from_secs(7));
        let start = Instant::now();
        mill(1).open(opening).wait().await;
        assert_eq!((start.elapsed().as_secs(), census.running()), (seconds, 0));
        assert_eq!(count(&results, Status::TimedOut), 1);
        assert_eq!(results.lock().unwrap()[0].error.as_ref().unwrap().class, ErrorClass::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_of_one_attempt_does_not_reach_the_next_of_its_slot() {
    let (delivery, results) = kept();
    // Each takes four seconds of the five that it has.
    let (workload, _) = scripted(|_, _| async {
        crate::after(Duration::from_secs(4)).await;
        Outcome::Succeeded
    });
    let mut opening = batch(workload, 3, delivery);
    opening.timeout = Some(Duration::from_secs(5));
    let start = Instant::now();
    mill(1).open(opening).wait().await;
    assert_eq!((start.elapsed().as_secs(), count(&results, Status::Succeeded)), (12, 3));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_slot_has_the_limit_of_its_own_job() {
    let (delivery, results) = kept();
    // The first ends in time; the others never end.
    let (workload, _) = scripted(|index, _| async move {
        match index {
            0 => crate::after(Duration::from_secs(3)).await,
            _ => std::future::pending().await,
        }
        Outcome::Succeeded
    });
    let jobs = [10, 2, 30, 4].into_iter().enumerate().map(|(place, limit)| {
        let mut job = Job::new(JobId::from(place as u64), StateData::new());
        job.timeout = Some(Duration::from_secs(limit));
        job
    });
    let mut opening = batch(workload, 4, delivery);
    opening.jobs = Arc::new(jobs.collect::<Vec<_>>());
    mill(1).open(opening).wait().await;
    let ended = |result: &JobResult| (result.sequence, result.status, result.duration.as_secs());
    assert_eq!(
        results.lock().unwrap().iter().map(ended).collect::<Vec<_>>(),
        [(0, Status::Succeeded, 3), (1, Status::TimedOut, 2), (2, Status::TimedOut, 30), (3, Status::TimedOut, 4)]
    );
}

/// A runtime without timers panics where one is made.
#[test]
fn an_attempt_that_never_waits_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let ((delivery, results), (workload, _)) = (kept(), at_once());
        let mut opening = batch(workload, 500, delivery);
        opening.timeout = Some(Duration::from_secs(1));
        mill(2).open(opening).wait().await;
        assert_eq!(count(&results, Status::Succeeded), 500);
    });
}

#[tokio::test]
async fn a_panic_ends_its_attempt_and_nothing_else() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("in the middle of a drop");
        }
    }
    let (delivery, results) = kept();
    let (workload, _) = scripted(|index, _| async move {
        assert_ne!(index, 1, "one is no good");
        Outcome::Succeeded
    });
    let end = mill(1).open(batch(workload, 3, delivery)).wait().await;
    assert_eq!((end.counts.succeeded, end.counts.failed), (2, 1));
    let crashed = results.lock().unwrap().iter().find(|result| result.status == Status::Failed).cloned().unwrap();
    let error = crashed.error.unwrap();
    assert_eq!((crashed.sequence, error.class), (1, ErrorClass::Crash));
    assert!(error.message.contains("one is no good"), "{}", error.message);

    // A stopped attempt is dropped; what it holds may panic then.
    let (delivery, _) = kept();
    let (workload, _) = scripted(|_, _| async {
        let _guard = PanicsWhenDropped;
        std::future::pending().await
    });
    let mill = mill(1);
    let handle = mill.open(batch(workload, 1, delivery));
    settle().await;
    handle.cancel();
    handle.wait().await.counts.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn jobs_that_wait_too_long_for_a_start_end_exactly_then() {
    let ((delivery, results), (workload, census, gate)) = (kept(), gated());
    let mut opening = batch(workload, 3, delivery);
    opening.queue_timeout = Some(Duration::from_secs(5));
    let start = Instant::now();
    let handle = mill(1).open(opening);
    crate::after(Duration::from_secs(7)).await;
    assert_eq!((census.started(), count(&results, Status::TimedOut)), (1, 2));
    gate.add_permits(1);
    assert_eq!(handle.wait().await.counts.succeeded, 1);
    for late in results.lock().unwrap().iter().filter(|result| result.status == Status::TimedOut) {
        assert_eq!((late.queued.as_secs(), late.started_at), (5, None));
        assert_eq!(late.error.as_ref().unwrap().code, "queue_timeout");
    }
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_job_has_a_time_as_a_whole_whatever_its_attempts_and_waits_are() {
    let transient = || crate::metrics::failed(ErrorClass::Transient, "unlucky");
    // Three seconds an attempt, two of waiting: the third attempt has two of its three.
    let (workload, census) = scripted(move |_, _| async move {
        crate::after(Duration::from_secs(3)).await;
        transient()
    });
    let (delivery, results) = kept();
    let mut opening = batch(workload, 1, delivery);
    let mut retry = batchmill_retry_exponential::Options::with_max_attempts(9);
    retry.backoff = batchmill_retry_exponential::Backoff::Fixed;
    retry.jitter = batchmill_retry_exponential::Jitter::None;
    retry.delay = batchmill_plugin::HumanDuration::from_secs(2);
    opening.retry = vec![Arc::new(batchmill_retry_exponential::Exponential::new(&retry).unwrap())];
    opening.timeout = Some(Duration::from_secs(60));
    opening.job_timeout = Some(Duration::from_secs(12));
    let start = Instant::now();
    mill(1).open(opening).wait().await;
    assert_eq!((start.elapsed().as_secs(), census.started(), census.running()), (12, 3, 0));
    let ended = results.lock().unwrap()[0].clone();
    let error = ended.error.unwrap();
    assert_eq!((ended.status, ended.attempts, &*error.code), (Status::TimedOut, 3, "job_timeout"));
    assert_eq!(error.history.len(), 3);
}
