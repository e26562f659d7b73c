//! The edge between dispatch and the plugins that decide: a panic of one of them leaves with the name of its kind.
//!
//! Nothing goes on after it: the decision is left between two halves. It is caught only to be named, and thrown again.

use std::{
    any::Any,
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

/// The host's scheduler.
pub(crate) struct Queue(Box<dyn Scheduler>);

impl Queue {
    pub(crate) fn new(scheduler: Box<dyn Scheduler>) -> Self {
        Self(scheduler)
    }

    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        ask(Decider::Scheduler, || self.0.push(entry));
    }

    pub(crate) fn push_many(&mut self, entries: &[Entry<'_>]) {
        ask(Decider::Scheduler, || self.0.push_many(entries));
    }

    pub(crate) fn pop(&mut self, now: MonoTime) -> Pick {
        ask(Decider::Scheduler, || self.0.pop(now))
    }

    pub(crate) fn remove(&mut self, token: Token) -> bool {
        ask(Decider::Scheduler, || self.0.remove(token))
    }

    pub(crate) fn on_finish(&mut self, token: Token, usage: Usage) {
        ask(Decider::Scheduler, || self.0.on_finish(token, usage));
    }

    pub(crate) fn can_hold(&self) -> bool {
        ask(Decider::Scheduler, || self.0.can_hold())
    }

    pub(crate) fn hold(&mut self, class: ClassId) {
        ask(Decider::Scheduler, || self.0.hold(class));
    }

    pub(crate) fn release(&mut self, class: ClassId) {
        ask(Decider::Scheduler, || self.0.release(class));
    }

    /// Where a queued job stands. Nothing is decided by it: if it panics, which the panic hook tells, the place is not
    /// known and everything goes on.
    pub(crate) fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        catch_unwind(AssertUnwindSafe(|| self.0.explain(token, now))).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        ask(Decider::Scheduler, || self.0.len())
    }

    /// Asks its shares something; `None` if it has none.
    pub(crate) fn of_shares<R>(&mut self, question: impl FnOnce(&mut dyn Shares) -> R) -> Option<R> {
        ask(Decider::Scheduler, || self.0.shares().map(question))
    }
}
