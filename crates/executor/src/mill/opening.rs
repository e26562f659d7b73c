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

/// New ones that are handed over, at least, before those that follow may be like some that were seen.
const NEW_AT_ONCE: usize = 16;

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
    for lot in lots(&shared.clock, source, past) {
        if let (Some(meters), Lot::New(jobs)) = (&mut meters, &lot) {
            meters.expect(jobs.iter().map(|job| &job.tenant));
        }
        shared.step(lot.of(batch));
    }
}

/// The keys of all jobs, as dispatch takes them.
pub(crate) fn lots<'a>(
    clock: &'a Clock,
    source: &'a dyn JobSource,
    past: &'a mut Past,
) -> impl Iterator<Item = Lot> + use<'a> {
    let (mut next, total, mut kinds) = (0, source.len(), Kinds::default());
    std::iter::from_fn(move || {
        let left = next..total;
        if left.is_empty() {
            return None;
        }
        let lot = match kinds.like(source, past, left.clone()) {
            like if like.is_empty() => Lot::New(new_jobs((clock, source), past, &mut kinds, left)),
            like => Lot::Alike(like),
        };
        next += lot.len();
        Some(lot)
    })
}

/// Jobs that are handed to dispatch at once.
#[derive(Debug)]
pub(crate) enum Lot {
    /// Those that are alike and follow on each other are one.
    New(Vec<NewJob>),
    /// Each is like the job at this place.
    Alike(Vec<u32>),
}

impl Lot {
    fn len(&self) -> u64 {
        match self {
            Self::New(jobs) => jobs.iter().map(|job| u64::from(job.many.get())).sum(),
            Self::Alike(like) => like.len() as u64,
        }
    }

    pub(crate) fn of(self, batch: BatchKey) -> Event {
        match self {
            Self::New(jobs) => Event::JobsAccepted { batch, jobs },
            Self::Alike(like) => Event::JobsAlike { batch, like },
        }
    }
}

/// Where a job of each kind is, of those that were seen lately.
#[derive(Debug, Default)]
struct Kinds(Vec<Option<(u64, u32)>>);

impl Kinds {
    /// How many are kept in mind, as a power of two.
    const BITS: u32 = 12;

    /// Numbers that follow on each other are spread evenly by the golden ratio, and so are those that are put together of several.
    fn slot(kind: u64) -> usize {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        usize::try_from(kind.wrapping_mul(GOLDEN) >> (u64::BITS - Self::BITS)).expect("it is small")
    }

    /// Nothing was left of this job, and it has no `after`.
    fn note(&mut self, kind: u64, place: u64) {
        let Ok(place) = u32::try_from(place) else { return };
        self.0.resize(1 << Self::BITS, None);
        self.0[Self::slot(kind)] = Some((kind, place));
    }

    /// Jobs that the next ones are like, up to the first that is like none.
    fn like(&self, source: &dyn JobSource, past: &Past, places: Range<u64>) -> Vec<u32> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let most = usize::try_from(ACCEPT_AT_ONCE).unwrap_or(usize::MAX);
        places.map_while(|place| self.one_like(source, past, place)).take(most).collect()
    }

    fn one_like(&self, source: &dyn JobSource, past: &Past, place: u64) -> Option<u32> {
        let kind = source.kind(place).filter(|_| past.is_none(place))?;
        self.0.get(Self::slot(kind))?.filter(|(known, _)| *known == kind).map(|(_, place)| place)
    }
}

/// The next jobs, up to those that may be like others.
fn new_jobs(
    (clock, source): (&Clock, &dyn JobSource),
    past: &mut Past,
    kinds: &mut Kinds,
    places: Range<u64>,
) -> Vec<NewJob> {
    let places = places.start..places.end.min(places.start + ACCEPT_AT_ONCE);
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut next = places.start;
    while next < places.end && (jobs.len() < NEW_AT_ONCE || kinds.one_like(source, past, next).is_none()) {
        let (first, left) = (next, places.end - next);
        next += source.alike(first, left).clamp(1, left);
        // One kind has come to its end: the others may be as many as there are jobs.
        if jobs.len() == 1 {
            jobs.reserve_exact(usize::try_from(left).unwrap_or_default());
        }
        let job = new_job(clock, source.keys(first), past.of(first, clock));
        if let Some(kind) = source.kind(first)
            && job.after.is_none()
            && job.past == dispatch::Past::None
        {
            kinds.note(kind, first);
        }
        jobs.push(job);
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
    use std::borrow::Cow;

    use batchmill_core::{
        Job, JobError, JobId, Position, Priority, Recalled, Setback, StateData, Status, Tenant, WallTime,
    };

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

    fn one_by_one(jobs: &[Job], clock: &Clock) -> Vec<NewJob> {
        let mut left = past();
        (0..).zip(jobs).map(|(place, job)| new_job(clock, job.keys(), left.of(place, clock))).collect()
    }

    #[test]
    fn jobs_that_are_alike_are_handed_over_as_one_and_are_the_same_jobs() {
        let jobs: Vec<Job> = (0..1500).map(job).collect();
        let clock = Clock::start();
        let one_by_one = one_by_one(&jobs, &clock);
        let mut left = past();
        let new = |lot| match lot {
            Lot::New(jobs) => jobs,
            Lot::Alike(_) => panic!("the source knows no kinds"),
        };
        let runs: Vec<NewJob> = lots(&clock, &jobs, &mut left).flat_map(new).collect();
        assert!(runs.len() < 300, "{} runs of 1,500 jobs", runs.len());
        let set_back = runs.iter().filter(|run| matches!(run.past, dispatch::Past::Interrupted(_)));
        assert_eq!(set_back.map(|run| run.many.get()).collect::<Vec<_>>(), [1; 4]);
        let each: Vec<NewJob> = runs.into_iter().flat_map(NewJob::each).collect();
        assert_eq!(each, one_by_one);
    }

    /// Jobs of which the source knows the kind, but for some.
    #[derive(Debug)]
    struct Known {
        jobs: Vec<Job>,
        kinds: Vec<Option<u64>>,
    }

    impl JobSource for Known {
        fn len(&self) -> u64 {
            self.jobs.len() as u64
        }
        fn keys(&self, index: u64) -> JobKeys {
            self.jobs.keys(index)
        }
        fn kind(&self, index: u64) -> Option<u64> {
            self.kinds[usize::try_from(index).unwrap()]
        }
        fn id(&self, index: u64) -> Result<JobId, JobError> {
            self.jobs.id(index)
        }
        fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
            self.jobs.load(index)
        }
    }

    #[test]
    fn jobs_of_a_kind_are_handed_over_as_places_and_are_the_same_jobs() {
        // Kinds come mixed; some are of one job, and take the place of others.
        let jobs: Vec<Job> = (0..6000_u64).map(|number| job(number * 37 % 700)).collect();
        let of = |number: u64| {
            let own = if number.is_multiple_of(40) { number << u32::BITS } else { 0 };
            (number % 50 != 49).then(|| (number * 37 % 700) | own)
        };
        let source = Known { kinds: (0..6000).map(of).collect(), jobs };
        let clock = Clock::start();
        let mut left = past();
        let (mut each, mut alike, mut lots_of_new): (Vec<NewJob>, _, _) = (Vec::new(), 0, Vec::new());
        for lot in lots(&clock, &source, &mut left) {
            match lot {
                Lot::New(jobs) => {
                    lots_of_new.push(jobs.len());
                    each.extend(jobs.into_iter().flat_map(NewJob::each));
                }
                Lot::Alike(like) => {
                    assert!(like.len() <= 512, "{}", like.len());
                    alike += like.len();
                    for place in like {
                        let job = each[place as usize].clone();
                        assert_eq!((job.after, &job.past), (None, &dispatch::Past::None), "{place}");
                        each.push(job);
                    }
                }
            }
        }
        assert_eq!(each, one_by_one(&source.jobs, &clock));
        assert!(alike > 2000, "{alike} of 6,000 jobs");
        assert!(lots_of_new.iter().all(|jobs| *jobs <= 512));
    }

    #[test]
    fn a_thousand_kinds_are_kept_in_mind_however_they_are_numbered() {
        let numbered: [fn(u64) -> u64; 4] =
            [|kind| kind, |kind| kind << 8, |kind| kind << 32, |kind| ((kind % 10) << 32) | (kind / 10)];
        for (number, of) in numbered.into_iter().enumerate() {
            let mut kinds = Kinds::default();
            (0..1000).for_each(|kind| kinds.note(of(kind), kind));
            let kept =
                (0..1000).filter(|kind| kinds.0[Kinds::slot(of(*kind))].is_some_and(|(known, _)| known == of(*kind)));
            assert!(kept.count() > 700, "numbering {number}");
        }
    }
}
