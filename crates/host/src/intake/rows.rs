//! A list that grows without moving: one that doubles would leave as much free memory behind as it has in use, and a
//! process does not give that back at once.

/// Elements a block.
const BLOCK: usize = 4096;

/// Elements in blocks of the same size.
#[derive(Debug)]
pub(crate) struct Rows<T>(Vec<Vec<T>>);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Rows<T> {
    pub(crate) fn push(&mut self, element: T) {
        match self.0.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(element),
            None => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(element);
                self.0.push(block);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * BLOCK + last.len())
    }

    /// # Panics
    /// If there is no such element.
    pub(crate) fn get(&self, at: usize) -> T {
        self.0[at / BLOCK][at % BLOCK]
    }

    /// Keeps the elements at the places that stay.
    pub(crate) fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        let mut kept = Self::default();
        (0..self.len()).filter(|at| stays(*at)).for_each(|at| kept.push(self.get(at)));
        *self = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_where_they_were_put() {
        let mut rows = Rows::default();
        assert_eq!(rows.len(), 0);
        for number in 0..3 * BLOCK {
            assert_eq!(rows.len(), number);
            rows.push(number);
        }
        assert!((0..3 * BLOCK).all(|number| rows.get(number) == number));
        rows.retain(|at| at % 3 == 0);
        assert_eq!((rows.len(), rows.get(0), rows.get(BLOCK - 1)), (BLOCK, 0, 3 * BLOCK - 3));
    }
}
