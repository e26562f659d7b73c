//! The checkpoints of one attempt: which are made, and who waits for them.

use std::{future::Future, sync::OnceLock};

use batchmill_core::{
    CancelReason, CancelSignal, Checkpoint, CheckpointError, CheckpointId, Checkpointer, JobError, JobInfo, NodeError,
    ThreadId,
};

use super::{
    Execution,
    commits::{Commit, Commits},
};
use crate::graph::CheckpointMode;

/// The thread of a job, named when it is first asked for: most attempts keep no checkpoint.
pub(super) struct Thread<'a> {
    job: &'a JobInfo,
    id: OnceLock<ThreadId>,
}

impl<'a> Thread<'a> {
    pub(super) fn of(job: &'a JobInfo) -> Self {
        Self { job, id: OnceLock::new() }
    }

    fn id(&self) -> &ThreadId {
        self.id.get_or_init(|| ThreadId::of(&self.job.batch, &self.job.id))
    }
}

/// Keeps the checkpoints of the running attempt.
pub(super) struct Keeper<'a> {
    checkpointer: Option<&'a dyn Checkpointer>,
    /// Whoever records the result of a finished flow deletes its checkpoints.
    leaves_finished: bool,
    thread: &'a Thread<'a>,
    mode: CheckpointMode,
    last: Option<Kept>,
    commits: Commits<'a>,
}

/// The latest checkpoint of the thread.
#[derive(Clone, Copy)]
struct Kept {
    id: CheckpointId,
    content: Content,
}

/// What makes checkpoints of one thread differ.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Content {
    supersteps: u64,
    pending: usize,
    failed: usize,
    /// The attempt in which they failed.
    attempt: u32,
}

impl Content {
    fn of(execution: &Execution<'_>) -> Self {
        let (pending, failed) = (execution.known.len(), execution.failed.len());
        let attempt = execution.failed.first().map_or(0, |(_, attempt)| *attempt);
        Self { supersteps: execution.step, pending, failed, attempt }
    }
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        checkpointer: Option<&'a dyn Checkpointer>,
        leaves_finished: bool,
        thread: &'a Thread<'a>,
        mode: CheckpointMode,
    ) -> Self {
        let checkpointer = checkpointer.filter(|_| mode != CheckpointMode::None);
        Self { checkpointer, leaves_finished, thread, mode, last: None, commits: Commits::default() }
    }

    pub(super) async fn latest(&mut self) -> Result<Option<Checkpoint>, NodeError> {
        let Some(checkpointer) = self.checkpointer else { return Ok(None) };
        checkpointer.get(self.thread.id(), None).await.map_err(unkept)
    }

    /// The attempt goes on from the checkpoint `id`.
    pub(super) fn goes_on(&mut self, id: CheckpointId, execution: &Execution<'_>) {
        self.last = Some(Kept { id, content: Content::of(execution) });
    }

    /// Runs `work` while commits are in flight.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.commits.beside(work).await
    }

    /// Between two supersteps.
    pub(super) async fn keep_between(&mut self, execution: &Execution<'_>) -> Result<(), NodeError> {
        match self.mode {
            CheckpointMode::Step => self.begin(execution).await,
            CheckpointMode::StepSync => self.commit(execution).await,
            CheckpointMode::Exit | CheckpointMode::None => Ok(()),
        }
    }

    /// Between two supersteps of an attempt that was told to end.
    pub(super) async fn keep_at_stop(
        &mut self,
        execution: &Execution<'_>,
        cancel: &CancelSignal,
    ) -> Result<(), NodeError> {
        if is_killed(cancel) { Ok(()) } else { self.commit(execution).await }
    }

    /// After a superstep that did not complete: what is known is kept unless it is kept already.
    pub(super) async fn keep_at_end(
        &mut self,
        execution: &Execution<'_>,
        cancel: &CancelSignal,
    ) -> Result<(), NodeError> {
        if is_killed(cancel) {
            return Ok(());
        }
        let content = Content::of(execution);
        let nothing_new = self.last.map(|kept| kept.content).unwrap_or_default() == content;
        let wanted = self.mode == CheckpointMode::Exit || content.pending + content.failed > 0;
        if wanted && !nothing_new && !execution.is_dead_end() {
            self.begin(execution).await?;
        }
        self.commits.all().await.map_err(unkept)
    }

    async fn commit(&mut self, execution: &Execution<'_>) -> Result<(), NodeError> {
        self.begin(execution).await?;
        self.commits.all().await.map_err(unkept)
    }

    async fn begin(&mut self, execution: &Execution<'_>) -> Result<(), NodeError> {
        let Some(commit) = self.put(execution) else { return Ok(()) };
        self.commits.begin(commit, execution.size()).await.map_err(unkept)
    }

    fn put(&mut self, execution: &Execution<'_>) -> Option<Commit<'a>> {
        let checkpointer = self.checkpointer?;
        let parent = self.last.map(|kept| kept.id);
        let id = CheckpointId(parent.map_or(1, |id| id.0 + 1));
        self.last = Some(Kept { id, content: Content::of(execution) });
        Some(checkpointer.put(self.thread.id(), execution.checkpoint(id, parent)))
    }

    /// The flow has ended. Says whether its thread has checkpoints, or had them until now.
    pub(super) async fn finish(mut self) -> Result<bool, NodeError> {
        let (Some(checkpointer), Some(_)) = (self.checkpointer, self.last) else { return Ok(false) };
        if self.leaves_finished && checkpointer.deletes_with_result() {
            // Recorded after them in one order, the result makes up for those in flight, and for one that failed.
            return Ok(true);
        }
        self.commits.all().await.map_err(unkept)?;
        if !self.leaves_finished
            && let Err(error) = checkpointer.delete_thread(self.thread.id()).await
        {
            // The job is done all the same; what is left takes room and nothing more.
            tracing::warn!(thread = %self.thread.id(), %error, "the checkpoints of a finished job could not be deleted");
        }
        Ok(true)
    }
}

fn is_killed(cancel: &CancelSignal) -> bool {
    cancel.reason() == Some(CancelReason::Kill)
}

fn unkept(error: CheckpointError) -> NodeError {
    let error = JobError::from(error);
    NodeError::new(error.class, error.code, error.message)
}
