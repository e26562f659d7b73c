//! Queues in order of arrival, the ground that schedulers stand on.
//!
//! Jobs arrive almost in order of their `enqueued` time: only a retried job comes late. So a lane is a ring, whose push
//! and pop touch one slot, beside a small ordered map for the late ones. [`Lanes`] holds any number of lanes over one set
//! of tokens, so that a token can be taken out without knowing its lane.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    ops::Bound,
};

use batchmill_core::{MonoTime, Token};

/// Removals that search before an index is built: a search walks plain memory, and building an index of a million tokens
/// takes as long as some hundred searches, all at once.
const SEARCHES_BEFORE_INDEX: u32 = 256;

/// Dead slots that a lane keeps without looking at their share.
const DEAD_SLOTS_MIN: usize = 32;

/// Numbered queues of tokens, each ordered by `enqueued`, then by order of arrival.
///
/// Push and pop take constant time for tokens that arrive in order and logarithmic time in the number of late ones.
/// [`remove`](Self::remove) takes amortised constant time: the first few search, then an index is kept for as long as it
/// is of use. A removed token may be pushed again at once.
pub struct Lanes {
    lanes: Vec<Lane>,
    len: usize,
    index: Option<Index>,
    searches: u32,
}

/// Where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spot {
    /// Its lane.
    pub lane: usize,
    /// When it was first queued.
    pub enqueued: MonoTime,
    /// How many tokens leave its lane before it.
    pub ahead: usize,
}

impl Lanes {
    /// `count` empty lanes.
    pub fn new(count: usize) -> Self {
        Self { lanes: std::iter::repeat_with(Lane::default).take(count).collect(), len: 0, index: None, searches: 0 }
    }

    /// How many tokens are queued in all lanes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether every lane is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a token that is in no lane.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn push(&mut self, lane: usize, token: Token, enqueued: MonoTime) {
        let place = self.lanes[lane].push(token, enqueued);
        self.len += 1;
        if let Some(index) = &mut self.index {
            index.places.insert(token, (lane, place));
            self.note_use_without_removal();
        }
    }

    /// When the first token of a lane was queued.
    pub fn head(&self, lane: usize) -> Option<MonoTime> {
        self.lanes[lane].head()
    }

    /// Takes out the first token of a lane.
    pub fn pop(&mut self, lane: usize) -> Option<Token> {
        let token = self.lanes[lane].pop()?;
        self.len -= 1;
        if let Some(index) = &mut self.index {
            index.places.remove(&token);
            self.note_use_without_removal();
        }
        Some(token)
    }

    /// Takes out a certain token and tells its lane; `None` if it is in no lane.
    pub fn remove(&mut self, token: Token) -> Option<usize> {
        let (lane, place) = self.locate(token)?;
        self.lanes[lane].remove(place);
        self.len -= 1;
        if let Some(index) = &mut self.index {
            index.places.remove(&token);
        }
        if self.lanes[lane].wants_compaction() {
            self.compact(lane);
        }
        Some(lane)
    }

    /// Where a token stands. Looks at every queued token: meant for a person's question, not for a decision.
    pub fn find(&self, token: Token) -> Option<Spot> {
        let (lane, place) = self.search(token)?;
        let (enqueued, ahead) = self.lanes[lane].standing(place);
        Some(Spot { lane, enqueued, ahead })
    }

    /// How many tokens of a lane were queued up to a moment.
    pub fn count_until(&self, lane: usize, moment: Bound<MonoTime>) -> usize {
        self.lanes[lane].count_until(moment)
    }

    fn search(&self, token: Token) -> Option<(usize, Place)> {
        self.lanes.iter().enumerate().find_map(|(number, lane)| Some((number, lane.find(token)?)))
    }

    fn locate(&mut self, token: Token) -> Option<(usize, Place)> {
        if self.index.is_none() && self.searches < SEARCHES_BEFORE_INDEX {
            self.searches += 1;
            return self.search(token);
        }
        let (lanes, len) = (&self.lanes, self.len);
        let index = self.index.get_or_insert_with(|| Index::of(lanes, len));
        index.uses_since_removal = 0;
        index.places.get(&token).copied()
    }

    /// An index that only costs is dropped; the uses it cost pay for building it again.
    fn note_use_without_removal(&mut self) {
        if let Some(index) = &mut self.index {
            index.uses_since_removal += 1;
            if index.uses_since_removal > 2 * self.len {
                self.index = None;
                self.searches = 0;
            }
        }
    }

    fn compact(&mut self, number: usize) {
        let lane = &mut self.lanes[number];
        lane.ring.retain(|slot| slot.token.is_some());
        lane.dead = 0;
        if let Some(index) = &mut self.index {
            index.places.extend(lane.ring_places().map(|(token, place)| (token, (number, place))));
        }
    }
}

impl fmt::Debug for Lanes {
    /// The size only: a queue may hold a million tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("lanes", &self.lanes.len()).field("len", &self.len).finish_non_exhaustive()
    }
}

/// Which lane and place each token has.
struct Index {
    places: HashMap<Token, (usize, Place), BuildHasherDefault<TokenHasher>>,
    uses_since_removal: usize,
}

impl Index {
    fn of(lanes: &[Lane], len: usize) -> Self {
        // Room for all at once: growing a table of a million tokens step by step takes several times as long.
        let mut places = HashMap::with_capacity_and_hasher(len, BuildHasherDefault::default());
        for (number, lane) in lanes.iter().enumerate() {
            places.extend(lane.places().map(|(token, place)| (token, (number, place))));
        }
        Self { places, uses_since_removal: 0 }
    }
}

/// Spreads the bits of a token (Fibonacci hashing). The host chooses tokens, so nobody can choose them to collide.
#[derive(Default)]
struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Where in its lane a token is. The number of a ring slot counts from the lane's first arrival and survives pops.
#[derive(Debug, Clone, Copy)]
enum Place {
    Ring(u64),
    Late(MonoTime, u64),
}

/// A slot of the ring; without token it is dead and vanishes when it comes to the front.
#[derive(Clone, Copy)]
struct Slot {
    token: Option<Token>,
    enqueued: MonoTime,
}

/// One queue.
///
/// Invariants: the ring is sorted by `enqueued`; its first slot is alive; `newest` is at least the `enqueued` of every
/// ring slot and only falls when the lane is empty. So among equals those of the ring came first: a late token arrived
/// after `newest` had passed it.
#[derive(Default)]
struct Lane {
    ring: VecDeque<Slot>,
    /// The number of the first ring slot.
    first: u64,
    dead: usize,
    late: BTreeMap<(MonoTime, u64), Token>,
    late_arrivals: u64,
    newest: MonoTime,
}

impl Lane {
    fn push(&mut self, token: Token, enqueued: MonoTime) -> Place {
        if self.ring.is_empty() && self.late.is_empty() {
            self.newest = enqueued;
        }
        if enqueued >= self.newest {
            self.newest = enqueued;
            self.ring.push_back(Slot { token: Some(token), enqueued });
            Place::Ring(self.first + self.ring.len() as u64 - 1)
        } else {
            self.late_arrivals += 1;
            self.late.insert((enqueued, self.late_arrivals), token);
            Place::Late(enqueued, self.late_arrivals)
        }
    }

    fn late_head(&self) -> Option<MonoTime> {
        // The common case asks for no tree walk.
        if self.late.is_empty() { None } else { self.late.first_key_value().map(|((enqueued, _), _)| *enqueued) }
    }

    fn head(&self) -> Option<MonoTime> {
        match (self.ring.front().map(|slot| slot.enqueued), self.late_head()) {
            (Some(ring), Some(late)) => Some(ring.min(late)),
            (ring, late) => ring.or(late),
        }
    }

    fn pop(&mut self) -> Option<Token> {
        let late_is_first = match (self.ring.front(), self.late_head()) {
            (Some(slot), Some(late)) => late < slot.enqueued,
            (None, late) => late.is_some(),
            (Some(_), None) => false,
        };
        if late_is_first {
            return self.late.pop_first().map(|(_, token)| token);
        }
        let slot = self.ring.pop_front()?;
        self.first += 1;
        self.drop_dead_front();
        slot.token
    }

    fn remove(&mut self, place: Place) {
        match place {
            Place::Late(enqueued, arrival) => {
                self.late.remove(&(enqueued, arrival));
            }
            Place::Ring(number) => {
                let position = self.position(number);
                self.ring[position].token = None;
                self.dead += 1;
                self.drop_dead_front();
            }
        }
    }

    fn drop_dead_front(&mut self) {
        while self.dead > 0 && self.ring.front().is_some_and(|slot| slot.token.is_none()) {
            self.ring.pop_front();
            self.first += 1;
            self.dead -= 1;
        }
    }

    fn wants_compaction(&self) -> bool {
        self.dead > DEAD_SLOTS_MIN && self.dead > self.ring.len() / 2
    }

    fn position(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("a ring slot has a place in memory")
    }

    fn ring_places(&self) -> impl Iterator<Item = (Token, Place)> {
        let numbers = self.first..;
        self.ring.iter().zip(numbers).filter_map(|(slot, number)| Some((slot.token?, Place::Ring(number))))
    }

    fn places(&self) -> impl Iterator<Item = (Token, Place)> {
        let late = self.late.iter().map(|((enqueued, arrival), token)| (*token, Place::Late(*enqueued, *arrival)));
        self.ring_places().chain(late)
    }

    fn find(&self, token: Token) -> Option<Place> {
        let (front, back) = self.ring.as_slices();
        let wanted = |slot: &Slot| slot.token == Some(token);
        let in_ring = front.iter().position(wanted).or_else(|| Some(front.len() + back.iter().position(wanted)?));
        match in_ring {
            Some(position) => Some(Place::Ring(self.first + position as u64)),
            None => self.late.iter().find(|(_, late)| **late == token).map(|(key, _)| Place::Late(key.0, key.1)),
        }
    }

    /// When the token at `place` was queued, and how many leave the lane before it.
    fn standing(&self, place: Place) -> (MonoTime, usize) {
        match place {
            Place::Ring(number) => {
                let position = self.position(number);
                let enqueued = self.ring[position].enqueued;
                (enqueued, self.live_before(position) + self.late.range(..(enqueued, 0)).count())
            }
            Place::Late(enqueued, arrival) => {
                let in_ring = self.ring.partition_point(|slot| slot.enqueued <= enqueued);
                (enqueued, self.live_before(in_ring) + self.late.range(..(enqueued, arrival)).count())
            }
        }
    }

    fn count_until(&self, moment: Bound<MonoTime>) -> usize {
        let (in_ring, in_late) = match moment {
            Bound::Unbounded => (self.ring.len(), self.late.len()),
            Bound::Included(moment) => (
                self.ring.partition_point(|slot| slot.enqueued <= moment),
                self.late.range(..=(moment, u64::MAX)).count(),
            ),
            Bound::Excluded(moment) => {
                (self.ring.partition_point(|slot| slot.enqueued < moment), self.late.range(..(moment, 0)).count())
            }
        };
        self.live_before(in_ring) + in_late
    }

    fn live_before(&self, position: usize) -> usize {
        match self.dead {
            0 => position,
            _ => self.ring.range(..position).filter(|slot| slot.token.is_some()).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list kept sorted by moving each new token behind all that are not later.
    #[derive(Default)]
    struct Model(Vec<(MonoTime, Token)>);

    impl Model {
        fn push(&mut self, token: Token, enqueued: MonoTime) {
            let place = self.0.partition_point(|(moment, _)| *moment <= enqueued);
            self.0.insert(place, (enqueued, token));
        }
        fn pop(&mut self) -> Option<Token> {
            if self.0.is_empty() { None } else { Some(self.0.remove(0).1) }
        }
        fn remove(&mut self, token: Token) -> bool {
            self.0.iter().position(|(_, t)| *t == token).map(|place| self.0.remove(place)).is_some()
        }
    }

    /// 64 random bits from a counter (SplitMix64).
    fn bits(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn agrees_with_model(seed: u64, removals: u64) {
        let (mut lanes, mut models, mut state) = (Lanes::new(3), [const { Model(Vec::new()) }; 3], seed);
        for step in 0..3000 {
            let lane = usize::try_from(bits(&mut state) % 3).unwrap();
            let token = Token(bits(&mut state) % 200);
            match bits(&mut state) % (8 + removals) {
                0..5 if models.iter().all(|m| m.0.iter().all(|(_, t)| *t != token)) => {
                    let enqueued = MonoTime::from_nanos((step + bits(&mut state) % 40).saturating_sub(20));
                    lanes.push(lane, token, enqueued);
                    models[lane].push(token, enqueued);
                }
                0..5 => {
                    let lane = models.iter().position(|m| m.0.iter().any(|(_, t)| *t == token)).unwrap();
                    let ahead = models[lane].0.iter().position(|(_, t)| *t == token).unwrap();
                    let enqueued = models[lane].0[ahead].0;
                    assert_eq!(lanes.find(token), Some(Spot { lane, enqueued, ahead }), "seed {seed} step {step}");
                }
                5..8 => assert_eq!(lanes.pop(lane), models[lane].pop(), "seed {seed} step {step}"),
                _ => {
                    let expected = models.iter_mut().position(|m| m.remove(token));
                    assert_eq!(lanes.remove(token), expected, "seed {seed} step {step}");
                }
            }
            let until = MonoTime::from_nanos(step);
            for (lane, model) in models.iter().enumerate() {
                assert_eq!(lanes.head(lane), model.0.first().map(|(moment, _)| *moment), "seed {seed} step {step}");
                let within = model.0.iter().filter(|(moment, _)| *moment <= until).count();
                assert_eq!(lanes.count_until(lane, Bound::Included(until)), within, "seed {seed} step {step}");
                let before = model.0.iter().filter(|(moment, _)| *moment < until).count();
                assert_eq!(lanes.count_until(lane, Bound::Excluded(until)), before, "seed {seed} step {step}");
                assert_eq!(lanes.count_until(lane, Bound::Unbounded), model.0.len());
            }
            assert_eq!(lanes.len(), models.iter().map(|m| m.0.len()).sum::<usize>());
        }
    }

    #[test]
    fn lanes_agree_with_sorted_lists_whatever_happens() {
        for seed in 0..40 {
            for removals in [1, 8, 40] {
                agrees_with_model(seed, removals);
            }
        }
    }

    #[test]
    fn tokens_pushed_and_removed_behind_a_waiting_one_leave_no_memory_behind() {
        let mut lanes = Lanes::new(1);
        lanes.push(0, Token(0), MonoTime::ZERO);
        for number in 1..10_000 {
            lanes.push(0, Token(number), MonoTime::from_nanos(number));
            assert_eq!(lanes.remove(Token(number)), Some(0));
        }
        assert_eq!(lanes.len(), 1);
        assert!(lanes.lanes[0].ring.len() <= 2 * DEAD_SLOTS_MIN, "{}", lanes.lanes[0].ring.len());
    }

    #[test]
    fn an_index_is_built_for_many_removals_and_dropped_when_they_end() {
        let mut lanes = Lanes::new(1);
        for number in 0..1000 {
            lanes.push(0, Token(number), MonoTime::ZERO);
        }
        for number in 0..300 {
            assert_eq!(lanes.remove(Token(number)), Some(0));
        }
        assert!(lanes.index.is_some(), "the removals after the first few use an index");
        while lanes.pop(0).is_some() {}
        assert!(lanes.index.is_none(), "nobody removes any more");
    }

    #[test]
    fn a_ring_slot_takes_24_bytes() {
        assert_eq!(size_of::<Slot>(), 24);
    }
}
