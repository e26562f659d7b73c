//! Which of 256 lanes is first.

/// Lanes, one a priority.
pub(crate) const LANES: usize = 256;

/// No key: the lane is empty.
const EMPTY: u128 = u128::MAX;

/// A tournament of the lanes' keys: the smallest key wins, among equals the smaller lane.
///
/// A changed key is replayed in eight matches, whether one lane has jobs or all of them: a heap of a million jobs takes
/// twenty, each of them a miss of the cache.
#[derive(Debug)]
pub(crate) struct Front {
    keys: [u128; LANES],
    /// A binary tree in an array, root at 1: the lane that wins below each inner node.
    winners: [u8; LANES],
    /// Lanes that are not empty. The only one wins every match, whatever its key.
    filled: usize,
}

impl Front {
    pub(crate) fn new() -> Self {
        let mut front = Self { keys: [EMPTY; LANES], winners: [0; LANES], filled: 0 };
        for lane in (0..=u8::MAX).step_by(2) {
            front.replay(lane);
        }
        front
    }

    /// The lane whose head is first; `None` when all are empty.
    pub(crate) fn first(&self) -> Option<u8> {
        let lane = self.winners[1];
        (self.keys[usize::from(lane)] != EMPTY).then_some(lane)
    }

    /// The head of a lane has this key now.
    pub(crate) fn set(&mut self, lane: u8, key: Option<u128>) {
        let key = key.unwrap_or(EMPTY);
        let before = std::mem::replace(&mut self.keys[usize::from(lane)], key);
        if before == key {
            return;
        }
        let (was_filled, is_filled) = (before != EMPTY, key != EMPTY);
        self.filled = self.filled + usize::from(is_filled) - usize::from(was_filled);
        if !(was_filled && is_filled && self.filled == 1) {
            self.replay(lane);
        }
    }

    fn replay(&mut self, lane: u8) {
        let mut node = (LANES + usize::from(lane)) / 2;
        while node > 0 {
            self.winners[node] = self.winner(self.contender(2 * node), self.contender(2 * node + 1));
            node /= 2;
        }
    }

    fn contender(&self, node: usize) -> u8 {
        match node.checked_sub(LANES) {
            // A leaf stands for its lane.
            Some(lane) => u8::try_from(lane).expect("the tree has 256 leaves"),
            None => self.winners[node],
        }
    }

    fn winner(&self, lower: u8, higher: u8) -> u8 {
        if self.keys[usize::from(lower)] <= self.keys[usize::from(higher)] { lower } else { higher }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_key_is_first_and_among_equals_the_smaller_lane() {
        let mut front = Front::new();
        assert_eq!(front.first(), None);
        let steps = [
            (255, Some(5), Some(255)),
            (0, Some(5), Some(0)),
            (7, Some(4), Some(7)),
            (0, None, Some(7)),
            (7, None, Some(255)),
            (254, Some(5), Some(254)),
            (254, None, Some(255)),
            (255, None, None),
        ];
        for (lane, key, first) in steps {
            front.set(lane, key);
            assert_eq!(front.first(), first, "after lane {lane} got {key:?}");
        }
    }

    #[test]
    fn it_says_what_looking_at_all_lanes_says() {
        let (mut front, mut keys, mut state) = (Front::new(), [None; LANES], 1_u64);
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for step in 0..20_000 {
            // Few lanes and many, so that there is none, one or several that is not empty again and again.
            let lanes = [1, 2, 3, 256][step / 5_000];
            let lane = u8::try_from(below(lanes) * (255 / lanes.max(2))).unwrap();
            let key = (below(2) == 0).then(|| u128::from(below(50)));
            front.set(lane, key);
            keys[usize::from(lane)] = key;
            let first = (0..=u8::MAX).filter_map(|lane| Some((keys[usize::from(lane)]?, lane))).min();
            assert_eq!(front.first(), first.map(|(_, lane)| lane), "step {step}");
        }
    }

    #[test]
    fn all_lanes_leave_in_order() {
        let mut front = Front::new();
        for lane in 0..=u8::MAX {
            front.set(lane, Some(u128::from(lane.wrapping_mul(37))));
        }
        for expected in 0..=u8::MAX {
            let lane = front.first().unwrap();
            assert_eq!(lane.wrapping_mul(37), expected);
            front.set(lane, None);
        }
        assert_eq!(front.first(), None);
    }
}
