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
pub(super) struct Roster<W> {
    /// The first to be begun is in front.
    starts: VecDeque<Work<W>>,
    /// Those that wait for a call, the last one on top.
    idle: Vec<Arc<Notify>>,
    /// Those that will look for starts without another call.
    called: usize,
    threads: usize,
}

impl<W: Workload> Roster<W> {
    /// For a runtime with so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { starts: VecDeque::new(), idle: Vec::new(), called: 0, threads: threads.max(1) }
    }
}

impl<W: Workload> Brain<W> {
    /// Puts a start where the next runner finds it.
    pub(super) fn put(&mut self, shared: &Arc<Shared<W>>, work: Work<W>) {
        self.roster.starts.push_back(work);
        self.call_runners(shared);
    }

    /// A runner waits for a call.
    pub(super) fn rest(&mut self, runner: &Arc<Notify>) {
        self.roster.idle.push(runner.clone());
    }

    /// A runner that was called looks for starts. If there is none it waits for the next call.
    pub(super) fn answer(&mut self, shared: &Arc<Shared<W>>, runner: &Arc<Notify>, hand: &mut Hand<W>) {
        self.roster.called -= 1;
        self.deal(shared, hand);
        if hand.held() == 0 {
            self.rest(runner);
        }
    }

    /// Fills a hand as far as it may reach, and takes back what is beyond that.
    pub(super) fn deal(&mut self, shared: &Arc<Shared<W>>, hand: &mut Hand<W>) {
        let share = self.dispatch.running() as usize / self.roster.threads;
        let reach = hand.reach.min(share.max(1));
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
        while self.roster.called < self.roster.starts.len().min(self.roster.threads) {
            self.roster.called += 1;
            let runner = self.roster.idle.pop().unwrap_or_else(|| {
                let call = Arc::new(Notify::new());
                let tally = Arc::default();
                self.tallies.push(Arc::clone(&tally));
                self.spawn(shared, runner::run(Arc::downgrade(shared), call.clone(), tally));
                call
            });
            runner.notify_one();
        }
    }
}
