//! Which job is next.

use std::fmt;

use crate::{MonoTime, Priority, Shares, Usage};

/// Stands for one queued job. Chosen by the host, unique among the jobs of a scheduler, without meaning to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Jobs with the same share, priority and limit keys. A class that may not start is held as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// What a scheduler learns about a queued job: keys only, never its input.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The job.
    pub token: Token,
    /// Its class; every entry of a class has the same `share` and `priority`.
    pub class: ClassId,
    /// Larger is sooner.
    pub priority: Priority,
    /// Whose share it counts against, as a path (`org/team/user`); borrowed for the call.
    pub share: &'a str,
    /// Its weight in that share: finite and above 0.
    pub cost: f64,
    /// When it was first queued. A retried job keeps it, so entries may arrive out of order.
    pub enqueued: MonoTime,
    /// When it must have ended.
    pub deadline: Option<MonoTime>,
}

impl<'a> Entry<'a> {
    /// An entry of cost 1 without deadline.
    pub fn new(token: Token, class: ClassId, priority: Priority, share: &'a str, enqueued: MonoTime) -> Self {
        Self { token, class, priority, share, cost: 1.0, enqueued, deadline: None }
    }
}

/// What a scheduler answers when a slot is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pick {
    /// Start this one. The token leaves the scheduler.
    Run(Token),
    /// Nothing may start before this moment (later than `now`), unless something is pushed or released first.
    NotBefore(MonoTime),
    /// Nothing may start until something is pushed or released.
    Empty,
}

/// Where a queued job stands, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// How many jobs would start before it if nothing else arrived; `None` when that is not known cheaply.
    pub ahead: Option<u64>,
    /// A clause that says why, for example `priority 10, queued 3s`.
    pub reason: String,
}

impl Position {
    /// A position `ahead` jobs from the front.
    pub fn new(ahead: Option<u64>, reason: impl Into<String>) -> Self {
        Self { ahead, reason: reason.into() }
    }
}

/// Decides which queued job starts next.
///
/// # The caller promises
/// - one call at a time, with a `now` that never goes back;
/// - a token is pushed at most once while it is in the scheduler; after it was picked or removed it may be pushed again;
/// - `on_finish` is called once for every picked token, before that token is pushed again, unless `hears_finish` is false: then it
///   is left out.
///
/// # The implementer promises
/// - every pushed token leaves exactly once, by [`Pick::Run`] or by a [`remove`](Self::remove) that answers true;
/// - **the same calls give the same picks**: no clock, no random source, no hash order;
/// - with at least one entry that is not held, `pop` answers `Run`, or `NotBefore` a moment it knows: a free slot never
///   idles for a job that may start;
/// - no blocking, no I/O: it runs inside the dispatch lock, with a budget of microseconds.
///
/// The kit `batchmill_testkit::scheduler` holds an implementation against these rules.
pub trait Scheduler: Send + fmt::Debug {
    /// Queues a job.
    fn push(&mut self, entry: Entry<'_>);

    /// Takes out the job that starts next.
    fn pop(&mut self, now: MonoTime) -> Pick;

    /// Takes out a certain job; false if it is not here.
    fn remove(&mut self, token: Token) -> bool;

    /// How many jobs are queued, held ones included.
    fn len(&self) -> usize;

    /// Whether no job is queued.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A picked job's attempt has ended and used this much.
    fn on_finish(&mut self, token: Token, usage: Usage) {
        let _ = (token, usage);
    }

    /// Whether [`on_finish`](Self::on_finish) changes anything. Where it does not, the host does not call it: over the boundary
    /// to a dynamic library a call costs more than most picks. Asked once.
    fn hears_finish(&self) -> bool {
        true
    }

    /// Whether a call costs so much that the host should make few, as over the boundary to a dynamic library: then it takes the
    /// jobs for slots that are about to be free together, by [`pop_many`](Self::pop_many). Asked once. Nothing that a scheduler
    /// decides by may change between two of these picks, so only one that does not hear of ends may wish so.
    fn prefers_many(&self) -> bool {
        false
    }

    /// Whether [`hold`](Self::hold) is implemented. Where it is not, the host parks what it may not start.
    fn can_hold(&self) -> bool {
        false
    }

    /// Jobs of this class, queued now or later, are not picked until it is released. May repeat.
    fn hold(&mut self, class: ClassId) {
        let _ = class;
    }

    /// Jobs of this class may be picked again. May repeat.
    fn release(&mut self, class: ClassId) {
        let _ = class;
    }

    /// Its shares, if it divides by them: their weights, and what they used.
    fn shares(&mut self) -> Option<&mut dyn Shares> {
        None
    }

    /// Where a queued job stands; `None` if it is not here.
    fn explain(&self, token: Token, now: MonoTime) -> Option<Position>;

    /// Queues many jobs, as by [`push`](Self::push) in order.
    fn push_many(&mut self, entries: &[Entry<'_>]) {
        for entry in entries {
            self.push(entry.clone());
        }
    }

    /// Takes out up to `max` jobs, as by [`pop`](Self::pop) in order; says why it stopped early.
    fn pop_many(&mut self, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
        for _ in 0..max {
            match self.pop(now) {
                Pick::Run(token) => picked.push(token),
                other => return Some(other),
            }
        }
        None
    }
}

// Chosen by config, so it must be usable as `dyn`.
const _: fn(&dyn Scheduler) = |_| {};
