//! Governors: what they are told, and what comes of their answers, on paused time.

mod plant;

use std::time::Duration;

use batchmill_core::{Adjustment, Governor, LoadSample, Verdict};
use batchmill_executor::{Governing, Ladder, Mill, Reason, Settings};
use batchmill_governor_adaptive::{Adaptive, Options};
use batchmill_metrics_prometheus::Recorder;

use crate::{after, at_once_at_most, batch, gated, kept, mill, scheduler, settle};

use self::plant::{Excess, Run};

/// What the governor alone does with many seeds is shown beside it; this is the whole way, from nodes over samples to starts.
async fn follows(excess: Excess) {
    let mut run = Run::start(excess, 100_000, 10, Box::new(Adaptive::new(Options::default()).unwrap()));
    for capacity in [50, 10, 80] {
        let (mut limits, mut served) = (Vec::new(), 0);
        for _ in 0..120 {
            let window = run.window(capacity).await;
            limits.push(window.limit);
            served += window.served;
        }
        let is_near = |limit: &u32| limit.abs_diff(capacity) * 5 <= capacity;
        assert!(limits[..20].iter().any(is_near), "{excess:?}, {capacity}: {limits:?}");
        // A request takes 200 ms in the mean, so that is what it can serve at most.
        let most = 120 * 5 * u64::from(capacity);
        assert!(served * 100 >= most * 88, "{excess:?}, {capacity}: {served} of {most}, {limits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_follows_a_service_that_lets_the_rest_wait() {
    follows(Excess::Waits).await;
}

#[tokio::test(start_paused = true)]
async fn the_limit_follows_a_service_that_answers_429() {
    follows(Excess::IsSentAway).await;
}

/// Answers what a test says, sample by sample, and keeps the samples.
#[derive(Debug)]
struct Told {
    answers: Vec<Option<(u32, &'static str)>>,
    samples: Samples,
}

impl Governor for Told {
    fn adjust(&mut self, sample: &LoadSample, current: u32) -> Option<Adjustment> {
        self.samples.lock().unwrap().push((sample.clone(), current));
        let answer = if self.answers.is_empty() { None } else { self.answers.remove(0) };
        answer.map(|(limit, reason)| Adjustment::new(limit, reason))
    }

    fn range(&self) -> std::ops::RangeInclusive<u32> {
        1..=100
    }
}

type Samples = std::sync::Arc<std::sync::Mutex<Vec<(LoadSample, u32)>>>;

fn told(answers: &[Option<(u32, &'static str)>]) -> (Governing, Samples) {
    let samples = Samples::default();
    let governor = Told { answers: answers.to_vec(), samples: samples.clone() };
    (Governing::new(Box::new(governor)), samples)
}

#[tokio::test(start_paused = true)]
async fn a_governor_is_asked_once_a_window_and_its_answer_is_in_force_and_explained() {
    let ((delivery, _), (workload, census, _gate)) = (kept(), gated());
    let mill = mill(2);
    let (governing, samples) = told(&[None, Some((4, "growth")), Some((3, "latency"))]);
    mill.govern(governing);
    let handle = mill.open(batch(workload, 20, delivery));
    after(Duration::from_millis(1_500)).await;
    assert_eq!((census.running(), mill.limit().reason), (2, None));
    after(Duration::from_secs(1)).await;
    assert_eq!((census.running(), mill.limit().attempts), (4, 4));
    let why = Some("growth".to_owned());
    assert_eq!(handle.explain(9).unwrap().reason, Reason::Slots { limit: 4, why });
    after(Duration::from_secs(1)).await;
    let limit = mill.limit();
    assert_eq!((limit.attempts, limit.reason.as_deref()), (3, Some("latency")));
    assert!(handle.explain(9).unwrap().to_string().contains("all 3 slots are taken (the limit: latency)"));
    let samples: Vec<_> =
        samples.lock().unwrap().iter().map(|(sample, limit)| (sample.in_flight, sample.queued, *limit)).collect();
    assert_eq!(samples, [(2, 18, 2), (2, 18, 2), (4, 16, 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_sample_counts_ends_by_what_load_may_cause() {
    use batchmill_core::ErrorClass::{Permanent, Recoverable, Timeout, Transient};
    let classes = [None, Some(Transient), Some(Recoverable), Some(Timeout), Some(Permanent), None];
    let (delivery, _) = kept();
    let (workload, _) = crate::scripted(move |index, _| async move {
        match classes[usize::try_from(index).unwrap()] {
            None => batchmill_core::Outcome::Succeeded,
            Some(class) => crate::metrics::failed(class, "scripted"),
        }
    });
    let mill = mill(2);
    let (governing, samples) = told(&[]);
    mill.govern(governing);
    settle().await;
    mill.open(batch(workload, 6, delivery)).wait().await;
    after(Duration::from_millis(2_500)).await;
    let samples = samples.lock().unwrap();
    let counts = |at: usize| {
        let sample = &samples[at].0;
        (sample.finished, sample.failed, sample.strained, sample.throttled, sample.interval.as_secs())
    };
    assert_eq!((counts(0), counts(1)), ((6, 4, 3, 1, 1), (0, 0, 0, 0, 1)));
}

#[tokio::test(start_paused = true)]
async fn what_the_machine_shows_is_told_and_what_stands_above_holds() {
    let mut settings = Settings::new(at_once_at_most(2));
    settings.resources.ladder = Some(Ladder::default());
    let mill = Mill::<crate::Scripted>::start(&settings, scheduler());
    let (mut governing, samples) = told(&[Some((50, "growth")), Some((60, "growth")), Some((5, "latency"))]);
    governing.ceiling = Some((at_once_at_most(20), "descriptors"));
    mill.govern(governing);
    after(Duration::from_millis(2_500)).await;
    let limit = mill.limit();
    assert_eq!((limit.attempts, limit.reason.as_deref()), (20, Some("descriptors")));
    after(Duration::from_secs(1)).await;
    assert_eq!(mill.limit().attempts, 5);
    let samples: Vec<_> = samples.lock().unwrap().iter().map(|(s, limit)| (s.memory_ratio.is_some(), *limit)).collect();
    assert_eq!(samples, [(true, 2), (true, 20), (true, 20)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_outside_the_range_is_passed_over_and_a_person_is_above_all() {
    let mill = mill(2);
    let (governing, samples) = told(&[Some((0, "zero")), Some((101, "far")), Some((9, "growth")), None, None]);
    mill.govern(governing);
    after(Duration::from_millis(2_500)).await;
    assert_eq!(mill.limit().attempts, 2);
    after(Duration::from_secs(1)).await;
    assert_eq!(mill.limit().attempts, 9);
    mill.set_concurrency(at_once_at_most(3));
    assert_eq!((mill.limit().attempts, mill.limit().reason), (3, None), "somebody asked for it");
    after(Duration::from_secs(1)).await;
    assert_eq!(samples.lock().unwrap().last().unwrap().1, 3, "it is told so");
}

#[tokio::test(start_paused = true)]
async fn changes_are_counted_by_their_reason() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let mill = crate::metrics::counting(2, scheduler());
    let (governing, _) = told(&[Some((3, "growth")), Some((4, "growth")), Some((4, "growth")), Some((1, "latency"))]);
    mill.govern(governing);
    after(Duration::from_millis(4_500)).await;
    mill.publish_metrics();
    crate::metrics::assert_sums(
        &recorder,
        &[
            ("batchmill_concurrency_limit_changes_total{reason=\"growth\"}", 2.0),
            ("batchmill_concurrency_limit_changes_total{reason=\"latency\"}", 1.0),
            ("batchmill_concurrency_limit_changes_total{reason=\"request\"}", 0.0),
            ("batchmill_concurrency_limit ", 1.0),
        ],
    );
}

#[derive(Debug)]
struct Panics;

impl Governor for Panics {
    fn adjust(&mut self, _: &LoadSample, _: u32) -> Option<Adjustment> {
        panic!("out of order")
    }
}

#[tokio::test(start_paused = true)]
async fn a_governor_that_panics_ends_the_host_and_is_named() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let ((delivery, _), (workload, _, _gate)) = (kept(), gated());
    let mill = crate::metrics::counting(1, scheduler());
    mill.govern(Governing::new(Box::new(Panics)));
    let end = mill.open(batch(workload, 1, delivery)).wait().await;
    let Verdict::HostFailed(message) = &end.verdict else { panic!("{:?}", end.verdict) };
    assert_eq!(message, "a decision of the governor plugin panicked: out of order");
    crate::metrics::assert_sums(&recorder, &[("batchmill_plugin_panics_total{name=\"governor\"}", 1.0)]);
}
