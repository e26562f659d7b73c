//! What a flow is made of.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use crate::{BatchId, CancelSignal, ErrorClass, JobError, JobId, Notes, Priority, Tenant, UsageMeter};

/// The state of a flow, an update to it, or an input: a JSON object that keeps the order of its keys.
pub type StateData = serde_json::Map<String, Value>;

/// Who runs: the same for every node of an attempt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobInfo {
    /// The batch.
    pub batch: BatchId,
    /// The job.
    pub id: JobId,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// As submitted.
    pub priority: Priority,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The same for every attempt of this job: hand it to services that recognise repeats. Made from batch and id
    /// unless the job brings its own.
    pub key: Option<Arc<str>>,
    /// The memory that is set aside for this attempt, in bytes, where its flow asks for some.
    pub memory: Option<u64>,
    /// What the processes of this attempt used; a node that starts one adds to it.
    pub usage: UsageMeter,
}

impl JobInfo {
    /// The first attempt of a job of the default tenant.
    pub fn new(batch: BatchId, id: JobId) -> Self {
        Self {
            batch,
            id,
            tenant: Tenant::default(),
            priority: Priority::default(),
            attempt: 1,
            key: None,
            memory: None,
            usage: UsageMeter::default(),
        }
    }

    /// The stable idempotency key: the job's own, or `batch/job`.
    pub fn idempotency_key(&self) -> Cow<'_, str> {
        match &self.key {
            Some(key) => Cow::Borrowed(key),
            None => Cow::Owned(format!("{}/{}", self.batch, self.id)),
        }
    }
}

/// What a node may look at.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NodeContext<'a> {
    /// The job and its attempt.
    pub job: &'a JobInfo,
    /// The node's name in its flow.
    pub node: &'a str,
    /// The job's input as submitted (`$input`).
    pub input: &'a StateData,
    /// The element of a fan-out (`$item`).
    pub item: Option<&'a Value>,
    /// The error that led here (`$error`).
    pub error: Option<&'a Value>,
    /// Fires when the attempt must end. A node that awaits it is given time to end cleanly.
    pub cancel: &'a CancelSignal,
    /// Where to tell what the node does, while somebody looks on; see [`note`](Self::note).
    pub notes: Option<&'a Notes>,
}

impl<'a> NodeContext<'a> {
    /// A context without item and error.
    pub fn new(job: &'a JobInfo, node: &'a str, input: &'a StateData, cancel: &'a CancelSignal) -> Self {
        Self { job, node, input, item: None, error: None, cancel, notes: None }
    }

    /// The same with `error` as `$error`.
    #[must_use]
    pub fn with_error(mut self, error: Option<&'a Value>) -> Self {
        self.error = error;
        self
    }

    /// The same for somebody who looks on.
    #[must_use]
    pub fn with_notes(mut self, notes: Option<&'a Notes>) -> Self {
        self.notes = notes;
        self
    }

    /// Tells something of this run beside its update. `value` is only made where somebody looks on.
    pub fn note(&self, key: &str, value: impl FnOnce() -> Value) {
        if let Some(notes) = self.notes {
            notes.add(key, value());
        }
    }
}

/// Why a node failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct NodeError {
    /// By what a caller can do.
    pub class: ErrorClass,
    /// A stable code, for example `exit_status`.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
    /// The delay that the other side asked for.
    pub retry_after: Option<Duration>,
    /// What the node got before it failed, where it is asked to hand that on: the output of a process.
    pub output: Option<Box<Value>>,
}

impl NodeError {
    /// An error of `class`.
    pub fn new(class: ErrorClass, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { class, code: code.into(), message: message.into(), retry_after: None, output: None }
    }

    /// The same input fails again.
    pub fn permanent(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    /// May pass by itself.
    pub fn transient(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }

    /// The attempt was told to end.
    pub fn cancelled() -> Self {
        Self::new(ErrorClass::Cancelled, "cancelled", "stopped before its end")
    }

    /// What was to run had not enough memory: another attempt may get more.
    pub fn out_of_memory(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Resource, Self::OUT_OF_MEMORY, message)
    }

    const OUT_OF_MEMORY: &'static str = "out_of_memory";

    /// Whether it is [`out_of_memory`](Self::out_of_memory).
    pub fn is_out_of_memory(&self) -> bool {
        self.class == ErrorClass::Resource && self.code == Self::OUT_OF_MEMORY
    }

    /// With a delay that the other side asked for.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

impl From<NodeError> for JobError {
    fn from(error: NodeError) -> Self {
        let mut job_error = JobError::new(error.class, error.code, error.message);
        job_error.retry_after = error.retry_after;
        job_error.output = error.output;
        job_error
    }
}

/// A step of a flow: state in, update out.
///
/// # The caller promises
/// - `run` may be called from many tasks at once, once per visit of the node; a retry calls it again with the same state;
/// - the future may be dropped at any await: what it started must stop then;
/// - time limits are the caller's: a node never sleeps for a retry and never limits its own time.
///
/// # The implementer promises
/// - the update holds only what changed; the reducers of the flow merge it; an empty one changes nothing;
/// - the class of an error says what a caller can do;
/// - it does not block the thread it runs on.
#[async_trait]
pub trait Node: Send + Sync + fmt::Debug {
    /// What [`run`](Self::run) would do with this state, for people, without doing it: `{"argv": […]}` of a process. Empty
    /// where there is nothing to tell beforehand.
    fn preview(&self, _state: &StateData, _context: NodeContext<'_>) -> Result<StateData, NodeError> {
        Ok(StateData::new())
    }

    /// Runs once.
    async fn run(&self, state: &StateData, context: NodeContext<'_>) -> Result<StateData, NodeError>;
}

const _: fn(&dyn Node) = |_| {};
