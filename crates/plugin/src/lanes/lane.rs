//! One queue: a ring, and an ordered map for what comes late.

use std::{collections::BTreeMap, ops::Bound};

use batchmill_core::{MonoTime, Token};

use super::ring::Ring;

/// Dead slots that a lane keeps without looking at their share.
const DEAD_SLOTS_MIN: usize = 32;

/// Where in its lane a token is. The number of a ring slot counts from the lane's first arrival and survives pops.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Ring(u64),
    Late(MonoTime, u64),
}

/// A slot of the ring; one that is dead vanishes when it comes to the front. Packed, because there are millions: with a
/// note of four bytes it takes 20 and not 24.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
struct Slot<N> {
    token: Token,
    /// Nanoseconds, below [`DEAD`].
    enqueued: u64,
    note: N,
}

/// The bit of `enqueued` that a dead slot has. So what is queued 292 years after the clock began, or later, counts as
/// queued then.
const DEAD: u64 = 1 << 63;

impl<N: Copy> Slot<N> {
    fn new(token: Token, enqueued: MonoTime, note: N) -> Self {
        Self { token, enqueued: enqueued.as_nanos().min(DEAD - 1), note }
    }

    fn enqueued(&self) -> MonoTime {
        MonoTime::from_nanos(self.enqueued & !DEAD)
    }

    fn is_alive(&self) -> bool {
        self.enqueued & DEAD == 0
    }

    fn die(&mut self) {
        self.enqueued |= DEAD;
    }
}

/// One queue.
///
/// Invariants: the ring is sorted by `enqueued`; its first slot is alive; `newest` is at least the `enqueued` of every
/// ring slot and only falls when the lane is empty. So among equals those of the ring came first: a late token arrived
/// after `newest` had passed it.
pub(super) struct Lane<N> {
    ring: Ring<Slot<N>>,
    /// The number of the first ring slot.
    first: u64,
    dead: usize,
    /// Whether each ring slot has a larger token than the one before: hosts number jobs as they come, so a token is found
    /// by bisection.
    ascending: bool,
    late: BTreeMap<(MonoTime, u64), (Token, N)>,
    late_arrivals: u64,
    newest: MonoTime,
}

impl<N> Default for Lane<N> {
    fn default() -> Self {
        let (ring, late) = (Ring::default(), BTreeMap::new());
        Self { ring, first: 0, dead: 0, ascending: true, late, late_arrivals: 0, newest: MonoTime::ZERO }
    }
}

impl<N: Copy> Lane<N> {
    pub(super) fn push(&mut self, token: Token, enqueued: MonoTime, note: N) -> Place {
        if self.ring.is_empty() && self.late.is_empty() {
            self.newest = enqueued;
        }
        if enqueued >= self.newest {
            self.newest = enqueued;
            self.ascending = self.ring.back().is_none_or(|last| self.ascending && { last.token } < token);
            self.ring.push_back(Slot::new(token, enqueued, note));
            Place::Ring(self.first + self.ring.len() as u64 - 1)
        } else {
            self.late_arrivals += 1;
            self.late.insert((enqueued, self.late_arrivals), (token, note));
            Place::Late(enqueued, self.late_arrivals)
        }
    }

    fn late_head(&self) -> Option<(MonoTime, Token)> {
        // The common case asks for no tree walk.
        if self.late.is_empty() {
            return None;
        }
        self.late.first_key_value().map(|((enqueued, _), (token, _))| (*enqueued, *token))
    }

    pub(super) fn head(&self) -> Option<(MonoTime, Token)> {
        match (self.ring.front().map(|slot| (slot.enqueued(), slot.token)), self.late_head()) {
            (Some(ring), Some(late)) => Some(if late.0 < ring.0 { late } else { ring }),
            (ring, late) => ring.or(late),
        }
    }

    /// Looks at no slot that an ordinary arrival has not touched.
    pub(super) fn is_first(&self, place: Place) -> bool {
        match place {
            Place::Ring(number) => number == self.first && self.late.is_empty(),
            Place::Late(enqueued, arrival) => {
                let first_late = self.late.first_key_value().map(|(key, _)| *key);
                first_late == Some((enqueued, arrival))
                    && self.ring.front().is_none_or(|slot| enqueued < slot.enqueued())
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<(Token, N)> {
        let late_is_first = match (self.ring.front(), self.late_head()) {
            (Some(slot), Some((late, _))) => late < slot.enqueued(),
            (None, late) => late.is_some(),
            (Some(_), None) => false,
        };
        if late_is_first {
            return self.late.pop_first().map(|(_, waiting)| waiting);
        }
        let slot = self.ring.pop_front()?;
        self.first += 1;
        self.drop_dead_front();
        Some((slot.token, slot.note))
    }

    pub(super) fn remove(&mut self, place: Place) {
        match place {
            Place::Late(enqueued, arrival) => {
                self.late.remove(&(enqueued, arrival));
            }
            Place::Ring(number) => {
                let position = self.position(number);
                if let Some(slot) = self.ring.get_mut(position) {
                    slot.die();
                    self.dead += 1;
                }
                self.drop_dead_front();
            }
        }
    }

    fn drop_dead_front(&mut self) {
        while self.dead > 0 && self.ring.front().is_some_and(|slot| !slot.is_alive()) {
            self.ring.pop_front();
            self.first += 1;
            self.dead -= 1;
        }
    }

    pub(super) fn wants_compaction(&self) -> bool {
        self.dead > DEAD_SLOTS_MIN && self.dead > self.ring.len() / 2
    }

    /// Drops dead slots; ring slots have other places afterwards.
    pub(super) fn compact(&mut self) {
        self.ring.retain(Slot::is_alive);
        self.dead = 0;
    }

    fn position(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("a ring slot has a place in memory")
    }

    pub(super) fn ring_places(&self) -> impl Iterator<Item = (Token, Place)> {
        let numbers = self.first..;
        let alive = self.ring.iter().zip(numbers).filter(|(slot, _)| slot.is_alive());
        alive.map(|(slot, number)| (slot.token, Place::Ring(number)))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (Token, Place)> {
        let late = self.late.iter().map(|(key, (token, _))| (*token, Place::Late(key.0, key.1)));
        self.ring_places().chain(late)
    }

    /// Every token with its `enqueued`, those of the ring first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (MonoTime, Token)> {
        let ring = self.ring.iter().filter(|slot| slot.is_alive()).map(|slot| (slot.enqueued(), slot.token));
        ring.chain(self.late.iter().map(|((enqueued, _), (token, _))| (*enqueued, *token)))
    }

    pub(super) fn find(&self, token: Token) -> Option<Place> {
        match self.find_in_ring(token) {
            Some(position) => Some(Place::Ring(self.first + position as u64)),
            None => self.late.iter().find(|(_, (late, _))| *late == token).map(|(key, _)| Place::Late(key.0, key.1)),
        }
    }

    fn find_in_ring(&self, token: Token) -> Option<usize> {
        let wanted = |slot: &Slot<N>| slot.is_alive() && { slot.token } == token;
        if self.ascending {
            let position = self.ring.partition_point(|slot| { slot.token } < token);
            return self.ring.get(position).is_some_and(wanted).then_some(position);
        }
        self.ring.iter().position(wanted)
    }

    /// Slots that a search looks at one by one, at most.
    pub(super) fn effort(&self) -> usize {
        let in_ring = if self.ascending { 0 } else { self.ring.len() };
        in_ring + self.late.len()
    }

    pub(super) fn note(&self, place: Place) -> Option<N> {
        match place {
            Place::Ring(number) => self.ring.get(self.position(number)).map(|slot| slot.note),
            Place::Late(enqueued, arrival) => self.late.get(&(enqueued, arrival)).map(|(_, note)| *note),
        }
    }

    /// When the token at `place` was queued, and how many leave the lane before it.
    pub(super) fn standing(&self, place: Place) -> (MonoTime, usize) {
        match place {
            Place::Ring(number) => {
                let position = self.position(number);
                let enqueued = self.ring.get(position).map_or(MonoTime::NEVER, Slot::enqueued);
                (enqueued, self.live_before(position) + self.late.range(..(enqueued, 0)).count())
            }
            Place::Late(enqueued, arrival) => {
                let in_ring = self.ring.partition_point(|slot| slot.enqueued() <= enqueued);
                (enqueued, self.live_before(in_ring) + self.late.range(..(enqueued, arrival)).count())
            }
        }
    }

    pub(super) fn count_until(&self, moment: Bound<MonoTime>) -> usize {
        let (in_ring, in_late) = match moment {
            Bound::Unbounded => (self.ring.len(), self.late.len()),
            Bound::Included(moment) => (
                self.ring.partition_point(|slot| slot.enqueued() <= moment),
                self.late.range(..=(moment, u64::MAX)).count(),
            ),
            Bound::Excluded(moment) => {
                (self.ring.partition_point(|slot| slot.enqueued() < moment), self.late.range(..(moment, 0)).count())
            }
        };
        self.live_before(in_ring) + in_late
    }

    fn live_before(&self, position: usize) -> usize {
        match self.dead {
            0 => position,
            _ => self.ring.iter().take(position).filter(|slot| slot.is_alive()).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_slots_behind_a_waiting_token_do_not_pile_up() {
        let mut lane = Lane::default();
        lane.push(Token(0), MonoTime::ZERO, ());
        for number in 1..10_000 {
            let place = lane.push(Token(number), MonoTime::from_nanos(number), ());
            lane.remove(place);
            if lane.wants_compaction() {
                lane.compact();
            }
        }
        assert!(lane.ring.len() <= 2 * DEAD_SLOTS_MIN, "{}", lane.ring.len());
        assert_eq!((lane.pop(), lane.pop()), (Some((Token(0), ())), None));
    }

    #[test]
    fn a_ring_slot_takes_20_bytes_with_a_small_note() {
        assert_eq!((size_of::<Slot<()>>(), size_of::<Slot<f32>>()), (16, 20));
    }
}
