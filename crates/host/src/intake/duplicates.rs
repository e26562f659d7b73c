//! Finding equal ids among millions without keeping the ids: 64-bit hashes are sorted, and equal ones are read again. Of ids
//! that ascend, as most do, not even the hashes.

use std::collections::HashMap;

use batchmill_core::JobId;

use super::index::{self, Index};

/// The ids that jobs bring themselves.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// The last one of those that ascend from the first on.
    last: Option<JobId>,
    /// The row of the first that does not.
    disorder: Option<u32>,
    /// The hash of the id and its row, from there on.
    seen: Vec<(u64, u32)>,
    /// Rows whose id reads like a line number: it may be another job's default.
    numeric: Vec<(u32, u32)>,
}

/// Two jobs with one id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The row of the later one.
    pub(crate) row: u32,
    /// The row of the first one.
    pub(crate) first: u32,
    pub(crate) id: JobId,
    /// Whether one of the two has the id by its number.
    pub(crate) by_default: bool,
}

impl Ids {
    pub(crate) fn add(&mut self, row: u32, id: &JobId) {
        self.remember(row, id);
        // Only the form that a default id has: no sign, no leading zero.
        if let Ok(line) = id.as_str().parse::<u32>()
            && line.to_string() == id.as_str()
        {
            self.numeric.push((line, row));
        }
    }

    /// What ascends has no duplicates: nothing of it is kept.
    fn remember(&mut self, row: u32, id: &JobId) {
        if self.disorder.is_none() && self.last.as_ref().is_none_or(|last| rank(last) < rank(id)) {
            self.last = Some(id.clone());
            return;
        }
        self.disorder.get_or_insert(row);
        self.seen.push((hash(id), row));
    }

    /// All duplicates, by row. `read` gives the id of a row again; what it cannot read is somebody else's error.
    pub(crate) fn duplicates(mut self, index: &Index, mut read: impl FnMut(u32) -> Option<JobId>) -> Vec<Duplicate> {
        let mut found = self.with_defaults(index, &mut read);
        // Those that ascended may have an equal one after them.
        let ascended = (0..self.disorder.unwrap_or(0)).filter(|row| index.row(*row).is_ok_and(|row| row.has_id));
        self.seen.extend(ascended.filter_map(|row| Some((hash(&read(row)?), row))));
        self.seen.sort_unstable();
        for group in self.seen.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let mut firsts: HashMap<JobId, u32> = HashMap::new();
            for (_, row) in group {
                let Some(id) = read(*row) else { continue };
                match firsts.get(&id) {
                    Some(first) => found.push(Duplicate { row: *row, first: *first, id, by_default: false }),
                    None => drop(firsts.insert(id, *row)),
                }
            }
        }
        found.sort_unstable_by_key(|duplicate| (duplicate.row, duplicate.first));
        found
    }

    fn with_defaults(&self, index: &Index, read: &mut impl FnMut(u32) -> Option<JobId>) -> Vec<Duplicate> {
        let mut found = Vec::new();
        for (number, row) in &self.numeric {
            if let Some(other) = index.numbered(*number)
                && index.row(other).is_ok_and(|row| !row.has_id)
                && let Some(id) = read(*row)
            {
                let (row, first) = ((*row).max(other), (*row).min(other));
                found.push(Duplicate { row, first, id, by_default: true });
            }
        }
        found
    }
}

fn hash(id: &JobId) -> u64 {
    index::hash(id.as_str().as_bytes())
}

/// Any total order will do; this one is that of numbers without leading zeros, also behind a common beginning.
fn rank(id: &JobId) -> (usize, &str) {
    (id.as_str().len(), id.as_str())
}
