//! One open batch: its rows, its counters, its policies.

use std::{collections::HashMap, fmt, num::NonZeroU64, sync::Arc, time::Duration};

use batchmill_core::{
    BatchCounts, ClassId, Closing, FailureStrategy, GivenUp, JobState, MonoTime, Pause, RetryPolicy, RetryRef, Token,
    Transition,
};

use crate::{
    BatchKey, JournalFailure, Needs, NewJob,
    budget::Budget,
    edge::{Decider, ask},
    resources::DemandId,
    trouble::Trouble,
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
    pub(crate) crashes: u32,
    pub(crate) state: JobState,
    /// Picked and set aside: until its batch takes starts, or no other suspect runs, or, beyond the limit of a trial, for
    /// good.
    pub(crate) parked: bool,
}

/// What few jobs say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    pub(crate) cost: f64,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<MonoTime>,
}

impl Wishes {
    pub(crate) const NONE: Self = Self { cost: 1.0, timeout: None, deadline: None };

    pub(crate) fn of(job: &NewJob) -> Option<Self> {
        let wishes = Self { cost: job.cost, timeout: job.timeout, deadline: job.deadline };
        #[expect(clippy::float_cmp, reason = "1.0 is the default itself, not a computed value")]
        let plain = job.cost == 1.0 && job.timeout.is_none() && job.deadline.is_none();
        (!plain).then_some(wishes)
    }
}

pub(crate) struct Batch {
    pub(crate) key: BatchKey,
    pub(crate) setup: BatchSetup,
    pub(crate) rows: Vec<Row>,
    pub(crate) wishes: HashMap<u32, Wishes>,
    pub(crate) troubles: HashMap<u32, Box<Trouble>>,
    pub(crate) counts: BatchCounts,
    pub(crate) retries: u64,
    pub(crate) budget: Option<Budget>,
    /// Jobs that have started, and those of them that have no end yet.
    pub(crate) begun: u64,
    pub(crate) begun_open: u64,
    pub(crate) sealed: bool,
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
            troubles: HashMap::new(),
            counts: BatchCounts::default(),
            retries: 0,
            budget,
            begun: 0,
            begun_open: 0,
            sealed: false,
            storage_full: None,
            closed_upto: 0,
            journal_failed: None,
            poison: Vec::new(),
            demand,
        }
    }

    /// Moves one job: the only place where a row's state and the counters change.
    ///
    /// # Panics
    /// On an illegal transition: dispatch asks only for what its own bookkeeping says is legal, so this is a defect,
    /// and going on would record a wrong end.
    pub(crate) fn apply(&mut self, index: u32, transition: Transition) -> JobState {
        let row = &mut self.rows[index as usize];
        let from = row.state;
        let to = from.apply(transition).unwrap_or_else(|error| panic!("job {index} of batch {}: {error}", self.key.0));
        row.state = to;
        self.counts.moved(from, to);
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
        self.troubles.get_mut(&index).map(|trouble| std::mem::take(&mut trouble.given_up)).unwrap_or_default()
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
        row.crashes > 0 && row.crashes + 1 == self.setup.crash_limit
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

    /// Whether a job's own deadline has passed.
    pub(crate) fn is_too_late(&self, index: u32, now: MonoTime) -> bool {
        self.wishes(index).deadline.is_some_and(|deadline| deadline <= now)
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
