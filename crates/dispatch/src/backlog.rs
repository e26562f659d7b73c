//! What a backlog costs: every job of a batch waits for its retry.

use std::{sync::Arc, time::Duration};

use batchmill_core::{
    AttemptFailure, Draw, ErrorClass, FailedAttempt, MonoTime, NodeError, NodeFailure, Outcome, RetryDecision,
    RetryPolicy, RetryRef, Usage,
};
use batchmill_scheduler_fifo::Fifo;

use crate::{BatchKey, BatchSetup, Dispatch, Effect, Event, NewJob, Settings, batch::Row};

/// Room doubles as timers become more: as much of it is left over as with a million.
const JOBS: usize = 250_000;
/// 0.3 of what a sleeping task of tokio takes: 448 bytes.
const BYTES_MAX: f64 = 0.3 * 448.0;

/// A retry in an hour.
#[derive(Debug)]
struct Later;

impl RetryPolicy for Later {
    fn decide(&self, _: &FailedAttempt) -> RetryDecision {
        RetryDecision::After(Duration::from_secs(3600))
    }
}

fn failed() -> Outcome {
    let error = NodeError::new(ErrorClass::Transient, "http_status", "HTTP 503 Service Unavailable");
    let failure = NodeFailure::at_node("fetch".into(), error, RetryRef(0), false);
    Outcome::Failed(Box::new(AttemptFailure::new(failure)))
}

/// A dispatch all of whose jobs have failed once.
fn all_failed() -> (Dispatch, BatchKey) {
    let strategy = batchmill_failure_halt::Halt::new(&batchmill_failure_halt::Options::default()).expect("no rules");
    let mut setup = BatchSetup::new(Box::new(strategy), vec![Arc::new(Later)]);
    setup.expected_jobs = JOBS;
    let settings = Settings::new(100.try_into().expect("not 0"));
    let (mut dispatch, mut effects) = (Dispatch::new(settings, Box::new(Fifo::new())), Vec::new());
    let batch = dispatch.open(setup, MonoTime::ZERO);
    for _ in 0..JOBS / 10_000 {
        let jobs = vec![NewJob::default(); 10_000];
        dispatch.step(MonoTime::ZERO, Event::JobsAccepted { batch, jobs }, &mut effects);
    }
    dispatch.step(MonoTime::ZERO, Event::Sealed { batch }, &mut effects);
    while !effects.is_empty() {
        for effect in std::mem::take(&mut effects) {
            if let Effect::Start(start) = effect {
                let (usage, draw) = (Usage::new(Duration::from_millis(1)), Draw::from_bits(0));
                let event = Event::AttemptEnded { lease: start.lease, outcome: failed(), usage, draw };
                dispatch.step(MonoTime::ZERO, event, &mut effects);
            }
        }
    }
    (dispatch, batch)
}

#[test]
fn a_job_that_waits_for_its_retry_takes_a_third_of_a_sleeping_task() {
    let (dispatch, key) = all_failed();
    assert_eq!(dispatch.totals().backing_off, JOBS as u64);
    let batch = dispatch.batch(key).expect("it is open");
    let parts = [
        ("rows", batch.rows.capacity() * size_of::<Row>()),
        ("what is remembered of them", batch.troubles.bytes()),
        ("timers", dispatch.timers.bytes()),
    ];
    let each: f64 = parts.iter().map(|(_, bytes)| *bytes as f64 / JOBS as f64).sum();
    assert!(each <= BYTES_MAX, "{each:.1} bytes a job: {parts:?}");
    // Its history is there all the same.
    let why = dispatch.explain(key, 0, MonoTime::ZERO).expect("it waits").to_string();
    assert!(why.ends_with("attempt 1 failed: transient: HTTP 503 Service Unavailable"), "{why}");
}
