//! A batch that runs.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use batchmill_core::{BatchCounts, BatchId, FailureStrategy, JobKeys, Pause, RetryPolicy, StartLog, Verdict};
use batchmill_dispatch::{BatchKey, BatchSetup, Event, Explanation, NewJob, Share};
use tokio::sync::watch;

use crate::{
    Clock, JobSource, Workload,
    durable::{Durable, Past, Undelivered},
    meters::ResultMeters,
};

use super::{
    Shared, Snapshot,
    delivery::{self, Delivery},
    outlet::Outlet,
    recorder::Recorder,
};

/// Jobs whose keys are handed to dispatch at a time.
const ACCEPT_AT_ONCE: u64 = 512;

/// Three times is no chance any more.
const CRASH_LIMIT: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// Where the results of a batch go, and with whose answer its jobs have ended.
pub enum Results {
    /// To who collects them, and nowhere else: it lives as long as its host.
    Delivered(Box<dyn Delivery>),
    /// Into a journal.
    Recorded(Box<Durable>),
}

impl From<Box<dyn Delivery>> for Results {
    fn from(delivery: Box<dyn Delivery>) -> Self {
        Self::Delivered(delivery)
    }
}

impl<D: Delivery> From<Box<D>> for Results {
    fn from(delivery: Box<D>) -> Self {
        Self::Delivered(delivery)
    }
}

impl From<Durable> for Results {
    fn from(durable: Durable) -> Self {
        Self::Recorded(Box::new(durable))
    }
}

/// What a batch is opened with.
#[non_exhaustive]
pub struct Opening<W> {
    /// Its name.
    pub id: BatchId,
    /// The label `flow` of its metrics.
    pub flow: String,
    /// What its attempts do.
    pub workload: Arc<W>,
    /// The keys of its jobs.
    pub jobs: Arc<dyn JobSource>,
    /// When failures stop it.
    pub failure: Box<dyn FailureStrategy>,
    /// Its retry policies by `RetryRef`; the first decides where nothing else is said.
    pub retry: Vec<Arc<dyn RetryPolicy>>,
    /// Where its results go.
    pub results: Results,
    /// Bounds an attempt of a job that has no limit of its own.
    pub timeout: Option<Duration>,
    /// Bounds the batch.
    pub deadline: Option<Duration>,
    /// A job whose host was lost so often while it ran is quarantined.
    pub crash_limit: NonZeroU32,
    /// A trial: so many jobs start, those that the scheduler picks first, and the batch ends when they have.
    pub limit: Option<NonZeroU64>,
}

impl<W> Opening<W> {
    /// A batch without limits.
    pub fn new(
        id: BatchId,
        workload: Arc<W>,
        jobs: Arc<dyn JobSource>,
        failure: Box<dyn FailureStrategy>,
        retry: Vec<Arc<dyn RetryPolicy>>,
        results: impl Into<Results>,
    ) -> Self {
        let (flow, results) = (id.to_string(), results.into());
        let (timeout, deadline, limit) = (None, None, None);
        Self { id, flow, workload, jobs, failure, retry, results, timeout, deadline, crash_limit: CRASH_LIMIT, limit }
    }
}

impl<W> fmt::Debug for Opening<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("id", &self.id).field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchEnd {
    /// As a whole.
    pub verdict: Verdict,
    /// Its final counters.
    pub counts: BatchCounts,
    /// Attempts that were repeated.
    pub retries: u64,
    /// Jobs that have no end, by reason: where the host drained, or their results could not be stored.
    pub left: Vec<Share>,
    /// Feeds of a durable batch that have not got everything. It stays open for them.
    pub undelivered: Vec<Undelivered>,
}

impl BatchEnd {
    /// An end without retries that left nothing.
    pub fn new(verdict: Verdict, counts: BatchCounts) -> Self {
        Self { verdict, counts, retries: 0, left: Vec::new(), undelivered: Vec::new() }
    }
}

pub(crate) struct OpenBatch<W> {
    pub(crate) key: BatchKey,
    pub(crate) id: BatchId,
    pub(crate) workload: Arc<W>,
    pub(crate) outlet: Outlet,
    /// Of a durable batch.
    pub(crate) starts: Option<Arc<dyn StartLog>>,
    /// Why it starts nothing, while it is paused; at its end, as it was then.
    pub(crate) paused: watch::Sender<Option<Pause>>,
    pub(crate) span: tracing::Span,
}

/// A batch that was opened. Clones share it; dropping them all does not cancel it.
pub struct BatchHandle<W: Workload> {
    shared: Arc<Shared<W>>,
    batch: Arc<OpenBatch<W>>,
    end: watch::Receiver<Option<BatchEnd>>,
}

impl<W: Workload> Clone for BatchHandle<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), batch: self.batch.clone(), end: self.end.clone() }
    }
}

/// Watches a batch pause and go on.
#[derive(Debug)]
pub struct Pauses(watch::Receiver<Option<Pause>>);

impl Pauses {
    /// Waits for the next change: why the batch is paused now, or `None` if it goes on. Changes that nobody waited for
    /// are one. Cancel safe.
    pub async fn next(&mut self) -> Option<Pause> {
        if self.0.changed().await.is_err() {
            // Nobody is left who could pause it.
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }
}

pub(super) fn open<W: Workload>(shared: &Arc<Shared<W>>, opening: Opening<W>) -> BatchHandle<W> {
    let Opening { id, flow, workload, jobs, failure, retry, results, timeout, deadline, limit, crash_limit } = opening;
    let mut setup = BatchSetup::new(failure, retry);
    setup.timeout = timeout;
    setup.expected_jobs = usize::try_from(jobs.len()).unwrap_or_default();
    setup.limit = limit;
    setup.crash_limit = crash_limit.get();
    let now = shared.clock.now();
    setup.deadline = deadline.map(|limit| now + limit);
    let mut starts = None;
    if let Results::Recorded(durable) = &results {
        setup.accepted = Some(shared.clock.mono(durable.accepted));
        setup.resumed = durable.resumed;
        setup.closing = durable.past.closing().cloned();
        setup.paused = durable.past.paused().cloned();
        starts = Some(durable.starts.clone());
    }
    let (ended, end) = watch::channel(None);
    let paused = watch::Sender::new(setup.paused.clone());
    let mut brain = shared.lock();
    let key = brain.dispatch.open(setup, now);
    let span = tracing::info_span!("batch", id = %id, flow);
    let outlet = Outlet::default();
    let batch = Arc::new(OpenBatch { key, id, workload, outlet, starts, paused, span });
    brain.add(batch.clone());
    drop(brain);
    let mut meters = shared.meters.as_ref().map(|meters| ResultMeters::new(&flow, meters.labels.clone()));
    // The tasks are not owned by the mill: what has ended is delivered even if every handle of the mill is dropped.
    match results {
        Results::Delivered(delivery) => {
            accept(shared, key, jobs.as_ref(), &mut Past::default(), meters.as_mut());
            shared.runtime.spawn(delivery::run(shared.clone(), batch.clone(), delivery, meters, ended));
        }
        Results::Recorded(durable) => {
            let Durable { journal, feeds, mut past, .. } = *durable;
            accept(shared, key, jobs.as_ref(), &mut past, meters.as_mut());
            let recorder = Recorder::new(shared.clone(), batch.clone(), journal, &past, feeds, meters);
            past.heard(&shared.clock).for_each(|ends| shared.step(Event::Recalled { batch: key, ends }));
            shared.runtime.spawn(recorder.run(ended));
        }
    }
    shared.step(Event::Sealed { batch: key });
    BatchHandle { shared: shared.clone(), batch, end }
}

/// Hands the keys of all jobs to dispatch, in lots, so that other batches go on in between.
fn accept<W: Workload>(
    shared: &Arc<Shared<W>>,
    batch: BatchKey,
    source: &dyn JobSource,
    past: &mut Past,
    mut meters: Option<&mut ResultMeters>,
) {
    for jobs in lots(&shared.clock, source, past) {
        if let Some(meters) = &mut meters {
            meters.expect(jobs.iter().map(|job| &job.tenant));
        }
        shared.step(Event::JobsAccepted { batch, jobs });
    }
}

/// The keys of all jobs, as dispatch takes them.
pub(crate) fn lots<'a>(
    clock: &'a Clock,
    source: &'a dyn JobSource,
    past: &'a mut Past,
) -> impl Iterator<Item = Vec<NewJob>> + use<'a> {
    let total = source.len();
    let begins = (0..total.div_ceil(ACCEPT_AT_ONCE)).map(|lot| lot * ACCEPT_AT_ONCE);
    begins.map(move |from| {
        let upto = (from + ACCEPT_AT_ONCE).min(total);
        let job = |index| {
            let mut job = new_job(clock, source.keys(index));
            job.past = past.of(index, clock);
            job
        };
        (from..upto).map(job).collect()
    })
}

fn new_job(clock: &Clock, keys: JobKeys) -> NewJob {
    let mut job = NewJob::default();
    job.priority = keys.priority;
    job.tenant = keys.tenant;
    job.cost = keys.cost;
    job.timeout = keys.timeout;
    job.after = keys.after.map(|moment| clock.mono(moment));
    job.deadline = keys.deadline.map(|moment| clock.mono(moment));
    job
}

impl<W: Workload> BatchHandle<W> {
    /// The batch's name.
    pub fn id(&self) -> &BatchId {
        &self.batch.id
    }

    /// How it stands, or how it ended.
    pub fn snapshot(&self) -> Snapshot {
        match self.shared.snapshot(self.batch.key) {
            Some(snapshot) => snapshot,
            // Dispatch has let go of it: it left its last numbers with the results.
            None => self.batch.outlet.last_snapshot(),
        }
    }

    /// Why a job stands where it stands, by its place in the batch; `None` where there is no such job, or the batch has
    /// ended.
    pub fn explain(&self, index: u32) -> Option<Explanation> {
        self.shared.ask(|dispatch, now| dispatch.explain(self.batch.key, index, now))
    }

    /// How many jobs have which reason, the most first; empty once the batch has ended. Looks at every job.
    pub fn census(&self) -> Vec<Share> {
        self.shared.ask(|dispatch, now| dispatch.census(self.batch.key, now))
    }

    /// Why it starts nothing, while it is paused; of a batch that ended while it was paused, why it was.
    pub fn paused(&self) -> Option<Pause> {
        self.batch.paused.borrow().clone()
    }

    /// Tells when it pauses and when it goes on. If it is paused now, that is the first to be told.
    pub fn pauses(&self) -> Pauses {
        let mut changes = self.batch.paused.subscribe();
        if changes.borrow().is_some() {
            changes.mark_changed();
        }
        Pauses(changes)
    }

    /// Waits until every result is delivered and the delivery is closed.
    pub async fn wait(&self) -> BatchEnd {
        match self.ended().await {
            Some(end) => end,
            // The runtime is shutting down under us.
            None => std::future::pending().await,
        }
    }

    /// The same; `None` where that never comes, because the runtime shuts down or the delivery panicked.
    pub async fn ended(&self) -> Option<BatchEnd> {
        let mut end = self.end.clone();
        loop {
            if let Some(end) = &*end.borrow_and_update() {
                return Some(end.clone());
            }
            if end.changed().await.is_err() {
                return None;
            }
        }
    }

    /// What became of it, once it has ended and every result is delivered.
    pub fn verdict(&self) -> Option<Verdict> {
        self.end.borrow().as_ref().map(|end| end.verdict.clone())
    }

    /// Cancels the whole batch: waiting and running jobs end `cancelled`.
    pub fn cancel(&self) {
        self.shared.step(Event::CancelRequested { batch: self.batch.key, jobs: None });
    }

    /// Cancels some jobs, by their places in the batch.
    pub fn cancel_jobs(&self, jobs: Vec<u32>) {
        self.shared.step(Event::CancelRequested { batch: self.batch.key, jobs: Some(jobs) });
    }

    /// Starts no more jobs of this batch until [`unpause`](Self::unpause).
    pub fn pause(&self) {
        self.shared.step(Event::PauseRequested { batch: self.batch.key, paused: true });
    }

    /// Lets a paused batch go on.
    pub fn unpause(&self) {
        self.shared.step(Event::PauseRequested { batch: self.batch.key, paused: false });
    }
}

impl<W: Workload> fmt::Debug for BatchHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHandle").field("id", &self.batch.id).finish_non_exhaustive()
    }
}
