//! Who waits for a key, and in which order they get it.
//!
//! The scheduler decides who is next, and it can only decide between those that it may pick. So of the classes that wait for a
//! key, those get it first whose next job is first *as far as the scheduler can tell them apart by nothing else*: of each share
//! and priority (a *group*) the one whose job was queued first. One a group is enough for each start that there is room for; the
//! others stay held, so that a thousand classes of one key are not let loose for one of them to start.

use batchmill_core::{ClassId, MonoTime, Token};

/// The place of a waiter among those of its key: its group, when its next job was queued, that job, and whether it is a class. A
/// scheduler that hands out jobs of a class that is held makes both of them wait.
pub(crate) type Turn = (u32, MonoTime, Token, bool);

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A class that is held in the scheduler.
    Class(ClassId),
    /// A job that is set aside, where the scheduler can hold nothing.
    Job(Token),
}
