//! Who is first among some, when all of them change.

/// Smaller is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What counts.
    pub rank: u128,
    /// Decides between those of one rank.
    pub turn: u64,
}

/// The place of one that is not in line.
pub const NOWHERE: u32 = u32::MAX;

/// Children of an entry: four share two cache lines, and the tree is half as deep as one of pairs.
const CHILDREN: usize = 4;

/// One that is in line. The fields of its key are its own, which makes it a third smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contender {
    /// That of its key.
    pub rank: u128,
    turn: u64,
    /// Who it is.
    pub id: u32,
}

impl Contender {
    fn new(id: u32, key: Key) -> Self {
        Self { rank: key.rank, turn: key.turn, id }
    }

    /// The same as `<`, without branches: which of four children is first can not be foreseen, and a wrong guess costs
    /// more than all comparisons.
    fn goes_before(&self, other: &Self) -> bool {
        let rest = |own: &Self| u128::from(own.turn) << 64 | u128::from(own.id);
        (self.rank < other.rank) | ((self.rank == other.rank) & (rest(self) < rest(other)))
    }

    /// Where it stands.
    pub fn key(&self) -> Key {
        Key { rank: self.rank, turn: self.turn }
    }
}

/// A heap whose entries can be found again: `places`, which the caller keeps, tells where each one stands. An id is in
/// one front at most. The smallest key is first, among equals the smaller id.
#[derive(Debug, Default)]
pub struct Front {
    line: Vec<Contender>,
}

impl Front {
    /// Who is first.
    pub fn first(&self) -> Option<Contender> {
        self.line.first().copied()
    }

    /// The first of all but `id`.
    pub fn first_but(&self, id: u32) -> Option<Contender> {
        let first = self.first()?;
        // The second stands directly below the first.
        if first.id == id { self.line.iter().skip(1).take(CHILDREN).min().copied() } else { Some(first) }
    }

    /// Whether nobody is in line.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// All that are in line, not in order.
    pub fn all(&self) -> &[Contender] {
        &self.line
    }

    /// Gives `id` this key, in line or not; without one it leaves.
    pub fn set(&mut self, places: &mut [u32], id: u32, key: Option<Key>) {
        match (places[id as usize], key) {
            (NOWHERE, None) => {}
            (NOWHERE, Some(key)) => {
                let hole = self.line.len();
                self.line.push(Contender::new(id, key));
                self.rise(places, hole, Contender::new(id, key));
            }
            (place, None) => self.leave(places, place as usize),
            (place, Some(key)) => self.replace(places, place as usize, Contender::new(id, key)),
        }
    }

    fn leave(&mut self, places: &mut [u32], place: usize) {
        places[self.line[place].id as usize] = NOWHERE;
        let Some(last) = self.line.pop() else { return };
        if place < self.line.len() {
            self.replace(places, place, last);
        }
    }

    fn replace(&mut self, places: &mut [u32], place: usize, contender: Contender) {
        if contender.goes_before(&self.line[place]) {
            self.rise(places, place, contender);
        } else if place == 0 {
            self.sink_far(places, contender);
        } else {
            self.sink(places, place, contender);
        }
    }

    fn rise(&mut self, places: &mut [u32], mut hole: usize, contender: Contender) {
        while hole > 0 {
            let parent = (hole - 1) / CHILDREN;
            if !contender.goes_before(&self.line[parent]) {
                break;
            }
            self.put(places, hole, self.line[parent]);
            hole = parent;
        }
        self.put(places, hole, contender);
    }

    fn sink(&mut self, places: &mut [u32], mut hole: usize, contender: Contender) {
        while let Some(best) = self.first_child(hole) {
            let child = self.line[best];
            if !child.goes_before(&contender) {
                break;
            }
            self.put(places, hole, child);
            hole = best;
        }
        self.put(places, hole, contender);
    }

    /// The same for the first, without comparing on the way down: who had its turn goes behind most others.
    fn sink_far(&mut self, places: &mut [u32], contender: Contender) {
        let mut hole = 0;
        while let Some(best) = self.first_child(hole) {
            self.put(places, hole, self.line[best]);
            hole = best;
        }
        self.rise(places, hole, contender);
    }

    fn first_child(&self, parent: usize) -> Option<usize> {
        let first = CHILDREN * parent + 1;
        let children = self.line.get(first..)?;
        // A constant count where there are all, so that nothing is left of the loop.
        let children = children.first_chunk::<CHILDREN>().map_or(children, |all| all);
        let before =
            |best: usize, other: usize| if children[other].goes_before(&children[best]) { other } else { best };
        if let [_, _, _, _] = children {
            return Some(first + before(before(0, 1), before(2, 3)));
        }
        (0..children.len()).reduce(before).map(|best| first + best)
    }

    fn put(&mut self, places: &mut [u32], place: usize, contender: Contender) {
        self.line[place] = contender;
        places[contender.id as usize] = u32::try_from(place).expect("ids are 32 bits wide");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lanes::tests::bits;

    #[test]
    fn two_share_a_cache_line() {
        assert_eq!(size_of::<Contender>(), 32);
    }

    #[test]
    fn the_smallest_is_first_whatever_changes() {
        for number in 0..20 {
            let (mut front, mut model, mut seed) = (Front::default(), BTreeMap::new(), number);
            let mut places = [NOWHERE; 60];
            for step in 0..2000 {
                let id = u32::try_from(bits(&mut seed) % 60).unwrap();
                let (rank, turn) = (u128::from(bits(&mut seed) % 40), bits(&mut seed) % 3);
                let key = (bits(&mut seed) % 8 < 5).then_some(Key { rank, turn });
                front.set(&mut places, id, key);
                match key {
                    Some(key) => model.insert(id, key),
                    None => model.remove(&id),
                };
                let first = model.iter().map(|(id, key)| Contender::new(*id, *key)).min();
                assert_eq!(front.first(), first, "seed {number} step {step}");
                let but = model.iter().filter(|(other, _)| **other != id);
                let first = but.map(|(id, key)| Contender::new(*id, *key)).min();
                assert_eq!(front.first_but(id), first, "seed {number} step {step}");
                assert_eq!((front.all().len(), front.is_empty()), (model.len(), model.is_empty()));
                assert!((0..60).all(|id| (places[id as usize] == NOWHERE) != model.contains_key(&id)));
            }
        }
    }
}
