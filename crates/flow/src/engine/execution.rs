//! One run of a flow, superstep by superstep.

use std::sync::Arc;

use batchmill_core::{
    AttemptFailure, CancelSignal, ErrorClass, JobError, JobInfo, NodeError, NodeFailure, Notes, RetryRef, StateData,
};
use serde_json::Value;

use super::{
    NodeTimer,
    arrivals::Arrivals,
    superstep::{Visit, run_all, run_node},
};
use crate::{
    expr::Vars,
    graph::{CompiledGraph, CompiledOnError, UpdateCheck, size_of},
};

/// A state of so many bytes is not worth measuring.
const SMALL: u64 = 64 << 10;

/// What every node of a run sees.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    /// The job and its attempt.
    pub job: &'a JobInfo,
    /// The job's input as submitted.
    pub input: &'a StateData,
    /// Raised when the attempt must end.
    pub cancel: &'a CancelSignal,
}

impl<'a> StepContext<'a> {
    /// What expressions see beside the state.
    pub(super) fn vars(&self, error: Option<&'a Value>) -> Vars<'a> {
        Vars::of_job(self.job, self.input).with_error(error)
    }
}

/// What a superstep led to.
#[derive(Debug)]
#[must_use]
pub enum Stepped {
    /// There is more to run.
    Continue,
    /// The flow has reached its end.
    Done,
    /// Something failed; what its siblings did is kept.
    Failed(Box<AttemptFailure>),
    /// The attempt was told to end; what did end is kept.
    Stopped,
}

/// One run of a node, recorded for people.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeRun {
    /// The superstep, from 1.
    pub step: u64,
    /// The node.
    pub node: Arc<str>,
    /// What it told beside its update, for example the `argv` of a process.
    pub notes: StateData,
    /// Who decides about a retry of it.
    pub retry: RetryRef,
    /// How it ended.
    pub end: RunEnd,
}

/// How a run of a node ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// With this update.
    Updated(StateData),
    /// It failed and the flow goes on by its `on_error`.
    Handled(JobError),
    /// It failed.
    Failed(NodeError),
}

/// A run of a flow that stands between two supersteps.
///
/// ```
/// # futures_util::future::FutureExt::now_or_never(async {
/// use batchmill_core::{BatchId, CancelSignal, JobId, JobInfo, StateData};
/// use batchmill_flow::{Execution, StateGraph, StepContext, Stepped, node_fn};
/// use serde_json::json;
///
/// let graph = StateGraph::new("count").node("count", node_fn(|_| json!({"n": 1}))).compile().unwrap();
/// let job = JobInfo::new(BatchId::new("b").unwrap(), JobId::new("j").unwrap());
/// let (input, cancel) = (StateData::new(), CancelSignal::new());
/// let context = StepContext { job: &job, input: &input, cancel: &cancel };
///
/// let mut execution = Execution::start(&graph, input.clone()).unwrap();
/// assert_eq!(execution.ready().collect::<Vec<_>>(), ["count"]);
/// assert!(matches!(execution.step(&context).await, Stepped::Done));
/// assert_eq!(execution.state()["n"], 1);
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Execution<'g> {
    pub(super) graph: &'g CompiledGraph,
    pub(super) state: StateData,
    /// The state is not larger than this.
    size: u64,
    /// Supersteps completed.
    pub(super) step: u64,
    /// The nodes of the next superstep, in declaration order.
    pub(super) ready: Vec<u32>,
    /// Room for the nodes after those, and for their ends: kept, because a superstep may take less time than an allocation.
    pub(super) spare_ready: Vec<u32>,
    spare_ends: Vec<NodeEnd>,
    pub(super) arrivals: Arrivals,
    /// `$error` of those ready nodes that an `on_error: {goto}` led to, by node.
    pub(super) errors: Vec<(u32, Value)>,
    /// What is already known of the next superstep.
    pub(super) known: Vec<(u32, NodeEnd)>,
    /// Nodes that failed in the next superstep and whose flow goes on without them once they are given up, each with the
    /// attempt in which it did.
    pub(super) failed: Vec<(u32, u32)>,
    /// Nodes that count as failed for good at their next visit.
    pub(super) given_up: Vec<(u32, JobError)>,
    handles_errors: bool,
    /// Why the run cannot go on from where it stands.
    dead_end: Option<Box<AttemptFailure>>,
    trace: Option<Vec<NodeRun>>,
    timer: Option<&'g dyn NodeTimer>,
    /// What the nodes of this superstep told, if there is a trace.
    notes: Vec<(u32, StateData)>,
}

/// How a node of the current superstep ended.
#[derive(Debug)]
pub(super) enum NodeEnd {
    Updated(StateData),
    Handled(Box<JobError>),
    Failed { error: Box<NodeError>, by_flow: bool },
}

impl NodeEnd {
    fn of(result: Result<StateData, NodeError>) -> Self {
        match result {
            Ok(update) => Self::Updated(update),
            Err(error) => Self::Failed { error: Box::new(error), by_flow: false },
        }
    }

    fn update(&self) -> Option<&StateData> {
        match self {
            Self::Updated(update) => Some(update),
            _ => None,
        }
    }

    fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

impl<'g> Execution<'g> {
    /// Stands before the first superstep. The error is that of an input that the reducers refuse.
    pub fn start(graph: &'g CompiledGraph, input: StateData) -> Result<Self, NodeError> {
        Ok(Self::at(graph, graph.initial_state(input)?, 0, graph.entry.to_vec()))
    }

    pub(super) fn at(graph: &'g CompiledGraph, state: StateData, step: u64, ready: Vec<u32>) -> Self {
        Self {
            graph,
            size: size_of(&state),
            state,
            step,
            ready,
            spare_ready: Vec::new(),
            spare_ends: Vec::new(),
            arrivals: Arrivals::default(),
            errors: Vec::new(),
            known: Vec::new(),
            failed: Vec::new(),
            given_up: Vec::new(),
            handles_errors: false,
            dead_end: None,
            trace: None,
            timer: None,
            notes: Vec::new(),
        }
    }

    /// Applies `on_error` at the first failure of a node, for runs without retries. Otherwise whoever decides about
    /// retries says when a node has failed for good.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.handles_errors = true;
        self
    }

    /// Records the runs of nodes; see [`take_trace`](Self::take_trace).
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.trace = Some(Vec::new());
        self
    }

    /// Tells `timer` how long each node takes.
    #[must_use]
    pub fn timed(mut self, timer: Option<&'g dyn NodeTimer>) -> Self {
        self.timer = timer;
        self
    }

    /// The runs of nodes since this was last asked, in declaration order within a superstep.
    pub fn take_trace(&mut self) -> Vec<NodeRun> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The state after the supersteps so far.
    pub fn state(&self) -> &StateData {
        &self.state
    }

    /// The state after the supersteps so far.
    pub fn into_state(self) -> StateData {
        self.state
    }

    /// What the job's result carries, of a flow that has reached its end.
    pub fn into_output(self, context: &StepContext<'_>) -> Result<Value, NodeError> {
        match &self.graph.output {
            None => Ok(Value::Object(self.state)),
            // A filter without output says what null says.
            Some(filter) => Ok(filter.run_one(&self.state, &context.vars(None))?.unwrap_or_default()),
        }
    }

    /// Supersteps completed.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The nodes of the next superstep, in declaration order. None: the flow has reached its end.
    pub fn ready(&self) -> impl Iterator<Item = &'g str> {
        let graph = self.graph;
        self.ready.iter().map(move |node| &*graph.node(*node).name)
    }

    /// What the nodes of the next superstep would do, each with its name, without doing it; see [`Node::preview`].
    ///
    /// [`Node::preview`]: batchmill_core::Node::preview
    pub fn preview(&self, context: &StepContext<'_>) -> Vec<(&'g str, Result<StateData, NodeError>)> {
        let graph = self.graph;
        let preview = |node: &u32| {
            let error = error_of(&self.errors, *node);
            let visit = Visit { node: graph.node(*node), place: *node, error, notes: None, timer: None };
            (&*graph.node(*node).name, visit.node.node.preview(&self.state, visit.context(context, context.cancel)))
        };
        self.ready.iter().map(preview).collect()
    }

    /// Runs one superstep. After a failure of nodes it may be called again: only what is missing then runs.
    pub async fn step(&mut self, context: &StepContext<'_>) -> Stepped {
        if let Some(failure) = &self.dead_end {
            return Stepped::Failed(failure.clone());
        }
        if self.ready.is_empty() {
            return Stepped::Done;
        }
        let mut ends = self.run(context).await;
        self.refuse_bad_updates(&mut ends);
        self.refuse_too_large(&mut ends);
        if self.handles_errors {
            self.handle(&mut ends);
        }
        self.record(&ends);
        if ends.iter().any(NodeEnd::is_failed) {
            return self.keep(ends, context);
        }
        self.step += 1;
        self.failed.clear();
        self.merge(&mut ends);
        let routed = self.route(&ends, context);
        ends.clear();
        self.spare_ends = ends;
        match routed {
            Err(failure) => self.end_here(failure),
            Ok(()) if self.ready.is_empty() => Stepped::Done,
            Ok(()) => match self.graph.max_steps {
                Some(max) if self.step >= max => self.end_here(Box::new(too_many_steps(max))),
                _ => Stepped::Continue,
            },
        }
    }

    /// The updates are merged and nothing can follow.
    fn end_here(&mut self, failure: Box<AttemptFailure>) -> Stepped {
        Stepped::Failed(self.dead_end.insert(failure).clone())
    }

    /// The state holds about so many bytes, and no more. Of a small one the bound does; of a large one a look at the whole
    /// costs less than the copy that a checkpoint takes.
    pub(super) fn size(&self) -> u64 {
        if self.size <= SMALL { self.size } else { size_of(&self.state) }
    }

    pub(super) fn is_dead_end(&self) -> bool {
        self.dead_end.is_some()
    }

    /// Runs what is missing; the ends are in the order of `ready`.
    async fn run(&mut self, context: &StepContext<'_>) -> Vec<NodeEnd> {
        self.apply_given_up();
        let (graph, state) = (self.graph, &self.state);
        let notes = self.blank_notes();
        let visit = |node: u32| {
            let notes = notes.binary_search_by_key(&node, |(at, _)| *at).ok().map(|place| &notes[place].1);
            let error = error_of(&self.errors, node);
            Visit { node: graph.node(node), place: node, error, notes, timer: self.timer }
        };
        if let ([only], []) = (&self.ready[..], &self.known[..]) {
            let end = NodeEnd::of(run_node(visit(*only), state, context).await);
            self.notes = notes.into_iter().map(|(node, notes)| (node, notes.into_inner())).collect();
            let mut ends = std::mem::take(&mut self.spare_ends);
            ends.push(end);
            return ends;
        }
        let mut known = std::mem::take(&mut self.known);
        known.sort_by_key(|(node, _)| *node);
        let is_known = |node: u32| known.binary_search_by_key(&node, |(known, _)| *known).is_ok();
        let missing = self.ready.iter().copied().filter(|node| !is_known(*node));
        let mut results = run_all(missing.map(visit), state, context).await.into_iter();
        self.notes = notes.into_iter().map(|(node, notes)| (node, notes.into_inner())).collect();
        let mut known = known.into_iter().peekable();
        let end_of = |node: &u32| match known.next_if(|(known, _)| known == node) {
            Some((_, end)) => Some(end),
            None => results.next().map(NodeEnd::of),
        };
        self.ready.iter().filter_map(end_of).collect()
    }

    /// Room for what the nodes of this superstep tell: none unless there is a trace.
    fn blank_notes(&self) -> Vec<(u32, Notes)> {
        let looked_at = self.trace.as_ref().map(|_| self.ready.iter());
        looked_at.into_iter().flatten().map(|node| (*node, Notes::default())).collect()
    }

    fn refuse_bad_updates(&self, ends: &mut [NodeEnd]) {
        if let [NodeEnd::Updated(update)] = ends {
            if let Err(error) = self.graph.check_update(&self.state, update) {
                ends[0] = NodeEnd::Failed { error: Box::new(error), by_flow: false };
            }
            return;
        }
        let mut refused = Vec::new();
        let mut check = UpdateCheck::new(self.graph, &self.state);
        for (i, end) in ends.iter().enumerate() {
            if let NodeEnd::Updated(update) = end
                && let Err(error) = check.check(self.ready[i] as usize, update)
            {
                refused.push((i, error));
            }
        }
        for (i, error) in refused {
            // Two nodes that write one channel are a defect of the flow: no `on_error` of a node makes it good.
            let by_flow = error.code == "conflicting_update";
            ends[i] = NodeEnd::Failed { error: Box::new(error), by_flow };
        }
    }

    /// Refuses the updates, in declaration order, that would make the state larger than it may be.
    fn refuse_too_large(&mut self, ends: &mut [NodeEnd]) {
        let limit = self.graph.state_limit;
        // Sizes of updates are added up as if they replaced nothing; only where that is too much, all is measured.
        let added: u64 = ends.iter().filter_map(NodeEnd::update).map(size_of).sum();
        self.size = self.size.saturating_add(added);
        if self.size <= limit {
            return;
        }
        self.size = size_of(&self.state);
        for end in ends {
            let Some(update) = end.update() else { continue };
            let grown = self.size.saturating_add_signed(self.graph.growth(&self.state, update));
            if grown <= limit {
                self.size = grown;
            } else {
                *end = NodeEnd::Failed { error: Box::new(self.graph.state_too_large(grown)), by_flow: false };
            }
        }
    }

    /// Applies `on_error` to nodes that have failed.
    fn handle(&self, ends: &mut [NodeEnd]) {
        for (node, end) in self.ready.iter().zip(ends) {
            if let NodeEnd::Failed { error, by_flow } = end
                && self.is_handled(*node, error, *by_flow)
            {
                let error = JobError::from((**error).clone()).at_node(self.graph.node(*node).name.clone());
                *end = NodeEnd::Handled(Box::new(error));
            }
        }
    }

    /// Whether the flow goes on when this is the last failure of the node.
    fn is_handled(&self, node: u32, error: &NodeError, by_flow: bool) -> bool {
        let stops = matches!(error.class, ErrorClass::Fatal | ErrorClass::Cancelled);
        self.graph.node(node).on_error != CompiledOnError::Fail && !by_flow && !stops
    }

    fn record(&mut self, ends: &[NodeEnd]) {
        let Some(trace) = &mut self.trace else { return };
        for (node, end) in self.ready.iter().zip(ends) {
            let end = match end {
                NodeEnd::Updated(update) => RunEnd::Updated(update.clone()),
                NodeEnd::Handled(error) => RunEnd::Handled((**error).clone()),
                NodeEnd::Failed { error, .. } => RunEnd::Failed((**error).clone()),
            };
            let compiled = self.graph.node(*node);
            let told = self.notes.binary_search_by_key(node, |(at, _)| *at);
            let notes = told.map(|place| std::mem::take(&mut self.notes[place].1)).unwrap_or_default();
            trace.push(NodeRun { step: self.step + 1, node: compiled.name.clone(), notes, retry: compiled.retry, end });
        }
    }

    /// Some nodes failed: keeps what the others did for the next attempt.
    fn keep(&mut self, ends: Vec<NodeEnd>, context: &StepContext<'_>) -> Stepped {
        let told_to_end = context.cancel.is_cancelled();
        let mut failures = Vec::new();
        self.failed.clear();
        for (node, end) in self.ready.iter().zip(ends) {
            match end {
                // It ended because it was told to: that is no failure, it runs again.
                NodeEnd::Failed { error, .. } if told_to_end && error.class == ErrorClass::Cancelled => {}
                NodeEnd::Failed { error, by_flow } => {
                    let (compiled, handled) = (self.graph.node(*node), self.is_handled(*node, &error, by_flow));
                    if handled {
                        self.failed.push((*node, context.job.attempt));
                    }
                    failures.push(NodeFailure::at_node(compiled.name.clone(), *error, compiled.retry, handled));
                }
                done => self.known.push((*node, done)),
            }
        }
        AttemptFailure::of(failures).map_or(Stepped::Stopped, |failure| Stepped::Failed(Box::new(failure)))
    }

    fn merge(&mut self, ends: &mut [NodeEnd]) {
        for end in ends {
            if let NodeEnd::Updated(update) = end {
                self.graph.merge(&mut self.state, std::mem::take(update));
            }
        }
    }
}

pub(super) fn error_of(errors: &[(u32, Value)], node: u32) -> Option<&Value> {
    errors.binary_search_by_key(&node, |(at, _)| *at).ok().map(|place| &errors[place].1)
}

fn too_many_steps(max: u64) -> AttemptFailure {
    let message = format!("the flow did not end within {max} supersteps (`max_steps`)");
    AttemptFailure::new(NodeFailure::of_attempt(NodeError::permanent("max_steps", message)))
}
