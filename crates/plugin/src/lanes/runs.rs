//! Tokens in order of arrival, written down as runs.
//!
//! Jobs of a batch come numbered one after the other, hundreds at one moment and of one class. Such a run is one entry,
//! however long it is: a push or pop inside it moves a border and touches no memory of its own, and a million jobs of one
//! kind take a few pages. Tokens that come mixed take an entry each.

use std::collections::BTreeSet;

use batchmill_core::{MonoTime, Token};

use super::ring::Ring;

/// Dead slots that are kept without looking at their share.
const DEAD_SLOTS_MIN: usize = 32;

/// Tokens that ascend by one, queued at one moment with one note. It ends where the next one starts. No padding: 24 bytes
/// with a note of four.
#[derive(Clone, Copy)]
struct Run<N> {
    token: Token,
    enqueued: MonoTime,
    note: N,
    /// The lower half of the number of its first slot.
    start: u32,
}

/// A slot has a number that counts from the first arrival and survives pops.
///
/// Invariants: the slots are `first..next`, fewer than 2³²; each belongs to a run, no run is empty, and `enqueued` ascends;
/// the first slot is alive; `dead` are numbers of other slots.
pub(super) struct Runs<N> {
    runs: Ring<Run<N>>,
    first: u64,
    next: u64,
    /// Whether each slot has a larger token than the one before: hosts number jobs as they come, so a token is found by
    /// bisection.
    ascending: bool,
    /// Slots whose tokens were removed, if there are any; they vanish when they come to the front.
    #[expect(clippy::box_collection, reason = "a pointer is a third of the set, and there are thousands of lanes")]
    dead: Option<Box<BTreeSet<u64>>>,
}

/// What is known of a slot.
pub(super) struct Slot<N> {
    pub(super) number: u64,
    pub(super) token: Token,
    pub(super) enqueued: MonoTime,
    pub(super) note: N,
}

impl<N> Default for Runs<N> {
    fn default() -> Self {
        Self { runs: Ring::default(), first: 0, next: 0, ascending: true, dead: None }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "runs keep the lower halves, of numbers that are close together")]
fn lower(number: u64) -> u32 {
    number as u32
}

impl<N: Copy + PartialEq> Runs<N> {
    /// Adds a slot at the end and tells its number. `enqueued` is that of the last slot or later.
    pub(super) fn push(&mut self, token: Token, enqueued: MonoTime, note: N) -> u64 {
        self.push_run(token, 1, enqueued, note)
    }

    /// Adds slots of so many tokens that ascend by one, and tells the number of the first.
    pub(super) fn push_run(&mut self, token: Token, count: u32, enqueued: MonoTime, note: N) -> u64 {
        let number = self.next;
        self.next += u64::from(count);
        let Some(last) = self.runs.back() else {
            self.ascending = true;
            self.runs.push_back(Run { token, enqueued, note, start: lower(number) });
            return number;
        };
        let expected = last.token.0.checked_add(u64::from(lower(number).wrapping_sub(last.start)));
        if Some(token.0) == expected && enqueued == last.enqueued && note == last.note {
            return number;
        }
        self.ascending &= expected.is_some_and(|expected| token.0 >= expected);
        self.runs.push_back(Run { token, enqueued, note, start: lower(number) });
        number
    }

    pub(super) fn front(&self) -> Option<(MonoTime, Token)> {
        self.runs.front().map(|run| (run.enqueued, token_of(run, self.first)))
    }

    pub(super) fn pop(&mut self) -> Option<(MonoTime, Token, N)> {
        let run = self.runs.front()?;
        let popped = (run.enqueued, token_of(run, self.first), run.note);
        self.drop_first();
        self.drop_dead();
        Some(popped)
    }

    /// The first token and those that follow on it in its run, at most so many: the first, how many, their note.
    pub(super) fn pop_run(&mut self, most: u32) -> Option<(Token, u32, N)> {
        if self.dead.is_some() {
            return self.pop().map(|(_, token, note)| (token, 1, note));
        }
        let run = self.runs.front()?;
        let (token, note) = (token_of(run, self.first), run.note);
        let end = self.runs.get(1).map_or(lower(self.next), |second| second.start);
        let left = end.wrapping_sub(lower(self.first));
        let count = most.min(left);
        self.first += u64::from(count);
        if count == left {
            self.runs.pop_front();
        }
        Some((token, count, note))
    }

    fn drop_first(&mut self) {
        self.first += 1;
        // No more of the queue is touched than who is first next: lanes are thousands, and cold.
        let end = self.runs.get(1).map_or(lower(self.next), |second| second.start);
        if lower(self.first) == end {
            self.runs.pop_front();
        }
    }

    fn drop_dead(&mut self) {
        while let Some(dead) = &mut self.dead {
            if !dead.remove(&self.first) {
                return;
            }
            if dead.is_empty() {
                self.dead = None;
            }
            self.drop_first();
        }
    }

    /// Removes the token of a slot that is alive.
    pub(super) fn remove(&mut self, number: u64) {
        if number == self.first {
            self.drop_first();
            self.drop_dead();
        } else {
            self.dead.get_or_insert_default().insert(number);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// The number of the first slot.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    fn len(&self) -> usize {
        usize::try_from(self.next - self.first).expect("slots have places in memory")
    }

    pub(super) fn wants_compaction(&self) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.len() > DEAD_SLOTS_MIN && dead.len() > self.len() / 2)
    }

    /// Drops dead slots; slots have other numbers afterwards.
    pub(super) fn compact(&mut self) {
        let mut live = Self { first: self.first, next: self.first, ..Self::default() };
        for Slot { token, enqueued, note, .. } in self.iter() {
            live.push(token, enqueued, note);
        }
        *self = live;
    }

    /// Every slot that is alive.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot<N>> {
        let slots = (0..self.runs.len()).filter_map(|place| Some((self.runs.get(place)?, self.numbers(place))));
        let slots = slots.flat_map(|(run, numbers)| numbers.map(|number| slot_of(run, number)));
        slots.filter(|slot| self.is_alive(slot.number))
    }

    /// The number of the first slot of a run, also if that has been popped.
    fn start(&self, run: &Run<N>) -> u64 {
        let front = self.runs.front().map_or(run.start, |front| front.start);
        let front_start = self.first - u64::from(lower(self.first).wrapping_sub(front));
        front_start + u64::from(run.start.wrapping_sub(front))
    }

    /// The slots of the run at a place.
    fn numbers(&self, place: usize) -> std::ops::Range<u64> {
        let start = |place: usize| self.runs.get(place).map_or(self.next, |run| self.start(run));
        start(place).max(self.first)..start(place + 1)
    }

    fn is_alive(&self, number: u64) -> bool {
        self.dead.as_ref().is_none_or(|dead| !dead.contains(&number))
    }

    /// The slot of a token.
    pub(super) fn find(&self, token: Token) -> Option<u64> {
        if self.ascending {
            let place = self.runs.partition_point(|run| run.token <= token).checked_sub(1)?;
            return self.find_in(place, token);
        }
        (0..self.runs.len()).find_map(|place| self.find_in(place, token))
    }

    fn find_in(&self, place: usize, token: Token) -> Option<u64> {
        let run = self.runs.get(place)?;
        let number = self.start(run).checked_add(token.0.checked_sub(run.token.0)?)?;
        (self.numbers(place).contains(&number) && self.is_alive(number)).then_some(number)
    }

    /// Runs that a search looks at one by one, at most.
    pub(super) fn effort(&self) -> usize {
        if self.ascending { 0 } else { self.runs.len() }
    }

    /// What is known of a slot, by its number.
    pub(super) fn get(&self, number: u64) -> Option<Slot<N>> {
        let place = self.runs.partition_point(|run| self.start(run) <= number).checked_sub(1)?;
        (number < self.next).then(|| self.runs.get(place).map(|run| slot_of(run, number))).flatten()
    }

    /// How many slots alive come before the first whose moment is not `early`; none after that is.
    pub(super) fn count_while(&self, early: impl Fn(MonoTime) -> bool) -> usize {
        let place = self.runs.partition_point(|run| early(run.enqueued));
        self.count_before(self.runs.get(place).map_or(self.next, |run| self.start(run)))
    }

    /// How many slots alive have smaller numbers.
    pub(super) fn count_before(&self, number: u64) -> usize {
        let Some(slots) = number.checked_sub(self.first) else { return 0 };
        let dead = self.dead.as_ref().map_or(0, |dead| dead.range(..number).count());
        usize::try_from(slots).expect("slots have places in memory") - dead
    }

    #[cfg(test)]
    fn entries(&self) -> usize {
        self.runs.len()
    }
}

fn token_of<N>(run: &Run<N>, number: u64) -> Token {
    Token(run.token.0 + u64::from(lower(number).wrapping_sub(run.start)))
}

fn slot_of<N: Copy>(run: &Run<N>, number: u64) -> Slot<N> {
    Slot { number, token: token_of(run, number), enqueued: run.enqueued, note: run.note }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::lanes::tests::bits;

    #[test]
    fn a_run_is_one_entry_and_a_mixed_token_takes_24_bytes() {
        let mut runs = Runs::default();
        for number in 0..1_000_000 {
            runs.push(Token(number), MonoTime::from_nanos(number / 512), 7_u32);
        }
        assert_eq!(runs.entries(), 1_000_000_usize.div_ceil(512));
        assert_eq!((size_of::<Run<u32>>(), size_of::<Run<f32>>()), (24, 24));
    }

    #[test]
    fn dead_slots_behind_a_waiting_token_do_not_pile_up() {
        let mut runs = Runs::default();
        runs.push(Token(0), MonoTime::ZERO, ());
        for number in 1..10_000 {
            let slot = runs.push(Token(number), MonoTime::from_nanos(number), ());
            runs.remove(slot);
            if runs.wants_compaction() {
                runs.compact();
            }
        }
        assert!(runs.entries() <= 2 * DEAD_SLOTS_MIN, "{}", runs.entries());
        assert_eq!((runs.pop(), runs.pop()), (Some((MonoTime::ZERO, Token(0), ())), None));
    }

    /// Slots one by one: number, token, moment, note.
    type Model = VecDeque<(u64, Token, MonoTime, u64)>;

    fn agree(runs: &Runs<u64>, model: &Model, seed: u64) {
        let slots = runs.iter().map(|slot| (slot.number, slot.token, slot.enqueued, slot.note));
        assert!(slots.eq(model.iter().copied()), "seed {seed}");
        assert_eq!(runs.front(), model.front().map(|slot| (slot.2, slot.1)), "seed {seed}");
        assert_eq!(runs.is_empty(), model.is_empty(), "seed {seed}");
        for (ahead, slot) in model.iter().enumerate().step_by(7) {
            assert_eq!(runs.find(slot.1), Some(slot.0), "seed {seed}");
            let known = runs.get(slot.0).map(|slot| (slot.number, slot.token, slot.enqueued, slot.note));
            assert_eq!(known, Some(*slot), "seed {seed}");
            assert_eq!(runs.count_before(slot.0), ahead, "seed {seed}");
            let until = model.partition_point(|other| other.2 <= slot.2);
            assert_eq!(runs.count_while(|moment| moment <= slot.2), until, "seed {seed}");
        }
    }

    #[test]
    fn they_agree_with_slots_one_by_one_whatever_happens() {
        for seed in 0..20 {
            // Numbers pass the border of the halves on the way.
            let begin = u64::from(u32::MAX) - 300;
            let mut runs = Runs { first: begin, next: begin, ..Runs::default() };
            let (mut model, mut state, mut token, mut moment) = (Model::new(), seed, 1 << 40, 0);
            for _ in 0..200 {
                match bits(&mut state) % 8 {
                    // A run, seldom of one; tokens go on, skip some, or go back.
                    0..3 => {
                        moment += bits(&mut state) % 2;
                        token = match bits(&mut state) % 6 {
                            0 => token + 5,
                            1 if seed % 2 == 0 => token - 90_000,
                            _ => token,
                        };
                        let note = bits(&mut state) % 2;
                        for _ in 0..=bits(&mut state) % 40 {
                            let fresh = model.iter().all(|slot| slot.1 != Token(token));
                            if fresh {
                                let at = MonoTime::from_nanos(moment);
                                let number = runs.push(Token(token), at, note);
                                model.push_back((number, Token(token), at, note));
                            }
                            token += 1;
                        }
                    }
                    3..6 => {
                        for _ in 0..=bits(&mut state) % 30 {
                            assert_eq!(
                                runs.pop(),
                                model.pop_front().map(|slot| (slot.2, slot.1, slot.3)),
                                "seed {seed}"
                            );
                        }
                    }
                    6 if !model.is_empty() => {
                        for _ in 0..=bits(&mut state) % 20 {
                            let at = usize::try_from(bits(&mut state)).unwrap() % model.len().max(1);
                            if let Some(slot) = model.remove(at) {
                                runs.remove(slot.0);
                                assert_eq!(runs.find(slot.1), None, "seed {seed}");
                            }
                        }
                    }
                    _ if runs.wants_compaction() => {
                        runs.compact();
                        for (slot, number) in model.iter_mut().zip(runs.first()..) {
                            slot.0 = number;
                        }
                    }
                    _ => {}
                }
                agree(&runs, &model, seed);
            }
        }
    }
}
