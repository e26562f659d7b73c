//! What is due when.

use std::{cmp::Reverse, collections::BinaryHeap};

use batchmill_core::MonoTime;

use crate::BatchKey;

/// Something that happens at a moment. Entries are never taken out early: one whose job has moved on is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A job's `after` has come.
    Admit(BatchKey, u32),
    /// A job's backoff is over; void unless its epoch is still this one.
    Retry(BatchKey, u32, u32),
    /// A job's deadline has passed.
    JobDeadline(BatchKey, u32),
    /// A batch's deadline has passed.
    BatchDeadline(BatchKey),
    /// The scheduler had nothing to start before this moment.
    Refill,
}

/// A heap of due moments; equal moments come in the order in which they were armed.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(MonoTime, u64, Due)>>,
    armed: u64,
    /// What the body was told last, to say it again only when it changes.
    announced: Option<MonoTime>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: MonoTime, due: Due) {
        self.armed += 1;
        self.heap.push(Reverse((at, self.armed, due)));
    }

    /// The next thing that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: MonoTime) -> Option<Due> {
        if self.heap.peek()?.0.0 > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, due))| due)
    }

    /// The earliest moment, if the body does not know it yet.
    pub(crate) fn announce(&mut self) -> Option<MonoTime> {
        let earliest = self.heap.peek().map(|entry| entry.0.0);
        if earliest == self.announced {
            return None;
        }
        self.announced = earliest;
        earliest
    }

    /// The body's alarm has gone off: whatever is next must be announced anew.
    pub(crate) fn alarm_went_off(&mut self) {
        self.announced = None;
    }
}
