//! The metrics that the executor counts: handles are made once, because a kept handle costs a tenth of a named one.

use std::collections::HashMap;

use batchmill_core::{ErrorClass, JobResult, Outcome, Status, Tenant};
use batchmill_dispatch::Totals;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// A label with more values than this folds into [`OTHER`].
const LABEL_VALUES_MAX: usize = 100;
const OTHER: &str = "other";

const OUTCOMES: [&str; 4] = ["succeeded", "failed", "stopped", "lost"];

/// Counters of the host as a whole.
#[derive(Debug)]
pub(crate) struct Meters {
    attempts: [Counter; 4],
    retries: Vec<(ErrorClass, Counter)>,
    running: Gauge,
    limit: Gauge,
    backoff: Gauge,
    draining: Gauge,
    violations: Counter,
    attempt_duration: Histogram,
    decision: Histogram,
}

impl Meters {
    /// Makes all handles, so that every label value starts at 0.
    pub(crate) fn new() -> Self {
        let zero = |counter: Counter| {
            counter.increment(0);
            counter
        };
        Self {
            attempts: OUTCOMES.map(|outcome| zero(counter!("batchmill_attempts_total", "outcome" => outcome))),
            retries: ErrorClass::ALL
                .into_iter()
                .map(|class| (class, zero(counter!("batchmill_retries_total", "class" => class.as_str()))))
                .collect(),
            running: gauge!("batchmill_jobs_running"),
            limit: gauge!("batchmill_concurrency_limit"),
            backoff: gauge!("batchmill_backoff_jobs"),
            draining: gauge!("batchmill_draining"),
            violations: zero(counter!("batchmill_conservation_violations_total")),
            attempt_duration: histogram!("batchmill_attempt_duration_seconds"),
            decision: histogram!("batchmill_schedule_decision_seconds"),
        }
    }

    pub(crate) fn attempt(&self, outcome: &Outcome, ran: std::time::Duration) {
        let place = match outcome {
            Outcome::Succeeded => 0,
            Outcome::Failed(_) => 1,
            Outcome::Lost => 3,
            _ => 2,
        };
        self.attempts[place].increment(1);
        self.attempt_duration.record(ran);
    }

    pub(crate) fn decision(&self, took: std::time::Duration) {
        self.decision.record(took);
    }

    pub(crate) fn retry(&self, class: ErrorClass) {
        if let Some((_, counter)) = self.retries.iter().find(|(known, _)| *known == class) {
            counter.increment(1);
        }
    }

    pub(crate) fn violation(&self) {
        self.violations.increment(1);
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are f64; counts stay far below 2^52")]
    pub(crate) fn totals(&self, totals: &Totals, draining: bool, queued: &[(Tenant, u64)]) {
        self.running.set(f64::from(totals.running));
        self.limit.set(f64::from(totals.limit));
        self.backoff.set(totals.backing_off as f64);
        self.draining.set(f64::from(u8::from(draining)));
        let (named, folded) = queued.split_at(queued.len().min(LABEL_VALUES_MAX));
        for (tenant, queued) in named {
            gauge!("batchmill_queue_depth", "tenant" => tenant.to_string()).set(*queued as f64);
        }
        if !folded.is_empty() {
            let queued: u64 = folded.iter().map(|(_, queued)| queued).sum();
            gauge!("batchmill_queue_depth", "tenant" => OTHER).set(queued as f64);
        }
    }
}

/// Counters of the results of one batch, by tenant.
#[derive(Debug)]
pub(crate) struct ResultMeters {
    flow: String,
    by_tenant: HashMap<Tenant, Vec<Counter>>,
    queue_wait: Histogram,
    duration: Histogram,
}

impl ResultMeters {
    pub(crate) fn new(flow: &str) -> Self {
        let mut meters = Self {
            flow: flow.to_owned(),
            by_tenant: HashMap::new(),
            queue_wait: histogram!("batchmill_queue_wait_seconds"),
            duration: histogram!("batchmill_job_duration_seconds"),
        };
        meters.counters(&Tenant::default());
        meters
    }

    fn counters(&mut self, tenant: &Tenant) -> &[Counter] {
        let Self { flow, by_tenant, .. } = self;
        let name = if by_tenant.len() < LABEL_VALUES_MAX { tenant.as_str() } else { OTHER };
        by_tenant.entry(tenant.clone()).or_insert_with(|| {
            let make = |status: Status| {
                let labels =
                    [("status", status.as_str().to_owned()), ("flow", flow.clone()), ("tenant", name.to_owned())];
                let counter = counter!("batchmill_jobs_total", &labels);
                counter.increment(0);
                counter
            };
            Status::ALL.into_iter().map(make).collect()
        })
    }

    pub(crate) fn count(&mut self, results: &[JobResult]) {
        for result in results {
            let place = Status::ALL.iter().position(|status| *status == result.status).unwrap_or(0);
            self.counters(&result.tenant)[place].increment(1);
            if result.started_at.is_some() {
                self.queue_wait.record(result.queued);
                self.duration.record(result.duration);
            }
        }
    }
}
