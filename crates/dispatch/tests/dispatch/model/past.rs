//! What earlier hosts left, as the model takes it.

use std::collections::BTreeMap;

use batchmill_core::{Closing, MonoTime, Pause, Status};
use batchmill_dispatch::{NewJob, Past, Setback};

use super::{At, Batch, Check, Close, Job, Model, Paused, effects::hold};
use crate::halting;

impl Batch {
    pub(super) fn accepted(&self, new: &NewJob, now: MonoTime, step: u64) -> Job {
        let waits = new.after.is_some_and(|after| after > now);
        let mut job = Job {
            new: new.clone(),
            accepted: self.opened.accepted.unwrap_or(now),
            at: if waits { At::Pending } else { At::Ready },
            epoch: 0,
            attempts: 0,
            crashes: 0,
            kills: 0,
            level: 0,
            tries: 0,
            failures: BTreeMap::new(),
            given_up: Vec::new(),
            backoff_step: step,
            first_started: None,
            started: now,
            stop: Vec::new(),
            stop_step: 0,
            stop_sent: false,
            deadline_fired: false,
            queue_timeout: self.opened.plan.queue_timeout,
            sealed_at: None,
            job_timeout: self.opened.plan.job_timeout,
            limit: None,
            is_expired: false,
            doomed: Vec::new(),
        };
        match &new.past {
            Past::Ended(status) => {
                job.at = At::Ended(*status);
                // It began, as far as a trial can know.
                job.epoch = u32::from(!matches!(status, Status::Cancelled | Status::Skipped));
            }
            Past::Interrupted(setback) => {
                let in_line = self.opened.plan.budget.is_some() && setback.attempts > 0;
                job.at = if setback.due > now || in_line { At::Backoff(setback.due) } else { At::Ready };
                job.remember(setback);
            }
            _ => {}
        }
        job
    }

    /// Those that lost their hosts too often have their end when the total is known.
    pub(super) fn doom_poison(&mut self) {
        let limit = self.opened.plan.crash_limit;
        for job in self.jobs.iter_mut().filter(|job| job.waits() && job.crashes > 0 && job.crashes >= limit) {
            job.doomed.push(Status::Quarantined);
        }
    }

    /// Takes what an earlier host decided about the whole of it.
    pub(super) fn goes_on(&mut self, closing: Option<&Closing>, paused: Option<&Pause>) {
        self.told = closing.map(|closing| match closing {
            Closing::Halted(reason) => Close::Halted(reason.rule.clone()),
            Closing::Cancelled => Close::Cancelled,
            Closing::DeadlinePassed => Close::Deadline,
        });
        self.closing = self.told.iter().cloned().collect();
        self.paused = paused.map(|pause| match pause {
            Pause::Rule(reason) => Paused::Rule(reason.rule.clone()),
            _ => Paused::Requested,
        });
    }
}

impl Job {
    fn remember(&mut self, setback: &Setback) {
        (self.epoch, self.attempts, self.crashes) = (1, setback.attempts, setback.crashes);
        self.tries = setback.tries.len();
        self.failures = setback.failures.iter().cloned().collect();
        self.given_up = setback.given_up.iter().map(|up| up.node.clone()).collect();
        self.first_started = setback.first_started;
    }
}

impl Model {
    /// The strategies have heard again what they are to hear, and nothing came of it.
    pub(super) fn is_recalled(&mut self) -> Check {
        for batch in self.batches.values_mut() {
            let total = batch.jobs.len() as u64;
            for end in std::mem::take(&mut batch.recalled) {
                let heard = batch.opened.heard.lock().unwrap().pop_front().ok_or("the strategy was not told again")?;
                let told = (heard.status, heard.class, heard.total);
                hold!(told == (end.status, end.class, total), "it was told {heard:?} again instead of {end:?}");
                if let Some(halt) = &mut batch.opened.plan.halt {
                    let (right, answer) = (halt.hears(heard.status, total), halting::said(&heard.answer));
                    hold!(right == answer, "the rules say {right:?}, the strategy {answer:?}: {halt:?}");
                }
            }
        }
        Ok(())
    }
}
