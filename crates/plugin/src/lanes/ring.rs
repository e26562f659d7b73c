//! A queue that grows and shrinks without moving what is in it. One that doubles leaves behind, of each of its sizes, the
//! memory of the one before, and its last size is half empty at worst: with a million jobs that is a third of all.

use std::collections::VecDeque;

/// Elements that a short one has at most. Most lanes are short, and there are thousands: they are one plain ring each.
const SHORT: usize = 512;

/// Elements a block. Small, because each long one has one that is not full.
const BLOCK: usize = 64;

/// What does not fit in front follows in blocks.
///
/// Invariants: the front is empty only if all is, no block is empty, and all but the last are full.
pub(super) struct Ring<T> {
    front: VecDeque<T>,
    /// Apart, so that a short one is small.
    rest: Option<Box<Rest<T>>>,
}

struct Rest<T> {
    full: VecDeque<Vec<T>>,
    /// The block that is filled.
    last: Vec<T>,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { front: VecDeque::new(), rest: None }
    }
}

impl<T> Ring<T> {
    pub(super) fn push_back(&mut self, element: T) {
        match &mut self.rest {
            None if self.front.len() < SHORT => self.front.push_back(element),
            None => self.rest = Some(Box::new(Rest { full: VecDeque::new(), last: block_of(element) })),
            Some(rest) if rest.last.len() < BLOCK => rest.last.push(element),
            Some(rest) => rest.full.push_back(std::mem::replace(&mut rest.last, block_of(element))),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let element = self.front.pop_front()?;
        if self.front.is_empty() {
            self.refill();
        }
        Some(element)
    }

    fn refill(&mut self) {
        let Some(rest) = &mut self.rest else { return };
        match rest.full.pop_front() {
            Some(block) => self.front = block.into(),
            None => {
                self.front = std::mem::take(&mut rest.last).into();
                self.rest = None;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.front.len() + self.rest.as_ref().map_or(0, |rest| rest.full.len() * BLOCK + rest.last.len())
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.front.front()
    }

    pub(super) fn back(&self) -> Option<&T> {
        self.rest.as_ref().map_or_else(|| self.front.back(), |rest| rest.last.last())
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        let Some(behind) = at.checked_sub(self.front.len()) else { return self.front.get(at) };
        let rest = self.rest.as_ref()?;
        match rest.full.get(behind / BLOCK) {
            Some(block) => block.get(behind % BLOCK),
            None => rest.last.get(behind - rest.full.len() * BLOCK),
        }
    }

    /// How many elements come before the first for which `is_before` does not hold; it holds for none after that.
    pub(super) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let in_front = self.front.partition_point(&is_before);
        let Some(rest) = self.rest.as_ref().filter(|_| in_front == self.front.len()) else { return in_front };
        let full = rest.full.partition_point(|block| block.last().is_some_and(&is_before));
        let in_block = rest.full.get(full).unwrap_or(&rest.last).partition_point(&is_before);
        in_front + full * BLOCK + in_block
    }
}

fn block_of<T>(element: T) -> Vec<T> {
    let mut block = Vec::with_capacity(BLOCK);
    block.push(element);
    block
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
                // Enough that it is short, long, and empty again and again.
                let run = bits(&mut seed) % 400;
                match bits(&mut seed) % 2 {
                    0 => (next..next + run).for_each(|element| {
                        ring.push_back(element);
                        model.push_back(element);
                    }),
                    _ => (0..run).for_each(|_| assert_eq!(ring.pop_front(), model.pop_front())),
                }
                next += run;
                assert!((0..model.len()).all(|at| ring.get(at) == model.get(at)), "seed {number}");
                assert_eq!(ring.len(), model.len());
                assert_eq!((ring.front(), ring.back()), (model.front(), model.back()));
                for at in [0, run as usize, model.len().saturating_sub(1), model.len()] {
                    assert_eq!(ring.get(at), model.get(at), "seed {number}");
                    let bound = model.get(at).copied().unwrap_or(u64::MAX);
                    assert_eq!(ring.partition_point(|element| *element < bound), at.min(model.len()), "seed {number}");
                }
            }
        }
    }
}
