//! One queue: runs of tokens in order of arrival, and an ordered map for what comes late.

use std::ops::Bound;

use batchmill_core::{MonoTime, Token};

use super::{
    late::{Late, LateKey},
    runs::Runs,
};

/// Where in its lane a token is. The number of one in order counts from the lane's first arrival and survives pops.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    InOrder(u64),
    Late(LateKey),
}

/// One queue.
///
/// Invariant: `newest` is at least the `enqueued` of everything in order and only falls when the lane is empty. So among
/// equals those in order came first: a late token arrived after `newest` had passed it.
pub(super) struct Lane<N> {
    in_order: Runs<N>,
    late: Late<N>,
    newest: MonoTime,
}

impl<N> Default for Lane<N> {
    fn default() -> Self {
        Self { in_order: Runs::default(), late: Late::default(), newest: MonoTime::ZERO }
    }
}

impl<N: Copy + PartialEq> Lane<N> {
    pub(super) fn push(&mut self, token: Token, enqueued: MonoTime, note: N) -> Place {
        match self.push_in_order(token, 1, enqueued, note) {
            Some(place) => place,
            None => Place::Late(self.late.insert(token, enqueued, note)),
        }
    }

    /// Queues so many tokens that ascend by one, unless they come late. Where the first of them is then.
    pub(super) fn push_in_order(&mut self, token: Token, count: u32, enqueued: MonoTime, note: N) -> Option<Place> {
        if self.in_order.is_empty() && self.late.is_empty() {
            self.newest = enqueued;
        }
        if enqueued < self.newest {
            return None;
        }
        self.newest = enqueued;
        Some(Place::InOrder(self.in_order.push_run(token, count, enqueued, note)))
    }

    fn late_head(&self) -> Option<(MonoTime, Token)> {
        self.late.first().map(|((enqueued, _), token)| (enqueued, token))
    }

    pub(super) fn head(&self) -> Option<(MonoTime, Token)> {
        match (self.in_order.front(), self.late_head()) {
            (Some(in_order), Some(late)) => Some(if late.0 < in_order.0 { late } else { in_order }),
            (in_order, late) => in_order.or(late),
        }
    }

    /// Looks at no slot that an ordinary arrival has not touched.
    pub(super) fn is_first(&self, place: Place) -> bool {
        match place {
            Place::InOrder(number) => number == self.in_order.first() && self.late.is_empty(),
            Place::Late(key) => {
                let is_first_late = self.late.first().is_some_and(|(first, _)| first == key);
                is_first_late && self.in_order.front().is_none_or(|(in_order, _)| key.0 < in_order)
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<(MonoTime, Token, N)> {
        let late_is_first =
            self.late_head().is_some_and(|(late, _)| self.in_order.front().is_none_or(|(in_order, _)| late < in_order));
        if late_is_first {
            return self.late.pop_first();
        }
        self.in_order.pop()
    }

    /// The same of the first run, where nothing came late.
    pub(super) fn pop_run(&mut self, most: u32) -> Option<(Token, u32, N)> {
        if self.late.is_empty() {
            return self.in_order.pop_run(most);
        }
        self.pop().map(|(_, token, note)| (token, 1, note))
    }

    pub(super) fn remove(&mut self, place: Place) {
        match place {
            Place::InOrder(number) => self.in_order.remove(number),
            Place::Late(key) => self.late.remove(key),
        }
    }

    pub(super) fn wants_compaction(&self) -> bool {
        self.in_order.wants_compaction()
    }

    /// Forgets the room of removed tokens; those in order have other places afterwards.
    pub(super) fn compact(&mut self) {
        self.in_order.compact();
    }

    pub(super) fn places_in_order(&self) -> impl Iterator<Item = (Token, Place)> {
        self.in_order.iter().map(|slot| (slot.token, Place::InOrder(slot.number)))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (Token, Place)> {
        let late = self.late.iter().map(|(key, token)| (token, Place::Late(key)));
        self.places_in_order().chain(late)
    }

    /// Every token with its `enqueued`, those in order first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (MonoTime, Token)> {
        let in_order = self.in_order.iter().map(|slot| (slot.enqueued, slot.token));
        in_order.chain(self.late.iter().map(|((enqueued, _), token)| (enqueued, token)))
    }

    pub(super) fn find(&self, token: Token) -> Option<Place> {
        match self.in_order.find(token) {
            Some(number) => Some(Place::InOrder(number)),
            None => self.late.iter().find(|(_, late)| *late == token).map(|(key, _)| Place::Late(key)),
        }
    }

    /// Entries that a search looks at one by one, at most.
    pub(super) fn effort(&self) -> usize {
        self.in_order.effort() + self.late.len()
    }

    pub(super) fn note(&self, place: Place) -> Option<N> {
        match place {
            Place::InOrder(number) => self.in_order.get(number).map(|slot| slot.note),
            Place::Late(key) => self.late.get(key).map(|(_, note)| note),
        }
    }

    /// When the token at `place` was queued, and how many leave the lane before it.
    pub(super) fn standing(&self, place: Place) -> (MonoTime, usize) {
        match place {
            Place::InOrder(number) => {
                let enqueued = self.in_order.get(number).map_or(MonoTime::NEVER, |slot| slot.enqueued);
                (enqueued, self.in_order.count_before(number) + self.late.count(..(enqueued, 0)))
            }
            Place::Late(key) => {
                let in_order = self.in_order.count_while(|other| other <= key.0);
                (key.0, in_order + self.late.count(..key))
            }
        }
    }

    pub(super) fn count_until(&self, moment: Bound<MonoTime>) -> usize {
        let (in_order, late) = match moment {
            Bound::Unbounded => (self.in_order.count_while(|_| true), self.late.len()),
            Bound::Included(moment) => {
                (self.in_order.count_while(|other| other <= moment), self.late.count(..=(moment, u64::MAX)))
            }
            Bound::Excluded(moment) => {
                (self.in_order.count_while(|other| other < moment), self.late.count(..(moment, 0)))
            }
        };
        in_order + late
    }
}
