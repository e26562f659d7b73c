//! One host: a dispatch with a body.
//!
//! Who may touch what: everything that dispatch decides is behind one mutex, [`Brain`], which is never held across an
//! await. Effects that concern other slots are carried out under that lock, so that a stop can never overtake the start
//! it belongs to. The record and the next start of an attempt that ended leave the lock with its runner and are carried out
//! without.

mod alarm;
mod attempt;
mod batch;
mod brain;
mod delivery;
mod draws;
#[cfg(test)]
mod fixture;
mod governing;
mod load;
mod locked;
mod opening;
mod outlet;
mod recorder;
mod roster;
mod runner;
mod sampler;
mod shares;
mod shutdown;
mod watched;

use std::{
    borrow::Cow,
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::{Arc, PoisonError},
};

use batchmill_core::{BatchCounts, CancelReason, MonoTime, Scheduler};
use batchmill_dispatch::{
    BatchKey, Dispatch, Event, LimitChange, LimitSettings, LimitStanding, ResourceSettings, Totals,
};
use tokio::sync::{Notify, watch};

use crate::{Clock, Probe, Workload, meters::Meters};

use self::{brain::Brain, load::Load, locked::Guarded};

pub(crate) use self::opening::lots;

pub use self::{
    batch::{BatchEnd, BatchHandle, Pauses},
    delivery::Delivery,
    governing::Governing,
    opening::{Opening, Results},
    shutdown::Phases,
};

/// How a mill is set up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Attempts that may run at once.
    pub concurrency: NonZeroU32,
    /// Whether somebody reads metrics: without, they are not counted.
    pub metrics: bool,
    /// Records that may wait for their delivery; at this bound nothing starts.
    pub unanswered_limit: NonZeroU64,
    /// Limits of jobs with one key, in the order in which jobs name them.
    pub limits: Vec<LimitSettings>,
    /// Whether their rates begin without tokens: what another host has left of them is not known.
    pub is_resumed: bool,
    /// How memory and CPUs are shared out; off unless something of it is set.
    pub resources: ResourceSettings,
    /// Memory for the host and its children together, in bytes, beside the limits of cgroups.
    pub memory_limit: Option<u64>,
}

impl Settings {
    /// So many attempts at once, no metrics, no limits of keys.
    pub fn new(concurrency: NonZeroU32) -> Self {
        let defaults = batchmill_dispatch::Settings::new(concurrency);
        let (unanswered_limit, resources) = (defaults.unanswered_limit, defaults.resources);
        let (limits, is_resumed) = (Vec::new(), false);
        Self { concurrency, metrics: false, unanswered_limit, limits, is_resumed, resources, memory_limit: None }
    }
}

/// How a batch stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its counters, which obey the conservation law.
    pub counts: BatchCounts,
    /// Attempts that were repeated.
    pub retries: u64,
}

/// How many attempts may run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// So many.
    pub attempts: u32,
    /// Why, in a word: that of a governor, or of what stands above it. `None`: somebody asked for it.
    pub reason: Option<String>,
}

/// Runs batches on the tokio runtime that it was started on. Clones share it.
pub struct Mill<W: Workload>(Arc<Shared<W>>);

impl<W: Workload> Clone for Mill<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// How far a host is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Nobody waits for a feed that is out of order.
    Draining,
    /// Nor for room where the store is full.
    Stopping,
    /// Nor for anything else outside.
    Killing,
}

pub(crate) struct Shared<W: Workload> {
    pub(crate) clock: Clock,
    pub(crate) meters: Option<Meters>,
    brain: Guarded<W>,
    /// Told when dispatch wants to be woken earlier than before.
    alarm: Arc<Notify>,
    /// Of results that wait to be recorded.
    load: Load,
    /// Told when a batch has ended.
    ended: Notify,
    /// How the host stands, for those who wait for something outside.
    phase: watch::Sender<Phase>,
    /// Whether the memory of attempts is looked at while they run.
    weighs: bool,
    runtime: tokio::runtime::Handle,
}

impl<W: Workload> Mill<W> {
    /// Starts a mill.
    ///
    /// # Panics
    /// Outside a tokio runtime with timers.
    pub fn start(settings: &Settings, scheduler: Box<dyn Scheduler>) -> Self {
        let mut limits = batchmill_dispatch::Settings::new(settings.concurrency);
        limits.unanswered_limit = settings.unanswered_limit;
        limits.resources = settings.resources;
        let runtime = tokio::runtime::Handle::current();
        let threads = runtime.metrics().num_workers();
        let clock = Clock::start();
        let mut keyed = settings.limits.clone();
        let rates = keyed.iter_mut().filter_map(|limit| limit.rate.as_mut());
        rates.filter(|_| settings.is_resumed).for_each(|rate| rate.empty_at = Some(clock.now()));
        let mut dispatch = Dispatch::new(limits, scheduler).with_limits(keyed);
        let weighs = settings.resources.ladder.is_some() || dispatch.charges_memory();
        let shared = Arc::new(Shared {
            clock,
            meters: settings.metrics.then(Meters::new),
            brain: Guarded::new(Brain::new(dispatch, threads), threads),
            alarm: Arc::default(),
            load: Load::default(),
            ended: Notify::new(),
            phase: watch::Sender::new(Phase::Running),
            weighs,
            runtime,
        });
        shared.lock().spawn(&shared, alarm::run(Arc::downgrade(&shared), shared.alarm.clone()));
        if settings.resources.samples() {
            let probe = Probe::new(settings.memory_limit);
            shared.lock().spawn(&shared, sampler::run(Arc::downgrade(&shared), probe, settings.resources));
        }
        Self(shared)
    }

    /// Opens a batch and queues its jobs. They start at once.
    pub fn open(&self, opening: Opening<W>) -> BatchHandle<W> {
        opening::open(&self.0, opening)
    }

    /// The clock that its moments refer to.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Numbers of the host as a whole.
    pub fn totals(&self) -> Totals {
        self.0.lock().dispatch.totals()
    }

    /// Sets how many attempts may run at once. Running ones are not stopped.
    pub fn set_concurrency(&self, limit: NonZeroU32) {
        self.0.change_limit(limit, None, None);
    }

    /// Lets a governor adapt the limit, from the one in force on, once and for all. Where it is never to be asked, nothing is
    /// measured.
    pub fn govern(&self, governing: Governing) {
        let Some(window) = governing.governor.window() else { return };
        let mut brain = self.0.lock();
        brain.ends = Some(governing::Ends::default());
        brain.spawn(&self.0, governing::run(Arc::downgrade(&self.0), governing, window));
    }

    /// How many attempts may run at once, and why.
    pub fn limit(&self) -> Limit {
        let brain = self.0.lock();
        let reason = brain.dispatch.limit_reason().map(str::to_owned);
        Limit { attempts: brain.dispatch.totals().limit, reason }
    }

    /// How each limit of jobs with one key stands, in their order.
    pub fn limits(&self) -> Vec<LimitStanding> {
        self.0.ask(Dispatch::limits)
    }

    /// Changes the limit of this name while jobs run. False if there is none.
    pub fn set_limit(&self, name: &str, change: LimitChange) -> bool {
        let mut brain = self.0.lock();
        let Some(limit) = brain.dispatch.limit_named(name) else { return false };
        brain.take(&self.0, Event::LimitSet { limit, change });
        true
    }

    /// Memory in use as a share of its limit, as it was last seen; `None` where nobody looks.
    pub fn memory_share(&self) -> Option<f64> {
        self.0.lock().memory_share
    }

    /// Starts nothing more; running attempts finish. Open batches end `Drained` unless they were complete.
    pub fn drain(&self) {
        self.0.step(Event::DrainRequested);
    }

    /// Drains, and tells running attempts to end: they are not recorded and run again on resume.
    pub fn stop(&self) {
        self.0.step(Event::StopRequested { how: CancelReason::Stop });
    }

    /// Drains, and ends running attempts at once.
    pub fn kill(&self) {
        self.0.step(Event::StopRequested { how: CancelReason::Kill });
    }

    /// Whether it was told to end.
    pub fn is_draining(&self) -> bool {
        self.0.lock().draining
    }

    /// Brings metrics up to date: gauges, and counters of attempts and retries. Called before somebody reads them, and by
    /// itself at the end of each batch. Does nothing without metrics.
    pub fn publish_metrics(&self) {
        self.0.publish_metrics();
    }
}

impl<W: Workload> fmt::Debug for Mill<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mill").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

impl<W: Workload> Shared<W> {
    /// The host is on its way to its end; it never turns back.
    fn reach(&self, phase: Phase) {
        self.phase.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) < phase);
    }

    /// Takes an event that comes from no runner.
    fn step(self: &Arc<Self>, event: Event) {
        let mut brain = self.lock();
        brain.take(self, event);
    }

    /// Asks dispatch something, for a person, at the moment that its decisions have reached.
    fn ask<R>(self: &Arc<Self>, question: impl FnOnce(&Dispatch, MonoTime) -> R) -> R {
        let now = self.clock.now();
        let mut brain = self.lock();
        let now = brain.advance(now);
        question(&brain.dispatch, now)
    }

    /// Changes the limit, if it still is what whoever decided this has seen.
    fn change_limit(self: &Arc<Self>, limit: NonZeroU32, why: Option<Cow<'static, str>>, seen: Option<NonZeroU32>) {
        let mut brain = self.lock();
        let before = brain.dispatch.totals().limit;
        if seen.is_some_and(|seen| seen.get() != before || seen == limit) {
            return;
        }
        brain.take(self, Event::LimitChanged { limit, why: why.clone() });
        let after = brain.dispatch.totals().limit;
        drop(brain);
        if let Some(meters) = self.meters.as_ref().filter(|_| before != after) {
            meters.limit_changed(why);
        }
    }

    fn snapshot(self: &Arc<Self>, batch: BatchKey) -> Option<Snapshot> {
        let brain = self.lock();
        let (counts, retries) = (brain.dispatch.counts(batch)?, brain.dispatch.retries(batch)?);
        drop(brain);
        self.check(&counts);
        Some(Snapshot { counts, retries })
    }

    /// Holds the conservation law against counters; a violation is a defect that must be seen.
    fn check(&self, counts: &BatchCounts) {
        if let Err(error) = counts.check() {
            tracing::error!(%error, "a job was lost or counted twice");
            if let Some(meters) = &self.meters {
                meters.violation();
            }
        }
    }

    fn publish_metrics(self: &Arc<Self>) {
        if let Some(meters) = &self.meters {
            let mut brain = self.lock();
            let (totals, draining) = (brain.dispatch.totals(), brain.draining);
            let queued = brain.dispatch.queued_by_tenant();
            let (mut tally, of_runners) = (std::mem::take(&mut brain.tally), brain.tallies.clone());
            drop(brain);
            for counted in of_runners {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                tally.merge(&std::mem::take(&mut counted));
            }
            meters.add(&tally);
            meters.totals(&totals, draining, &queued);
        }
    }
}
