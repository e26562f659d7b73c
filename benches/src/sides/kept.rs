//! Flows whose checkpoints and results are kept in a database on a disk, through the executor, as the program keeps them.

use std::{
    borrow::Cow,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use batchmill_core::{
    BatchId, Job, JobError, JobId, JobKeys, JobResult, SinkError, StateData, Status, Verdict, WallTime,
};
use batchmill_executor::{
    Begins, Durable, Feed, FlowWorkload, Graphs, JobSource, Mill, Opening, Settings, TimedCheckpointer,
};
use batchmill_failure_halt::Halt;
use batchmill_flow::{CheckpointMode, CompiledGraph};
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_priority::PriorityScheduler;
use batchmill_store_sqlite::{Durability, NewBatch, StateDir};
use serde_json::Value;

use super::{library::native_chain, runtime};
use crate::measure::{Sample, Stopwatch};

/// Runs the chain of three native nodes `jobs` times. A round makes a batch, runs it and has all its results, each recorded.
pub(crate) fn chain(mode: CheckpointMode, jobs: u32, at_once: u32) -> Result<Sample, String> {
    let at_once = NonZeroU32::new(at_once).ok_or("no jobs at once")?;
    let (graph, right) = (native_chain(mode), Arc::new(AtomicU64::new(0)));
    let folder = super::scratch()?;
    let stopwatch = Stopwatch::start();
    let feed = Box::new(Checked { right: right.clone() });
    let ran = runtime().block_on(async move { tokio::spawn(run(folder, graph, jobs, at_once, feed)).await });
    let verdict = ran.map_err(|error| error.to_string()).flatten()?;
    let sample = stopwatch.rate(jobs, right.load(Ordering::Relaxed))?;
    if verdict == Verdict::Succeeded { Ok(sample) } else { Err(format!("the batch ended {verdict:?}")) }
}

async fn run(
    folder: tempfile::TempDir,
    graph: Arc<CompiledGraph>,
    jobs: u32,
    at_once: NonZeroU32,
    feed: Box<dyn Feed>,
) -> Result<Verdict, String> {
    let (id, accepted) = (BatchId::new("bench").map_err(|error| error.to_string())?, WallTime::from_micros(0));
    let state = StateDir::open(folder.path()).map_err(|error| error.to_string())?;
    let new = NewBatch {
        id: id.clone(),
        name: None,
        flow: "chain".to_owned(),
        source: "chain".to_owned(),
        manifest: Value::Null,
        jobs: jobs.into(),
        content: String::new(),
        accepted,
        durability: Durability::Fsync,
        parent: None,
        generation: 0,
    };
    let store = state.create(new).map_err(|error| error.to_string())?;
    let source: Arc<dyn JobSource> = Arc::new(Inputs(jobs));
    // As the program does, which counts how long each write takes.
    let checkpointer = Arc::new(TimedCheckpointer::new(store.checkpointer()));
    let workload = FlowWorkload::new(Graphs::One(graph), source.clone(), Some(checkpointer)).recorded();
    let failure = Halt::new(&batchmill_failure_halt::Options::default()).map_err(|error| format!("{error:?}"))?;
    let retry = vec![Arc::new(Exponential::default()) as _];
    let durable = Durable::new(store.journal(), store.starts(), accepted, vec![feed]);
    let scheduler = PriorityScheduler::new(&batchmill_scheduler_priority::Options::default());
    let mill = Mill::start(&Settings::new(at_once), Box::new(scheduler));
    let batch = mill.open(Opening::new(id, Arc::new(workload), source, Box::new(failure), retry, durable));
    Ok(batch.wait().await.verdict)
}

/// Jobs made when they are asked for, from `x` = 0, 1, 2 …
#[derive(Debug)]
struct Inputs(u32);

impl JobSource for Inputs {
    fn len(&self) -> u64 {
        self.0.into()
    }
    fn keys(&self, _: u64) -> JobKeys {
        JobKeys::default()
    }
    fn id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index))
    }
    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        let input = StateData::from_iter([("x".to_owned(), Value::from(index))]);
        Ok(Cow::Owned(Job::new(JobId::from(index), input)))
    }
}

/// Counts results that are right.
struct Checked {
    right: Arc<AtomicU64>,
}

#[async_trait]
impl Feed for Checked {
    fn name(&self) -> &str {
        "checked"
    }
    fn begins(&self) -> Begins {
        Begins::Anew
    }
    async fn take(&mut self, _: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        let is_right = |result: &&JobResult| {
            let x = result.output.as_ref().and_then(|output| output["x"].as_u64());
            result.status == Status::Succeeded && x == Some(result.sequence + 3)
        };
        self.right.fetch_add(results.iter().filter(is_right).count() as u64, Ordering::Relaxed);
        Ok(())
    }
    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
