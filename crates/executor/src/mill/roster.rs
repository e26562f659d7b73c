//! Which starts no runner has taken yet, and which runners wait for one.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Notify;

use crate::Workload;

use super::{
    Shared,
    brain::Brain,
    runner::{self, Hand, Seat, Work},
};

/// Starts and runners that wait for each other.
///
/// So many runners are called that every thread finds one while a start waits, and no more: each that takes a start has
/// the next one called. A start that waits is therefore always on its way to a thread, as a task of its own would be, and
/// jobs that end at once are run by a few runners whose memory is warm, however many may run at once.
///
/// Where jobs do next to nothing, a second runner costs more than it brings: the two spend their time handing dispatch's
/// state, the lock before it and each other's wake-ups from core to core. So the first whose hands are all over in no time
/// runs *alone* until one of them is not, and the other cores are left to those who take the results. A thread that is kept
/// by a job after all is noticed: one of the others stands in.
pub(super) struct Roster<W> {
    /// The first to be begun is in front.
    starts: VecDeque<Work<W>>,
    /// Those that wait for a call, the last one on top.
    idle: Vec<Arc<Notify>>,
    /// Those that will look for starts without another call.
    called: usize,
    threads: usize,
    alone: Alone,
}

/// Whether one runner runs everything.
#[derive(Default)]
struct Alone {
    /// Which.
    runner: Option<usize>,
    /// Its hands, and how many there were when somebody last looked.
    hands: u64,
    seen: u64,
    /// Whether somebody looks.
    is_watched: bool,
}

impl<W: Workload> Roster<W> {
    /// For a runtime with so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { starts: VecDeque::new(), idle: Vec::new(), called: 0, threads: threads.max(1), alone: Alone::default() }
    }

    /// How many starts a hand may hold.
    fn reach_of(&mut self, hand: &Hand<W>, running: usize) -> usize {
        let alone = &mut self.alone;
        if hand.is_quick() && self.threads > 1 {
            alone.runner.get_or_insert(hand.runner);
        } else if alone.runner == Some(hand.runner) {
            alone.runner = None;
        }
        match alone.runner {
            Some(runner) if runner == hand.runner => {
                alone.hands += 1;
                hand.reach
            }
            Some(_) => 0,
            None => hand.reach.min((running / self.threads).max(1)),
        }
    }
}

impl<W: Workload> Brain<W> {
    /// Puts a start where the next runner finds it.
    pub(super) fn put(&mut self, shared: &Arc<Shared<W>>, work: Work<W>) {
        self.roster.starts.push_back(work);
        self.call_runners(shared);
    }

    /// A runner waits for a call. Whether it is to look after another one meanwhile, by [`watch`](Self::watch).
    pub(super) fn rest(&mut self, shared: &Arc<Shared<W>>, runner: &Arc<Notify>, hand: &mut Hand<W>) -> bool {
        self.roster.idle.push(runner.clone());
        self.leave_to_others(shared, hand.runner);
        hand.quick = 0;
        let alone = &mut self.roster.alone;
        let is_needed = alone.runner.is_some() && !alone.is_watched;
        if is_needed {
            (alone.is_watched, alone.seen) = (true, alone.hands);
        }
        is_needed
    }

    /// Whether there is still somebody to look after. One whose thread is kept by a job is no longer alone.
    pub(super) fn watch(&mut self, shared: &Arc<Shared<W>>) -> bool {
        let alone = &mut self.roster.alone;
        if alone.runner.is_some() && alone.hands == alone.seen {
            alone.runner = None;
        }
        alone.seen = alone.hands;
        alone.is_watched = alone.runner.is_some();
        let goes_on = alone.is_watched;
        self.call_runners(shared);
        goes_on
    }

    /// It looks after nobody any more.
    pub(super) fn unwatch(&mut self) {
        self.roster.alone.is_watched = false;
    }

    /// A runner will do something else than to run what starts.
    pub(super) fn leave_to_others(&mut self, shared: &Arc<Shared<W>>, runner: usize) {
        if self.roster.alone.runner == Some(runner) {
            self.roster.alone.runner = None;
            self.call_runners(shared);
        }
    }

    /// A runner that was called looks for starts. If there is none it waits for the next call; then whether it is to look
    /// after another one.
    pub(super) fn answer(&mut self, shared: &Arc<Shared<W>>, runner: &Arc<Notify>, hand: &mut Hand<W>) -> bool {
        self.roster.called -= 1;
        self.deal(shared, hand);
        hand.held() == 0 && self.rest(shared, runner, hand)
    }

    /// Fills a hand as far as it may reach, and takes back what is beyond that.
    pub(super) fn deal(&mut self, shared: &Arc<Shared<W>>, hand: &mut Hand<W>) {
        let reach = self.roster.reach_of(hand, self.dispatch.running() as usize);
        let mut held = hand.held();
        for seat in hand.seats.iter_mut().rev() {
            if held > reach
                && let Some(work) = seat.leave()
            {
                self.roster.starts.push_front(work);
                held -= 1;
            }
        }
        while held < reach
            && let Some(work) = self.roster.starts.pop_front()
        {
            hand.add(work);
            held += 1;
        }
        self.call_runners(shared);
    }

    /// Takes back a whole hand: starts that followed on attempts, which go behind all others, and those that were not
    /// begun, which keep their turn.
    pub(super) fn give_back(&mut self, shared: &Arc<Shared<W>>, followed: &mut [Seat<W>], rest: &mut [Seat<W>]) {
        self.roster.starts.extend(followed.iter_mut().filter_map(Seat::leave));
        for work in rest.iter_mut().rev().filter_map(Seat::leave) {
            self.roster.starts.push_front(work);
        }
        self.call_runners(shared);
    }

    /// Takes back a hand whose runner lets others run, if starts wait that may be begun instead. The runner looks again
    /// without being called.
    pub(super) fn rotate(&mut self, shared: &Arc<Shared<W>>, hand: &mut Hand<W>) {
        if !self.roster.starts.is_empty() {
            self.roster.called += 1;
            self.give_back(shared, &mut hand.seats, &mut []);
        }
    }

    fn call_runners(&mut self, shared: &Arc<Shared<W>>) {
        if self.roster.alone.runner.is_some() {
            return;
        }
        while self.roster.called < self.roster.starts.len().min(self.roster.threads) {
            self.roster.called += 1;
            let runner = self.roster.idle.pop().unwrap_or_else(|| {
                let call = Arc::new(Notify::new());
                self.spawn(shared, runner::run(Arc::downgrade(shared), call.clone()));
                call
            });
            runner.notify_one();
        }
    }
}
