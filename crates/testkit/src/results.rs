//! Results for tests of sinks and strategies.

use std::time::Duration;

use batchmill_core::{ErrorClass, JobError, JobId, JobResult, Priority, Status, Tenant, WallTime};
use serde_json::Value;

/// Builds a [`JobResult`] step by step; starts as a job that succeeded at once with the output `{}`.
#[derive(Debug, Clone)]
pub struct ResultBuilder {
    result: JobResult,
}

impl ResultBuilder {
    /// The result of the job at place `sequence`, whose id is that of an unnamed job on this line.
    pub fn new(sequence: u64) -> Self {
        let mut result = JobResult::new(JobId::from(sequence + 1), sequence, Status::Succeeded);
        result.output = Some(Value::Object(serde_json::Map::new()));
        result.attempts = 1;
        result.queued_at = WallTime::from_micros(1_800_000_000_000_000);
        result.started_at = Some(result.queued_at);
        result.finished_at = result.queued_at;
        Self { result }
    }

    /// Another id.
    ///
    /// # Panics
    /// If it is not an id.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.result.job_id = JobId::new(id).expect("an id");
        self
    }

    /// Another tenant.
    ///
    /// # Panics
    /// If it is not a tenant's name.
    #[must_use]
    pub fn tenant(mut self, name: &str) -> Self {
        self.result.tenant = Tenant::new(name).expect("a tenant");
        self
    }

    /// Another priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.result.priority = Priority(priority);
        self
    }

    /// Another output.
    #[must_use]
    pub fn output(mut self, output: Value) -> Self {
        self.result.output = Some(output);
        self
    }

    /// The job ended so, with an error of this class, after so many attempts.
    #[must_use]
    pub fn ended(mut self, status: Status, class: ErrorClass, message: &str, attempts: u32) -> Self {
        self.result.status = status;
        self.result.output = None;
        self.result.error = Some(Box::new(JobError::new(class, "test", message)));
        self.result.attempts = attempts;
        self
    }

    /// It waited and ran for so long.
    #[must_use]
    pub fn took(mut self, queued: Duration, ran: Duration) -> Self {
        self.result.queued = queued;
        self.result.duration = ran;
        self.result.started_at = Some(self.result.queued_at + queued);
        self.result.finished_at = self.result.queued_at + queued + ran;
        self
    }

    /// The result.
    pub fn build(self) -> JobResult {
        self.result
    }
}
