//! Jobs that end at once are run by the hand. Nobody may notice.
//!
//! Time stands still and there is one thread, so hands grow to the limit of 8 within the first hundred jobs.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use batchmill_core::{Outcome, Status, Verdict};
use batchmill_executor::Mill;

use crate::{Scripted, at_once_at_most, batch, count, gated, kept, mill, scripted, settle};

const AT_ONCE: u32 = 8;
const JOBS: u64 = 400;

#[tokio::test(start_paused = true)]
async fn attempts_that_wait_delay_no_other_of_their_hand() {
    let ((delivery, results), (waiting, _, gate)) = (kept(), gated());
    let (workload, census) = scripted(move |index, signal| {
        let waits = index >= 100 && index % 50 == 7;
        let waiting = waiting.clone();
        async move { if waits { (waiting.body)(index, signal).await } else { Outcome::Succeeded } }
    });
    let handle = mill(AT_ONCE).open(batch(workload, JOBS, delivery));
    settle().await;
    assert_eq!((census.running(), count(&results, Status::Succeeded)), (6, 394));
    assert_eq!(handle.snapshot().counts.running, 6, "all others have ended");
    gate.add_permits(6);
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    assert_eq!(count(&results, Status::Succeeded), 400);
}

#[tokio::test(start_paused = true)]
async fn a_panic_a_time_limit_and_a_cancellation_each_end_one_job_of_a_hand() {
    let (delivery, results) = kept();
    let (workload, census) = scripted(|index, _| async move {
        match index {
            150 => panic!("made to"),
            // Not listened to: they are dropped.
            151 | 250 => std::future::pending().await,
            _ => Outcome::Succeeded,
        }
    });
    let mut opening = batch(workload, JOBS, delivery);
    opening.timeout = Some(Duration::from_secs(7));
    let handle = mill(AT_ONCE).open(opening);
    settle().await;
    assert_eq!((census.running(), census.started()), (2, 400));
    handle.cancel_jobs(vec![250]);
    let end = handle.wait().await;
    assert_eq!((end.counts.succeeded, census.running()), (397, 0));
    for (place, status) in [(150, Status::Failed), (151, Status::TimedOut), (250, Status::Cancelled)] {
        let results = results.lock().unwrap();
        let of_place: Vec<Status> = results.iter().filter(|r| r.sequence == place).map(|r| r.status).collect();
        assert_eq!(of_place, [status], "job {place}");
    }
}

/// A mill whose attempts, which end at once, look at it.
fn observed(look: impl Fn(&Mill<Scripted>, u64) + Send + Sync + 'static) -> (Mill<Scripted>, Arc<Scripted>) {
    let mill = mill(AT_ONCE);
    let seen = OnceLock::from(mill.clone());
    let (workload, _) = scripted(move |index, _| {
        look(seen.get().expect("it is set"), index);
        std::future::ready(Outcome::Succeeded)
    });
    (mill, workload)
}

#[tokio::test(start_paused = true)]
async fn starts_in_hands_count_as_running_and_keep_to_the_limit_in_the_order_of_the_scheduler() {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let (mill, workload) = observed({
        let begun = begun.clone();
        move |mill, index| begun.lock().unwrap().push((index, mill.totals().running))
    });
    let (delivery, _) = kept();
    mill.open(batch(workload, JOBS, delivery)).wait().await;
    let (places, running): (Vec<u64>, Vec<u32>) = begun.lock().unwrap().iter().copied().unzip();
    // Until the hand has grown, starts that were made first wait for those that followed on others.
    assert!(places[100..].iter().copied().eq(100..JOBS), "{places:?}");
    assert!(running.iter().all(|running| (1..=AT_ONCE).contains(running)), "{running:?}");
    // Jobs of the hand that ended are told together: they run until then.
    assert_eq!(running[200], AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_lower_limit_holds_from_the_hand_on_that_is_out() {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let (mill, workload) = observed({
        let begun = begun.clone();
        move |mill, index| {
            if index == 200 {
                mill.set_concurrency(at_once_at_most(3));
            }
            begun.lock().unwrap().push(mill.totals().running);
        }
    });
    let (delivery, results) = kept();
    mill.open(batch(workload, JOBS, delivery)).wait().await;
    assert!(begun.lock().unwrap()[208..].iter().all(|running| *running <= 3), "{begun:?}");
    assert_eq!(count(&results, Status::Succeeded), 400);
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_the_middle_of_a_hand_lets_the_rest_of_it_run_and_nothing_more() {
    let (mill, workload) = observed(|mill, index| {
        if index == 200 {
            mill.drain();
        }
    });
    let census = workload.census.clone();
    let (delivery, results) = kept();
    let end = mill.open(batch(workload, JOBS, delivery)).wait().await;
    assert_eq!((end.verdict, end.counts.running), (Verdict::Drained, 0));
    assert!((201..=208).contains(&census.started()), "{} of those out at 200 ran", census.started());
    assert_eq!((end.counts.succeeded, count(&results, Status::Succeeded)), (census.started() as u64, census.started()));
}
