//! Holding each effect against the model, in order.

use batchmill_core::{BatchCounts, Directive, ErrorClass, MonoTime, Status, Verdict};
use batchmill_dispatch::{Effect, Lease, Record, Start, StopCause};

use super::{At, Check, Close, Expect, Model};
use crate::halting;

macro_rules! hold {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}
pub(super) use hold;

impl Model {
    pub(super) fn see_all(&mut self, now: MonoTime, effects: &[Effect]) -> Check {
        let mut rest = effects.iter().peekable();
        while let Some(effect) = rest.next() {
            match effect {
                Effect::Start(start) => {
                    self.serve_lines(now);
                    self.start(now, start)?;
                }
                Effect::Record(record) => {
                    let follows = match rest.peek() {
                        Some(Effect::Stopping { batch, reason, paused }) if *batch == record.batch => {
                            Some((reason.rule.as_str(), *paused))
                        }
                        _ => None,
                    };
                    if self.record(now, record, follows)? {
                        rest.next();
                    }
                }
                Effect::Stop { lease, .. } => {
                    hold!(self.live.get(&lease.slot.0) == Some(lease), "stop for a lease that is not live: {lease:?}");
                    let job = self.job(*lease).ok_or("stop for an unknown job")?;
                    job.stop_sent = true;
                }
                Effect::WakeAt(at) => self.alarm = Some(*at),
                Effect::Retrying { lease, class: _, due } => self.retrying(*lease, *due)?,
                Effect::BatchEnded { batch, verdict, counts, retries, left } => {
                    let jobs: u64 = left.iter().map(|share| share.jobs).sum();
                    hold!(jobs == counts.submitted - counts.ended(), "{jobs} jobs are left of {counts:?}: {left:?}");
                    self.batch_ended(batch.0, verdict, counts, *retries)?;
                }
                other => return Err(format!("nobody expects {other:?}")),
            }
        }
        match std::mem::replace(&mut self.expect, Expect::Nothing) {
            Expect::Nothing => Ok(()),
            missing => Err(format!("nothing came of an attempt's end: {missing:?}")),
        }
    }

    fn start(&mut self, now: MonoTime, start: &Start) -> Check {
        if matches!(self.expect, Expect::GoOn { .. }) {
            return self.go_on(now, start);
        }
        let Lease { batch: key, index, epoch, slot } = start.lease;
        self.is_next(now, start)?;
        hold!(!self.draining, "start while draining: {start:?}");
        hold!(self.live.len() < self.settings.limit.get() as usize, "start above the limit: {start:?}");
        hold!(self.unanswered < self.settings.unanswered_limit.get(), "start without room for its record: {start:?}");
        hold!(!self.live.contains_key(&slot.0), "a slot with two leases: {start:?}");
        hold!(slot.0 < self.highest_limit, "a slot above the highest limit: {start:?}");
        let batch =
            self.batches.get_mut(&key.0).ok_or_else(|| format!("start in a batch that is not open: {start:?}"))?;
        let may = batch.sealed && !batch.paused && batch.closing.is_empty() && !batch.storage_failed;
        hold!(may, "start in a batch that takes none: {start:?}");
        let in_time = batch.opened.deadline.is_none_or(|deadline| now < deadline);
        hold!(in_time, "start after the deadline of the batch: {start:?}");
        hold!(epoch > 1 || !batch.is_limit_reached(), "a trial starts too many: {start:?}");
        let timeout = batch.opened.timeout;
        let job = batch.jobs.get_mut(index as usize).ok_or("start of an unknown job")?;
        hold!(job.at == At::Ready && job.doomed.is_empty(), "start of a job that is not ready: {job:?}");
        hold!(!job.is_too_late(now), "start after the deadline of the job: {start:?}");
        hold!(job.new.after.is_none_or(|after| after <= now), "start before its time: {start:?}");
        hold!(epoch == job.epoch + 1, "the epoch does not grow by one: {start:?}");
        hold!(start.attempt == job.attempts + 1, "the attempt has a wrong number: {start:?}");
        hold!(start.resume == (epoch > 1), "a checkpoint out of nowhere: {start:?}");
        hold!(start.timeout == job.new.timeout.or(timeout), "a wrong time limit: {start:?}");
        hold!(start.queued == job.accepted, "a wrong start: {start:?}");
        let without = std::mem::take(&mut job.given_up);
        hold!(start.given_up.iter().map(|up| &up.node).eq(&without), "without {without:?}, not these: {start:?}");
        job.epoch = epoch;
        job.at = At::Running(start.lease);
        job.started = now;
        job.first_started.get_or_insert(now);
        (job.stop, job.stop_sent) = (Vec::new(), false);
        self.live.insert(slot.0, start.lease);
        Ok(())
    }

    /// Whether nobody who may start should have been before it.
    fn is_next(&self, now: MonoTime, start: &Start) -> Check {
        let Some(order) = self.order else { return Ok(()) };
        let lease = start.lease;
        let started = self.batches.get(&lease.batch.0).and_then(|batch| batch.jobs.get(lease.index as usize));
        let key = order.key(started.ok_or("start of an unknown job")?);
        let ready = self.batches.values().filter(|batch| super::rest::takes_starts(batch, now));
        let ready = ready.flat_map(|batch| batch.jobs.iter().filter(|job| !batch.leaves_out(job)));
        let may = |job: &&super::Job| job.at == At::Ready && job.doomed.is_empty() && !job.is_too_late(now);
        let before = ready.filter(may).find(|job| order.key(job) < key);
        hold!(before.is_none(), "{before:?} waits longer than the order {order:?} allows: {start:?}");
        Ok(())
    }

    fn go_on(&mut self, now: MonoTime, start: &Start) -> Check {
        let Expect::GoOn { lease: old, given_up } = std::mem::replace(&mut self.expect, Expect::Nothing) else {
            return Err("looked before".to_owned());
        };
        let lease = start.lease;
        let goes_on = lease.batch == old.batch && lease.index == old.index && lease.slot == old.slot;
        hold!(goes_on && lease.epoch == old.epoch + 1, "another attempt than {old:?} goes on: {start:?}");
        let timeout = self.batches[&lease.batch.0].opened.timeout;
        let job = self.job(lease).ok_or("an unknown job goes on")?;
        let left = job.new.timeout.or(timeout).map(|limit| limit.saturating_sub(now - job.started));
        hold!(start.timeout == left && start.attempt == job.attempts + 1, "time or number changed: {start:?}");
        hold!(start.resume && start.given_up.iter().map(|up| &up.node).eq(&given_up), "wrong nodes: {start:?}");
        job.epoch = lease.epoch;
        job.at = At::Running(lease);
        self.live.insert(lease.slot.0, lease);
        Ok(())
    }

    fn retrying(&mut self, lease: Lease, due: MonoTime) -> Check {
        let step = self.step;
        match std::mem::replace(&mut self.expect, Expect::Nothing) {
            Expect::Retry { lease: expected, due: at, given_up } if expected == lease && at == due => {
                let job = self.job(lease).ok_or("retry of an unknown job")?;
                (job.at, job.given_up, job.backoff_step) = (At::Backoff(due), given_up, step);
                self.batches.get_mut(&lease.batch.0).ok_or("retry in an unknown batch")?.retries += 1;
                Ok(())
            }
            other => Err(format!("a retry of {lease:?} at {due:?} where {other:?} was due")),
        }
    }

    /// Takes a record; says whether the effect that `follows` belongs to it.
    fn record(&mut self, now: MonoTime, record: &Record, follows: Option<(&str, bool)>) -> Result<bool, String> {
        let key = record.batch.0;
        hold!(!self.ended.contains(&key), "a record after the end of its batch: {record:?}");
        let expect = std::mem::replace(&mut self.expect, Expect::Nothing);
        let batch = self.batches.get_mut(&key).ok_or("a record of an unknown batch")?;
        let closing = batch.ends_of_waiting();
        let total = batch.jobs.len() as u64;
        let job = batch.jobs.get_mut(record.index as usize).ok_or("a record of an unknown job")?;
        let allowed = match expect {
            Expect::End { batch, index, allowed } => {
                hold!((batch, index) == (key, record.index), "the end of {index} comes first: {record:?}");
                allowed
            }
            Expect::Nothing => {
                hold!(job.waits(), "a second record, or one of a running job: {record:?} {job:?}");
                let late = (batch.sealed && job.is_too_late(now)).then_some(Status::TimedOut);
                job.doomed.iter().copied().chain(closing).chain(late).collect()
            }
            other => return Err(format!("a record where {other:?} was due: {record:?}")),
        };
        hold!(allowed.contains(&record.status), "{allowed:?} was due: {record:?}");
        let tries = record.failure.as_ref().map_or(0, |failure| failure.tries.len());
        hold!(record.failure.is_none() == (record.status == Status::Succeeded), "status and error differ: {record:?}");
        hold!(record.failure.is_none() || tries == job.tries, "{} tries, not these: {record:?}", job.tries);
        hold!(record.attempts == job.attempts, "{} attempts, not these: {record:?}", job.attempts);
        hold!(record.started == job.first_started, "first started at {:?}: {record:?}", job.first_started);
        hold!((record.queued, record.finished) == (job.accepted, now), "wrong moments: {record:?}");
        hold!((record.priority, &record.tenant) == (job.new.priority, &job.new.tenant), "another job: {record:?}");
        job.at = At::Recording(record.status);
        self.unanswered += 1;
        let ceiling = self.settings.unanswered_limit.get() + u64::from(self.highest_limit);
        hold!(self.unanswered + self.live.len() as u64 <= ceiling, "records pile up: {}", self.unanswered);
        self.judged(record, total, follows)
    }

    /// The failure strategy has heard of it, and its answer is obeyed.
    fn judged(&mut self, record: &Record, total: u64, follows: Option<(&str, bool)>) -> Result<bool, String> {
        let error = record.failure.as_ref().map(|failure| &failure.error);
        let is_heard = match record.status {
            Status::Succeeded | Status::Failed | Status::Quarantined => true,
            Status::TimedOut => error.is_some_and(|error| error.code != "batch_deadline"),
            Status::Cancelled | Status::Skipped => false,
        };
        let batch = self.batches.get_mut(&record.batch.0).ok_or("a record of an unknown batch")?;
        if !is_heard {
            return Ok(false);
        }
        let heard = batch.opened.heard.lock().unwrap().pop_front().ok_or("the strategy was not told")?;
        let class = error.map(|error| error.class);
        hold!((heard.status, heard.class, heard.total) == (record.status, class, total), "it was told {heard:?}");
        if let Some(halt) = &mut batch.opened.halt {
            let (right, said) = (halt.hears(heard.status, total), halting::said(&heard.answer));
            hold!(right == said, "the rules say {right:?}, the strategy {said:?}: {halt:?}");
        }
        let (rule, paused, stop) = match heard.answer {
            _ if class == Some(ErrorClass::Fatal) => ("fatal".to_owned(), false, Some(StopCause::Halt)),
            Directive::Pause(reason) => (reason.rule, true, None),
            Directive::Soon(reason) => (reason.rule, false, None),
            Directive::Now(reason) => (reason.rule, false, Some(StopCause::Halt)),
            _ => return Ok(false),
        };
        let obeyed = follows == Some((rule.as_str(), paused));
        if class != Some(ErrorClass::Fatal) && !batch.closing.is_empty() {
            let open = batch.close_step == self.step;
            hold!(!obeyed || open, "an answer counts although the batch is closing: {rule}");
            if !obeyed {
                return Ok(false);
            }
        }
        if paused && batch.paused_by_rule {
            hold!(!obeyed, "a batch is paused twice: {rule}");
            return Ok(false);
        }
        hold!(obeyed, "the strategy said {rule}, and it was not obeyed: {follows:?}");
        if paused {
            (batch.paused, batch.paused_by_rule) = (true, true);
        } else {
            batch.begin_close(Close::Halted(rule), stop, self.step);
        }
        Ok(true)
    }

    fn batch_ended(&mut self, key: u32, verdict: &Verdict, counts: &BatchCounts, retries: u64) -> Check {
        let mut batch = self.batches.remove(&key).ok_or("the end of a batch that is not open")?;
        hold!(batch.running() == 0, "batch {key} ended while it runs");
        hold!(*counts == super::rest::counts(&batch), "batch {key} ended with other counts: {counts:?}");
        hold!(retries == batch.retries, "batch {key} ended with {retries} retries, not {}", batch.retries);
        let fits = match verdict {
            Verdict::StorageFailed(_) => batch.storage_failed,
            Verdict::Drained => {
                let promised = batch.jobs.iter().any(|job| job.waits() && !job.doomed.is_empty());
                self.draining && batch.recording() == 0 && batch.closing.is_empty() && !promised
            }
            _ if batch.storage_failed => false,
            verdict if batch.is_trial_over() && batch.sealed && batch.closing.is_empty() => {
                *verdict == Verdict::of(counts)
            }
            _ if !batch.is_complete() => false,
            Verdict::Halted(reason) => batch.closing.contains(&Close::Halted(reason.rule.clone())),
            Verdict::Cancelled => batch.closing.contains(&Close::Cancelled),
            Verdict::DeadlinePassed => batch.closing.contains(&Close::Deadline),
            verdict => batch.closing.is_empty() && batch.sealed && *verdict == Verdict::of(counts),
        };
        hold!(fits, "{verdict:?} does not fit batch {key}: {batch:?}");
        batch.jobs.retain(|job| matches!(job.at, At::Recording(_)));
        self.unanswered -= batch.jobs.len() as u64;
        self.ended.push(key);
        Ok(())
    }
}
