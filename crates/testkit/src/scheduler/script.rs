//! Drives a scheduler and keeps the books.

use std::{collections::BTreeSet, time::Duration};

use batchmill_core::{MonoTime, Pick, Scheduler, Token, Usage};

use super::{QueuedJob, Subject};
use crate::{
    FakeClock, Seed,
    case::{Checked, Unmet, ensure},
};

/// A scheduler, the clock it is asked with, and which tokens it must have.
pub(super) struct Books {
    pub(super) scheduler: Subject,
    pub(super) clock: FakeClock,
    pub(super) queued: BTreeSet<Token>,
}

impl Books {
    pub(super) fn new(scheduler: Subject) -> Self {
        Self { scheduler, clock: FakeClock::new(), queued: BTreeSet::new() }
    }

    pub(super) fn push(&mut self, job: &QueuedJob) -> Checked {
        self.queued.insert(job.token);
        self.scheduler.push(job.entry());
        self.check_len("push")
    }

    /// Takes out one token; `None` when the scheduler says that it is empty, which must be true.
    pub(super) fn pop(&mut self) -> Result<Option<Token>, Unmet> {
        loop {
            match self.scheduler.pop(self.clock.now()) {
                Pick::Run(token) => {
                    ensure!(self.queued.remove(&token), "{token:?} was picked, but it is not queued");
                    self.check_len("pop")?;
                    return Ok(Some(token));
                }
                Pick::NotBefore(moment) => {
                    let now = self.clock.now();
                    ensure!(!self.queued.is_empty(), "answered NotBefore with nothing queued");
                    ensure!(moment > now, "answered NotBefore {moment:?}, which is not later than now, {now:?}");
                    self.clock.reach(moment);
                }
                other => {
                    let left = self.queued.len();
                    ensure!(left == 0, "answered {other:?} with {left} jobs queued, none of them held");
                    return Ok(None);
                }
            }
        }
    }

    pub(super) fn finish(&mut self, token: Token) {
        self.clock.advance(Duration::from_nanos(10));
        self.scheduler.on_finish(token, Usage::new(Duration::from_nanos(10)));
    }

    pub(super) fn remove(&mut self, token: Token) -> Checked {
        let (expected, answer) = (self.queued.remove(&token), self.scheduler.remove(token));
        ensure!(answer == expected, "remove({token:?}) answered {answer}, expected {expected}");
        self.check_len("remove")
    }

    /// Pops until nothing is left.
    pub(super) fn drain(&mut self) -> Result<Vec<Token>, Unmet> {
        let mut order = Vec::new();
        while let Some(token) = self.pop()? {
            order.push(token);
            self.finish(token);
        }
        Ok(order)
    }

    fn check_len(&self, after: &str) -> Checked {
        let (len, expected) = (self.scheduler.len(), self.queued.len());
        ensure!(len == expected, "len is {len} after {after}, expected {expected}");
        ensure!(self.scheduler.is_empty() == (expected == 0), "is_empty contradicts len {len} after {after}");
        Ok(())
    }

    /// One random call: push (new, or again), pop, finish, remove (queued, or a stranger).
    pub(super) fn random_step(&mut self, step: u64, seed: &mut Seed) -> Checked {
        let now = self.clock.advance(Duration::from_nanos(seed.below(50))).as_nanos();
        match seed.below(10) {
            0..4 => {
                // A small range, so that tokens that left come again.
                let token = seed.below(300);
                if self.queued.contains(&Token(token)) {
                    Ok(())
                } else {
                    self.push(&QueuedJob::random(token, now, seed))
                }
            }
            4..8 => {
                if let Some(token) = self.pop()? {
                    self.finish(token);
                }
                Ok(())
            }
            8 => self.remove(Token(seed.below(300))),
            _ => {
                let queued: Vec<Token> = self.queued.iter().copied().collect();
                self.remove(queued.get(seed.index(queued.len())).copied().unwrap_or(Token(step + 1000)))
            }
        }
    }
}

/// Every answer to the same random calls, as text to compare.
pub(super) fn answers(scheduler: &mut dyn Scheduler, steps: u64, mut seed: Seed) -> Vec<String> {
    let (mut clock, mut running, mut queued) = (FakeClock::new(), Vec::new(), BTreeSet::new());
    let mut all = Vec::new();
    for token in 0..steps {
        let now = clock.advance(Duration::from_nanos(seed.below(50)));
        match seed.below(8) {
            0..4 => {
                queued.insert(Token(token));
                scheduler.push(QueuedJob::random(token, now.as_nanos(), &mut seed).entry());
            }
            4..6 => {
                let pick = scheduler.pop(now);
                if let Pick::Run(token) = pick {
                    queued.remove(&token);
                    running.push(token);
                }
                all.push(format!("{pick:?}"));
            }
            6 if !running.is_empty() => {
                let token = running.swap_remove(seed.index(running.len()));
                scheduler.on_finish(token, Usage::new(Duration::from_nanos(seed.below(100))));
            }
            _ => {
                let token = Token(seed.below(token + 1));
                queued.remove(&token);
                all.push(format!("{} {}", scheduler.remove(token), scheduler.len()));
            }
        }
    }
    all.extend(picks(scheduler, clock.now(), queued.len()));
    all
}

/// The next `max` picks as text, without waiting.
pub(super) fn picks(scheduler: &mut dyn Scheduler, now: MonoTime, max: usize) -> Vec<String> {
    (0..max).map(|_| format!("{:?}", scheduler.pop(now))).collect()
}
