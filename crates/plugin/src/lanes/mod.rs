//! Queues in order of arrival, the ground that schedulers stand on.
//!
//! Jobs arrive almost in order of their `enqueued` time: only a retried job comes late. So a lane is a ring of runs, whose
//! push and pop touch one entry, beside a small ordered map for the late ones. [`Lanes`] holds any number of lanes over one set
//! of tokens, so that a token can be taken out without knowing its lane.

mod ageing;
mod apart;
mod front;
mod index;
mod lane;
mod late;
mod ring;
mod runs;

use std::{fmt, ops::Bound};

use batchmill_core::{MonoTime, Token};
use index::Index;
use lane::{Lane, Place};

pub use ageing::Ageing;
pub use apart::Apart;
pub use front::{Contender, Front, Key, NOWHERE};
pub use index::IdHasher;

/// Slots that removals look at, for each token there is, before an index is built: to search walks plain memory, and
/// building an index of a million tokens takes 100 ms, all at once.
const LOOKS_BEFORE_INDEX: usize = 64;

/// Numbered queues of tokens, each ordered by `enqueued`, then by order of arrival.
///
/// Push and pop take constant time for tokens that arrive in order and logarithmic time in the number of late ones.
/// [`remove`](Self::remove) takes logarithmic time in a lane whose tokens ascend, as those of a batch do, and for tokens
/// that leave the same lane one after the other; otherwise amortised constant time: the first few search, then an index is
/// kept for as long as it is of use. A removed token may be pushed again at once.
///
/// Each token carries a note: what its scheduler has to know of it when it leaves. Tokens of one note and moment that ascend
/// by one, as jobs of a batch do, take no memory of their own; others take 24 bytes with a note of four.
pub struct Lanes<N = ()> {
    lanes: Vec<Lane<N>>,
    len: usize,
    index: Option<Index>,
    /// Slots that removals have looked at since there was an index.
    looks: usize,
    /// Where the last removal found its token: the next one is often there too.
    last_lane: usize,
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

impl<N: Copy + PartialEq> Lanes<N> {
    /// `count` empty lanes.
    pub fn new(count: usize) -> Self {
        Self {
            lanes: std::iter::repeat_with(Lane::default).take(count).collect(),
            len: 0,
            index: None,
            looks: 0,
            last_lane: 0,
        }
    }

    /// One more empty lane; its number is the count of lanes before.
    pub fn add(&mut self) -> usize {
        self.lanes.push(Lane::default());
        self.lanes.len() - 1
    }

    /// How many tokens are queued in all lanes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether every lane is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a token that is in no lane. Whether it is the first of its lane now.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn push(&mut self, lane: usize, token: Token, enqueued: MonoTime, note: N) -> bool {
        let place = self.lanes[lane].push(token, enqueued, note);
        self.len += 1;
        if let Some(index) = &mut self.index {
            index.places.insert(token, (lane, place));
            self.note_use_without_removal();
        }
        self.lanes[lane].is_first(place)
    }

    /// Queues so many tokens that ascend by one from `first` on, as one by one: at once, where nothing has to be known of each.
    /// Whether the first of the lane is another one now.
    ///
    /// # Panics
    /// If there is no such lane, or a token would be beyond the last there may be.
    pub fn push_run(&mut self, lane: usize, first: Token, count: u32, enqueued: MonoTime, note: N) -> bool {
        if self.index.is_none()
            && let Some(place) = self.lanes[lane].push_in_order(first, count, enqueued, note)
        {
            self.len += count as usize;
            return self.lanes[lane].is_first(place);
        }
        let push = |number: u32| self.push(lane, Token(first.0 + u64::from(number)), enqueued, note);
        (0..count).map(push).fold(false, |is_first, this| is_first | this)
    }

    /// The first token of a lane, and when it was queued.
    pub fn head(&self, lane: usize) -> Option<(MonoTime, Token)> {
        self.lanes[lane].head()
    }

    /// Takes out the first token of a lane, with when it was queued and its note.
    pub fn pop(&mut self, lane: usize) -> Option<(MonoTime, Token, N)> {
        let (enqueued, token, note) = self.lanes[lane].pop()?;
        self.len -= 1;
        if let Some(index) = &mut self.index {
            index.places.remove(&token);
            self.note_use_without_removal();
        }
        Some((enqueued, token, note))
    }

    /// Takes out the first token of a lane and tokens behind it that ascend by one and have its moment and note, as one by one: at
    /// most `most`, which is above 0, and at least one. The first of them, how many, and their note.
    pub fn pop_run(&mut self, lane: usize, most: u32) -> Option<(Token, u32, N)> {
        if self.index.is_some() {
            return self.pop(lane).map(|(_, token, note)| (token, 1, note));
        }
        let (token, count, note) = self.lanes[lane].pop_run(most)?;
        self.len -= count as usize;
        Some((token, count, note))
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

    /// The note of a token. Looks at every queued token, as [`find`](Self::find) does.
    pub fn note(&self, token: Token) -> Option<N> {
        let (lane, place) = self.search(token)?;
        self.lanes[lane].note(place)
    }

    /// How many tokens of a lane were queued up to a moment.
    pub fn count_until(&self, lane: usize, moment: Bound<MonoTime>) -> usize {
        self.lanes[lane].count_until(moment)
    }

    /// Every token of a lane and when it was queued, not in order. For a person's question, like [`find`](Self::find).
    pub fn iter(&self, lane: usize) -> impl Iterator<Item = (MonoTime, Token)> {
        self.lanes[lane].iter()
    }

    fn search(&self, token: Token) -> Option<(usize, Place)> {
        self.lanes.iter().enumerate().find_map(|(number, lane)| Some((number, lane.find(token)?)))
    }

    /// Looks where the last one was, then everywhere, and keeps account of it.
    fn search_from_last(&mut self, token: Token) -> Option<(usize, Place)> {
        if let Some(lane) = self.lanes.get(self.last_lane) {
            self.looks = self.looks.saturating_add(lane.effort());
            if let Some(place) = lane.find(token) {
                return Some((self.last_lane, place));
            }
        }
        for (number, lane) in self.lanes.iter().enumerate() {
            self.looks = self.looks.saturating_add(1 + lane.effort());
            if let Some(place) = lane.find(token) {
                return Some((number, place));
            }
        }
        None
    }

    fn locate(&mut self, token: Token) -> Option<(usize, Place)> {
        if self.index.is_none() && self.looks <= self.len.saturating_mul(LOOKS_BEFORE_INDEX) {
            let found = self.search_from_last(token)?;
            self.last_lane = found.0;
            return Some(found);
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
                self.looks = 0;
            }
        }
    }

    fn compact(&mut self, number: usize) {
        let lane = &mut self.lanes[number];
        lane.compact();
        if let Some(index) = &mut self.index {
            index.places.extend(lane.places_in_order().map(|(token, place)| (token, (number, place))));
        }
    }
}

impl<N> fmt::Debug for Lanes<N> {
    /// The size only: a queue may hold a million tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("lanes", &self.lanes.len()).field("len", &self.len).finish_non_exhaustive()
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
        fn pop(&mut self) -> Option<(MonoTime, Token)> {
            if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
        }
        fn remove(&mut self, token: Token) -> bool {
            self.0.iter().position(|(_, t)| *t == token).map(|place| self.0.remove(place)).is_some()
        }
    }

    /// 64 random bits from a counter (SplitMix64).
    pub(super) fn bits(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How many runs of more than one token were taken out.
    fn agrees_with_model(seed: u64, removals: u64) -> u32 {
        let (mut lanes, mut models, mut state) = (Lanes::new(3), [const { Model(Vec::new()) }; 3], seed);
        let (mut notes, mut runs_of_many) = (std::collections::BTreeMap::new(), 0);
        for step in 0..3000 {
            let lane = usize::try_from(bits(&mut state) % 3).unwrap();
            let token = Token(bits(&mut state) % 200);
            match bits(&mut state) % (8 + removals) {
                0..5 if models.iter().all(|m| m.0.iter().all(|(_, t)| *t != token)) => {
                    let enqueued = MonoTime::from_nanos((step + bits(&mut state) % 40).saturating_sub(20));
                    let is_free = |number| models.iter().all(|m| m.0.iter().all(|(_, t)| t.0 != number));
                    let most = 1 + bits(&mut state) % 4;
                    let run: Vec<u64> = (token.0..token.0 + most).take_while(|number| is_free(*number)).collect();
                    let note = bits(&mut state) % 2;
                    let first = match run.as_slice() {
                        [_] => lanes.push(lane, token, enqueued, note),
                        run => lanes.push_run(lane, token, u32::try_from(run.len()).unwrap(), enqueued, note),
                    };
                    run.iter().for_each(|number| models[lane].push(Token(*number), enqueued));
                    notes.extend(run.iter().map(|number| (*number, note)));
                    assert_eq!(first, models[lane].0[0].1 == token, "seed {seed} step {step}");
                }
                0..5 => {
                    let lane = models.iter().position(|m| m.0.iter().any(|(_, t)| *t == token)).unwrap();
                    let ahead = models[lane].0.iter().position(|(_, t)| *t == token).unwrap();
                    let enqueued = models[lane].0[ahead].0;
                    assert_eq!(lanes.find(token), Some(Spot { lane, enqueued, ahead }), "seed {seed} step {step}");
                    assert_eq!(lanes.note(token), Some(notes[&token.0]), "seed {seed} step {step}");
                }
                5 => {
                    let (first, count) =
                        lanes.pop_run(lane, 3).map_or((Token(0), 0), |(first, count, _)| (first, u64::from(count)));
                    assert_eq!(count == 0, models[lane].0.is_empty(), "seed {seed} step {step}");
                    let popped: Vec<_> = (0..count).map(|_| models[lane].pop().map(|(_, token)| token)).collect();
                    let run: Vec<_> = (first.0..first.0 + count).map(|number| Some(Token(number))).collect();
                    assert_eq!(run, popped, "seed {seed} step {step}");
                    runs_of_many += u32::from(count > 1);
                }
                6..8 => assert_eq!(
                    lanes.pop(lane),
                    models[lane].pop().map(|(enqueued, token)| (enqueued, token, notes[&token.0])),
                    "seed {seed} step {step}"
                ),
                _ => {
                    let expected = models.iter_mut().position(|m| m.remove(token));
                    assert_eq!(lanes.remove(token), expected, "seed {seed} step {step}");
                }
            }
            let until = MonoTime::from_nanos(step);
            for (lane, model) in models.iter().enumerate() {
                assert_eq!(lanes.head(lane), model.0.first().copied(), "seed {seed} step {step}");
                if step % 50 == 0 {
                    let mut all: Vec<_> = lanes.iter(lane).collect();
                    all.sort_by_key(|(moment, token)| (*moment, model.0.iter().position(|(_, t)| t == token)));
                    assert_eq!(all, model.0, "seed {seed} step {step}");
                }
                let within = model.0.iter().filter(|(moment, _)| *moment <= until).count();
                assert_eq!(lanes.count_until(lane, Bound::Included(until)), within, "seed {seed} step {step}");
                let before = model.0.iter().filter(|(moment, _)| *moment < until).count();
                assert_eq!(lanes.count_until(lane, Bound::Excluded(until)), before, "seed {seed} step {step}");
                assert_eq!(lanes.count_until(lane, Bound::Unbounded), model.0.len());
            }
            assert_eq!(lanes.len(), models.iter().map(|m| m.0.len()).sum::<usize>());
        }
        runs_of_many
    }

    #[test]
    fn lanes_agree_with_sorted_lists_whatever_happens() {
        let lives = (0..40).flat_map(|seed| [1, 8, 40].map(|removals| (seed, removals)));
        let runs_of_many: u32 = lives.map(|(seed, removals)| agrees_with_model(seed, removals)).sum();
        assert!(runs_of_many > 20, "{runs_of_many}");
    }

    #[test]
    fn tokens_pushed_and_removed_behind_a_waiting_one_leave_it_alone() {
        let mut lanes = Lanes::new(1);
        lanes.push(0, Token(0), MonoTime::ZERO, ());
        for number in 1..10_000 {
            lanes.push(0, Token(number), MonoTime::from_nanos(number), ());
            assert_eq!(lanes.remove(Token(number)), Some(0));
        }
        assert_eq!(lanes.len(), 1);
        assert_eq!((lanes.pop(0), lanes.pop(0)), (Some((MonoTime::ZERO, Token(0), ())), None));
    }

    #[test]
    fn a_batch_that_closes_builds_no_index() {
        // Jobs of a batch, numbered as they came, in runs of one lane; some were tried again and came late.
        let mut lanes = Lanes::new(300);
        for number in 0..100_000 {
            let lane = usize::try_from(number / 10_000).unwrap();
            let came = if number % 1_000 == 7 { 0 } else { number };
            lanes.push(lane, Token(number), MonoTime::from_nanos(came), ());
        }
        for number in 0..100_000 {
            assert_eq!(lanes.remove(Token(number)), Some(usize::try_from(number / 10_000).unwrap()));
            // Among the last few an index costs nothing.
            assert!(lanes.index.is_none() || lanes.len() < 10_000, "{number}: {} looks", lanes.looks);
        }
        assert!(lanes.is_empty());
    }

    #[test]
    fn an_index_is_built_for_many_removals_and_dropped_when_they_end() {
        let mut lanes = Lanes::new(1);
        for number in (0..1000).rev() {
            lanes.push(0, Token(number), MonoTime::ZERO, ());
        }
        for number in 0..300 {
            assert_eq!(lanes.remove(Token(number)), Some(0));
        }
        assert!(lanes.index.is_some(), "the removals after the first few use an index");
        while lanes.pop(0).is_some() {}
        assert!(lanes.index.is_none(), "nobody removes any more");
    }
}
