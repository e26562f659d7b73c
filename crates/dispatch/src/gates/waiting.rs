//! Who waits for a key, and in which order they get it.
//!
//! The scheduler decides who is next, and it can only decide between those that it may pick. So of the classes that wait for a
//! key, those get it first whose next job is first *as far as the scheduler can tell them apart by nothing else*: of each share
//! and priority (a *group*) the one whose job was queued first. One a group is enough for each start that there is room for; the
//! others stay held, so that a thousand classes of one key are not let loose for one of them to start.

use batchmill_core::{ClassId, MonoTime, Token};

/// The place of a waiter among those of its key. In the order of its fields: of a group, jobs that are set aside go before
/// classes. There are both only under a scheduler that hands out jobs of a class that is held; were a class let go first while
/// nothing more may be set aside, nothing would be picked ever again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(super) group: u32,
    pub(super) is_class: bool,
    /// When its next job was queued.
    pub(super) enqueued: MonoTime,
    /// That job.
    pub(super) token: Token,
}

impl Turn {
    /// Before all of a group.
    pub(super) fn first(group: u32) -> Self {
        Self { group, is_class: false, enqueued: MonoTime::ZERO, token: Token(0) }
    }
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A class that is held in the scheduler.
    Class(ClassId),
    /// A job that is set aside, where the scheduler can hold nothing.
    Job(Token),
}
