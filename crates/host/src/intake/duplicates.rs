//! Finding equal ids among millions without keeping the ids: 64-bit hashes are sorted, and equal ones are read again.

use std::collections::HashMap;

use batchmill_core::JobId;

use super::index::{self, Index};

/// The ids that jobs bring themselves.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// The hash of the id, and its row.
    seen: Vec<(u64, u32)>,
    /// Rows whose id reads like a line number: it may be another job's default.
    numeric: Vec<(u32, u32)>,
}

/// Two jobs with one id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub(crate) id: JobId,
    /// The line that has it too.
    pub(crate) line: u32,
    /// The first line with it.
    pub(crate) first: u32,
    /// Whether one of the two has the id by its line number.
    pub(crate) by_default: bool,
}

impl Ids {
    pub(crate) fn add(&mut self, row: u32, id: &JobId) {
        self.seen.push((index::hash(id.as_str().as_bytes()), row));
        // Only the form that a default id has: no sign, no leading zero.
        if let Ok(line) = id.as_str().parse::<u32>()
            && line.to_string() == id.as_str()
        {
            self.numeric.push((line, row));
        }
    }

    /// All duplicates. `read` gives the id of a row again; what it cannot read is somebody else's error.
    pub(crate) fn duplicates(mut self, index: &Index, mut read: impl FnMut(u32) -> Option<JobId>) -> Vec<Duplicate> {
        let mut found = self.with_defaults(index, &mut read);
        self.seen.sort_unstable();
        for group in self.seen.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let mut firsts: HashMap<JobId, u32> = HashMap::new();
            for (_, row) in group {
                let line = index.rows[*row as usize].line;
                let Some(id) = read(*row) else { continue };
                match firsts.get(&id) {
                    Some(first) => found.push(Duplicate { id, line, first: *first, by_default: false }),
                    None => drop(firsts.insert(id, line)),
                }
            }
        }
        found
    }

    fn with_defaults(&self, index: &Index, read: &mut impl FnMut(u32) -> Option<JobId>) -> Vec<Duplicate> {
        let mut found = Vec::new();
        for (number, row) in &self.numeric {
            let other = index.at_line(*number).filter(|other| !other.has_id);
            if other.is_some()
                && let Some(id) = read(*row)
            {
                let own = index.rows[*row as usize].line;
                found.push(Duplicate { id, line: own.max(*number), first: own.min(*number), by_default: true });
            }
        }
        found
    }
}
