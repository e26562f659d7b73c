//! What has arrived at joins since each of them last ran.

use crate::graph::{CompiledGraph, Feed, JoinPlans};

/// Empty until the first arrival: a flow without joins pays nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals {
    /// One bit a need, at the place that the plan gives each join.
    bits: Vec<u64>,
    /// Joins with at least one arrival.
    waiting: Vec<u32>,
}

impl Arrivals {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Joins with at least one arrival, and the names of what has arrived.
    pub(super) fn iter<'g>(&self, graph: &'g CompiledGraph) -> impl Iterator<Item = (&'g str, Vec<&'g str>)> {
        let mut waiting = self.waiting.clone();
        waiting.sort_unstable();
        waiting.into_iter().map(move |join| {
            let plan = graph.joins.get(join);
            let arrived = plan.needs.iter().enumerate().filter(|(slot, _)| self.has(&graph.joins, join, *slot));
            let names = arrived.map(|(_, need)| &*graph.node(*need).name).collect();
            (&*graph.node(plan.node).name, names)
        })
    }

    pub(super) fn arrive(&mut self, plans: &JoinPlans, feed: Feed) {
        if self.bits.is_empty() {
            self.bits.resize(plans.words, 0);
        }
        if !self.is_waiting(plans, feed.join) {
            self.waiting.push(feed.join);
        }
        self.bits[plans.get(feed.join).first_word + feed.slot as usize / 64] |= 1 << (feed.slot % 64);
    }

    fn is_waiting(&self, plans: &JoinPlans, join: u32) -> bool {
        self.bits[plans.get(join).words()].iter().any(|word| *word != 0)
    }

    fn has(&self, plans: &JoinPlans, join: u32, slot: usize) -> bool {
        self.bits[plans.get(join).first_word + slot / 64] >> (slot % 64) & 1 == 1
    }

    /// Takes the joins that may run now and adds them to `scheduled`, which holds what `next` and single needs named.
    ///
    /// A join may run when none of its missing needs can still come from something active: a scheduled node or another
    /// join with an arrival. When nothing else runs, all of them may.
    pub(super) fn release(&mut self, plans: &JoinPlans, scheduled: &mut Vec<u32>) {
        // A join that runs anyway takes its arrivals with it.
        if !scheduled.is_empty() {
            let runs = |join: &u32| scheduled.binary_search(&plans.get(*join).node).is_ok();
            let (taken, left) = std::mem::take(&mut self.waiting).into_iter().partition(runs);
            self.waiting = left;
            self.reset(plans, taken);
        }
        let named = scheduled.len();
        let must_wait = |join: &u32| self.must_wait(plans, *join, &scheduled[..named]);
        let (mut left, mut released): (Vec<u32>, _) = self.waiting.iter().partition(|join| must_wait(join));
        if released.is_empty() && scheduled.is_empty() {
            released = std::mem::take(&mut left);
        }
        if released.is_empty() {
            return;
        }
        scheduled.extend(released.iter().map(|join| plans.get(*join).node));
        scheduled.sort_unstable();
        self.waiting = left;
        self.reset(plans, released);
    }

    fn must_wait(&self, plans: &JoinPlans, join: u32, scheduled: &[u32]) -> bool {
        let active = || {
            let others = self.waiting.iter().filter(|other| **other != join).map(|other| plans.get(*other).node);
            scheduled.iter().copied().chain(others)
        };
        let missing = (0..plans.get(join).needs.len()).filter(|slot| !self.has(plans, join, *slot));
        missing.into_iter().any(|slot| active().any(|node| plans.can_come(join, slot, node)))
    }

    fn reset(&mut self, plans: &JoinPlans, joins: Vec<u32>) {
        for join in joins {
            self.bits[plans.get(join).words()].fill(0);
        }
    }
}
