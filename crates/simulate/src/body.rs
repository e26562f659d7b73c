//! A body for dispatch whose time is a heap of moments.

use std::{cmp::Reverse, collections::BinaryHeap};

use batchmill_core::{BatchCounts, Draw, MonoTime, Outcome, Pause, Usage, Verdict};
use batchmill_dispatch::{BatchKey, BatchSetup, Dispatch, Effect, Event, Lease, NewJob, SlotId, Start};

use crate::{
    Model, Played,
    books::Books,
    chance::{About, bits},
};

/// Records are answered so many at a time: well below the bound at which nothing starts any more.
const ANSWERED_AT_ONCE: usize = 256;

/// An attempt.
#[derive(Debug)]
struct Running {
    lease: Lease,
    attempt: u32,
    since: MonoTime,
    /// Names its end among the moments: one that was told to end has another.
    number: u64,
    outcome: Outcome,
}

pub(crate) struct Body<'a> {
    dispatch: Dispatch,
    batch: BatchKey,
    model: &'a Model,
    begin: MonoTime,
    now: MonoTime,
    effects: Vec<Effect>,
    running: Vec<Option<Running>>,
    /// Ends of attempts, the next first; those of one moment in the order of their starts.
    ends: BinaryHeap<Reverse<(MonoTime, u64, SlotId)>>,
    wake_at: Option<MonoTime>,
    unanswered: Vec<u32>,
    books: Books,
    attempts: u64,
    /// Numbers that were given to ends.
    numbers: u64,
    ended: Option<(Verdict, BatchCounts, u64)>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(
        mut dispatch: Dispatch,
        setup: BatchSetup,
        begin: MonoTime,
        books: Books,
        model: &'a Model,
    ) -> Self {
        let batch = dispatch.open(setup, begin);
        Self {
            dispatch,
            batch,
            model,
            begin,
            now: begin,
            effects: Vec::new(),
            running: Vec::new(),
            ends: BinaryHeap::new(),
            wake_at: None,
            unanswered: Vec::new(),
            books,
            attempts: 0,
            numbers: 0,
            ended: None,
        }
    }

    pub(crate) fn accept(&mut self, jobs: Vec<NewJob>) {
        self.step(Event::JobsAccepted { batch: self.batch, jobs });
    }

    /// Starts, and goes on until the batch has ended or nothing can happen any more.
    pub(crate) fn run(&mut self) {
        self.step(Event::Sealed { batch: self.batch });
        while self.ended.is_none() && self.go_on() {}
    }

    /// Takes the next thing that happens; false where nothing does.
    fn go_on(&mut self) -> bool {
        let end = self.ends.peek().map(|Reverse((at, ..))| *at);
        if self.unanswered.len() >= ANSWERED_AT_ONCE || end.is_none() && !self.unanswered.is_empty() {
            self.answer();
            return true;
        }
        match (end, self.wake_at) {
            // An end that has happened goes before a limit that falls due.
            (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => self.end_next(),
            (_, Some(wake)) => {
                self.wake_at = None;
                self.reach(wake);
                self.step(Event::TimerFired);
            }
            _ => return false,
        }
        true
    }

    fn answer(&mut self) {
        let jobs = std::mem::take(&mut self.unanswered);
        self.step(Event::Answered { batch: self.batch, jobs });
    }

    fn reach(&mut self, moment: MonoTime) {
        self.now = self.now.max(moment);
        self.books.reach(self.now);
    }

    fn end_next(&mut self) {
        let Some(Reverse((at, number, slot))) = self.ends.pop() else { return };
        let Some(ended) = self.running[slot.0 as usize].take_if(|running| running.number == number) else { return };
        self.reach(at);
        let Running { lease, attempt, since, outcome, .. } = ended;
        self.books.ran(lease.index, lease.slot, since, self.now);
        let draw = Draw::from_bits(bits(self.model.seed, About::Jitter, lease.index, attempt));
        self.step(Event::AttemptEnded { lease, outcome, usage: Usage::new(self.now - since), draw });
    }

    fn step(&mut self, event: Event) {
        let mut effects = std::mem::take(&mut self.effects);
        self.dispatch.step(self.now, event, &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(start) => self.start(&start),
            Effect::Record(record) => {
                self.books.ended(record.index, self.now);
                self.unanswered.push(record.index);
            }
            Effect::Stop { lease, .. } => self.stop(lease),
            Effect::WakeAt(at) => self.wake_at = Some(at),
            Effect::BatchEnded { verdict, counts, retries, .. } => self.ended = Some((verdict, *counts, retries)),
            // Told for logs and journals.
            _ => {}
        }
    }

    fn start(&mut self, start: &Start) {
        let Start { lease, attempt, timeout, .. } = *start;
        self.attempts += 1;
        self.books.starts(lease.index, self.now);
        let (length, outcome) = self.model.attempt(lease.index, attempt, self.books.cost(lease.index), timeout);
        let number = self.ends_at(self.now + length, lease.slot);
        let slot = lease.slot.0 as usize;
        self.running.resize_with(self.running.len().max(slot + 1), || None);
        self.running[slot] = Some(Running { lease, attempt, since: self.now, number, outcome });
    }

    /// What is told to end does so at once.
    fn stop(&mut self, lease: Lease) {
        let number = self.ends_at(self.now, lease.slot);
        let place = self.running.get_mut(lease.slot.0 as usize).and_then(Option::as_mut);
        if let Some(running) = place.filter(|running| running.lease == lease) {
            (running.number, running.outcome) = (number, Outcome::Stopped);
        }
    }

    fn ends_at(&mut self, at: MonoTime, slot: SlotId) -> u64 {
        self.numbers += 1;
        self.ends.push(Reverse((at, self.numbers, slot)));
        self.numbers
    }

    pub(crate) fn played(mut self, entitled: &[f64]) -> Played {
        let paused: Option<Pause> = self.dispatch.paused(self.batch);
        let (counts, retries) = (self.dispatch.counts(self.batch), self.dispatch.retries(self.batch));
        let (verdict, counts, retries) = match self.ended.take() {
            Some((verdict, counts, retries)) => (Some(verdict), counts, retries),
            None => (None, counts.unwrap_or_default(), retries.unwrap_or_default()),
        };
        let (makespan, slots) = (self.now - self.begin, self.dispatch.totals().limit);
        let closed = self.books.close(entitled);
        Played {
            verdict,
            paused,
            counts,
            makespan,
            slots,
            attempts: self.attempts,
            retries,
            used: closed.used,
            fairness: closed.fairness,
            wait: closed.wait,
            shares: closed.shares,
            windows: closed.windows,
            bars: closed.bars,
        }
    }
}
