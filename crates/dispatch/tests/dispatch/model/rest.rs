//! What must hold after every step.

use std::collections::BTreeMap;

use batchmill_core::{BatchCounts, Key, LimitId, MonoTime, Pick, Status};
use batchmill_dispatch::{BatchKey, Dispatch};

use super::{At, Batch, Check, Job, Model, effects::hold};

impl Model {
    pub(super) fn at_rest(&self, now: MonoTime, dispatch: &Dispatch) -> Check {
        for (key, batch) in &self.batches {
            self.batch_at_rest(*key, batch, dispatch)?;
        }
        self.totals(dispatch)?;
        self.is_work_conserving(now)?;
        self.alarm_is_early_enough(now)
    }

    fn batch_at_rest(&self, key: u32, batch: &Batch, dispatch: &Dispatch) -> Check {
        let theirs = dispatch.counts(BatchKey(key)).ok_or_else(|| format!("batch {key} is gone, without an end"))?;
        theirs.check().map_err(|error| error.to_string())?;
        hold!(theirs == counts(batch), "batch {key} counts {theirs:?}, the model {:?}", counts(batch));
        hold!(dispatch.retries(BatchKey(key)) == Some(batch.retries), "batch {key}: wrong number of retries");
        hold!(batch.opened.heard.lock().unwrap().is_empty(), "the strategy of batch {key} was told too much");
        for job in batch.jobs.iter().filter(|job| matches!(job.at, At::Running(_))) {
            hold!(job.stop.is_empty() != job.stop_sent, "told to stop, or not: {job:?}");
        }
        hold!(
            batch.closing.is_empty() == batch.told.is_none(),
            "batch {key} closes, and nobody says so, or the reverse"
        );
        hold!(!batch.pause_is_due, "batch {key} pauses or goes on, and nobody says so");
        // Where there is room, nobody waits for the record of its end.
        let waits_in_vain = |job: &Job| job.waits() && (!batch.closing.is_empty() || !job.doomed.is_empty());
        if self.unanswered < self.settings.unanswered_limit.get() && batch.cut_off.is_none() {
            let forgotten = batch.jobs.iter().find(|job| waits_in_vain(job));
            hold!(forgotten.is_none(), "batch {key}: an end is due and there is room: {forgotten:?}");
        }
        hold!(!self.is_over(batch), "batch {key} is over and has not ended: {:?}", counts(batch));
        Ok(())
    }

    fn is_over(&self, batch: &Batch) -> bool {
        let idle = batch.running() == 0;
        let doomed = batch.jobs.iter().any(|job| job.waits() && !job.doomed.is_empty());
        let drained = self.draining
            && (batch.sealed || !batch.came_late)
            && idle
            && batch.recording() == 0
            && batch.closing.is_empty()
            && !doomed;
        let trial = batch.is_trial_over() && batch.sealed && batch.closing.is_empty();
        let complete = trial || batch.is_complete() && (batch.sealed || self.draining && !batch.closing.is_empty());
        drained || complete || (batch.cut_off.is_some() && idle)
    }

    fn totals(&self, dispatch: &Dispatch) -> Check {
        let totals = dispatch.totals();
        let jobs = || self.batches.values().flat_map(|batch| &batch.jobs);
        hold!(totals.running as usize == self.live.len(), "{totals:?}, but {} run", self.live.len());
        hold!(totals.unanswered == self.unanswered, "{totals:?}, but {} are unanswered", self.unanswered);
        let backing_off = jobs().filter(|job| matches!(job.at, At::Backoff(_))).count() as u64;
        hold!(totals.backing_off == backing_off, "{totals:?}, but {backing_off} back off");
        let ready = jobs().filter(|job| job.at == At::Ready).count() as u64;
        let by_tenant: u64 = dispatch.queued_by_tenant().iter().map(|(_, queued)| queued).sum();
        hold!(by_tenant == ready, "by tenant {by_tenant} are queued, but {ready} are");
        if self.trust.tokens {
            // What a trial left out is neither in the scheduler nor set aside for later.
            let trial = self.batches.values().any(Batch::is_limit_reached);
            hold!(totals.queued == ready || trial && totals.queued < ready, "{totals:?}, but {ready} are queued");
            hold!(totals.stale == self.stale, "{totals:?}, but {} were stale", self.stale);
        }
        Ok(())
    }

    fn is_work_conserving(&self, now: MonoTime) -> Check {
        let waits = matches!(*self.last_pick.lock().unwrap(), Some(Pick::NotBefore(_)));
        if waits || !self.may_start(now) {
            return Ok(());
        }
        let idle = self.batches.iter().filter(|(_, batch)| takes_starts(batch, now));
        let may = |batch: &Batch, job: &Job| !batch.leaves_out(job) && !self.is_held_as_suspect(batch, job);
        let idle = idle.flat_map(|(key, batch)| {
            let fits = move |job: &&Job| self.has_room(now, *key, batch, job);
            batch.jobs.iter().filter(move |job| may(batch, job)).filter(fits)
        });
        if self.may_open_late(now) {
            return Ok(());
        }
        match { idle }.find(|job| job.at == At::Ready && !job.is_too_late(now) && !self.is_limited(job, now)) {
            None => Ok(()),
            Some(job) => Err(format!("a slot idles while this job may start: {job:?}")),
        }
    }

    fn may_start(&self, now: MonoTime) -> bool {
        let full = self.live.len() >= self.settings.limit.get() as usize;
        let no_room = self.unanswered >= self.settings.unanswered_limit.get();
        let gate = self.gate_is_closed();
        !(self.draining || full || no_room || gate || self.parking_may_be_full(now))
    }

    /// Whether so many jobs may be set aside that nothing is picked.
    pub(super) fn parking_may_be_full(&self, now: MonoTime) -> bool {
        let room = self.settings.parked_limit.get();
        let jobs = self.batches.iter().flat_map(|(key, batch)| batch.jobs.iter().map(move |job| (*key, batch, job)));
        let ready = || jobs.clone().filter(|(.., job)| job.at == At::Ready);
        if ready().count() < room {
            return false;
        }
        let late = self.may_open_late(now);
        // Where a key opens, as many are let go as it has room for. Those behind them stay aside until they have started.
        let mut with_key: BTreeMap<(LimitId, Option<Key>), usize> = BTreeMap::new();
        for own in ready().flat_map(|(.., job)| &job.new.limits) {
            *with_key.entry((own.limit, own.key.clone())).or_default() += 1;
        }
        let is_behind = |job: &Job| job.new.limits.iter().any(|own| with_key[&(own.limit, own.key.clone())] > 1);
        let may = |key: u32, batch: &Batch, job: &Job| {
            let unfit = || self.is_pressed() && !self.has_room(now, key, batch, job);
            !takes_starts(batch, now) || late || self.is_limited(job, now) || is_behind(job) || unfit()
        };
        ready().filter(|(key, batch, job)| may(*key, batch, job)).count() >= room
    }

    /// Whether memory has room for a job, and is not kept for a larger one.
    fn has_room(&self, now: MonoTime, key: u32, batch: &Batch, job: &Job) -> bool {
        !self.is_unfit(key, batch, job) && !self.may_be_reserved(now, key, batch, job)
    }

    /// When the first job that waits for nothing but its limits may start.
    fn opening(&self, now: MonoTime) -> Option<MonoTime> {
        if self.limits.is_empty() || !self.may_start(now) {
            return None;
        }
        let open = self.batches.iter().filter(|(_, batch)| takes_starts(batch, now));
        let may = |key: u32, batch: &Batch, job: &Job| {
            let waits = batch.leaves_out(job) || self.is_held_as_suspect(batch, job);
            !waits && self.has_room(now, key, batch, job)
        };
        let jobs = open.flat_map(|(key, batch)| batch.jobs.iter().filter(move |job| may(*key, batch, job)));
        jobs.filter(|job| job.at == At::Ready && !job.is_too_late(now)).filter_map(|job| self.opens(job, now)).min()
    }

    fn alarm_is_early_enough(&self, now: MonoTime) -> Check {
        let waits = matches!(*self.last_pick.lock().unwrap(), Some(Pick::NotBefore(_)));
        let opening = self.opening(now).filter(|_| !waits);
        let due = self.batches.values().flat_map(due).chain(opening).min();
        let due = match *self.last_pick.lock().unwrap() {
            Some(Pick::NotBefore(at)) if at > now && self.may_start(now) => Some(due.map_or(at, |due| due.min(at))),
            // Of no use: it is asked again, a little later.
            Some(Pick::NotBefore(_)) if self.may_start(now) => {
                hold!(self.alarm.is_some(), "a scheduler that named no moment is not asked again");
                due
            }
            _ => due,
        };
        let in_time = due.is_none_or(|due| self.alarm.is_some_and(|alarm| alarm <= due.max(now)));
        hold!(in_time, "the alarm is set to {:?}, but something is due at {due:?}", self.alarm);
        Ok(())
    }
}

pub(super) fn takes_starts(batch: &Batch, now: MonoTime) -> bool {
    let in_time = batch.opened.plan.deadline.is_none_or(|deadline| now < deadline);
    batch.is_open_for_starts() && in_time
}

/// Everything that an alarm must not miss.
fn due(batch: &Batch) -> Vec<MonoTime> {
    let deadline = batch.opened.plan.deadline.filter(|_| !batch.deadline_fired);
    let of_job = |(index, job): (u32, &Job)| {
        let wait = match job.at {
            At::Pending => job.new.after,
            // In line for a token, or its end is decided, if only when the batch is sealed.
            At::Backoff(_)
                if batch.line.contains(&index) || !job.doomed.is_empty() || job.deadline_fired || job.is_expired =>
            {
                None
            }
            At::Backoff(due) => Some(due),
            _ => None,
        };
        let may_end_late = job.waits() || matches!(job.at, At::Running(_));
        let deadline = job.new.deadline.filter(|_| may_end_late && !job.deadline_fired);
        let expiry = job.expiry().filter(|_| batch.sealed && job.waits() && job.doomed.is_empty());
        [wait, deadline, expiry]
    };
    (0..).zip(&batch.jobs).flat_map(of_job).flatten().chain(deadline).chain(batch.next_token()).collect()
}

pub(super) fn counts(batch: &Batch) -> BatchCounts {
    let mut counts = BatchCounts::default();
    counts.submitted = batch.jobs.len() as u64;
    for job in &batch.jobs {
        *match job.at {
            At::Pending | At::Ready => &mut counts.pending,
            At::Running(_) => &mut counts.running,
            At::Backoff(_) => &mut counts.backing_off,
            At::Recording(_) => &mut counts.recording,
            At::Ended(Status::Succeeded) => &mut counts.succeeded,
            At::Ended(Status::Failed) => &mut counts.failed,
            At::Ended(Status::TimedOut) => &mut counts.timed_out,
            At::Ended(Status::Cancelled) => &mut counts.cancelled,
            At::Ended(Status::Skipped) => &mut counts.skipped,
            At::Ended(Status::Quarantined) => &mut counts.quarantined,
        } += 1;
    }
    counts
}
