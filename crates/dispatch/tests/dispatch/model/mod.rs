//! A plain model of dispatch: one record a job, no queues, no timers, nothing clever. It hears every event, predicts
//! what must come of it, and holds the effects and the counters against that.

mod batch;
mod budget;
mod effects;
mod events;
mod explain;
mod job;
mod limits;
mod past;
mod resources;
mod rest;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use batchmill_core::{Closing, FinalResult, MonoTime, Pause, Status};
use batchmill_dispatch::{Dispatch, Effect, Event, JournalFailure, Lease, NewJob, Settings, StopCause};

use self::limits::No;
pub(crate) use self::{effects::hold, limits::PlainLimits};
use crate::{policies::HeardLog, schedulers::LastPick, world::Plan};

/// What does not hold, as a sentence.
pub(crate) type Violation = String;
pub(crate) type Check = Result<(), Violation>;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    Pending,
    Ready,
    Running(Lease),
    Backoff(MonoTime),
    Recording(Status),
    Ended(Status),
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) new: NewJob,
    accepted: MonoTime,
    pub(crate) at: At,
    epoch: u32,
    pub(crate) attempts: u32,
    crashes: u32,
    /// How often it was ended because memory ran short.
    kills: u32,
    /// How often its memory ran out, as far as its flow asks for more then.
    level: u32,
    tries: usize,
    failures: BTreeMap<Option<Arc<str>>, u32>,
    /// Nodes that its next attempt goes on without.
    given_up: Vec<Arc<str>>,
    /// The step that sent it into backoff.
    backoff_step: u64,
    first_started: Option<MonoTime>,
    started: MonoTime,
    /// Why it was told to end; several where one step had several reasons, in an order that is not the model's affair.
    stop: Vec<StopCause>,
    stop_step: u64,
    stop_sent: bool,
    deadline_fired: bool,
    /// How long it may wait for its first start, since when its batch is sealed, and how long it may take as a whole.
    queue_timeout: Option<Duration>,
    pub(crate) sealed_at: Option<MonoTime>,
    job_timeout: Option<Duration>,
    /// What its attempt was given.
    limit: Option<Duration>,
    /// It waited when its time was over: it gets in no line any more, and ends when its batch is sealed.
    is_expired: bool,
    /// Ends that were decided while it waited; due as soon as there is room.
    doomed: Vec<Status>,
}

/// Why a batch is closing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Close {
    Halted(String),
    Cancelled,
    Deadline,
}

/// Why a batch starts nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Paused {
    Requested,
    Rule(String),
}

/// How a batch was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its rules of failures are what the strategy must answer, where it is not scripted.
    pub(crate) plan: Plan,
    pub(crate) heard: HeardLog,
    /// When an earlier host accepted it.
    pub(crate) accepted: Option<MonoTime>,
    pub(crate) resumed: bool,
    /// What it decided about the batch as a whole.
    pub(crate) closing: Option<Closing>,
    pub(crate) paused: Option<Pause>,
}

#[derive(Debug)]
pub(crate) struct Batch {
    opened: Opened,
    pub(crate) jobs: Vec<Job>,
    pub(crate) sealed: bool,
    pub(crate) paused: Option<Paused>,
    /// Its pause changed, and dispatch has not said so yet.
    pause_is_due: bool,
    /// Its store is full.
    pub(crate) storage_full: bool,
    /// Empty while it is open; several where one step had several reasons.
    pub(crate) closing: Vec<Close>,
    close_step: u64,
    /// Which of them dispatch said it is.
    told: Option<Close>,
    deadline_fired: bool,
    /// What its strategy is told again, and does not decide.
    recalled: Vec<FinalResult>,
    /// Why nothing of it is recorded any more.
    cut_off: Option<JournalFailure>,
    retries: u64,
    /// Millionths of tokens at a moment.
    tokens: (u64, MonoTime),
    /// Jobs in backoff that are due and wait for a token.
    line: Vec<u32>,
    /// Opened while the host ends: it is over when it is sealed.
    came_late: bool,
}

/// What must come of the attempt that has just ended.
#[derive(Debug)]
enum Expect {
    Nothing,
    End { batch: u32, index: u32, allowed: Vec<Status> },
    Retry { lease: Lease, due: MonoTime, given_up: Vec<Arc<str>> },
    GoOn { lease: Lease, given_up: Vec<Arc<str>> },
    Requeue(Lease),
}

/// Which promises of the scheduler the checks may build on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    /// Every token leaves once, and nothing else does.
    pub(crate) tokens: bool,
}

/// In which order an honest scheduler starts what may start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// First come, first served; a retried job keeps its place.
    Arrival,
    /// By the moment of arrival, which each level of priority moves forward by this much; by priority alone where that is
    /// nothing. So a job is overtaken only by one that came less than their difference times this later.
    Ageing(Duration),
}

impl Order {
    /// Smaller starts first.
    fn key(self, job: &Job) -> (i128, i128) {
        let (came, priority) = (i128::from(job.accepted.as_nanos()), i128::from(job.new.priority.0));
        match self {
            Self::Arrival => (0, came),
            Self::Ageing(Duration::ZERO) => (-priority, came),
            Self::Ageing(step) => (0, came - priority * i128::try_from(step.as_nanos()).expect("some milliseconds")),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Model {
    settings: Settings,
    highest_limit: u32,
    trust: Trust,
    order: Option<Order>,
    last_pick: LastPick,
    pub(crate) limits: PlainLimits,
    pub(crate) batches: BTreeMap<u32, Batch>,
    ended: Vec<u32>,
    pub(crate) live: BTreeMap<u32, Lease>,
    pub(crate) draining: bool,
    unanswered: u64,
    stale: u64,
    alarm: Option<MonoTime>,
    /// The moment has come, and those in line have not got their tokens yet.
    serves_lines: bool,
    memory: resources::Memory,
    step: u64,
    expect: Expect,
}

impl Model {
    pub(crate) fn new(settings: Settings, trust: Trust, order: Option<Order>, last_pick: LastPick) -> Self {
        Self {
            settings,
            highest_limit: settings.limit.get(),
            trust,
            order,
            last_pick,
            limits: PlainLimits::default(),
            batches: BTreeMap::new(),
            ended: Vec::new(),
            live: BTreeMap::new(),
            draining: false,
            unanswered: 0,
            stale: 0,
            alarm: None,
            serves_lines: false,
            memory: resources::Memory::new(settings.resources),
            step: 0,
            expect: Expect::Nothing,
        }
    }

    pub(crate) fn with_limits(mut self, limits: PlainLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn opened(&mut self, now: MonoTime, key: u32, opened: Opened) {
        let full = opened.plan.budget.map_or(0, |budget| u64::from(budget.burst().get()) * 1_000_000);
        let (closing, pause) = (opened.closing.clone(), opened.paused.clone());
        let mut batch = Batch {
            opened,
            jobs: Vec::new(),
            sealed: false,
            paused: None,
            pause_is_due: false,
            storage_full: false,
            closing: Vec::new(),
            close_step: 0,
            told: None,
            deadline_fired: false,
            recalled: Vec::new(),
            cut_off: None,
            retries: 0,
            tokens: (full, now),
            line: Vec::new(),
            came_late: self.draining,
        };
        batch.goes_on(closing.as_ref(), pause.as_ref());
        self.batches.insert(key, batch);
    }

    /// When dispatch wants to be woken.
    pub(crate) fn alarm(&self) -> Option<MonoTime> {
        self.alarm
    }

    /// Before the step: what does the event mean?
    pub(crate) fn before(&mut self, now: MonoTime, event: &Event) {
        self.step += 1;
        self.hear(now, event);
    }

    /// After the step: is that what came of it?
    pub(crate) fn after(&mut self, now: MonoTime, effects: &[Effect], dispatch: &Dispatch) -> Check {
        self.is_recalled()?;
        self.see_all(now, effects)?;
        self.serve_lines(now);
        self.at_rest(now, dispatch)?;
        self.is_explained(now, dispatch)
    }

    /// Tokens are given out after everything else that was due, and before anything starts.
    fn serve_lines(&mut self, now: MonoTime) {
        if std::mem::take(&mut self.serves_lines) {
            self.batches.values_mut().for_each(|batch| batch.serve(now));
        }
    }

    /// Where a job runs that may be what takes hosts down.
    fn running_suspect(&self) -> Option<&Lease> {
        self.live.values().find(|lease| {
            let batch = &self.batches[&lease.batch.0];
            batch.jobs[lease.index as usize].is_suspect(batch.opened.plan.crash_limit)
        })
    }

    /// Whether a job must wait until another one that may take the host down has ended.
    fn is_held_as_suspect(&self, batch: &Batch, job: &Job) -> bool {
        job.is_suspect(batch.opened.plan.crash_limit) && self.running_suspect().is_some()
    }

    /// Whether a limit of its keys says no.
    fn is_limited(&self, job: &Job, now: MonoTime) -> bool {
        !self.limits.nos(&job.new.limits, now).is_empty()
    }

    /// When every limit of a job says yes, if that comes by itself.
    fn opens(&self, job: &Job, now: MonoTime) -> Option<MonoTime> {
        let until = |no| if let No::Until(at) = no { Some(at) } else { None };
        let all: Option<Vec<MonoTime>> = self.limits.nos(&job.new.limits, now).into_iter().map(until).collect();
        all?.into_iter().max()
    }

    /// Whether a limit may have opened by itself, and dispatch was not woken yet.
    fn may_open_late(&self, now: MonoTime) -> bool {
        !self.limits.is_empty() && self.alarm.is_some_and(|alarm| alarm <= now)
    }

    fn job(&mut self, lease: Lease) -> Option<&mut Job> {
        self.batches.get_mut(&lease.batch.0)?.jobs.get_mut(lease.index as usize)
    }
}
