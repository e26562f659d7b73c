//! One key of one limit: all that must say yes for a job of it.

use std::collections::BTreeMap;

use batchmill_core::{ErrorClass, Key as Name, LimitId, MonoTime};

use super::{
    breaker::{Breaker, Health, Shut},
    bucket::Bucket,
    limit::LimitSettings,
    waiting::{Turn, Waiter},
};

/// Stands for a key of a limit, of all limits of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId(pub(crate) u32);

/// Why a job may not start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// As many attempts run as may.
    Concurrency,
    /// The next token comes at this moment, or as many as the next job needs.
    Rate(MonoTime),
    /// The breaker is open until then.
    Open(MonoTime),
    /// The breaker tries, and all its probes run.
    Probing,
    /// A failed attempt was asked to wait until then.
    Paused(MonoTime),
}

impl Block {
    /// When it ends by itself.
    pub(crate) fn until(self) -> Option<MonoTime> {
        match self {
            Self::Rate(at) | Self::Open(at) | Self::Paused(at) => Some(at),
            Self::Concurrency | Self::Probing => None,
        }
    }
}

/// An attempt that has ended, as the limits of its job see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) started: MonoTime,
    pub(crate) end: AttemptEnd,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    Succeeded,
    Failed(Classes),
    /// It was told to end, or its host was lost.
    Void,
}

/// The classes of all that failed in an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Classes(u16);

impl FromIterator<ErrorClass> for Classes {
    fn from_iter<I: IntoIterator<Item = ErrorClass>>(classes: I) -> Self {
        Self(classes.into_iter().fold(0, |set, class| set | 1 << class as u16))
    }
}

impl Classes {
    fn has_any(self, of: &[ErrorClass]) -> bool {
        self.0 & of.iter().copied().collect::<Self>().0 != 0
    }
}

/// What is looked at for every start: small, because there may be ten a job. How many run is kept apart: it is written for every
/// job, and what is only read stays in the cache of every core.
#[derive(Debug)]
pub(super) struct Hot {
    pub(super) limit: LimitId,
    /// How many may, as its limit says.
    pub(super) most: u32,
    /// Whether its limit looks at nothing but how many run.
    pub(super) is_plain: bool,
    /// Whether classes or jobs wait for it.
    pub(super) is_awaited: bool,
}

/// The rest.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Option<Name>,
    pub(super) bucket: Bucket,
    /// A job that needs more tokens than there are is next: nobody takes them before this moment.
    pub(super) reserved: MonoTime,
    pub(super) breaker: Breaker,
    pub(super) paused: MonoTime,
    /// How many of each group of those who waited were let go and have not started yet, as far as that is known: never more
    /// than there are.
    pub(super) let_go: u32,
    /// Who waits for it.
    pub(super) waiters: BTreeMap<Turn, Waiter>,
    /// When it is looked at again by itself.
    pub(super) armed: Option<MonoTime>,
}

impl Key {
    pub(super) fn new(name: Option<Name>, settings: &LimitSettings, now: MonoTime) -> Self {
        let bucket = match settings.rate {
            Some(rate) => match rate.empty_at {
                Some(at) => Bucket::empty(at),
                None => Bucket::full(rate.rate, rate.burst.get(), now),
            },
            None => Bucket::empty(now),
        };
        Self {
            name,
            bucket,
            reserved: MonoTime::ZERO,
            breaker: Breaker::CLOSED,
            paused: MonoTime::ZERO,
            let_go: 0,
            waiters: BTreeMap::new(),
            armed: None,
        }
    }

    /// Why a job may not start that takes so many units, concurrency aside.
    pub(super) fn block(&self, settings: &LimitSettings, units: u32, now: MonoTime) -> Option<Block> {
        if now < self.paused {
            return Some(Block::Paused(self.paused));
        }
        if let Some(breaker) = &settings.breaker {
            match self.breaker.shut(breaker, now) {
                Some(Shut::Until(at)) => return Some(Block::Open(at)),
                Some(Shut::Probing) => return Some(Block::Probing),
                None => {}
            }
        }
        let rate = settings.rate?;
        if now < self.reserved {
            return Some(Block::Rate(self.reserved));
        }
        let (rate, burst) = (rate.rate, rate.burst.get());
        let short = self.bucket.tokens(rate, burst, now) < units.min(burst);
        short.then(|| Block::Rate(self.bucket.when(units, rate, burst, now)))
    }

    /// How many may start, concurrency aside, if each takes one unit.
    pub(super) fn room(&self, settings: &LimitSettings, now: MonoTime) -> u32 {
        if now < self.paused {
            return 0;
        }
        let breaker = settings.breaker.as_ref().map_or(u32::MAX, |breaker| self.breaker.room(breaker, now));
        let Some(rate) = settings.rate else { return breaker };
        let tokens = if now < self.reserved { 0 } else { self.bucket.tokens(rate.rate, rate.burst.get(), now) };
        breaker.min(tokens)
    }

    /// An attempt starts, that may.
    pub(super) fn start(&mut self, settings: &LimitSettings, units: u32, now: MonoTime) {
        if settings.breaker.is_some() {
            self.breaker.start(now);
        }
        if let Some(rate) = settings.rate {
            self.bucket.take(units, rate.rate, rate.burst.get(), now);
        }
    }

    pub(super) fn end(&mut self, settings: &LimitSettings, attempt: Attempt, now: MonoTime) {
        let Some(breaker) = &settings.breaker else { return };
        let health = match attempt.end {
            AttemptEnd::Succeeded => Health::Good,
            AttemptEnd::Failed(classes) if classes.has_any(&breaker.on) => Health::Bad,
            // Its own fault says nothing of what it talks to.
            AttemptEnd::Failed(_) | AttemptEnd::Void => Health::Unknown,
        };
        self.breaker.end(breaker, attempt.started, health, now);
    }
}
