//! The record of a job's end: exactly one a job.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::{BatchId, JobError, JobId, Priority, Status, Tenant, WallTime, error::seconds};

/// How one job of a batch ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobResult {
    /// The job.
    pub job_id: JobId,
    /// Its place in submission order, from 0.
    pub sequence: u64,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// As submitted.
    pub priority: Priority,
    /// How it ended.
    pub status: Status,
    /// What its flow put out; `None` unless it succeeded.
    pub output: Option<Value>,
    /// Why it did not succeed.
    pub error: Option<Box<JobError>>,
    /// Attempts that ended by themselves.
    pub attempts: u32,
    /// When it was accepted.
    pub queued_at: WallTime,
    /// When its first attempt started.
    pub started_at: Option<WallTime>,
    /// When its end was decided.
    pub finished_at: WallTime,
    /// From acceptance to the first start, or to the end of a job that never started.
    pub queued: Duration,
    /// From the first start to the end, waits between attempts included; zero for a job that never started.
    pub duration: Duration,
}

impl JobResult {
    /// A result of `job_id` with `status` and nothing else said.
    pub fn new(job_id: JobId, sequence: u64, status: Status) -> Self {
        Self {
            job_id,
            sequence,
            tenant: Tenant::default(),
            priority: Priority::default(),
            status,
            output: None,
            error: None,
            attempts: 0,
            queued_at: WallTime::default(),
            started_at: None,
            finished_at: WallTime::default(),
            queued: Duration::ZERO,
            duration: Duration::ZERO,
        }
    }

    /// Whether an attempt of its own decided the end, or a limit of its own: the failure strategy heard of it. Not of jobs
    /// that ended because a person, a rule or the batch's deadline ended them.
    pub fn by_attempt(&self) -> bool {
        match self.status {
            Status::Succeeded | Status::Failed | Status::Quarantined => true,
            Status::TimedOut => self.error.as_ref().is_none_or(|error| error.code != "batch_deadline"),
            Status::Cancelled | Status::Skipped => false,
        }
    }

    /// The outward form: one JSON object, the fields and order of the reference.
    pub fn to_record<'a>(&'a self, batch: &'a BatchId) -> impl Serialize + 'a {
        Record { batch, result: self }
    }
}

struct Record<'a> {
    batch: &'a BatchId,
    result: &'a JobResult,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let r = self.result;
        let mut map = serializer.serialize_map(Some(14))?;
        map.serialize_entry("batch", self.batch.as_str())?;
        map.serialize_entry("job_id", r.job_id.as_str())?;
        map.serialize_entry("sequence", &r.sequence)?;
        map.serialize_entry("tenant", r.tenant.as_str())?;
        map.serialize_entry("priority", &r.priority)?;
        map.serialize_entry("status", &r.status)?;
        map.serialize_entry("output", &r.output)?;
        map.serialize_entry("error", &r.error)?;
        map.serialize_entry("attempts", &r.attempts)?;
        map.serialize_entry("queued_at", &r.queued_at)?;
        map.serialize_entry("started_at", &r.started_at)?;
        map.serialize_entry("finished_at", &r.finished_at)?;
        map.serialize_entry("queue_seconds", &seconds::rounded(r.queued))?;
        map.serialize_entry("duration_seconds", &seconds::rounded(r.duration))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outward_form_has_the_fields_of_the_reference_in_its_order() {
        let mut result = JobResult::new(JobId::new("a").unwrap(), 17, Status::Succeeded);
        result.output = Some(serde_json::json!({"sha256": "…"}));
        result.attempts = 1;
        result.queued_at = WallTime::parse("2026-11-23T12:00:00Z").unwrap();
        result.started_at = Some(result.queued_at + Duration::from_millis(12));
        result.finished_at = result.queued_at + Duration::from_millis(46);
        result.queued = Duration::from_millis(12);
        result.duration = Duration::from_millis(34);
        let batch = BatchId::new("inspect-7f3a").unwrap();
        assert_eq!(
            serde_json::to_string(&result.to_record(&batch)).unwrap(),
            r#"{"batch":"inspect-7f3a","job_id":"a","sequence":17,"tenant":"default","priority":0,"status":"succeeded","output":{"sha256":"…"},"error":null,"attempts":1,"queued_at":"2026-11-23T12:00:00.000Z","started_at":"2026-11-23T12:00:00.012Z","finished_at":"2026-11-23T12:00:00.046Z","queue_seconds":0.012,"duration_seconds":0.034}"#
        );
    }
}
