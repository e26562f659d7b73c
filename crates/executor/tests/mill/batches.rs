//! Batches that share a mill, and what can be asked of each.

use batchmill_core::{Pause, Status, StopReason, Verdict};
use batchmill_executor::Reason;
use batchmill_failure_halt::Halt;

use crate::{at_once, batch, count, deaf, gated, kept, mill, settle};

#[tokio::test]
async fn two_batches_in_one_mill_have_each_their_own_results() {
    let mill = mill(3);
    let ((first, of_first), (second, of_second)) = (kept(), kept());
    let ((workload, census), (other, other_census)) = (at_once(), at_once());
    let first = mill.open(batch(workload, 300, first));
    let second = mill.open(batch(other, 200, second));
    assert_eq!(first.wait().await.verdict, Verdict::Succeeded);
    assert_eq!(second.wait().await.verdict, Verdict::Succeeded);
    for (results, census, total) in [(of_first, census, 300), (of_second, other_census, 200)] {
        let mut places: Vec<u64> = results.lock().unwrap().iter().map(|result| result.sequence).collect();
        places.sort_unstable();
        assert_eq!(places, (0..total).collect::<Vec<u64>>());
        assert_eq!(census.started() as u64, total);
    }
    mill.idle().await;
}

#[tokio::test]
async fn a_batch_says_why_its_jobs_wait_and_what_it_leaves() {
    let ((delivery, _), (workload, _, gate)) = (kept(), gated());
    let mill = mill(2);
    let handle = mill.open(batch(workload, 5, delivery));
    settle().await;
    assert_eq!(handle.explain(4).unwrap().reason, Reason::Slots { limit: 2, why: None });
    assert_eq!(handle.explain(0).unwrap().reason, Reason::Running);
    assert_eq!(handle.explain(5), None);
    let said: Vec<String> = handle.census().iter().map(ToString::to_string).collect();
    assert_eq!(said, ["3 pending: all 2 slots are taken", "2 running: an attempt runs"]);
    mill.drain();
    gate.add_permits(5);
    let end = handle.wait().await;
    let left: Vec<_> = end.left.iter().map(|share| (share.jobs, share.state, &share.reason)).collect();
    assert_eq!((end.verdict, left), (Verdict::Drained, vec![(3, "pending", &Reason::Draining)]));
    assert_eq!((handle.explain(4), handle.census().len()), (None, 0), "it has ended");
}

#[tokio::test]
async fn cancelling_a_batch_leaves_the_other_alone() {
    let mill = mill(4);
    let ((first, of_first), (second, of_second)) = (kept(), kept());
    let ((workload, census), (other, _, gate)) = (deaf(), gated());
    let first = mill.open(batch(workload, 2, first));
    let second = mill.open(batch(other, 6, second));
    settle().await;
    first.cancel();
    assert_eq!(first.wait().await.verdict, Verdict::Cancelled);
    assert_eq!((census.running(), count(&of_first, Status::Cancelled)), (0, 2));
    gate.add_permits(6);
    assert_eq!(second.wait().await.verdict, Verdict::Succeeded);
    assert_eq!(count(&of_second, Status::Succeeded), 6);
}

#[tokio::test]
async fn some_jobs_are_cancelled_by_their_places() {
    let ((delivery, results), (workload, census, gate)) = (kept(), gated());
    let handle = mill(1).open(batch(workload, 5, delivery));
    settle().await;
    handle.cancel_jobs(vec![0, 3]);
    settle().await;
    gate.add_permits(5);
    handle.wait().await;
    let mut cancelled: Vec<u64> = Vec::new();
    cancelled.extend(
        results
            .lock()
            .unwrap()
            .iter()
            .filter(|result| result.status == Status::Cancelled)
            .map(|result| result.sequence),
    );
    cancelled.sort_unstable();
    assert_eq!(cancelled, [0, 3], "one that ran and one that waited");
    assert_eq!((census.started(), count(&results, Status::Succeeded)), (4, 3));
}

#[tokio::test]
async fn a_paused_batch_starts_nothing_until_it_goes_on() {
    let ((delivery, _), (workload, census, gate)) = (kept(), gated());
    let handle = mill(2).open(batch(workload, 6, delivery));
    settle().await;
    handle.pause();
    gate.add_permits(6);
    settle().await;
    assert_eq!((census.started(), handle.snapshot().counts.pending), (2, 4));
    handle.unpause();
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    assert_eq!(handle.snapshot().counts.succeeded, 6, "its numbers stay after the end");
}

#[tokio::test]
async fn a_pause_is_told_with_its_reason_and_so_is_its_end() {
    let ((delivery, _), (workload, _, gate)) = (kept(), gated());
    let mut opening = batch(workload, 3, delivery);
    let rule: batchmill_failure_halt::Rule = "pause,success=2".parse().unwrap();
    opening.failure = Box::new(Halt::new(&batchmill_failure_halt::Options::with_rules([&rule])).unwrap());
    let handle = mill(1).open(opening);
    let mut pauses = handle.pauses();
    assert_eq!(handle.paused(), None);
    gate.add_permits(2);
    let reason = StopReason::new("pause,success=2", "2 of 3 jobs succeeded");
    assert_eq!(pauses.next().await, Some(Pause::Rule(reason.clone())));
    assert_eq!(handle.paused(), Some(Pause::Rule(reason)));
    handle.unpause();
    assert_eq!(pauses.next().await, None);
    handle.pause();
    assert_eq!(pauses.next().await, Some(Pause::Requested));
    assert_eq!(handle.pauses().next().await, Some(Pause::Requested), "who comes late hears of it too");
    handle.unpause();
    gate.add_permits(1);
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
}

#[tokio::test]
async fn an_empty_batch_succeeds_at_once() {
    let ((delivery, results), (workload, _)) = (kept(), at_once());
    let end = mill(1).open(batch(workload, 0, delivery)).wait().await;
    assert_eq!((end.verdict, end.counts.submitted), (Verdict::Succeeded, 0));
    assert!(results.lock().unwrap().is_empty());
}
