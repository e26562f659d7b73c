//! A place where attempts run, one after the other.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use batchmill_core::{CancelSignal, Draw, JobResult, MonoTime, Outcome, Usage};
use batchmill_dispatch::{Effect, Event, Start};
use tokio::sync::Notify;

use crate::{AttemptReport, Workload};

use super::{
    Shared,
    attempt::{self, Timer},
    batch::OpenBatch,
    delivery::result,
};

/// Results that a slot keeps while its jobs end without waiting.
const LOT: usize = 64;

/// Attempts that end without waiting before the slot lets other tasks of its thread run.
const TURNS: u32 = 64;

/// Where an idle slot finds its next start.
pub(super) struct Post<W> {
    next: Mutex<Option<Work<W>>>,
    wake: Notify,
}

struct Work<W> {
    start: Start,
    batch: Arc<OpenBatch<W>>,
}

impl<W> Default for Post<W> {
    fn default() -> Self {
        Self { next: Mutex::new(None), wake: Notify::new() }
    }
}

impl<W> Post<W> {
    pub(super) fn put(&self, start: Start, batch: Arc<OpenBatch<W>>) {
        let earlier = self.next.lock().unwrap_or_else(PoisonError::into_inner).replace(Work { start, batch });
        debug_assert!(earlier.is_none(), "a slot got two starts");
        self.wake.notify_one();
    }

    async fn take(&self) -> Work<W> {
        loop {
            if let Some(work) = self.next.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return work;
            }
            self.wake.notified().await;
        }
    }
}

/// What a slot carries from attempt to attempt, so that nothing is made anew.
pub(super) struct Desk {
    pub(super) signal: CancelSignal,
    pub(super) timer: Timer,
    /// How the last attempt ended.
    pub(super) report: AttemptReport,
    /// Results of one batch that are not handed over yet.
    pub(super) outbox: Vec<JobResult>,
    /// What the end of the last attempt makes necessary here.
    effects: Vec<Effect>,
    draws: Draws,
    turns: u32,
}

/// Runs what is put into `post`, until the mill is gone.
pub(super) async fn run<W: Workload>(shared: Weak<Shared<W>>, post: Arc<Post<W>>, signal: CancelSignal) {
    let mut desk = Desk {
        signal,
        timer: Timer::default(),
        report: AttemptReport::ended(None, Outcome::Stopped),
        outbox: Vec::new(),
        effects: Vec::new(),
        draws: Draws::new(),
        turns: 0,
    };
    loop {
        let work = post.take().await;
        let Some(shared) = shared.upgrade() else { return };
        work_on(&shared, work, &mut desk).await;
    }
}

/// Runs attempts as long as each end brings a next start.
async fn work_on<W: Workload>(shared: &Arc<Shared<W>>, mut work: Work<W>, desk: &mut Desk) {
    let mut started = shared.clock.now();
    loop {
        attempt::run(shared, &work.batch, &work.start, started, desk).await;
        let lease = work.start.lease;
        let now = shared.clock.now();
        let ran = now - started;
        let outcome = std::mem::replace(&mut desk.report.outcome, Outcome::Stopped);
        let event = Event::AttemptEnded { lease, outcome, usage: Usage::new(ran), draw: desk.draws.next() };
        let (signal, other_batch) = {
            let mut brain = shared.lock();
            let signal = brain.take_end(shared, lease, event, now, &mut desk.effects);
            // The next start, where there is one, is the last.
            let other = match desk.effects.last() {
                Some(Effect::Start(next)) if next.lease.batch != lease.batch => brain.batch(next.lease.batch).cloned(),
                _ => None,
            };
            (signal, other)
        };
        if let Some(signal) = signal {
            desk.signal = signal;
        }
        let mut goes_on = false;
        // From the back: nothing is moved up behind what is taken.
        while let Some(effect) = desk.effects.pop() {
            match effect {
                Effect::Record(record) => {
                    if desk.outbox.capacity() == 0 {
                        desk.outbox.reserve_exact(LOT);
                    }
                    let (id, output) = (desk.report.id.take(), desk.report.output.take());
                    desk.outbox.push(result(&shared.clock, &work.batch, record, id, output));
                }
                Effect::Start(start) => (work.start, goes_on) = (start, true),
                _ => {}
            }
        }
        if !goes_on || other_batch.is_some() || desk.outbox.len() >= LOT {
            work.batch.outlet.push_all(&mut desk.outbox);
        }
        if !goes_on {
            return;
        }
        if let Some(batch) = other_batch {
            work.batch = batch;
        }
        started = now_after_turns(shared, desk, &work.batch, now).await;
    }
}

/// Lets other tasks run now and then: attempts that never wait would keep the thread for themselves.
async fn now_after_turns<W: Workload>(
    shared: &Shared<W>,
    desk: &mut Desk,
    batch: &OpenBatch<W>,
    now: MonoTime,
) -> MonoTime {
    desk.turns += 1;
    if desk.turns < TURNS {
        return now;
    }
    desk.turns = 0;
    batch.outlet.push_all(&mut desk.outbox);
    tokio::task::yield_now().await;
    shared.clock.now()
}

/// A stream of draws for jitter (SplitMix64, Steele et al. 2014), seeded by the process's own random keys.
struct Draws(u64);

impl Draws {
    fn new() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    fn next(&mut self) -> Draw {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Draw::from_bits(bits ^ (bits >> 31))
    }
}
