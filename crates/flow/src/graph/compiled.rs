//! A graph that is ready to run: flat arrays, indices instead of names.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use batchmill_core::{Median, Node, Options, Request, RetryRef, StateData};

use super::{CheckpointMode, Condition, JoinPlans, Reduce, input::InputSchema};
use crate::expr::Filter;

/// A checked graph. Share it as `Arc`: any number of attempts run on it at once.
pub struct CompiledGraph {
    pub(crate) name: Arc<str>,
    /// In declaration order; every other table holds indices into this one.
    pub(crate) nodes: Box<[CompiledNode]>,
    pub(crate) by_name: OnceLock<HashMap<Arc<str>, u32>>,
    /// Sorted by name. Keys that are not here are replaced.
    pub(crate) channels: Box<[(Box<str>, Reduce)]>,
    /// The state before the input.
    pub(crate) initial: StateData,
    pub(crate) entry: Box<[u32]>,
    pub(crate) joins: JoinPlans,
    pub(crate) max_steps: Option<u64>,
    /// The most that a state holds, as [`size_of`](super::size_of) measures it.
    pub(crate) state_limit: u64,
    pub(crate) checkpoint: CheckpointMode,
    pub(crate) output: Option<Filter>,
    pub(crate) input_schema: Option<InputSchema>,
    pub(crate) retry_settings: Box<[Options]>,
    pub(crate) requests: Box<[Request]>,
}

pub(crate) struct CompiledNode {
    pub(crate) name: Arc<str>,
    pub(crate) node: Arc<dyn Node>,
    pub(crate) kind: Cow<'static, str>,
    /// As declared, to be shown; what the engine follows is below.
    pub(crate) needs: Box<[u32]>,
    /// As declared, to be shown. `None` is `END`.
    pub(crate) next: Box<[Option<u32>]>,
    /// Nodes that always follow: those that `next` names, and those that need this one alone. Sorted, each once.
    pub(crate) after: Box<[u32]>,
    /// The branch, where `next` is one.
    pub(crate) arms: Option<Box<[CompiledArm]>>,
    /// The joins that wait for this node and for others.
    pub(crate) feeds: Box<[Feed]>,
    /// The join that this node is.
    pub(crate) join: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    /// A limit made of the median of its runs.
    pub(crate) usual: Option<Usual>,
    pub(crate) retry: RetryRef,
    pub(crate) on_error: CompiledOnError,
}

/// How long the runs of a node take, and the percentage of that which is their limit. Shared by all that run the graph.
#[derive(Debug)]
pub(crate) struct Usual {
    percent: NonZeroU32,
    median: Mutex<Median>,
}

impl Usual {
    pub(crate) fn new(percent: NonZeroU32) -> Self {
        Self { percent, median: Mutex::default() }
    }

    pub(crate) fn share(&self) -> NonZeroU32 {
        self.percent
    }

    /// `None` as long as too little is known.
    fn limit(&self) -> Option<Duration> {
        self.lock().percent(self.percent)
    }

    pub(crate) fn add(&self, took: Duration) {
        self.lock().add(took);
    }

    fn lock(&self) -> MutexGuard<'_, Median> {
        // A median that is added to does not panic half way.
        self.median.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CompiledNode {
    /// How long the next run may take.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.usual.as_ref().and_then(Usual::limit).or(self.timeout)
    }
}

pub(crate) struct CompiledArm {
    pub(crate) when: Option<Condition>,
    /// `None` is `END`.
    pub(crate) to: Option<u32>,
}

/// An edge into a join: which join, and which of its needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feed {
    pub(crate) join: u32,
    pub(crate) slot: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompiledOnError {
    Fail,
    Continue,
    /// `None` is `END`.
    Goto(Option<u32>),
}

impl CompiledGraph {
    /// The flow's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the nodes, in declaration order.
    pub fn node_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.nodes.iter().map(|node| &*node.name)
    }

    /// When the state is kept.
    pub fn checkpoint_mode(&self) -> CheckpointMode {
        self.checkpoint
    }

    /// The distinct retry settings of nodes, each already merged over those of the flow. A failure of a node with
    /// settings number `k` carries `RetryRef(k + 1)`; `RetryRef(0)` is the host's policy.
    pub fn retry_settings(&self) -> &[Options] {
        &self.retry_settings
    }

    /// What a failure of its first node, in declaration order, carries.
    pub fn retry_of_first_node(&self) -> RetryRef {
        self.nodes.first().map(|node| node.retry).unwrap_or_default()
    }

    /// What a job asks for of memory and CPUs: one whose memory never ran out, ran out once, twice and so on; the last holds
    /// from there on. Empty where no node asks for anything.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Whether a node of this kind is among its nodes.
    pub fn has_kind(&self, kind: &str) -> bool {
        self.nodes.iter().any(|node| node.kind == kind)
    }

    /// The node of this name.
    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        // Asked for at resume and after failures only: made when it is first needed.
        let by_name = self.by_name.get_or_init(|| {
            self.nodes.iter().enumerate().map(|(place, node)| (node.name.clone(), index(place))).collect()
        });
        by_name.get(name).copied()
    }

    pub(crate) fn node(&self, index: u32) -> &CompiledNode {
        &self.nodes[index as usize]
    }
}

/// A place in the table of nodes; `compile` has refused graphs that would not fit.
pub(crate) fn index(position: usize) -> u32 {
    u32::try_from(position).expect("compile limits the number of nodes")
}

impl fmt::Debug for CompiledGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledGraph")
            .field("name", &self.name)
            .field("nodes", &self.nodes.len())
            .field("joins", &self.joins.len())
            .finish_non_exhaustive()
    }
}

const _: fn() = || {
    fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<CompiledGraph>();
};
