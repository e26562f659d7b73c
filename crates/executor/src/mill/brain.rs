//! Dispatch, and what carries out its effects, behind one lock.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Instant,
};

use batchmill_core::{CancelReason, CancelSignal, Closing, MonoTime, Outcome, Pause, StartLog, StopReason, Verdict};
use batchmill_dispatch::{BatchKey, Dispatch, Effect, Event, Lease, PluginPanic, Short, SlotId, Start, Turn};
use tokio::task::JoinSet;

use crate::{Workload, meters::Tally};

use super::{
    Phase, Shared,
    attempt::panic_text,
    batch::{BatchEnd, OpenBatch},
    governing::Ends,
    outlet::Decided,
    roster::Roster,
    runner::{End, Seat, Work},
    watched,
};

/// One decision in so many is timed.
const TIMED_ONE_IN: usize = 64;

pub(super) struct Brain<W: Workload> {
    pub(super) dispatch: Dispatch,
    pub(super) draining: bool,
    /// Whether a decision panicked.
    pub(super) broken: bool,
    /// Answers of the scheduler that broke its contract, as far as they are told.
    scheduler_faults: u64,
    /// Batches whose delivery is not closed.
    pub(super) open: usize,
    batches: Vec<Option<Arc<OpenBatch<W>>>>,
    /// Whether there ever was a batch with a start log: without, an end of an attempt need not look at its batch, which
    /// other threads write to.
    has_durable: bool,
    /// Slots that came to rest, to be told to the start logs of their batches.
    rested: Vec<(Arc<dyn StartLog>, u32)>,
    /// How to tell the attempt of each slot to end.
    signals: Vec<CancelSignal>,
    pub(super) roster: Roster<W>,
    /// When the alarm goes off.
    pub(super) wake_at: Option<MonoTime>,
    /// Time as dispatch has seen it: it never goes back, although callers read the clock before they get the lock.
    now: MonoTime,
    effects: Vec<Effect>,
    /// What happened since the meters were told, if anybody reads them.
    pub(super) tally: Tally,
    /// The same of each runner: attempts are counted where they end, because a count under this lock would travel from core to core
    /// with it.
    pub(super) tallies: Vec<Arc<Mutex<Tally>>>,
    /// Memory in use as a share of its limit, as it was last seen.
    pub(super) memory_share: Option<f64>,
    /// What happened since a governor was told, if there is one.
    pub(super) ends: Option<Ends>,
    /// Ends of attempts until one is timed again.
    untimed: usize,
    tasks: JoinSet<()>,
}

impl<W: Workload> Brain<W> {
    pub(super) fn new(dispatch: Dispatch, threads: usize) -> Self {
        Self {
            dispatch,
            draining: false,
            broken: false,
            scheduler_faults: 0,
            open: 0,
            batches: Vec::new(),
            has_durable: false,
            rested: Vec::new(),
            signals: Vec::new(),
            roster: Roster::new(threads),
            wake_at: None,
            now: MonoTime::ZERO,
            effects: Vec::new(),
            tally: Tally::default(),
            tallies: Vec::new(),
            memory_share: None,
            ends: None,
            untimed: 0,
            tasks: JoinSet::new(),
        }
    }

    /// Runs a task for as long as the mill is there.
    pub(super) fn spawn(&mut self, shared: &Arc<Shared<W>>, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(watched::of_mill(Arc::downgrade(shared), task), &shared.runtime);
    }

    pub(super) fn batch(&self, key: BatchKey) -> Option<&Arc<OpenBatch<W>>> {
        self.batches.get(key.0 as usize)?.as_ref()
    }

    pub(super) fn add(&mut self, batch: Arc<OpenBatch<W>>) {
        let place = batch.key.0 as usize;
        self.batches.resize_with(self.batches.len().max(place + 1), || None);
        self.has_durable |= batch.starts.is_some();
        self.batches[place] = Some(batch);
        self.open += 1;
    }

    /// The delivery of a batch is closed.
    pub(super) fn closed(&mut self) {
        self.open -= 1;
    }

    pub(super) fn advance(&mut self, now: MonoTime) -> MonoTime {
        self.now = self.now.max(now);
        self.now
    }

    /// Takes an event that comes from no runner.
    pub(super) fn take(&mut self, shared: &Arc<Shared<W>>, event: Event) {
        self.hear_of_end(shared, &event);
        // A pause that dispatch is told of, and so does not tell of.
        let told = if let Event::StorageFull { batch, .. } = event { Some(batch) } else { None };
        let now = self.advance(shared.clock.now());
        let mut effects = std::mem::take(&mut self.effects);
        self.decide(shared, now, event, &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(shared, effect);
        }
        self.effects = effects;
        if let Some(batch) = told {
            self.tell_paused(batch);
        }
    }

    /// Takes the ends of attempts, in their order. The start that follows in the slot of each is put on its seat, and so is
    /// its record, to be put into words without the lock; whatever else follows is carried out here.
    pub(super) fn take_ends(&mut self, shared: &Arc<Shared<W>>, seats: &mut [Seat<W>]) {
        let (mut ends, mut succeeded) = (0_usize, 0);
        for seat in seats.iter_mut() {
            let (Some(end), true) = (&seat.end, seat.work.is_some()) else { continue };
            seat.report.usage.ran = end.ran;
            (seat.short, ends) = (Short::Untold, ends + 1);
            succeeded += usize::from(seat.has_succeeded());
            if let Some(ends) = &mut self.ends {
                ends.count(&seat.report.outcome);
            }
        }
        let before = shared.meters.as_ref().and_then(|meters| self.is_timed(ends).then(|| (meters, Instant::now())));
        let picks_ahead = ends > 1 && self.dispatch.picks_ahead(succeeded == ends);
        if picks_ahead {
            self.dispatch.expect_ends(ends);
        }
        let (mut rest, mut effects) = (seats, std::mem::take(&mut self.effects));
        while let [_, ..] = rest {
            let plain = if succeeded > 0 { self.take_plain_ends(shared, rest, &mut effects) } else { 0 };
            rest = &mut rest[plain..];
            if let [seat, others @ ..] = rest {
                self.take_end(shared, seat, &mut effects);
                rest = others;
            }
        }
        self.effects = effects;
        if picks_ahead && !self.dispatch.is_settled() {
            self.consult(shared, |dispatch, _| dispatch.settle());
        }
        self.tell_of_rest();
        if let Some((meters, before)) = before {
            meters.decision(before.elapsed() / u32::try_from(ends).unwrap_or(1));
        }
    }

    /// Takes the ends of attempts that succeeded, up to the first that can not be decided the short way. How many seats are
    /// done with then.
    fn take_plain_ends(&mut self, shared: &Arc<Shared<W>>, seats: &mut [Seat<W>], effects: &mut Vec<Effect>) -> usize {
        if self.broken {
            return 0;
        }
        let Self { dispatch, signals, now, .. } = self;
        let ended = seats.iter_mut().filter(|seat| seat.has_ended());
        let turns = ended.map_while(|seat| turn(seat, signals, now));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| dispatch.succeeded(turns, effects))) {
            effects.clear();
            self.break_down(shared, &blame(shared, payload));
        }
        let mut taken = 0;
        for seat in seats {
            let (Some(work), true) = (&mut seat.work, seat.end.is_some()) else {
                taken += 1;
                continue;
            };
            match seat.short {
                Short::Untold => break,
                Short::Followed => work.is_logged = false,
                Short::Left => {
                    let lease = work.start.lease;
                    seat.left = seat.work.take().map(|work| work.batch);
                    self.note_rest(lease);
                }
                Short::Otherwise => {
                    let lease = work.start.lease;
                    self.sort_out(shared, lease, seat, effects);
                }
            }
            seat.end = None;
            taken += 1;
        }
        effects.drain(..).for_each(|effect| self.carry_out(shared, effect));
        taken
    }

    /// Takes the end of an attempt that is none of these.
    fn take_end(&mut self, shared: &Arc<Shared<W>>, seat: &mut Seat<W>, effects: &mut Vec<Effect>) {
        let Seat { work, end, report, .. } = &mut *seat;
        let (Some(End { at, draw, .. }), Some(work)) = (end.take(), work) else { return };
        if self.broken {
            // Nothing of it counts, nor of what the decision that panicked had begun.
            (seat.work, seat.record) = (None, None);
            return;
        }
        let lease = work.start.lease;
        if let Some(signal) = renew_signal(&mut self.signals, lease.slot) {
            work.signal = signal;
        }
        let now = self.advance(at);
        let outcome = std::mem::replace(&mut report.outcome, Outcome::Stopped);
        self.decide(shared, now, Event::AttemptEnded { lease, outcome, usage: report.usage, draw }, effects);
        self.sort_out(shared, lease, seat, effects);
    }

    /// Keeps of the effects of an end what its seat goes on with, and carries out the others.
    fn sort_out(&mut self, shared: &Arc<Shared<W>>, lease: Lease, seat: &mut Seat<W>, effects: &mut Vec<Effect>) {
        let goes_on = |effect: &Effect| matches!(effect, Effect::Start(next) if next.lease.slot == lease.slot && next.lease.batch == lease.batch);
        if !effects.iter().any(goes_on) {
            self.note_rest(lease);
        }
        let Some(mut work) = seat.work.take() else { return };
        let mut follows = None;
        for effect in effects.drain(..) {
            match effect {
                Effect::Record(record) if record.batch == lease.batch && record.index == lease.index => {
                    seat.record = Some(record);
                }
                Effect::Start(next) if next.lease.slot == lease.slot => follows = Some(next),
                other => self.carry_out(shared, other),
            }
        }
        match follows {
            Some(next) => {
                if next.lease.batch != lease.batch
                    && let Some(batch) = self.batch(next.lease.batch).cloned()
                {
                    seat.left = Some(std::mem::replace(&mut work.batch, batch));
                }
                (work.start, work.is_logged) = (next, false);
                seat.work = Some(work);
            }
            None => seat.left = Some(work.batch),
        }
    }

    /// Notes the slot of an attempt of a durable batch in which nothing of it runs any more.
    fn note_rest(&mut self, lease: Lease) {
        if self.has_durable
            && let Some(starts) = self.batch(lease.batch).and_then(|batch| batch.starts.clone())
        {
            self.rested.push((starts, lease.slot.0));
        }
    }

    /// Tells the start logs what was noted, all of a batch at once: a word costs more than a decision. Under the lock, because
    /// the next start in a slot may be another batch's, or this one's.
    fn tell_of_rest(&mut self) {
        for of_batch in self.rested.chunk_by(|(one, _), (other, _)| Arc::ptr_eq(one, other)) {
            let slots: Vec<u32> = of_batch.iter().map(|(_, slot)| *slot).collect();
            of_batch[0].0.ended_all(&slots);
        }
        self.rested.clear();
    }

    /// Whether the decisions on so many ends are timed. Reading the clock twice costs more than most decisions take, so one in
    /// many is timed, with those that come in one hand with it: the first, and then each after so many.
    fn is_timed(&mut self, ends: usize) -> bool {
        let is_timed = self.untimed < ends;
        self.untimed = if is_timed { TIMED_ONE_IN.saturating_sub(ends - self.untimed) } else { self.untimed - ends };
        is_timed
    }

    /// Lets dispatch decide on an event. A plugin that panics leaves it between two halves of a decision: going on would be a
    /// guess, so every open batch ends here and nothing is decided any more.
    fn decide(&mut self, shared: &Shared<W>, now: MonoTime, event: Event, effects: &mut Vec<Effect>) {
        if self.broken {
            return;
        }
        let stepped = catch_unwind(AssertUnwindSafe(|| self.dispatch.step(now, event, effects)));
        if let Err(payload) = stepped {
            effects.clear();
            self.break_down(shared, &blame(shared, payload));
        }
    }

    /// Asks dispatch something that its plugins answer, at the moment that its decisions have reached. `None` where nothing
    /// is decided any more.
    pub(super) fn consult<R>(
        &mut self,
        shared: &Shared<W>,
        question: impl FnOnce(&mut Dispatch, MonoTime) -> R,
    ) -> Option<R> {
        if self.broken {
            return None;
        }
        let now = self.advance(shared.clock.now());
        let answer = catch_unwind(AssertUnwindSafe(|| question(&mut self.dispatch, now)));
        answer.map_err(|payload| self.break_down(shared, &blame(shared, payload))).ok()
    }

    pub(super) fn break_down(&mut self, shared: &Shared<W>, message: &str) {
        if self.broken {
            return;
        }
        tracing::error!("{message}; the host can not go on");
        (self.broken, self.draining) = (true, true);
        shared.reach(Phase::Draining);
        for signal in &self.signals {
            signal.cancel(CancelReason::Kill);
        }
        for batch in self.batches.iter_mut().filter_map(Option::take) {
            let counts = self.dispatch.counts(batch.key).unwrap_or_default();
            let retries = self.dispatch.retries(batch.key).unwrap_or_default();
            let verdict = Verdict::HostFailed(message.to_owned());
            if let Some(starts) = &batch.starts {
                // No job took it down.
                starts.stopped();
            }
            batch.outlet.end(BatchEnd { retries, ..BatchEnd::new(verdict, counts) });
        }
    }

    fn carry_out(&mut self, shared: &Arc<Shared<W>>, effect: Effect) {
        match effect {
            Effect::Start(start) => self.start(shared, start),
            Effect::Record(record) => {
                if let Some(batch) = self.batch(record.batch) {
                    batch.outlet.push_record(record);
                }
            }
            Effect::Stop { lease, how } => {
                if let Some(signal) = self.signals.get(lease.slot.0 as usize) {
                    signal.cancel(how);
                }
            }
            Effect::WakeAt(at) => {
                self.wake_at = Some(at);
                shared.alarm.notify_one();
            }
            Effect::Retrying { lease, class, setback, .. } => {
                if shared.meters.is_some() {
                    self.tally.retry(class);
                }
                self.keep(lease.batch, || Decided::Retrying { place: lease.index, setback });
                tracing::debug!(job = lease.index, %class, "the attempt failed and will be repeated");
            }
            Effect::Requeued { lease, setback } => {
                self.keep(lease.batch, || Decided::Retrying { place: lease.index, setback });
                tracing::warn!(job = lease.index, "memory runs short: an attempt was ended, and its job runs again");
            }
            Effect::Closing { batch, closing } => {
                self.keep(batch, || Decided::Closing(closing.clone()));
                if let Closing::Halted(reason) = &closing {
                    self.tell_rule(batch, reason, "stops");
                }
            }
            Effect::Paused { batch, pause } => {
                self.keep(batch, || Decided::Paused(pause.clone()));
                if let Some(Pause::Rule(reason)) = &pause {
                    self.tell_rule(batch, reason, "pauses");
                }
                self.tell_paused(batch);
            }
            Effect::BatchEnded { batch, verdict, counts, retries, left } => {
                self.tell_scheduler_faults();
                if let Some(open) = self.batches[batch.0 as usize].take() {
                    open.outlet.end(BatchEnd { retries, left, ..BatchEnd::new(verdict, *counts) });
                }
            }
            other => tracing::error!(?other, "an effect of dispatch that the executor does not know"),
        }
    }

    /// Leaves a decision to the journal of its batch, if it has one.
    fn keep(&self, batch: BatchKey, decided: impl FnOnce() -> Decided) {
        if let Some(batch) = self.batch(batch).filter(|batch| batch.starts.is_some()) {
            batch.outlet.push_decided(decided());
        }
    }

    /// What the end of the host is to the batches: those whose journal comes late are told to hurry, and attempts that a
    /// kill ends have not taken the host down.
    fn hear_of_end(&mut self, shared: &Shared<W>, event: &Event) {
        let phase = match event {
            Event::DrainRequested => Phase::Draining,
            Event::StopRequested { how: CancelReason::Kill } => Phase::Killing,
            Event::StopRequested { .. } => Phase::Stopping,
            _ => return,
        };
        self.draining = true;
        shared.reach(phase);
        if phase == Phase::Killing {
            self.batches.iter().flatten().filter_map(|batch| batch.starts.as_ref()).for_each(|starts| starts.stopped());
        }
    }

    /// Logs what a rule does to a batch.
    fn tell_rule(&self, batch: BatchKey, reason: &StopReason, action: &str) {
        let id = self.batch(batch).map(|batch| batch.id.to_string());
        if reason.success {
            tracing::info!(batch = id, rule = %reason.rule, "{}: the batch {action}", reason.message);
        } else {
            tracing::warn!(batch = id, rule = %reason.rule, "{}: the batch {action}", reason.message);
        }
    }

    /// What a scheduler gets wrong is passed over, and must not go unseen.
    fn tell_scheduler_faults(&mut self) {
        let faults = self.dispatch.totals().scheduler_faults;
        if faults > self.scheduler_faults {
            let new = faults - self.scheduler_faults;
            tracing::warn!(
                faults = new,
                "the scheduler picked jobs that do not wait, or named moments that had passed"
            );
            self.scheduler_faults = faults;
        }
    }

    /// Tells those who watch a batch what dispatch says about its pause.
    fn tell_paused(&self, key: BatchKey) {
        if let Some(batch) = self.batch(key) {
            batch.paused.send_replace(self.dispatch.paused(key));
        }
    }

    fn start(&mut self, shared: &Arc<Shared<W>>, start: Start) {
        let Some(batch) = self.batch(start.lease.batch).cloned() else { return };
        let slot = start.lease.slot.0 as usize;
        if slot == self.signals.len() {
            self.signals.push(CancelSignal::new());
        }
        let signal = self.signals[slot].clone();
        self.put(shared, Work { start, batch, signal, is_logged: false });
    }
}

/// A seat whose attempt has succeeded, as dispatch takes it.
fn turn<'s, W: Workload>(seat: &'s mut Seat<W>, signals: &mut [CancelSignal], now: &mut MonoTime) -> Option<Turn<'s>> {
    if !seat.has_succeeded() {
        return None;
    }
    let Seat { report, record, short, end: Some(end), work: Some(work), .. } = seat else { return None };
    if let Some(signal) = renew_signal(signals, work.start.lease.slot) {
        work.signal = signal;
    }
    *now = end.at.max(*now);
    Some(Turn { at: *now, usage: &report.usage, start: &mut work.start, record, short })
}

/// Under the lock, because a stop may be raised until the very end: it belongs to the attempt that ended.
fn renew_signal(signals: &mut [CancelSignal], slot: SlotId) -> Option<CancelSignal> {
    /// The runner's own handle and the brain's.
    const HANDLES: usize = 2;
    let signal = &mut signals[slot.0 as usize];
    if signal.is_fresh(HANDLES) {
        return None;
    }
    *signal = CancelSignal::new();
    Some(signal.clone())
}

/// Who panicked, counted and in words.
pub(super) fn blame<W: Workload>(shared: &Shared<W>, payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<PluginPanic>() {
        Ok(panic) => {
            if let Some(meters) = &shared.meters {
                meters.decider_panicked(panic.decider);
            }
            format!("a decision of the {} plugin panicked: {}", panic.decider.as_str(), panic_text(&*panic.payload))
        }
        Err(payload) => format!("a decision panicked: {}", panic_text(&*payload)),
    }
}
