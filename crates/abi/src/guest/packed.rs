//! Records that a sink keeps after its call has returned: one copy of all their text.

use batchmill_core::{JobId, JobResult, Priority, Tenant, WallTime};
use serde_json::Value;
use std::time::Duration;

use crate::layout::{RawRecord, Text, read_sized, status_of};

/// Records and their text, which lies in the order of the records and of their fields.
pub(super) struct Packed {
    records: Vec<RawRecord>,
    text: Vec<u8>,
}

impl Packed {
    /// Copies what the host lends.
    ///
    /// # Safety
    /// `count` records lie `stride` bytes apart, and their text is there.
    pub(super) unsafe fn copy(records: *const RawRecord, count: usize, stride: usize) -> Self {
        let mut packed = Self { records: Vec::with_capacity(count), text: Vec::new() };
        for place in 0..count {
            // SAFETY: as the caller promises.
            let Some(record) = (unsafe { read_sized(records.byte_add(place * stride)) }) else { continue };
            for text in [record.job_id, record.tenant, record.output, record.error] {
                // SAFETY: as the caller promises.
                packed.text.extend_from_slice(unsafe { text.bytes() });
            }
            packed.records.push(record);
        }
        packed
    }

    /// The results; an error where the host wrote what is none.
    pub(super) fn results(&self) -> Result<Vec<JobResult>, String> {
        let mut rest = self.text.as_slice();
        let mut next = |text: Text| {
            let (this, behind) = rest.split_at(text.len);
            rest = behind;
            std::str::from_utf8(this).map_err(|error| format!("text of the host: {error}"))
        };
        let mut results = Vec::with_capacity(self.records.len());
        for record in &self.records {
            let (id, tenant) = (next(record.job_id)?, next(record.tenant)?);
            let mut result = result_of(record, id, tenant)?;
            let (output, error) = (next(record.output)?, next(record.error)?);
            let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("an output: {error}"));
            result.output = if output.is_empty() { None } else { Some(parse(output)?) };
            if !error.is_empty() {
                let parsed = serde_json::from_str(error).map_err(|error| format!("an error: {error}"))?;
                result.error = Some(Box::new(parsed));
            }
            results.push(result);
        }
        Ok(results)
    }
}

fn result_of(record: &RawRecord, id: &str, tenant: &str) -> Result<JobResult, String> {
    let status = status_of(record.status).ok_or_else(|| format!("a job that ended by {}", record.status))?;
    let id = JobId::new(id).map_err(|error| error.to_string())?;
    let mut result = JobResult::new(id, record.sequence, status);
    result.tenant = Tenant::new(tenant).map_err(|error| error.to_string())?;
    result.priority = Priority(u8::try_from(record.priority).unwrap_or(u8::MAX));
    result.attempts = record.attempts;
    result.queued_at = WallTime::from_micros(record.queued_at_us);
    result.started_at = (record.started_at_us != i64::MIN).then(|| WallTime::from_micros(record.started_at_us));
    result.finished_at = WallTime::from_micros(record.finished_at_us);
    result.queued = Duration::from_nanos(record.queued_ns);
    result.duration = Duration::from_nanos(record.duration_ns);
    Ok(result)
}

// SAFETY: the pointers in the copied records are never followed; only the lengths are used.
unsafe impl Send for Packed {}
