//! The last of what is recorded, kept in memory for feeds that keep up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use batchmill_core::{JobResult, Position};
use tokio::sync::watch;

/// Results that are kept for feeds that are behind; who is further behind reads the journal.
const RESULTS: usize = 4096;

/// A ring of groups. One recorder adds, each feed follows.
#[derive(Debug)]
pub(super) struct Tail {
    state: Mutex<State>,
    /// Told of each change.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    groups: VecDeque<Recorded>,
    results: usize,
    /// Behind the last result that is recorded.
    upto: Position,
    total: u64,
    /// How far each feed has got; `None` for one that takes nothing any more.
    feeds: Vec<Option<Position>>,
    over: bool,
}

/// A group with results, which stand after one position and upto another.
#[derive(Debug)]
struct Recorded {
    after: Position,
    upto: Position,
    results: Arc<Vec<JobResult>>,
}

/// What a feed does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Take these, which stand upto this position.
    Take(Arc<Vec<JobResult>>, Position),
    /// Read the journal upto this position.
    Replay(Position),
    /// Wait for a change.
    Wait,
    /// Nothing more comes.
    Over,
}

impl Tail {
    /// Behind `total` results that stand upto `upto`.
    pub(super) fn new(upto: Position, total: u64, feeds: usize) -> Self {
        let feeds = vec![Some(Position(0)); feeds];
        let state = State { groups: VecDeque::new(), results: 0, upto, total, feeds, over: false };
        Self { state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only whole groups come and go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of changes from now on.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Behind the last result that is recorded.
    pub(super) fn upto(&self) -> Position {
        self.lock().upto
    }

    /// How many results are recorded.
    pub(super) fn total(&self) -> u64 {
        self.lock().total
    }

    /// A group is recorded, with its last event at `upto`.
    pub(super) fn push(&self, results: Arc<Vec<JobResult>>, upto: Position) {
        if results.is_empty() {
            return;
        }
        let mut state = self.lock();
        let after = std::mem::replace(&mut state.upto, upto);
        state.total += results.len() as u64;
        state.results += results.len();
        state.groups.push_back(Recorded { after, upto, results });
        while state.results > RESULTS && state.groups.len() > 1 {
            state.drop_first();
        }
        state.forget();
        drop(state);
        self.changed.send_replace(());
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.changed.send_replace(());
    }

    /// What a feed does next.
    pub(super) fn next(&self, feed: usize) -> Next {
        let state = self.lock();
        let Some(position) = state.feeds[feed] else { return Next::Over };
        if position >= state.upto {
            return if state.over { Next::Over } else { Next::Wait };
        }
        let next = state.groups.partition_point(|group| group.upto <= position);
        match state.groups.get(next) {
            Some(group) if group.after <= position => Next::Take(group.results.clone(), group.upto),
            Some(group) => Next::Replay(group.after),
            None => Next::Replay(state.upto),
        }
    }

    /// A feed has got so far.
    pub(super) fn reached(&self, feed: usize, position: Position) {
        let mut state = self.lock();
        state.feeds[feed] = Some(position);
        state.forget();
    }

    /// A feed takes nothing any more.
    pub(super) fn left(&self, feed: usize) {
        let mut state = self.lock();
        state.feeds[feed] = None;
        state.forget();
    }
}

impl State {
    /// Lets go of what nobody needs. A feed that is far behind reads the journal anyway: were groups kept for it, each result
    /// would lie here until thousands came after it, and its memory would be cold when it is given back. Near the end they
    /// are kept for it again.
    fn forget(&mut self) {
        let last = self.groups.back().map_or(self.upto, |group| group.after);
        let is_near = |position: &&Position| position.0.saturating_add(RESULTS as u64) >= last.0;
        let slowest = self.feeds.iter().flatten().filter(is_near).min().copied().unwrap_or(self.upto);
        while self.groups.front().is_some_and(|group| group.upto <= slowest) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(group) = self.groups.pop_front() {
            self.results -= group.results.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::{JobId, Status};

    use super::*;

    fn results(places: std::ops::Range<u64>) -> Arc<Vec<JobResult>> {
        Arc::new(places.map(|place| JobResult::new(JobId::from(place), place, Status::Succeeded)).collect())
    }

    /// What a feed does next, in short.
    fn next(tail: &Tail, feed: usize) -> String {
        match tail.next(feed) {
            Next::Take(results, upto) => format!("take {} upto {}", results.len(), upto.0),
            Next::Replay(upto) => format!("replay upto {}", upto.0),
            Next::Wait => "wait".to_owned(),
            Next::Over => "over".to_owned(),
        }
    }

    #[test]
    fn a_feed_that_keeps_up_takes_group_after_group() {
        let tail = Tail::new(Position(0), 0, 1);
        assert_eq!(next(&tail, 0), "wait");
        tail.push(results(0..3), Position(4));
        tail.push(results(3..5), Position(6));
        assert_eq!(next(&tail, 0), "take 3 upto 4");
        tail.reached(0, Position(4));
        assert_eq!(next(&tail, 0), "take 2 upto 6");
        tail.reached(0, Position(6));
        tail.push(results(0..0), Position(9));
        assert_eq!(next(&tail, 0), "wait", "nothing for it");
        tail.push(results(5..6), Position(10));
        assert_eq!(next(&tail, 0), "take 1 upto 10");
        tail.end();
        tail.reached(0, Position(10));
        assert_eq!((next(&tail, 0).as_str(), tail.total()), ("over", 6));
    }

    #[test]
    fn a_feed_from_an_earlier_host_reads_the_journal_first() {
        let tail = Tail::new(Position(100), 60, 2);
        tail.reached(0, Position(40));
        tail.reached(1, Position(100));
        assert_eq!((next(&tail, 0).as_str(), next(&tail, 1).as_str()), ("replay upto 100", "wait"));
        tail.push(results(60..61), Position(101));
        assert_eq!((next(&tail, 0).as_str(), next(&tail, 1).as_str()), ("replay upto 100", "take 1 upto 101"));
        tail.reached(0, Position(100));
        assert_eq!(next(&tail, 0), "take 1 upto 101");
    }

    #[test]
    fn who_falls_behind_the_bound_reads_the_journal_and_catches_up() {
        let tail = Tail::new(Position(0), 0, 1);
        for group in 1..=5 {
            tail.push(results(0..1000), Position(group * 1000));
        }
        assert_eq!(next(&tail, 0), "replay upto 1000", "four groups are kept");
        tail.reached(0, Position(1000));
        assert_eq!(next(&tail, 0), "take 1000 upto 2000");
    }

    #[test]
    fn nothing_is_kept_for_one_that_hangs_until_it_comes_near() {
        let tail = Tail::new(Position(0), 0, 2);
        for group in 1..=10 {
            tail.push(results(0..1000), Position(group * 1000));
            tail.reached(0, Position(group * 1000));
        }
        assert_eq!(tail.lock().groups.len(), 0, "one keeps up, and the other reads the journal anyway");
        assert_eq!((next(&tail, 0).as_str(), next(&tail, 1).as_str()), ("wait", "replay upto 10000"));
        tail.reached(1, Position(9500));
        tail.push(results(0..1000), Position(11000));
        tail.reached(0, Position(11000));
        assert_eq!(next(&tail, 1), "replay upto 10000", "what lies before the group that is kept for it");
        tail.reached(1, Position(10000));
        assert_eq!(next(&tail, 1), "take 1000 upto 11000");
        tail.reached(1, Position(11000));
        assert_eq!(tail.lock().groups.len(), 0);
    }

    #[test]
    fn a_feed_that_is_gone_holds_nothing_back() {
        let tail = Tail::new(Position(0), 0, 2);
        tail.push(results(0..3), Position(3));
        tail.reached(0, Position(3));
        assert_eq!(tail.lock().groups.len(), 1);
        tail.left(1);
        assert_eq!(tail.lock().groups.len(), 0);
        assert_eq!(next(&tail, 1), "over");
    }
}
