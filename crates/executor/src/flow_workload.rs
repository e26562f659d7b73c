//! Attempts that run flows.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use batchmill_core::{
    AttemptFailure, BatchId, Checkpointer, JobError, JobId, JobInfo, JobResult, NodeError, NodeFailure, Outcome,
    RetryRef, Status, ThreadId, UsageMeter,
};
use batchmill_flow::{AttemptEnd, AttemptRequest, CompiledGraph, ExecutionEngine, NodeTimer};
use futures_util::future::join_all;

use crate::{
    Attempt, AttemptReport, Beginning, JobSource, Latency, Workload,
    latency::{GraphTimer, NodeTimes},
};

/// Which graph a job runs. A batch may mix graphs.
#[derive(Debug, Clone)]
pub enum Graphs {
    /// All jobs run the same graph.
    One(Arc<CompiledGraph>),
    /// Each job names its graph.
    PerJob {
        /// The graphs, each with the number of retry policies that come before its own in the batch's list, the host's
        /// not counted.
        graphs: Vec<(Arc<CompiledGraph>, u16)>,
        /// The graph of each job, by its place.
        of_job: Vec<u32>,
    },
}

impl Graphs {
    /// The graph of a job: itself, the policies before its own, and its place among the graphs.
    fn of(&self, index: u64) -> (&CompiledGraph, u16, usize) {
        match self {
            Self::One(graph) => (graph, 0, 0),
            Self::PerJob { graphs, of_job } => {
                let place = usize::try_from(index).ok().and_then(|index| of_job.get(index));
                let place = place.map_or(0, |graph| *graph as usize);
                let (graph, offset) = &graphs[place];
                (graph, *offset, place)
            }
        }
    }

    fn node_counts(&self) -> Vec<usize> {
        let count = |graph: &CompiledGraph| graph.node_names().len();
        match self {
            Self::One(graph) => vec![count(graph)],
            Self::PerJob { graphs, .. } => graphs.iter().map(|(graph, _)| count(graph)).collect(),
        }
    }
}

/// Measures the nodes of a batch.
struct Timing {
    times: Arc<NodeTimes>,
    /// Nodes of the graphs before each.
    before: Vec<usize>,
}

impl Timing {
    fn new(latency: &Latency, graphs: &Graphs) -> Self {
        let (mut before, mut nodes) = (Vec::new(), 0);
        for count in graphs.node_counts() {
            before.push(nodes);
            nodes += count;
        }
        Self { times: latency.of_nodes(nodes), before }
    }
}

/// Runs the flows of a batch: reads the job, goes on from its last checkpoint, reports how the attempt ended.
pub struct FlowWorkload {
    graphs: Graphs,
    engine: ExecutionEngine,
    checkpointer: Option<Arc<dyn Checkpointer>>,
    jobs: Arc<dyn JobSource>,
    deletion: Deletion,
    timing: Option<Timing>,
}

/// Who deletes the checkpoints of a job that has ended.
enum Deletion {
    /// The attempt that succeeded; without success, who delivers the result.
    AtTheEnd,
    /// The record of the result.
    WithResult,
    /// Who has recorded the result. The places of jobs whose flow has finished, which have checkpoints and whose result is
    /// not recorded yet.
    AfterResult(Mutex<HashSet<u64>>),
}

impl Deletion {
    fn note_finished(&self, index: u64) {
        if let Self::AfterResult(finished) = self {
            finished.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
    }

    /// Whether a job that has ended may have left checkpoints.
    fn is_due(&self, result: &JobResult) -> bool {
        match self {
            Self::WithResult => false,
            Self::AfterResult(finished) if result.status == Status::Succeeded => {
                finished.lock().unwrap_or_else(PoisonError::into_inner).remove(&result.sequence)
            }
            _ => result.status != Status::Succeeded,
        }
    }
}

impl FlowWorkload {
    /// Jobs of `jobs` run `graphs`, keeping their checkpoints in `checkpointer`.
    pub fn new(graphs: Graphs, jobs: Arc<dyn JobSource>, checkpointer: Option<Arc<dyn Checkpointer>>) -> Self {
        let engine = match &checkpointer {
            Some(checkpointer) => ExecutionEngine::new().checkpointer(checkpointer.clone()),
            None => ExecutionEngine::new(),
        };
        Self { graphs, engine, checkpointer, jobs, deletion: Deletion::AtTheEnd, timing: None }
    }

    /// The same, measuring its nodes for a governor.
    #[must_use]
    pub fn timed(mut self, latency: &Latency) -> Self {
        self.timing = Some(Timing::new(latency, &self.graphs));
        self
    }

    /// The same for a batch whose results are recorded in a journal: the checkpoints of a finished job stay until its
    /// result is recorded, so that a crash in between does not run it from the start.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.engine = self.engine.without_deletion();
        let with_result = self.checkpointer.as_ref().is_none_or(|checkpointer| checkpointer.deletes_with_result());
        self.deletion = if with_result { Deletion::WithResult } else { Deletion::AfterResult(Mutex::default()) };
        self
    }
}

impl Workload for FlowWorkload {
    async fn run(&self, attempt: Attempt<'_>) -> AttemptReport {
        let Beginning { id, tenant, priority, key, input } = match self.jobs.begin(attempt.index) {
            Ok(job) => job,
            Err(error) => return unreadable(error),
        };
        let mut info = JobInfo::new(attempt.batch.clone(), id);
        (info.tenant, info.priority, info.key) = (tenant, priority, key);
        info.attempt = attempt.number;
        info.memory = attempt.memory;
        if attempt.weighs {
            info.usage = UsageMeter::watched();
        }
        let (graph, offset, place) = self.graphs.of(attempt.index);
        let request = AttemptRequest {
            job: &info,
            input: &input,
            cancel: attempt.cancel,
            resume: attempt.resume,
            given_up: attempt.given_up,
        };
        let timing = self.timing.as_ref();
        let timer = timing.map(|timing| GraphTimer { times: &timing.times, before: timing.before[place] });
        let timer = timer.as_ref().map(|timer| timer as &dyn NodeTimer);
        let end = self.engine.timed_attempt(graph, request, timer).await;
        let usage = info.usage.read(Duration::ZERO);
        let report = match end {
            AttemptEnd::Done { output, checkpointed } => {
                if checkpointed {
                    self.deletion.note_finished(attempt.index);
                }
                AttemptReport::succeeded(info.id, output)
            }
            AttemptEnd::Stopped => AttemptReport::ended(Some(info.id), Outcome::Stopped),
            AttemptEnd::Failed(failure) => {
                let failure = shift(failure, offset);
                AttemptReport::ended(Some(info.id), Outcome::Failed(Box::new(failure)))
            }
        };
        report.with_usage(usage)
    }

    fn job_id(&self, index: u64) -> Result<JobId, JobError> {
        self.jobs.id(index)
    }

    async fn forget(&self, batch: &BatchId, results: &[JobResult]) {
        let Some(checkpointer) = &self.checkpointer else { return };
        let left = results.iter().filter(|result| self.deletion.is_due(result));
        // All at once: a database then deletes them together.
        join_all(left.map(async |result| {
            if let Err(error) = checkpointer.delete_thread(&ThreadId::of(batch, &result.job_id)).await {
                // The job has ended all the same; what is left takes room and nothing more.
                tracing::warn!(%error, job = %result.job_id, "the checkpoints of a job that has ended can not be deleted");
            }
        }))
        .await;
    }
}

/// Retry policies of a graph stand behind those of the graphs before it.
fn shift(mut failure: AttemptFailure, offset: u16) -> AttemptFailure {
    if offset > 0 {
        for failed in std::iter::once(&mut failure.first).chain(&mut failure.others) {
            if failed.retry != RetryRef::default() {
                failed.retry.0 += offset;
            }
        }
    }
    failure
}

fn unreadable(error: JobError) -> AttemptReport {
    let code: Cow<'static, str> = error.code;
    let failure = NodeFailure::of_attempt(NodeError::new(error.class, code, error.message));
    AttemptReport::ended(None, Outcome::Failed(Box::new(AttemptFailure::new(failure))))
}

impl fmt::Debug for FlowWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowWorkload").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}
