//! One attempt of a job: from its last checkpoint to its end.

use std::{future::Future, pin::Pin, sync::OnceLock};

use batchmill_core::{
    AttemptFailure, CancelReason, CancelSignal, Checkpoint, CheckpointError, CheckpointId, Checkpointer, GivenUp,
    JobError, JobInfo, NodeError, NodeFailure, StateData, ThreadId,
};
use futures_util::future::join;
use serde_json::Value;

use super::{Execution, StepContext, Stepped};
use crate::graph::{CheckpointMode, CompiledGraph};

/// What an attempt is made of.
#[derive(Debug, Clone, Copy)]
pub struct AttemptRequest<'a> {
    /// The job and the number of the attempt.
    pub job: &'a JobInfo,
    /// The input as submitted.
    pub input: &'a StateData,
    /// Raised when the attempt must end.
    pub cancel: &'a CancelSignal,
    /// Whether an earlier attempt may have left a checkpoint, in the thread of the job ([`ThreadId::of`]). Without it the
    /// thread must be new.
    pub resume: bool,
    /// Nodes whose retries are used up and whose `on_error` lets the flow go on: each counts as failed for good where
    /// the attempt goes on (from a checkpoint: in its first superstep; from the start: at its first visit).
    pub given_up: &'a [GivenUp],
}

/// How an attempt ended.
#[derive(Debug)]
pub enum AttemptEnd {
    /// The flow reached its end.
    Done {
        /// What the job's result carries.
        output: Value,
        /// Whether checkpoints were kept for the thread. They have been deleted.
        checkpointed: bool,
    },
    /// Something failed.
    Failed(AttemptFailure),
    /// It was told to end and did.
    Stopped,
}

pub(super) async fn attempt(
    checkpointer: Option<&dyn Checkpointer>,
    graph: &CompiledGraph,
    request: AttemptRequest<'_>,
) -> AttemptEnd {
    let thread = Thread { job: request.job, id: OnceLock::new() };
    let mut keeper = Keeper::new(checkpointer, &thread, graph.checkpoint_mode());
    match run(graph, &request, &mut keeper).await {
        Ok(end) => end,
        Err(error) => AttemptEnd::Failed(AttemptFailure::new(NodeFailure::of_attempt(error))),
    }
}

/// The error is one of the attempt as a whole.
async fn run(
    graph: &CompiledGraph,
    request: &AttemptRequest<'_>,
    keeper: &mut Keeper<'_>,
) -> Result<AttemptEnd, NodeError> {
    let context = StepContext { job: request.job, input: request.input, cancel: request.cancel };
    let mut execution = begin(graph, request, keeper).await?;
    let mut committing: Option<Commit<'_>> = None;
    loop {
        let stepped = match committing.take() {
            None => execution.step(&context).await,
            // Mode `step`: the superstep runs while the checkpoint before it commits.
            Some(commit) => {
                let (committed, stepped) = join(commit, execution.step(&context)).await;
                committed.map_err(unkept)?;
                stepped
            }
        };
        match stepped {
            Stepped::Continue if request.cancel.is_cancelled() => {
                keeper.keep_at_stop(&execution, request.cancel).await?;
                return Ok(AttemptEnd::Stopped);
            }
            Stepped::Continue => committing = keeper.keep_between(&execution).await?,
            Stepped::Done => return done(execution, &context, keeper).await,
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
    let resumed = kept.is_some();
    let mut execution = match kept {
        Some(checkpoint) => Execution::resume(graph, checkpoint)?,
        None => Execution::start(graph, request.input.clone())?,
    };
    for given_up in request.given_up {
        // A node that a changed flow no longer has needs no handling any more.
        let Some(node) = graph.index_of(&given_up.node) else { continue };
        if !resumed || execution.ready.binary_search(&node).is_ok() {
            execution.given_up.push((node, given_up.error.clone()));
        }
    }
    Ok(execution)
}

async fn done(
    execution: Execution<'_>,
    context: &StepContext<'_>,
    keeper: &Keeper<'_>,
) -> Result<AttemptEnd, NodeError> {
    let output = execution.into_output(context)?;
    let checkpointed = keeper.forget().await;
    Ok(AttemptEnd::Done { output, checkpointed })
}

fn unkept(error: CheckpointError) -> NodeError {
    let error = JobError::from(error);
    NodeError::new(error.class, error.code, error.message)
}

type Commit<'a> = Pin<Box<dyn Future<Output = Result<(), CheckpointError>> + Send + 'a>>;

/// The thread of a job, named when it is first asked for: most attempts keep no checkpoint.
struct Thread<'a> {
    job: &'a JobInfo,
    id: OnceLock<ThreadId>,
}

impl Thread<'_> {
    fn id(&self) -> &ThreadId {
        self.id.get_or_init(|| ThreadId::of(&self.job.batch, &self.job.id))
    }
}

/// The checkpoints of the running attempt.
struct Keeper<'a> {
    checkpointer: Option<&'a dyn Checkpointer>,
    thread: &'a Thread<'a>,
    mode: CheckpointMode,
    /// The latest checkpoint of the thread: its id, supersteps and pending writes.
    last: Option<(CheckpointId, u64, usize)>,
}

impl<'a> Keeper<'a> {
    fn new(checkpointer: Option<&'a dyn Checkpointer>, thread: &'a Thread<'a>, mode: CheckpointMode) -> Self {
        Self { checkpointer: checkpointer.filter(|_| mode != CheckpointMode::None), thread, mode, last: None }
    }

    async fn latest(&mut self) -> Result<Option<Checkpoint>, NodeError> {
        let Some(checkpointer) = self.checkpointer else { return Ok(None) };
        let latest = checkpointer.get(self.thread.id(), None).await.map_err(unkept)?;
        self.last = latest.as_ref().map(|kept| (kept.id, kept.step, kept.pending.len()));
        Ok(latest)
    }

    /// Between two supersteps: the commit that the next superstep need not wait for.
    async fn keep_between(&mut self, execution: &Execution<'_>) -> Result<Option<Commit<'a>>, NodeError> {
        match self.mode {
            CheckpointMode::Step => Ok(self.put(execution)),
            CheckpointMode::StepSync => self.commit(execution).await.map(|()| None),
            CheckpointMode::Exit | CheckpointMode::None => Ok(None),
        }
    }

    /// Between two supersteps of an attempt that was told to end.
    async fn keep_at_stop(&mut self, execution: &Execution<'_>, cancel: &CancelSignal) -> Result<(), NodeError> {
        if cancel.reason() == Some(CancelReason::Kill) { Ok(()) } else { self.commit(execution).await }
    }

    /// After a superstep that did not complete: what is known is kept unless it is kept already.
    async fn keep_at_end(&mut self, execution: &Execution<'_>, cancel: &CancelSignal) -> Result<(), NodeError> {
        let nothing_new = match self.last {
            Some((_, step, pending)) => (step, pending) == (execution.step, execution.known.len()),
            None => (execution.step, execution.known.len()) == (0, 0),
        };
        let wanted = self.mode == CheckpointMode::Exit || !execution.known.is_empty();
        if !wanted || nothing_new || execution.is_dead_end() {
            Ok(())
        } else {
            self.keep_at_stop(execution, cancel).await
        }
    }

    async fn commit(&mut self, execution: &Execution<'_>) -> Result<(), NodeError> {
        match self.put(execution) {
            Some(commit) => commit.await.map_err(unkept),
            None => Ok(()),
        }
    }

    fn put(&mut self, execution: &Execution<'_>) -> Option<Commit<'a>> {
        let checkpointer = self.checkpointer?;
        let parent = self.last.map(|(id, ..)| id);
        let id = CheckpointId(parent.map_or(1, |id| id.0 + 1));
        self.last = Some((id, execution.step, execution.known.len()));
        Some(checkpointer.put(self.thread.id(), execution.checkpoint(id, parent)))
    }

    /// The flow has ended: its checkpoints are of no use any more. Says whether there were any.
    async fn forget(&self) -> bool {
        let (Some(checkpointer), Some(_)) = (self.checkpointer, self.last) else { return false };
        if let Err(error) = checkpointer.delete_thread(self.thread.id()).await {
            // The job is done all the same; what is left takes room and nothing more.
            tracing::warn!(thread = %self.thread.id(), %error, "the checkpoints of a finished job could not be deleted");
        }
        true
    }
}
