//! The body of a simulated dispatch: attempts, sinks, people and time, all from one seed.

mod chance;
mod hosted;
mod limits;
mod pressed;
mod settle;

use std::{
    collections::{BTreeSet, VecDeque},
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use batchmill_core::{CancelReason, Draw, MonoTime, Outcome, Scheduler};
use batchmill_dispatch::{BatchKey, Dispatch, Effect, Event, Lease, LimitSettings, NewJob, Past};

use crate::{
    durable::{Fate, Recorder},
    model::{At, Batch, Model, Order, PlainLimits, Trust},
    rig::{at_least_1, settings},
    rng::SplitMix64,
    schedulers::{Manner, Mannered, Unfinished},
};

pub(crate) use chance::{Earlier, FEW_RULES, Plan, is_limited, scheduler};

/// Changes effects before the model sees them, to prove that it looks.
pub(crate) type Doctor = Box<dyn FnMut(&mut Vec<Effect>)>;

/// What the model is told wrongly, to prove that it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A token more than there is.
    Budget,
    /// Other rules than the strategy has.
    Rules,
    /// One job more than a trial may start.
    Trial,
    /// One attempt of a key more than may run.
    Concurrency,
    /// A rate that is slower than it is.
    Rate,
}

/// The scheduler of a world.
pub(crate) struct Under {
    pub(crate) inner: Box<dyn Scheduler>,
    pub(crate) manner: Manner,
    /// The order in which it starts jobs, if the model knows it.
    pub(crate) order: Option<Order>,
}

pub(crate) struct World {
    rng: SplitMix64,
    /// For what the first lives did not have.
    later: Option<SplitMix64>,
    /// For the limits of jobs with one key.
    limited: Option<SplitMix64>,
    limits: Vec<LimitSettings>,
    /// Of lives in which memory runs short.
    pressed: Option<SplitMix64>,
    /// The same for limits of time, which came later still.
    times: Option<SplitMix64>,
    has_few_rules: bool,
    now: MonoTime,
    dispatch: Dispatch,
    pub(crate) model: Model,
    unfinished: Unfinished,
    /// Told to end, and not ended yet.
    stopped: Vec<Lease>,
    unanswered: Vec<(BatchKey, u32)>,
    old_leases: Vec<Lease>,
    sink_is_stuck: bool,
    /// Where its batches outlive it: what writes down what is decided.
    recorder: Option<Recorder>,
    /// What is still to be said of batches that it takes over.
    openings: VecDeque<Event>,
    pub(crate) doctor: Option<Doctor>,
    pub(crate) lie: Option<Lie>,
    /// Why jobs wait, where somebody wants to know.
    pub(crate) reasons: Option<BTreeSet<&'static str>>,
    /// Events and effects, where somebody wants to read them.
    pub(crate) trace: Option<Vec<String>>,
    /// Ends that were decided the short way.
    pub(crate) shortcuts: u32,
}

impl World {
    pub(crate) fn new(seed: u64, Under { inner, manner, order }: Under) -> Self {
        let mut rng = SplitMix64::new(seed);
        let mut settings = settings(1 + rng.small(6));
        settings.unanswered_limit = NonZeroU64::MIN.saturating_add(rng.below(12));
        settings.parked_limit = NonZeroUsize::MIN.saturating_add(if rng.one_in(3) { 2 } else { 999 });
        let pressed = chance::is_pressed(seed);
        if pressed {
            settings.resources = chance::resources(seed);
        }
        let order = order.filter(|_| !pressed);
        let mannered = Mannered::new(inner, manner, rng.bits());
        let (last, unfinished) = (mannered.last.clone(), mannered.unfinished.clone());
        let mut limited = chance::is_limited(seed).then(|| SplitMix64::new(seed.rotate_left(32)));
        let limits = limited.as_mut().map(limits::some).unwrap_or_default();
        let trust = Trust { tokens: matches!(manner, Manner::Honest | Manner::Waits | Manner::Lags) };
        Self {
            dispatch: Dispatch::new(settings, Box::new(mannered)).with_limits(limits.clone()),
            model: Model::new(settings, trust, order, last).with_limits(PlainLimits::new(limits.clone())),
            limited,
            limits,
            unfinished,
            rng,
            later: chance::is_later(seed).then(|| SplitMix64::new(!seed)),
            pressed: pressed.then(|| SplitMix64::new(seed.rotate_left(32))),
            times: chance::is_timed(seed).then(|| SplitMix64::new(seed.rotate_left(16))),
            has_few_rules: chance::has_few_rules(seed),
            // For jobs with limits there is a moment before the first.
            now: MonoTime::from_nanos(if chance::is_limited(seed) { 1_000 } else { 0 }),
            stopped: Vec::new(),
            unanswered: Vec::new(),
            old_leases: Vec::new(),
            sink_is_stuck: false,
            recorder: None,
            openings: VecDeque::new(),
            doctor: None,
            lie: None,
            reasons: None,
            trace: None,
            shortcuts: 0,
        }
    }

    /// Has every end decided the long way.
    pub(crate) fn without_shortcuts(mut self) -> Self {
        self.dispatch.take_shortcuts(false);
        self
    }

    /// Lives through `steps` random events, then lets everything end.
    pub(crate) fn live(&mut self, steps: u32) -> Result<(), String> {
        self.live_on(steps)?;
        self.settle()
    }

    /// The same, without the end.
    pub(crate) fn live_on(&mut self, steps: u32) -> Result<(), String> {
        self.open()?;
        for _ in 0..steps {
            self.something_happens()?;
        }
        Ok(())
    }

    pub(crate) fn something_happens(&mut self) -> Result<(), String> {
        if self.rng.one_in(3) {
            self.now = self.now + Duration::from_micros(self.rng.below(4_000));
        }
        if self.model.alarm().is_some_and(|alarm| alarm <= self.now) && !self.rng.one_in(4) {
            return self.step(Event::TimerFired);
        }
        if self.limited.as_mut().is_some_and(|limited| limited.one_in(30)) {
            return self.change_a_limit();
        }
        if self.is_time_to_look() {
            return self.look();
        }
        match self.rng.below(100) {
            0..50 => self.end_an_attempt(),
            50..75 => self.answer(),
            75..80 => self.accept_or_seal(),
            80..83 => self.open(),
            _ => self.something_rare(),
        }
    }

    fn something_rare(&mut self) -> Result<(), String> {
        let Some(batch) = self.some_batch() else { return self.open() };
        match self.rng.below(40) {
            0..6 => {
                let limit = at_least_1(1 + self.rng.small(8));
                self.step(Event::LimitChanged { limit, why: None })
            }
            6..12 => self.cancel_jobs(batch),
            12 => self.step(Event::CancelRequested { batch, jobs: None }),
            13..21 => {
                let paused = self.rng.one_in(2);
                self.step(Event::PauseRequested { batch, paused })
            }
            21 if !self.is_durable() => self.step(Event::DeliveryFailed { batch, message: "the disk is gone".into() }),
            22..25 => self.step(Event::TimerFired),
            25..30 => {
                self.sink_is_stuck = !self.sink_is_stuck;
                Ok(())
            }
            30 if self.rng.one_in(6) => self.step(Event::DrainRequested),
            31 if self.rng.one_in(8) => {
                let how = self.rng.pick(&[CancelReason::Stop, CancelReason::Kill]);
                self.step(Event::StopRequested { how })
            }
            _ => self.end_a_void_attempt(),
        }
    }

    fn some_batch(&mut self) -> Option<BatchKey> {
        let open: Vec<u32> = self.model.batches.keys().copied().collect();
        (!open.is_empty()).then(|| BatchKey(self.rng.pick(&open)))
    }

    pub(crate) fn step(&mut self, event: Event) -> Result<(), String> {
        let mut effects = Vec::new();
        let goes_on = going_on(&event);
        self.model.before(self.now, &event);
        let told = self.trace.is_some().then(|| format!("{:?} {event:?}", self.now));
        self.dispatch.step(self.now, event, &mut effects);
        self.shortcuts += u32::from(self.dispatch.took_a_shortcut());
        if let Some(doctor) = &mut self.doctor {
            doctor(&mut effects);
        }
        if let (Some(trace), Some(told)) = (&mut self.trace, told) {
            trace.push(format!("{told}\n    => {effects:?}"));
        }
        self.model.after(self.now, &effects, &self.dispatch)?;
        if let Some(reasons) = &mut self.reasons {
            let batches = self.model.batches.keys().map(|key| BatchKey(*key));
            let shares = batches.flat_map(|batch| self.dispatch.census(batch, self.now));
            reasons.extend(shares.map(|share| share.reason.name()));
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.takes(self.now, &effects, goes_on, self.model.live.values())?;
        }
        for effect in effects {
            match effect {
                Effect::Start(start) => self.old_leases.push(start.lease),
                Effect::Record(record) if !self.is_durable() => self.unanswered.push((record.batch, record.index)),
                Effect::Stop { lease, .. } => self.stopped.push(lease),
                _ => {}
            }
        }
        Ok(())
    }

    fn accept(&mut self, batch: BatchKey) -> Result<(), String> {
        let mut jobs: Vec<NewJob> = (0..self.rng.below(20)).map(|_| self.new_job()).collect();
        // Some are like the one before them instead, and come as one with it.
        let mut alike = SplitMix64::new(self.now.as_nanos());
        jobs.dedup_by(|_, before| {
            let goes_on = alike.one_in(5);
            before.many = before.many.saturating_add(goes_on.into());
            goes_on
        });
        self.step(Event::JobsAccepted { batch, jobs })?;
        // Others are like some that came earlier.
        let known = self.model.batches.get(&batch.0).map_or(&[][..], |batch| &batch.jobs);
        let plain = (0..).zip(known).filter(|(_, job)| job.new.after.is_none() && job.new.past == Past::None);
        let plain: Vec<u32> = plain.map(|(place, _)| place).collect();
        if plain.is_empty() || alike.one_in(2) {
            return Ok(());
        }
        let like = (0..alike.below(8)).map(|_| alike.pick(&plain)).collect();
        self.step(Event::JobsAlike { batch, like })
    }

    fn accept_or_seal(&mut self) -> Result<(), String> {
        if let Some(opening) = self.openings.pop_front() {
            return self.step(opening);
        }
        let unsealed = self.model.batches.iter().find(|(_, batch)| !batch.sealed).map(|(key, _)| BatchKey(*key));
        match unsealed {
            Some(_) if self.is_durable() => Ok(()),
            Some(batch) if self.rng.one_in(3) => self.accept(batch),
            Some(batch) => self.step(Event::Sealed { batch }),
            None => Ok(()),
        }
    }

    fn cancel_jobs(&mut self, batch: BatchKey) -> Result<(), String> {
        let many = self.model.batches[&batch.0].jobs.len();
        let many = u32::try_from(many).expect("a few");
        let jobs = (0..self.rng.below(9)).map(|_| self.rng.small(many + 2)).collect();
        self.step(Event::CancelRequested { batch, jobs: Some(jobs) })
    }

    fn answer(&mut self) -> Result<(), String> {
        if self.is_durable() && !self.sink_is_stuck {
            return self.write(None);
        }
        if self.sink_is_stuck || self.unanswered.is_empty() {
            return Ok(());
        }
        let (batch, index) = self.rng.pick(&self.unanswered);
        let mut jobs = vec![index];
        if self.rng.one_in(2) {
            jobs.extend(self.unanswered.iter().filter(|(other, _)| *other == batch).map(|(_, index)| *index));
        }
        // Now and then an answer comes again: it stays in the list.
        if !self.rng.one_in(10) {
            self.unanswered.retain(|(other, index)| *other != batch || !jobs.contains(index));
        }
        self.step(Event::Answered { batch, jobs })
    }

    fn end_an_attempt(&mut self) -> Result<(), String> {
        let live: Vec<Lease> = self.model.live.values().copied().collect();
        if live.is_empty() {
            return Ok(());
        }
        let lease = self.rng.pick(&live);
        let told = self.stopped.contains(&lease);
        let outcome = match (told, self.rng.below(20)) {
            (true, 0..8) => Outcome::Stopped,
            // It takes no notice yet.
            (true, 9..12) => return Ok(()),
            (_, 0..9) => Outcome::Succeeded,
            (_, 9..17) => Outcome::Failed(Box::new(self.failure())),
            (_, 17) => Outcome::Stopped,
            // The loss of a worker is not written down.
            _ if self.is_durable() => Outcome::Succeeded,
            _ => Outcome::Lost,
        };
        self.end(lease, outcome)
    }

    fn end(&mut self, lease: Lease, outcome: Outcome) -> Result<(), String> {
        self.note_stop(lease, &outcome);
        let draw = Draw::from_bits(self.rng.bits());
        let usage = self.usage();
        self.step(Event::AttemptEnded { lease, outcome, usage, draw })
    }

    /// An attempt ends whose lease is long void, or was never given.
    fn end_a_void_attempt(&mut self) -> Result<(), String> {
        if self.old_leases.is_empty() {
            return Ok(());
        }
        let mut lease = self.rng.pick(&self.old_leases);
        if self.rng.one_in(3) {
            lease.epoch += 1 + self.rng.small(3);
        }
        if self.model.live.get(&lease.slot.0) == Some(&lease) {
            return Ok(());
        }
        self.end(lease, Outcome::Succeeded)
    }
}

/// The job whose attempt goes on if it starts now: it failed, and no retry begins at once.
fn going_on(event: &Event) -> Option<Lease> {
    match event {
        Event::AttemptEnded { lease, outcome: Outcome::Failed(_), .. } => Some(*lease),
        _ => None,
    }
}

/// Whether some job of the world is in a state that `of` recognises; for tests of the tests.
pub(crate) fn some_job(world: &World, of: impl Fn(At) -> bool) -> bool {
    world.model.batches.values().flat_map(|batch| &batch.jobs).any(|job| of(job.at))
}
