//! What a batch is opened with, and how its jobs get to dispatch.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use batchmill_core::{BatchId, FailureStrategy, JobKeys, RetryPolicy};
use batchmill_dispatch::{self as dispatch, BatchKey, BatchSetup, Event, Needs, NewJob};
use tokio::sync::watch;

use crate::{
    Clock, JobSource, Workload,
    durable::{Durable, Past},
    meters::ResultMeters,
};

use super::{
    Shared,
    batch::{BatchHandle, OpenBatch},
    delivery::{self, Delivery},
    outlet::Outlet,
    recorder::Recorder,
    watched,
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
    /// The same in percent of the median of the attempts that succeeded, once there are enough of them.
    pub timeout_percent: Option<NonZeroU32>,
    /// Bounds the wait of a job for its first start.
    pub queue_timeout: Option<Duration>,
    /// Bounds a job from its first start to its end.
    pub job_timeout: Option<Duration>,
    /// Bounds the batch.
    pub deadline: Option<Duration>,
    /// A job whose host was lost so often while it ran is quarantined.
    pub crash_limit: NonZeroU32,
    /// A trial: so many jobs start, those that the scheduler picks first, and the batch ends when they have.
    pub limit: Option<NonZeroU64>,
    /// What its jobs ask for of memory and CPUs.
    pub needs: Needs,
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
        Self {
            id,
            flow,
            workload,
            jobs,
            failure,
            retry,
            results,
            timeout: None,
            timeout_percent: None,
            queue_timeout: None,
            job_timeout: None,
            deadline: None,
            crash_limit: CRASH_LIMIT,
            limit: None,
            needs: Needs::default(),
        }
    }
}

impl<W> fmt::Debug for Opening<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("id", &self.id).field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

pub(super) fn open<W: Workload>(shared: &Arc<Shared<W>>, opening: Opening<W>) -> BatchHandle<W> {
    let Opening { id, flow, workload, jobs, failure, retry, results, deadline, limit, crash_limit, needs, .. } =
        opening;
    let mut setup = BatchSetup::new(failure, retry);
    (setup.timeout, setup.timeout_percent) = (opening.timeout, opening.timeout_percent);
    (setup.queue_timeout, setup.job_timeout) = (opening.queue_timeout, opening.job_timeout);
    setup.expected_jobs = usize::try_from(jobs.len()).unwrap_or_default();
    setup.limit = limit;
    setup.crash_limit = crash_limit.get();
    setup.needs = needs;
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
            let task = delivery::run(shared.clone(), batch.clone(), delivery, meters, ended.clone());
            shared.runtime.spawn(watched::of_batch(shared.clone(), batch.clone(), ended, task));
        }
        Results::Recorded(durable) => {
            let Durable { journal, feeds, mut past, .. } = *durable;
            accept(shared, key, jobs.as_ref(), &mut past, meters.as_mut());
            let recorder = Recorder::new(shared.clone(), batch.clone(), journal, &past, feeds, meters);
            past.heard(&shared.clock).for_each(|ends| shared.step(Event::Recalled { batch: key, ends }));
            let task = recorder.run(ended.clone());
            shared.runtime.spawn(watched::of_batch(shared.clone(), batch.clone(), ended, task));
        }
    }
    shared.step(Event::Sealed { batch: key });
    BatchHandle::new(shared.clone(), batch, end)
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

/// The keys of all jobs, as dispatch takes them: those that are alike and follow on each other as one.
pub(crate) fn lots<'a>(
    clock: &'a Clock,
    source: &'a dyn JobSource,
    past: &'a mut Past,
) -> impl Iterator<Item = Vec<NewJob>> + use<'a> {
    let total = source.len();
    let begins = (0..total.div_ceil(ACCEPT_AT_ONCE)).map(|lot| lot * ACCEPT_AT_ONCE);
    begins.map(move |from| lot(clock, source, past, from..(from + ACCEPT_AT_ONCE).min(total)))
}

fn lot(clock: &Clock, source: &dyn JobSource, past: &mut Past, places: Range<u64>) -> Vec<NewJob> {
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut next = places.start;
    while next < places.end {
        let (first, left) = (next, places.end - next);
        next += source.alike(first, left).clamp(1, left);
        // One kind has come to its end: the others may be as many as there are jobs.
        if jobs.len() == 1 {
            jobs.reserve_exact(usize::try_from(left).unwrap_or_default());
        }
        jobs.push(new_job(clock, source.keys(first), past.of(first, clock)));
        for place in first + 1..next {
            let past = past.of(place, clock);
            let Some(last) = jobs.last_mut() else { break };
            if is_same(&last.past, &past) {
                last.many = last.many.saturating_add(1);
            } else {
                let mut job = last.clone();
                (job.past, job.many) = (past, NonZeroU32::MIN);
                jobs.push(job);
            }
        }
    }
    jobs
}

/// Whether the same was left of two jobs. What was left of one that is to run again is its own.
fn is_same(one: &dispatch::Past, other: &dispatch::Past) -> bool {
    match (one, other) {
        (dispatch::Past::None, dispatch::Past::None) => true,
        (dispatch::Past::Ended(one), dispatch::Past::Ended(other)) => one == other,
        _ => false,
    }
}

fn new_job(clock: &Clock, keys: JobKeys, past: dispatch::Past) -> NewJob {
    let mut job = NewJob::default();
    job.priority = keys.priority;
    job.tenant = keys.tenant;
    job.cost = keys.cost;
    job.timeout = keys.timeout;
    job.after = keys.after.map(|moment| clock.mono(moment));
    job.deadline = keys.deadline.map(|moment| clock.mono(moment));
    job.share = keys.share;
    job.limits = keys.limits;
    job.past = past;
    job
}

#[cfg(test)]
mod tests {
    use batchmill_core::{Job, JobId, Position, Priority, Recalled, Setback, StateData, Status, Tenant, WallTime};

    use super::*;

    fn job(number: u64) -> Job {
        let mut job = Job::new(JobId::from(number + 1), StateData::new());
        // Long runs and short ones, and each wish on its own; across the border of lots too.
        job.priority = Priority(u8::from(number % 700 > 650));
        job.tenant = Tenant::new(if number % 400 < 200 { "a" } else { "b" }).unwrap();
        job.cost = if number.is_multiple_of(97) { 2.0 } else { 1.0 };
        job.timeout = (number % 89 < 2).then_some(Duration::from_secs(number % 89));
        job.after = (number % 83 < 2).then(|| WallTime::from_micros(1_000_000 + i64::try_from(number).unwrap()));
        job.deadline = (number % 79 < 3).then(|| WallTime::from_micros(2_000_000));
        job
    }

    fn past() -> Past {
        let mut past = Past::default();
        let (mut position, at) = (0, WallTime::from_micros(0));
        let mut take = |event| {
            position += 1;
            past.take(Position(position), event).unwrap();
        };
        let end = |place, status| Recalled::Ended { place, status, class: None, by_attempt: true, at };
        (20..60).for_each(|place| take(end(place, Status::Succeeded)));
        (60..64).for_each(|place| take(end(place, Status::Failed)));
        let setback = |place| Box::new(Setback::new(place, at, at));
        (70..73).for_each(|place| take(Recalled::Retrying(setback(place))));
        take(Recalled::Lost { place: 73, crashes: 1 });
        past
    }

    #[test]
    fn jobs_that_are_alike_are_handed_over_as_one_and_are_the_same_jobs() {
        let jobs: Vec<Job> = (0..1500).map(job).collect();
        let clock = Clock::start();
        let mut left = past();
        let one_by_one: Vec<NewJob> =
            (0..).zip(&jobs).map(|(place, job)| new_job(&clock, job.keys(), left.of(place, &clock))).collect();
        let mut left = past();
        let runs: Vec<NewJob> = lots(&clock, &jobs, &mut left).flatten().collect();
        assert!(runs.len() < 300, "{} runs of 1,500 jobs", runs.len());
        let set_back = runs.iter().filter(|run| matches!(run.past, dispatch::Past::Interrupted(_)));
        assert_eq!(set_back.map(|run| run.many.get()).collect::<Vec<_>>(), [1; 4]);
        let each: Vec<NewJob> = runs.into_iter().flat_map(NewJob::each).collect();
        assert_eq!(each, one_by_one);
    }
}
