//! What shares used, with a half-life; and weights that change.

use std::time::Duration;

use batchmill_core::MonoTime;

use super::{NOWHERE, ROOT, ShareId, Shares};
use crate::{
    charge::Stride,
    decay::{Decay, Worth},
};

impl Shares {
    /// With a half-life the pass is what is kept, by weight.
    pub(super) fn keep(&mut self, id: ShareId, kept: u128) {
        self.abouts[id as usize].kept = kept;
        let share = self.get_mut(id);
        share.pass = share.stride.times_all(kept);
    }

    /// The worth of what is used now; without a half-life it does not matter.
    pub(super) fn worth(&self) -> Worth {
        self.decay.as_ref().map(Decay::now).unwrap_or_default()
    }

    /// After which time what was used counts half, if ever.
    pub(crate) fn half_life(&self) -> Option<Duration> {
        self.decay.as_ref().map(Decay::half_life)
    }

    /// Time goes by: what was used loses its worth.
    pub(crate) fn advance(&mut self, now: MonoTime) {
        let halvings = self.decay.as_mut().map_or(0, |decay| decay.advance(now));
        if halvings > 0 {
            self.halve(halvings.try_into().unwrap_or(u32::MAX));
        }
    }

    fn halve(&mut self, times: u32) {
        let all = 0..ShareId::try_from(self.list.len()).expect("fewer than 2^32 shares");
        for id in all.clone() {
            self.keep(id, self.about(id).kept.checked_shr(times).unwrap_or(0));
        }
        // Those that are equal now and were not take turns from here on.
        for id in all.filter(|id| self.places[*id as usize] != NOWHERE).collect::<Vec<_>>() {
            self.line_up(id);
        }
    }

    /// A job of this leaf that was charged `charged`, when an amount was worth so much, used `used`.
    pub(super) fn correct_kept(&mut self, leaf: ShareId, charged: u64, used: u64, worth: Worth) {
        let now = self.worth();
        let (charged, counts) = (worth.kept_until(now, charged), worth.kept_until(now, used));
        self.abouts[leaf as usize].untold += u128::from(used);
        let mut id = leaf;
        while id != ROOT {
            let kept = self.about(id).kept + u128::from(counts);
            self.keep(id, kept.saturating_sub(charged.into()));
            self.moved(id);
            id = self.get(id).parent;
        }
    }

    /// This leaf used so much elsewhere.
    pub(crate) fn recall(&mut self, leaf: ShareId, amount: u64) {
        let (worth, mut id) = (self.worth(), leaf);
        while id != ROOT {
            self.keep(id, self.about(id).kept + u128::from(worth.of(amount)));
            self.moved(id);
            id = self.get(id).parent;
        }
    }

    /// What each leaf used since this was last asked, by path.
    pub(crate) fn take_untold(&mut self) -> Vec<(&str, u128)> {
        let used = self.abouts.iter_mut().filter(|share| share.untold > 0);
        used.map(|share| (&*share.path, std::mem::take(&mut share.untold))).collect()
    }

    /// What a share used, as much as it still counts at a moment; `None` without a half-life.
    pub(crate) fn used(&self, id: ShareId, at: MonoTime) -> Option<u128> {
        let decay = self.decay.as_ref()?;
        Some(decay.now().amount_at(decay.worth_at(at), self.about(id).kept))
    }

    /// From the next pick on a share counts with another weight. What it was charged before its turn, by the old one, is
    /// brought to the new one too: who is given more does not wait for what it owed as somebody who had less.
    pub(crate) fn set_weight(&mut self, id: ShareId, weight: f64) {
        let (remembers, now) = (self.decay.is_some(), self.virtual_now(self.get(id).parent));
        self.abouts[id as usize].weight = weight;
        let share = self.get_mut(id);
        let before = std::mem::replace(&mut share.stride, Stride::of(weight));
        if remembers {
            self.keep(id, self.about(id).kept);
        } else if share.pass > now {
            share.pass = now.saturating_add(share.stride.instead_of(before, share.pass - now));
        }
        self.moved(id);
    }
}
