//! A queue that grows and shrinks without moving what is in it. One that doubles leaves behind, of each of its sizes, the
//! memory of the one before, and its last size is half empty at worst: with a million jobs that is a third of all.

use std::collections::VecDeque;

/// Elements a block. Small, because each lane has one that is not full; the list of blocks takes half a byte an element.
const BLOCK: usize = 64;

/// A short one is a plain ring; what does not fit there follows in blocks.
///
/// Invariants: no block is empty, all but the last are full, and there is none while the front is empty.
pub(super) struct Ring<T> {
    front: VecDeque<T>,
    blocks: VecDeque<Vec<T>>,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { front: VecDeque::new(), blocks: VecDeque::new() }
    }
}

impl<T> Ring<T> {
    pub(super) fn push_back(&mut self, element: T) {
        // Most lanes are short: they touch nothing but their front.
        if self.blocks.is_empty() && self.front.len() < BLOCK {
            self.front.push_back(element);
            return;
        }
        match self.blocks.back_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(element),
            None => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(element);
                self.blocks.push_back(block);
            }
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let element = self.front.pop_front()?;
        if self.front.is_empty()
            && let Some(block) = self.blocks.pop_front()
        {
            self.front = block.into();
        }
        Some(element)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.front.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        let in_blocks = self.blocks.back().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len());
        self.front.len() + in_blocks
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.front.front()
    }

    pub(super) fn back(&self) -> Option<&T> {
        self.blocks.back().map_or_else(|| self.front.back(), |last| last.last())
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        match at.checked_sub(self.front.len()) {
            None => self.front.get(at),
            Some(behind) => self.blocks.get(behind / BLOCK)?.get(behind % BLOCK),
        }
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        match at.checked_sub(self.front.len()) {
            None => self.front.get_mut(at),
            Some(behind) => self.blocks.get_mut(behind / BLOCK)?.get_mut(behind % BLOCK),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.front.iter().chain(self.blocks.iter().flatten())
    }

    /// How many elements come before the first for which `is_before` does not hold; it holds for none after that.
    pub(super) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let in_front = self.front.partition_point(&is_before);
        if in_front < self.front.len() {
            return in_front;
        }
        let full = self.blocks.partition_point(|block| block.last().is_some_and(&is_before));
        let in_block = self.blocks.get(full).map_or(0, |block| block.partition_point(&is_before));
        in_front + full * BLOCK - self.blocks_missing(full) + in_block
    }

    /// How many elements fewer than whole blocks the first `count` blocks have: the last one may not be full.
    fn blocks_missing(&self, count: usize) -> usize {
        if count < self.blocks.len() { 0 } else { self.blocks.back().map_or(0, |last| BLOCK - last.len()) }
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        let Self { front, blocks } = std::mem::take(self);
        front.into_iter().chain(blocks.into_iter().flatten()).filter(stays).for_each(|element| self.push_back(element));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::tests::bits;

    #[test]
    fn it_agrees_with_a_plain_ring_whatever_happens() {
        for number in 0..20 {
            let (mut ring, mut model, mut seed, mut next) = (Ring::default(), VecDeque::new(), number, 0);
            for _ in 0..400 {
                // Runs that grow it over several blocks, and empty it again.
                let run = bits(&mut seed) % 200;
                match bits(&mut seed) % 8 {
                    0..4 => (next..next + run).for_each(|element| {
                        ring.push_back(element);
                        model.push_back(element);
                    }),
                    4..7 => (0..run).for_each(|_| assert_eq!(ring.pop_front(), model.pop_front())),
                    _ => {
                        ring.retain(|element| element % 3 != 1);
                        model.retain(|element| element % 3 != 1);
                    }
                }
                next += run;
                assert!(ring.iter().eq(&model), "seed {number}");
                assert_eq!((ring.len(), ring.is_empty()), (model.len(), model.is_empty()));
                assert_eq!((ring.front(), ring.back()), (model.front(), model.back()));
                for at in [0, run as usize, model.len().saturating_sub(1), model.len()] {
                    assert_eq!(ring.get(at), model.get(at), "seed {number}");
                    assert_eq!(ring.get_mut(at), model.get_mut(at), "seed {number}");
                    let bound = model.get(at).copied().unwrap_or(u64::MAX);
                    assert_eq!(ring.partition_point(|element| *element < bound), at.min(model.len()), "seed {number}");
                }
            }
        }
    }
}
