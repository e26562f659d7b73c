//! Batchmill with every policy on: priority scheduler, retry, timeout, panic guard, failure strategy, counters that obey
//! the conservation law, and results collected in submission order.

use std::{
    borrow::Cow,
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{BatchId, Job, JobError, JobId, JobKeys, JobResult, SinkError, StateData, Status, Verdict};
use batchmill_executor::{
    Attempt, AttemptReport, Delivery, FlowWorkload, Graphs, JobSource, Mill, Opening, Settings, Workload,
};
use batchmill_failure_halt::Halt;
use batchmill_flow::{StateGraph, node_fn};
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_priority::PriorityScheduler;
use tokio::runtime::Runtime;

const TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be started")
}

/// Jobs made when they are asked for.
#[derive(Debug)]
struct Numbers(u32);

impl JobSource for Numbers {
    fn len(&self) -> u64 {
        self.0.into()
    }
    fn keys(&self, _: u64) -> JobKeys {
        JobKeys::default()
    }
    fn id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index + 1))
    }
    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        Ok(Cow::Owned(Job::new(JobId::from(index + 1), StateData::new())))
    }
}

/// Does nothing.
struct Noop;

impl Workload for Noop {
    async fn run(&self, attempt: Attempt<'_>) -> AttemptReport {
        black_box(attempt.index);
        AttemptReport::succeeded(JobId::from(attempt.index + 1), serde_json::Value::Null)
    }
    fn job_id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index + 1))
    }
}

/// Keeps every result at its place, as `run` of the library does.
struct Collect(Arc<Mutex<Vec<Option<JobResult>>>>);

#[async_trait]
impl Delivery for Collect {
    async fn deliver(&mut self, _: &BatchId, results: Vec<JobResult>) -> Result<(), SinkError> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for result in results {
            let place = usize::try_from(result.sequence).expect("a place fits the address space");
            places[place] = Some(result);
        }
        Ok(())
    }
    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// One million jobs that do nothing.
pub(crate) fn noop(jobs: u32, concurrency: u32) -> u64 {
    run(jobs, concurrency, |_| Noop)
}

/// The same through the flow engine: a graph of one native node.
pub(crate) fn flow(jobs: u32, concurrency: u32) -> u64 {
    let graph = StateGraph::new("noop")
        .node(
            "noop",
            node_fn(|state: &StateData| {
                black_box(state);
            }),
        )
        .compile()
        .expect("a graph of one node compiles");
    let graph = Arc::new(graph);
    run(jobs, concurrency, move |source| FlowWorkload::new(Graphs::One(graph.clone()), source, None))
}

fn run<W: Workload>(jobs: u32, concurrency: u32, workload: impl FnOnce(Arc<dyn JobSource>) -> W) -> u64 {
    let runtime = runtime();
    let results = Arc::new(Mutex::new(vec![None; jobs as usize]));
    runtime.block_on(async {
        let scheduler = PriorityScheduler::new(&batchmill_scheduler_priority::Options::default());
        let mill = Mill::start(&Settings::new(concurrency.try_into().expect("not 0")), Box::new(scheduler));
        let source: Arc<dyn JobSource> = Arc::new(Numbers(jobs));
        let workload = Arc::new(workload(source.clone()));
        let id = BatchId::new("bench").expect("a valid id");
        let failure = Halt::new(&batchmill_failure_halt::Options::default()).expect("the defaults are valid");
        let delivery = Box::new(Collect(results.clone()));
        let retry = vec![Arc::new(Exponential::default()) as _];
        let mut opening = Opening::new(id, workload, source, Box::new(failure), retry, delivery);
        opening.timeout = Some(TIMEOUT);
        let end = mill.open(opening).wait().await;
        assert_eq!(end.verdict, Verdict::Succeeded);
    });
    let results = results.lock().unwrap_or_else(PoisonError::into_inner);
    let succeeded = |result: &&Option<JobResult>| result.as_ref().is_some_and(|r| r.status == Status::Succeeded);
    results.iter().filter(succeeded).count() as u64
}
