//! Batchmill with every policy on: priority scheduler, retry, time limit, panic guard, failure strategy, counters that obey
//! the conservation law, progress, and results collected in submission order; metrics on or off.

use std::{
    borrow::Cow,
    marker::PhantomData,
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use batchmill::BatchResult;
use batchmill_core::{
    BatchId, Job, JobError, JobId, JobKeys, Key, LimitId, LimitKey, LimitKeys, MetricsExporter, Scheduler, StateData,
    Status, Verdict,
};
use batchmill_executor::{
    Attempt, AttemptReport, BatchHandle, Collected, FlowWorkload, Graphs, JobSource, LimitSettings, Mill, Opening,
    Results, Settings, Workload,
};
use batchmill_failure_halt::Halt;
use batchmill_flow::{StateGraph, node_fn};
use batchmill_metrics_prometheus::Prometheus;
use batchmill_retry_exponential::Exponential;
use batchmill_scheduler_priority::PriorityScheduler;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{runtime, task::Task};
use crate::measure::{Sample, Stopwatch};

const TIMEOUT: Duration = Duration::from_secs(300);

/// Progress is told, gauges are brought up to date and metrics are read this often, as by the host and by a scraper.
const LOOK: Duration = Duration::from_secs(1);

/// Whether metrics are counted and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metrics {
    On,
    Off,
}

/// A batch of tasks.
pub(crate) fn full<T: Task>(jobs: u32, concurrency: u32, metrics: Metrics) -> Result<Sample, String> {
    scheduled::<T>(jobs, concurrency, metrics, priority())
}

/// The same under another scheduler.
pub(crate) fn scheduled<T: Task>(
    jobs: u32,
    concurrency: u32,
    metrics: Metrics,
    scheduler: Box<dyn Scheduler>,
) -> Result<Sample, String> {
    run(jobs, concurrency, metrics, Vec::new(), scheduler, |_| Tasks::<T>(PhantomData))
}

/// The same with metrics and two limits of jobs with one key, that let as many run as there are slots.
pub(crate) fn limited<T: Task>(jobs: u32, concurrency: u32) -> Result<Sample, String> {
    let limit = |name: &str| {
        let mut limit = LimitSettings::new(name);
        limit.concurrency = NonZeroU32::new(concurrency);
        limit
    };
    let limits = vec![limit("ten"), limit("thousand")];
    run(jobs, concurrency, Metrics::On, limits, priority(), |_| Tasks::<T>(PhantomData))
}

fn priority() -> Box<dyn Scheduler> {
    Box::new(PriorityScheduler::new(&batchmill_scheduler_priority::Options::default()))
}

/// The same through the flow engine: a graph of one native node that does nothing.
pub(crate) fn flow(jobs: u32, concurrency: u32) -> Result<Sample, String> {
    let graph = StateGraph::new("noop").node("noop", node_fn(|_: &StateData| ())).compile();
    let graph = Arc::new(graph.map_err(|problems| format!("the graph is refused: {problems:?}"))?);
    run(jobs, concurrency, Metrics::On, Vec::new(), priority(), move |source| {
        FlowWorkload::new(Graphs::One(graph.clone()), source, None)
    })
}

fn run<W: Workload>(
    jobs: u32,
    concurrency: u32,
    metrics: Metrics,
    limits: Vec<LimitSettings>,
    scheduler: Box<dyn Scheduler>,
    workload: impl FnOnce(Arc<dyn JobSource>) -> W,
) -> Result<Sample, String> {
    let at_once = NonZeroU32::new(concurrency).ok_or("no jobs at once")?;
    let exporter = (metrics == Metrics::On).then(exporter).transpose()?;
    let stopwatch = Stopwatch::start();
    let collected = Collected::<BatchResult>::new(jobs as usize);
    let end = runtime().block_on(async {
        let mut settings = Settings::new(at_once);
        settings.metrics = exporter.is_some();
        let keys = if limits.is_empty() { Vec::new() } else { keys() };
        settings.limits = limits;
        let mill = Mill::start(&settings, scheduler);
        let source: Arc<dyn JobSource> = Arc::new(Numbers { jobs, keys });
        let id = BatchId::new("bench").expect("a valid id");
        let opening = opening(id, Arc::new(workload(source.clone())), source, collected.delivery());
        let batch = mill.open(opening);
        let mut observers = JoinSet::new();
        observers.spawn(observe(mill.clone(), batch.clone(), exporter));
        let end = batch.wait().await;
        mill.publish_metrics();
        if let Some(exporter) = exporter {
            exporter.render();
        }
        end
    });
    let results = collected.take();
    let sample = stopwatch.rate(jobs, end.counts.succeeded)?;
    let is_right = |(place, result): (usize, &BatchResult)| {
        result.status == Status::Succeeded && result.job_id == JobId::from(place as u64 + 1)
    };
    match end.verdict == Verdict::Succeeded && results.iter().enumerate().all(is_right) {
        true => Ok(sample),
        false => Err(format!("the batch ended {:?}, or a result is missing", end.verdict)),
    }
}

/// A batch with the policies that come first.
pub(super) fn opening<W: Workload>(
    id: BatchId,
    workload: Arc<W>,
    source: Arc<dyn JobSource>,
    results: impl Into<Results>,
) -> Opening<W> {
    let failure = Halt::new(&batchmill_failure_halt::Options::default()).expect("the defaults are valid");
    let retry = vec![Arc::new(Exponential::default()) as _];
    let mut opening = Opening::new(id, workload, source, Box::new(failure), retry, results);
    opening.timeout = Some(TIMEOUT);
    opening
}

/// What a host does beside a batch.
async fn observe<W: Workload>(mill: Mill<W>, batch: BatchHandle<W>, exporter: Option<&'static Prometheus>) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let _ = batch.snapshot();
        mill.publish_metrics();
        if let Some(exporter) = exporter {
            exporter.render();
        }
    }
}

/// The recorder of this process: installed once, and read by whoever counts. Nothing listens.
fn exporter() -> Result<&'static Prometheus, String> {
    static EXPORTER: OnceLock<Result<Prometheus, String>> = OnceLock::new();
    let install = || {
        let options = batchmill_metrics_prometheus::Options::default();
        let exporter = Prometheus::open(&options, ".".as_ref()).map_err(|error| error.to_string())?;
        exporter.install().map_err(|error| error.to_string())?;
        Ok(exporter)
    };
    EXPORTER.get_or_init(install).as_ref().map_err(Clone::clone)
}

/// Jobs made when they are asked for.
#[derive(Debug)]
pub(super) struct Numbers {
    jobs: u32,
    /// What limits make of them, in turn; none without limits.
    keys: Vec<LimitKeys>,
}

impl Numbers {
    /// So many, without limits.
    pub(super) fn new(jobs: u32) -> Self {
        Self { jobs, keys: Vec::new() }
    }
}

/// A key of ten and one of a thousand, each pair once.
fn keys() -> Vec<LimitKeys> {
    let key = |limit, key: u32| {
        let key = Some(Key::new(&key.to_string()).expect("a good key"));
        LimitKey { limit: LimitId(limit), key, units: 1 }
    };
    (0..1000).map(|job| [key(0, job % 10), key(1, job)].into_iter().collect()).collect()
}

impl JobSource for Numbers {
    fn len(&self) -> u64 {
        self.jobs.into()
    }
    fn keys(&self, index: u64) -> JobKeys {
        let mut keys = JobKeys::default();
        if let Some(place) = usize::try_from(index).ok().and_then(|index| index.checked_rem(self.keys.len())) {
            keys.limits = self.keys[place].clone();
        }
        keys
    }
    fn alike(&self, _: u64, most: u64) -> u64 {
        if self.keys.is_empty() { most } else { 1 }
    }
    fn kind(&self, index: u64) -> Option<u64> {
        index.checked_rem(self.keys.len() as u64)
    }
    fn id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index + 1))
    }
    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        Ok(Cow::Owned(Job::new(JobId::from(index + 1), StateData::new())))
    }
}

/// Attempts that are tasks.
pub(super) struct Tasks<T>(pub(super) PhantomData<T>);

impl<T: Task> Workload for Tasks<T> {
    async fn run(&self, attempt: Attempt<'_>) -> AttemptReport {
        let job = u32::try_from(attempt.index).unwrap_or(u32::MAX);
        let output: Value = T::run(job).await;
        AttemptReport::succeeded(JobId::from(attempt.index + 1), output)
    }
    fn job_id(&self, index: u64) -> Result<JobId, JobError> {
        Ok(JobId::from(index + 1))
    }
}
