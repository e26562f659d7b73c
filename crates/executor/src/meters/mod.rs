//! The metrics that the executor counts.
//!
//! What happens once a job is counted in plain integers under the lock that is held anyway ([`Tally`]) and handed to the
//! recorder with the gauges, about once a second and at the end of each batch. Handles are made once, because a kept
//! handle costs a tenth of a named one.

mod bins;
mod feeds;
mod folding;
mod results;
mod tally;

use std::{borrow::Cow, sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, Tenant};
use batchmill_dispatch::{Decider, Totals};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use self::folding::{Folding, Labels};

pub(crate) use self::{feeds::FeedMeters, results::ResultMeters, tally::Tally};

/// What the label `reason` says of a limit that somebody asked for.
const ON_REQUEST: &str = "request";

/// What the label `name` says of a panic inside an attempt.
const NODE: &str = "node";

/// Metrics of the host as a whole.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) labels: Arc<Labels>,
    attempts: [Counter; Tally::OUTCOMES.len()],
    retries: [Counter; ErrorClass::ALL.len()],
    running: Gauge,
    limit: Gauge,
    /// By reason: words that plugins choose.
    limit_reasons: Folding,
    backoff: Gauge,
    draining: Gauge,
    violations: Counter,
    decider_panics: [Counter; Decider::ALL.len()],
    node_panics: Counter,
    attempt_duration: Histogram,
    decision: Histogram,
}

impl Meters {
    /// Makes all handles, so that every label value starts at 0.
    pub(crate) fn new() -> Self {
        let panics = |name| from_zero(counter!("batchmill_plugin_panics_total", "name" => name));
        Self {
            labels: Arc::default(),
            attempts: Tally::OUTCOMES
                .map(|outcome| from_zero(counter!("batchmill_attempts_total", "outcome" => outcome))),
            retries: ErrorClass::ALL
                .map(|class| from_zero(counter!("batchmill_retries_total", "class" => class.as_str()))),
            running: gauge!("batchmill_jobs_running"),
            limit: gauge!("batchmill_concurrency_limit"),
            limit_reasons: limit_reasons(),
            backoff: gauge!("batchmill_backoff_jobs"),
            draining: gauge!("batchmill_draining"),
            violations: from_zero(counter!("batchmill_conservation_violations_total")),
            decider_panics: Decider::ALL.map(|decider| panics(decider.as_str())),
            node_panics: panics(NODE),
            attempt_duration: histogram!("batchmill_attempt_duration_seconds"),
            decision: histogram!("batchmill_schedule_decision_seconds"),
        }
    }

    pub(crate) fn decision(&self, took: Duration) {
        self.decision.record(took);
    }

    /// The limit became another one, for this reason; without one, somebody asked for it.
    pub(crate) fn limit_changed(&self, reason: Option<Cow<'static, str>>) {
        let reason = reason.unwrap_or(Cow::Borrowed(ON_REQUEST));
        let reason = self.limit_reasons.fold(&reason).to_owned();
        counter!("batchmill_concurrency_limit_changes_total", "reason" => reason).increment(1);
    }

    pub(crate) fn violation(&self) {
        self.violations.increment(1);
    }

    pub(crate) fn decider_panicked(&self, decider: Decider) {
        if let Some(place) = Decider::ALL.iter().position(|known| *known == decider) {
            self.decider_panics[place].increment(1);
        }
    }

    /// Hands over what was counted since the last time.
    pub(crate) fn add(&self, tally: &Tally) {
        for (counter, ended) in self.attempts.iter().zip(tally.attempts) {
            counter.increment(ended);
        }
        for (counter, repeated) in self.retries.iter().zip(tally.retries) {
            counter.increment(repeated);
        }
        self.node_panics.increment(tally.node_panics);
        tally.ran.record(&self.attempt_duration);
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are f64; counts stay far below 2^52")]
    pub(crate) fn totals(&self, totals: &Totals, draining: bool, queued: &[(Tenant, u64)]) {
        self.running.set(f64::from(totals.running));
        self.limit.set(f64::from(totals.limit));
        self.backoff.set(totals.backing_off as f64);
        self.draining.set(f64::from(u8::from(draining)));
        let queued = queued.iter().map(|(tenant, queued)| (tenant.as_str(), *queued));
        for (tenant, queued) in self.labels.tenants.sums(queued) {
            gauge!("batchmill_queue_depth", "tenant" => tenant.to_owned()).set(queued as f64);
        }
    }
}

/// Every reason that is known before has its series from the start.
fn limit_reasons() -> Folding {
    counter!("batchmill_concurrency_limit_changes_total", "reason" => ON_REQUEST).increment(0);
    Folding::default()
}

/// A counter that is there before it counts.
fn from_zero(counter: Counter) -> Counter {
    counter.increment(0);
    counter
}
