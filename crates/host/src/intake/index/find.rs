//! Where the job with an id is.

use std::io;

use batchmill_core::JobId;

use super::{Index, hash};

impl Index {
    /// The row of the job with this id. Looks at every row, at no line: ids are told apart by their hashes, as in the
    /// comparison of a resume.
    pub(crate) fn find(&self, id: &JobId) -> io::Result<Option<u32>> {
        let wanted = hash(id.as_str().as_bytes());
        for (place, row) in (0_u32..).zip(self.rows()) {
            let row = row?;
            if row.id == wanted && (row.has_id || JobId::from(u64::from(row.number)) == *id) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}
