//! A job has ended when its delivery has answered.

use std::num::NonZeroU64;

use batchmill_core::{Status, Verdict};
use batchmill_executor::{Mill, Settings};

use crate::{at_once, at_once_at_most, batch, count, gated, kept, mill, scheduler, settle};

#[tokio::test]
async fn a_delivery_that_fails_ends_the_batch() {
    let ((mut delivery, _), (workload, census)) = (kept(), at_once());
    delivery.error = Some("the disk is full");
    let mut settings = Settings::new(at_once_at_most(2));
    settings.unanswered_limit = NonZeroU64::new(8).expect("not 0");
    let mill = Mill::start(&settings, scheduler());
    let end = mill.open(batch(workload, 1000, delivery)).wait().await;
    let Verdict::StorageFailed(message) = &end.verdict else { panic!("{:?}", end.verdict) };
    assert!(message.contains("the disk is full"), "{message}");
    assert!(census.started() <= 8 + 2, "nothing starts any more, found {}", census.started());
    end.counts.check().unwrap();
}

#[tokio::test]
async fn a_delivery_that_fails_stops_what_runs() {
    let ((mut delivery, _), (_, _, gate)) = (kept(), gated());
    delivery.error = Some("the disk is full");
    // The first job ends, the others never would.
    let waiting = gate.clone();
    let (workload, census) = crate::scripted(move |index, _| {
        let gate = waiting.clone();
        async move {
            if index > 0 {
                gate.acquire().await.unwrap().forget();
            }
            batchmill_core::Outcome::Succeeded
        }
    });
    let end = mill(3).open(batch(workload, 3, delivery)).wait().await;
    assert!(matches!(end.verdict, Verdict::StorageFailed(_)), "{:?}", end.verdict);
    assert_eq!(census.running(), 0);
}

#[tokio::test]
async fn a_slow_delivery_bounds_the_starts() {
    let ((delivery, results), (workload, census)) = (kept(), at_once());
    let gate = delivery.gate.clone();
    let closed = gate.clone().acquire_owned().await.unwrap();
    let mut settings = Settings::new(at_once_at_most(4));
    settings.unanswered_limit = NonZeroU64::new(16).expect("not 0");
    let handle = Mill::start(&settings, scheduler()).open(batch(workload, 1000, delivery));
    settle().await;
    let ahead = census.started();
    assert!((16..=16 + 4).contains(&ahead), "the limit and what ran, found {ahead}");
    assert_eq!(handle.snapshot().counts.recording, ahead as u64);
    drop(closed);
    assert_eq!(handle.wait().await.verdict, Verdict::Succeeded);
    assert_eq!(count(&results, Status::Succeeded), 1000);
}

#[tokio::test]
async fn results_come_though_every_handle_is_gone() {
    let ((delivery, results), (workload, _, gate)) = (kept(), gated());
    let mill = mill(2);
    drop(mill.open(batch(workload.clone(), 5, delivery)));
    drop(mill);
    settle().await;
    gate.add_permits(5);
    settle().await;
    assert_eq!(count(&results, Status::Succeeded), 5);
    assert_eq!(std::sync::Arc::strong_count(&workload), 1, "and then nothing of the mill is left");
}
