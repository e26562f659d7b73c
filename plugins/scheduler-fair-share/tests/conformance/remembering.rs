//! Fair share with a half-life by the definition, slowly: every decision adds up all that was ever used.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{chain, parent};

/// 1, 2 and 3 divide it.
const UNIT: i128 = 6;

#[derive(Debug, Clone)]
struct Waiting {
    token: u64,
    share: &'static str,
    class: u32,
    cost: i128,
}

/// What was used once.
#[derive(Debug, Clone, Copy)]
struct Use {
    share: &'static str,
    cost: i128,
    /// How many half-lives had passed.
    at: u32,
}

/// Charges by cost; jobs of a share leave in order of arrival; moments are whole half-lives.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    weights: BTreeMap<&'static str, i128>,
    jobs: Vec<Waiting>,
    held: BTreeSet<u32>,
    /// Shares in the order in which they were first seen.
    seen: Vec<&'static str>,
    last_turns: BTreeMap<&'static str, usize>,
    used: BTreeMap<u64, Use>,
    recalled: Vec<Use>,
    turns: usize,
}

impl Remembering {
    pub(crate) fn new(weights: &[(&'static str, i128)]) -> Self {
        Self { weights: weights.iter().copied().collect(), ..Self::default() }
    }

    fn see(&mut self, share: &'static str) {
        let mut named: Vec<_> = chain(share).collect();
        named.reverse();
        named.retain(|share| !self.seen.contains(share));
        self.seen.extend(named);
    }

    /// What a share used, by weight, counted as later use is: twice as much for each half-life.
    fn standing(&self, share: &str) -> i128 {
        let all = self.used.values().chain(&self.recalled);
        let own = all.filter(|used| chain(used.share).any(|name| name == share));
        let sum: i128 = own.map(|used| used.cost << used.at).sum();
        sum * UNIT / self.weights.get(share).copied().unwrap_or(1)
    }

    fn is_busy(&self, share: &str) -> bool {
        self.jobs.iter().any(|job| !self.held.contains(&job.class) && chain(job.share).any(|name| name == share))
    }

    pub(crate) fn push(&mut self, token: u64, share: &'static str, class: u32, cost: i128) {
        self.see(share);
        self.jobs.push(Waiting { token, share, class, cost });
    }

    pub(crate) fn pop(&mut self, at: u32) -> Option<u64> {
        let mut share = "";
        while let Some(next) = self.first_within(share) {
            share = next;
        }
        let place = self.jobs.iter().position(|job| job.share == share && !self.held.contains(&job.class))?;
        let Waiting { token, share, cost, .. } = self.jobs.remove(place);
        self.turns += 1;
        self.last_turns.extend(chain(share).map(|name| (name, self.turns)));
        self.used.insert(token, Use { share, cost, at });
        Some(token)
    }

    fn first_within(&self, share: &'static str) -> Option<&'static str> {
        let busy = self.seen.iter().copied().filter(|child| parent(child) == share && self.is_busy(child));
        busy.min_by_key(|child| (self.standing(child), self.last_turns.get(child).copied().unwrap_or(0)))
    }

    /// An attempt has ended, or was none.
    pub(crate) fn finish(&mut self, token: u64, ran: bool) {
        if !ran {
            self.used.remove(&token);
        }
    }

    pub(crate) fn hold(&mut self, class: u32, held: bool) {
        let _ = if held { self.held.insert(class) } else { self.held.remove(&class) };
    }

    pub(crate) fn weigh(&mut self, share: &'static str, weight: i128) {
        self.weights.insert(share, weight);
    }

    pub(crate) fn recall(&mut self, share: &'static str, cost: i128, at: u32) {
        self.see(share);
        self.recalled.push(Use { share, cost, at });
    }
}
