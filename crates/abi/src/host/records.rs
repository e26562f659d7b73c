//! Results as the records that a sink of a plugin gets: their text in one piece, which travels to the thread of the call.

use std::ops::Range;

use batchmill_core::{JobResult, WallTime};

use super::json;
use crate::layout::{RawRecord, Text, status_code};

/// Records whose text is elsewhere until the call.
#[derive(Debug, Default)]
pub(super) struct Records {
    text: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    record: RawRecord,
    parts: [Range<usize>; 4],
}

/// More text than this is not kept.
const TEXT_KEPT: usize = 1 << 20;

impl Records {
    /// These results, in the room of earlier ones: memory that another thread gave back is cold.
    pub(super) fn of(results: &[JobResult], room: Option<Self>) -> Self {
        let mut records = room.unwrap_or_default();
        records.text.clear();
        records.rows.clear();
        records.text.reserve(results.len() * 256);
        records.rows.reserve(results.len());
        results.iter().for_each(|result| records.push(result));
        records
    }

    /// Whether its room is worth to be kept.
    pub(super) fn is_small(&self) -> bool {
        self.text.capacity() <= TEXT_KEPT
    }

    fn push(&mut self, result: &JobResult) {
        let id = self.add(result.job_id.as_str());
        let tenant = self.add(result.tenant.as_str());
        let output = self.added(|text| {
            if let Some(output) = &result.output {
                json::append(text, output);
            }
        });
        let error = self.added(|text| {
            if let Some(error) = &result.error {
                // Writing to memory does not fail.
                let _ = serde_json::to_writer(text, error);
            }
        });
        self.rows.push(Row { record: raw(result), parts: [id, tenant, output, error] });
    }

    fn add(&mut self, text: &str) -> Range<usize> {
        self.added(|all| all.extend_from_slice(text.as_bytes()))
    }

    fn added(&mut self, add: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let from = self.text.len();
        add(&mut self.text);
        from..self.text.len()
    }

    /// The records with their pointers into `self`.
    pub(super) fn raw(&self) -> Vec<RawRecord> {
        let text = |part: &Range<usize>| {
            let part = &self.text[part.clone()];
            Text { ptr: part.as_ptr(), len: part.len() }
        };
        let one = |Row { record, parts: [id, tenant, output, error] }: &Row| {
            let mut record = *record;
            (record.job_id, record.tenant, record.output, record.error) =
                (text(id), text(tenant), text(output), text(error));
            record
        };
        self.rows.iter().map(one).collect()
    }
}

fn raw(result: &JobResult) -> RawRecord {
    let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    RawRecord {
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
        job_id: Text::EMPTY,
        tenant: Text::EMPTY,
        output: Text::EMPTY,
        error: Text::EMPTY,
    }
}

// SAFETY: the records in the rows have no text yet; pointers are made where they are used.
unsafe impl Send for Records {}
// SAFETY: as above.
unsafe impl Sync for Records {}
