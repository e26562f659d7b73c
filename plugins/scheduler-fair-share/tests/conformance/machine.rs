//! A machine with some slots, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    time::Duration,
};

use batchmill_core::{MonoTime, Pick, Scheduler, Token, Usage};
use batchmill_testkit::QueuedJob;

/// Runs what a scheduler picks.
pub(crate) struct Machine<S> {
    pub(crate) scheduler: S,
    pub(crate) now: MonoTime,
    slots: usize,
    running: BinaryHeap<Reverse<(MonoTime, u64)>>,
    /// Share and length of each job.
    jobs: HashMap<u64, (String, Duration)>,
    /// What attempts of a share are measured to hold, in bytes; nothing is measured of the others.
    pub(crate) memory: BTreeMap<String, u64>,
    /// For how long each share held slots.
    pub(crate) used: BTreeMap<String, Duration>,
    /// How many jobs of each share were started.
    pub(crate) started: BTreeMap<String, u64>,
    /// When each job was started.
    pub(crate) starts: BTreeMap<u64, MonoTime>,
}

impl<S: Scheduler> Machine<S> {
    pub(crate) fn new(scheduler: S, slots: usize) -> Self {
        let (now, running, jobs) = (MonoTime::ZERO, BinaryHeap::new(), HashMap::new());
        let (memory, used, started, starts) = Default::default();
        Self { scheduler, now, slots, running, jobs, memory, used, started, starts }
    }

    pub(crate) fn push(&mut self, mut job: QueuedJob, length: Duration) {
        job.enqueued = self.now;
        self.scheduler.push(job.entry());
        self.jobs.insert(job.token.0, (job.share, length));
    }

    /// Fills the slots, then lets the next attempt end. How many were started.
    pub(crate) fn step(&mut self) -> u64 {
        let mut started = 0;
        while self.running.len() < self.slots {
            let Pick::Run(Token(token)) = self.scheduler.pop(self.now) else { break };
            let (share, length) = &self.jobs[&token];
            self.running.push(Reverse((self.now + *length, token)));
            *self.started.entry(share.clone()).or_default() += 1;
            self.starts.insert(token, self.now);
            started += 1;
        }
        if let Some(Reverse((end, token))) = self.running.pop() {
            self.now = end;
            let (share, length) = &self.jobs[&token];
            *self.used.entry(share.clone()).or_default() += *length;
            let mut usage = Usage::new(*length);
            usage.peak_memory = self.memory.get(share).copied();
            self.scheduler.on_finish(Token(token), usage);
        }
        started
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Runs until so many jobs were started, or nothing is left.
    pub(crate) fn start(&mut self, mut jobs: u64) {
        while jobs > 0 && !(self.scheduler.is_empty() && self.running.is_empty()) {
            jobs = jobs.saturating_sub(self.step());
        }
    }
}
