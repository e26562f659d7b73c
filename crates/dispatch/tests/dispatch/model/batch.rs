//! One batch, as the model knows it.

use batchmill_core::Status;
use batchmill_dispatch::StopCause;

use super::{At, Batch, Close, Job};

impl Batch {
    pub(super) fn running(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job.at, At::Running(_))).count()
    }

    pub(super) fn recording(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job.at, At::Recording(_))).count()
    }

    /// Whether it is a trial that has begun all it may.
    pub(super) fn is_limit_reached(&self) -> bool {
        let begun = self.jobs.iter().filter(|job| job.epoch > 0).count() as u64;
        self.opened.plan.limit.is_some_and(|limit| begun >= limit.get())
    }

    pub(super) fn leaves_out(&self, job: &Job) -> bool {
        job.epoch == 0 && self.is_limit_reached()
    }

    /// Jobs that a trial leaves out wait for another host, not for a start.
    pub(super) fn leave_out(&mut self) {
        if self.is_limit_reached() {
            self.jobs.iter_mut().filter(|job| job.epoch == 0).for_each(|job| job.sealed_at = None);
        }
    }

    pub(super) fn is_trial_over(&self) -> bool {
        let open = |job: &&Job| job.epoch > 0 && !matches!(job.at, At::Ended(_));
        self.is_limit_reached() && self.recording() == 0 && self.jobs.iter().find(open).is_none()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.jobs.iter().all(|job| matches!(job.at, At::Ended(_)))
    }

    pub(super) fn begin_close(&mut self, close: Close, stop: Option<StopCause>, step: u64) {
        if self.closing.is_empty() || self.close_step == step {
            self.closing.push(close);
            self.close_step = step;
        }
        if let Some(cause) = stop {
            self.stop_running(cause, step);
        }
    }

    /// Every attempt that runs is told to end.
    pub(super) fn stop_running(&mut self, cause: StopCause, step: u64) {
        for job in self.jobs.iter_mut().filter(|job| matches!(job.at, At::Running(_))) {
            job.told(cause, step);
        }
    }

    /// Whether anything of it may start, its deadline aside.
    pub(super) fn is_open_for_starts(&self) -> bool {
        let waits = self.paused.is_some() || self.storage_full;
        self.sealed && !waits && self.closing.is_empty() && self.cut_off.is_none()
    }

    /// How a job ends that waits while the batch closes.
    pub(super) fn ends_of_waiting(&self) -> Vec<Status> {
        let end = |close: &Close| if *close == Close::Cancelled { Status::Cancelled } else { Status::Skipped };
        self.told.iter().chain(if self.told.is_none() { &self.closing[..] } else { &[] }).map(end).collect()
    }
}
