//! Dispatch with limits of jobs with one key: what a start and an end cost then, and what jobs that wait cost the others.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc};

use batchmill_core::{Draw, FailureStrategy, Key, LimitId, LimitKey, LimitKeys, MonoTime, Outcome, RetryPolicy, Usage};
use batchmill_dispatch::{BatchKey, BatchSetup, Dispatch, Effect, Event, Lease, LimitSettings, NewJob, Settings};
use batchmill_failure_halt::Halt;
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_priority::PriorityScheduler;

use super::queue::Queue;

/// Attempts that run while others are queued.
const RUNNING: u32 = 1000;

/// Keys of each limit.
const KEYS: u64 = 1000;

/// A dispatch that is held at a size: an attempt is lost, its job is queued again, and the next one starts.
#[derive(Debug)]
pub(super) struct Limited {
    dispatch: Dispatch,
    batch: BatchKey,
    limits: u16,
    held: LimitKeys,
    /// Jobs that have the held key: the first ones.
    behind: u32,
    running: VecDeque<Lease>,
    effects: Vec<Effect>,
    next: u64,
    is_sealed: bool,
}

impl Limited {
    /// With so many limits, of a thousand keys each, and room for ten attempts a key.
    pub(super) fn new(limits: u16) -> Self {
        let settings = Settings::new(NonZeroU32::new(RUNNING).expect("not 0"));
        let scheduler = Box::new(PriorityScheduler::new(&batchmill_scheduler_priority::Options::default()));
        let limit = |number: u16| {
            let mut limit = LimitSettings::new(format!("limit-{number}"));
            limit.concurrency = NonZeroU32::new(if number == 0 { 1 } else { 10 });
            limit
        };
        let mut dispatch = Dispatch::new(settings, scheduler).with_limits((0..=limits).map(limit).collect());
        let failure = Halt::new(&batchmill_failure_halt::Options::default()).expect("the defaults are valid");
        let retry: Arc<dyn RetryPolicy> = Arc::new(Exponential::default());
        let mut setup = BatchSetup::new(Box::new(failure) as Box<dyn FailureStrategy>, vec![retry]);
        // Being lost is how jobs get back into the queue here.
        setup.crash_limit = u32::MAX;
        let batch = dispatch.open(setup, MonoTime::ZERO);
        let held = [LimitKey { limit: LimitId(0), key: Some(key("held")), units: 1 }].into_iter().collect();
        let (running, effects) = (VecDeque::new(), Vec::new());
        Self { dispatch, batch, limits, held, behind: 0, running, effects, next: 0, is_sealed: false }
    }

    /// So many jobs wait behind one key, whose only attempt never ends.
    pub(super) fn with_held(mut self, jobs: u32) -> Self {
        for _ in 0..jobs {
            let mut job = NewJob::default();
            job.limits = self.held.clone();
            self.accept(job);
        }
        self.behind = jobs;
        self
    }

    fn accept(&mut self, job: NewJob) {
        self.step(Event::JobsAccepted { batch: self.batch, jobs: vec![job] });
    }

    fn step(&mut self, event: Event) {
        self.next += 1;
        self.dispatch.step(MonoTime::from_nanos(self.next * 1000), event, &mut self.effects);
        for effect in self.effects.drain(..) {
            if let Effect::Start(start) = effect {
                self.running.push_back(start.lease);
            }
        }
    }

    /// The keys of a job, spread evenly.
    fn keys(&self, job: u64) -> LimitKeys {
        let of = |limit: u16| {
            let bits = (job + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(u32::from(limit) * 7);
            LimitKey { limit: LimitId(limit), key: Some(key(&(bits % KEYS).to_string())), units: 1 }
        };
        (1..=self.limits).map(of).collect()
    }
}

fn key(text: &str) -> Key {
    Key::new(text).expect("a good key")
}

impl Queue for Limited {
    /// Before the first start: one more job. Later the end of an attempt has queued one.
    fn push(&mut self) {
        if !self.is_sealed {
            let mut job = NewJob::default();
            job.limits = self.keys(self.next);
            self.accept(job);
        }
    }

    fn pop(&mut self) -> u64 {
        if !self.is_sealed {
            self.is_sealed = true;
            self.step(Event::Sealed { batch: self.batch });
            let behind = self.behind;
            self.running.retain(|lease| lease.index >= behind);
        }
        let lease = self.running.pop_front().expect("attempts run");
        let (outcome, usage, draw) = (Outcome::Lost, Usage::default(), Draw::from_bits(0));
        self.step(Event::AttemptEnded { lease, outcome, usage, draw });
        u64::from(lease.index)
    }
}
