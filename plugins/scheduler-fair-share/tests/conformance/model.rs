//! Fair share by the definition, slowly: every decision looks at every job and every share.

use std::collections::{BTreeMap, BTreeSet};

/// The virtual time of weight 1 per cost; 1, 2 and 3 divide it.
const UNIT: i64 = 6;

#[derive(Debug, Clone)]
struct Waiting {
    token: u64,
    share: &'static str,
    class: u32,
    cost: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    pass: i64,
    joined_at: i64,
    last_turn: i64,
    /// Of its children.
    now: i64,
}

/// Charges by cost; jobs of a share leave in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Model {
    weights: BTreeMap<&'static str, i64>,
    jobs: Vec<Waiting>,
    held: BTreeSet<u32>,
    standings: BTreeMap<&'static str, Standing>,
    /// Shares in the order in which they were first seen.
    seen: Vec<&'static str>,
    running: BTreeMap<u64, (&'static str, i64)>,
    turns: i64,
}

/// The share itself and what it belongs to, below the root; from the bottom.
pub(crate) fn chain(share: &'static str) -> impl Iterator<Item = &'static str> {
    std::iter::successors(Some(share), |share| share.rsplit_once('/').map(|(parent, _)| parent))
}

pub(crate) fn parent(share: &'static str) -> &'static str {
    share.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Model {
    pub(crate) fn new(weights: &[(&'static str, i64)]) -> Self {
        Self { weights: weights.iter().copied().collect(), ..Self::default() }
    }

    fn is_busy(&self, share: &str) -> bool {
        self.jobs.iter().any(|job| !self.held.contains(&job.class) && chain(job.share).any(|s| s == share))
    }

    fn busy(&self) -> BTreeSet<&'static str> {
        self.seen.iter().copied().filter(|share| self.is_busy(share)).collect()
    }

    /// Does something, and lets join who is busy afterwards and was not before.
    fn change<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.busy();
        let result = what(self);
        let mut there = before.clone();
        for share in self.busy() {
            if !before.contains(share) {
                self.join(share, &there);
                there.insert(share);
            }
        }
        result
    }

    fn join(&mut self, share: &'static str, there: &BTreeSet<&'static str>) {
        let neighbours = there.iter().filter(|other| parent(other) == parent(share));
        let first = neighbours.map(|other| self.standings[other].pass).min();
        let last = self.standings.get(parent(share)).map_or(0, |parent| parent.now);
        let now = first.map_or(last, |first| first.min(last));
        let standing = self.standings.entry(share).or_default();
        (standing.joined_at, standing.pass) = (now, standing.pass.max(now));
    }

    pub(crate) fn push(&mut self, token: u64, share: &'static str, class: u32, cost: i64) {
        let mut named: Vec<_> = chain(share).collect();
        named.reverse();
        for share in named {
            if !self.seen.contains(&share) {
                self.seen.push(share);
                self.standings.entry(share).or_default();
            }
        }
        self.change(|model| model.jobs.push(Waiting { token, share, class, cost }));
    }

    pub(crate) fn pop(&mut self) -> Option<u64> {
        let mut share = "";
        while let Some(next) = self.first_within(share) {
            share = next;
        }
        let place = self.jobs.iter().position(|job| job.share == share && !self.held.contains(&job.class))?;
        let job = self.change(|model| model.jobs.remove(place));
        self.turns += 1;
        for share in chain(job.share) {
            let stride = UNIT / self.weights.get(share).copied().unwrap_or(1);
            let standing = self.standings.get_mut(share).unwrap();
            let before = standing.pass;
            (standing.pass, standing.last_turn) = (before + job.cost * stride, self.turns);
            self.standings.entry(parent(share)).or_default().now = before;
        }
        self.running.insert(job.token, (job.share, job.cost));
        Some(job.token)
    }

    fn first_within(&self, share: &'static str) -> Option<&'static str> {
        let busy = self.seen.iter().copied().filter(|child| parent(child) == share && self.is_busy(child));
        busy.min_by_key(|child| (self.standings[child].pass, self.standings[child].last_turn))
    }

    /// An attempt has ended, or was none.
    pub(crate) fn finish(&mut self, token: u64, ran: bool) {
        let Some((share, cost)) = self.running.remove(&token).filter(|_| !ran) else { return };
        for share in chain(share) {
            let amount = cost * UNIT / self.weights.get(share).copied().unwrap_or(1);
            let neighbours = self.busy().into_iter().filter(|other| parent(other) == parent(share) && *other != share);
            let first = neighbours.map(|other| self.standings[other].pass).min();
            let now = self.standings.get(parent(share)).map_or(0, |parent| parent.now);
            let standing = self.standings.get_mut(share).unwrap();
            // At most this job behind who would join, and not to before it joined; never forward.
            let limit = first.map_or(0, |first| first.min(now) - amount).max(standing.joined_at).min(standing.pass);
            standing.pass = (standing.pass - amount).max(limit);
        }
    }

    pub(crate) fn remove(&mut self, token: u64) -> bool {
        let place = self.jobs.iter().position(|job| job.token == token);
        place.map(|place| self.change(|model| model.jobs.remove(place))).is_some()
    }

    pub(crate) fn hold(&mut self, class: u32, held: bool) {
        self.change(|model| if held { model.held.insert(class) } else { model.held.remove(&class) });
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }
}
