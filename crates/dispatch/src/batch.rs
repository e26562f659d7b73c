//! One open batch: its rows, its counters, its policies.

use std::{
    collections::HashMap,
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use batchmill_core::{
    BatchCounts, ClassId, Closing, FailureStrategy, GivenUp, JobState, Median, MonoTime, Pause, RetryPolicy, RetryRef,
    Token, Transition,
};

use crate::{
    BatchKey, JournalFailure, Needs, NewJob,
    budget::Budget,
    edge::{Decider, ask},
    resources::DemandId,
    step::waiting::WaitingEnd,
    trouble::{Trouble, TroubleId, Troubles},
};

/// How a batch wants to be treated.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchSetup {
    /// When failures stop it.
    pub failure: Box<dyn FailureStrategy>,
    /// Its retry policies by [`RetryRef`]; 0 decides where nothing else is said, and names the retry budget. At least
    /// one.
    pub retry: Vec<Arc<dyn RetryPolicy>>,
    /// Bounds an attempt of a job that has no limit of its own.
    pub timeout: Option<Duration>,
    /// The same in percent of the median of the attempts that succeeded, instead of `timeout` once there are
    /// enough of them ([`Median::percent`]). Begins anew with each host.
    pub timeout_percent: Option<NonZeroU32>,
    /// A job ends `timed_out` that has waited so long for its first start, counted from when it might start: when all jobs
    /// of its batch were here, and its `after` had come. Begins anew with each host.
    pub queue_timeout: Option<Duration>,
    /// A job ends `timed_out` so long after its first start, all waits and hosts in between counted.
    pub job_timeout: Option<Duration>,
    /// Running jobs end `timed_out`, waiting ones `skipped` at this moment.
    pub deadline: Option<MonoTime>,
    /// A job whose host or worker was lost so often is quarantined.
    pub crash_limit: u32,
    /// How many jobs to make room for; there may be more or fewer.
    pub expected_jobs: usize,
    /// A trial: so many jobs start, those that the scheduler picks first, and the batch ends when they have. The others
    /// stay pending. Jobs that began under earlier hosts count; of those that ended, the ones that were neither cancelled
    /// nor skipped.
    pub limit: Option<NonZeroU64>,
    /// When it was first accepted, by an earlier host: since when its jobs are queued.
    pub accepted: Option<MonoTime>,
    /// An earlier host ran jobs of it: any job may have a checkpoint, also one of which nothing else is known.
    pub resumed: bool,
    /// An earlier host decided that it takes no more starts: this one decides nothing about it any more.
    pub closing: Option<Closing>,
    /// An earlier host paused it.
    pub paused: Option<Pause>,
    /// What its jobs ask for.
    pub needs: Needs,
}

impl BatchSetup {
    /// No time limits, a crash limit of 3, no limit on how many jobs start.
    ///
    /// # Panics
    /// If there is no retry policy.
    pub fn new(failure: Box<dyn FailureStrategy>, retry: Vec<Arc<dyn RetryPolicy>>) -> Self {
        assert!(!retry.is_empty(), "a batch has at least one retry policy");
        Self {
            failure,
            retry,
            timeout: None,
            timeout_percent: None,
            queue_timeout: None,
            job_timeout: None,
            deadline: None,
            crash_limit: 3,
            expected_jobs: 0,
            limit: None,
            accepted: None,
            resumed: false,
            closing: None,
            paused: None,
            needs: Needs::default(),
        }
    }
}

/// What is kept of a job: 32 bytes, because there are millions. Rarely used wishes live in [`Wishes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) enqueued: MonoTime,
    pub(crate) class: ClassId,
    pub(crate) epoch: u32,
    /// Where its attempt runs, while it does.
    pub(crate) slot: u32,
    pub(crate) attempts: u32,
    /// What is remembered of it, if it is in trouble.
    pub(crate) trouble: TroubleId,
    /// Of one that has ended, how often it was lost with its host; 255 and more look alike then.
    pub(crate) crashes: u8,
    pub(crate) state: JobState,
    /// Picked and set aside: until its batch takes starts, or no other suspect runs, or, beyond the limit of a trial, for
    /// good.
    pub(crate) parked: bool,
}

impl Row {
    /// Of a job that has not begun.
    pub(crate) fn new(class: ClassId, enqueued: MonoTime, state: JobState) -> Self {
        let trouble = TroubleId::NONE;
        Self { enqueued, class, epoch: 0, slot: 0, attempts: 0, trouble, crashes: 0, state, parked: false }
    }
}

/// What few jobs say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    pub(crate) cost: f64,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<MonoTime>,
    /// Only kept where the wait for a start is bounded.
    pub(crate) after: Option<MonoTime>,
}

impl Wishes {
    pub(crate) const NONE: Self = Self { cost: 1.0, timeout: None, deadline: None, after: None };

    pub(crate) fn of(job: &NewJob, setup: &BatchSetup) -> Option<Self> {
        let after = job.after.filter(|_| setup.queue_timeout.is_some());
        let wishes = Self { cost: job.cost, timeout: job.timeout, deadline: job.deadline, after };
        #[expect(clippy::float_cmp, reason = "1.0 is the default itself, not a computed value")]
        let plain = job.cost == 1.0 && job.timeout.is_none() && job.deadline.is_none() && after.is_none();
        (!plain).then_some(wishes)
    }
}

pub(crate) struct Batch {
    pub(crate) key: BatchKey,
    pub(crate) setup: BatchSetup,
    pub(crate) rows: Vec<Row>,
    pub(crate) wishes: HashMap<u32, Wishes>,
    pub(crate) troubles: Troubles,
    pub(crate) counts: BatchCounts,
    pub(crate) retries: u64,
    pub(crate) budget: Option<Budget>,
    /// Jobs that have started, and those of them that have no end yet.
    pub(crate) begun: u64,
    pub(crate) begun_open: u64,
    pub(crate) sealed: bool,
    /// When it was.
    pub(crate) sealed_at: MonoTime,
    /// Of the attempts that succeeded, where a limit is made of it.
    pub(crate) median: Median,
    /// By its failure strategy or a person.
    pub(crate) paused: Option<Pause>,
    /// What is full of its store, until there is room.
    pub(crate) storage_full: Option<String>,
    /// Set once; rows before `closed_upto` have got their end.
    pub(crate) closing: Option<Closing>,
    pub(crate) closed_upto: usize,
    /// Why nothing of it is recorded any more.
    pub(crate) journal_failed: Option<JournalFailure>,
    /// Jobs that were lost with their hosts as often as may be; they end when it is sealed.
    pub(crate) poison: Vec<u32>,
    /// What its jobs ask for, but for those that ran out of memory.
    pub(crate) demand: DemandId,
}

impl Batch {
    pub(crate) fn new(key: BatchKey, setup: BatchSetup, demand: DemandId, now: MonoTime) -> Self {
        let budget = ask(Decider::Retry, || setup.retry[0].budget()).map(|settings| Budget::new(settings, now));
        Self {
            key,
            rows: Vec::with_capacity(setup.expected_jobs),
            paused: setup.paused.clone(),
            closing: setup.closing.clone(),
            setup,
            wishes: HashMap::new(),
            troubles: Troubles::default(),
            counts: BatchCounts::default(),
            retries: 0,
            budget,
            begun: 0,
            begun_open: 0,
            sealed: false,
            sealed_at: now,
            median: Median::default(),
            storage_full: None,
            closed_upto: 0,
            journal_failed: None,
            poison: Vec::new(),
            demand,
        }
    }

    /// Moves one job: only here and in [`apply_to`](Self::apply_to) a row's state and the counters change.
    ///
    /// # Panics
    /// On an illegal transition: dispatch asks only for what its own bookkeeping says is legal, so this is a defect,
    /// and going on would record a wrong end.
    #[inline]
    pub(crate) fn apply(&mut self, index: u32, transition: Transition) -> JobState {
        self.apply_to(index, self.rows[index as usize].state, transition)
    }

    /// The same for a job whose state is known: what follows from it is then known when this is compiled.
    ///
    /// # Panics
    /// As [`apply`](Self::apply), and if that is not its state.
    #[inline(always)]
    pub(crate) fn apply_to(&mut self, index: u32, known: JobState, transition: Transition) -> JobState {
        let row = &mut self.rows[index as usize];
        assert!(row.state == known, "job {index} of batch {} is not {known:?}", self.key.0);
        let to = known.apply(transition).unwrap_or_else(|error| panic!("job {index} of batch {}: {error}", self.key.0));
        row.state = to;
        self.counts.moved(known, to);
        to
    }

    pub(crate) fn token(&self, index: u32) -> Token {
        token(self.key, index)
    }

    pub(crate) fn wishes(&self, index: u32) -> Wishes {
        // Most batches have none: skip the hash.
        if self.wishes.is_empty() { Wishes::NONE } else { self.wishes.get(&index).copied().unwrap_or(Wishes::NONE) }
    }

    /// What the next attempt of a job that failed goes on without.
    pub(crate) fn take_given_up(&mut self, index: u32) -> Vec<GivenUp> {
        self.trouble_mut(index).map(Trouble::take_given_up).unwrap_or_default()
    }

    /// What is remembered of a job that failed.
    pub(crate) fn trouble(&self, index: u32) -> Option<&Trouble> {
        self.troubles.get(self.rows[index as usize].trouble)
    }

    pub(crate) fn trouble_mut(&mut self, index: u32) -> Option<&mut Trouble> {
        self.troubles.get_mut(self.rows[index as usize].trouble)
    }

    /// How often a job was lost with its host or worker.
    pub(crate) fn crashes(&self, row: &Row) -> u32 {
        self.troubles.get(row.trouble).map_or(row.crashes.into(), Trouble::crashes)
    }

    /// Where that of a job is whose first attempt started at `started`, if nothing was remembered yet.
    pub(crate) fn in_trouble(&mut self, index: u32, started: MonoTime) -> TroubleId {
        let row = &mut self.rows[index as usize];
        if row.trouble == TroubleId::NONE {
            row.trouble = self.troubles.add(Trouble::new(started));
        }
        let id = row.trouble;
        if let Some(trouble) = self.troubles.get_mut(id) {
            trouble.begun(started);
        }
        id
    }

    /// The jobs of which something is remembered.
    pub(crate) fn all_in_trouble(&self) -> impl Iterator<Item = u32> {
        let rows = if self.troubles.is_empty() { &[] } else { &self.rows[..] };
        (0..).zip(rows).filter(|(_, row)| row.trouble != TroubleId::NONE).map(|(index, _)| index)
    }

    /// What is remembered of a job: no more from here on.
    pub(crate) fn take_trouble(&mut self, index: u32) -> Option<Trouble> {
        let id = std::mem::replace(&mut self.rows[index as usize].trouble, TroubleId::NONE);
        let trouble = self.troubles.remove(id)?;
        self.rows[index as usize].crashes = u8::try_from(trouble.crashes()).unwrap_or(u8::MAX);
        Some(trouble)
    }

    pub(crate) fn policy(&self, retry: RetryRef) -> &dyn RetryPolicy {
        self.setup.retry.get(usize::from(retry.0)).unwrap_or(&self.setup.retry[0]).as_ref()
    }

    /// Whether jobs of this batch may start. A deadline counts from its moment on, also when its timer comes late.
    pub(crate) fn takes_starts(&self, now: MonoTime) -> bool {
        let in_time = self.setup.deadline.is_none_or(|deadline| now < deadline);
        let waits = self.paused.is_some() || self.storage_full.is_some();
        self.sealed && !waits && self.closing.is_none() && self.journal_failed.is_none() && in_time
    }

    /// Whether one more loss of its host would be the last: it may be what takes hosts down.
    pub(crate) fn is_suspect(&self, row: &Row) -> bool {
        let crashes = self.crashes(row);
        crashes > 0 && crashes + 1 == self.setup.crash_limit
    }

    /// Whether a job lost its host as often as may be.
    pub(crate) fn is_poison(&self, crashes: u32) -> bool {
        crashes > 0 && crashes >= self.setup.crash_limit
    }

    /// Whether as many jobs have started as may.
    pub(crate) fn is_limit_reached(&self) -> bool {
        self.setup.limit.is_some_and(|limit| self.begun >= limit.get())
    }

    /// Whether every job of a trial has its end.
    pub(crate) fn is_trial_over(&self) -> bool {
        self.is_limit_reached() && self.begun_open == 0 && self.counts.recording == 0
    }

    /// Whether its jobs may wait too long.
    pub(crate) fn is_timed(&self) -> bool {
        !self.wishes.is_empty() || self.setup.queue_timeout.is_some() || self.setup.job_timeout.is_some()
    }

    /// Whether a job that waits has waited too long.
    pub(crate) fn is_too_late(&self, index: u32, now: MonoTime) -> bool {
        self.expiry(index).is_some_and(|(at, _)| at <= now)
    }

    /// When the time of a job that waits is over, and which time that is: the first of them.
    pub(crate) fn expiry(&self, index: u32) -> Option<(MonoTime, WaitingEnd)> {
        let deadline = self.wishes(index).deadline.map(|at| (at, WaitingEnd::Deadline));
        let job = self.job_due(index).map(|at| (at, WaitingEnd::JobTimeout));
        let queue = self.queue_due(index).map(|at| (at, WaitingEnd::QueueTimeout));
        // Of equals the first.
        [deadline, job, queue].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// When a job must have started that has not.
    pub(crate) fn queue_due(&self, index: u32) -> Option<MonoTime> {
        let limit = self.setup.queue_timeout?;
        // What a trial leaves out waits for another host.
        if !self.sealed || self.rows[index as usize].epoch > 0 || self.is_limit_reached() {
            return None;
        }
        let from = self.wishes(index).after.map_or(self.sealed_at, |after| after.max(self.sealed_at));
        Some(from + limit)
    }

    /// When a job must have ended that has started and does not run.
    pub(crate) fn job_due(&self, index: u32) -> Option<MonoTime> {
        let limit = self.setup.job_timeout?;
        self.trouble(index)?.first_started().map(|started| started + limit)
    }

    /// How long the attempt of a job may take that starts now, and what is left of the time of its job if that is less.
    pub(crate) fn attempt_limit(&self, index: u32, now: MonoTime) -> Option<Duration> {
        let attempt = self.wishes(index).timeout.or_else(|| self.usual_limit());
        let job = self.setup.job_timeout.map(|limit| self.job_due(index).map_or(limit, |due| due - now));
        attempt.into_iter().chain(job).min()
    }

    fn usual_limit(&self) -> Option<Duration> {
        let percent = self.setup.timeout_percent;
        percent.and_then(|percent| self.median.percent(percent)).or(self.setup.timeout)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("key", &self.key).field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// A job's token: its batch above, its place below.
pub(crate) fn token(batch: BatchKey, index: u32) -> Token {
    Token(u64::from(batch.0) << 32 | u64::from(index))
}

#[expect(clippy::cast_possible_truncation, reason = "taking the two halves apart")]
pub(crate) fn of_token(token: Token) -> (BatchKey, u32) {
    (BatchKey((token.0 >> 32) as u32), token.0 as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        assert!(size_of::<Row>() <= 32, "{} bytes", size_of::<Row>());
    }

    #[test]
    fn tokens_come_apart_again() {
        let (batch, index) = (BatchKey(7), u32::MAX - 3);
        assert_eq!(of_token(token(batch, index)), (batch, index));
    }
}
