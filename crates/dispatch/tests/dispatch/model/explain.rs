//! What dispatch says of its jobs, held against where they are.

use std::collections::BTreeMap;

use batchmill_core::{MonoTime, Pick};
use batchmill_dispatch::{BatchKey, Dispatch, Explanation, Reason};

use super::{At, Batch, Check, Job, Model, effects::hold};

impl Model {
    /// One job after every step, all of them now and then.
    pub(super) fn is_explained(&self, now: MonoTime, dispatch: &Dispatch) -> Check {
        let jobs =
            self.batches.iter().flat_map(|(key, batch)| (0..).zip(&batch.jobs).map(move |job| (*key, batch, job)));
        let many = self.batches.values().map(|batch| batch.jobs.len()).sum::<usize>().max(1);
        let turn = usize::try_from(self.step).expect("a few") * 13 % many;
        if let Some((key, batch, (index, job))) = { jobs }.nth(turn) {
            let said = dispatch.explain(BatchKey(key), index, now).ok_or("a job that nobody can explain")?;
            self.one_is_explained(now, batch, index, job, &said).map_err(|why| format!("{why}\n{said:?}\n{job:?}"))?;
        }
        if self.step.is_multiple_of(8) {
            for (key, batch) in &self.batches {
                self.all_are_explained(now, batch, dispatch, BatchKey(*key))?;
            }
        }
        Ok(())
    }

    fn one_is_explained(&self, now: MonoTime, batch: &Batch, index: u32, job: &Job, said: &Explanation) -> Check {
        hold!(
            self.why(now, batch, index, job) == tag(&said.reason),
            "{:?} was the reason",
            self.why(now, batch, index, job)
        );
        hold!((said.attempts, said.crashes) == (job.attempts, job.crashes), "a wrong number of attempts or crashes");
        let has_ended = matches!(job.at, At::Recording(_) | At::Ended(_));
        hold!(has_ended || said.kills == job.kills, "ended {} times because memory ran short", job.kills);
        let due = match (job.at, &said.reason) {
            (At::Pending, Reason::NotBefore) => job.new.after,
            // Due, and too late for a token: its end comes when the batch is sealed, and nothing before, once the alarm has
            // gone off.
            (At::Backoff(due), Reason::Backoff) if due <= now && job.is_too_late(now) => said.due.map(|_| due),
            (At::Backoff(due), Reason::Backoff) => Some(due),
            (_, Reason::RetryBudget { .. }) => batch.next_token(),
            (At::Running(lease), Reason::Running) => {
                hold!(said.slot == Some(lease.slot.0) && said.since == now - job.started, "another slot, or time");
                job.limit.map(|limit| job.started + limit)
            }
            _ => return Ok(()),
        };
        let expires = job.expiry().filter(|at| job.waits() && *at > now).map(|at| at - now);
        hold!(said.expires.map(|expiry| expiry.left) == expires, "it expires in {expires:?}");
        hold!(said.due == due.map(|due| due - now), "due at {due:?}");
        hold!(said.last_failure.is_some() == matches!(job.at, At::Backoff(_)), "what failed is what a retry waits for");
        Ok(())
    }

    fn all_are_explained(&self, now: MonoTime, batch: &Batch, dispatch: &Dispatch, key: BatchKey) -> Check {
        let mut theirs: BTreeMap<&str, u64> = BTreeMap::new();
        for share in dispatch.census(key, now) {
            *theirs.entry(tag(&share.reason)).or_default() += share.jobs;
        }
        let mut ours: BTreeMap<&str, u64> = BTreeMap::new();
        for (index, job) in (0..).zip(&batch.jobs) {
            *ours.entry(self.why(now, batch, index, job)).or_default() += 1;
        }
        hold!(theirs == ours, "the census of {key:?} says {theirs:?}, the model {ours:?}");
        Ok(())
    }

    /// The plain answer. What blocks it is looked up here; that nothing is free meanwhile is what makes it true.
    fn why(&self, now: MonoTime, batch: &Batch, index: u32, job: &Job) -> &'static str {
        match job.at {
            At::Ended(_) => return "ended",
            At::Recording(_) => return "recording",
            At::Running(_) => return if job.stop.is_empty() { "running" } else { "stopping" },
            _ if batch.cut_off.is_some() => return "storage failed",
            _ if !job.doomed.is_empty() => return "end decided",
            _ if !batch.closing.is_empty() => return "closing",
            _ if batch.opened.plan.deadline.is_some_and(|deadline| deadline <= now) => return "closing",
            _ if batch.sealed && job.is_too_late(now) => return "end decided",
            _ if batch.leaves_out(job) => return "trial",
            _ if self.draining => return "draining",
            At::Pending => return "not before",
            At::Backoff(_) if batch.line.contains(&index) && !job.is_too_late(now) => return "retry budget",
            At::Backoff(_) => return "backoff",
            At::Ready => {}
        }
        if !batch.sealed {
            "accepting"
        } else if batch.storage_full {
            "storage full"
        } else if batch.paused.is_some() {
            "paused"
        } else if self.is_held_as_suspect(batch, job) {
            "suspect"
        } else if self.is_limited(job, now) {
            "limit"
        } else if self.unanswered >= self.settings.unanswered_limit.get() {
            "unanswered"
        } else if self.live.len() >= self.settings.limit.get() as usize {
            "slots"
        } else if self.trust.tokens && !self.may_be_held(now) && !self.lacks_memory(now, batch, job) {
            "nothing at all: it may start"
        } else {
            "held"
        }
    }

    fn lacks_memory(&self, now: MonoTime, batch: &Batch, job: &Job) -> bool {
        let key = self.batches.iter().find(|(_, other)| std::ptr::eq(*other, batch)).map_or(0, |(key, _)| *key);
        self.gate_is_closed() || self.is_unfit(key, batch, job) || self.may_be_reserved(now, key, batch, job)
    }

    fn may_be_held(&self, now: MonoTime) -> bool {
        let waits = matches!(*self.last_pick.lock().unwrap(), Some(Pick::NotBefore(_)));
        waits || self.may_open_late(now) || self.parking_may_be_full(now)
    }
}

fn tag(reason: &Reason) -> &'static str {
    match reason {
        Reason::Accepting => "accepting",
        Reason::NotBefore => "not before",
        Reason::Backoff => "backoff",
        Reason::RetryBudget { .. } => "retry budget",
        Reason::Paused { .. } => "paused",
        Reason::StorageFull { .. } => "storage full",
        Reason::Suspect { .. } => "suspect",
        Reason::Trial { .. } => "trial",
        Reason::Slots { .. } => "slots",
        Reason::Unanswered { .. } => "unanswered",
        Reason::Parking { .. }
        | Reason::Scheduler
        | Reason::MemoryPressure { .. }
        | Reason::MemoryNeeded { .. }
        | Reason::Reserved { .. }
        | Reason::MemoryUnknown => "held",
        reason if reason.limit().is_some() => "limit",
        Reason::Draining => "draining",
        Reason::Halted { .. } | Reason::Cancelled | Reason::BatchDeadline => "closing",
        Reason::EndDecided { .. } => "end decided",
        Reason::StorageFailed { .. } => "storage failed",
        Reason::Fenced => "storage failed",
        Reason::Running => "running",
        Reason::Stopping { .. } => "stopping",
        Reason::Recording { .. } => "recording",
        Reason::Ended { .. } => "ended",
        _ => "a reason that the model does not know",
    }
}
