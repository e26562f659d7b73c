//! The results of one batch, by tenant.

use std::{collections::HashMap, sync::Arc};

use batchmill_core::{JobResult, Status, Tenant};
use metrics::{Counter, Histogram, counter, histogram};

use super::{bins::Bins, folding::Labels, from_zero};

/// A counter a status.
type ByStatus = [Counter; Status::ALL.len()];

/// Counts results when somebody has taken them.
#[derive(Debug)]
pub(crate) struct ResultMeters {
    flow: String,
    labels: Arc<Labels>,
    tenants: Vec<ByStatus>,
    /// By the value of the label: at most as many as are named, and one.
    known: HashMap<String, usize>,
    queue_wait: Histogram,
    duration: Histogram,
    /// Results under way. Jobs of one tenant and status that follow each other are one entry.
    noted: Vec<Noted>,
    /// Of those that started.
    waits: Bins,
    durations: Bins,
}

#[derive(Debug)]
struct Noted {
    tenant: usize,
    status: usize,
    jobs: u64,
}

impl ResultMeters {
    pub(crate) fn new(flow: &str, labels: Arc<Labels>) -> Self {
        Self {
            flow: labels.flows.fold(flow).to_owned(),
            labels,
            tenants: Vec::new(),
            known: HashMap::new(),
            queue_wait: histogram!("batchmill_queue_wait_seconds"),
            duration: histogram!("batchmill_job_duration_seconds"),
            noted: Vec::new(),
            waits: Bins::default(),
            durations: Bins::default(),
        }
    }

    /// Lets the series of these jobs start at 0.
    pub(crate) fn expect<'t>(&mut self, tenants: impl Iterator<Item = &'t Tenant>) {
        let mut last = None;
        for tenant in tenants {
            // Jobs come in runs of one tenant.
            if last.replace(tenant) != Some(tenant) {
                self.tenant(tenant);
            }
        }
    }

    /// Remembers results that are about to be delivered.
    pub(crate) fn note(&mut self, results: &[JobResult]) {
        self.noted.clear();
        (self.waits, self.durations) = Default::default();
        for run in results.chunk_by(|a, b| a.tenant == b.tenant && a.status == b.status) {
            let tenant = self.tenant(&run[0].tenant);
            let status = Status::ALL.iter().position(|status| *status == run[0].status).unwrap_or(0);
            self.noted.push(Noted { tenant, status, jobs: run.len() as u64 });
        }
        for result in results.iter().filter(|result| result.started_at.is_some()) {
            self.waits.add(result.queued);
            self.durations.add(result.duration);
        }
    }

    /// Counts what was noted: it is delivered.
    pub(crate) fn count_noted(&mut self) {
        for Noted { tenant, status, jobs } in self.noted.drain(..) {
            self.tenants[tenant][status].increment(jobs);
        }
        self.waits.record(&self.queue_wait);
        self.durations.record(&self.duration);
    }

    /// The place of a tenant, or of all that are folded. All statuses start at 0 when it is met first.
    fn tenant(&mut self, tenant: &Tenant) -> usize {
        if let Some(place) = self.known.get(tenant.as_str()) {
            return *place;
        }
        let name = self.labels.tenants.fold(tenant.as_str());
        if let Some(place) = self.known.get(name) {
            return *place;
        }
        let of_status = |status: Status| {
            let labels =
                [("status", status.as_str().to_owned()), ("flow", self.flow.clone()), ("tenant", name.to_owned())];
            from_zero(counter!("batchmill_jobs_total", &labels))
        };
        self.tenants.push(Status::ALL.map(of_status));
        self.known.insert(name.to_owned(), self.tenants.len() - 1);
        self.tenants.len() - 1
    }
}
