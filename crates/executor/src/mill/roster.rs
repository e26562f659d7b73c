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
/// What took a moment too long is taken from its hand and goes to other runners, so there come to be more hands than threads,
/// each a part of what it may be; but a hand costs one lock, be it large or small. Where every thread has another hand that
/// is run, a runner that lets others run leaves its part to them: ten at a time ended a sixth faster by it.
pub(super) struct Roster<W> {
    /// The first to be begun is in front.
    starts: VecDeque<Work<W>>,
    /// Those that wait for a call, the last one on top.
    idle: Vec<Arc<Notify>>,
    /// Those that will look for starts without another call.
    called: usize,
    /// Hands of several starts: their runners do not wait for an attempt.
    several: usize,
    threads: usize,
}

impl<W: Workload> Roster<W> {
    /// For a runtime with so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self { starts: VecDeque::new(), idle: Vec::new(), called: 0, several: 0, threads: threads.max(1) }
    }

    /// Takes note of whether a hand holds several starts.
    fn note(&mut self, is_known: &mut bool, holds_several: bool) {
        self.several -= usize::from(*is_known);
        self.several += usize::from(holds_several);
        *is_known = holds_several;
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
        let reach = self.reach(hand);
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
        self.roster.note(&mut hand.is_several, held > 1);
        self.call_runners(shared);
    }

    /// How many starts a hand may hold now.
    fn reach(&self, hand: &Hand<W>) -> usize {
        let share = self.dispatch.running() as usize / self.roster.threads;
        hand.reach.min(share.max(1))
    }

    /// Takes back a whole hand: starts that followed on attempts, which go behind all others, and those that were not
    /// begun, which keep their turn. `is_several` is what is known of it.
    pub(super) fn give_back(
        &mut self,
        shared: &Arc<Shared<W>>,
        (followed, rest): (&mut [Seat<W>], &mut [Seat<W>]),
        is_several: &mut bool,
    ) {
        self.take_back((followed, rest), is_several);
        self.call_runners(shared);
    }

    fn take_back(&mut self, (followed, rest): (&mut [Seat<W>], &mut [Seat<W>]), is_several: &mut bool) {
        self.roster.note(is_several, false);
        self.roster.starts.extend(followed.iter_mut().filter_map(Seat::leave));
        for work in rest.iter_mut().rev().filter_map(Seat::leave) {
            self.roster.starts.push_front(work);
        }
    }

    /// Takes back a hand whose runner lets others run, if starts wait that may be begun instead, or if it is a part of what it may
    /// be and there are enough others. The runner looks again without being called.
    pub(super) fn rotate(&mut self, shared: &Arc<Shared<W>>, hand: &mut Hand<W>) {
        let Roster { starts, several, threads, .. } = &self.roster;
        let (waits, others) = (!starts.is_empty(), several - usize::from(hand.is_several));
        if waits || (others >= *threads && hand.held() < self.reach(hand)) {
            self.roster.called += 1;
            self.take_back((&mut hand.seats, &mut []), &mut hand.is_several);
        }
        // Nobody else is called for a part: whoever looks for starts first takes it, and that this runner does anyway.
        if waits {
            self.call_runners(shared);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mill::{
        fixture::{Endless, running},
        locked::Locked,
    };

    /// A runtime of one thread polls no runner while a test looks.
    fn two_threads(brain: &mut Locked<'_, Endless>) {
        brain.roster.threads = 2;
    }

    /// Hands that got so many starts each and may hold more now.
    fn hands<const N: usize>(
        brain: &mut Locked<'_, Endless>,
        shared: &Arc<Shared<Endless>>,
        held: [usize; N],
    ) -> [Hand<Endless>; N] {
        held.map(|held| {
            let mut hand = Hand::new();
            hand.reach = held;
            brain.deal(shared, &mut hand);
            assert_eq!(hand.held(), held);
            hand.reach = 16;
            hand
        })
    }

    #[tokio::test]
    async fn a_part_of_a_hand_goes_to_the_hands_of_all_threads() {
        let (mill, _batch) = running(10, 10);
        let (shared, mut brain) = (&mill.0, mill.0.lock());
        two_threads(&mut brain);
        let [mut part, mut first, mut second] = hands(&mut brain, shared, [3, 5, 2]);
        brain.rotate(shared, &mut first);
        assert_eq!(first.held(), 5, "it is as large as it may be");
        brain.rotate(shared, &mut part);
        assert_eq!(part.held(), 0);
        brain.deal(shared, &mut first);
        brain.deal(shared, &mut second);
        assert_eq!((first.held(), second.held()), (5, 5));
        let (called, idle) = (brain.roster.called, brain.roster.idle.len());
        brain.answer(shared, &Arc::new(Notify::new()), &mut part);
        assert_eq!((part.held(), brain.roster.called, brain.roster.idle.len()), (0, called - 1, idle + 1), "it rests");
    }

    #[tokio::test]
    async fn a_part_that_nobody_took_comes_back() {
        let (mill, _batch) = running(10, 10);
        let (shared, mut brain) = (&mill.0, mill.0.lock());
        two_threads(&mut brain);
        let [mut part, _first, _second] = hands(&mut brain, shared, [3, 5, 2]);
        brain.rotate(shared, &mut part);
        brain.answer(shared, &Arc::new(Notify::new()), &mut part);
        assert_eq!(part.held(), 3);
    }

    #[tokio::test]
    async fn no_thread_loses_its_only_hand() {
        let (mill, _batch) = running(10, 10);
        let (shared, mut brain) = (&mill.0, mill.0.lock());
        two_threads(&mut brain);
        // A start alone may be one that waits.
        let [mut part, mut waits, mut other, _alone] = hands(&mut brain, shared, [3, 4, 2, 1]);
        let Hand { seats, is_several, .. } = &mut waits;
        let (before, after) = seats.split_at_mut(1);
        brain.give_back(shared, (&mut [], after), is_several);
        assert_eq!(before.len(), 1);
        brain.deal(shared, &mut other);
        brain.rotate(shared, &mut part);
        assert_eq!(part.held(), 3, "one other hand is run, and there are two threads");
    }
}
