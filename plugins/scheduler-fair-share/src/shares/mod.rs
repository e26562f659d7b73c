//! The tree of shares, and where each of them stands in virtual time.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng 1996) at every level: of the shares that have something to start, the one
//! with the smallest *pass* goes first, and what it starts moves its pass on by amount × stride. So passes of busy shares
//! move together, and a share with three times the weight starts three times as much.
//!
//! What a share did not use while it had nothing to start is gone: it joins where the others are now
//! ([`Share::joined_at`]). What it used too much it keeps. A correction (an attempt took more or less than was charged) moves
//! the pass of a share by the difference, but never to before it joined: time that it was away is not given back
//! (see [`Shares::correct`]).
//!
//! With a half-life it is another rule: the pass of a share is what it used, decayed ([`crate::decay`]), times its stride,
//! and nothing else. Who used less than its weight says goes first until that is made up for, wherever it was meanwhile.

mod memory;
mod paths;

use batchmill_plugin::{Front, Key, NOWHERE};

use crate::{
    charge::{Cost, Stride, Usual},
    decay::{Decay, Worth},
};

pub(crate) use paths::Paths;

/// A share: an inner node of the tree, or a leaf that jobs belong to.
pub(crate) type ShareId = u32;

/// Everything.
pub(crate) const ROOT: ShareId = 0;

/// What a pick and an end need of a share, on one cache line: there are thousands, and each pick is of another one.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Share {
    pass: u128,
    joined_at: u128,
    stride: Stride,
    /// The pick that it had last: between equals the one goes first that has waited longest.
    last_turn: u64,
    usual: Usual,
    pub(crate) parent: ShareId,
    pub(crate) kind: Kind,
}

/// What else there is to a share.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) path: Box<str>,
    pub(crate) weight: f64,
    /// Virtual time among its children: the pass of the one that was picked last, at that pick.
    now: u128,
    /// With a half-life: what it used, as [`Worth`] keeps it.
    kept: u128,
    /// Of a leaf, with a half-life: what its attempts used since this was last asked.
    untold: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its front are shares.
    Inner,
    /// Its front are lanes of jobs.
    Leaf,
}

impl About {
    fn new(path: &str, weight: f64) -> Self {
        Self { path: path.into(), weight, now: 0, kept: 0, untold: 0 }
    }
}

impl Share {
    fn new(parent: ShareId, weight: f64, kind: Kind) -> Self {
        let stride = Stride::of(weight);
        Self { pass: 0, joined_at: 0, stride, last_turn: 0, usual: Usual::default(), parent, kind }
    }

    fn key(&self) -> Key {
        Key { rank: self.pass, turn: self.last_turn }
    }
}

/// All shares. Invariant: a share is in the front of its parent exactly when its own front is not empty.
#[derive(Debug)]
pub(crate) struct Shares {
    list: Vec<Share>,
    abouts: Vec<About>,
    fronts: Vec<Front>,
    places: Vec<u32>,
    turns: u64,
    /// Without, passes are all that is remembered.
    decay: Option<Decay>,
}

impl Shares {
    pub(crate) fn new(decay: Option<Decay>) -> Self {
        let (list, abouts, fronts, places) = Default::default();
        let mut shares = Self { list, abouts, fronts, places, turns: 0, decay };
        shares.add("", ROOT, 1.0, Kind::Inner);
        shares
    }

    fn add(&mut self, path: &str, parent: ShareId, weight: f64, kind: Kind) -> ShareId {
        let id = u32::try_from(self.list.len()).expect("fewer than 2^32 shares");
        self.list.push(Share::new(parent, weight, kind));
        self.abouts.push(About::new(path, weight));
        self.fronts.push(Front::default());
        self.places.push(NOWHERE);
        id
    }

    pub(crate) fn get(&self, id: ShareId) -> &Share {
        &self.list[id as usize]
    }

    pub(crate) fn about(&self, id: ShareId) -> &About {
        &self.abouts[id as usize]
    }

    fn get_mut(&mut self, id: ShareId) -> &mut Share {
        &mut self.list[id as usize]
    }

    pub(crate) fn front(&self, id: ShareId) -> &Front {
        &self.fronts[id as usize]
    }

    /// From a leaf up to below the root.
    pub(crate) fn up_from(&self, leaf: ShareId) -> impl Iterator<Item = ShareId> {
        let up = |id: &ShareId| Some(self.get(*id).parent).filter(|parent| *parent != ROOT);
        std::iter::successors(Some(leaf), up)
    }

    /// The leaf whose turn it is.
    pub(crate) fn first_leaf(&self) -> Option<ShareId> {
        let mut id = ROOT;
        while self.get(id).kind == Kind::Inner {
            id = self.front(id).first()?.id;
        }
        Some(id)
    }

    /// The first of a lane of this leaf is another one now, or there is none.
    pub(crate) fn set_lane(&mut self, leaf: ShareId, lane_places: &mut [u32], lane: u32, key: Option<Key>) {
        let front = &mut self.fronts[leaf as usize];
        let was_empty = front.is_empty();
        front.set(lane_places, lane, key);
        match (was_empty, front.is_empty()) {
            (true, false) => self.join(leaf),
            (false, true) => self.leave(leaf),
            _ => {}
        }
    }

    /// It has something to start again, and so has what it belongs to.
    fn join(&mut self, mut id: ShareId) {
        while id != ROOT {
            let parent = self.get(id).parent;
            let was_empty = self.fronts[parent as usize].is_empty();
            if self.decay.is_none() {
                let now = self.virtual_now(parent);
                let share = self.get_mut(id);
                share.joined_at = now;
                share.pass = share.pass.max(now);
            }
            self.line_up(id);
            if !was_empty {
                return;
            }
            id = parent;
        }
    }

    /// It has nothing to start any more, and perhaps what it belongs to has not.
    fn leave(&mut self, mut id: ShareId) {
        while id != ROOT {
            let parent = self.get(id).parent;
            self.fronts[parent as usize].set(&mut self.places, id, None);
            if !self.fronts[parent as usize].is_empty() {
                return;
            }
            id = parent;
        }
    }

    /// Where one that joins begins: with the pick that was last, or with the first in line where corrections took it
    /// back. So it is never behind all others, and before none of them without reason.
    fn virtual_now(&self, parent: ShareId) -> u128 {
        let now = self.about(parent).now;
        self.front(parent).first().map_or(now, |first| now.min(first.rank))
    }

    fn line_up(&mut self, id: ShareId) {
        let (parent, key) = (self.get(id).parent, self.get(id).key());
        self.fronts[parent as usize].set(&mut self.places, id, Some(key));
    }

    /// What an attempt of this cost will probably use: as others of its leaf did, or of what that belongs to.
    pub(crate) fn estimate(&self, leaf: ShareId, cost: Cost) -> u64 {
        let known = self.up_from(leaf).map(|id| self.get(id).usual).find(|usual| usual.is_known());
        known.unwrap_or_else(|| self.get(ROOT).usual.or(Usual::NOTHING_ENDED)).estimate(cost)
    }

    /// An attempt of this leaf used this much per cost.
    pub(crate) fn learn(&mut self, leaf: ShareId, sample: u64) {
        let mut id = leaf;
        while id != ROOT {
            self.get_mut(id).usual.learn(sample);
            id = self.get(id).parent;
        }
        self.get_mut(ROOT).usual.learn(sample);
    }

    /// A job of this leaf was picked: it and what it belongs to move on by `amount`. What that is worth.
    pub(crate) fn charge(&mut self, leaf: ShareId, amount: u64) -> Worth {
        self.turns += 1;
        let (mut id, turn) = (leaf, self.turns);
        let (worth, remembers) = (self.worth(), self.decay.is_some());
        while id != ROOT {
            let share = self.get_mut(id);
            let (parent, before) = (share.parent, share.pass);
            share.last_turn = turn;
            if remembers {
                self.keep(id, self.about(id).kept + u128::from(worth.of(amount)));
            } else {
                share.pass = before.saturating_add(share.stride.times(amount));
                self.abouts[parent as usize].now = before;
            }
            self.moved(id);
            id = parent;
        }
        worth
    }

    /// A job of this leaf that was charged `charged` used `used`.
    pub(crate) fn correct(&mut self, leaf: ShareId, charged: u64, used: u64, worth: Worth) {
        if self.decay.is_some() {
            return self.correct_kept(leaf, charged, used, worth);
        }
        let mut id = leaf;
        while id != ROOT && charged != used {
            // Only a refund has a limit, and that looks at the neighbours.
            let limit = if used < charged { self.limit_of_refund(id, charged) } else { 0 };
            let share = self.get_mut(id);
            let by = share.stride.times(charged.abs_diff(used));
            share.pass = match used > charged {
                true => share.pass.saturating_add(by),
                false => share.pass.saturating_sub(by).max(limit.min(share.pass)),
            };
            self.moved(id);
            id = self.get(id).parent;
        }
    }

    /// How far back a refund may take a share: not to before it joined, and at most the refunded job behind where a share
    /// would join now. Who joined meanwhile began where the estimates were, and would wait for all of them to be used up,
    /// were many given back at once. (Not behind its neighbours: one of small weight is far ahead after each of its picks.)
    fn limit_of_refund(&self, id: ShareId, charged: u64) -> u128 {
        let share = self.get(id);
        let behind = share.stride.times(charged);
        let neighbour = self.front(share.parent).first_but(id);
        let others = neighbour.map(|first| first.rank.min(self.about(share.parent).now));
        let limit = others.map_or(0, |now| now.saturating_sub(behind));
        limit.max(share.joined_at)
    }

    fn moved(&mut self, id: ShareId) {
        if self.places[id as usize] != NOWHERE {
            self.line_up(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use batchmill_testkit::Seed;

    use super::*;
    use crate::Options;

    #[test]
    fn a_share_is_one_cache_line() {
        assert_eq!(size_of::<Share>(), 64);
    }

    fn corrected(decay: Option<Decay>) -> (Shares, ShareId, u128) {
        let (mut shares, mut seed) = (Shares::new(decay), Seed::new(1));
        // A weight that divides nothing evenly.
        let mut paths = Paths::new(&Options::default().weight("a", 0.7));
        let (leaf, mut places, mut used) = (paths.leaf(&mut shares, "a/b"), [NOWHERE], 0);
        shares.set_lane(leaf, &mut places, 0, Some(Key { rank: 0, turn: 0 }));
        for _ in 0..1_000_000 {
            // Estimates that are wrong by hours and by nanoseconds.
            let (magnitude, really) = (seed.below(43), seed.below(1 << 43));
            let charged = seed.below(2 << magnitude);
            let worth = shares.charge(leaf, charged);
            shares.correct(leaf, charged, really, worth);
            used += u128::from(really);
        }
        (shares, leaf, used)
    }

    #[test]
    fn a_million_corrections_leave_no_trace() {
        for decay in [None, Decay::of(std::time::Duration::from_secs(1))] {
            let (shares, leaf, used) = corrected(decay);
            for id in shares.up_from(leaf) {
                let share = shares.get(id);
                assert_eq!(share.pass, share.stride.times(1) * used, "`{}`", shares.about(id).path);
            }
        }
    }
}
