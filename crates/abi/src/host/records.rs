//! Results as the records that a sink of a plugin gets: their text in one piece, which travels to the thread of the call.

use batchmill_core::{JobResult, WallTime};

use super::json;
use crate::layout::{RawRecord, Text, status_code};

/// Records and their text, which lies in the order of the records and of their fields. There are pointers into it only for the
/// call: it moves while it grows.
#[derive(Debug, Default)]
pub(super) struct Records {
    text: Vec<u8>,
    raw: Vec<RawRecord>,
}

/// More text than this is not kept.
const TEXT_KEPT: usize = 1 << 20;

impl Records {
    /// These results, in the room of earlier ones: memory that another thread gave back is cold.
    pub(super) fn of(results: &[JobResult], room: Option<Self>) -> Self {
        let mut records = room.unwrap_or_default();
        records.text.clear();
        records.raw.clear();
        records.text.reserve(results.len() * 256);
        records.raw.reserve(results.len());
        results.iter().for_each(|result| records.push(result));
        records
    }

    /// Whether its room is worth to be kept.
    pub(super) fn is_small(&self) -> bool {
        self.text.capacity() <= TEXT_KEPT
    }

    fn push(&mut self, result: &JobResult) {
        let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let Self { text, raw } = self;
        // A record goes straight to its place, and each text behind the one before: whoever writes waits for this.
        raw.push(RawRecord {
            size: size_of::<RawRecord>() as u32,
            status: status_code(result.status),
            sequence: result.sequence,
            attempts: result.attempts,
            priority: result.priority.0.into(),
            queued_at_us: result.queued_at.as_micros(),
            started_at_us: result.started_at.map_or(i64::MIN, WallTime::as_micros),
            finished_at_us: result.finished_at.as_micros(),
            queued_ns: nanos(result.queued),
            duration_ns: nanos(result.duration),
            job_id: added(text, |text| text.extend_from_slice(result.job_id.as_str().as_bytes())),
            tenant: added(text, |text| text.extend_from_slice(result.tenant.as_str().as_bytes())),
            output: result.output.as_ref().map_or(Text::EMPTY, |output| added(text, |text| json::append(text, output))),
            error: result.error.as_ref().map_or(Text::EMPTY, |error| {
                // Writing to memory does not fail.
                added(text, |text| drop(serde_json::to_writer(text, error)))
            }),
        });
    }

    /// The records with their pointers into `self`.
    pub(super) fn raw(&mut self) -> &[RawRecord] {
        let Self { text, raw } = self;
        let mut rest = text.as_slice();
        for record in &mut *raw {
            for part in [&mut record.job_id, &mut record.tenant, &mut record.output, &mut record.error] {
                let (this, behind) = rest.split_at(part.len);
                (part.ptr, rest) = (this.as_ptr(), behind);
            }
        }
        raw
    }
}

/// What is added to all text: as long as it is, and without a pointer.
fn added(all: &mut Vec<u8>, add: impl FnOnce(&mut Vec<u8>)) -> Text {
    let from = all.len();
    add(all);
    Text { len: all.len() - from, ..Text::EMPTY }
}

// SAFETY: the pointers in the records go where the text goes that they point into, and nobody follows them from elsewhere.
unsafe impl Send for Records {}
// SAFETY: as above.
unsafe impl Sync for Records {}
