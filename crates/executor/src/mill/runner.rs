//! Tasks that run attempts.
//!
//! A runner holds a *hand* of starts. It runs one after the other, and whatever ended without waiting is told to dispatch
//! under one lock, which also brings the starts that follow: so a lock, and a trip of dispatch's state from core to core,
//! is paid once a hand and not once a job.
//!
//! A start in a hand waits for those before it. So a hand is small, and only as large as it may be: it grows by one
//! with each hand that ended at once and quickly, falls back to what would have been quick when it was not, and to one start
//! as soon as an attempt waits for something. Whatever was not begun by then goes to other runners before anything else
//! happens; the runner itself stays with the attempt that waits. And no hand holds more than its core's share of what runs,
//! so that ten attempts at once are never all on one core.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use batchmill_core::{CancelSignal, Draw, JobResult, MonoTime, Outcome, fault};
use batchmill_dispatch::{Record, Short, Start};
use tokio::sync::Notify;

use crate::{AttemptReport, Workload, meters::Tally};

use super::{
    Shared,
    attempt::{self, Timer},
    batch::OpenBatch,
    delivery::result,
    draws::Draws,
};

/// Starts in a hand, at most.
const HAND: usize = 16;

/// A hand that took longer does not grow, and one that does is broken off: what is left of it can run elsewhere.
const HAND_TIME: Duration = Duration::from_micros(20);

/// Results that a runner keeps while its jobs end without waiting.
const LOT: usize = 128;

/// Those for which it has room at first: runners whose attempts wait hand over each by itself, and there are thousands of them.
const LOT_AT_FIRST: usize = 4;

/// Attempts that end without waiting before the runner lets other tasks of its thread run.
const TURNS: usize = 128;

/// A start with all it needs.
pub(super) struct Work<W> {
    pub(super) start: Start,
    pub(super) batch: Arc<OpenBatch<W>>,
    /// That of its slot.
    pub(super) signal: CancelSignal,
    /// Whether the start log of its batch knows it.
    pub(super) is_logged: bool,
}

/// An attempt that has ended.
pub(super) struct End {
    pub(super) at: MonoTime,
    pub(super) ran: Duration,
    /// For the jitter of its retry.
    pub(super) draw: Draw,
}

/// A place in a hand: a start, or an attempt that has ended, with what is used again for the next one.
pub(super) struct Seat<W> {
    pub(super) work: Option<Work<W>>,
    /// Of its attempt, until dispatch is told.
    pub(super) end: Option<End>,
    /// How it ended: written there once, because it is larger than all else that a fast attempt costs to hand on.
    pub(super) report: AttemptReport,
    /// Of the job that ended by it, until it is put into words without the lock.
    pub(super) record: Option<Record>,
    /// What its end has led to.
    pub(super) short: Short,
    /// Whose record that is, if not that of `work`.
    pub(super) left: Option<Arc<OpenBatch<W>>>,
}

impl<W> Seat<W> {
    fn new(work: Work<W>) -> Self {
        let report = AttemptReport::ended(None, Outcome::Stopped);
        Self { work: Some(work), end: None, report, record: None, short: Short::Untold, left: None }
    }

    /// Whether an attempt has ended here and dispatch is not told yet.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some() && self.work.is_some()
    }

    /// Whether it succeeded, if one has.
    pub(super) fn has_succeeded(&self) -> bool {
        matches!(self.report.outcome, Outcome::Succeeded)
    }

    /// Takes the start that was not begun. What is still to be told of the attempt before it stays.
    pub(super) fn leave(&mut self) -> Option<Work<W>> {
        let work = self.work.take()?;
        if self.record.is_some() {
            self.left.get_or_insert_with(|| work.batch.clone());
        }
        Some(work)
    }
}

/// Starts that a runner holds, and how many it may.
pub(super) struct Hand<W> {
    pub(super) seats: Vec<Seat<W>>,
    /// How many starts it may hold.
    pub(super) reach: usize,
    /// Whether the roster knows it as one of several starts.
    pub(super) is_several: bool,
}

impl<W> Hand<W> {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { seats: Vec::with_capacity(1), reach: 1, is_several: false }
    }

    pub(super) fn held(&self) -> usize {
        self.seats.iter().filter(|seat| seat.work.is_some()).count()
    }

    pub(super) fn add(&mut self, work: Work<W>) {
        match self.seats.iter_mut().find(|seat| seat.work.is_none()) {
            Some(seat) => seat.work = Some(work),
            None => self.seats.push(Seat::new(work)),
        }
    }
}

/// Results of one batch that are not handed over yet.
struct Outbox<W> {
    batch: Option<Arc<OpenBatch<W>>>,
    results: Vec<JobResult>,
}

impl<W: Workload> Outbox<W> {
    /// Puts the end of a seat's last attempt into words.
    fn collect(&mut self, shared: &Arc<Shared<W>>, seat: &mut Seat<W>) {
        if let Some(record) = seat.record.take()
            && let Some(batch) = seat.left.as_ref().or(seat.work.as_ref().map(|work| &work.batch))
        {
            self.open_for(shared, batch);
            let (id, output) = (seat.report.id.take(), seat.report.output.take());
            self.results.push(result(&shared.clock, batch, record, id, output));
        }
        seat.left = None;
    }

    fn open_for(&mut self, shared: &Arc<Shared<W>>, batch: &Arc<OpenBatch<W>>) {
        if self.batch.as_ref().is_none_or(|known| known.key != batch.key) {
            self.hand_over(shared);
            self.batch = Some(batch.clone());
        }
        if self.results.len() == self.results.capacity() {
            let room = if self.results.is_empty() { LOT_AT_FIRST } else { LOT };
            self.results.reserve_exact(room);
        }
    }

    fn hand_over(&mut self, shared: &Arc<Shared<W>>) {
        match &self.batch {
            Some(batch) if batch.starts.is_some() && !self.results.is_empty() => {
                shared.push_counted(&batch.outlet, &mut self.results);
            }
            Some(batch) => batch.outlet.push_all(&mut self.results),
            None => {}
        }
    }
}

/// What a runner carries from attempt to attempt, so that nothing is made anew.
struct Runner<W> {
    call: Arc<Notify>,
    hand: Hand<W>,
    outbox: Outbox<W>,
    timer: Timer,
    draws: Draws,
    tally: Arc<Mutex<Tally>>,
    turns: usize,
    /// Starts of a hand that are about to be logged, as slots and places.
    starts: Vec<(u32, u64)>,
}

/// Runs starts whenever it is called, until the mill is gone.
pub(super) async fn run<W: Workload>(shared: Weak<Shared<W>>, call: Arc<Notify>, tally: Arc<Mutex<Tally>>) {
    let mut runner = Runner {
        call,
        hand: Hand::new(),
        outbox: Outbox { batch: None, results: Vec::new() },
        timer: Timer::default(),
        draws: Draws::new(),
        tally,
        turns: 0,
        starts: Vec::new(),
    };
    loop {
        runner.call.notified().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.lock().answer(&shared, &runner.call, &mut runner.hand);
        while runner.hand.held() > 0 {
            runner.run_hand(&shared).await;
            runner.settle(&shared);
            runner.let_others_run(&shared).await;
        }
        // A batch is kept by nobody who does nothing for it.
        runner.outbox.batch = None;
    }
}

impl<W: Workload> Runner<W> {
    /// Runs the starts of its hand, until one waits or takes long. All that ran have ended then.
    async fn run_hand(&mut self, shared: &Arc<Shared<W>>) {
        let Self { hand: Hand { seats, reach, is_several }, outbox, timer, draws, tally, turns, starts, .. } = self;
        log_starts(seats, starts);
        let began = shared.clock.now();
        let (mut started, mut ran) = (began, 0);
        for place in 0..seats.len() {
            let (before, rest) = seats.split_at_mut(place);
            let [seat, after @ ..] = rest else { return };
            let Some(work) = &seat.work else { continue };
            let mut waited = false;
            let before_waiting = || {
                waited = true;
                part(shared, (before, after), is_several, (&mut *outbox, &**tally));
            };
            attempt::run(shared, work, started, timer, &mut seat.report, before_waiting).await;
            let now = shared.clock.now();
            seat.end = Some(End { at: now, ran: now - started, draw: draws.next() });
            *turns += 1;
            if waited || now - began > HAND_TIME {
                *reach = if waited { 1 } else { ran.max(1) };
                return;
            }
            (started, ran) = (now, ran + 1);
        }
        *reach = HAND.min(*reach + 1);
    }

    /// Tells dispatch all that has ended, and takes what follows. Without a start in its hand it waits for a call.
    fn settle(&mut self, shared: &Arc<Shared<W>>) {
        count(shared, &self.hand.seats, &self.tally);
        let mut brain = shared.lock();
        brain.take_ends(shared, &mut self.hand.seats);
        brain.deal(shared, &mut self.hand);
        let is_idle = self.hand.held() == 0;
        if is_idle {
            brain.rest(&self.call);
        }
        drop(brain);
        for seat in &mut self.hand.seats {
            self.outbox.collect(shared, seat);
        }
        if is_idle || self.outbox.results.len() >= LOT {
            self.outbox.hand_over(shared);
        }
    }

    /// Lets other tasks of the thread run now and then, and other starts than its own.
    async fn let_others_run(&mut self, shared: &Arc<Shared<W>>) {
        if self.turns < TURNS || self.hand.held() == 0 {
            return;
        }
        self.turns = 0;
        self.outbox.hand_over(shared);
        shared.lock().rotate(shared, &mut self.hand);
        tokio::task::yield_now().await;
        if self.hand.held() == 0 {
            shared.lock().answer(shared, &self.call, &mut self.hand);
        }
    }
}

/// Tells the start logs of durable batches what a hand is about to run: all of it at once, because a word costs more than most
/// attempts that end without waiting. If one of them takes the host down, the few that were to follow look as if they had run
/// too; jobs that were about to take it down for the last time run alone.
fn log_starts<W>(seats: &mut [Seat<W>], starts: &mut Vec<(u32, u64)>) {
    let works = seats.iter_mut().filter_map(|seat| seat.work.as_mut());
    let mut fresh = works.filter(|work| work.batch.starts.is_some() && !work.is_logged).peekable();
    while let Some(work) = fresh.next() {
        work.is_logged = true;
        starts.push((work.start.lease.slot.0, work.start.lease.index.into()));
        if fresh.peek().is_some_and(|next| Arc::ptr_eq(&next.batch, &work.batch)) {
            continue;
        }
        if let Some(log) = &work.batch.starts {
            fault::point("start.before-log");
            log.started_all(starts);
            fault::point("start.after-log");
        }
        starts.clear();
    }
}

/// Before an attempt waits: what ended before it is told, and what comes after it in its hand goes to other runners.
fn part<W: Workload>(
    shared: &Arc<Shared<W>>,
    (ended, rest): (&mut [Seat<W>], &mut [Seat<W>]),
    is_several: &mut bool,
    (outbox, tally): (&mut Outbox<W>, &Mutex<Tally>),
) {
    if ended.iter().chain(&*rest).any(|seat| seat.work.is_some()) {
        count(shared, ended, tally);
        let mut brain = shared.lock();
        brain.take_ends(shared, ended);
        brain.give_back(shared, (ended, rest), is_several);
        drop(brain);
        for seat in ended {
            outbox.collect(shared, seat);
        }
    }
    outbox.hand_over(shared);
}

/// Counts attempts that have ended, before anybody is told.
fn count<W: Workload>(shared: &Shared<W>, seats: &[Seat<W>], tally: &Mutex<Tally>) {
    if shared.meters.is_none() {
        return;
    }
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    for seat in seats.iter().filter(|seat| seat.work.is_some()) {
        if let Some(end) = &seat.end {
            tally.attempt(&seat.report.outcome, end.ran);
        }
    }
}
