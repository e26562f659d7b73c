//! What is said of a limit that lets a job not start.

use std::collections::{HashMap, HashSet};

use batchmill_core::{ClassId, LimitId, MonoTime};

use super::{Holder, LimitKeyOf, Reason, Share, counter};
use crate::{
    batch::Row,
    dispatch::Dispatch,
    gates::{Block, KeyId, Limits},
};

/// Holders that are named.
const NAMED: usize = 8;

/// What stands in the way of a class, and when it opens by itself.
pub(super) struct Blocked {
    key: KeyId,
    block: Block,
}

impl Blocked {
    /// What keeps jobs of this class from starting now.
    pub(super) fn of(limits: &Limits, class: ClassId, now: MonoTime) -> Option<Self> {
        let (key, block) = limits.blocked(class, now)?;
        Some(Self { key, block })
    }

    pub(super) fn until(&self) -> Option<MonoTime> {
        self.block.until()
    }

    pub(super) fn reason(&self, dispatch: &Dispatch, limits: &Limits) -> Reason {
        let (_, settings, key) = limits.about(self.key);
        let of = LimitKeyOf { limit: settings.name.clone(), key: key.map(str::to_owned), keys: 1 };
        let holders = || holders(dispatch, limits, self.key);
        match self.block {
            Block::Concurrency => {
                let concurrency = settings.concurrency.map_or(0, std::num::NonZero::get);
                Reason::LimitConcurrency { of, concurrency, holders: holders() }
            }
            Block::Rate(_) => match settings.rate {
                Some(rate) => Reason::LimitRate { of, rate: rate.rate },
                None => unreachable!("what has no rate blocks by none"),
            },
            Block::Open(_) => {
                let failures = settings.breaker.as_ref().map_or(0, |breaker| breaker.failures.get());
                Reason::BreakerOpen { of, failures }
            }
            Block::Probing => {
                let probes = settings.breaker.as_ref().map_or(0, |breaker| breaker.probes.get());
                Reason::BreakerProbing { of, probes, holders: holders() }
            }
            Block::Paused(_) => Reason::LimitPaused { of },
        }
    }

    /// Blocks of one kind by one limit are told together.
    fn kind(&self, limits: &Limits) -> (LimitId, u8) {
        let kind = match self.block {
            Block::Concurrency => 0,
            Block::Rate(_) => 1,
            Block::Open(_) => 2,
            Block::Probing => 3,
            Block::Paused(_) => 4,
        };
        (limits.about(self.key).0, kind)
    }
}

/// The attempts that run with a key.
fn holders(dispatch: &Dispatch, limits: &Limits, key: KeyId) -> Vec<Holder> {
    let live = dispatch.slots.iter().filter(|live| {
        let (batch, index) = (live.lease.batch, live.lease.index as usize);
        dispatch.batch(batch).is_some_and(|batch| limits.has(batch.rows[index].class, key))
    });
    let holder = |live: &crate::slots::Live| {
        let lease = live.lease;
        Holder { batch: lease.batch, sequence: lease.index, slot: lease.slot.0 }
    };
    live.take(NAMED).map(holder).collect()
}

/// Jobs of a batch that limits let not start, counted by limit: there may be thousands of keys.
#[derive(Default)]
pub(super) struct Tally {
    by_class: HashMap<ClassId, Option<(LimitId, u8)>>,
    kinds: HashMap<(LimitId, u8), OfKind>,
}

struct OfKind {
    share: Share,
    keys: HashSet<KeyId>,
    due: Option<MonoTime>,
}

impl Tally {
    /// Counts a job that is ready, if a limit keeps it from starting.
    pub(super) fn count(&mut self, dispatch: &Dispatch, limits: &Limits, row: &Row, now: MonoTime) -> bool {
        let Self { by_class, kinds } = self;
        let kind = *by_class.entry(row.class).or_insert_with(|| {
            let blocked = Blocked::of(limits, row.class, now)?;
            let kind = blocked.kind(limits);
            let of = kinds.entry(kind).or_insert_with(|| {
                let reason = blocked.reason(dispatch, limits);
                OfKind {
                    share: Share { jobs: 0, state: counter(row.state), reason, due: None },
                    keys: HashSet::new(),
                    due: None,
                }
            });
            of.keys.insert(blocked.key);
            of.due = of.due.into_iter().chain(blocked.until()).min();
            Some(kind)
        });
        let Some(of) = kind.and_then(|kind| kinds.get_mut(&kind)) else { return false };
        of.share.jobs += 1;
        true
    }

    /// One share a limit and kind.
    pub(super) fn shares(self, now: MonoTime) -> impl Iterator<Item = Share> {
        let mut all: Vec<_> = self.kinds.into_iter().collect();
        all.sort_by_key(|(kind, _)| *kind);
        all.into_iter().map(move |(_, OfKind { mut share, keys, due })| {
            share.due = due.map(|due| due - now);
            if keys.len() > 1 {
                share.reason = of_many(share.reason, keys.len() as u64);
            }
            share
        })
    }
}

/// The same of several keys.
fn of_many(reason: Reason, keys: u64) -> Reason {
    let many = |of: LimitKeyOf| LimitKeyOf { limit: of.limit, key: None, keys };
    match reason {
        Reason::LimitConcurrency { of, concurrency, .. } => {
            Reason::LimitConcurrency { of: many(of), concurrency, holders: Vec::new() }
        }
        Reason::LimitRate { of, rate } => Reason::LimitRate { of: many(of), rate },
        Reason::BreakerOpen { of, failures } => Reason::BreakerOpen { of: many(of), failures },
        Reason::BreakerProbing { of, probes, .. } => {
            Reason::BreakerProbing { of: many(of), probes, holders: Vec::new() }
        }
        Reason::LimitPaused { of } => Reason::LimitPaused { of: many(of) },
        other => other,
    }
}
