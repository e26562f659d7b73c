//! What a mill counts, as a recorder shows it. The recorder is that of the test's thread, on which everything runs.

use std::sync::Arc;

use batchmill_core::{
    AttemptFailure, Checkpoint, CheckpointId, Checkpointer, Directive, Entry, ErrorClass, FailedAttempt,
    FailureStrategy, FinalResult, Job, JobId, MonoTime, NodeError, NodeFailure, Outcome, Pick, QueuePosition,
    RetryDecision, RetryPolicy, Scheduler, StateData, Tenant, ThreadId, Token, Verdict,
};
use batchmill_executor::{Mill, Opening, Settings, TimedCheckpointer};
use batchmill_flow::MemoryCheckpointer;
use batchmill_metrics_prometheus::Recorder;

use crate::{Scripted, at_once, at_once_at_most, batch, kept, scheduler, scripted};

pub(crate) fn counting(concurrency: u32, scheduler: Box<dyn Scheduler>) -> Mill<Scripted> {
    let mut settings = Settings::new(at_once_at_most(concurrency));
    settings.metrics = true;
    Mill::start(&settings, scheduler)
}

/// The sum of all samples that begin so.
fn sum(recorder: &Recorder, begins: &str) -> f64 {
    let text = recorder.render();
    let samples = text.lines().filter(|line| line.starts_with(begins)).filter_map(|line| line.rsplit(' ').next());
    samples.map(|number| number.parse::<f64>().unwrap()).sum()
}

#[track_caller]
pub(crate) fn assert_sums(recorder: &Recorder, expected: &[(&str, f64)]) {
    for (begins, number) in expected {
        assert!((sum(recorder, begins) - number).abs() < 1e-9, "{begins} is not {number}:\n{}", recorder.render());
    }
}

pub(crate) fn failed(class: ErrorClass, code: &'static str) -> Outcome {
    let failure = NodeFailure::of_attempt(NodeError::new(class, code, "made to fail"));
    Outcome::Failed(Box::new(AttemptFailure::new(failure)))
}

#[tokio::test]
async fn every_attempt_and_every_job_is_counted_once_and_one_decision_in_64_is_timed() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let (delivery, _) = kept();
    let (workload, _) = scripted(|index, _| async move {
        assert_ne!(index, 7, "seven panics");
        if index == 8 { failed(ErrorClass::Permanent, "bad") } else { Outcome::Succeeded }
    });
    let mill = counting(3, scheduler());
    assert_sums(&recorder, &[("batchmill_attempts_total", 0.0), ("batchmill_plugin_panics_total", 0.0)]);
    let end = mill.open(batch(workload, 200, delivery)).wait().await;
    assert_eq!((end.counts.succeeded, end.counts.failed), (198, 2));
    assert_sums(
        &recorder,
        &[
            ("batchmill_attempts_total{outcome=\"succeeded\"}", 198.0),
            ("batchmill_attempts_total{outcome=\"failed\"}", 2.0),
            ("batchmill_attempts_total", 200.0),
            ("batchmill_jobs_total{flow=\"batch-of-200\",status=\"succeeded\",tenant=\"default\"}", 198.0),
            ("batchmill_jobs_total", 200.0),
            ("batchmill_attempt_duration_seconds_count", 200.0),
            ("batchmill_queue_wait_seconds_count", 200.0),
            ("batchmill_job_duration_seconds_count", 200.0),
            ("batchmill_schedule_decision_seconds_count", 4.0),
            ("batchmill_plugin_panics_total{name=\"node\"}", 1.0),
            ("batchmill_plugin_panics_total", 1.0),
            ("batchmill_jobs_running", 0.0),
            ("batchmill_conservation_violations_total", 0.0),
        ],
    );
}

#[tokio::test]
async fn jobs_that_nobody_took_are_not_counted() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let ((mut delivery, _), (workload, _)) = (kept(), at_once());
    delivery.error = Some("the disk is full");
    counting(2, scheduler()).open(batch(workload, 20, delivery)).wait().await;
    assert_sums(&recorder, &[("batchmill_jobs_total", 0.0), ("batchmill_job_duration_seconds_count", 0.0)]);
    assert!(sum(&recorder, "batchmill_attempts_total") >= 1.0, "they did run");
}

#[tokio::test]
async fn a_limit_is_counted_when_it_becomes_another_one() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let mill = counting(3, scheduler());
    for limit in [3, 5, 5, 4] {
        mill.set_concurrency(at_once_at_most(limit));
    }
    mill.publish_metrics();
    assert_sums(
        &recorder,
        &[
            ("batchmill_concurrency_limit_changes_total{reason=\"request\"}", 2.0),
            ("batchmill_concurrency_limit ", 4.0),
        ],
    );
}

fn of_tenants(opening: &mut Opening<Scripted>, tenants: std::ops::Range<u32>) {
    let job = |n: u32| {
        let mut job = Job::new(JobId::from(u64::from(n)), StateData::new());
        job.tenant = Tenant::new(&format!("tenant-{n}")).unwrap();
        job
    };
    opening.jobs = Arc::new(tenants.map(job).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_first_hundred_tenants_of_a_host_keep_their_names_over_all_batches() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let mill = counting(2, scheduler());
    for tenants in [0..80, 50..150, 0..150] {
        let ((delivery, _), (workload, _)) = (kept(), at_once());
        let mut opening = batch(workload, 1, delivery);
        of_tenants(&mut opening, tenants);
        mill.open(opening).wait().await;
    }
    let of = |tenant| {
        let sample = format!("batchmill_jobs_total{{flow=\"batch-of-1\",status=\"succeeded\",tenant=\"{tenant}\"}}");
        sum(&recorder, &sample)
    };
    // Two batches have tenant 0, three tenant 70, and two the fifty that came too late to be named.
    assert_eq!((of("tenant-0"), of("tenant-70"), of("tenant-99")), (2.0, 3.0, 2.0));
    assert_eq!((of("tenant-100"), of("other")), (0.0, 100.0));
    assert_sums(&recorder, &[("batchmill_jobs_total", 330.0), ("batchmill_queue_depth", 0.0)]);
    let depths = recorder.render().lines().filter(|line| line.starts_with("batchmill_queue_depth{")).count();
    assert_eq!(depths, 101);
}

/// A plugin of any kind that panics when it is asked.
#[derive(Debug)]
struct Panics;

impl Scheduler for Panics {
    fn push(&mut self, _: Entry<'_>) {}
    fn pop(&mut self, _: MonoTime) -> Pick {
        panic!("out of order")
    }
    fn remove(&mut self, _: Token) -> bool {
        false
    }
    fn len(&self) -> usize {
        1
    }
    fn explain(&self, _: Token, _: MonoTime) -> Option<QueuePosition> {
        None
    }
}

impl RetryPolicy for Panics {
    fn decide(&self, _: &FailedAttempt) -> RetryDecision {
        panic!("out of order")
    }
}

impl FailureStrategy for Panics {
    fn on_result(&mut self, _: &FinalResult, _: u64) -> Directive {
        panic!("out of order")
    }
}

#[tokio::test]
async fn a_panic_of_a_decision_is_told_and_counted_by_the_kind_of_its_plugin() {
    for kind in ["scheduler", "retry", "failure"] {
        let recorder = Recorder::default();
        let _here = metrics::set_default_local_recorder(&recorder);
        let ((delivery, _), (workload, _)) =
            (kept(), scripted(|_, _| std::future::ready(failed(ErrorClass::Transient, "unlucky"))));
        let mut opening = batch(workload, 1, delivery);
        let mut scheduling: Box<dyn Scheduler> = scheduler();
        match kind {
            "scheduler" => scheduling = Box::new(Panics),
            "retry" => opening.retry = vec![Arc::new(Panics)],
            _ => opening.failure = Box::new(Panics),
        }
        let end = counting(1, scheduling).open(opening).wait().await;
        let Verdict::HostFailed(message) = &end.verdict else { panic!("{:?}", end.verdict) };
        assert_eq!(*message, format!("a decision of the {kind} plugin panicked: out of order"));
        let of_kind = format!("batchmill_plugin_panics_total{{name=\"{kind}\"}}");
        assert_sums(&recorder, &[(&of_kind, 1.0), ("batchmill_plugin_panics_total", 1.0)]);
    }
}

#[tokio::test]
async fn writes_of_checkpoints_are_timed_and_nothing_else_of_them() {
    let recorder = Recorder::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let checkpointer = TimedCheckpointer::new(Arc::new(MemoryCheckpointer::new()));
    let thread = ThreadId::new("batch/job");
    for step in 1..=2 {
        let checkpoint = Checkpoint::new(CheckpointId(step), step, StateData::new(), Vec::new());
        checkpointer.put(&thread, checkpoint).await.unwrap();
    }
    assert_eq!(checkpointer.list(&thread).await.unwrap().len(), 2);
    assert_eq!(checkpointer.get(&thread, None).await.unwrap().unwrap().id, CheckpointId(2));
    checkpointer.delete_thread(&thread).await.unwrap();
    assert!(checkpointer.get(&thread, None).await.unwrap().is_none(), "it hands everything on");
    assert_sums(&recorder, &[("batchmill_checkpoint_write_seconds_count", 2.0)]);
}
