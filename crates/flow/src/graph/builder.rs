//! A graph that is being built.

use std::{num::NonZeroU32, time::Duration};

use batchmill_core::Options;
use serde_json::Value;

use super::{Channel, CompiledGraph, GraphProblem, NodeSpec, size::STATE_LIMIT};
use crate::expr::Filter;

/// When the state of a flow is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckpointMode {
    /// After every superstep; the next one runs while the checkpoint commits.
    #[default]
    Step,
    /// After every superstep; the next one waits for the checkpoint.
    StepSync,
    /// Where an attempt ends before its flow does.
    Exit,
    /// Never: a retry starts from the beginning.
    None,
}

impl CheckpointMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Step, Self::StepSync, Self::Exit, Self::None];

    /// The name in a flow file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::StepSync => "step_sync",
            Self::Exit => "exit",
            Self::None => "none",
        }
    }
}

/// What holds for nodes that do not say otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Defaults {
    /// Bounds one run of a node.
    pub timeout: Option<Duration>,
    /// The same in percent of the median of the runs of each node.
    pub timeout_percent: Option<NonZeroU32>,
    /// Retry settings.
    pub retry: Option<Options>,
}

/// Builds a graph: channels, nodes, edges. [`compile`](Self::compile) checks it as a whole.
#[derive(Debug, Clone)]
pub struct StateGraph {
    pub(crate) name: String,
    pub(crate) channels: Vec<(String, Channel)>,
    pub(crate) nodes: Vec<(String, NodeSpec)>,
    pub(crate) start: Option<Vec<String>>,
    pub(crate) max_steps: Option<u64>,
    pub(crate) state_limit: u64,
    pub(crate) checkpoint: CheckpointMode,
    pub(crate) output: Option<Filter>,
    pub(crate) input_schema: Option<Value>,
    pub(crate) defaults: Defaults,
    /// Some edges could not be read: what nothing leads to is then no mistake of its own.
    pub(crate) is_incomplete: bool,
}

impl StateGraph {
    /// An empty graph named `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            channels: Vec::new(),
            nodes: Vec::new(),
            start: None,
            max_steps: None,
            state_limit: STATE_LIMIT,
            checkpoint: CheckpointMode::default(),
            output: None,
            input_schema: None,
            defaults: Defaults::default(),
            is_incomplete: false,
        }
    }

    /// Declares how updates of `key` are joined. Undeclared keys are replaced.
    #[must_use]
    pub fn channel(mut self, key: impl Into<String>, channel: Channel) -> Self {
        self.channels.push((key.into(), channel));
        self
    }

    /// Adds a node. The order of these calls is the order in which updates of one superstep are merged.
    #[must_use]
    pub fn node(mut self, name: impl Into<String>, node: impl Into<NodeSpec>) -> Self {
        self.nodes.push((name.into(), node.into()));
        self
    }

    /// The nodes that run first. Needed only where every node has a predecessor.
    #[must_use]
    pub fn start<N: Into<String>>(mut self, nodes: impl IntoIterator<Item = N>) -> Self {
        self.start = Some(nodes.into_iter().map(Into::into).collect());
        self
    }

    /// At most this many supersteps. Loops need it.
    #[must_use]
    pub fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = Some(steps);
        self
    }

    /// The most that the state of a job holds: about this many bytes of JSON; 16 MiB unless given. A node whose update
    /// would make it larger fails with `state_too_large`.
    #[must_use]
    pub fn state_limit(mut self, bytes: u64) -> Self {
        self.state_limit = bytes;
        self
    }

    /// When the state is kept.
    #[must_use]
    pub fn checkpoint(mut self, mode: CheckpointMode) -> Self {
        self.checkpoint = mode;
        self
    }

    /// What the job's result carries; the whole state unless given.
    #[must_use]
    pub fn output(mut self, filter: Filter) -> Self {
        self.output = Some(filter);
        self
    }

    /// JSON Schema of the input.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = Some(schema);
        self
    }

    /// Bounds every run of a node that has no limit of its own.
    #[must_use]
    pub fn default_timeout(mut self, limit: Duration) -> Self {
        self.defaults.timeout = Some(limit);
        self
    }

    /// Retry settings of nodes, in the form of the host's retry policy.
    #[must_use]
    pub fn default_retry(mut self, settings: Options) -> Self {
        self.defaults.retry = Some(settings);
        self
    }

    /// Checks the graph as a whole and makes it ready to run. All problems are reported at once.
    pub fn compile(self) -> Result<CompiledGraph, Vec<GraphProblem>> {
        super::compile::compile(self)
    }
}
