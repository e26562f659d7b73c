//! Dispatch, and what carries out its effects, behind one lock.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use batchmill_core::{CancelReason, CancelSignal, Closing, MonoTime, Pause, StopReason, Verdict};
use batchmill_dispatch::{BatchKey, Dispatch, Effect, Event, Lease, PluginPanic, SlotId, Start};
use tokio::task::JoinSet;

use crate::{Workload, meters::Tally};

use super::{
    Shared,
    attempt::panic_text,
    batch::{BatchEnd, OpenBatch},
    slot::{self, Post},
};

/// One decision in so many is timed.
const TIMED_ONE_IN: u32 = 64;

pub(super) struct Brain<W: Workload> {
    pub(super) dispatch: Dispatch,
    pub(super) draining: bool,
    /// Whether a decision panicked.
    broken: bool,
    /// Answers of the scheduler that broke its contract, as far as they are told.
    scheduler_faults: u64,
    /// Batches whose delivery is not closed.
    pub(super) open: usize,
    batches: Vec<Option<Arc<OpenBatch<W>>>>,
    slots: Vec<Place<W>>,
    /// When the alarm goes off.
    pub(super) wake_at: Option<MonoTime>,
    /// Time as dispatch has seen it: it never goes back, although callers read the clock before they get the lock.
    now: MonoTime,
    effects: Vec<Effect>,
    /// What happened since the meters were told, if anybody reads them.
    pub(super) tally: Tally,
    /// Ends of attempts until one is timed again.
    untimed: u32,
    tasks: JoinSet<()>,
}

/// A slot as the brain knows it: where to put its next start, and how to tell its attempt to end.
struct Place<W: Workload> {
    post: Arc<Post<W>>,
    signal: CancelSignal,
}

impl<W: Workload> Brain<W> {
    pub(super) fn new(dispatch: Dispatch) -> Self {
        Self {
            dispatch,
            draining: false,
            broken: false,
            scheduler_faults: 0,
            open: 0,
            batches: Vec::new(),
            slots: Vec::new(),
            wake_at: None,
            now: MonoTime::ZERO,
            effects: Vec::new(),
            tally: Tally::default(),
            untimed: 0,
            tasks: JoinSet::new(),
        }
    }

    /// Runs a task for as long as the mill is there.
    pub(super) fn spawn(&mut self, shared: &Shared<W>, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &shared.runtime);
    }

    pub(super) fn batch(&self, key: BatchKey) -> Option<&Arc<OpenBatch<W>>> {
        self.batches.get(key.0 as usize)?.as_ref()
    }

    pub(super) fn add(&mut self, batch: Arc<OpenBatch<W>>) {
        let place = batch.key.0 as usize;
        self.batches.resize_with(self.batches.len().max(place + 1), || None);
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

    /// Takes an event that comes from no slot.
    pub(super) fn take(&mut self, shared: &Arc<Shared<W>>, event: Event) {
        self.draining |= matches!(event, Event::DrainRequested | Event::StopRequested { .. });
        // Pauses that dispatch is told of, and so does not tell of.
        let told = match event {
            Event::Recalled { batch, .. } | Event::StorageFull { batch, .. } => Some(batch),
            _ => None,
        };
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

    /// Takes the end of an attempt. Effects that belong to its slot, its own record and its next start, are left in
    /// `effects` for the slot to carry out without the lock; whatever else follows is carried out here. Answers with the
    /// signal for the next attempt, where the last one is used up.
    pub(super) fn take_end(
        &mut self,
        shared: &Arc<Shared<W>>,
        lease: Lease,
        event: Event,
        now: MonoTime,
        effects: &mut Vec<Effect>,
    ) -> Option<CancelSignal> {
        let signal = self.renew_signal(lease.slot);
        let now = self.advance(now);
        self.decide_on_end(shared, now, event, effects);
        for other in effects.extract_if(.., |effect| !belongs_to(effect, lease)) {
            self.carry_out(shared, other);
        }
        signal
    }

    /// Counts an end and lets dispatch decide. Reading the clock twice would cost more than most decisions take, so one in
    /// many is timed: the first, and then each after so many.
    fn decide_on_end(&mut self, shared: &Shared<W>, now: MonoTime, event: Event, effects: &mut Vec<Effect>) {
        let before = shared.meters.is_some().then(|| self.count_end(&event)).flatten();
        self.decide(shared, now, event, effects);
        if let (Some(meters), Some(before)) = (&shared.meters, before) {
            meters.decision(before.elapsed());
        }
    }

    /// Counts an end, and looks at the clock if its decision is timed.
    fn count_end(&mut self, event: &Event) -> Option<Instant> {
        if let Event::AttemptEnded { outcome, usage, .. } = event {
            self.tally.attempt(outcome, usage.ran);
        }
        let is_timed = self.untimed == 0;
        self.untimed = if is_timed { TIMED_ONE_IN - 1 } else { self.untimed - 1 };
        is_timed.then(Instant::now)
    }

    /// Lets dispatch decide. A plugin that panics leaves it between two halves of a decision: going on would be a guess,
    /// so every open batch ends here and nothing is decided any more.
    fn decide(&mut self, shared: &Shared<W>, now: MonoTime, event: Event, effects: &mut Vec<Effect>) {
        if self.broken {
            return;
        }
        let stepped = catch_unwind(AssertUnwindSafe(|| self.dispatch.step(now, event, effects)));
        if let Err(payload) = stepped {
            effects.clear();
            self.break_down(&blame(shared, payload));
        }
    }

    fn break_down(&mut self, message: &str) {
        tracing::error!("{message}; the host can not go on");
        (self.broken, self.draining) = (true, true);
        for place in &self.slots {
            place.signal.cancel(CancelReason::Kill);
        }
        for batch in self.batches.iter_mut().filter_map(Option::take) {
            let counts = self.dispatch.counts(batch.key).unwrap_or_default();
            let retries = self.dispatch.retries(batch.key).unwrap_or_default();
            let verdict = Verdict::HostFailed(message.to_owned());
            batch.outlet.end(BatchEnd { retries, ..BatchEnd::new(verdict, counts) });
        }
    }

    /// Under the lock, because a stop may be raised until the very end: it belongs to the attempt that ended.
    fn renew_signal(&mut self, slot: SlotId) -> Option<CancelSignal> {
        /// The slot's own handle and the brain's.
        const HANDLES: usize = 2;
        let place = &mut self.slots[slot.0 as usize];
        if place.signal.is_fresh(HANDLES) {
            return None;
        }
        place.signal = CancelSignal::new();
        Some(place.signal.clone())
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
                if let Some(place) = self.slots.get(lease.slot.0 as usize) {
                    place.signal.cancel(how);
                }
            }
            Effect::WakeAt(at) => {
                self.wake_at = Some(at);
                shared.alarm.notify_one();
            }
            Effect::Retrying { lease, class, .. } => {
                if shared.meters.is_some() {
                    self.tally.retry(class);
                }
                tracing::debug!(job = lease.index, %class, "the attempt failed and will be repeated");
            }
            Effect::Closing { batch, closing } => {
                if let Closing::Halted(reason) = &closing {
                    self.tell_rule(batch, reason, "stops");
                }
            }
            Effect::Paused { batch, pause } => {
                if let Some(Pause::Rule(reason)) = &pause {
                    self.tell_rule(batch, reason, "pauses");
                }
                self.tell_paused(batch);
            }
            Effect::BatchEnded { batch, verdict, counts, retries, left } => {
                self.tell_scheduler_faults();
                if let Some(open) = self.batches[batch.0 as usize].take() {
                    open.outlet.end(BatchEnd { verdict, counts, retries, left });
                }
            }
            other => tracing::error!(?other, "an effect of dispatch that the executor does not know"),
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
        let SlotId(slot) = start.lease.slot;
        if slot as usize == self.slots.len() {
            let (post, signal) = (Arc::new(Post::default()), CancelSignal::new());
            self.slots.push(Place { post: post.clone(), signal: signal.clone() });
            self.spawn(shared, slot::run(Arc::downgrade(shared), post, signal));
        }
        self.slots[slot as usize].post.put(start, batch);
    }
}

/// Whether the slot whose attempt ended carries it out itself.
fn belongs_to(effect: &Effect, lease: Lease) -> bool {
    match effect {
        Effect::Start(start) => start.lease.slot == lease.slot,
        Effect::Record(record) => record.batch == lease.batch && record.index == lease.index,
        _ => false,
    }
}

/// Who panicked, counted and in words.
fn blame<W: Workload>(shared: &Shared<W>, payload: Box<dyn Any + Send>) -> String {
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
