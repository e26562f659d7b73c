//! How one attempt ended: what crosses from the attempt to the decisions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{JobError, NodeError};

/// Which of its batch's retry policies decides about a failure. 0 is the host's; others stand for nodes with their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RetryRef(pub u16);

/// A node that failed in an attempt.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeFailure {
    /// The node; absent where the attempt failed as a whole (a time limit, a panic, an input that could not be read).
    pub node: Option<Arc<str>>,
    /// Why.
    pub error: NodeError,
    /// Who decides about its retry.
    pub retry: RetryRef,
    /// Whether its flow goes on without it (`on_error`) once no retry is left.
    pub handled: bool,
}

impl NodeFailure {
    /// The attempt failed as a whole.
    pub fn of_attempt(error: NodeError) -> Self {
        Self { node: None, error, retry: RetryRef::default(), handled: false }
    }

    /// `node` failed.
    pub fn at_node(node: Arc<str>, error: NodeError, retry: RetryRef, handled: bool) -> Self {
        Self { node: Some(node), error, retry, handled }
    }
}

/// Why an attempt failed: the first failure in declaration order, and those of its siblings in the same superstep.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttemptFailure {
    /// The first one; it names class and node of the attempt.
    pub first: NodeFailure,
    /// The others.
    pub others: Vec<NodeFailure>,
}

impl AttemptFailure {
    /// One failure.
    pub fn new(first: NodeFailure) -> Self {
        Self { first, others: Vec::new() }
    }

    /// Several; `None` for an empty list.
    pub fn of(failures: Vec<NodeFailure>) -> Option<Self> {
        let mut failures = failures.into_iter();
        failures.next().map(|first| Self { first, others: failures.collect() })
    }

    /// All failures, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &NodeFailure> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// A node that failed for good, in a flow that handles it (`on_error`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GivenUp {
    /// The node.
    pub node: Arc<str>,
    /// Its last error.
    pub error: JobError,
    /// The attempt in which it failed for the last time. A flow may visit a node again: what is given up is that visit.
    pub attempt: u32,
}

impl GivenUp {
    /// `node` failed for good with `error`, in the attempt of this number.
    pub fn new(node: Arc<str>, error: JobError, attempt: u32) -> Self {
        Self { node, error, attempt }
    }
}

/// How an attempt ended. Small on purpose: it crosses once a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The flow reached its end.
    Succeeded,
    /// Something failed.
    Failed(Box<AttemptFailure>),
    /// It was told to end (stop, drain, kill) and did: it counts as no attempt.
    Stopped,
    /// Its host or worker was lost: it counts towards the crash limit.
    Lost,
}
