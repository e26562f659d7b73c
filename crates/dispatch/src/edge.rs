//! The edge between dispatch and the plugins that decide: a panic of one of them leaves with the name of its kind.
//!
//! Nothing goes on after it: the decision is left between two halves. It is caught only to be named, and thrown again.

use std::{
    any::Any,
    cell::Cell,
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use batchmill_core::{ClassId, Entry, MonoTime, Pick, QueuePosition, Scheduler, Shares, Token, Usage};

/// A kind of plugin that dispatch asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decider {
    /// Which job is next.
    Scheduler,
    /// Whether an attempt is repeated.
    Retry,
    /// Whether failures stop the batch.
    Failure,
    /// How many attempts may run at once. The body asks it, not dispatch.
    Governor,
}

impl Decider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Scheduler, Self::Retry, Self::Failure, Self::Governor];

    /// The kind as config and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Retry => "retry",
            Self::Failure => "failure",
            Self::Governor => "governor",
        }
    }
}

/// The payload of a panic that came out of a plugin: what [`Dispatch::step`](crate::Dispatch::step) panics with then.
pub struct PluginPanic {
    /// Who panicked.
    pub decider: Decider,
    /// What it panicked with.
    pub payload: Box<dyn Any + Send>,
}

impl fmt::Debug for PluginPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginPanic").field("decider", &self.decider).finish_non_exhaustive()
    }
}

/// Asks a plugin. For bodies that ask one themselves, whose panic is then named as that of any other.
///
/// # Panics
/// When the plugin does: with a [`PluginPanic`].
pub fn ask<R>(decider: Decider, question: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(question))
        .unwrap_or_else(|payload| resume_unwind(Box::new(PluginPanic { decider, payload })))
}

/// Who is asked just now, where several questions have one catch.
pub(crate) struct Asking(Cell<Option<Decider>>);

impl Asking {
    /// Asks a plugin.
    #[inline]
    pub(crate) fn ask<R>(&self, decider: Decider, question: impl FnOnce() -> R) -> R {
        self.0.set(Some(decider));
        let answer = question();
        self.0.set(None);
        answer
    }
}

/// Asks plugins several questions. As [`ask`], with one catch for all of them: one for each costs more than many an answer.
pub(crate) fn asking<R>(questions: impl FnOnce(&Asking) -> R) -> R {
    let asking = Asking(Cell::new(None));
    catch_unwind(AssertUnwindSafe(|| questions(&asking))).unwrap_or_else(|payload| match asking.0.get() {
        Some(decider) => resume_unwind(Box::new(PluginPanic { decider, payload })),
        None => resume_unwind(payload),
    })
}

/// The host's scheduler.
pub(crate) struct Queue {
    scheduler: Box<dyn Scheduler>,
    /// Whether ends mean something to it.
    hears_finish: bool,
    /// Whether it wishes to be asked for many at once.
    prefers_many: bool,
    /// Slots that are about to be free within one lock, of those who wish so.
    expected: usize,
    /// Jobs for them that it has picked and nobody has taken: the next first.
    ahead: VecDeque<Token>,
    /// Room for its picks.
    picked: Vec<Token>,
}

impl Queue {
    pub(crate) fn new(scheduler: Box<dyn Scheduler>) -> Self {
        let (hears_finish, prefers_many) = (scheduler.hears_finish(), scheduler.prefers_many());
        Self { scheduler, hears_finish, prefers_many, expected: 0, ahead: VecDeque::new(), picked: Vec::new() }
    }

    pub(crate) fn hears_finish(&self) -> bool {
        self.hears_finish
    }

    pub(crate) fn prefers_many(&self) -> bool {
        self.prefers_many
    }

    /// So many slots are about to be free, with nothing in between that it decides by.
    pub(crate) fn expect(&mut self, slots: usize) {
        self.expected = slots;
    }

    /// They are not any more: what was picked for them is given back by the caller.
    pub(crate) fn take_ahead(&mut self) -> VecDeque<Token> {
        self.expected = 0;
        std::mem::take(&mut self.ahead)
    }

    /// Whether slots are expected, or something is picked for them.
    pub(crate) fn is_ahead(&self) -> bool {
        self.expected > 0 || !self.ahead.is_empty()
    }

    fn next_of_many(&mut self, now: MonoTime) -> Pick {
        let Self { scheduler, expected, ahead, picked, .. } = self;
        let end = scheduler.pop_many(now, *expected, picked);
        *expected = 0;
        ahead.extend(picked.drain(..));
        match (ahead.pop_front(), end) {
            (Some(token), _) => Pick::Run(token),
            (None, Some(end)) => end,
            (None, None) => Pick::Empty,
        }
    }

    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        ask(Decider::Scheduler, || self.scheduler.push(entry));
    }

    pub(crate) fn push_many(&mut self, entries: &[Entry<'_>]) {
        ask(Decider::Scheduler, || self.scheduler.push_many(entries));
    }

    pub(crate) fn pop(&mut self, now: MonoTime) -> Pick {
        ask(Decider::Scheduler, || self.next(now))
    }

    /// The same for who asks by [`Asking`].
    pub(crate) fn next(&mut self, now: MonoTime) -> Pick {
        if let Some(token) = self.ahead.pop_front() {
            return Pick::Run(token);
        }
        if self.expected > 1 { self.next_of_many(now) } else { self.scheduler.pop(now) }
    }

    pub(crate) fn remove(&mut self, token: Token) -> bool {
        if let Some(place) = self.ahead.iter().position(|ahead| *ahead == token) {
            self.ahead.remove(place);
            // It was picked, and this is over.
            self.on_finish(token, Usage::default());
            return true;
        }
        ask(Decider::Scheduler, || self.scheduler.remove(token))
    }

    pub(crate) fn on_finish(&mut self, token: Token, usage: Usage) {
        if self.hears_finish {
            ask(Decider::Scheduler, || self.scheduler.on_finish(token, usage));
        }
    }

    /// The same for who asks by [`Asking`] and knows that it hears of ends.
    pub(crate) fn tell_finish(&mut self, token: Token, usage: Usage) {
        self.scheduler.on_finish(token, usage);
    }

    pub(crate) fn can_hold(&self) -> bool {
        ask(Decider::Scheduler, || self.scheduler.can_hold())
    }

    pub(crate) fn hold(&mut self, class: ClassId) {
        ask(Decider::Scheduler, || self.scheduler.hold(class));
    }

    pub(crate) fn release(&mut self, class: ClassId) {
        ask(Decider::Scheduler, || self.scheduler.release(class));
    }

    /// Where a queued job stands. Nothing is decided by it: if it panics, which the panic hook tells, the place is not
    /// known and everything goes on.
    pub(crate) fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        catch_unwind(AssertUnwindSafe(|| self.scheduler.explain(token, now))).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.ahead.len() + ask(Decider::Scheduler, || self.scheduler.len())
    }

    /// Asks its shares something; `None` if it has none.
    pub(crate) fn of_shares<R>(&mut self, question: impl FnOnce(&mut dyn Shares) -> R) -> Option<R> {
        ask(Decider::Scheduler, || self.scheduler.shares().map(question))
    }
}
