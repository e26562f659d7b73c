//! What each event means to the model.

use batchmill_core::{
    AttemptFailure, Draw, ErrorClass, FailedAttempt, LimitKeys, MonoTime, Outcome, RetryDecision, Status, Usage,
};
use batchmill_dispatch::{Event, JournalFailure, Lease, NewJob, StopCause};

use super::{At, Batch, Close, Expect, Job, Model, Paused};

impl Model {
    pub(super) fn hear(&mut self, now: MonoTime, event: &Event) {
        let step = self.step;
        match event {
            Event::JobsAccepted { batch, jobs } => {
                if let Some(batch) = self.batches.get_mut(&batch.0) {
                    let jobs: Vec<_> = jobs
                        .iter()
                        .cloned()
                        .flat_map(NewJob::each)
                        .map(|job| batch.accepted(&job, now, step))
                        .collect();
                    batch.jobs.extend(jobs);
                }
            }
            Event::JobsAlike { batch, like } => {
                if let Some(batch) = self.batches.get_mut(&batch.0) {
                    let alike = |place: &u32| batch.accepted(&batch.jobs[*place as usize].new.clone(), now, step);
                    let jobs: Vec<_> = like.iter().map(alike).collect();
                    batch.jobs.extend(jobs);
                }
            }
            Event::Sealed { batch } => {
                if let Some(batch) = self.batches.get_mut(&batch.0) {
                    batch.sealed = true;
                    batch.jobs.iter_mut().for_each(|job| job.sealed_at = Some(now));
                    batch.leave_out();
                    batch.doom_poison();
                    doom_late(batch, now);
                }
            }
            Event::Recalled { batch, ends } => {
                if let Some(batch) = self.batches.get_mut(&batch.0) {
                    batch.recalled.clone_from(ends);
                }
            }
            Event::StorageFull { batch, why } => {
                if let Some(batch) = self.batches.get_mut(&batch.0) {
                    batch.storage_full = why.is_some();
                }
            }
            Event::AttemptEnded { lease, outcome, draw, usage } => {
                let keys = self.keys_of(*lease);
                self.attempt_ended(now, *lease, outcome, *draw, usage);
                if let Some(Running { keys, started, is_told }) = keys {
                    self.limits.asked_to_wait(&keys, outcome, now);
                    // A flow that goes on is the same attempt.
                    if !matches!(self.expect, Expect::GoOn { .. }) {
                        self.limits.ended(&keys, started, says(outcome, is_told), now);
                    }
                }
            }
            Event::LimitSet { limit, change } => self.limits.changed(limit.0.into(), *change, now),
            Event::PressureSampled { pressure } => self.looked(pressure),
            Event::TimerFired => self.timer_fired(now),
            Event::Answered { batch, jobs } => self.answered(batch.0, jobs),
            Event::DeliveryFailed { batch, message } => {
                self.cut_off(batch.0, JournalFailure::Broken(message.clone()));
            }
            Event::JournalFailed { batch, failure } => self.cut_off(batch.0, failure.clone()),
            Event::LimitChanged { limit, .. } => {
                self.settings.limit = *limit;
                self.highest_limit = self.highest_limit.max(limit.get());
            }
            Event::CancelRequested { batch, jobs } => {
                let Some(batch) = self.batches.get_mut(&batch.0) else { return };
                match jobs {
                    None => batch.begin_close(Close::Cancelled, Some(StopCause::Cancel), step),
                    Some(jobs) => jobs.iter().for_each(|index| cancel_one(batch, *index, step)),
                }
            }
            Event::PauseRequested { batch, paused } => {
                if let Some(batch) = self.batches.get_mut(&batch.0) {
                    batch.pause_is_due = batch.paused.is_some() != *paused;
                    batch.paused = paused.then(|| batch.paused.take().unwrap_or(Paused::Requested));
                }
            }
            Event::DrainRequested => self.draining = true,
            Event::StopRequested { .. } => {
                self.draining = true;
                self.batches.values_mut().for_each(|batch| stop_running(batch, StopCause::Host, step));
            }
            _ => unreachable!("an event that the model does not know: {event:?}"),
        }
    }

    fn keys_of(&self, lease: Lease) -> Option<Running> {
        self.live.get(&lease.slot.0).filter(|live| **live == lease)?;
        let job = self.batches.get(&lease.batch.0)?.jobs.get(lease.index as usize)?;
        Some(Running { keys: job.new.limits.clone(), started: job.started, is_told: !job.stop.is_empty() })
    }

    fn cut_off(&mut self, key: u32, failure: JournalFailure) {
        let step = self.step;
        if let Some(batch) = self.batches.get_mut(&key).filter(|batch| batch.cut_off.is_none()) {
            batch.cut_off = Some(failure);
            stop_running(batch, StopCause::Host, step);
        }
    }

    fn timer_fired(&mut self, now: MonoTime) {
        self.alarm = None;
        let step = self.step;
        self.serves_lines = true;
        for batch in self.batches.values_mut() {
            get_in_line(batch, now);
            for job in &mut batch.jobs {
                match job.at {
                    At::Pending if job.new.after.is_none_or(|after| after <= now) => job.at = At::Ready,
                    At::Backoff(due) if due <= now && batch.opened.plan.budget.is_none() => job.at = At::Ready,
                    At::Running(_) if !job.deadline_fired && job.is_past_deadline(now) => {
                        job.told(StopCause::JobDeadline, step);
                    }
                    _ => {}
                }
            }
            if batch.sealed {
                doom_late(batch, now);
            }
            for job in batch.jobs.iter_mut().filter(|job| job.is_past_deadline(now)) {
                job.deadline_fired = true;
            }
            for job in batch.jobs.iter_mut().filter(|job| job.waits() && job.is_too_late(now)) {
                job.is_expired = true;
            }
            if batch.opened.plan.deadline.is_some_and(|deadline| deadline <= now) && !batch.deadline_fired {
                batch.deadline_fired = true;
                batch.begin_close(Close::Deadline, Some(StopCause::BatchDeadline), step);
            }
        }
    }

    fn answered(&mut self, batch: u32, jobs: &[u32]) {
        let Some(batch) = self.batches.get_mut(&batch) else { return };
        for index in jobs {
            if let Some(job) = batch.jobs.get_mut(*index as usize)
                && let At::Recording(status) = job.at
            {
                job.at = At::Ended(status);
                self.unanswered -= 1;
            }
        }
    }

    fn attempt_ended(&mut self, now: MonoTime, lease: Lease, outcome: &Outcome, draw: Draw, usage: &Usage) {
        if self.live.get(&lease.slot.0) != Some(&lease) {
            self.stale += 1;
            return;
        }
        self.live.remove(&lease.slot.0);
        self.used(lease, usage);
        let batch = self.batches.get_mut(&lease.batch.0).expect("a batch is open while it runs");
        let closing = batch.ends_of_waiting();
        let job = &mut batch.jobs[lease.index as usize];
        let decided: Vec<Status> = job.stop.iter().filter_map(|cause| decides(*cause)).collect();
        let pressed = decided.is_empty() && job.stop.contains(&StopCause::Pressure);
        let again = |job: &mut Job| {
            job.at = At::Ready;
            if closing.is_empty() { None } else { Some(closing.clone()) }
        };
        let allowed = match outcome {
            Outcome::Succeeded => {
                job.attempts += 1;
                let by_retry = job.attempts > 1;
                batch.earn(by_retry, now);
                Some(vec![Status::Succeeded])
            }
            _ if !decided.is_empty() => Some(decided),
            Outcome::Failed(failure) if job.stop.is_empty() => {
                self.expect = decide(batch, lease, failure, draw, now);
                return;
            }
            Outcome::Lost => {
                job.crashes += 1;
                if job.crashes >= batch.opened.plan.crash_limit { Some(vec![Status::Quarantined]) } else { again(job) }
            }
            _ if pressed => {
                self.expect = self.ended_by_pressure(lease);
                return;
            }
            _ => again(job),
        };
        if let Some(allowed) = allowed {
            self.expect = Expect::End { batch: lease.batch.0, index: lease.index, allowed };
        }
    }
}

/// An attempt that runs, as its limits see it.
struct Running {
    keys: LimitKeys,
    started: MonoTime,
    is_told: bool,
}

/// What an end says of what the attempt talked to.
fn says(outcome: &Outcome, is_told: bool) -> Option<&Outcome> {
    match outcome {
        Outcome::Succeeded => Some(outcome),
        Outcome::Failed(_) if !is_told => Some(outcome),
        _ => None,
    }
}

/// Retries that are due, in the order in which they are: what is due at the same moment, in the order of the decisions.
fn get_in_line(batch: &mut Batch, now: MonoTime) {
    let Batch { jobs, line, opened, .. } = batch;
    if opened.plan.budget.is_none() {
        return;
    }
    let mut due: Vec<(MonoTime, u64, u32)> = Vec::new();
    for (index, job) in (0..).zip(jobs) {
        if let At::Backoff(at) = job.at
            && at <= now
            && !line.contains(&index)
        {
            due.push((at, job.backoff_step, index));
        }
    }
    due.sort_unstable();
    line.extend(due.into_iter().map(|(_, _, index)| index));
}

fn doom_late(batch: &mut Batch, now: MonoTime) {
    for job in batch.jobs.iter_mut().filter(|job| job.waits() && job.is_too_late(now)) {
        job.doomed.push(Status::TimedOut);
    }
}

fn stop_running(batch: &mut Batch, cause: StopCause, step: u64) {
    for job in batch.jobs.iter_mut().filter(|job| matches!(job.at, At::Running(_)) && job.stop.is_empty()) {
        job.told(cause, step);
    }
}

fn cancel_one(batch: &mut Batch, index: u32, step: u64) {
    let Some(job) = batch.jobs.get_mut(index as usize) else { return };
    if job.waits() {
        job.doomed.push(Status::Cancelled);
    } else if matches!(job.at, At::Running(_)) {
        job.told(StopCause::Cancel, step);
    }
}

/// The end that a stop decides; the end of the host decides none.
fn decides(cause: StopCause) -> Option<Status> {
    match cause {
        StopCause::Halt => Some(Status::Skipped),
        StopCause::Cancel => Some(Status::Cancelled),
        StopCause::BatchDeadline | StopCause::JobDeadline => Some(Status::TimedOut),
        _ => None,
    }
}

fn decide(batch: &mut Batch, lease: Lease, failure: &AttemptFailure, draw: Draw, now: MonoTime) -> Expect {
    let closing = batch.ends_of_waiting();
    let Batch { opened, jobs, .. } = batch;
    let job = &mut jobs[lease.index as usize];
    let elapsed = now - job.first_started.expect("it has started");
    let is_over = job.job_due().is_some_and(|due| due <= now);
    let (mut delays, mut handled, mut over, mut fatal) = (Vec::new(), Vec::new(), Vec::new(), false);
    for failed in failure.iter() {
        let count = job.failures.entry(failed.node.clone()).or_default();
        *count += 1;
        let class = failed.error.class;
        let asked = FailedAttempt::new(*count, class, elapsed, failed.error.retry_after, draw);
        let may = !matches!(class, ErrorClass::Fatal | ErrorClass::Cancelled);
        match may.then(|| opened.plan.policies[usize::from(failed.retry.0)].decide(&asked)) {
            Some(RetryDecision::After(delay)) => delays.push(delay),
            _ if class == ErrorClass::Fatal => fatal = true,
            _ => match &failed.node {
                Some(node) if failed.handled => handled.push(node.clone()),
                _ => over.push(if class == ErrorClass::Timeout { Status::TimedOut } else { Status::Failed }),
            },
        }
    }
    let end = |allowed| Expect::End { batch: lease.batch.0, index: lease.index, allowed };
    if !fatal && over.is_empty() && delays.is_empty() {
        return Expect::GoOn { lease, given_up: handled };
    }
    job.attempts += 1;
    job.tries += 1;
    let most = opened.plan.needs.declared.len().saturating_sub(1);
    let ran_out = failure.iter().any(|failed| failed.error.is_out_of_memory());
    let level = (job.level as usize + usize::from(ran_out)).min(most.max(job.level as usize));
    match delays.into_iter().max() {
        _ if fatal => end(vec![Status::Failed]),
        _ if !over.is_empty() => end(over[..1].to_vec()),
        Some(_) if closing.is_empty() && is_over => end(vec![Status::TimedOut]),
        Some(delay) if closing.is_empty() => {
            job.level = u32::try_from(level).expect("a few");
            Expect::Retry { lease, due: now + delay, given_up: handled }
        }
        _ => end(closing),
    }
}
