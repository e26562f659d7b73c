//! The state machine itself: its state, and the table of contents of its steps.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
};

use batchmill_core::{
    BatchCounts, LimitId, MonoTime, Outcome, Pause, Scheduler, Tenant, Token, Usage,
    fault::{self, Sabotage},
};

use crate::{
    BatchKey, BatchSetup, Effect, Event, JournalFailure, Lease, LimitSettings, LimitStanding, Start,
    batch::{Batch, of_token},
    classes::Classes,
    edge::Queue,
    gates::Limits,
    resources::{ResourceSettings, Resources, Rung},
    slots::Slots,
    step::{
        self,
        plain::{Plain, Short, Turn},
        suspects::Suspects,
        waiting::WaitingEnd,
    },
    timers::{Due, Timers},
};

/// The host's limits.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Settings {
    /// Attempts that may run at once.
    pub limit: NonZeroU32,
    /// Records that may be unanswered; at this bound nothing starts.
    pub unanswered_limit: NonZeroU64,
    /// Jobs of paused batches that are taken out of the scheduler to reach those behind them; at this bound picking
    /// stops until a batch goes on.
    pub parked_limit: NonZeroUsize,
    /// How memory and CPUs are shared out; off unless something of it is set.
    pub resources: ResourceSettings,
}

impl Settings {
    /// A concurrency limit of `limit`, 4,096 unanswered records, 10,000 parked jobs.
    pub fn new(limit: NonZeroU32) -> Self {
        const UNANSWERED: NonZeroU64 = NonZeroU64::new(4096).expect("it is not 0");
        const PARKED: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not 0");
        let resources = ResourceSettings::default();
        Self { limit, unanswered_limit: UNANSWERED, parked_limit: PARKED, resources }
    }
}

/// Numbers of the host as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Attempts running.
    pub running: u32,
    /// Attempts that may run.
    pub limit: u32,
    /// Jobs queued in the scheduler.
    pub queued: u64,
    /// Jobs in backoff.
    pub backing_off: u64,
    /// Records not answered yet.
    pub unanswered: u64,
    /// Results that came with a void lease and were dropped.
    pub stale: u64,
    /// Answers of the scheduler that break its contract: jobs that do not wait, moments that have passed. They are
    /// passed over.
    pub scheduler_faults: u64,
    /// Batches open.
    pub batches: u32,
}

/// The brain. See the [crate documentation](crate).
pub struct Dispatch {
    pub(crate) settings: Settings,
    /// Why the limit is what it is, where a plugin or the machine says so.
    pub(crate) limit_reason: Option<Cow<'static, str>>,
    pub(crate) scheduler: Queue,
    pub(crate) batches: Vec<Option<Box<Batch>>>,
    pub(crate) classes: Classes,
    pub(crate) slots: Slots,
    pub(crate) timers: Timers,
    pub(crate) parked: VecDeque<Token>,
    /// Of jobs with one key; not there without any.
    pub(crate) limits: Option<Box<Limits>>,
    /// Jobs that may be what takes hosts down.
    pub(crate) suspects: Suspects,
    /// Memory, CPUs and swap, and what jobs ask of them.
    pub(crate) resources: Resources,
    /// Waiting jobs whose end is decided, but whose records find no room yet. None of them can start meanwhile: while
    /// there is no room nothing does.
    pub(crate) ends: VecDeque<(BatchKey, u32, WaitingEnd)>,
    /// Open batches that are closing: room for records is theirs, whoever made it.
    pub(crate) closing: Vec<BatchKey>,
    /// Open batches whose retries wait for a token of their budget.
    pub(crate) short_of_tokens: Vec<BatchKey>,
    /// When the scheduler will be asked again without another event.
    pub(crate) refill_at: Option<MonoTime>,
    /// Whether the host ends: nothing starts any more.
    pub(crate) draining: bool,
    pub(crate) unanswered: u64,
    /// Whether the results of these are too large together.
    pub(crate) crowded: bool,
    pub(crate) backing_off: u64,
    pub(crate) stale: u64,
    pub(crate) scheduler_faults: u64,
    /// The batch whose ends are plain, as long as nothing but such ends has happened since it was looked at.
    pub(crate) plain: Option<Plain>,
    pub(crate) takes_shortcuts: bool,
}

impl Dispatch {
    /// An empty dispatch.
    pub fn new(settings: Settings, scheduler: Box<dyn Scheduler>) -> Self {
        Self {
            settings,
            limit_reason: None,
            scheduler: Queue::new(scheduler),
            batches: Vec::new(),
            classes: Classes::default(),
            slots: Slots::default(),
            timers: Timers::default(),
            parked: VecDeque::new(),
            limits: None,
            suspects: Suspects::default(),
            resources: Resources::new(settings.resources),
            ends: VecDeque::new(),
            closing: Vec::new(),
            short_of_tokens: Vec::new(),
            refill_at: None,
            draining: false,
            unanswered: 0,
            crowded: false,
            backing_off: 0,
            stale: 0,
            scheduler_faults: 0,
            plain: None,
            takes_shortcuts: true,
        }
    }

    /// Whether ends that are plain may be decided the short way. For tests: nothing but time tells the two ways apart.
    #[doc(hidden)]
    pub fn take_shortcuts(&mut self, taken: bool) {
        (self.takes_shortcuts, self.plain) = (taken, None);
    }

    /// Whether the last event was decided the short way. For tests.
    #[doc(hidden)]
    pub fn took_a_shortcut(&self) -> bool {
        self.plain.is_some()
    }

    /// The same with limits of jobs with one key; [`NewJob::limits`](crate::NewJob::limits) names them by their places in this
    /// list.
    ///
    /// # Panics
    /// If jobs have been accepted, or there are more than 65,535 limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Vec<LimitSettings>) -> Self {
        assert!(self.batches.is_empty(), "limits hold for all jobs");
        self.limits = Limits::new(limits);
        self
    }

    /// Opens a batch; its jobs follow by [`Event::JobsAccepted`] and [`Event::JobsAlike`], and it starts after [`Event::Sealed`].
    pub fn open(&mut self, mut setup: BatchSetup, now: MonoTime) -> BatchKey {
        if fault::breaks(Sabotage::RecomputeVerdict) {
            setup.closing = None;
        }
        let key = BatchKey(u32::try_from(self.batches.len()).expect("fewer than 2^32 batches in the life of a host"));
        if let Some(at) = setup.deadline {
            self.timers.arm(at.max(now), Due::BatchDeadline(key));
        }
        if setup.closing.is_some() {
            self.closing.push(key);
        }
        let demand = self.resources.open(key, &setup.needs);
        self.batches.push(Some(Box::new(Batch::new(key, setup, demand, now))));
        key
    }

    /// Takes one event and appends what it makes necessary. The hot path is [`Event::AttemptEnded`]: one call a job
    /// ends its attempt and starts the next one in the same slot.
    ///
    /// # Panics
    /// When a plugin does: with a [`PluginPanic`](crate::PluginPanic). No step may follow.
    pub fn step(&mut self, now: MonoTime, event: Event, effects: &mut Vec<Effect>) {
        if let Event::AttemptEnded { lease, outcome: Outcome::Succeeded, usage, .. } = &event
            && self.succeeded_in_words(now, *lease, usage, effects)
        {
            return;
        }
        self.plain = None;
        match event {
            Event::AttemptEnded { lease, outcome, usage, draw } => {
                step::attempt_ended::step(self, now, lease, outcome, usage, draw, effects);
            }
            Event::Answered { batch, jobs } => step::answered::step(self, now, batch, &jobs, effects),
            Event::TimerFired => step::timer_fired::step(self, now, effects),
            Event::JobsAccepted { batch, jobs } => step::accepted::step(self, now, batch, jobs, effects),
            Event::JobsAlike { batch, like } => step::accepted::alike(self, now, batch, &like, effects),
            Event::Recalled { batch, ends } => step::recalled::step(self, batch, &ends),
            Event::Sealed { batch } => step::sealed::step(self, now, batch, effects),
            Event::Crowded { crowded } => step::crowded::step(self, now, crowded, effects),
            Event::PressureSampled { pressure } => step::pressure_sampled::step(self, now, pressure, effects),
            Event::LimitChanged { limit, why } => step::limit_changed::step(self, now, limit, why, effects),
            Event::LimitSet { limit, change } => step::limited::change(self, limit, change, now, effects),
            Event::CancelRequested { batch, jobs } => step::cancel::step(self, now, batch, jobs.as_deref(), effects),
            Event::PauseRequested { batch, paused } => step::pause::step(self, now, batch, paused, effects),
            Event::StorageFull { batch, why } => step::storage_full::step(self, now, batch, why, effects),
            Event::JournalFailed { batch, failure } => step::journal_failed::step(self, now, batch, failure, effects),
            Event::DeliveryFailed { batch, message } => {
                step::journal_failed::step(self, now, batch, JournalFailure::Broken(message), effects);
            }
            Event::DrainRequested => step::drain::step(self, now, None, effects),
            Event::StopRequested { how } => step::drain::step(self, now, Some(how), effects),
        }
        self.announce(effects);
    }

    /// Takes the ends of attempts that succeeded as [`step`](Self::step) does, one after the other, as long as they can be decided
    /// the short way. No events are made for them, and what commonly follows is written where their starts stand. The first that
    /// can not is left [`Short::Untold`], and is to be sent as an event; those behind it are not looked at, nor are those behind
    /// one that led to effects.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn succeeded<'t>(&mut self, turns: impl Iterator<Item = Turn<'t>>, effects: &mut Vec<Effect>) {
        step::plain::take(self, turns, effects);
    }

    /// The same for one, with everything among the effects. False: nothing has happened.
    fn succeeded_in_words(&mut self, at: MonoTime, lease: Lease, usage: &Usage, effects: &mut Vec<Effect>) -> bool {
        let (mut start, mut record, mut short) = (Start::blank(lease), None, Short::Untold);
        let mut others = Vec::new();
        let turn = Turn { at, usage, start: &mut start, record: &mut record, short: &mut short };
        self.succeeded(std::iter::once(turn), &mut others);
        effects.extend(record.map(Effect::Record));
        if short == Short::Followed {
            effects.push(Effect::Start(start));
        }
        effects.append(&mut others);
        short != Short::Untold
    }

    /// Says when the next timer is due, if that has changed.
    pub(crate) fn announce(&mut self, effects: &mut Vec<Effect>) {
        if let Some(at) = self.timers.announce() {
            effects.push(Effect::WakeAt(at));
        }
    }

    /// Whether [`Dispatch::expect_ends`] is of use for ends that follow on each other: nothing but the scheduler keeps a job from
    /// starting, and its calls are dear, or all these attempts have succeeded and it does not ask how. Where a limit or a
    /// resource may, the next pick depends on that.
    pub fn picks_ahead(&self, all_succeeded: bool) -> bool {
        let is_free = all_succeeded && !self.scheduler.hears_finish();
        (is_free || self.scheduler.prefers_many()) && self.limits.is_none() && !self.resources.on
    }

    /// The ends of so many attempts follow, with nothing else in between: each leaves a slot for the job that is next, and all of
    /// these are picked at once. [`Dispatch::settle`] comes behind them, where [`Dispatch::is_settled`] does not say so already.
    pub fn expect_ends(&mut self, ends: usize) {
        // What may not start then would be picked in vain, and given back.
        let too_many = self.slots.running().saturating_sub(self.settings.limit.get());
        let room = self.settings.unanswered_limit.get().saturating_sub(self.unanswered + 1);
        let may_start = ends.saturating_sub(too_many as usize);
        self.scheduler.expect(may_start.min(usize::try_from(room).unwrap_or(usize::MAX)));
    }

    /// Whether nothing is picked ahead, nor will be.
    pub fn is_settled(&self) -> bool {
        !self.scheduler.is_ahead()
    }

    /// Gives back what was picked for slots that came to be no free ones, to the places where it was.
    ///
    /// # Panics
    /// As of [`Dispatch::step`].
    pub fn settle(&mut self) {
        for token in self.scheduler.take_ahead() {
            self.scheduler.on_finish(token, Usage::default());
            let (key, index) = of_token(token);
            if self.batch(key).is_some_and(|batch| step::queue::is_ready(batch, index)) {
                step::queue::give_back(self, key, index);
            }
        }
    }

    /// The counters of an open batch.
    pub fn counts(&self, batch: BatchKey) -> Option<BatchCounts> {
        self.batch(batch).map(|batch| batch.counts)
    }

    /// Attempts of an open batch that were repeated so far.
    pub fn retries(&self, batch: BatchKey) -> Option<u64> {
        self.batch(batch).map(|batch| batch.retries)
    }

    /// Why an open batch starts nothing, while it is paused: by its store, or else by its failure strategy or a person.
    pub fn paused(&self, batch: BatchKey) -> Option<Pause> {
        let batch = self.batch(batch)?;
        batch.storage_full.clone().map(Pause::StorageFull).or_else(|| batch.paused.clone())
    }

    /// How far memory is filled, as it was last told.
    pub fn rung(&self) -> Rung {
        self.resources.caps.rung
    }

    /// Why the concurrency limit is what it is, in a word, unless somebody asked for it.
    pub fn limit_reason(&self) -> Option<&str> {
        self.limit_reason.as_deref()
    }

    /// Attempts running.
    pub fn running(&self) -> u32 {
        self.slots.running()
    }

    /// Numbers of the host as a whole.
    pub fn totals(&self) -> Totals {
        Totals {
            running: self.slots.running(),
            limit: self.settings.limit.get(),
            queued: (self.scheduler.len() + self.set_aside() + self.suspects.aside.len() + self.resources.aside) as u64,
            backing_off: self.backing_off,
            unanswered: self.unanswered,
            stale: self.stale,
            scheduler_faults: self.scheduler_faults,
            batches: u32::try_from(self.batches.iter().flatten().count()).unwrap_or(u32::MAX),
        }
    }

    /// Jobs queued, by tenant in the order in which they were first seen, also with 0.
    pub fn queued_by_tenant(&self) -> Vec<(Tenant, u64)> {
        self.classes.queued_by_tenant().to_vec()
    }

    /// How each limit of jobs with one key stands, in their order.
    pub fn limits(&self, now: MonoTime) -> Vec<LimitStanding> {
        self.limits.as_ref().map(|limits| limits.standing(now)).unwrap_or_default()
    }

    /// The limit of this name.
    pub fn limit_named(&self, name: &str) -> Option<LimitId> {
        self.limits.as_ref()?.named(name)
    }

    /// Jobs that were picked and wait outside the scheduler: for their batch, or for a limit that the scheduler can not hold them
    /// for.
    pub(crate) fn set_aside(&self) -> usize {
        self.parked.len() + self.limits.as_ref().map_or(0, |limits| limits.aside())
    }

    /// Whether one more record may be handed out for a job that does not run.
    pub(crate) fn has_room(&self) -> bool {
        !self.crowded && self.unanswered < self.settings.unanswered_limit.get()
    }

    pub(crate) fn batch(&self, key: BatchKey) -> Option<&Batch> {
        self.batches.get(key.0 as usize)?.as_deref()
    }

    pub(crate) fn batch_mut(&mut self, key: BatchKey) -> Option<&mut Batch> {
        self.batches.get_mut(key.0 as usize)?.as_deref_mut()
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("totals", &self.totals()).finish_non_exhaustive()
    }
}
