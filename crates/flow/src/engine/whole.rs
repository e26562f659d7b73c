//! The engine: a whole run, or one attempt of a job.

use std::sync::Arc;

use batchmill_core::{BatchId, CancelSignal, Checkpointer, JobError, JobId, JobInfo, NodeError, StateData};

use super::{
    AttemptEnd, AttemptRequest, Execution, NodeTimer, StepContext, Stepped,
    attempt::attempt,
    keeper::{Keeper, Thread},
};
use crate::graph::CompiledGraph;

/// Runs compiled graphs. Cheap to clone; one serves any number of attempts at once.
#[derive(Debug, Clone)]
pub struct ExecutionEngine {
    checkpointer: Option<Arc<dyn Checkpointer>>,
    leaves_finished: bool,
    /// Who runs where no job is named.
    nobody: JobInfo,
}

impl Default for ExecutionEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl ExecutionEngine {
    /// An engine without checkpoints: a retry starts from the beginning.
    pub fn new() -> Self {
        let batch = BatchId::new("engine").expect("a valid id");
        Self { checkpointer: None, leaves_finished: false, nobody: JobInfo::new(batch, JobId::from(0)) }
    }

    /// The same, keeping checkpoints.
    #[must_use]
    pub fn checkpointer(mut self, checkpointer: Arc<dyn Checkpointer>) -> Self {
        self.checkpointer = Some(checkpointer);
        self
    }

    /// The same, leaving the checkpoints of a finished flow where they are, for hosts that record results: until the
    /// result is recorded, a crash must find them. Who records it deletes them, with it
    /// ([`Checkpointer::deletes_with_result`]) or after it.
    #[must_use]
    pub fn without_deletion(mut self) -> Self {
        self.leaves_finished = true;
        self
    }

    /// Runs a graph from an input to its final state, once: without retries and checkpoints, with `on_error` applied at
    /// the first failure.
    ///
    /// Nodes with a time limit need a tokio runtime with its timer.
    pub async fn execute(&self, graph: &CompiledGraph, input: StateData) -> Result<StateData, JobError> {
        let cancel = CancelSignal::new();
        let state = graph
            .accept_input(input.clone())
            .map_err(|problems| NodeError::permanent("bad_input", problems.to_string()))?;
        let context = StepContext { job: &self.nobody, input: &input, cancel: &cancel };
        let mut execution = Execution::at(graph, state, 0, graph.entry.to_vec()).without_retries();
        loop {
            match execution.step(&context).await {
                Stepped::Continue => {}
                Stepped::Done => return Ok(execution.into_state()),
                Stepped::Failed(failure) => {
                    let (node, error) = (failure.first.node, JobError::from(failure.first.error));
                    return Err(match node {
                        Some(node) => error.at_node(node),
                        None => error,
                    });
                }
                Stepped::Stopped => unreachable!("nobody else holds the signal of this run"),
            }
        }
    }

    /// Runs one attempt of a job: from its last checkpoint, or from the start, to the end of the flow or of the attempt.
    /// It decides nothing about retries.
    ///
    /// The future may be dropped at any await; the thread then holds what was kept until then.
    pub async fn attempt(&self, graph: &CompiledGraph, request: AttemptRequest<'_>) -> AttemptEnd {
        self.timed_attempt(graph, request, None).await
    }

    /// The same, telling `timer` how long each node takes.
    pub async fn timed_attempt(
        &self,
        graph: &CompiledGraph,
        request: AttemptRequest<'_>,
        timer: Option<&dyn NodeTimer>,
    ) -> AttemptEnd {
        let thread = Thread::of(request.job);
        let mode = graph.checkpoint_mode();
        let keeper = Keeper::new(self.checkpointer.as_deref(), self.leaves_finished, &thread, mode);
        attempt(keeper, graph, request, timer).await
    }
}
