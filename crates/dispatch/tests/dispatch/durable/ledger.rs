//! What must hold over all lives of a batch, kept apart from the journal: it sees what is written, what starts, and who
//! dies, and believes nobody.

use batchmill_core::{BatchCounts, Closing, Directive, ErrorClass, FailureStrategy, MonoTime, Pause, Status, Verdict};
use batchmill_dispatch::Start;

use super::journal::Written;
use crate::{
    model::{Check, hold},
    policies::HeardLog,
    world::Plan,
};

/// What is known of a job for good.
#[derive(Debug, Clone, Default)]
struct Job {
    recorded: Option<Status>,
    /// Attempts that are recorded.
    attempts: u32,
    /// Hosts that died while it ran.
    crashes: u32,
    /// Not before this moment.
    due: MonoTime,
    /// The host under which it started last.
    started_under: u32,
}

/// A batch in all its lives.
#[derive(Debug)]
pub(super) struct Ledger {
    jobs: Vec<Job>,
    crash_limit: u32,
    /// The job that takes hosts down, where there is just one and nothing else does.
    poison: Option<u32>,
    closing: Option<Closing>,
    paused: Option<Pause>,
    /// The present host was told to go on, and has not written that yet.
    released: bool,
    /// What the strategy would say if it heard the recorded ends alone.
    strategy: Box<dyn FailureStrategy>,
    /// Whether ends may be recorded in another order than they were decided in, which a rule that pauses may see.
    is_ordered: bool,
}

impl Ledger {
    pub(super) fn new(plan: &Plan, jobs: usize, poison: Option<u32>, is_ordered: bool) -> Self {
        let pauses = plan.halt.as_ref().is_some_and(crate::halting::PlainHalt::pauses);
        Self {
            jobs: vec![Job::default(); jobs],
            crash_limit: plan.crash_limit,
            poison,
            closing: None,
            paused: None,
            released: false,
            strategy: plan.strategy(&HeardLog::default()),
            is_ordered: is_ordered || !pauses,
        }
    }

    fn job(&mut self, index: u32) -> &mut Job {
        &mut self.jobs[index as usize]
    }

    /// A host died while a job ran, and the slots file tells.
    pub(super) fn crashed(&mut self, index: u32) {
        self.job(index).crashes += 1;
    }

    /// Another host takes over.
    pub(super) fn new_host(&mut self) {
        self.released = false;
    }

    /// Whether one more death is the limit.
    pub(super) fn is_suspect(&self, index: u32) -> bool {
        let crashes = self.jobs[index as usize].crashes;
        crashes > 0 && crashes + 1 == self.crash_limit
    }

    /// Something stands in the journal now.
    pub(super) fn written(&mut self, written: &Written) -> Check {
        match written {
            Written::Ended(end) => {
                let (total, limit, poison) = (self.jobs.len() as u64, self.crash_limit, self.poison);
                let job = self.job(end.index);
                hold!(job.recorded.is_none(), "a second record: {written:?}");
                hold!(end.attempts >= job.attempts, "recorded attempts are forgotten: {written:?} {job:?}");
                if end.status == Status::Quarantined {
                    hold!(job.crashes == limit, "quarantined after {} of {limit} crashes: {written:?}", job.crashes);
                    hold!(
                        poison.is_none_or(|poison| poison == end.index),
                        "an innocent job is quarantined: {written:?}"
                    );
                }
                job.recorded = Some(end.status);
                if end.by_attempt {
                    let answer = self.strategy.on_result(&end.heard(), total);
                    let stops = matches!(answer, Directive::Soon(_) | Directive::Now(_)) && self.is_ordered;
                    let must = stops || end.class == Some(ErrorClass::Fatal);
                    hold!(!must || self.closing.is_some(), "a stop is forgotten: its cause is recorded: {written:?}");
                }
            }
            Written::Retrying(index, setback) => {
                let job = self.job(*index);
                hold!(job.recorded.is_none(), "a retry after the end: {written:?}");
                hold!(setback.attempts == job.attempts + 1, "attempts do not grow by one: {written:?} {job:?}");
                (job.attempts, job.due) = (setback.attempts, setback.due);
            }
            Written::Lost(index, crashes) => {
                let job = self.job(*index);
                hold!(*crashes == job.crashes, "{} hosts died under it: {written:?}", job.crashes);
            }
            Written::Closing(_) if self.closing.is_some() => return Err(format!("a second decision: {written:?}")),
            Written::Closing(closing) => self.closing = Some(closing.clone()),
            Written::Paused(pause) => self.paused.clone_from(pause),
        }
        Ok(())
    }

    /// The present host pauses the batch, or lets it go on.
    pub(super) fn paused(&mut self, pause: Option<&Pause>) {
        self.released = pause.is_none();
    }

    /// The present host, of that number, starts a job.
    pub(super) fn starts(&mut self, now: MonoTime, host: u32, start: &Start) -> Check {
        hold!(self.closing.is_none(), "a start although a stop is recorded: {start:?}");
        hold!(self.paused.is_none() || self.released, "a start although a pause is recorded: {start:?}");
        let limit = self.crash_limit;
        let job = self.job(start.lease.index);
        hold!(job.recorded.is_none(), "a start after the record: {start:?} {job:?}");
        hold!(start.resume || job.attempts + job.crashes == 0, "its checkpoint is forgotten: {start:?}");
        hold!(job.crashes < limit, "a start at the crash limit: {start:?} {job:?}");
        hold!(now >= job.due, "a start before its recorded moment: {start:?} {job:?}");
        if std::mem::replace(&mut job.started_under, host) != host {
            hold!(start.attempt == job.attempts + 1, "recorded attempts are forgotten: {start:?} {job:?}");
        }
        Ok(())
    }

    /// The batch is over, for good.
    pub(super) fn ended(&self, verdict: &Verdict, counts: &BatchCounts, decided: Option<&Closing>) -> Check {
        let lost = self.jobs.iter().position(|job| job.recorded.is_none());
        hold!(lost.is_none(), "job {lost:?} is lost: the batch ended without a record of it");
        let count = |status| self.jobs.iter().filter(|job| job.recorded == Some(status)).count() as u64;
        let ours = Status::ALL.map(count);
        let theirs =
            [counts.succeeded, counts.failed, counts.timed_out, counts.cancelled, counts.skipped, counts.quarantined];
        hold!(ours == theirs, "{counts:?}, but recorded are {ours:?}");
        let recorded = match self.closing.as_ref().or(decided) {
            Some(Closing::Halted(reason)) => Verdict::Halted(reason.clone()),
            Some(Closing::Cancelled) => Verdict::Cancelled,
            Some(Closing::DeadlinePassed) => Verdict::DeadlinePassed,
            None => Verdict::of(counts),
        };
        hold!(*verdict == recorded, "the verdict is {verdict:?}, recorded is {recorded:?}");
        Ok(())
    }
}
