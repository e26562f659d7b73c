//! Holding each effect against the model, in order.

use batchmill_core::{BatchCounts, Closing, Directive, ErrorClass, MonoTime, Pause, Status, Verdict};
use batchmill_dispatch::{BatchKey, Effect, JournalFailure, Lease, Record, Setback, Start, StopCause};

use super::{At, Check, Close, Expect, Model, Paused};
use crate::halting;

macro_rules! hold {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}
pub(crate) use hold;

impl Model {
    pub(super) fn see_all(&mut self, now: MonoTime, effects: &[Effect]) -> Check {
        let mut rest = effects.iter().peekable();
        while let Some(effect) = rest.next() {
            match effect {
                Effect::Start(start) => {
                    self.serve_lines(now);
                    self.start(now, start)?;
                }
                Effect::Record(record) => self.record(now, record, None)?,
                // What a rule decides is said before the record of the end that is its cause.
                Effect::Closing { batch, closing: Closing::Halted(reason) } => {
                    let record = caused(rest.next(), *batch)?;
                    self.record(now, record, Some((&reason.rule, false)))?;
                }
                Effect::Paused { batch, pause: Some(Pause::Rule(reason)) } => {
                    let record = caused(rest.next(), *batch)?;
                    self.record(now, record, Some((&reason.rule, true)))?;
                }
                Effect::Closing { batch, closing } => self.closes(*batch, closing)?,
                Effect::Paused { batch, pause } => self.pauses(*batch, pause.as_ref())?,
                Effect::Stop { lease, .. } => {
                    hold!(self.live.get(&lease.slot.0) == Some(lease), "stop for a lease that is not live: {lease:?}");
                    let job = self.job(*lease).ok_or("stop for an unknown job")?;
                    job.stop_sent = true;
                }
                Effect::WakeAt(at) => self.alarm = Some(*at),
                Effect::Retrying { lease, class: _, due, setback } => self.retrying(*lease, *due, setback)?,
                Effect::Requeued { .. } => self.requeued(effect, now)?,
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
        self.has_memory(start.lease)?;
        let not_open = || format!("start in a batch that is not open: {start:?}");
        let batch = self.batches.get(&key.0).ok_or_else(not_open)?;
        let job = batch.jobs.get(index as usize).ok_or("start of an unknown job")?;
        hold!(!self.is_held_as_suspect(batch, job), "two suspects at once: {start:?}");
        hold!(!self.is_limited(job, now), "start above a limit of its keys: {start:?} {job:?}");
        let batch = self.batches.get_mut(&key.0).ok_or_else(not_open)?;
        hold!(batch.is_open_for_starts(), "start in a batch that takes none: {start:?}");
        let in_time = batch.opened.plan.deadline.is_none_or(|deadline| now < deadline);
        hold!(in_time, "start after the deadline of the batch: {start:?}");
        hold!(epoch > 1 || !batch.is_limit_reached(), "a trial starts too many: {start:?}");
        let (timeout, resumed) = (batch.opened.plan.timeout, batch.opened.resumed);
        let job = batch.jobs.get_mut(index as usize).ok_or("start of an unknown job")?;
        hold!(job.at == At::Ready && job.doomed.is_empty(), "start of a job that is not ready: {job:?}");
        hold!(!job.is_too_late(now), "start after the deadline of the job: {start:?}");
        hold!(job.new.after.is_none_or(|after| after <= now), "start before its time: {start:?}");
        hold!(epoch == job.epoch + 1, "the epoch does not grow by one: {start:?}");
        hold!(start.attempt == job.attempts + 1, "the attempt has a wrong number: {start:?}");
        hold!(start.resume == (epoch > 1 || resumed), "a checkpoint out of nowhere: {start:?}");
        job.limit = job.limit_from(now, timeout);
        hold!(start.timeout == job.limit, "a wrong time limit: {start:?}, not {:?}", job.limit);
        hold!(start.queued == job.accepted, "a wrong start: {start:?}");
        let without = std::mem::take(&mut job.given_up);
        hold!(start.given_up.iter().map(|up| &up.node).eq(&without), "without {without:?}, not these: {start:?}");
        job.epoch = epoch;
        job.at = At::Running(start.lease);
        job.started = now;
        job.first_started.get_or_insert(now);
        (job.stop, job.stop_sent) = (Vec::new(), false);
        let keys = job.new.limits.clone();
        batch.leave_out();
        self.live.insert(slot.0, start.lease);
        self.limits.start(&keys, now);
        Ok(())
    }

    /// Whether nobody who may start should have been before it.
    fn is_next(&self, now: MonoTime, start: &Start) -> Check {
        let Some(order) = self.order.filter(|_| !self.may_open_late(now)) else { return Ok(()) };
        let lease = start.lease;
        let started = self.batches.get(&lease.batch.0).and_then(|batch| batch.jobs.get(lease.index as usize));
        let key = order.key(started.ok_or("start of an unknown job")?);
        let ready = self.batches.values().filter(|batch| super::rest::takes_starts(batch, now));
        let alone = self.running_suspect().is_some();
        let held = |batch: &super::Batch, job: &super::Job| alone && job.is_suspect(batch.opened.plan.crash_limit);
        let ready =
            ready.flat_map(|batch| batch.jobs.iter().filter(move |job| !batch.leaves_out(job) && !held(batch, job)));
        let may = |job: &&super::Job| job.at == At::Ready && job.doomed.is_empty() && !job.is_too_late(now);
        let before = ready.filter(may).find(|job| order.key(job) < key && !self.is_limited(job, now));
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
        let job = self.job(lease).ok_or("an unknown job goes on")?;
        let left = job.limit.map(|limit| limit.saturating_sub(now - job.started));
        hold!(start.timeout == left && start.attempt == job.attempts + 1, "time or number changed: {start:?}");
        hold!(start.resume && start.given_up.iter().map(|up| &up.node).eq(&given_up), "wrong nodes: {start:?}");
        job.epoch = lease.epoch;
        job.at = At::Running(lease);
        self.live.insert(lease.slot.0, lease);
        Ok(())
    }

    fn retrying(&mut self, lease: Lease, due: MonoTime, setback: &Setback) -> Check {
        let step = self.step;
        match std::mem::replace(&mut self.expect, Expect::Nothing) {
            Expect::Retry { lease: expected, due: at, given_up } if expected == lease && at == due => {
                let job = self.job(lease).ok_or("retry of an unknown job")?;
                (job.at, job.given_up, job.backoff_step) = (At::Backoff(due), given_up, step);
                job.is_handed_on(setback, due)?;
                self.batches.get_mut(&lease.batch.0).ok_or("retry in an unknown batch")?.retries += 1;
                Ok(())
            }
            other => Err(format!("a retry of {lease:?} at {due:?} where {other:?} was due")),
        }
    }

    /// Takes a record, and what a rule was said to do because of it: which one, and whether it pauses only.
    fn record(&mut self, now: MonoTime, record: &Record, said: Option<(&str, bool)>) -> Check {
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
        self.judged(record, total, said)
    }

    /// The failure strategy has heard of it, and its answer is obeyed.
    fn judged(&mut self, record: &Record, total: u64, said: Option<(&str, bool)>) -> Check {
        let error = record.failure.as_ref().map(|failure| &failure.error);
        let is_heard = match record.status {
            Status::Succeeded | Status::Failed | Status::Quarantined => true,
            Status::TimedOut => error.is_some_and(|error| error.code != "batch_deadline"),
            Status::Cancelled | Status::Skipped => false,
        };
        let batch = self.batches.get_mut(&record.batch.0).ok_or("a record of an unknown batch")?;
        if !is_heard {
            hold!(said.is_none(), "{said:?} because of an end that the strategy does not hear of: {record:?}");
            return Ok(());
        }
        let heard = batch.opened.heard.lock().unwrap().pop_front().ok_or("the strategy was not told")?;
        let class = error.map(|error| error.class);
        hold!((heard.status, heard.class, heard.total) == (record.status, class, total), "it was told {heard:?}");
        if let Some(halt) = &mut batch.opened.plan.halt {
            let (right, answer) = (halt.hears(heard.status, total), halting::said(&heard.answer));
            hold!(right == answer, "the rules say {right:?}, the strategy {answer:?}: {halt:?}");
        }
        let (rule, paused, stop) = match heard.answer {
            _ if class == Some(ErrorClass::Fatal) => ("fatal".to_owned(), false, Some(StopCause::Halt)),
            Directive::Pause(reason) => (reason.rule, true, None),
            Directive::Soon(reason) => (reason.rule, false, None),
            Directive::Now(reason) => (reason.rule, false, Some(StopCause::Halt)),
            _ => {
                hold!(said.is_none(), "{said:?}, and the strategy said nothing");
                return Ok(());
            }
        };
        let is_closing = batch.told.is_some();
        let is_again = paused && matches!(batch.paused, Some(Paused::Rule(_)));
        if is_closing || is_again {
            hold!(said.is_none(), "an answer counts although the batch is closing or paused: {rule}");
            // A fatal error still ends what runs.
            if class == Some(ErrorClass::Fatal) {
                batch.stop_running(StopCause::Halt, self.step);
            }
            return Ok(());
        }
        hold!(said == Some((rule.as_str(), paused)), "the strategy said {rule}, and it was not obeyed: {said:?}");
        if paused {
            batch.paused = Some(Paused::Rule(rule));
        } else {
            batch.told = Some(Close::Halted(rule.clone()));
            batch.begin_close(Close::Halted(rule), stop, self.step);
        }
        Ok(())
    }

    /// A person or a deadline closes a batch; said once.
    fn closes(&mut self, key: BatchKey, closing: &Closing) -> Check {
        let batch = self.batches.get_mut(&key.0).ok_or("a batch closes that is not open")?;
        let close = match closing {
            Closing::Cancelled => Close::Cancelled,
            _ => Close::Deadline,
        };
        hold!(batch.told.is_none(), "a batch closes twice: {closing:?}");
        hold!(batch.closing.contains(&close), "{closing:?} out of nowhere");
        batch.told = Some(close);
        Ok(())
    }

    /// A person pauses a batch, or lets it go on; said where that changes something.
    fn pauses(&mut self, key: BatchKey, pause: Option<&Pause>) -> Check {
        let batch = self.batches.get_mut(&key.0).ok_or("a batch pauses that is not open")?;
        let fits = match pause {
            None => batch.paused.is_none(),
            Some(_) => batch.paused == Some(Paused::Requested) && pause == Some(&Pause::Requested),
        };
        hold!(fits && batch.pause_is_due, "{pause:?} where {:?} is the pause", batch.paused);
        batch.pause_is_due = false;
        Ok(())
    }

    fn batch_ended(&mut self, key: u32, verdict: &Verdict, counts: &BatchCounts, retries: u64) -> Check {
        let mut batch = self.batches.remove(&key).ok_or("the end of a batch that is not open")?;
        hold!(batch.running() == 0, "batch {key} ended while it runs");
        hold!(*counts == super::rest::counts(&batch), "batch {key} ended with other counts: {counts:?}");
        hold!(retries == batch.retries, "batch {key} ended with {retries} retries, not {}", batch.retries);
        let fits = match verdict {
            Verdict::StorageFailed(_) => matches!(batch.cut_off, Some(JournalFailure::Broken(_))),
            Verdict::Fenced => batch.cut_off == Some(JournalFailure::Fenced),
            Verdict::Drained => {
                let promised = batch.jobs.iter().any(|job| job.waits() && !job.doomed.is_empty());
                self.draining && batch.recording() == 0 && batch.closing.is_empty() && !promised
            }
            _ if batch.cut_off.is_some() => false,
            verdict if batch.is_trial_over() && batch.sealed && batch.closing.is_empty() => {
                *verdict == Verdict::of(counts)
            }
            _ if !batch.is_complete() => false,
            Verdict::Halted(reason) => batch.told == Some(Close::Halted(reason.rule.clone())),
            Verdict::Cancelled => batch.told == Some(Close::Cancelled),
            Verdict::DeadlinePassed => batch.told == Some(Close::Deadline),
            verdict => batch.closing.is_empty() && batch.sealed && *verdict == Verdict::of(counts),
        };
        hold!(fits, "{verdict:?} does not fit batch {key}: {batch:?}");
        batch.jobs.retain(|job| matches!(job.at, At::Recording(_)));
        self.unanswered -= batch.jobs.len() as u64;
        self.ended.push(key);
        Ok(())
    }
}

/// The record that what a rule does must be followed by.
fn caused(next: Option<&Effect>, batch: BatchKey) -> Result<&Record, String> {
    match next {
        Some(Effect::Record(record)) if record.batch == batch => Ok(record),
        other => Err(format!("what a rule does comes before the record of its cause, not {other:?}")),
    }
}
