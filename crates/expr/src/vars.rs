//! The values beside the state: `$input`, `$job`, `$item`, `$error`.

use batchmill_core::{JobInfo, NodeContext, StateData};
use serde_json::Value as Json;

use crate::{check::Uses, convert, value::Value};

/// What an expression may read beside the state. What is absent is null; what is not used is never converted.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Vars<'a> {
    /// `$input`: the job's input as submitted.
    pub input: Option<&'a StateData>,
    /// `$job`: id, tenant, priority, attempt, idempotency_key.
    pub job: Option<&'a JobInfo>,
    /// `$item`: the element of a fan-out.
    pub item: Option<&'a Json>,
    /// `$error`: the error that led here.
    pub error: Option<&'a Json>,
}

impl<'a> Vars<'a> {
    /// No variable has a value.
    pub fn none() -> Self {
        Self::default()
    }

    /// The values that are known where no node runs: of the job and its input.
    pub fn of_job(job: &'a JobInfo, input: &'a StateData) -> Self {
        Self { job: Some(job), input: Some(input), item: None, error: None }
    }

    /// The same with `$error`.
    #[must_use]
    pub fn with_error(self, error: Option<&'a Json>) -> Self {
        Self { error, ..self }
    }

    /// The same with `$item`.
    #[must_use]
    pub fn with_item(self, item: Option<&'a Json>) -> Self {
        Self { item, ..self }
    }

    /// In the order of the declarations.
    pub(crate) fn values(&self, uses: &Uses) -> [Value; 4] {
        let [input, job, item, error] = uses.variables;
        [
            self.input.filter(|_| input).map(|data| convert::object(data, &uses.input)).unwrap_or_default(),
            self.job.filter(|_| job).map(|info| convert::value(&job_json(info))).unwrap_or_default(),
            self.item.filter(|_| item).map(convert::value).unwrap_or_default(),
            self.error.filter(|_| error).map(convert::value).unwrap_or_default(),
        ]
    }
}

impl<'a> From<NodeContext<'a>> for Vars<'a> {
    fn from(context: NodeContext<'a>) -> Self {
        Self { input: Some(context.input), job: Some(context.job), item: context.item, error: context.error }
    }
}

fn job_json(job: &JobInfo) -> Json {
    serde_json::json!({
        "id": job.id.as_str(),
        "tenant": job.tenant.as_str(),
        "priority": job.priority.0,
        "attempt": job.attempt,
        "idempotency_key": job.idempotency_key(),
    })
}
