//! One job, as the model knows it.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::MonoTime;
use batchmill_dispatch::{Setback, StopCause};

use super::{At, Check, Job, hold};

impl Job {
    pub(super) fn waits(&self) -> bool {
        matches!(self.at, At::Pending | At::Ready | At::Backoff(_))
    }

    pub(super) fn is_past_deadline(&self, now: MonoTime) -> bool {
        self.new.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it has waited too long, if it waits.
    pub(super) fn is_too_late(&self, now: MonoTime) -> bool {
        self.expiry().is_some_and(|at| at <= now)
    }

    /// When it has waited too long, for whichever of its limits.
    pub(super) fn expiry(&self) -> Option<MonoTime> {
        [self.new.deadline, self.start_due(), self.job_due()].into_iter().flatten().min()
    }

    fn start_due(&self) -> Option<MonoTime> {
        let limit = self.queue_timeout.filter(|_| self.epoch == 0)?;
        let from = self.sealed_at?;
        Some(self.new.after.map_or(from, |after| after.max(from)) + limit)
    }

    pub(super) fn job_due(&self) -> Option<MonoTime> {
        Some(self.first_started? + self.job_timeout?)
    }

    /// What an attempt is given that starts now.
    pub(super) fn limit_from(&self, now: MonoTime, usual: Option<Duration>) -> Option<Duration> {
        let left = self.job_timeout.map(|limit| self.job_due().map_or(limit, |due| due - now));
        self.new.timeout.or(usual).into_iter().chain(left).min()
    }

    /// Whether one more loss of its host is the limit.
    pub(crate) fn is_suspect(&self, limit: u32) -> bool {
        self.crashes > 0 && self.crashes + 1 == limit
    }

    /// Whether what another host is told of it is the truth.
    pub(super) fn is_handed_on(&self, setback: &Setback, due: MonoTime) -> Check {
        let failures: BTreeMap<_, _> = setback.failures.iter().cloned().collect();
        let counters = (setback.attempts, setback.crashes, setback.tries.len());
        hold!(counters == (self.attempts, self.crashes, self.tries), "wrong counters: {setback:?} of {self:?}");
        hold!(failures == self.failures, "wrong failures: {setback:?} of {self:?}");
        let without = setback.given_up.iter().map(|up| &up.node);
        hold!(without.eq(&self.given_up), "wrong nodes are given up: {setback:?} of {self:?}");
        let moments = (setback.first_started, setback.due);
        hold!(moments == (self.first_started, due), "wrong moments: {setback:?} of {self:?}");
        Ok(())
    }

    /// Notes a reason to end; the first that decides about the job stays.
    pub(super) fn told(&mut self, cause: StopCause, step: u64) {
        let again = |cause: StopCause| matches!(cause, StopCause::Host | StopCause::Pressure);
        let undecided = self.stop.iter().all(|known| again(*known));
        if !self.stop.is_empty() && undecided && again(cause) {
            return;
        }
        if undecided || self.stop_step == step {
            self.stop.retain(|known| !again(*known));
            self.stop.push(cause);
            self.stop_step = step;
        }
    }
}
