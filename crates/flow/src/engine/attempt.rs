//! One attempt of a job: from its last checkpoint to its end.

use batchmill_core::{AttemptFailure, CancelSignal, GivenUp, JobInfo, NodeError, NodeFailure, StateData};
use serde_json::Value;

use super::{Execution, NodeTimer, StepContext, Stepped, keeper::Keeper};
use crate::graph::CompiledGraph;

/// What an attempt is made of.
#[derive(Debug, Clone, Copy)]
pub struct AttemptRequest<'a> {
    /// The job and the number of the attempt.
    pub job: &'a JobInfo,
    /// The input as submitted.
    pub input: &'a StateData,
    /// Raised when the attempt must end.
    pub cancel: &'a CancelSignal,
    /// Whether an earlier attempt, of this host or of one before it, may have left a checkpoint in the thread of the job
    /// ([`ThreadId::of`]). Without it the thread must be new. After a crash that is so for the first attempt too.
    ///
    /// [`ThreadId::of`]: batchmill_core::ThreadId::of
    pub resume: bool,
    /// Nodes whose retries are used up and whose `on_error` lets the flow go on: each counts as failed for good where
    /// the attempt goes on (from a checkpoint: in the superstep in which it failed; from the start: at its first visit).
    /// One that the thread has got past is left out, so that a host may say it again after a crash.
    pub given_up: &'a [GivenUp],
}

/// How an attempt ended.
#[derive(Debug)]
pub enum AttemptEnd {
    /// The flow reached its end.
    Done {
        /// What the job's result carries.
        output: Value,
        /// Whether checkpoints were kept for the thread. They have been deleted, unless the engine is to leave that to who
        /// records the result ([`ExecutionEngine::without_deletion`](super::ExecutionEngine::without_deletion)).
        checkpointed: bool,
    },
    /// Something failed.
    Failed(AttemptFailure),
    /// It was told to end and did.
    Stopped,
}

pub(super) async fn attempt(
    keeper: Keeper<'_>,
    graph: &CompiledGraph,
    request: AttemptRequest<'_>,
    timer: Option<&dyn NodeTimer>,
) -> AttemptEnd {
    match run(graph, &request, keeper, timer).await {
        Ok(end) => end,
        Err(error) => AttemptEnd::Failed(AttemptFailure::new(NodeFailure::of_attempt(error))),
    }
}

/// The error is one of the attempt as a whole.
async fn run(
    graph: &CompiledGraph,
    request: &AttemptRequest<'_>,
    mut keeper: Keeper<'_>,
    timer: Option<&dyn NodeTimer>,
) -> Result<AttemptEnd, NodeError> {
    let context = StepContext { job: request.job, input: request.input, cancel: request.cancel };
    let mut execution = begin(graph, request, &mut keeper).await?.timed(timer);
    loop {
        let stepped = keeper.beside(execution.step(&context)).await;
        request.job.usage.next_step();
        match stepped {
            Stepped::Continue if request.cancel.is_cancelled() => {
                keeper.keep_at_stop(&execution, request.cancel).await?;
                return Ok(AttemptEnd::Stopped);
            }
            Stepped::Continue => keeper.keep_between(&execution).await?,
            Stepped::Done => {
                let output = execution.into_output(&context)?;
                return Ok(AttemptEnd::Done { output, checkpointed: keeper.finish().await? });
            }
            Stepped::Failed(failure) => {
                keeper.keep_at_end(&execution, request.cancel).await?;
                return Ok(AttemptEnd::Failed(*failure));
            }
            Stepped::Stopped => {
                keeper.keep_at_end(&execution, request.cancel).await?;
                return Ok(AttemptEnd::Stopped);
            }
        }
    }
}

async fn begin<'g>(
    graph: &'g CompiledGraph,
    request: &AttemptRequest<'_>,
    keeper: &mut Keeper<'_>,
) -> Result<Execution<'g>, NodeError> {
    let kept = if request.resume { keeper.latest().await? } else { None };
    let Some(checkpoint) = kept else {
        let mut execution = Execution::start(graph, request.input.clone())?;
        execution.give_up_at_first_visit(request.given_up);
        return Ok(execution);
    };
    let id = checkpoint.id;
    let mut execution = Execution::resume(graph, checkpoint)?;
    keeper.goes_on(id, &execution);
    if execution.give_up_failed(request.given_up) {
        // Said once: a host that dies need not have written it down.
        keeper.keep_between(&execution).await?;
    }
    Ok(execution)
}
